/** What is kept about one person, all of it: to be looked up, handed out, or erased. */
import { sql } from 'kysely';
import { GatehouseError } from '#core/error.ts';
import type { PlatformScope } from '#db/scope.ts';
import { parseIdentities, parseRoles } from './columns.ts';
import { listGrantsOf } from './grants.ts';
import { contains, type Page, type PageRule, type PageWish, pageOf } from './page.ts';
import { findUser, type Identity, type User } from './users.ts';

export interface PersonRow extends User {
  readonly identities: readonly Identity[];
  readonly organizations: readonly string[];
  /** Unix milliseconds. */
  readonly createdAt: number;
  readonly lastSignInAt: number | undefined;
}

const rowsOf = ({ tx }: PlatformScope) =>
  tx
    .selectFrom('users as u')
    .selectAll('u')
    .select(
      sql<unknown>`coalesce((select jsonb_agg(jsonb_build_object('provider', i.identity_provider, 'subject', i.subject))
        from gateway.identities i where i.user_id = u.id), '[]')`.as('identities'),
    )
    .select(
      sql<unknown>`coalesce((select jsonb_agg(o.slug order by o.slug) from gateway.members m
        join gateway.organizations o on o.id = m.org_id and o.deleted_at is null where m.user_id = u.id), '[]')`.as(
        'organizations',
      ),
    )
    .where('u.kind', '=', 'person');

const rule: PageRule = {
  columns: {
    createdAt: { kind: 'time', of: sql`u.created_at` },
    name: { kind: 'text', of: sql`lower(coalesce(u.email, u.name, u.subject))` },
    // Who never did comes first.
    lastSignInAt: { kind: 'time', of: sql`coalesce(u.last_sign_in_at, 'epoch'::timestamptz)` },
  },
  sort: 'createdAt',
  id: sql`u.id`,
  idKind: 'uuid',
};

export interface PersonWish extends PageWish {
  readonly active?: boolean | undefined;
}

/** One page, by part of an address, name or subject, or by id. Throws `bad_request`. */
export async function pagePeople(scope: PlatformScope, wish: PersonWish): Promise<Page<PersonRow>> {
  const { search = '', active } = wish;
  const query = rowsOf(scope)
    .$if(active !== undefined, (found) => found.where('u.deactivated_at', active ? 'is' : 'is not', null))
    .$if(search !== '', (found) =>
      found.where(contains(search, [sql`u.email`, sql`u.name`, sql`u.subject`, sql`u.id`])),
    );
  const { items, next } = await pageOf(query, wish, rule);
  return { items: items.map(asPerson), next };
}

/** By id. */
export async function findPerson(scope: PlatformScope, id: string): Promise<PersonRow | undefined> {
  const row = await rowsOf(scope).where(sql`u.id::text`, '=', id.toLowerCase()).executeTakeFirst();
  return row && asPerson(row);
}

type PersonColumns = Awaited<ReturnType<ReturnType<typeof rowsOf>['execute']>>[number];

function asPerson(row: PersonColumns): PersonRow {
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
    identities: parseIdentities(row.identities),
    organizations: parseRoles(row.organizations),
    createdAt: row.created_at.getTime(),
    lastSignInAt: row.last_sign_in_at?.getTime(),
  };
}

/** Throws `not_found`. */
export async function getPerson(scope: PlatformScope, id: string): Promise<User> {
  const found = await findUser(scope, { column: 'id', value: id.toLowerCase() });
  if (found && !(await isServiceAccount(scope, found.id))) return found;
  throw noSuchPerson();
}

async function isServiceAccount({ tx }: PlatformScope, id: string): Promise<boolean> {
  const row = await tx.selectFrom('users').select('kind').where('id', '=', id).executeTakeFirst();
  return row?.kind === 'service';
}

export const noSuchPerson = () =>
  new GatehouseError('not_found', { message: 'There is no such person: list them with `gatehouse person list`' });

/** Rows as they stand, apart from what is sealed or a digest. Throws `not_found`. */
export async function exportPerson(
  scope: PlatformScope,
  id: string,
  issuersOf?: IssuersOf,
): Promise<Readonly<Record<string, unknown>>> {
  const { tx } = scope;
  const user = await getPerson(scope, id);
  const email = user.email?.toLowerCase() ?? '';
  const identities = await listIdentities(scope, user.id);
  const subjects = [user.subject, ...identities.map(({ subject }) => subject)];
  const known = issuersOf && knownOf(user, identities, issuersOf);
  const theirs = { subjects, email, proved: user.emailVerified, known };
  return {
    person: await tx.selectFrom('users').selectAll().where('id', '=', user.id).executeTakeFirst(),
    identities,
    memberships: await tx
      .selectFrom('members as m')
      .innerJoin('organizations as o', 'o.id', 'm.org_id')
      .select(['o.slug as organization', 'm.roles', 'm.groups', 'm.identity_provider', 'm.active', 'm.created_at'])
      .where('m.user_id', '=', user.id)
      .execute(),
    invitations: await tx
      .selectFrom('invitations')
      .select(['org_id', 'roles', 'created_at'])
      .where('email', '=', email)
      .execute(),
    groups: await tx
      .selectFrom('group_members as m')
      .innerJoin('groups as g', 'g.id', 'm.group_id')
      .innerJoin('organizations as o', 'o.id', 'm.org_id')
      .select(['o.slug as organization', 'g.name as group', 'm.email', 'm.source', 'm.created_at'])
      .where((is) => is.or([is('m.user_id', '=', user.id), is('m.email', '=', email)]))
      .execute(),
    grants: await listGrantsOf(scope, user.id, user.email),
    consents: await tx
      .selectFrom('consents')
      .select(['client_id', 'redirect_host', 'resource', 'scopes', 'created_at'])
      .where('user_id', '=', user.id)
      .execute(),
    sessions: await tx
      .selectFrom('oauth_records')
      .select(['model', 'client_id', 'expires_at'])
      .where('account_id', 'in', subjects)
      .where('model', 'in', ['Session', 'Grant', 'RefreshToken'])
      .execute(),
    portalSessions: await tx
      .selectFrom('portal_sessions')
      .select(['signed_in_at', 'seen_at', 'expires_at'])
      .where('user_id', '=', user.id)
      .execute(),
    audit: await tx.selectFrom('audit').selectAll().where(isTheirs(theirs, 'email')).orderBy('at').execute(),
    usage: await tx
      .selectFrom('usage')
      .selectAll()
      .where(isTheirs(theirs, 'user_email'))
      .orderBy('timestamp')
      .execute(),
  };
}

export interface KnownAt {
  readonly issuer: string;
  readonly subject: string;
}

/** Every `iss` under which an identity provider's subjects are on record; the gateway's own for undefined. */
export type IssuersOf = (provider: string | undefined) => readonly string[];

const knownOf = ({ subject }: User, identities: readonly Row[], issuersOf: IssuersOf): readonly KnownAt[] => [
  ...issuersOf(undefined).map((issuer) => ({ issuer, subject })),
  ...identities.flatMap((row) => issuersOf(row.identity_provider).map((issuer) => ({ issuer, subject: row.subject }))),
];

interface Row {
  readonly identity_provider: string;
  readonly subject: string;
}

const listIdentities = ({ tx }: PlatformScope, user: string) =>
  tx
    .selectFrom('identities')
    .select(['identity_provider', 'subject', 'created_at', 'last_sign_in_at'])
    .where('user_id', '=', user)
    .execute();

interface Theirs {
  readonly subjects: readonly string[];
  /** Lower case. */
  readonly email: string;
  readonly proved: boolean;
  /** undefined: nobody can say. */
  readonly known: readonly KnownAt[] | undefined;
}

/** As `gateway.erase_person` has it: a subject is unique at its issuer only, and an address counts where it is proved. */
const isTheirs = ({ subjects, email, proved, known }: Theirs, column: 'email' | 'user_email') => {
  const address = sql`lower(${sql.ref(column)})`;
  const said = known === undefined ? null : JSON.stringify(known);
  return sql<boolean>`((subject = any (${[...subjects]}) and (
      (${said}::jsonb is null or issuer is null) and (${sql.ref(column)} is null or ${address} = ${email})
      or ${address} = ${email}
      or ${said}::jsonb @> jsonb_build_array(jsonb_build_object('issuer', issuer, 'subject', subject))))
    or (${proved && email !== ''}::boolean and ${address} = ${email}))`;
};

/**
 * Their row and all that hangs on it is removed; what they did stays, under the pseudonym that is answered. Throws `not_found`.
 */
export async function erasePerson(scope: PlatformScope, id: string, issuersOf?: IssuersOf): Promise<string> {
  const user = await getPerson(scope, id);
  const known = issuersOf && JSON.stringify(knownOf(user, await listIdentities(scope, user.id), issuersOf));
  const { rows } = await sql<{
    pseudonym: string | null;
  }>`select gateway.erase_person(${user.id}, ${known ?? null}::jsonb) as pseudonym`.execute(scope.tx);
  const pseudonym = rows[0]?.pseudonym;
  if (!pseudonym) throw noSuchPerson();
  return pseudonym;
}

/** As people call them, by `subject`: the name, else the address. Who is gone or unknown is in none. */
export async function findNamesBySubject(
  { tx }: PlatformScope,
  subjects: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (subjects.length === 0) return new Map();
  const rows = await tx
    .selectFrom('users')
    .select(['subject', 'name', 'email'])
    .where('subject', 'in', subjects)
    .execute();
  return new Map(rows.flatMap(({ subject, name, email }) => ((name ?? email) ? [[subject, name ?? email ?? '']] : [])));
}
