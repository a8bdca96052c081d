/** People: one row each, and the identities (identity provider, subject) that are them. E-mail addresses identify nobody. */
import { randomUUID } from 'node:crypto';
import { type Selectable, sql } from 'kysely';
import { asOrgId, type OrgId } from '#core/ids.ts';
import type { UsersTable } from '#db/schema.ts';
import type { PlatformScope } from '#db/scope.ts';
import { parseRoles } from './columns.ts';
import { idOfNamed } from './organizations.ts';
import { isProgramClientId } from './program-clients.ts';
import { isServiceAccountSubject } from './service-accounts.ts';

/** `members.identity_provider` and `group_members.source` of what a directory says (SCIM): no identity provider is named so. */
export const scimSource = 'scim';

export interface User {
  readonly id: string;
  /** `sub` of the tokens issued here. */
  readonly subject: string;
  readonly email: string | undefined;
  readonly emailVerified: boolean;
  /** The only organization where the address counts; undefined: everywhere. */
  readonly emailOrg: string | undefined;
  readonly name: string | undefined;
  readonly username: string | undefined;
  readonly active: boolean;
  /** Unix milliseconds; whoever signed in before it is signed in no more. */
  readonly signedOutAt: number | undefined;
}

export interface Identity {
  /** The identity provider's name in the configuration. */
  readonly provider: string;
  readonly subject: string;
}

export interface SeenIdentity extends Identity {
  readonly email?: string | undefined;
  readonly emailVerified?: boolean | undefined;
  /** The one that the identity provider is bound to (slug, external id or UUID): elsewhere its addresses prove nothing. */
  readonly organization?: string | undefined;
  readonly name?: string | undefined;
  readonly username?: string | undefined;
  /** Heard of, not signed in. */
  readonly heardOf?: true;
}

export interface MemberRow {
  readonly org: OrgId;
  readonly roles: readonly string[];
  readonly groups: readonly string[];
}

export type UserRow = Pick<
  Selectable<UsersTable>,
  'id' | 'subject' | 'email' | 'email_verified' | 'email_org' | 'name' | 'username' | 'deactivated_at' | 'signed_out_at'
>;

/** Until the transaction ends nobody else makes or renews this user. */
export async function lockIdentity({ tx }: PlatformScope, { provider, subject }: Identity): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`gateway.identity ${provider} ${subject}`}, 0))`.execute(
    tx,
  );
}

/**
 * The user of this identity, made at their first sign-in; what the identity provider says of them is renewed. Their
 * subject is the identity's own where no other user has it, else prefixed with the identity provider's name.
 * Two first sign-ins at once make one user.
 */
export async function upsertIdentity(scope: PlatformScope, seen: SeenIdentity, nowMs: number): Promise<User> {
  const { tx } = scope;
  await lockIdentity(scope, seen);
  const profile = {
    email: seen.email ?? null,
    email_verified: seen.emailVerified ?? false,
    email_org: await boundTo(scope, seen.organization),
    name: seen.name ?? null,
    username: seen.username ?? null,
    ...(seen.heardOf ? {} : { last_sign_in_at: new Date(nowMs) }),
  };
  const known = await tx
    .updateTable('identities')
    .set(seen.heardOf ? { subject: seen.subject } : { last_sign_in_at: new Date(nowMs) })
    .where('identity_provider', '=', seen.provider)
    .where('subject', '=', seen.subject)
    .returning('user_id')
    .executeTakeFirst();
  if (known) {
    const row = await tx
      .updateTable('users')
      .set({ ...profile, updated_at: new Date(nowMs) })
      .where('id', '=', known.user_id)
      .returningAll()
      .executeTakeFirstOrThrow();
    return asUser(row);
  }
  const subject = await findFreeSubject(scope, seen);
  const row = await tx
    .insertInto('users')
    .values({ subject, ...profile })
    .returningAll()
    .executeTakeFirstOrThrow();
  await tx
    .insertInto('identities')
    .values({
      identity_provider: seen.provider,
      subject: seen.subject,
      user_id: row.id,
      ...(seen.heardOf ? {} : { last_sign_in_at: new Date(nowMs) }),
    })
    .execute();
  return asUser(row);
}

/** No organization has it. */
const nowhere = '00000000-0000-0000-0000-000000000000';

async function boundTo({ tx }: PlatformScope, organization: string | undefined): Promise<string | null> {
  if (organization === undefined) return null;
  return (await idOfNamed(tx, organization).executeTakeFirst())?.id ?? nowhere;
}

/** Whatever others call their people: an identity provider may use our prefixes itself (Auth0's `github|123`). */
async function findFreeSubject({ tx }: PlatformScope, { provider, subject }: Identity): Promise<string> {
  // One after the other: the same subject may come from two identity providers at once.
  await sql`select pg_advisory_xact_lock(hashtextextended('gateway.subjects', 0))`.execute(tx);
  const prefixed = `${provider}|${subject}`;
  for (const candidate of [subject, prefixed]) {
    if (isProgramClientId(candidate) || isServiceAccountSubject(candidate)) continue;
    const taken = await tx.selectFrom('users').select('id').where('subject', '=', candidate).executeTakeFirst();
    if (!taken) return candidate;
  }
  return `${prefixed}|${randomUUID()}`;
}

export async function findUser(
  { tx }: PlatformScope,
  by: { readonly column: 'id' | 'subject'; readonly value: string },
): Promise<User | undefined> {
  const row = await tx
    .selectFrom('users')
    .selectAll()
    .where(by.column === 'id' ? sql<string>`id::text` : 'subject', '=', by.value)
    .executeTakeFirst();
  return row && asUser(row);
}

/** The user of an identity that has signed in before, as they are here: nothing is renewed. */
export async function findIdentityUser({ tx }: PlatformScope, identity: Identity): Promise<User | undefined> {
  const row = await tx
    .selectFrom('users as u')
    .innerJoin('identities as i', 'i.user_id', 'u.id')
    .where('i.identity_provider', '=', identity.provider)
    .where('i.subject', '=', identity.subject)
    .selectAll('u')
    .executeTakeFirst();
  return row && asUser(row);
}

/** Memberships in organizations that still exist. */
export async function listMemberships({ tx }: PlatformScope, userId: string): Promise<readonly MemberRow[]> {
  const rows = await tx
    .selectFrom('members as m')
    .innerJoin('organizations as o', 'o.id', 'm.org_id')
    .select(['m.org_id', 'm.roles', 'm.groups'])
    .where('m.user_id', '=', userId)
    .where('m.active', '=', true)
    .where('o.deleted_at', 'is', null)
    .orderBy('m.org_id')
    .execute();
  return rows.map((row) => ({
    org: asOrgId(row.org_id),
    roles: parseRoles(row.roles),
    groups: parseRoles(row.groups),
  }));
}

/** Nobody belongs anywhere who may not come in any more. */
export async function listOrganizationsOf({ tx }: PlatformScope, subject: string): Promise<readonly OrgId[]> {
  const rows = await tx
    .selectFrom('users as u')
    .innerJoin('members as m', 'm.user_id', 'u.id')
    .innerJoin('organizations as o', 'o.id', 'm.org_id')
    .select('o.id')
    .where('u.subject', '=', subject)
    .where('u.deactivated_at', 'is', null)
    .where('m.active', '=', true)
    .where('o.deleted_at', 'is', null)
    .orderBy('o.id')
    .execute();
  return rows.map(({ id }) => asOrgId(id));
}

/** What one identity provider says of a user's memberships, all of it: what it no longer says is removed, what others say stays. */
export async function setMemberships(
  { tx }: PlatformScope,
  {
    userId,
    provider,
    memberships,
  }: { readonly userId: string; readonly provider: string; readonly memberships: readonly MemberRow[] },
): Promise<void> {
  const orgs = memberships.map((membership) => membership.org);
  await tx
    .deleteFrom('members')
    .where('user_id', '=', userId)
    .where('identity_provider', '=', provider)
    .$if(orgs.length > 0, (query) => query.where('org_id', 'not in', orgs))
    .execute();
  for (const { org, roles, groups } of memberships) {
    const values = { roles: JSON.stringify(roles), groups: JSON.stringify(groups) };
    await tx
      .insertInto('members')
      .values({ org_id: org, user_id: userId, identity_provider: provider, ...values })
      .onConflict((conflict) =>
        conflict
          .columns(['org_id', 'user_id'])
          // Of somebody whom the organization's directory keeps, it says the groups, and roles where the directory has none.
          .doUpdateSet({
            groups: values.groups,
            roles: sql`case when members.identity_provider = ${scimSource} and exists (
              select from gateway.scim_users s where s.org_id = members.org_id and s.user_id = members.user_id
                and s.removed_at is null and s.resource -> 'roles' <> '[]'
            ) then members.roles else excluded.roles end`,
            updated_at: sql<Date>`now()`,
          })
          .where('members.identity_provider', 'in', [provider, scimSource]),
      )
      .execute();
  }
}

/** A member from now on, by the word of an identity provider; who is one already stays as they are. */
export async function ensureMember(
  { tx }: PlatformScope,
  { userId, provider, org, roles, groups }: MemberRow & { readonly userId: string; readonly provider: string },
): Promise<void> {
  await tx
    .insertInto('members')
    .values({
      org_id: org,
      user_id: userId,
      identity_provider: provider,
      roles: JSON.stringify(roles),
      groups: JSON.stringify(groups),
    })
    .onConflict((conflict) => conflict.columns(['org_id', 'user_id']).doNothing())
    .execute();
}

/** A membership made here: no identity provider takes it away again. */
export async function putMember(
  { tx }: PlatformScope,
  { userId, org, roles }: { readonly userId: string; readonly org: OrgId; readonly roles: readonly string[] },
): Promise<void> {
  const values = { roles: JSON.stringify(roles), identity_provider: null };
  await tx
    .insertInto('members')
    .values({ org_id: org, user_id: userId, ...values })
    .onConflict((conflict) =>
      conflict.columns(['org_id', 'user_id']).doUpdateSet({ ...values, updated_at: sql<Date>`now()` }),
    )
    .execute();
}

/**
 * Deactivated people keep their row. Either way every sign-in until now is over, those under way and in flight too (the
 * change feed names the user).
 */
export async function setUserActive(
  { tx }: PlatformScope,
  {
    userId,
    active,
    nowMs,
    by,
  }: {
    readonly userId: string;
    readonly active: boolean;
    readonly nowMs: number;
    /** The identity provider whose word it is; unset: an administrator's. */
    readonly by?: string;
  },
): Promise<void> {
  await tx
    .updateTable('users')
    .set({
      deactivated_at: active ? null : new Date(nowMs),
      deactivated_by: active ? null : (by ?? null),
      signed_out_at: new Date(nowMs),
      updated_at: new Date(nowMs),
    })
    .where('id', '=', userId)
    .execute();
}

/** Every sign-in until now is over, and every token of one. */
export async function endSignIns({ tx }: PlatformScope, userId: string, nowMs: number): Promise<void> {
  const user = await tx
    .updateTable('users')
    .set({ signed_out_at: new Date(nowMs) })
    .where('id', '=', userId)
    .returning('subject')
    .executeTakeFirst();
  // Grants first, as `removeOauthRecordsOf` has it: another order would be a deadlock.
  const records = tx.deleteFrom('oauth_records').where('account_id', '=', user?.subject ?? '');
  await records.where('model', '=', 'Grant').execute();
  await records.where('model', '<>', 'Grant').execute();
}

export function asUser(row: UserRow): User {
  return {
    id: row.id,
    subject: row.subject,
    email: row.email ?? undefined,
    emailVerified: row.email_verified,
    emailOrg: row.email_org ?? undefined,
    name: row.name ?? undefined,
    username: row.username ?? undefined,
    active: row.deactivated_at === null,
    signedOutAt: row.signed_out_at?.getTime(),
  };
}
