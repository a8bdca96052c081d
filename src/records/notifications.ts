/** Rules of what an organization's people are told, and how far each has got. One replica looks after a rule at a time. */
import { type Selectable, sql } from 'kysely';
import { GatehouseError } from '#core/error.ts';
import { asOrgId, type OrgId } from '#core/ids.ts';
import type { NotificationRulesTable } from '#db/schema-notifications.ts';
import type { OrganizationScope, PlatformScope } from '#db/scope.ts';
import { parseRoles } from './columns.ts';
import type { Place } from './vault.ts';

export const notificationKinds = ['webhook', 'slack', 'email'] as const;
export type NotificationKind = (typeof notificationKinds)[number];

/** What is told of. */
export const notificationEvents = [
  'server.failing',
  'key.expiring',
  'account.failed',
  'tool.changed',
  'calls.denied',
  'access.requested',
] as const;
export type NotificationEvent = (typeof notificationEvents)[number];

export interface NotificationRule {
  readonly id: string;
  readonly org: OrgId;
  readonly name: string;
  readonly kind: NotificationKind;
  readonly events: readonly NotificationEvent[];
  readonly threshold: number;
  readonly sealed: string;
  readonly shown: string;
  readonly enabled: boolean;
  /** What it has told of and was still so at the last look. */
  readonly told: readonly string[];
  /** Deliveries that failed since the last that did not. */
  readonly failures: number;
  readonly failure: string | undefined;
  /** Unix milliseconds. */
  readonly retryAt: number | undefined;
  readonly sentAt: number | undefined;
  readonly failedAt: number | undefined;
  readonly createdAt: number;
}

export type RuleInput = Pick<
  NotificationRule,
  'name' | 'kind' | 'events' | 'threshold' | 'sealed' | 'shown' | 'enabled'
>;

/** What is undefined stays. */
export type RuleChange = { readonly [Name in keyof RuleInput]?: RuleInput[Name] | undefined };

export const notificationPlace = (id: string): Place => ({ table: 'notification_rules', column: 'sealed', rowId: id });

/** Rules of one organization. */
const MOST_RULES = 50;

export async function listNotificationRules({ tx }: OrganizationScope): Promise<readonly NotificationRule[]> {
  const rows = await tx.selectFrom('notification_rules').selectAll().orderBy('name').execute();
  return rows.map(asRule);
}

/** Throws `not_found`. */
export async function getNotificationRule({ tx }: OrganizationScope, id: string): Promise<NotificationRule> {
  const row = await tx
    .selectFrom('notification_rules')
    .selectAll()
    .where(sql`id::text`, '=', id.toLowerCase())
    .executeTakeFirst();
  if (row) return asRule(row);
  throw new GatehouseError('not_found', { message: 'There is no such notification' });
}

/** Throws `conflict` for a name that is taken, and for one too many. */
export async function insertNotificationRule(
  scope: OrganizationScope,
  id: string,
  { events, ...rule }: RuleInput,
): Promise<NotificationRule> {
  const { tx, org } = scope;
  const all = await listNotificationRules(scope);
  if (all.length >= MOST_RULES)
    throw new GatehouseError('conflict', { message: `There are ${MOST_RULES} notifications already: remove one` });
  const row = await tx
    .insertInto('notification_rules')
    .values({ id, org_id: org, ...rule, events: JSON.stringify(events) })
    .onConflict((conflict) => conflict.columns(['org_id', 'name']).doNothing())
    .returningAll()
    .executeTakeFirst();
  if (row) return asRule(row);
  throw new GatehouseError('conflict', { message: `There is a notification "${rule.name}" already` });
}

/** What is given changes; it starts anew, and tells again what is so. Throws `not_found`. */
export async function updateNotificationRule(
  scope: OrganizationScope,
  id: string,
  { events, ...change }: RuleChange,
): Promise<NotificationRule> {
  const { id: known } = await getNotificationRule(scope, id);
  const row = await scope.tx
    .updateTable('notification_rules')
    .set({
      ...{ ...change, ...(events && { events: JSON.stringify(events) }) },
      ...{ failures: 0, retry_at: null, failure: null, failed_at: null, updated_at: sql<Date>`now()` },
    })
    .where('id', '=', known)
    .returningAll()
    .executeTakeFirstOrThrow();
  return asRule(row);
}

/** Throws `not_found`. */
export async function removeNotificationRule(scope: OrganizationScope, id: string): Promise<NotificationRule> {
  const rule = await getNotificationRule(scope, id);
  await scope.tx.deleteFrom('notification_rules').where('id', '=', rule.id).execute();
  return rule;
}

/** Those that nobody has looked after since, the longest unseen first; nobody else gets them now. */
export async function claimNotificationRules(
  { tx }: PlatformScope,
  { nowMs, everyMs, limit }: { readonly nowMs: number; readonly everyMs: number; readonly limit: number },
): Promise<readonly NotificationRule[]> {
  const due = sql<string>`select id from gateway.notification_rules
    where enabled and (checked_at is null or checked_at <= ${new Date(nowMs - everyMs)})
      and (retry_at is null or retry_at <= ${new Date(nowMs)})
    order by checked_at nulls first limit ${limit} for update skip locked`;
  const rows = await tx
    .updateTable('notification_rules')
    .set({ checked_at: new Date(nowMs) })
    .where(sql<boolean>`id in (${due})`)
    .returningAll()
    .execute();
  return rows.map(asRule);
}

export interface Progress {
  readonly told?: readonly string[];
  readonly failures?: number;
  readonly retryAt?: number | null;
  readonly sentAt?: number;
  readonly failedAt?: number;
  readonly failure?: string | null;
}

/** A rule that is gone by now is none of anybody's business. */
export async function noteNotification({ tx }: PlatformScope, id: string, progress: Progress): Promise<void> {
  const { told, failures, retryAt, sentAt, failedAt, failure } = progress;
  const time = (ms: number | null) => (ms === null ? null : new Date(ms));
  const set = {
    ...(told && { told: JSON.stringify(told) }),
    ...(failures !== undefined && { failures }),
    ...(retryAt !== undefined && { retry_at: time(retryAt) }),
    ...(sentAt !== undefined && { sent_at: time(sentAt) }),
    ...(failedAt !== undefined && { failed_at: time(failedAt) }),
    ...(failure !== undefined && { failure }),
  };
  if (Object.keys(set).length === 0) return;
  await tx.updateTable('notification_rules').set(set).where('id', '=', id).execute();
}

function asRule(row: Selectable<NotificationRulesTable>): NotificationRule {
  const names = parseRoles(row.events);
  return {
    ...{ id: row.id, org: asOrgId(row.org_id), name: row.name, threshold: row.threshold, sealed: row.sealed },
    ...{ shown: row.shown, enabled: row.enabled, told: parseRoles(row.told), failures: row.failures },
    kind: notificationKinds.find((kind) => kind === row.kind) ?? 'webhook',
    events: notificationEvents.filter((event) => names.includes(event)),
    failure: row.failure ?? undefined,
    retryAt: row.retry_at?.getTime(),
    sentAt: row.sent_at?.getTime(),
    failedAt: row.failed_at?.getTime(),
    createdAt: row.created_at.getTime(),
  };
}
