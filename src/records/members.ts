/** Members of one organization, and those who are invited: they become members when they sign in with that address. */
import { sql } from 'kysely';
import { GatehouseError } from '#core/error.ts';
import type { OrgId } from '#core/ids.ts';
import type { PlatformScope } from '#db/scope.ts';
import { parseRoles } from './columns.ts';
import { contains, cursorOf, type Page, type PageRule, type PageWish, pageOf, parseCursor } from './page.ts';

/** Whoever has it administers the organization. */
export const administratorRole = 'admin';

export interface Member {
  /** undefined: invited, and not signed in yet. */
  readonly userId: string | undefined;
  readonly kind: 'person' | 'service';
  readonly email: string | undefined;
  readonly name: string | undefined;
  readonly roles: readonly string[];
  readonly active: boolean;
  /** The identity provider whose word it is; undefined: made here. */
  readonly saidBy: string | undefined;
}

/** In a cursor: people are through. */
const invitedMark = 'invited';

const rowsOf = ({ tx }: PlatformScope, org: OrgId) =>
  tx
    .selectFrom('members as m')
    .innerJoin('users as u', 'u.id', 'm.user_id')
    .select(['m.user_id', 'm.roles', 'm.active', 'm.identity_provider', 'u.email', 'u.name', 'u.kind'])
    .select(['u.deactivated_at'])
    .where('m.org_id', '=', org);

const listed = (scope: PlatformScope, org: OrgId) =>
  rowsOf(scope, org).orderBy(sql`lower(coalesce(u.email, u.name, u.subject))`).orderBy('m.user_id');

export interface MemberWish extends PageWish {
  readonly role?: string | undefined;
  readonly state?: 'active' | 'inactive' | 'invited' | undefined;
}

const label = sql`lower(coalesce(u.email, u.name, u.subject))`;
const peopleRule: PageRule = {
  columns: { name: { kind: 'text', of: label } },
  sort: 'name',
  id: sql`m.user_id`,
  idKind: 'uuid',
};
const invitedRule: PageRule = {
  columns: { name: { kind: 'text', of: sql`i.email` } },
  sort: 'name',
  id: sql`${invitedMark}::text`,
  idKind: 'text',
};

/** One page of `listMembers`. Throws `bad_request`. */
export async function pageMembers(scope: PlatformScope, org: OrgId, wish: MemberWish): Promise<Page<Member>> {
  const { sort = 'name', cursor, limit, state } = wish;
  const place = cursor === undefined ? undefined : parseCursor(cursor, sort);
  const isPast = place?.id === invitedMark;
  const people = isPast || state === 'invited' ? nothing : await pagePeople(scope, org, wish);
  const items = people.items.map(asMember);
  if (people.next !== null || (state !== undefined && state !== 'invited')) return { items, next: people.next };
  const begin = place?.value === undefined || !isPast ? undefined : cursor;
  // At least one: whether there are any decides about the next page.
  const room = limit - items.length;
  const invited = await pageInvited(scope, org, { ...wish, cursor: begin, limit: Math.max(1, room) });
  if (room === 0) {
    return { items, next: invited.items.length > 0 ? cursorOf({ sort, value: undefined, id: invitedMark }) : null };
  }
  const more = invited.items.map(({ email, roles }) => asInvited(email, parseRoles(roles)));
  return { items: [...items, ...more], next: invited.next };
}

const nothing = { items: [], next: null } as const;

function pagePeople(scope: PlatformScope, org: OrgId, wish: MemberWish) {
  const { search = '', role, state } = wish;
  const isActive = sql<boolean>`(m.active and u.deactivated_at is null)`;
  const query = rowsOf(scope, org)
    .where('u.kind', '=', 'person')
    .$if(role !== undefined, (found) => found.where(sql<boolean>`jsonb_exists(m.roles, ${role})`))
    .$if(state === 'active', (found) => found.where(isActive))
    .$if(state === 'inactive', (found) => found.where(sql<boolean>`not ${isActive}`))
    .$if(search !== '', (found) => found.where(contains(search, [sql`u.email`, sql`u.name`])));
  return pageOf(query, wish, peopleRule);
}

function pageInvited({ tx }: PlatformScope, org: OrgId, wish: MemberWish) {
  const { search = '', role } = wish;
  const query = tx
    .selectFrom('invitations as i')
    .select(['i.email', 'i.roles'])
    .where('i.org_id', '=', org)
    .$if(role !== undefined, (found) => found.where(sql<boolean>`jsonb_exists(i.roles, ${role})`))
    .$if(search !== '', (found) => found.where(contains(search, [sql`i.email`])));
  return pageOf(query, wish, invitedRule);
}

/** People, then those who are invited. */
export async function listMembers(scope: PlatformScope, org: OrgId): Promise<readonly Member[]> {
  const members = (await listed(scope, org).where('u.kind', '=', 'person').execute()).map(asMember);
  const invited = await scope.tx
    .selectFrom('invitations')
    .select(['email', 'roles'])
    .where('org_id', '=', org)
    .orderBy('email')
    .execute();
  return [...members, ...invited.map(({ email, roles }) => asInvited(email, parseRoles(roles)))];
}

/** Throws `not_found`, the same for nobody and for somebody elsewhere. */
export async function getMember(scope: PlatformScope, org: OrgId, userId: string): Promise<Member> {
  const row = await listed(scope, org)
    .where(sql`m.user_id::text`, '=', userId.toLowerCase())
    .forUpdate('m')
    .executeTakeFirst();
  if (row) return asMember(row);
  throw new GatehouseError('not_found', { message: 'There is no such member: list them with `gatehouse member list`' });
}

/** Everybody whose verified address it is becomes a member at once; nobody's: invited. */
export async function insertMemberByEmail(
  scope: PlatformScope,
  { org, email, roles }: { readonly org: OrgId; readonly email: string; readonly roles: readonly string[] },
): Promise<Member> {
  const address = email.trim().toLowerCase();
  const [person] = await scope.tx
    .selectFrom('users')
    .select('id')
    .where(sql`lower(email)`, '=', address)
    .where('email_verified', '=', true)
    .where((is) => is.or([is('email_org', 'is', null), is('email_org', '=', org)]))
    .where('kind', '=', 'person')
    .orderBy('created_at')
    .execute();
  if (person) return insertMember(scope, { org, userId: person.id, roles });
  const values = { roles: JSON.stringify(roles) };
  const { numInsertedOrUpdatedRows = 0n } = await scope.tx
    .insertInto('invitations')
    .values({ org_id: org, email: address, ...values })
    .onConflict((conflict) => conflict.columns(['org_id', 'email']).doNothing())
    .executeTakeFirst();
  if (numInsertedOrUpdatedRows === 0n) throw already();
  return asInvited(address, roles);
}

/** Throws `conflict` for somebody who is one already. */
export async function insertMember(
  scope: PlatformScope,
  { org, userId, roles }: { readonly org: OrgId; readonly userId: string; readonly roles: readonly string[] },
): Promise<Member> {
  const { numInsertedOrUpdatedRows = 0n } = await scope.tx
    .insertInto('members')
    .values({ org_id: org, user_id: userId, roles: JSON.stringify(roles), identity_provider: null })
    .onConflict((conflict) => conflict.columns(['org_id', 'user_id']).doNothing())
    .executeTakeFirst();
  if (numInsertedOrUpdatedRows === 0n) throw already();
  return getMember(scope, org, userId);
}

const already = () => new GatehouseError('conflict', { message: 'They are a member already: change their roles' });

export interface MemberChange {
  readonly roles?: readonly string[] | undefined;
  readonly active?: boolean | undefined;
}

/** Throws `conflict` where no administrator would be left. */
export async function updateMember(
  scope: PlatformScope,
  { org, member, change }: { readonly org: OrgId; readonly member: Member; readonly change: MemberChange },
): Promise<Member> {
  const { roles = member.roles, active = member.active } = change;
  if (!active || !roles.includes(administratorRole)) await checkNotLast(scope, org, member);
  await scope.tx
    .updateTable('members')
    .set({ roles: JSON.stringify(roles), active, updated_at: new Date() })
    .where('org_id', '=', org)
    .where('user_id', '=', member.userId ?? '')
    .execute();
  return getMember(scope, org, member.userId ?? '');
}

/** With what they hold there themselves. Throws `conflict` for the last administrator. */
export async function removeMember(scope: PlatformScope, org: OrgId, member: Member): Promise<void> {
  await checkNotLast(scope, org, member);
  const { userId = '' } = member;
  await scope.tx.deleteFrom('group_members').where('org_id', '=', org).where('user_id', '=', userId).execute();
  await scope.tx.deleteFrom('grants').where('org_id', '=', org).where('user_id', '=', userId).execute();
  await scope.tx.deleteFrom('members').where('org_id', '=', org).where('user_id', '=', userId).execute();
}

/** Throws `not_found`. */
export async function removeInvitation({ tx }: PlatformScope, org: OrgId, email: string): Promise<Member> {
  const address = email.trim().toLowerCase();
  const row = await tx
    .deleteFrom('invitations')
    .where('org_id', '=', org)
    .where('email', '=', address)
    .returning('roles')
    .executeTakeFirst();
  if (!row) throw new GatehouseError('not_found', { message: 'Nobody is invited by this address' });
  return asInvited(address, parseRoles(row.roles));
}

/** One after the other in each organization: two who remove each other at once would leave nobody. */
async function checkNotLast({ tx }: PlatformScope, org: OrgId, member: Member): Promise<void> {
  if (!member.active || !member.roles.includes(administratorRole)) return;
  await sql`select pg_advisory_xact_lock(hashtextextended(${`gateway.administrators ${org}`}, 0))`.execute(tx);
  const others = await tx
    .selectFrom('members as m')
    .innerJoin('users as u', 'u.id', 'm.user_id')
    .select('m.user_id')
    .where('m.org_id', '=', org)
    .where('m.user_id', '!=', member.userId ?? '')
    .where('m.active', '=', true)
    .where('u.deactivated_at', 'is', null)
    .where('u.kind', '=', 'person')
    .where(sql<boolean>`jsonb_exists(m.roles, ${administratorRole})`)
    .limit(1)
    .execute();
  if (others.length > 0) return;
  throw new GatehouseError('conflict', {
    message: 'They are the last administrator of the organization: make somebody else one first',
  });
}

const asInvited = (email: string, roles: readonly string[]): Member => ({
  userId: undefined,
  kind: 'person',
  email,
  name: undefined,
  roles,
  active: true,
  saidBy: undefined,
});

type Row = Awaited<ReturnType<ReturnType<typeof rowsOf>['execute']>>[number];

function asMember(row: Row): Member {
  return {
    userId: row.user_id,
    kind: row.kind === 'service' ? 'service' : 'person',
    email: row.email ?? undefined,
    name: row.name ?? undefined,
    roles: parseRoles(row.roles),
    active: row.active && row.deactivated_at === null,
    saidBy: row.identity_provider ?? undefined,
  };
}
