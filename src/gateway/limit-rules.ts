/** Which of an organization's own limits a call comes under, and whom each of them counts. */
import type { Charge } from '#adapters/limiter/limiter.ts';
import type { ServerId } from '#core/ids.ts';
import { looseName, looseNames } from '#mcp/enforce.ts';
import { ruleKey } from '#records/limit-rules.ts';
import type { LimitRule, OrganizationSnapshot } from '#records/snapshot.ts';
import type { Reach } from './rights/reach.ts';

export interface Asker {
  readonly organization: Pick<OrganizationSnapshot, 'id' | 'limits'>;
  readonly reach: Pick<Reach, 'principal' | 'groups' | 'holdings'>;
}

export interface RuleTarget {
  readonly server: ServerId;
  /** The server's own name; undefined: something else than a tool is asked for. */
  readonly tool: string | undefined;
}

export interface FoundRules {
  readonly charges: readonly Charge[];
  /** How many calls at once. */
  readonly places: readonly { readonly key: string; readonly limit: number }[];
}

const none: FoundRules = { charges: [], places: [] };

/** Of all calls where no target is given, else of calls to it. */
export function findRules(asker: Asker, target: RuleTarget | undefined): FoundRules {
  const { limits } = asker.organization;
  if (limits.length === 0) return none;
  const charges: Charge[] = [];
  const places: { key: string; limit: number }[] = [];
  for (const rule of limits) {
    if (!isAbout(rule, target) || !holdsFor(rule, asker.reach)) continue;
    for (const subject of subjectsOf(rule, asker.reach)) {
      const key = ruleKey(rule, subject);
      if (rule.rate) charges.push({ key, limit: rule.rate });
      if (rule.concurrent !== undefined) places.push({ key, limit: rule.concurrent });
    }
  }
  return { charges, places };
}

/** Those that hold for somebody, whatever they are about, with the key that counts them. */
export const rulesHolding = ({ organization, reach }: Asker) =>
  organization.limits
    .filter((rule) => holdsFor(rule, reach))
    .flatMap((rule) => subjectsOf(rule, reach).map((subject) => ({ rule, key: ruleKey(rule, subject) })));

function isAbout({ server, tool }: LimitRule, target: RuleTarget | undefined): boolean {
  if (!target) return server === undefined;
  if (server !== target.server || tool === undefined || tool === target.tool) return server === target.server;
  // A careless server may take the name for this tool's.
  return target.tool !== undefined && looseNames(target.tool).includes(looseName(tool));
}

function holdsFor({ group, user, key }: LimitRule, { principal, groups, holdings }: Asker['reach']): boolean {
  if (group !== undefined) return groups.some(({ id }) => id === group);
  if (user !== undefined) return holdings.userId === user;
  return key === undefined || (principal.kind === 'api-key' && principal.keyId === key);
}

/** A person is one, whichever way they signed in; each group of theirs is counted where no group is named. */
function subjectsOf({ counts, group }: LimitRule, { principal, groups, holdings }: Asker['reach']): readonly string[] {
  if (counts === 'organization') return [''];
  if (counts === 'group') return group !== undefined ? [group] : groups.map(({ id }) => id);
  return [holdings.userId ?? (principal.kind === 'api-key' ? principal.keyId : principal.key)];
}

/** Rules of a server are about what it is asked to do, not about what it is asked for beforehand. */
export const isCounted = (method: string | undefined): boolean =>
  method !== undefined &&
  !/^(?:initialize|ping|server\/discover|logging\/setLevel|subscriptions\/listen|notifications\/.*|.*\/list|resources\/(?:un)?subscribe)$/.test(
    method,
  );
