/** Who may use which tools of an organization, by the very decision that calls ask (gateway/rights): for plans. */

import type { AccessChange } from '#admin/contract/configuration.ts';
import type { GroupId } from '#core/ids.ts';
import { type JsonObject, parseJsonObject } from '#core/json.ts';
import { principalKey } from '#core/principal.ts';
import type { Db } from '#db/schema.ts';
import { withOrganization, withPlatform } from '#db/scope.ts';
import { isListed } from '#gateway/rights/check.ts';
import type { Policies } from '#gateway/rights/policies.ts';
import type { Reach } from '#gateway/rights/reach.ts';
import { seeEndpoint } from '#gateway/rights/seen.ts';
import { noHoldings } from '#records/holdings.ts';
import type { ToolGrant } from '#records/rights.ts';
import type { Binding, OrganizationSnapshot } from '#records/snapshot.ts';
import { listToolPins } from '#records/tool-pins.ts';

type Who = AccessChange['who'];

export interface Subject {
  readonly who: Who;
  readonly roles: readonly string[];
  readonly groups: ReadonlySet<string>;
  readonly grants: ReadonlyMap<string, ToolGrant>;
}

export interface OrganizationAccess {
  readonly organization: OrganizationSnapshot;
  readonly subjects: readonly Subject[];
  /** By id of the server: definitions that were seen. */
  readonly tools: ReadonlyMap<string, ReadonlyMap<string, JsonObject>>;
}

/** People beyond these are judged by their groups and roles alone. */
const MAX_PEOPLE = 1000;
/** Whatever is not known by name. */
const ANY = '*';

export async function readAccess(db: Db, organization: OrganizationSnapshot): Promise<OrganizationAccess> {
  const pins = await withOrganization(db, organization.id, listToolPins);
  const tools = new Map<string, Map<string, JsonObject>>();
  for (const { server, tool, approved } of pins) {
    const known = tools.get(server) ?? new Map<string, JsonObject>();
    tools.set(server, known);
    if (approved) known.set(tool, parseJsonObject(approved.text));
  }
  return { organization, subjects: [...kindsOf(organization), ...(await readPeople(db, organization))], tools };
}

const nobody = { roles: [], groups: new Set<string>(), grants: new Map<string, ToolGrant>() };

function kindsOf({ endpoints, groups }: OrganizationSnapshot): readonly Subject[] {
  const roles = new Set(
    [...endpoints.values()].flatMap(({ allowedRoles }) => (allowedRoles === '*' ? [] : allowedRoles)),
  );
  return [
    { ...nobody, who: { kind: 'everybody', name: 'every member' } },
    ...[...roles].sort().map((name): Subject => ({ ...nobody, who: { kind: 'role', name }, roles: [name] })),
    ...[...groups.values()].map(
      ({ id, name }): Subject => ({ ...nobody, who: { kind: 'group', name }, groups: new Set([id]) }),
    ),
  ];
}

/** Those who are in a group or granted something, by address or name. */
async function readPeople(db: Db, { id: org }: OrganizationSnapshot): Promise<readonly Subject[]> {
  const { members, grants, roles } = await withPlatform(db, async ({ tx }) => ({
    members: await tx
      .selectFrom('group_members as m')
      .leftJoin('users as u', 'u.id', 'm.user_id')
      .select(['m.group_id', 'm.email', 'u.email as address', 'u.name', 'm.user_id'])
      .where('m.org_id', '=', org)
      .where('m.key_id', 'is', null)
      .execute(),
    grants: await tx
      .selectFrom('grants as g')
      .leftJoin('users as u', 'u.id', 'g.user_id')
      .select(['g.email', 'u.email as address', 'u.name', 'g.user_id', 'g.server_id', 'g.collection_id', 'g.tools'])
      .where('g.org_id', '=', org)
      .where('g.group_id', 'is', null)
      .execute(),
    roles: await tx
      .selectFrom('members as m')
      .innerJoin('users as u', 'u.id', 'm.user_id')
      .select(['u.email', 'm.roles'])
      .where('m.org_id', '=', org)
      .execute(),
  }));
  const people = new Map<string, { groups: Set<string>; grants: Map<string, ToolGrant> }>();
  const of = (row: Pick<(typeof members)[number], 'email' | 'address' | 'name' | 'user_id'>) => {
    const name = (row.email ?? row.address ?? row.name ?? row.user_id ?? '').toLowerCase();
    const known = people.get(name) ?? { groups: new Set<string>(), grants: new Map<string, ToolGrant>() };
    if (people.size < MAX_PEOPLE) people.set(name, known);
    return known;
  };
  for (const row of members) of(row).groups.add(row.group_id);
  for (const row of grants) {
    const target = row.server_id ?? row.collection_id;
    if (target !== null) of(row).grants.set(target, Array.isArray(row.tools) ? new Set(row.tools.map(String)) : ANY);
  }
  const rolesOf = new Map(roles.map((row) => [row.email?.toLowerCase(), row.roles]));
  return [...people].map(([name, held]) => {
    const given = rolesOf.get(name);
    return { who: { kind: 'person', name }, ...held, roles: Array.isArray(given) ? given.map(String) : [] };
  });
}

/** By who, endpoint and server: tools by the server's own names. */
type Matrix = ReadonlyMap<
  string,
  { readonly at: Omit<AccessChange, 'gains' | 'loses'>; readonly tools: ReadonlySet<string> }
>;

/** Nothing is told of whom nothing changes for. */
export function diffAccess(
  before: readonly OrganizationAccess[],
  after: readonly OrganizationAccess[],
  policies: Policies,
): AccessChange[] {
  const known = toolNames([...before, ...after]);
  const matrixOf = (all: readonly OrganizationAccess[]): Matrix =>
    new Map(all.flatMap((one) => cellsOf(one, known, policies)));
  const [was, is] = [matrixOf(before), matrixOf(after)];
  return [...new Set([...was.keys(), ...is.keys()])].flatMap((key) => {
    const [old, fresh] = [was.get(key), is.get(key)];
    const at = fresh?.at ?? old?.at;
    const gains = [...(fresh?.tools ?? [])].filter((tool) => !old?.tools.has(tool));
    const loses = [...(old?.tools ?? [])].filter((tool) => !fresh?.tools.has(tool));
    return at && gains.length + loses.length > 0 ? [{ ...at, gains: brief(gains), loses: brief(loses) }] : [];
  });
}

const brief = (tools: readonly string[]): string[] => (tools.includes(ANY) ? [ANY] : [...tools].sort());

/** By key of the server: names that were seen, and those that anybody wrote down. */
function toolNames(all: readonly OrganizationAccess[]): ReadonlyMap<string, ReadonlySet<string>> {
  const names = new Map<string, Set<string>>();
  const add = (key: string, tools: Iterable<string>) => names.set(key, new Set([...(names.get(key) ?? []), ...tools]));
  for (const { organization, subjects, tools } of all) {
    const text = organization.policies.map(({ config }) => JSON.stringify(config)).join(' ');
    const named = [...text.matchAll(/Tool::\\"((?:[^"\\])+)\\"/g)].map(([, name]) => name ?? '');
    for (const { id, bindings, grants } of organization.endpoints.values()) {
      const given = [...grants.values(), ...subjects.map((subject) => subject.grants.get(id))];
      for (const { server, shaping } of bindings) {
        add(server.key, tools.get(server.id)?.keys() ?? []);
        add(server.key, [...(shaping?.choose ?? []), ...(shaping?.hide ?? []), ...server.blockedTools, ...named]);
        for (const grant of given) if (grant !== undefined && grant !== ANY) add(server.key, grant);
      }
    }
  }
  return names;
}

function cellsOf(
  { organization, subjects, tools }: OrganizationAccess,
  known: ReadonlyMap<string, ReadonlySet<string>>,
  policies: Policies,
) {
  return subjects.flatMap((subject) => {
    const reach = reachOf(organization, subject);
    return [...organization.endpoints.values()].flatMap((endpoint) => {
      const seen = seeEndpoint(organization, endpoint, { reach, policies });
      if (!seen) return [];
      return seen.bindings.flatMap((binding) => {
        const { server } = binding;
        if (!server.enabled) return [];
        const names = [...(known.get(server.key) ?? []), ANY];
        const allowed = names.filter((name) => {
          const definition = tools.get(server.id)?.get(name);
          return isPublished(binding, name) && isListed(seen, { action: 'call_tool', binding, name, definition });
        });
        const at = { organization: organization.slug, who: subject.who, endpoint: endpoint.name, server: server.key };
        return [[JSON.stringify(at), { at, tools: new Set(allowed) }] as const];
      });
    });
  });
}

export const isPublished = ({ shaping }: Binding, name: string): boolean =>
  !shaping || ((shaping.choose?.has(name) ?? true) && !shaping.hide.has(name));

/** As somebody who has no more than this. */
export function reachOf(organization: OrganizationSnapshot, { who, roles, groups, grants }: Subject): Reach {
  const held = [...organization.groups.values()].filter(({ id }) => groups.has(id));
  const ids = new Set<GroupId>(held.map(({ id }) => id));
  const key = JSON.stringify([who, roles]);
  const email = who.kind === 'person' ? { email: who.name } : {};
  return {
    principal: {
      ...{ kind: 'user', key: principalKey('', key), issuer: '', subject: who.name, ...email, claims: {} },
      expiresAt: Number.MAX_SAFE_INTEGER,
    },
    ...{ roles, endpoints: undefined, groups: held, key },
    holdings: { ...noHoldings, groups: ids, grants, key },
    isAdmin: held.some(({ builtin }) => builtin),
    isLive: true,
  };
}
