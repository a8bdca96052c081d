import { PostgresDialect } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createEmptyDatabase, createTestDatabase, openTestDatabase, sqlOf, type TestDatabase } from '#kit/postgres.ts';
import { insertOrganization } from '#records/organizations.ts';
import { type MigrationReport, migrate } from './migrate.ts';
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

/** Before each of its statements. */
function beforeStatements(client: pg.PoolClient, hear: (statement: number) => Promise<void> | void): void {
  const query = client.query.bind(client);
  let statements = 0;
  Object.assign(client, {
    query: async (...given: Parameters<typeof query>) => {
      await hear(++statements);
      return query(...given);
    },
  });
}

const isMade = `select to_regclass('gateway.organizations') is not null as made`;

test('nobody sees anything of a migration before all of it is there, whatever statement it is at [R28]', {
  timeout: 60_000,
}, async () => {
  const url = await createEmptyDatabase();
  const watcher = new pg.Client({ connectionString: url });
  await watcher.connect();
  const look = async () => (await watcher.query(isMade)).rows[0]?.made;
  const seen: unknown[] = [];
  await runMigrations(url, (client) => beforeStatements(client, async () => void seen.push(await look())));
  // The last thing it does is to give its lock back, or to commit.
  expect(seen.length).toBeGreaterThan(200);
  expect(seen.slice(0, -1).every((made) => made === false)).toBe(true);
  expect(await look()).toBe(true);
  await watcher.end();
});

test('a migration whose connection breaks, wherever it does, leaves nothing half done: the next one finishes [R28]', {
  timeout: 60_000,
}, async () => {
  const counted = await createEmptyDatabase();
  // The migrator's own tables stand after the first try: later ones have less to do.
  await runMigrations(counted, (client) => killAt(client, 100)).catch(() => undefined);
  let all = 0;
  await runMigrations(counted, (client) =>
    beforeStatements(client, (statement) => {
      all = statement;
    }),
  );
  const url = await createEmptyDatabase();
  // Each that stands before the transaction or begins it, some within it, and the last ones.
  const deadly = [...Array.from({ length: 12 }, (_, n) => n + 1), all >> 2, all >> 1, all - 60, all - 2, all - 1];
  for (const statement of deadly) {
    await expect(runMigrations(url, (client) => killAt(client, statement))).rejects.toThrow();
    const [found] = await sqlOf(url, isMade);
    expect(found, `statement ${statement} of ${all}`).toMatchObject({ made: false });
  }
  await runMigrations(url, (client) => killAt(client, all)).catch(() => undefined);
  await runMigrations(url);
  expect(await runMigrations(url)).toEqual({ applied: [] });
  const database = await openTestDatabase(url);
  await checkIsolation(openDb(database.dialect));
  await database.close();
});

test('one that waits for another gets through when that one is killed [R28]', async () => {
  const url = await createEmptyDatabase();
  const { promise: isWaiting, resolve: waits } = Promise.withResolvers<void>();
  let other: Promise<MigrationReport> | undefined;
  const killed = runMigrations(url, (client) =>
    beforeStatements(client, async (statement) => {
      if (statement !== 100) return;
      other = runMigrations(url, (next) => beforeStatements(next, () => waits()));
      await isWaiting;
      Reflect.get(client, 'connection').stream.destroy();
    }),
  );
  await expect(killed).rejects.toThrow();
  expect((await other)?.applied.length).toBeGreaterThan(10);
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

test('a schema of the next version is left alone: old and new run side by side [R28]', async () => {
  const url = await createEmptyDatabase();
  await runMigrations(url);
  await sqlOf(url, `insert into gateway.migration values ('9998-future', '2030-01-01T00:00:00.000Z')`);
  expect(await runMigrations(url)).toEqual({ applied: [] });
});

test('a schema that a later version took something away from is refused by older ones [R28]', async () => {
  const url = await createEmptyDatabase();
  await runMigrations(url);
  await sqlOf(url, `insert into gateway.migration values ('9999-contract-names', '2030-01-01T00:00:00.000Z')`);
  await expect(openTestDatabase(url)).rejects.toMatchObject({
    code: 'setting',
    message: expect.stringContaining('of a newer version of the gateway (9999-contract-names)'),
  });
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
