/** What somebody may use and by what: asked of the one decision, tool by tool. */
import type { AdmittedBy, EndpointAccess } from '#admin/me-nouns.ts';
import type { SelfRooms } from '#admin/self.ts';
import { GatehouseError } from '#core/error.ts';
import type { JsonObject } from '#core/json.ts';
import type { Access, AuthorizeDeps } from '#gateway/authorize.ts';
import { seeEndpoint } from '#gateway/rights/seen.ts';
import type { PolicyNote } from '#records/call-record.ts';
import type { ToolGrant } from '#records/rights.ts';
import type { Binding, Endpoint } from '#records/snapshot.ts';
import type { SelfCallers } from './self-caller.ts';

type Answer = EndpointAccess['tools'][number]['answer'];

export function openSelfAccess(
  callers: SelfCallers,
  { policies }: Pick<AuthorizeDeps, 'policies'>,
): Pick<SelfRooms, 'standing' | 'access' | 'answer'> {
  return {
    async standing(self) {
      const { reach } = await callers.accessTo(self, undefined);
      const { roles, groups, isAdmin } = reach;
      return { roles, groups: groups.map(({ name }) => name), isAdministrator: isAdmin || roles.includes('admin') };
    },
    async access(self, { endpoint: only, tools }) {
      const access = await callers.accessTo(self, undefined);
      const all = [...access.organization.endpoints.values()].filter(({ name }) => only === undefined || name === only);
      return all
        .sort((a, b) => (a.name < b.name ? -1 : 1))
        .map((endpoint) => {
          const by = admittedBy(endpoint, access);
          const seen = seeEndpoint(access.organization, endpoint, { reach: access.reach, policies });
          const named = by.flatMap((one) => one.tools ?? []);
          const ways = endpoint.bindings.flatMap((binding) => {
            const known = tools.get(binding.server.key) ?? [];
            const definitions = new Map(known.map((definition) => [String(definition.name), definition]));
            const names = [
              ...new Set([...definitions.keys(), ...(endpoint.bindings.length === 1 ? named : [])]),
            ].sort();
            return names.map((name) => ({ binding, name, definition: definitions.get(name) }));
          });
          return {
            ...{
              endpoint: endpoint.name,
              kind: endpoint.kind === 'server' ? ('server' as const) : ('collection' as const),
            },
            ...{ admitted: seen !== undefined, by: [...by] },
            servers: endpoint.bindings.map(({ server }) => server.key),
            tools: ways.map((way) => ({ name: way.name, server: way.binding.server.key, ...decided(seen, way) })),
          };
        });
    },
    async answer(self, { endpoint: name, tool }) {
      const access = await callers.accessTo(self, undefined);
      const endpoint = access.organization.endpoints.get(name);
      if (!endpoint) throw new GatehouseError('not_found', { message: `There is no endpoint "${name}"` });
      const by = admittedBy(endpoint, access);
      const seen = seeEndpoint(access.organization, endpoint, { reach: access.reach, policies });
      const [binding] = endpoint.bindings;
      if (tool === undefined || !binding)
        return { by, answer: seen ? (binding?.server.enabled === false ? 'off' : 'allow') : 'grant', policies: [] };
      return { by, ...decided(seen, { binding, name: tool, definition: undefined }) };
    },
  };
}

interface Way {
  readonly binding: Binding;
  readonly name: string;
  readonly definition: JsonObject | undefined;
}

function decided(
  seen: Endpoint | undefined,
  { binding, name, definition }: Way,
): { answer: Answer; policies: string[] } {
  if (!binding.server.enabled) return { answer: 'off', policies: [] };
  if (!seen) return { answer: 'grant', policies: [] };
  // A route of theirs has replaced it.
  const own = seen.bindings.find(({ id }) => id === binding.id) ?? binding;
  const wish = { action: 'call_tool', binding: own, name, definition, args: undefined } as const;
  const answer = seen.rights?.decide(wish) ?? 'allow';
  if (answer !== 'policy') return { answer, policies: [] };
  const notes: PolicyNote[] = [];
  seen.rights?.decide({ ...wish, args: {}, tell: (note) => notes.push(note) });
  return { answer, policies: notes.flatMap(({ policies, sets }) => (policies.length > 0 ? policies : sets)) };
}

/** Each way by itself: whoever has several keeps the others when one ends. */
export function admittedBy(
  { id, allowedRoles, grants }: Endpoint,
  { reach }: Pick<Access, 'reach'>,
): readonly AdmittedBy[] {
  const { roles, groups, holdings, isAdmin } = reach;
  const toolsOf = (given: ToolGrant) => (given === '*' ? null : [...given].sort());
  const everybody = allowedRoles === '*';
  const own = holdings.grants.get(id);
  return [
    ...(isAdmin ? [{ kind: 'administrator', name: 'MCP-Admin', tools: null } as const] : []),
    ...(everybody ? [{ kind: 'everybody', name: null, tools: null } as const] : []),
    ...(everybody ? [] : roles.filter((role) => allowedRoles.includes(role))).map(
      (name) => ({ kind: 'role', name, tools: null }) as const,
    ),
    ...groups.flatMap((group) => {
      const given = grants.get(group.id);
      return given ? [{ kind: 'group' as const, name: group.name, tools: toolsOf(given) }] : [];
    }),
    ...(own ? [{ kind: 'grant', name: null, tools: toolsOf(own) } as const] : []),
  ];
}
