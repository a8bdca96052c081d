import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { openChangeFeed } from '#db/notified-change-feed.ts';
import { openDb } from '#db/open.ts';
import { withPlatform } from '#db/scope.ts';
import { openTestDatabase } from '#kit/postgres.ts';
import { type PostgresServer, startPostgres } from '#kit/postgres-server.ts';
import { insertOrganization, updateOrganization } from './organizations.ts';
import { openSnapshotStore } from './snapshot-store.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

test('a database that crashes and comes back costs no cached snapshot, and changes arrive again [R4]', async () => {
  const database = await openTestDatabase(server.url('postgres'));
  const db = openDb(database.dialect);
  const feed = await openChangeFeed({ db, notifications: database, log: silentLog });
  const store = openSnapshotStore({ db, feed, clock: systemClock, log: silentLog });
  const { id } = await withPlatform(db, (scope) => insertOrganization(scope, { slug: 'acme', name: 'Acme' }));
  const loaded = await store.load('acme');
  const resumed = Promise.withResolvers<void>();
  feed.subscribe((change) => change.kind === 'everything' && resumed.resolve());

  await server.kill();
  expect(await store.load('acme')).toBe(loaded);
  await expect(store.load('other')).rejects.toMatchObject({ code: 'storage_unavailable', retryAfterSeconds: 5 });
  await expect(withPlatform(db, async () => undefined)).rejects.toMatchObject({ code: 'storage_unavailable' });
  expect(store.find('acme')).toBe(loaded);

  await server.start();
  const back = performance.now();
  await resumed.promise;
  expect(performance.now() - back).toBeLessThan(5_000);
  await withPlatform(db, (scope) => updateOrganization(scope, id, { name: 'Renamed' }));
  await expect.poll(() => store.find('acme')?.name, { timeout: 5_000 }).toBe('Renamed');
  await store.close();
  await feed.close();
  await database.close();
});
