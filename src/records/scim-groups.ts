/** Groups that a directory keeps in one organization: rows of `groups`, their members marked as its word. */
import { sql } from 'kysely';
import { GatehouseError } from '#core/error.ts';
import { type OrgId, uuidv7 } from '#core/ids.ts';
import type { OrganizationScope, PlatformScope } from '#db/scope.ts';
import { isId, isUuid } from './scim-users.ts';
import { scimSource } from './users.ts';

export interface ScimGroup {
  readonly id: string;
  readonly displayName: string;
  readonly externalId: string | undefined;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export interface ScimGroupQuery {
  readonly id?: string | undefined;
  readonly displayName?: string | undefined;
  readonly externalId?: string | undefined;
}

const columns = ['id', 'name', 'title', 'external_id', 'created_at', 'updated_at'] as const;

interface Row {
  readonly id: string;
  readonly name: string;
  readonly title: string;
  readonly external_id: string | null;
  readonly created_at: Date;
  readonly updated_at: Date;
}

const asScimGroup = (row: Row): ScimGroup => ({
  id: row.id,
  displayName: row.title === '' ? row.name : row.title,
  externalId: row.external_id === null || row.external_id === row.id ? undefined : row.external_id,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
});

const selected = (tx: OrganizationScope['tx'], org: OrgId, query: ScimGroupQuery) =>
  tx
    .selectFrom('groups')
    .where('org_id', '=', org)
    .where('managed_by', '=', scimSource)
    .$if(query.id !== undefined, (all) => all.where(isId(query.id ?? '')))
    .$if(query.displayName !== undefined, (all) =>
      all.where(sql<string>`lower(title)`, '=', query.displayName?.toLowerCase() ?? ''),
    )
    .$if(query.externalId !== undefined, (all) => all.where('external_id', '=', query.externalId ?? ''));

export async function listScimGroups(
  { tx, org }: OrganizationScope,
  query: ScimGroupQuery & { readonly offset?: number; readonly limit: number },
): Promise<readonly ScimGroup[]> {
  const rows = await selected(tx, org, query)
    .select(columns)
    .orderBy('id')
    .offset(query.offset ?? 0)
    .limit(query.limit)
    .execute();
  return rows.map(asScimGroup);
}

export async function countScimGroups({ tx, org }: OrganizationScope, query: ScimGroupQuery): Promise<number> {
  const row = await selected(tx, org, query)
    .select(sql<number>`count(*)::integer`.as('total'))
    .executeTakeFirstOrThrow();
  return row.total;
}

/** Held until the end of the transaction. Throws `not_found`. */
export async function lockScimGroup({ tx }: PlatformScope, org: OrgId, id: string): Promise<ScimGroup> {
  const row = await selected(tx, org, { id }).select(columns).forUpdate().executeTakeFirst();
  if (!row) throw new GatehouseError('not_found');
  return asScimGroup(row);
}

/** What a group may be called here, from what the directory calls it. */
const plainName = (displayName: string) =>
  displayName
    .normalize('NFKD')
    .replace(/[^A-Za-z0-9-]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 100);

export interface NewScimGroup {
  readonly displayName: string;
  readonly externalId: string | undefined;
}

/**
 * A group that an administrator tied to this very `externalId` becomes the directory's, whatever its name; one that only
 * has the same name never does (SECURITY H9). undefined in the place of one whose `externalId` the directory has already.
 */
export async function insertScimGroups(
  scope: PlatformScope,
  org: OrgId,
  inputs: readonly NewScimGroup[],
): Promise<readonly (ScimGroup | undefined)[]> {
  const { tx } = scope;
  const wanted = inputs.map((input) => ({
    ...input,
    id: uuidv7(Date.now()),
    plain: plainName(input.displayName) || 'group',
  }));
  const known = await tx
    .selectFrom('groups')
    .select(['id', 'external_id', 'managed_by', sql<string>`lower(name)`.as('key')])
    .where('org_id', '=', org)
    .where(
      sql<boolean>`(lower(name) = any(${wanted.map(({ plain }) => plain.toLowerCase())}::text[])
        or external_id = any(${wanted.flatMap(({ externalId }) => externalId ?? [])}::text[]))`,
    )
    .execute();
  const names = new Set(known.map(({ key }) => key));
  const byExternalId = new Map(known.map((row) => [row.external_id, row]));
  const seen = new Set<string>();
  const rows = [];
  const tied = new Map<string, string>();
  for (const { id, plain, displayName, externalId } of wanted) {
    const there = externalId === undefined ? undefined : byExternalId.get(externalId);
    if (externalId !== undefined && (seen.has(externalId) || there?.managed_by === scimSource)) continue;
    seen.add(externalId ?? id);
    if (there) {
      tied.set(id, there.id);
      await tx
        .updateTable('groups')
        .set({ managed_by: scimSource, title: displayName, updated_at: new Date() })
        .where('org_id', '=', org)
        .where('id', '=', there.id)
        .execute();
      continue;
    }
    const name = names.has(plain.toLowerCase()) ? `${plain}-${id.slice(-12)}` : plain;
    names.add(name.toLowerCase());
    rows.push({ id, org_id: org, name, title: displayName, external_id: externalId ?? id, managed_by: scimSource });
  }
  if (rows.length > 0) await tx.insertInto('groups').values(rows).execute();
  const now = new Date();
  const made = new Set([...rows.map(({ id }) => id), ...tied.keys()]);
  return wanted.map(({ id, displayName, externalId }) =>
    made.has(id) ? { id: tied.get(id) ?? id, displayName, externalId, createdAt: now, updatedAt: now } : undefined,
  );
}

/** Its name here stays: policies may go by it. Nothing is written that is there already. Throws `conflict`. */
export async function updateScimGroup(
  { tx }: PlatformScope,
  {
    org,
    before,
    after,
  }: {
    readonly org: OrgId;
    readonly before: ScimGroup;
    readonly after: { readonly displayName: string; readonly externalId: string | undefined };
  },
): Promise<void> {
  if (before.displayName === after.displayName && before.externalId === after.externalId) return;
  await tx
    .updateTable('groups')
    .set({ title: after.displayName, external_id: after.externalId ?? before.id, updated_at: new Date() })
    .where('org_id', '=', org)
    .where('id', '=', before.id)
    .execute();
}

/** A builtin one stays, without the directory. Throws `not_found`. */
export async function removeScimGroup(scope: PlatformScope, org: OrgId, id: string): Promise<void> {
  const { tx } = scope;
  await lockScimGroup(scope, org, id);
  await setScimMembers(scope, { org, group: id, members: [] });
  await tx
    .updateTable('groups')
    .set({ managed_by: 'api' })
    .where('org_id', '=', org)
    .where('id', '=', id)
    .where('builtin', '=', true)
    .execute();
  await tx.deleteFrom('groups').where('org_id', '=', org).where('id', '=', id).where('builtin', '=', false).execute();
}

interface MemberChange {
  readonly org: OrgId;
  readonly group: string;
  /** Ids of SCIM users. */
  readonly members: readonly string[];
}

/** Those of these who are people of the directory's. */
export async function findScimIds(
  { tx }: PlatformScope,
  org: OrgId,
  ids: readonly string[],
): Promise<ReadonlySet<string>> {
  const asked = [...new Set(ids)].filter((id) => isUuid(id));
  if (asked.length === 0) return new Set();
  const rows = await tx
    .selectFrom('scim_users')
    .select('id')
    .where('org_id', '=', org)
    .where('removed_at', 'is', null)
    .where('id', '=', sql<string>`any(${asked}::uuid[])`)
    .execute();
  return new Set(rows.map(({ id }) => id));
}

/** Of several groups at once. Who is in one already stays as they are; whoever is nobody of the directory's is left out. */
export async function insertScimMembers(
  { tx }: PlatformScope,
  org: OrgId,
  pairs: readonly { readonly group: string; readonly member: string }[],
): Promise<void> {
  if (pairs.length === 0) return;
  await sql`insert into gateway.group_members (org_id, group_id, user_id, source)
    select ${org}, p.group_id, s.user_id, ${scimSource}
    from unnest(${pairs.map(({ group }) => group)}::uuid[], ${pairs.map(({ member }) => member)}::uuid[]) as p (group_id, member)
    join gateway.scim_users s on s.org_id = ${org} and s.id = p.member and s.removed_at is null
    on conflict do nothing`.execute(tx);
}

/** All or nobody. Who is in it already stays as they are. Throws `not_found` when one of them is nobody of the directory's. */
export async function addScimMembers({ tx }: PlatformScope, { org, group, members }: MemberChange): Promise<void> {
  const ids = [...new Set(members)];
  if (ids.length === 0) return;
  if (!ids.every((id) => isUuid(id))) throw new GatehouseError('not_found');
  const { rows } = await sql<{ found: number }>`
    with found as (
      select s.user_id from unnest(${ids}::uuid[]) as wanted (id)
      -- By their ids: of a directory that has just come in there are no statistics, and all of it would be gone through.
      cross join lateral (select * from gateway.scim_users u where u.id = wanted.id offset 0) s
      where s.org_id = ${org} and s.removed_at is null
    ), added as (
      insert into gateway.group_members (org_id, group_id, user_id, source)
        select ${org}, ${group}, user_id, ${scimSource} from found where (select count(*) from found) = ${ids.length}
        on conflict do nothing
    )
    select count(*)::integer as found from found`.execute(tx);
  if (rows[0]?.found !== ids.length) throw new GatehouseError('not_found');
}

export async function removeScimMembers({ tx }: PlatformScope, { org, group, members }: MemberChange): Promise<void> {
  const ids = members.filter((id) => isUuid(id));
  if (ids.length === 0) return;
  await sql`delete from gateway.group_members gm using gateway.scim_users s
    where gm.org_id = ${org} and gm.group_id = ${group} and gm.source = ${scimSource}
      and s.org_id = gm.org_id and s.user_id = gm.user_id and s.id = any(${ids}::uuid[])`.execute(tx);
}

/** These and no others; who was put in by others than the directory stays. Throws `not_found`. */
export async function setScimMembers(scope: PlatformScope, change: MemberChange): Promise<void> {
  const { org, group, members } = change;
  const ids = members.filter((id) => isUuid(id));
  await sql`delete from gateway.group_members gm
    where gm.org_id = ${org} and gm.group_id = ${group} and gm.source = ${scimSource} and gm.user_id not in (
      select s.user_id from gateway.scim_users s where s.org_id = ${org} and s.id = any(${ids}::uuid[]))`.execute(
    scope.tx,
  );
  await addScimMembers(scope, change);
}

export interface ScimMember {
  readonly group: string;
  readonly groupName: string;
  readonly user: string;
  readonly userName: string;
}

/** Of these groups, or of these SCIM users. */
export async function listScimMembers(
  { tx, org }: OrganizationScope,
  by: { readonly groups: readonly string[] } | { readonly users: readonly string[] },
): Promise<readonly ScimMember[]> {
  const ids = 'groups' in by ? by.groups : by.users;
  if (ids.length === 0) return [];
  const rows = await tx
    .selectFrom('group_members as gm')
    .innerJoin('groups as g', (join) => join.onRef('g.id', '=', 'gm.group_id').onRef('g.org_id', '=', 'gm.org_id'))
    .innerJoin('scim_users as s', (join) =>
      join.onRef('s.user_id', '=', 'gm.user_id').onRef('s.org_id', '=', 'gm.org_id'),
    )
    .select(['g.id as group', 'g.title', 'g.name', 's.id as user', 's.user_name'])
    .where('gm.org_id', '=', org)
    .where('g.managed_by', '=', scimSource)
    .where('s.removed_at', 'is', null)
    .where(sql<boolean>`${sql.ref('groups' in by ? 'g.id' : 's.id')} = any(${[...ids]}::uuid[])`)
    .orderBy('gm.created_at')
    .orderBy('s.id')
    .execute();
  return rows.map((row) => ({
    group: row.group,
    groupName: row.title === '' ? row.name : row.title,
    user: row.user,
    userName: row.user_name,
  }));
}
