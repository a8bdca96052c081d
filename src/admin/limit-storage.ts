/** What the admin API needs of storage about limits. */
import type { OrgId } from '#core/ids.ts';
import type { Db } from '#db/schema.ts';
import { type OrganizationScope, withOrganization, withPlatform } from '#db/scope.ts';
import { insertLimitRule, listLimitRules, removeLimitRule, scopeOf, updateLimitRule } from '#records/limit-rules.ts';
import type { LimitRule } from '#records/snapshot.ts';
import type { LimitNames } from './routes/limits.ts';

export interface LimitRecords {
  limitNames(org: OrgId): Promise<LimitNames>;
  listLimits(org: OrgId): Promise<readonly LimitRule[]>;
  /** In the place of the one that is about the same. Throws `not_found`. */
  setLimit(org: OrgId, rule: Omit<LimitRule, 'id'>): Promise<LimitRule>;
  /** undefined: there is none. */
  removeLimit(org: OrgId, id: string): Promise<LimitRule | undefined>;
}

export function limitRecords(db: Db): LimitRecords {
  return {
    limitNames: (org) => readNames(db, org),
    listLimits: (org) => withOrganization(db, org, listLimitRules),
    setLimit: (org, rule) => withOrganization(db, org, (scope) => set(scope, rule)),
    removeLimit: (org, id) => withOrganization(db, org, (scope) => removeLimitRule(scope, id)),
  };
}

async function set(scope: OrganizationScope, rule: Omit<LimitRule, 'id'>): Promise<LimitRule> {
  const about = scopeOf(rule);
  // A quota for a day and a rate for a minute are two limits about the same.
  const same = (await listLimitRules(scope)).find(
    (found) =>
      scopeOf(found) === about &&
      (found.rate === undefined || rule.rate === undefined || found.rate.windowSeconds === rule.rate.windowSeconds),
  );
  return (same && (await updateLimitRule(scope, same.id, rule))) ?? insertLimitRule(scope, rule);
}

async function readNames(db: Db, org: OrgId): Promise<LimitNames> {
  return withPlatform(db, async ({ tx }) => {
    const groups = await tx.selectFrom('groups').select(['id', 'name']).where('org_id', '=', org).execute();
    const servers = await tx
      .selectFrom('servers')
      .select(['id', 'key'])
      .where((is) => is.or([is('org_id', 'is', null), is('org_id', '=', org)]))
      .execute();
    const users = await tx
      .selectFrom('members as m')
      .innerJoin('users as u', 'u.id', 'm.user_id')
      .select(['u.id', 'u.email'])
      .where('m.org_id', '=', org)
      .execute();
    return {
      groups: new Map(groups.map((row) => [row.id, row.name])),
      servers: new Map(servers.map((row) => [row.id, row.key])),
      users: new Map(users.map((row) => [row.id, row.email ?? undefined])),
    };
  });
}
