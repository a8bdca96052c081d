/** Service accounts: members of one organization that nobody signs in as. API keys and trusted workloads act as them. */
import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { GatehouseError } from '#core/error.ts';
import { asOrgId, type OrgId } from '#core/ids.ts';
import type { PlatformScope } from '#db/scope.ts';
import { parseRoles } from './columns.ts';

export interface Workload {
  readonly id: string;
  readonly issuer: string;
  /** `*` stands for any characters but `:` and `/`. */
  readonly subject: string;
  readonly audience: string;
}

export interface ServiceAccount {
  /** The row of the user that it is. */
  readonly id: string;
  /** `svc_…`: `sub` of its tokens, and the `client_id` by which its workloads ask for them. */
  readonly subject: string;
  readonly org: OrgId;
  readonly name: string;
  readonly roles: readonly string[];
  readonly active: boolean;
  readonly workloads: readonly Workload[];
}

const prefix = 'svc_';
/** No person's subject looks like it. */
export const isServiceAccountSubject = (subject: string): boolean => subject.startsWith(prefix);

const listed = ({ tx }: PlatformScope) =>
  tx
    .selectFrom('users as u')
    .innerJoin('members as m', 'm.user_id', 'u.id')
    .innerJoin('organizations as o', (join) => join.onRef('o.id', '=', 'm.org_id').on('o.deleted_at', 'is', null))
    .select(['u.id', 'u.subject', 'u.name', 'u.deactivated_at', 'm.org_id', 'm.roles', 'm.active'])
    .where('u.kind', '=', 'service')
    .orderBy('u.name')
    .orderBy('u.id');

export async function listServiceAccounts(scope: PlatformScope, org: OrgId): Promise<readonly ServiceAccount[]> {
  const rows = await listed(scope).where('m.org_id', '=', org).execute();
  const workloads = await scope.tx
    .selectFrom('workload_identities')
    .select(['id', 'user_id', 'issuer', 'subject', 'audience'])
    .where('org_id', '=', org)
    .orderBy('created_at')
    .execute();
  const of = Map.groupBy(workloads, ({ user_id }) => user_id);
  return rows.map((row) => asAccount(row, of.get(row.id) ?? []));
}

/** By id, subject or name. Throws `not_found`. */
export async function getServiceAccount(scope: PlatformScope, org: OrgId, ref: string): Promise<ServiceAccount> {
  const found = (await listServiceAccounts(scope, org)).find(
    ({ id, subject, name }) => id === ref.toLowerCase() || subject === ref || name === ref,
  );
  if (found) return found;
  throw new GatehouseError('not_found', {
    message: 'There is no such service account: list them with `gatehouse service-account list`',
  });
}

/** Across organizations, by `svc_…`. */
export async function findServiceAccount(scope: PlatformScope, subject: string): Promise<ServiceAccount | undefined> {
  if (!/^svc_[0-9a-f]{1,64}$/.test(subject)) return undefined;
  const row = await listed(scope).where('u.subject', '=', subject).executeTakeFirst();
  return row && getServiceAccount(scope, asOrgId(row.org_id), row.id);
}

/** Throws `conflict` for a name that another one of the organization has. */
export async function insertServiceAccount(
  scope: PlatformScope,
  { org, name, roles }: { readonly org: OrgId; readonly name: string; readonly roles: readonly string[] },
): Promise<ServiceAccount> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`gateway.services ${org}`}, 0))`.execute(scope.tx);
  if ((await listServiceAccounts(scope, org)).some((account) => account.name === name))
    throw new GatehouseError('conflict', { message: `A service account "${name}" exists already` });
  const subject = prefix + randomBytes(12).toString('hex');
  const { id } = await scope.tx
    .insertInto('users')
    .values({ subject, name, email: null, username: null, kind: 'service' })
    .returning('id')
    .executeTakeFirstOrThrow();
  await scope.tx
    .insertInto('members')
    .values({ org_id: org, user_id: id, roles: JSON.stringify(roles), identity_provider: null })
    .execute();
  return getServiceAccount(scope, org, id);
}

export interface ServiceAccountChange {
  readonly name?: string | undefined;
  readonly roles?: readonly string[] | undefined;
  readonly active?: boolean | undefined;
}

export async function updateServiceAccount(
  scope: PlatformScope,
  { id, org }: ServiceAccount,
  { name, roles, active }: ServiceAccountChange,
): Promise<ServiceAccount> {
  if (name !== undefined) await scope.tx.updateTable('users').set({ name }).where('id', '=', id).execute();
  await scope.tx
    .updateTable('members')
    .set({
      ...(roles === undefined ? {} : { roles: JSON.stringify(roles) }),
      ...(active === undefined ? {} : { active }),
      updated_at: new Date(),
    })
    .where('org_id', '=', org)
    .where('user_id', '=', id)
    .execute();
  return getServiceAccount(scope, org, id);
}

/** Its keys and tokens end with it. */
export async function removeServiceAccount({ tx }: PlatformScope, { id }: ServiceAccount): Promise<void> {
  await tx.deleteFrom('users').where('id', '=', id).where('kind', '=', 'service').execute();
}

/** Throws `conflict`. */
export async function insertWorkload(
  { tx }: PlatformScope,
  { id, org }: ServiceAccount,
  workload: Omit<Workload, 'id'>,
): Promise<void> {
  const { issuer, subject, audience } = workload;
  await tx.insertInto('workload_identities').values({ org_id: org, user_id: id, issuer, subject, audience }).execute();
}

/** Tokens that it got live on until their time. Throws `not_found`. */
export async function removeWorkload({ tx }: PlatformScope, account: ServiceAccount, id: string): Promise<void> {
  const { numDeletedRows } = await tx
    .deleteFrom('workload_identities')
    .where('user_id', '=', account.id)
    .where(sql`id::text`, '=', id.toLowerCase())
    .executeTakeFirst();
  if (numDeletedRows === 0n) throw new GatehouseError('not_found', { message: 'There is no such workload' });
}

/** Whether an assertion's subject is the one of a workload, whose stars stand for one part each. */
export function isSubjectOf({ subject: pattern }: Pick<Workload, 'subject'>, subject: string): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('[^:/]*')}$`).test(subject);
}

type Row = Awaited<ReturnType<ReturnType<typeof listed>['execute']>>[number];

function asAccount(row: Row, workloads: readonly Workload[]): ServiceAccount {
  return {
    id: row.id,
    subject: row.subject,
    org: asOrgId(row.org_id),
    name: row.name ?? '',
    roles: parseRoles(row.roles),
    active: row.active && row.deactivated_at === null,
    workloads: workloads.map(({ id, issuer, subject, audience }) => ({ id, issuer, subject, audience })),
  };
}
