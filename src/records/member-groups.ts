/** Which groups members are in, and why: for many of them at once. */
import { sql } from 'kysely';
import type { OrgId } from '#core/ids.ts';
import type { PlatformScope } from '#db/scope.ts';
import type { Member } from './members.ts';

export interface GroupOfMember {
  readonly name: string;
  /** How they are in it: by themselves, by their address, or by the word of their identity provider. */
  readonly by: 'user' | 'email' | 'provider';
  /** undefined: put there by an administrator. */
  readonly source: string | undefined;
}

interface Row {
  /** Id of a person, or the address of somebody invited. */
  readonly who: string;
  readonly name: string;
  readonly how: 'user' | 'email' | 'provider';
  readonly source: string | null;
}

/** By id of a person, or the address of somebody invited. */
export async function findMemberGroups(
  { tx }: PlatformScope,
  org: OrgId,
  members: readonly Member[],
): Promise<ReadonlyMap<string, readonly GroupOfMember[]>> {
  const ids = members.flatMap(({ userId }) => userId ?? []);
  const invited = members.flatMap(({ userId, email }) => (userId === undefined && email ? [email.toLowerCase()] : []));
  // An address counts only where it is theirs for certain (holdings.ts).
  const { rows } = await sql<Row>`
    with who as (
      select u.id, case when u.email_verified and (u.email_org is null or u.email_org = ${org}) then lower(u.email) end email
      from gateway.users u where u.id = any(${ids}::uuid[]))
    select gm.user_id::text who, g.name, 'user' how, gm.source from gateway.group_members gm
      join gateway.groups g on g.id = gm.group_id where gm.org_id = ${org} and gm.user_id = any(${ids}::uuid[])
    union all
    select who.id::text, g.name, 'email', gm.source from who join gateway.group_members gm on gm.email = who.email
      join gateway.groups g on g.id = gm.group_id where gm.org_id = ${org}
    union all
    select gm.email, g.name, 'email', gm.source from gateway.group_members gm
      join gateway.groups g on g.id = gm.group_id where gm.org_id = ${org} and gm.email = any(${invited}::text[])
    union all
    select m.user_id::text, g.name, 'provider', m.identity_provider from gateway.members m
      join gateway.groups g on g.org_id = m.org_id and jsonb_exists(m.groups, g.external_id)
      where m.org_id = ${org} and m.user_id = any(${ids}::uuid[])
    order by 1, 2, 3`.execute(tx);
  const found = new Map<string, GroupOfMember[]>();
  for (const { who, name, how, source } of rows) {
    const groups = found.get(who) ?? [];
    found.set(who, groups);
    if (!groups.some((group) => group.name === name)) groups.push({ name, by: how, source: source ?? undefined });
  }
  return found;
}
