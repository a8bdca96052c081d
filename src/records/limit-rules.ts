/** Limits that an organization sets: for whom, of which calls, how many in how long and how many at once. */
import { type Selectable, sql } from 'kysely';
import { asGroupId, asKeyId, asServerId } from '#core/ids.ts';
import type { LimitRulesTable } from '#db/schema-access.ts';
import type { OrganizationScope } from '#db/scope.ts';
import type { LimitRule } from './snapshot.ts';

type Row = Pick<
  Selectable<LimitRulesTable>,
  | 'id'
  | 'counts'
  | 'group_id'
  | 'user_id'
  | 'key_id'
  | 'server_id'
  | 'tool'
  | 'points'
  | 'window_seconds'
  | 'burst'
  | 'concurrent'
>;

export const asLimitRule = (row: Row): LimitRule => ({
  id: row.id,
  counts: row.counts === 'organization' || row.counts === 'group' ? row.counts : 'principal',
  group: row.group_id === null ? undefined : asGroupId(row.group_id),
  user: row.user_id ?? undefined,
  key: row.key_id === null ? undefined : asKeyId(row.key_id),
  server: row.server_id === null ? undefined : asServerId(row.server_id),
  tool: row.tool ?? undefined,
  rate:
    row.points === null || row.window_seconds === null
      ? undefined
      : { points: row.points, windowSeconds: row.window_seconds, burst: row.burst ?? 0 },
  concurrent: row.concurrent ?? undefined,
});

/** Under which a limiter counts it. `subject`: who is counted; '': the organization. */
export const ruleKey = ({ id }: Pick<LimitRule, 'id'>, subject: string): string => `r:${id}:${subject}`;

export async function listLimitRules({ tx }: OrganizationScope): Promise<readonly LimitRule[]> {
  return (await tx.selectFrom('limit_rules').selectAll().orderBy('id').execute()).map(asLimitRule);
}

/** Throws `not_found` for a group, person, key or server that isn't there. */
export async function insertLimitRule(scope: OrganizationScope, rule: Omit<LimitRule, 'id'>): Promise<LimitRule> {
  const row = await scope.tx
    .insertInto('limit_rules')
    .values({ org_id: scope.org, ...columnsOf(rule) })
    .returningAll()
    .executeTakeFirstOrThrow();
  return asLimitRule(row);
}

/** What it holds for stays; undefined: there is no such rule. */
export async function updateLimitRule(
  { tx }: OrganizationScope,
  id: string,
  { rate, concurrent }: Pick<LimitRule, 'rate' | 'concurrent'>,
): Promise<LimitRule | undefined> {
  const row = await tx
    .updateTable('limit_rules')
    .set({ ...numbersOf({ rate, concurrent }), updated_at: sql`now()` })
    .where(sql`id::text`, '=', id)
    .returningAll()
    .executeTakeFirst();
  return row && asLimitRule(row);
}

export async function removeLimitRule({ tx }: OrganizationScope, id: string): Promise<LimitRule | undefined> {
  const row = await tx.deleteFrom('limit_rules').where(sql`id::text`, '=', id).returningAll().executeTakeFirst();
  return row && asLimitRule(row);
}

/** What a rule is about: two of an organization that are equal in it are one. */
export const scopeOf = ({ counts, group, user, key, server, tool }: Omit<LimitRule, 'id'>): string =>
  JSON.stringify([counts, group ?? null, user ?? null, key ?? null, server ?? null, tool ?? null]);

const columnsOf = (rule: Omit<LimitRule, 'id'>) => ({
  counts: rule.counts,
  group_id: rule.group ?? null,
  user_id: rule.user ?? null,
  key_id: rule.key ?? null,
  server_id: rule.server ?? null,
  tool: rule.tool ?? null,
  ...numbersOf(rule),
});

const numbersOf = ({ rate, concurrent }: Pick<LimitRule, 'rate' | 'concurrent'>) => ({
  points: rate?.points ?? null,
  window_seconds: rate?.windowSeconds ?? null,
  burst: rate && rate.burst > 0 ? rate.burst : null,
  concurrent: concurrent ?? null,
});
