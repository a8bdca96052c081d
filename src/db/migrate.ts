/** Numbered migrations, applied all or none in one transaction under an advisory lock (PGlite: its data directory's lock). */
import { createHash } from 'node:crypto';
import { type Dialect, Kysely, sql, type Transaction } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import { GatehouseError } from '#core/error.ts';
import { tables } from './migrations/0001-tables.ts';
import { isolation } from './migrations/0002-isolation.ts';
import { changes } from './migrations/0003-changes.ts';
import { collectionsView } from './migrations/0004-collections-view.ts';
import { signIn } from './migrations/0005-sign-in.ts';
import { programClients } from './migrations/0006-program-clients.ts';
import { shaping } from './migrations/0007-shaping.ts';
import { replicas } from './migrations/0008-replicas.ts';
import { access } from './migrations/0009-access.ts';
import { people } from './migrations/0010-people.ts';
import { secrets } from './migrations/0013-secrets.ts';
import { accounts } from './migrations/0014-accounts.ts';
import { audit } from './migrations/0015-audit.ts';
import { sync } from './migrations/0016-sync.ts';
import { mcpProxy } from './migrations/0017-mcp-proxy.ts';
import { runs } from './migrations/0018-runs.ts';
import { openapi } from './migrations/0019-openapi.ts';
import { portalSessions } from './migrations/0020-portal-sessions.ts';
import { adminRequests } from './migrations/0021-admin-requests.ts';
import { accessRequests } from './migrations/0022-access-requests.ts';
import { notifications } from './migrations/0023-notifications.ts';

/**
 * Append only: an applied migration never changes. Expand first, contract a version later: N-1 runs on schema N. One after
 * which older versions must not run is named `NNNN-contract-…`: whoever doesn't know it refuses the database.
 */
const numbered: Readonly<Record<string, readonly string[]>> = {
  '0001-tables': tables,
  '0002-isolation': isolation,
  '0003-changes': changes,
  '0004-collections-view': collectionsView,
  '0005-sign-in': signIn,
  '0006-program-clients': programClients,
  '0007-shaping': shaping,
  '0008-replicas': replicas,
  '0009-access': access,
  '0010-people': people,
  '0013-secrets': secrets,
  '0014-accounts': accounts,
  '0015-audit': audit,
  '0016-sync': sync,
  '0017-mcp-proxy': mcpProxy,
  '0018-runs': runs,
  '0019-openapi': openapi,
  '0020-portal-sessions': portalSessions,
  '0021-admin-requests': adminRequests,
  '0022-access-requests': accessRequests,
  '0023-notifications': notifications,
};

const oldestVersion = 150_000;

export interface MigrationReport {
  /** Names, in the order of their application; empty: there was nothing to do. */
  readonly applied: readonly string[];
}

/** Changes whenever a migration does: names prepared seeds and test templates. */
export const migrationFingerprint = hashOf(numbered);

/** Names, in the order of their application. */
export const migrationNames: readonly string[] = Object.keys(numbered);

/** Of a schema with these migrations alone; undefined: they are not the first ones of this version. */
export function fingerprintOf(names: readonly string[]): string | undefined {
  const own = Object.entries(numbered).slice(0, names.length);
  return own.length === names.length && own.every(([name], at) => name === names[at])
    ? hashOf(Object.fromEntries(own))
    : undefined;
}

function hashOf(some: Readonly<Record<string, readonly string[]>>): string {
  return createHash('sha256').update(JSON.stringify(some)).digest('hex').slice(0, 16);
}

/** What a database adapter is handed. */
export const migrations = {
  fingerprint: migrationFingerprint,
  async run(dialect: Dialect): Promise<void> {
    await migrate(dialect);
  },
};

/**
 * Applies what is missing, all of it or nothing. Idempotent, safe beside other replicas doing the same. A schema newer than
 * this version is left alone. Throws `setting` when it is too new to work with, the server is too old, or the user may not
 * do what a migration needs.
 */
export async function migrate(dialect: Dialect): Promise<MigrationReport> {
  const db = new Kysely<unknown>({ dialect });
  const applied = await appliedMigrations(db);
  refuseContracted(applied);
  if (migrationNames.every((name) => applied.includes(name))) return { applied: [] };
  await checkVersion(db);
  const { error, results } = await migratorOf(db).migrateToLatest();
  if (error) throw asSettingError(error);
  return { applied: (results ?? []).map((result) => result.migrationName) };
}

/** Empties the schema and makes it anew as the first of our migrations leave it. In the transaction of its caller. */
export async function remakeSchema(tx: Transaction<unknown>, names: readonly string[]): Promise<void> {
  await sql`drop schema if exists gateway cascade`.execute(tx);
  const { error } = await migratorOf(tx).migrateTo(names.at(-1) ?? '');
  if (error) throw asSettingError(error);
}

/** As `migrate`, in the transaction of its caller. */
export async function finishSchema(tx: Transaction<unknown>): Promise<void> {
  const { error } = await migratorOf(tx).migrateToLatest();
  if (error) throw asSettingError(error);
}

function migratorOf(db: Kysely<unknown>): Migrator {
  return new Migrator({
    db,
    provider: { getMigrations: async () => runnable() },
    migrationTableSchema: 'gateway',
    migrationTableName: 'migration',
    migrationLockTableName: 'migration_lock',
  });
}

function runnable(): Record<string, Migration> {
  const up = (statements: readonly string[]) => async (db: Kysely<unknown>) => {
    for (const statement of statements) await sql.raw(statement).execute(db);
  };
  return Object.fromEntries(Object.entries(numbered).map(([name, statements]) => [name, { up: up(statements) }]));
}

/** Names, in order; none where there is no schema yet. */
export async function appliedMigrations(db: Kysely<unknown>): Promise<readonly string[]> {
  const { rows: found } = await sql<{
    made: boolean;
  }>`select to_regclass('gateway.migration') is not null as made`.execute(db);
  if (!found[0]?.made) return [];
  const { rows } = await sql<{ name: string }>`select name from gateway.migration`.execute(db);
  return rows.map(({ name }) => name).sort();
}

function refuseContracted(applied: readonly string[]): void {
  const unknown = applied.filter((name) => !migrationNames.includes(name) && /^\d+-contract\b/.test(name));
  if (unknown.length === 0) return;
  throw new GatehouseError('setting', {
    message:
      `The database is of a newer version of the gateway (${unknown.join(', ')}), which this one would damage: ` +
      'start that version again, or restore a backup from before',
  });
}

async function checkVersion(db: Kysely<unknown>): Promise<void> {
  const { rows } = await sql<{ version: number }>`select current_setting('server_version_num')::int as version`.execute(
    db,
  );
  if ((rows[0]?.version ?? 0) < oldestVersion) {
    throw new GatehouseError('setting', { message: 'PostgreSQL 15 or newer is required' });
  }
}

/** 42501: insufficient_privilege. */
function asSettingError(error: unknown): unknown {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  if (code !== '42501') return error;
  return new GatehouseError('setting', {
    message:
      'The user of DATABASE_URL may not create what the gateway needs: it must own the database and have CREATEROLE ' +
      '(or run `gatehouse db init` once as an administrator)',
    cause: error,
  });
}
