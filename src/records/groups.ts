/** Groups of an organization and who is in them: by row, by an address (also before its first sign-in), by API key. */
import { sql } from 'kysely';
import { GatehouseError } from '#core/error.ts';
import { asGroupId, type GroupId } from '#core/ids.ts';
import type { OrganizationScope, PlatformScope } from '#db/scope.ts';
import { contains, type Page, type PageRule, type PageWish, pageOf } from './page.ts';

export interface GroupRow {
  readonly id: GroupId;
  readonly name: string;
  readonly title: string;
  /** What an identity provider calls it. */
  readonly externalId: string | undefined;
  /** Of several groups the lowest decides about credentials. */
  readonly priority: number;
  readonly builtin: boolean;
  readonly managedBy: string;
  readonly members: number;
}

export interface NewGroup {
  readonly name: string;
  readonly title?: string | undefined;
  readonly externalId?: string | undefined;
  readonly priority?: number | undefined;
  readonly managedBy?: string | undefined;
}

export interface GroupChange {
  readonly name?: string | undefined;
  readonly title?: string | undefined;
  /** null: none from now on. */
  readonly externalId?: string | null | undefined;
  readonly priority?: number | undefined;
  readonly managedBy?: string | undefined;
}

/** Exactly one of them. `email`: compared without case. */
export interface MemberRef {
  readonly userId?: string | undefined;
  readonly email?: string | undefined;
  readonly keyId?: string | undefined;
}

export interface GroupMember extends MemberRef {
  /** For people: a name, an address, the name of a key. */
  readonly label: string | undefined;
  /** The identity provider or file whose word it is; undefined: made here. */
  readonly source: string | undefined;
  readonly addedAt: Date;
}

const rowsOf = ({ tx }: OrganizationScope) =>
  tx
    .selectFrom('groups as g')
    .select(['g.id', 'g.name', 'g.title', 'g.external_id', 'g.priority', 'g.builtin', 'g.managed_by'])
    .select(sql<number>`(select count(*)::integer from gateway.group_members m where m.group_id = g.id)`.as('members'));

const listed = (scope: OrganizationScope) => rowsOf(scope).orderBy('g.priority').orderBy('g.name');

/** In the order in which they decide. */
export async function listGroups(scope: OrganizationScope): Promise<readonly GroupRow[]> {
  return (await listed(scope).execute()).map(asGroup);
}

const groupRule: PageRule = {
  columns: {
    // One word of both: of the same priority the name decides.
    priority: { kind: 'text', of: sql`lpad(g.priority::text, 10, '0') || ' ' || g.name` },
    name: { kind: 'text', of: sql`lower(g.name)` },
  },
  sort: 'priority',
  id: sql`g.id`,
  idKind: 'uuid',
};

export interface GroupWish extends PageWish {
  readonly managedBy?: string | undefined;
}

/** One page of `listGroups`. Throws `bad_request`. */
export async function pageGroups(scope: OrganizationScope, wish: GroupWish): Promise<Page<GroupRow>> {
  const { search = '', managedBy } = wish;
  const query = rowsOf(scope)
    .$if(managedBy !== undefined, (found) => found.where('g.managed_by', '=', managedBy ?? ''))
    .$if(search !== '', (found) => found.where(contains(search, [sql`g.name`, sql`g.title`, sql`g.external_id`])));
  const { items, next } = await pageOf(query, wish, groupRule);
  return { items: items.map(asGroup), next };
}

/** By name, whatever its case, or id. */
export async function findGroup(scope: OrganizationScope, ref: string): Promise<GroupRow | undefined> {
  const name = ref.toLowerCase();
  const row = await listed(scope)
    .where((is) => is.or([is(sql`lower(g.name)`, '=', name), is(sql`g.id::text`, '=', name)]))
    .executeTakeFirst();
  return row && asGroup(row);
}

/** Throws `not_found`. */
export async function getGroup(scope: OrganizationScope, ref: string): Promise<GroupRow> {
  const found = await findGroup(scope, ref);
  if (found) return found;
  throw new GatehouseError('not_found', {
    message: 'There is no such group: list them with `gatehouse group list`',
  });
}

/** Throws `conflict`. */
export async function insertGroup(scope: OrganizationScope, input: NewGroup): Promise<GroupRow> {
  const { name, title, externalId, priority, managedBy } = input;
  const { id } = await scope.tx
    .insertInto('groups')
    .values({
      org_id: scope.org,
      name,
      external_id: externalId ?? null,
      ...(title === undefined ? {} : { title }),
      ...(priority === undefined ? {} : { priority }),
      ...(managedBy === undefined ? {} : { managed_by: managedBy }),
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  return getGroup(scope, id);
}

/** Throws `conflict`; `bad_request` for another name of a builtin group. */
export async function updateGroup(scope: OrganizationScope, group: GroupRow, change: GroupChange): Promise<GroupRow> {
  const { name, title, externalId, priority, managedBy } = change;
  if (group.builtin && name !== undefined && name !== group.name)
    throw new GatehouseError('bad_request', { message: `${group.name} is built in: it keeps its name` });
  await scope.tx
    .updateTable('groups')
    .set({
      ...(name === undefined ? {} : { name }),
      ...(title === undefined ? {} : { title }),
      ...(externalId === undefined ? {} : { external_id: externalId }),
      ...(priority === undefined ? {} : { priority }),
      ...(managedBy === undefined ? {} : { managed_by: managedBy }),
      updated_at: new Date(),
    })
    .where('id', '=', group.id)
    .execute();
  return getGroup(scope, group.id);
}

/** With its members and grants. Throws `bad_request` for a builtin one. */
export async function removeGroup(scope: OrganizationScope, group: GroupRow): Promise<void> {
  if (group.builtin)
    throw new GatehouseError('bad_request', { message: `${group.name} is built in and cannot be removed: empty it` });
  await scope.tx.deleteFrom('groups').where('id', '=', group.id).execute();
}

/** Names of people are the platform's to read: hence its scope. */
export async function listGroupMembers(scope: PlatformScope, group: GroupId): Promise<readonly GroupMember[]> {
  const rows = await membersOf(scope, group).orderBy('m.created_at').orderBy('m.email').execute();
  return rows.map(asGroupMember);
}

const membersOf = ({ tx }: PlatformScope, group: GroupId) =>
  tx
    .selectFrom('group_members as m')
    .leftJoin('users as u', 'u.id', 'm.user_id')
    .leftJoin('api_keys as k', 'k.id', 'm.key_id')
    .select(['m.user_id', 'm.email', 'm.key_id', 'm.source', 'm.created_at'])
    .select(['u.name', 'u.email as address', 'k.name as key_name'])
    .where('m.group_id', '=', group);

const memberLabel = sql`lower(coalesce(u.email, u.name, m.email, k.name, ''))`;
const memberRule: PageRule = {
  columns: {
    label: { kind: 'text', of: memberLabel },
    addedAt: { kind: 'time', of: sql`m.created_at` },
  },
  sort: 'addedAt',
  id: sql`coalesce(m.user_id::text, m.email, m.key_id)`,
  idKind: 'text',
};

/** One page of `listGroupMembers`. Throws `bad_request`. */
export async function pageGroupMembers(
  scope: PlatformScope,
  group: GroupId,
  wish: PageWish,
): Promise<Page<GroupMember>> {
  const { search = '' } = wish;
  const query = membersOf(scope, group).$if(search !== '', (found) => found.where(contains(search, [memberLabel])));
  const { items, next } = await pageOf(query, wish, memberRule);
  return { items: items.map(asGroupMember), next };
}

function asGroupMember(row: MemberColumns): GroupMember {
  return {
    userId: row.user_id ?? undefined,
    email: row.email ?? undefined,
    keyId: row.key_id ?? undefined,
    label: row.address ?? row.name ?? row.email ?? row.key_name ?? undefined,
    source: row.source ?? undefined,
    addedAt: row.created_at,
  };
}

type MemberColumns = Awaited<ReturnType<ReturnType<typeof membersOf>['execute']>>[number];

/** Once, however often. Throws `not_found` for a person or key that is nobody here. */
export async function insertGroupMember(
  { tx, org }: OrganizationScope,
  group: GroupId,
  { ref, source }: { readonly ref: MemberRef; readonly source?: string | undefined },
): Promise<void> {
  if (ref.keyId !== undefined) await checkKey({ tx, org }, ref.keyId);
  await tx
    .insertInto('group_members')
    .values({ org_id: org, group_id: group, source: source ?? null, ...columnsOf(ref) })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** False: it wasn't in it. */
export async function removeGroupMember({ tx }: OrganizationScope, group: GroupId, ref: MemberRef): Promise<boolean> {
  const { user_id, email, key_id } = columnsOf(ref);
  const { numDeletedRows } = await tx
    .deleteFrom('group_members')
    .where('group_id', '=', group)
    .where('user_id', 'is not distinct from', user_id)
    .where('email', 'is not distinct from', email)
    .where('key_id', 'is not distinct from', key_id)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

/** Foreign keys look past row-level security. */
async function checkKey({ tx }: Pick<OrganizationScope, 'tx' | 'org'>, id: string): Promise<void> {
  const row = await tx.selectFrom('api_keys').select('id').where('id', '=', id).executeTakeFirst();
  if (!row) throw new GatehouseError('not_found');
}

function columnsOf({ userId, email, keyId }: MemberRef) {
  return { user_id: userId ?? null, email: email?.trim().toLowerCase() ?? null, key_id: keyId ?? null };
}

type Row = Awaited<ReturnType<ReturnType<typeof rowsOf>['execute']>>[number];

function asGroup(row: Row): GroupRow {
  return {
    id: asGroupId(row.id),
    name: row.name,
    title: row.title,
    externalId: row.external_id ?? undefined,
    priority: row.priority,
    builtin: row.builtin,
    managedBy: row.managed_by,
    members: row.members,
  };
}
