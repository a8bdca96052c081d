/**
 * People whom a directory keeps in one organization (SCIM 2.0): a row of its own, a user, and a membership. Another
 * organization's directory that means the same person has rows of its own until they sign in (scim-links.ts).
 */
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { GatehouseError } from '#core/error.ts';
import type { OrgId } from '#core/ids.ts';
import type { OrganizationScope, PlatformScope } from '#db/scope.ts';
import { endSignIns, scimSource } from './users.ts';

export interface ScimUser {
  readonly id: string;
  readonly userId: string;
  readonly userName: string;
  readonly externalId: string | undefined;
  readonly active: boolean;
  readonly resource: Readonly<Record<string, unknown>>;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export interface NewScimUser extends Pick<ScimUser, 'userName' | 'externalId' | 'active' | 'resource'> {
  readonly roles: readonly string[];
  readonly email: string | undefined;
  readonly name: string | undefined;
}

export interface ScimUserQuery {
  readonly id?: string | undefined;
  readonly userName?: string | undefined;
  readonly externalId?: string | undefined;
}

interface Row {
  readonly id: string;
  readonly user_id: string;
  readonly user_name: string;
  readonly external_id: string | null;
  readonly active: boolean;
  readonly resource: unknown;
  readonly created_at: Date;
  readonly updated_at: Date;
}

const columns = [
  'id',
  'user_id',
  'user_name',
  'external_id',
  'active',
  'resource',
  'created_at',
  'updated_at',
] as const;

const asScimUser = (row: Row): ScimUser => ({
  id: row.id,
  userId: row.user_id,
  userName: row.user_name,
  externalId: row.external_id ?? undefined,
  active: row.active,
  resource: row.resource as ScimUser['resource'],
  createdAt: row.created_at,
  updatedAt: row.updated_at,
});

const selected = (tx: OrganizationScope['tx'], org: OrgId, query: ScimUserQuery) =>
  tx
    .selectFrom('scim_users')
    .where('org_id', '=', org)
    .where('removed_at', 'is', null)
    .$if(query.id !== undefined, (all) => all.where(sql<string>`id::text`, '=', query.id?.toLowerCase() ?? ''))
    .$if(query.userName !== undefined, (all) => all.where('user_name_key', '=', query.userName?.toLowerCase() ?? ''))
    .$if(query.externalId !== undefined, (all) => all.where('external_id', '=', query.externalId ?? ''));

/** In the order in which they were made. */
export async function listScimUsers(
  { tx, org }: OrganizationScope,
  query: ScimUserQuery & { readonly offset?: number; readonly limit: number },
): Promise<readonly ScimUser[]> {
  const rows = await selected(tx, org, query)
    .select(columns)
    .orderBy('id')
    .offset(query.offset ?? 0)
    .limit(query.limit)
    .execute();
  return rows.map(asScimUser);
}

export async function countScimUsers({ tx, org }: OrganizationScope, query: ScimUserQuery): Promise<number> {
  const row = await selected(tx, org, query)
    .select(sql<number>`count(*)::integer`.as('total'))
    .executeTakeFirstOrThrow();
  return row.total;
}

/** Held until the end of the transaction. Throws `not_found`. */
export async function lockScimUser({ tx }: PlatformScope, org: OrgId, id: string): Promise<ScimUser> {
  const row = await selected(tx, org, { id }).select(columns).forUpdate().executeTakeFirst();
  if (!row) throw new GatehouseError('not_found');
  return asScimUser(row);
}

/**
 * Each with a user of its own, unless somebody in this organization is known to be them: who was deleted there before, or
 * a member whose proved address is their name. undefined in the place of one whose name is taken.
 */
export async function insertScimUsers(
  scope: PlatformScope,
  org: OrgId,
  inputs: readonly NewScimUser[],
): Promise<readonly (ScimUser | undefined)[]> {
  const { tx } = scope;
  const keys = inputs.map(({ userName }) => userName.toLowerCase());
  const known = await findKnown(scope, org, keys);
  const used = new Set(known.taken);
  const fresh = inputs.map((input, at) => {
    const key = keys[at] ?? '';
    if (used.has(key)) return undefined;
    used.add(key);
    const userId = known.users.get(key);
    return { input, key, isNew: userId === undefined, userId: userId ?? randomUUID() };
  });
  const made = fresh.filter((one) => one !== undefined);
  if (made.length === 0) return fresh.map(() => undefined);
  const people = made.filter(({ isNew }) => isNew);
  if (people.length > 0) {
    await tx
      .insertInto('users')
      .values(
        people.map(({ userId, input: { email, name, userName } }) => {
          return {
            id: userId,
            subject: `scim|${userId}`,
            email: email ?? null,
            name: name ?? null,
            username: userName,
          };
        }),
      )
      .execute();
  }
  await putMembers(
    scope,
    org,
    made.map(({ userId, input }) => ({ userId, ...input })),
  );
  const rows = await tx
    .insertInto('scim_users')
    .values(
      made.map(({ input, key, userId, isNew }) => ({
        ...{ org_id: org, user_id: userId, user_name: input.userName, user_name_key: key },
        ...{ external_id: input.externalId ?? null, active: input.active, resource: JSON.stringify(input.resource) },
        linked_at: isNew ? null : new Date(),
      })),
    )
    .returning(columns)
    .execute();
  const byKey = new Map(rows.map((row) => [row.user_name.toLowerCase(), asScimUser(row)]));
  return fresh.map((one) => one && byKey.get(one.key));
}

async function findKnown({ tx }: PlatformScope, org: OrgId, keys: readonly string[]) {
  const former = await tx
    .selectFrom('scim_users')
    .select(['user_name_key', 'user_id', 'removed_at'])
    .where('org_id', '=', org)
    .where('user_name_key', 'in', keys)
    .orderBy('removed_at', (order) => order.asc().nullsFirst())
    .execute();
  const { rows: members } = await sql<{ key: string; user_id: string }>`
    select lower(u.email) as key, u.id as user_id from gateway.users u
    join gateway.members m on m.user_id = u.id and m.org_id = ${org}
    where u.email_verified and (u.email_org is null or u.email_org = ${org}) and lower(u.email) = any(${[...keys]}::text[]) and not exists (
      select from gateway.scim_users s where s.org_id = ${org} and s.user_id = u.id and s.removed_at is null)`.execute(
    tx,
  );
  return {
    taken: former.filter((row) => row.removed_at === null).map((row) => row.user_name_key),
    users: new Map([
      ...members.map(({ key, user_id }) => [key, user_id] as const),
      ...former.map((row) => [row.user_name_key, row.user_id] as const),
    ]),
  };
}

interface Membership {
  readonly userId: string;
  readonly active: boolean;
  readonly roles: readonly string[];
}

/** From now on the directory's word. */
async function putMembers({ tx }: PlatformScope, org: OrgId, members: readonly Membership[]): Promise<void> {
  await tx
    .insertInto('members')
    .values(
      members.map(({ userId, active, roles }) => ({
        ...{ org_id: org, user_id: userId, active, roles: JSON.stringify(roles), identity_provider: scimSource },
      })),
    )
    .onConflict((conflict) =>
      conflict.columns(['org_id', 'user_id']).doUpdateSet({
        active: (is) => is.ref('excluded.active'),
        identity_provider: scimSource,
        roles: sql`case when excluded.roles = '[]' then members.roles else excluded.roles end`,
        updated_at: sql<Date>`now()`,
      }),
    )
    .execute();
}

/**
 * `before` as it was locked. Only a change of `active` is carried to the membership: what an administrator decided
 * meanwhile stays as long as the directory says nothing new. Throws `conflict` when the name is taken.
 */
export async function updateScimUser(
  scope: PlatformScope,
  { org, before, after }: { readonly org: OrgId; readonly before: ScimUser; readonly after: NewScimUser },
): Promise<ScimUser> {
  const { tx } = scope;
  const row = await tx
    .updateTable('scim_users')
    .set({
      ...{ user_name: after.userName, user_name_key: after.userName.toLowerCase() },
      ...{ external_id: after.externalId ?? null, active: after.active, resource: JSON.stringify(after.resource) },
      updated_at: sql<Date>`clock_timestamp()`,
    })
    .where('org_id', '=', org)
    .where('id', '=', before.id)
    .returning(columns)
    .executeTakeFirstOrThrow();
  const roles = JSON.stringify(after.roles);
  if (before.active !== after.active)
    await setMemberActive(scope, { org, userId: before.userId, active: after.active });
  await tx
    .updateTable('members')
    .set({ roles, updated_at: sql<Date>`now()` })
    .where('org_id', '=', org)
    .where('user_id', '=', before.userId)
    .where('identity_provider', '=', scimSource)
    .where(sql<boolean>`roles <> ${roles}::jsonb and ${hasRoles(before) || after.roles.length > 0}::boolean`)
    .execute();
  await tx
    .updateTable('users')
    .set({ email: after.email ?? null, name: after.name ?? null, username: after.userName })
    .where('id', '=', before.userId)
    .where('subject', '=', `scim|${before.userId}`)
    .where(
      sql<boolean>`(email, name, username) is distinct from (${after.email ?? null}::text, ${after.name ?? null}::text, ${after.userName}::text)`,
    )
    .execute();
  return asScimUser(row);
}

const hasRoles = ({ resource }: ScimUser) => Array.isArray(resource.roles) && resource.roles.length > 0;

/** Deleted there: no member any more, and in none of the directory's groups. Throws `not_found`. */
export async function removeScimUser(scope: PlatformScope, org: OrgId, id: string): Promise<void> {
  const { tx } = scope;
  const { userId } = await lockScimUser(scope, org, id);
  await tx
    .updateTable('scim_users')
    .set({ removed_at: new Date(), active: false })
    .where('org_id', '=', org)
    .where('id', '=', id)
    .execute();
  await tx
    .deleteFrom('group_members')
    .where('org_id', '=', org)
    .where('user_id', '=', userId)
    .where('source', '=', scimSource)
    .execute();
  await setMemberActive(scope, { org, userId, active: false });
}

/** Who is active nowhere any more is signed out altogether. */
export async function setMemberActive(
  scope: PlatformScope,
  { org, userId, active }: { readonly org: OrgId; readonly userId: string; readonly active: boolean },
): Promise<void> {
  const { tx } = scope;
  await tx
    .updateTable('members')
    .set({ active, updated_at: sql<Date>`now()` })
    .where('org_id', '=', org)
    .where('user_id', '=', userId)
    .execute();
  if (active) return;
  const elsewhere = await tx
    .selectFrom('members')
    .select('org_id')
    .where('user_id', '=', userId)
    .where('active', '=', true)
    .limit(1)
    .executeTakeFirst();
  if (!elsewhere) await endSignIns(scope, userId, Date.now());
}
