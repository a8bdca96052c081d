/** A case of a policy test, judged as a call would be, by all but policies: whose draft may not be in force yet. */
import type { Limiter } from '#adapters/limiter/limiter.ts';
import type { CaseAnswer, CaseWish, SelfRooms } from '#admin/self.ts';
import { asGatehouseError } from '#core/error.ts';
import type { GroupId, OrgId } from '#core/ids.ts';
import type { AuthorizeDeps } from '#gateway/authorize.ts';
import { findRules } from '#gateway/limit-rules.ts';
import type { Policies } from '#gateway/rights/policies.ts';
import type { Reach } from '#gateway/rights/reach.ts';
import { seeEndpoint } from '#gateway/rights/seen.ts';
import type { RightsAnswer } from '#records/rights.ts';
import type { Binding, OrganizationSnapshot } from '#records/snapshot.ts';
import { isPublished, reachOf } from './access-of.ts';
import { admittedBy } from './self-access.ts';
import type { SelfCallers } from './self-caller.ts';

export interface CaseDeps {
  readonly callers: SelfCallers;
  readonly judging: Pick<AuthorizeDeps, 'snapshots'>;
  readonly limiter: Pick<Limiter, 'read'>;
}

interface Caller {
  readonly organization: OrganizationSnapshot;
  readonly reach: Reach;
}

const noPolicies: Policies = { keyOf: () => '', judgeOf: () => undefined };
const steps = { grant: 'grant', blocked: 'switch', allow: undefined, policy: undefined } as const satisfies Record<
  RightsAnswer,
  CaseAnswer['step']
>;

export function openCaseJudge(deps: CaseDeps): SelfRooms['judge'] {
  return async (org, wish) => {
    const caller = await callerOf(deps, org, wish);
    if (!caller) return { step: 'membership', by: [] };
    const { organization, reach } = caller;
    const endpoint = organization.endpoints.get(wish.endpoint);
    const binding = endpoint?.bindings.find(({ server }) => server.key === wish.server);
    if (!endpoint || !binding?.server.enabled) return { step: 'enablement', by: [] };
    const by = admittedBy(endpoint, caller);
    const seen = seeEndpoint(organization, endpoint, { reach, policies: noPolicies });
    if (!seen) return { step: 'grant', by };
    const own = seen.bindings.find(({ id }) => id === binding.id) ?? binding;
    const { action, name, definition } = wish;
    if (action === 'call_tool' || action === 'get_prompt' || action === 'read_resource') {
      if (action === 'call_tool' && !isPublished(own, name)) return { step: 'enablement', by };
      const asked = { action, binding: own, name, definition, args: {} };
      const step = steps[seen.rights?.decide(asked) ?? 'allow'];
      if (step !== undefined) return { step, by };
    }
    const limit = await usedUp(deps, caller, { wish, binding: own });
    return limit === undefined ? { step: undefined, by } : { step: 'limit', by, limit };
  };
}

/** undefined: no member, or kept out. */
async function callerOf({ callers, judging }: CaseDeps, org: OrgId, wish: CaseWish): Promise<Caller | undefined> {
  if (wish.user !== undefined) {
    try {
      return await callers.accessTo({ userId: wish.user, org }, undefined);
    } catch (thrown) {
      const { http } = asGatehouseError(thrown).row;
      if (http === 401 || http === 403) return undefined;
      throw thrown;
    }
  }
  const organization = judging.snapshots.find(org) ?? (await judging.snapshots.load(org));
  return organization && { organization, reach: claimed(organization, wish.claims) };
}

const texts = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter((one) => typeof one === 'string') : typeof value === 'string' ? [value] : [];

/** Groups by name, or as the identity provider calls them. */
function claimed(organization: OrganizationSnapshot, { sub, roles, groups }: CaseWish['claims']): Reach {
  const named = new Set(texts(groups));
  const held = [...organization.groups.values()].filter(
    ({ name, externalId }) => named.has(name) || (externalId !== undefined && named.has(externalId)),
  );
  return reachOf(organization, {
    who: { kind: 'role', name: typeof sub === 'string' ? sub : 'test' },
    ...{ roles: texts(roles), groups: new Set<GroupId>(held.map(({ id }) => id)), grants: new Map() },
  });
}

interface Called {
  readonly wish: CaseWish;
  readonly binding: Binding;
}

/** Id of the first limit that has nothing left. */
async function usedUp({ limiter }: CaseDeps, caller: Caller, { wish, binding }: Called): Promise<string | undefined> {
  const tool = wish.action === 'call_tool' ? wish.name : undefined;
  const charges = [
    ...findRules(caller, undefined).charges,
    ...findRules(caller, { server: binding.server.id, tool }).charges,
  ];
  for (const { key, limit } of charges) {
    const { used } = await limiter.read(key, limit);
    if (used >= limit.points + (limit.burst ?? 0)) return key.split(':')[1];
  }
  return undefined;
}
