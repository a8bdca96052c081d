/** A migrated PostgreSQL database of its own for each test file, copied from a template in a fraction of a second. */
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import pg from 'pg';
import { inject } from 'vitest';
import { z } from 'zod';
import type { Database } from '#adapters/database/database.ts';
import { databaseAdapters } from '#adapters/database/index.ts';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { migrationFingerprint, migrations } from '#db/migrate.ts';
import { openDb } from '#db/open.ts';
import type { Db } from '#db/schema.ts';
import './postgres-setup.ts';

export interface TestDatabase {
  /** The superuser's, as `psql` or DATABASE_URL would use it. */
  readonly url: string;
  readonly database: Database;
  /** Runs as the application's role: without a scope it sees nothing. */
  readonly db: Db;
  /** SQL as the superuser, as an operator in psql would. */
  sql(text: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
  close(): Promise<void>;
}

const answer = z.union([z.object({ url: z.string() }), z.object({ error: z.string() })]);
const template = `gatehouse_${migrationFingerprint}`;

/** Close it in `afterAll`. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const url = await createEmptyDatabase(await ensureTemplate());
  const database = await openTestDatabase(url);
  const db = openDb(database.dialect);
  const operator = new pg.Pool({ connectionString: url, max: 2 });
  operator.on('error', () => undefined);
  return {
    url,
    database,
    db,
    sql: async (query, values) => (await operator.query(query, values?.slice())).rows,
    async close() {
      await operator.end();
      await database.close();
      await asSuperuser(`drop database if exists ${nameOf(url)} with (force)`);
    },
  };
}

/** URL of a migrated database that nobody has open, and how it is dropped. */
export async function copyTemplate(): Promise<{ readonly url: string; drop(): Promise<void> }> {
  const url = await createEmptyDatabase(await ensureTemplate());
  return { url, drop: () => asSuperuser(`drop database if exists ${nameOf(url)} with (force)`) };
}

/** Generous timeouts: a test machine stalls where a server must not. */
export function openTestDatabase(url: string): Promise<Database> {
  const patient = { connectTimeoutMs: 20_000, queryTimeoutMs: 20_000, statementTimeoutMs: 20_000, poolSize: 4 };
  const deps = { migrations, clock: systemClock, log: silentLog };
  return databaseAdapters.open(databaseAdapters.config.parse({ kind: 'postgres', url, ...patient }), deps);
}

/** URL of a new database without our schema. */
export async function createEmptyDatabase(from = 'template0'): Promise<string> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  await asSuperuser(`create database ${name} template ${from}`);
  return withName(await findServer(), name);
}

/** One query as the superuser of a database by URL. */
export async function sqlOf(url: string, query: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(query)).rows;
  } finally {
    await client.end();
  }
}

async function ensureTemplate(): Promise<string> {
  const client = new pg.Client({ connectionString: await findServer() });
  await client.connect();
  try {
    // Test files run in several processes: one makes the template, the others wait for it here.
    await client.query('select pg_advisory_lock(1)');
    const { rowCount } = await client.query('select from pg_database where datname = $1', [template]);
    if (rowCount === 0) await makeTemplate(client);
    return template;
  } finally {
    await client.end();
  }
}

async function makeTemplate(client: pg.Client): Promise<void> {
  const draft = `${template}_draft`;
  await client.query(`drop database if exists ${draft}`);
  await client.query(`create database ${draft} template template0`);
  const database = await openTestDatabase(withName(await findServer(), draft));
  await database.close();
  await client.query(`alter database ${draft} rename to ${template}`);
}

async function asSuperuser(statement: string): Promise<void> {
  await sqlOf(await findServer(), statement);
}

let found: Promise<string> | undefined;

/** The superuser's URL of the run's PostgreSQL, which starts now if nobody asked before. */
function findServer(): Promise<string> {
  found ??= askDoor();
  return found;
}

async function askDoor(): Promise<string> {
  const socket = connect(inject('postgresDoor'), '127.0.0.1');
  const said = answer.parse(JSON.parse(await text(socket)));
  if ('error' in said) throw new Error(`the test database did not start: ${said.error}`);
  return said.url;
}

const nameOf = (url: string) => new URL(url).pathname.slice(1);

function withName(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}
