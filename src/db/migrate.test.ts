import { PostgresDialect } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createEmptyDatabase, createTestDatabase, openTestDatabase, sqlOf, type TestDatabase } from '#kit/postgres.ts';
import { insertOrganization } from '#records/organizations.ts';
import { migrate } from './migrate.ts';
import { openDb } from './open.ts';
import { withPlatform } from './scope.ts';
import { checkIsolation } from './self-test.ts';

let t: TestDatabase;
beforeAll(async () => {
  t = await createTestDatabase();
});
afterAll(() => t.close());

async function runMigrations(url: string, onClient: (client: pg.PoolClient) => void = () => undefined) {
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  pool.on('error', () => undefined);
  pool.on('connect', (client) => {
    client.on('error', () => undefined);
    onClient(client);
  });
  try {
    return await migrate(new PostgresDialect({ pool }));
  } finally {
    await pool.end();
  }
}

test('makes the schema once and finds nothing to do the second time [S0.30]', async () => {
  const url = await createEmptyDatabase();
  const first = await runMigrations(url);
  expect(first.applied.length).toBeGreaterThan(0);
  expect(await runMigrations(url)).toEqual({ applied: [] });
});

test('replicas that start together migrate once', async () => {
  const url = await createEmptyDatabase();
  const reports = await Promise.all([runMigrations(url), runMigrations(url), runMigrations(url)]);
  expect(reports.filter((report) => report.applied.length > 0)).toHaveLength(1);
});

test('a migration whose connection breaks, wherever it does, leaves nothing half done [R28]', {
  timeout: 120_000,
}, async () => {
  const url = await createEmptyDatabase();
  let broken = 0;
  // Every sixth of its statements, until one run gets through.
  for (let deadly = 1; ; deadly += 6) {
    const run = await runMigrations(url, (client) => killAt(client, deadly)).catch(() => undefined);
    if (run) break;
    broken += 1;
    const [found] = await sqlOf(url, `select to_regclass('gateway.organizations') as made`);
    if (JSON.stringify(found) === '{"made":null}') continue;
    // It broke behind the commit: then nothing is left to do.
    expect(await runMigrations(url)).toEqual({ applied: [] });
    break;
  }
  expect(broken).toBeGreaterThan(20);
  const database = await openTestDatabase(url);
  await checkIsolation(openDb(database.dialect));
  await database.close();
});

/** Breaks the connection in place of its nth statement. */
function killAt(client: pg.PoolClient, deadly: number): void {
  const query = client.query.bind(client);
  let statements = 0;
  Object.assign(client, {
    query: (...given: Parameters<typeof query>) => {
      statements += 1;
      if (statements === deadly) Reflect.get(client, 'connection').stream.destroy();
      return query(...given);
    },
  });
}

test('a schema newer than this version is left alone [R28]', async () => {
  await t.sql(`insert into gateway.migration values ('9999-future', '2030-01-01T00:00:00.000Z')`);
  expect(await runMigrations(t.url)).toEqual({ applied: [] });
});

test('a user with CREATEROLE who owns the database can install it, and is bound by it', async () => {
  const url = new URL(await createEmptyDatabase());
  const name = url.pathname.slice(1);
  await t.sql(`create role owner_of_${name} login createrole password 'pass'`);
  await t.sql(`alter database ${name} owner to owner_of_${name}`);
  url.username = `owner_of_${name}`;
  url.password = 'pass';
  // Another superuser made the roles of this cluster: being a member is what an administrator grants.
  await t.sql(`grant gatehouse_app, gatehouse_platform to owner_of_${name}`);
  const database = await openTestDatabase(url.href);
  const db = openDb(database.dialect);
  await checkIsolation(db);
  const made = await withPlatform(db, (scope) => insertOrganization(scope, { slug: 'acme', name: 'Acme' }));
  expect(made.slug).toBe('acme');
  await database.close();
});

test('a user without the right to create is told what is missing', async () => {
  const url = new URL(await createEmptyDatabase());
  const name = url.pathname.slice(1);
  await t.sql(`create role guest_of_${name} login password 'pass'`);
  url.username = `guest_of_${name}`;
  url.password = 'pass';
  await expect(openTestDatabase(url.href)).rejects.toMatchObject({
    code: 'setting',
    message: expect.stringContaining('CREATEROLE'),
  });
});

test('a login that may only take the roles of the gateway opens a prepared database', async () => {
  const prepared = await createTestDatabase();
  const url = new URL(prepared.url);
  const login = `login_of_${url.pathname.slice(1)}`;
  await prepared.sql(`create role ${login} login password 'pass' in role gatehouse_app, gatehouse_platform`);
  url.username = login;
  url.password = 'pass';
  const database = await openTestDatabase(url.href);
  const db = openDb(database.dialect);
  await checkIsolation(db);
  await withPlatform(db, (scope) => insertOrganization(scope, { slug: 'acme', name: 'Acme' }));
  expect(await db.selectFrom('organizations').selectAll().execute()).toEqual([]);
  await database.close();
  await prepared.sql(`select pg_terminate_backend(pid) from pg_stat_activity where usename = $1`, [login]);
  await prepared.close();
});
