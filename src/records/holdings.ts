/** What somebody holds in one organization: the groups they are in, and what they are granted themselves. */
import { sql } from 'kysely';
import { z } from 'zod';
import { asGroupId, type GroupId, type KeyId, type OrgId } from '#core/ids.ts';
import type { Db, Tx } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';
import { asToolGrant } from './access-loader.ts';
import { parseRoles } from './columns.ts';
import type { ToolGrant } from './rights.ts';
import { type DirectoryWords, scimMatch } from './scim-links.ts';
import { scimSource } from './users.ts';

export interface Holdings {
  /** The row of the person; undefined: an API key, or a program. */
  readonly userId: string | undefined;
  /** The row by which the organization's directory keeps them: another one until they sign in here. */
  readonly directoryUserId?: string;
  readonly groups: ReadonlySet<GroupId>;
  /** By server or collection. */
  readonly grants: ReadonlyMap<string, ToolGrant>;
  /** Shut out, whatever else is true: `everywhere` by their own row, or of this organization. */
  readonly barred?: 'everywhere' | 'here';
  /** Their membership as it is kept here; undefined: there is none. */
  readonly member?: HeldMembership | undefined;
  /** Groups as their identity provider names them, whether they are groups here or not. */
  readonly named?: readonly string[];
  /** Equal for equal groups and grants. */
  readonly key: string;
}

export interface HeldMembership {
  readonly roles: readonly string[];
  /** False: kept out of this organization, whatever anybody says of them. */
  readonly active: boolean;
  /** Made here: it counts beside what an identity provider says. */
  readonly isOurs: boolean;
}

export const noHoldings: Holdings = { userId: undefined, groups: new Set(), grants: new Map(), key: '' };

/** Who asks: an API key, somebody whose row is known, or somebody by their identity provider's word. */
export type Holder =
  | { readonly kind: 'key'; readonly id: KeyId }
  | {
      readonly kind: 'user';
      readonly id: string;
      /** Of somebody who brings their identity provider's token: by which the organization's directory may know them. */
      readonly words?: DirectoryWords;
    }
  | {
      readonly kind: 'identity';
      readonly provider: string;
      readonly subject: string;
      /** By which the organization's directory may know them. */
      readonly words?: DirectoryWords;
    };

/** One statement. Throws `storage_unavailable`. */
export function findHoldings(db: Db, org: OrgId, holder: Holder): Promise<Holdings> {
  return withPlatform(db, ({ tx }) => (holder.kind === 'key' ? ofKey(tx, org, holder.id) : ofPerson(tx, org, holder)));
}

async function ofKey(tx: Tx, org: OrgId, id: KeyId): Promise<Holdings> {
  const rows = await tx
    .selectFrom('group_members')
    .select('group_id')
    .where('org_id', '=', org)
    .where('key_id', '=', id)
    .execute();
  return asHoldings({ id: undefined, groups: rows.map((row) => row.group_id), grants: [] });
}

/** An address counts only where it is theirs for certain: not by the word of another organization's identity provider. */
const emailIn = (org: OrgId) =>
  sql<string>`case when u.email_verified and (u.email_org is null or u.email_org = ${org}) then lower(u.email) end`;

/** Those that they are in by name, by address, or by the word of an identity provider. */
const groupsIn = (org: OrgId) => sql<string[]>`array(
  select gm.group_id from gateway.group_members gm where gm.org_id = ${org} and (gm.user_id = u.id or gm.email = ${emailIn(org)})
  union
  select g.id from gateway.members m join gateway.groups g on g.org_id = m.org_id and jsonb_exists(m.groups, g.external_id)
  where m.org_id = ${org} and m.user_id = u.id and m.active)`;

const namedIn = (org: OrgId) => sql<unknown>`(
  select m.groups from gateway.members m where m.org_id = ${org} and m.user_id = u.id and m.active)`;

const grantsIn = (org: OrgId) => sql<unknown>`coalesce((
  select jsonb_agg(jsonb_build_object('target', coalesce(g.server_id, g.collection_id), 'tools', g.tools))
  from gateway.grants g where g.org_id = ${org} and (g.user_id = u.id or g.email = ${emailIn(org)})), '[]')`;

const barredIn = (org: OrgId) => sql<Holdings['barred'] | null>`case
  when u.deactivated_at is not null then 'everywhere'
  when exists (select from gateway.members m where m.org_id = ${org} and m.user_id = u.id and not m.active) then 'here'
end`;

async function ofPerson(tx: Tx, org: OrgId, holder: Exclude<Holder, { readonly kind: 'key' }>): Promise<Holdings> {
  const people = tx
    .selectFrom('users as u')
    .leftJoin('members as om', (join) => join.onRef('om.user_id', '=', 'u.id').on('om.org_id', '=', org))
    .select(['u.id', groupsIn(org).as('groups'), grantsIn(org).as('grants'), namedIn(org).as('named')])
    .select(['om.roles', 'om.active', 'om.identity_provider', barredIn(org).as('barred')]);
  if (holder.kind === 'user') {
    const inDirectory = scimMatch(org, holder.words);
    const found = await people
      .select(inDirectory.as('directory'))
      .where((is) => is.or([is('u.id', '=', holder.id), is('u.id', '=', inDirectory)]))
      .execute();
    return joinRows(
      found.find(({ id }) => id === holder.id),
      found.find(({ id, directory }) => id === directory),
    );
  }
  const identified = sql<string>`coalesce(${scimMatch(org, holder.words)}, (
    select i.user_id from gateway.identities i
    where i.identity_provider = ${holder.provider} and i.subject = ${holder.subject}))`;
  return joinRows(await people.where('u.id', '=', identified).executeTakeFirst(), undefined);
}

interface PersonRow extends Omit<Row, 'grants' | 'named'> {
  readonly id: string;
  readonly grants: unknown;
  readonly named: unknown;
  readonly roles: unknown;
  readonly active: boolean | null;
  readonly identity_provider: string | null;
  readonly barred: Holdings['barred'] | null;
}

/** What either of them holds, and shut out as soon as one of them is. Whether they are a member says their own row. */
function joinRows(own: PersonRow | undefined, directory: PersonRow | undefined): Holdings {
  if (!own) return noHoldings;
  const rows = directory && directory.id !== own.id ? [own, directory] : [own];
  const known = { userId: own.id, ...(directory && { directoryUserId: directory.id }) };
  const barred = rows.map((row) => row.barred ?? undefined).find(Boolean);
  if (barred) return { ...noHoldings, ...known, barred };
  const { active, roles, identity_provider: saidBy } = own;
  const member =
    active === null
      ? undefined
      : { roles: parseRoles(roles), active, isOurs: saidBy === null || saidBy === scimSource };
  const held = asHoldings({
    id: own.id,
    groups: rows.flatMap(({ groups }) => groups),
    grants: rows.flatMap(({ grants }) => grantRows.parse(grants)),
    named: [...new Set(rows.flatMap(({ named }) => names.parse(named)))],
  });
  return { ...held, ...known, member };
}

const grantRows = z.array(z.object({ target: z.string(), tools: z.array(z.string()).nullable() }));

const names = z.array(z.string()).catch([]);

interface Row {
  readonly id: string | undefined;
  readonly groups: readonly string[];
  readonly grants: z.output<typeof grantRows>;
  readonly named?: readonly string[];
}

function asHoldings({ id, groups: groupIds, grants: rows, named = [] }: Row): Holdings {
  const groups = new Set(groupIds.map(asGroupId));
  const grants = new Map<string, ToolGrant>();
  for (const { target, tools } of rows) {
    const given = joinGrants(grants.get(target), asToolGrant(tools));
    if (given) grants.set(target, given);
  }
  return { userId: id, groups, grants, named, key: keyOf(groups, grants) };
}

/** What both give together; undefined: neither gives anything. */
export function joinGrants(one: ToolGrant | undefined, other: ToolGrant | undefined): ToolGrant | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return one === '*' || other === '*' ? '*' : one.union(other);
}

function keyOf(groups: ReadonlySet<GroupId>, grants: ReadonlyMap<string, ToolGrant>): string {
  if (groups.size + grants.size === 0) return '';
  const own = [...grants].map(([target, tools]) => [target, tools === '*' ? tools : [...tools].sort()]);
  return JSON.stringify([[...groups].sort(), own.sort(([a], [b]) => (String(a) < String(b) ? -1 : 1))]);
}
