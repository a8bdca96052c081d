/**
 * Who of a directory's people somebody is who signs in. Whoever can choose the words by which they are found could become
 * anybody: an address counts when it is proved, a name or id only from the organization's own identity provider.
 */
import { type RawBuilder, sql } from 'kysely';
import { asOrgId, type OrgId } from '#core/ids.ts';
import type { Tx } from '#db/schema.ts';
import type { PlatformScope } from '#db/scope.ts';
import { scimSource } from './users.ts';

/** By what somebody may be found in a directory. */
export interface DirectoryWords {
  /** Lower case. */
  readonly names: readonly string[];
  readonly externalIds: readonly string[];
}

interface Said {
  readonly kind: string;
  readonly subject: string;
  readonly email: string | undefined;
  readonly emailVerified: boolean | undefined;
  readonly username: string | undefined;
  /** The identity provider is the organization's own, or says that they belong to it. */
  readonly isOwn: boolean;
}

/** Others let people choose their user names, or number them as any other directory might. */
const directories: ReadonlySet<string> = new Set(['entra', 'oidc']);

export function directoryWords({ kind, subject, email, emailVerified, username, isOwn }: Said): DirectoryWords {
  const isDirectory = isOwn && directories.has(kind);
  const names = [emailVerified ? email : undefined, isDirectory && kind === 'entra' ? username : undefined];
  // Entra's subjects are `tid.oid`; its directory knows people by the second.
  const externalIds = kind === 'entra' ? [subject, subject.slice(subject.lastIndexOf('.') + 1)] : [subject];
  return {
    names: [...new Set(names.flatMap((name) => (name ? [name.toLowerCase()] : [])))],
    externalIds: isDirectory ? externalIds : [],
  };
}

/** Whom the directory keeps by one of these words, who is still there first. One who was found by two is found by neither. */
export function scimMatch(org: OrgId, words: DirectoryWords | undefined): RawBuilder<string | null> {
  if (!words || words.names.length + words.externalIds.length === 0) return sql`null::uuid`;
  return sql`(select s.user_id from gateway.scim_users s where s.org_id = ${org} and (
      s.user_name_key = any(${[...words.names]}::text[]) or s.external_id = any(${[...words.externalIds]}::text[]))
    order by s.removed_at nulls first, s.external_id = any(${[...words.externalIds]}::text[]) desc, s.id desc limit 1)`;
}

interface Link {
  /** The user who signs in, or whose identity is heard of. */
  readonly userId: string;
  readonly words: DirectoryWords;
  /** Where they may be found; undefined: everywhere, by names only. */
  readonly orgs: readonly OrgId[] | undefined;
}

/** From now on they are one: memberships, groups and grants of the directory's row become theirs. */
export async function linkScimUsers(scope: PlatformScope, { userId, words, orgs }: Link): Promise<readonly OrgId[]> {
  const { tx } = scope;
  const { names, externalIds } = orgs === undefined ? { names: words.names, externalIds: [] } : words;
  if (names.length + externalIds.length === 0 || orgs?.length === 0) return [];
  const rows = await tx
    .selectFrom('scim_users as s')
    .select(['s.id', 's.org_id', 's.user_id'])
    .where('s.linked_at', 'is', null)
    .where((is) =>
      is.or([
        is('s.user_name_key', '=', sql<string>`any(${names}::text[])`),
        is('s.external_id', '=', sql<string>`any(${externalIds}::text[])`),
      ]),
    )
    .$if(orgs !== undefined, (all) => all.where('s.org_id', 'in', orgs ?? []))
    .where(sql<boolean>`not exists (select from gateway.scim_users o
      where o.org_id = s.org_id and o.user_id = ${userId} and o.removed_at is null)`)
    .orderBy(sql`s.removed_at`, (order) => order.asc().nullsFirst())
    .orderBy(sql`s.external_id = any(${externalIds}::text[])`, (order) => order.desc().nullsLast())
    .forUpdate()
    .execute();
  const linked = new Map<string, OrgId>();
  for (const row of rows) {
    if (linked.has(row.org_id)) continue;
    const org = asOrgId(row.org_id);
    await move(tx, { org, scimId: row.id, from: row.user_id, to: userId });
    linked.set(row.org_id, org);
  }
  return [...linked.values()];
}

interface Move {
  readonly org: OrgId;
  readonly scimId: string;
  readonly from: string;
  readonly to: string;
}

async function move(tx: Tx, { org, scimId, from, to }: Move): Promise<void> {
  await tx.updateTable('scim_users').set({ user_id: to, linked_at: new Date() }).where('id', '=', scimId).execute();
  if (from === to) return;
  await sql`insert into gateway.members (org_id, user_id, roles, groups, active, identity_provider)
    select org_id, ${to}, roles, groups, active, ${scimSource} from gateway.members
    where org_id = ${org} and user_id = ${from}
    on conflict (org_id, user_id) do update set active = excluded.active, identity_provider = ${scimSource},
      roles = case when excluded.roles = '[]' then members.roles else excluded.roles end, updated_at = now()`.execute(
    tx,
  );
  await sql`insert into gateway.group_members (org_id, group_id, user_id, source)
    select org_id, group_id, ${to}, source from gateway.group_members where org_id = ${org} and user_id = ${from}
    on conflict do nothing`.execute(tx);
  await sql`update gateway.grants g set user_id = ${to} where g.org_id = ${org} and g.user_id = ${from} and not exists (
    select from gateway.grants o where o.org_id = g.org_id and o.user_id = ${to}
      and o.server_id is not distinct from g.server_id and o.collection_id is not distinct from g.collection_id)`.execute(
    tx,
  );
  for (const table of ['group_members', 'grants', 'members'] as const)
    await tx.deleteFrom(table).where('org_id', '=', org).where('user_id', '=', from).execute();
  // Made for the directory alone, and empty now.
  await sql`delete from gateway.users u where u.id = ${from} and u.subject = ${`scim|${from}`}
    and not exists (select from gateway.identities i where i.user_id = u.id)
    and not exists (select from gateway.scim_users s where s.user_id = u.id)`.execute(tx);
}
