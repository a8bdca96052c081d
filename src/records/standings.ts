/** Where people stand towards organizations: what decides on a call with a token that was issued here. One statement each. */
import { sql } from 'kysely';
import { asOrgId, type OrgId } from '#core/ids.ts';
import type { PlatformScope } from '#db/scope.ts';
import { parseIdentities, parseRoles } from './columns.ts';
import { idOfNamed } from './organizations.ts';
import type { Identity } from './users.ts';

/** Where a person stands towards one organization. */
export interface Standing {
  readonly userId: string;
  readonly identities: readonly Identity[];
  /** The organization's, at its identity provider. */
  readonly externalId: string | undefined;
  /** Deactivated in this organization, whatever an identity provider says of them. */
  readonly isBarred: boolean;
  /** `saidBy`: the identity provider whose word it is; undefined: made here. */
  readonly member: { readonly roles: readonly string[]; readonly saidBy: string | undefined } | undefined;
}

export interface StandingIn extends Standing {
  readonly org: OrgId;
}

const standings = ({ tx }: PlatformScope) =>
  tx
    .selectFrom('users as u')
    .innerJoin('organizations as o', (join) => join.on('o.deleted_at', 'is', null))
    .leftJoin('members as m', (join) => join.onRef('m.user_id', '=', 'u.id').onRef('m.org_id', '=', 'o.id'))
    .select([
      'u.id',
      'o.id as org',
      'o.external_id',
      'm.user_id as member',
      'm.active',
      'm.roles',
      'm.identity_provider',
    ])
    .select(
      sql<unknown>`array(select jsonb_build_object('provider', i.identity_provider, 'subject', i.subject)
        from gateway.identities i where i.user_id = u.id)`.as('identities'),
    )
    .where('u.deactivated_at', 'is', null);

type Row = NonNullable<Awaited<ReturnType<ReturnType<typeof standings>['executeTakeFirst']>>>;

const asStanding = (row: Row): StandingIn => ({
  org: asOrgId(row.org),
  userId: row.id,
  identities: parseIdentities(row.identities),
  externalId: row.external_id ?? undefined,
  isBarred: row.active === false,
  member:
    row.member === null || row.active === false
      ? undefined
      : { roles: parseRoles(row.roles), saidBy: row.identity_provider ?? undefined },
});

/** `org`: our UUID. undefined: no such person, one who is deactivated, or no such organization. */
export async function findStanding(
  scope: PlatformScope,
  { subject, org }: { readonly subject: string; readonly org: string },
): Promise<Standing | undefined> {
  const row = await standings(scope)
    .where('u.subject', '=', subject)
    .where(sql`o.id::text`, '=', org)
    .executeTakeFirst();
  return row && asStanding(row);
}

/** Towards the organizations that a person belongs to, and the one that is `called` so whether they do or not. */
export async function listStandings(
  scope: PlatformScope,
  { userId, called }: { readonly userId: string; readonly called: string | undefined },
): Promise<readonly (StandingIn & { readonly isCalled: boolean })[]> {
  const { tx } = scope;
  const named = called === undefined ? sql<string>`null::uuid` : sql<string>`(${idOfNamed(tx, called)})`;
  const rows = await standings(scope)
    .select(sql<boolean>`coalesce(o.id = ${named}, false)`.as('is_called'))
    .where('u.id', '=', userId)
    .where(
      'o.id',
      'in',
      sql<string>`(select org_id from gateway.members where user_id = ${userId} union select ${named})`,
    )
    .orderBy('o.id')
    .execute();
  return rows.map((row) => ({ ...asStanding(row), isCalled: row.is_called }));
}
