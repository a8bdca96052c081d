/**
 * The one decision about what somebody may use (DESIGN rulings 2 to 5): an endpoint as its caller sees it. Every surface
 * asks the endpoint it was given: HTTP, SSE, WebSocket, the REST façade, meta tools, lists. Access = enabled AND (role, or
 * grant to a group or person, or all members) AND every policy that is attached; nothing is allowed by being empty.
 */
import { LRUCache } from 'lru-cache';
import { looseName, looseNames } from '#mcp/enforce.ts';
import { joinGrants } from '#records/holdings.ts';
import type { Rights, RightsAnswer, RightsWish, ToolGrant } from '#records/rights.ts';
import type { Endpoint, OrganizationSnapshot } from '#records/snapshot.ts';
import type { Judge, Policies } from './policies.ts';
import type { Reach } from './reach.ts';
import { routed } from './routes.ts';

const seen = new WeakMap<OrganizationSnapshot, LRUCache<string, Endpoint>>();
const MAX_SEEN = 2000;

/** Once for equal callers of an organization. */
export function onceFor(organization: OrganizationSnapshot, key: string, make: () => Endpoint): Endpoint {
  const known = seen.get(organization) ?? new LRUCache<string, Endpoint>({ max: MAX_SEEN });
  seen.set(organization, known);
  const found = known.get(key);
  if (found) return found;
  const made = make();
  known.set(key, made);
  return made;
}

/** What of an endpoint is given to somebody: all, some tools, or nothing (undefined). */
export function admissionTo(endpoint: Endpoint, { roles, groups, holdings, isAdmin }: Reach): ToolGrant | undefined {
  const { allowedRoles, grants } = endpoint;
  if (isAdmin || allowedRoles === '*' || roles.some((role) => allowedRoles.includes(role))) return '*';
  return groups.reduce<ToolGrant | undefined>(
    (given, { id }) => joinGrants(given, grants.get(id)),
    holdings.grants.get(endpoint.id),
  );
}

export interface Asked {
  readonly reach: Reach;
  readonly policies: Policies;
}

/** undefined: they may not enter. The endpoint itself where nothing of it is kept from them. */
export function seeEndpoint(
  organization: OrganizationSnapshot,
  endpoint: Endpoint,
  { reach, policies }: Asked,
): Endpoint | undefined {
  const given = admissionTo(endpoint, reach);
  if (given === undefined) return undefined;
  const judge = policies.judgeOf(organization, endpoint, reach);
  const way = routed(organization, endpoint, reach);
  const whole = way ? onceFor(organization, JSON.stringify(['routed', endpoint.id, way.key]), way.make) : endpoint;
  const isWhole = given === '*' && !judge && endpoint.bindings.every(({ server }) => server.blockedTools.size === 0);
  if (isWhole) return whole;
  const key = JSON.stringify([given === '*' ? given : [...given].sort(), judge?.key, blockedIn(endpoint)]);
  return onceFor(organization, JSON.stringify([endpoint.id, way?.key, key]), () => ({
    ...whole,
    whole,
    rights: rightsOf(given, { judge, key }),
  }));
}

const blockedIn = ({ bindings }: Endpoint) => bindings.map(({ server }) => [...server.blockedTools].sort());

interface Judged {
  readonly judge: Judge | undefined;
  readonly key: string;
}

function rightsOf(given: ToolGrant, { judge, key }: Judged): Rights {
  return {
    key,
    hasPolicy: judge?.isEnforced === true,
    decide(wish) {
      const granted = decideGrant(given, wish);
      if (granted !== 'allow' || !judge || wish.action === 'complete') return granted;
      return judge.permits(wish) ? 'allow' : 'policy';
    },
  };
}

/** Whoever is granted single tools has nothing else of the server. */
function decideGrant(given: ToolGrant, wish: RightsWish): RightsAnswer {
  const { action, name } = wish;
  if (action === 'call_tool' && isBlocked(wish)) return 'blocked';
  if (given === '*') return 'allow';
  return action === 'call_tool' && given.has(name) ? 'allow' : 'grant';
}

/** Also a name that a careless server may take for a blocked tool's, unless the server itself lists it as another. */
function isBlocked({ binding, name, definition }: RightsWish): boolean {
  const { blockedTools } = binding.server;
  if (blockedTools.size === 0 || blockedTools.has(name)) return blockedTools.has(name);
  if (definition) return false;
  const names = looseNames(name);
  return [...blockedTools].some((blocked) => names.includes(looseName(blocked)));
}

/** Of several endpoints together, each binding's by its own; undefined: nothing of any is kept from the caller. */
export function joinRights(members: readonly Endpoint[]): Rights | undefined {
  if (members.every(({ rights }) => rights === undefined)) return undefined;
  const byBinding = new Map(members.flatMap(({ bindings, rights }) => bindings.map((binding) => [binding, rights])));
  return {
    key: JSON.stringify(members.map(({ id, rights }) => [id, rights?.key])),
    hasPolicy: members.some(({ rights }) => rights?.hasPolicy),
    decide: (wish) => byBinding.get(wish.binding)?.decide(wish) ?? (byBinding.has(wish.binding) ? 'allow' : 'grant'),
  };
}
