import { connect, createServer, type Server, type Socket } from 'node:net';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeDatabase } from '#adapters/database/database.contract.ts';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { migrations } from '#db/migrate.ts';
import { openDb } from '#db/open.ts';
import { withPlatform } from '#db/scope.ts';
import { createTestDatabase, openTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { postgres } from './postgres.ts';

let t: TestDatabase;
beforeAll(async () => {
  t = await createTestDatabase();
});
afterAll(() => t.close());

describeDatabase('PostgreSQL', () => openTestDatabase(t.url));

const deps = { migrations, clock: systemClock, log: silentLog };

/** A loopback proxy that can cut all its connections or swallow what passes. */
async function openProxy(target: number) {
  const sockets = new Set<Socket>();
  const frozen = new Set<Socket>();
  const server: Server = createServer((down) => {
    const up = connect(target, '127.0.0.1');
    for (const [from, to] of [
      [down, up],
      [up, down],
    ] as const) {
      sockets.add(from);
      from.on('error', () => to.destroy()).on('close', () => to.destroy());
      from.on('data', (chunk) => void (frozen.has(from) || to.write(chunk)));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: address && typeof address === 'object' ? address.port : 0,
    cut: () => {
      for (const socket of sockets) socket.resetAndDestroy();
      sockets.clear();
    },
    /** What is open now stays open and silent; new connections are good. */
    freeze: () => {
      for (const socket of sockets) frozen.add(socket);
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

function through(port: number): string {
  const url = new URL(t.url);
  url.port = String(port);
  return url.href;
}

const portOf = (url: string) => Number(new URL(url).port);
const one = ({ tx }: { readonly tx: Parameters<Parameters<typeof withPlatform>[1]>[0]['tx'] }) =>
  sql`select 1`.execute(tx);

describe('a broken network', () => {
  test('costs no transaction that had not begun to commit: connections come back by themselves [R6]', async () => {
    const proxy = await openProxy(portOf(t.url));
    const database = await openTestDatabase(through(proxy.port));
    const db = openDb(database.dialect);
    await withPlatform(db, one);
    proxy.cut();
    await withPlatform(db, one);
    await database.close();
    proxy.close();
  });

  test('resumes listening and says so', async () => {
    const proxy = await openProxy(portOf(t.url));
    const database = await openTestDatabase(through(proxy.port));
    const resumed = Promise.withResolvers<void>();
    const heard = Promise.withResolvers<string>();
    await database.listen('network', heard.resolve, resumed.resolve);
    proxy.cut();
    await resumed.promise;
    await t.sql(`select pg_notify('network', 'again')`);
    expect(await heard.promise).toBe('again');
    await database.close();
    proxy.close();
  });

  test('a connection that falls silent is given up after the timeout and replaced [R5]', async () => {
    const proxy = await openProxy(portOf(t.url));
    const settings = { url: through(proxy.port), queryTimeoutMs: 300, connectTimeoutMs: 5_000, poolSize: 1 };
    const database = await postgres.open(postgres.config.parse(settings), deps);
    const db = openDb(database.dialect);
    await withPlatform(db, one);
    proxy.freeze();
    await expect(withPlatform(db, one)).rejects.toMatchObject({ code: 'storage_unavailable' });
    await withPlatform(db, one);
    await database.close();
    proxy.close();
  });
});

test('BEGIN and the scope of a transaction are one message', async () => {
  const database = await openTestDatabase(t.url);
  const db = openDb(database.dialect);
  const asked = () =>
    t.sql(`select query from pg_stat_activity where state = 'idle in transaction' and datname = current_database()`);
  const seen = await withPlatform(db, asked);
  expect(seen).toEqual([
    { query: expect.stringMatching(/^start transaction isolation level read committed read write; select set_config/) },
  ]);
  await database.close();
});

describe('what cannot be opened', () => {
  test('a server that is not there is waited for, then refused as storage_unavailable', async () => {
    const proxy = await openProxy(1);
    const url = through(proxy.port);
    proxy.close();
    const opening = postgres.open(postgres.config.parse({ url, startPatienceMs: 300 }), deps);
    await expect(opening).rejects.toMatchObject({ code: 'storage_unavailable' });
  });

  test('a wrong password is a setting that is wrong, told without the password', async () => {
    const url = new URL(t.url);
    url.password = 'not-the-one';
    const opening = postgres.open(postgres.config.parse({ url: url.href, connectTimeoutMs: 10_000 }), deps);
    await expect(opening).rejects.toMatchObject({
      code: 'setting',
      message: expect.not.stringContaining('not-the-one'),
    });
  });
});
