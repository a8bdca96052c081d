/** Users by the tokens of an application that shares its secret, and its own table of users: IdentityAccounts over the database. */
import { sql } from 'kysely';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import type { OrgId } from '#core/ids.ts';
import type { Log } from '#core/log.ts';
import type { Db } from '#db/schema.ts';
import { type PlatformScope, withPlatform } from '#db/scope.ts';
import { findOrganization } from './organizations.ts';
import { listMemberships, lockIdentity, upsertIdentity } from './users.ts';

export interface ForeignTable {
  readonly table: string;
  readonly idColumn: string;
  readonly emailColumn: string;
  readonly nameColumn?: string | undefined;
  readonly roleColumn?: string | undefined;
}

export interface BoundPerson {
  readonly provider: string;
  readonly subject: string;
  readonly organization: string;
}

export interface Person extends BoundPerson {
  readonly email: string | undefined;
  readonly emailVerified?: boolean | undefined;
  readonly name: string | undefined;
}

export interface AccountsDeps {
  readonly db: Db;
  readonly clock: Clock;
  readonly log: Log;
}

/** As `IdentityAccounts` of the identity port has it. */
export function openAccounts({ db, clock, log }: AccountsDeps) {
  return {
    async findForeignUser(table: ForeignTable, id: string) {
      try {
        return await selectForeignUser(db, table, id);
      } catch (cause) {
        log.error({ err: cause, table: table.table }, "the other application's table of users cannot be read");
        throw new GatehouseError('identity_unavailable', { cause });
      }
    },
    ensure: (person: Person) => withPlatform(db, (scope) => ensure(scope, person, { nowMs: clock.now(), log })),
    findMember: ({ provider, subject, organization }: BoundPerson, organizationId: string) =>
      withPlatform(db, async (scope) => {
        const user = await findByIdentity(scope, provider, subject);
        if (!user?.active) return undefined;
        const found = (await listMemberships(scope, user.id)).find(({ org }) => org === organizationId);
        if (!found) return undefined;
        const bound = await findOrganization(scope, organization);
        return { roles: found.roles, inBound: bound?.id === found.org };
      }),
  };
}

/** Unquoted identifiers of PostgreSQL, and no schema of ours or of PostgreSQL's own. */
const identifier = /^[A-Za-z_][A-Za-z0-9_]{0,62}$/;
const closedSchemas = /^(gateway|mcp_proxy|information_schema|pg_.*)$/i;

async function selectForeignUser(db: Db, names: ForeignTable, id: string) {
  const [schema = '', table = '', ...more] = names.table.split('.');
  const { idColumn, emailColumn, nameColumn, roleColumn } = names;
  const columns = [idColumn, emailColumn, nameColumn, roleColumn].filter((name) => name !== undefined);
  if (
    more.length > 0 ||
    closedSchemas.test(schema) ||
    ![schema, table, ...columns].every((name) => identifier.test(name))
  )
    throw new GatehouseError('setting', {
      message: `The table ${names.table} or one of its columns has a name that is not allowed`,
    });
  const optional = (name: string | undefined) => (name === undefined ? sql`null` : sql`${sql.id(name)}::text`);
  const statement = sql<{ email: string | null; name: string | null; role: string | null }>`
    select ${optional(emailColumn)} as email, ${optional(nameColumn)} as name, ${optional(roleColumn)} as role
    from ${sql.id(schema, table)} where ${sql.id(idColumn)}::text = ${id} limit 1`;
  // The roles of ours have no rights outside our schema: for this one statement it is the login role that reads.
  const { rows } = await db
    .transaction()
    .setAccessMode('read only')
    .execute(async (tx) => {
      await sql`select set_config('role', 'none', true)`.execute(tx);
      return statement.execute(tx);
    });
  const [row] = rows;
  return row && { email: row.email || undefined, name: row.name || undefined, role: row.role || undefined };
}

async function ensure(
  scope: PlatformScope,
  person: Person,
  { nowMs, log }: { readonly nowMs: number; readonly log: Log },
): Promise<{ readonly userId: string; readonly organizationId: OrgId } | undefined> {
  const organization = await findOrganization(scope, person.organization);
  if (!organization) {
    log.warn(
      { provider: person.provider, organization: person.organization },
      'the organization of this identity provider does not exist',
    );
    return undefined;
  }
  let known = await findByIdentity(scope, person.provider, person.subject);
  if (!isAsSaid(known, person)) {
    // Of many first requests at once one writes; whoever waited for it finds what it wrote.
    await lockIdentity(scope, person);
    known = await findByIdentity(scope, person.provider, person.subject);
  }
  if (known && !known.active) return undefined;
  // Every write is announced, and ends what is kept of them in memory: nothing is written that is there already.
  const userId = isAsSaid(known, person) ? known.id : (await upsertIdentity(scope, person, nowMs)).id;
  if (!known) {
    await scope.tx
      .insertInto('members')
      .values({ org_id: organization.id, user_id: userId })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }
  return { userId, organizationId: organization.id };
}

type KnownPerson = NonNullable<Awaited<ReturnType<typeof findByIdentity>>>;

const isAsSaid = (known: KnownPerson | undefined, said: Person): known is KnownPerson =>
  known !== undefined &&
  known.email === (said.email ?? null) &&
  known.name === (said.name ?? null) &&
  known.emailVerified === (said.emailVerified ?? false);

async function findByIdentity({ tx }: PlatformScope, provider: string, subject: string) {
  const row = await tx
    .selectFrom('identities as i')
    .innerJoin('users as u', 'u.id', 'i.user_id')
    .select(['u.id', 'u.email', 'u.email_verified', 'u.name', 'u.deactivated_at'])
    .where('i.identity_provider', '=', provider)
    .where('i.subject', '=', subject)
    .executeTakeFirst();
  if (!row) return undefined;
  const { id, email, email_verified: emailVerified, name, deactivated_at: deactivatedAt } = row;
  return { id, email, emailVerified, name, active: deactivatedAt === null };
}
