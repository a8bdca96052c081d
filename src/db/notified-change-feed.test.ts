import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { OrgId } from '#core/ids.ts';
import { asKeyId } from '#core/ids.ts';
import { silentLog } from '#core/log.ts';
import { createTestDatabase, openTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { insertKey, revokeKey, touchKeys } from '#records/keys.ts';
import { insertOrganization } from '#records/organizations.ts';
import { insertServer } from '#records/servers.ts';
import { insertSessionRevocation } from '#records/session-revocations.ts';
import type { Change } from './change-feed.ts';
import { type OpenChangeFeed, openChangeFeed } from './notified-change-feed.ts';
import { withOrganization, withPlatform } from './scope.ts';

let t: TestDatabase;
let org: OrgId;
let feed: OpenChangeFeed;
let heard: Change[];

beforeAll(async () => {
  t = await createTestDatabase();
  org = (await withPlatform(t.db, (scope) => insertOrganization(scope, { slug: 'acme', name: 'Acme' }))).id;
});
afterAll(() => t.close());
beforeEach(async () => {
  heard = [];
  feed = await openChangeFeed({ db: t.db, notifications: t.database, log: silentLog, every: () => () => undefined });
  feed.subscribe((change) => heard.push(change));
});
afterEach(() => feed.close());

/** What is heard because of `work`, up to a mark that is sent after it. */
async function hear(work: () => Promise<unknown>): Promise<Change[]> {
  const mark = Promise.withResolvers<void>();
  const stop = feed.subscribe((change) => change.kind === 'session' && change.id === 'mark' && mark.resolve());
  heard = [];
  await work();
  await t.sql(`delete from gateway.session_revocations`);
  await insertSessionRevocation(t.db, { digest: 'mark', expiresAt: 1 });
  await mark.promise;
  stop();
  return heard.filter((change) => change.kind !== 'session' || change.id !== 'mark');
}

const http = { kind: 'http', url: 'https://tools.example/mcp' } as const;

describe('a change is announced', () => {
  test('by whoever writes, psql too, once per transaction', async () => {
    const changes = await hear(() =>
      t.sql(`begin; update gateway.organizations set name = 'A'; update gateway.organizations set name = 'B'; commit`),
    );
    expect(changes).toEqual([{ kind: 'organization', id: org }]);
  });

  test('to all caches when a server of the platform changes, to one organization when its own does', async () => {
    const platform = await hear(() =>
      withPlatform(t.db, (scope) => insertServer(scope, { key: 'shared', title: 'Shared', transport: http })),
    );
    expect(platform).toEqual([{ kind: 'everything' }]);
    const own = await hear(() =>
      withOrganization(t.db, org, (scope) => insertServer(scope, { key: 'own', title: 'Own', transport: http })),
    );
    expect(own).toEqual([{ kind: 'organization', id: org }]);
  });

  test('for a revoked key, and not for the note of its last use', async () => {
    const id = asKeyId('key1');
    const key = { id, name: 'ci', digest: Uint8Array.of(1), last4: 'abcd', roles: [] };
    const made = await hear(() => withOrganization(t.db, org, (scope) => insertKey(scope, key)));
    expect(made).toEqual([{ kind: 'key', id }]);
    expect(await hear(() => touchKeys(t.db, [id], 1_800_000_000_000))).toEqual([]);
    const revoked = await hear(() => withOrganization(t.db, org, (scope) => revokeKey(scope, id, 1_800_000_000_000)));
    expect(revoked).toEqual([{ kind: 'key', id }]);
  });

  test('for an ended session, with its expiry', async () => {
    const changes = await hear(() => insertSessionRevocation(t.db, { digest: 'abc', expiresAt: 1_800_000_000_123 }));
    expect(changes).toEqual([{ kind: 'session', id: 'abc', expiresAt: 1_800_000_000_123 }]);
  });

  test('not when the transaction is rolled back', async () => {
    expect(await hear(() => t.sql(`begin; update gateway.organizations set name = 'C'; rollback`))).toEqual([]);
  });

  test('to another replica within a second', async () => {
    const other = await openTestDatabase(t.url);
    const told = Promise.withResolvers<number>();
    const second = await openChangeFeed({ db: t.db, notifications: other, log: silentLog });
    second.subscribe(() => told.resolve(performance.now()));
    const start = performance.now();
    await t.sql(`update gateway.organizations set name = 'D'`);
    expect((await told.promise) - start).toBeLessThan(1_000);
    await second.close();
    await other.close();
  });
});

describe('the poll', () => {
  test('says everything when a change was counted but never heard', async () => {
    const deaf = await openChangeFeed({
      db: t.db,
      notifications: { listen: async () => async () => undefined },
      log: silentLog,
      every: () => () => undefined,
    });
    const changes: Change[] = [];
    deaf.subscribe((change) => changes.push(change));
    await deaf.poll();
    await deaf.poll();
    expect(changes).toEqual([]);
    await t.sql(`update gateway.organizations set name = 'E'`);
    await deaf.poll();
    await deaf.poll();
    expect(changes).toEqual([{ kind: 'everything' }]);
    await deaf.poll();
    expect(changes).toHaveLength(1);
    await deaf.close();
  });

  test('says nothing about what was heard', async () => {
    const changes = await hear(async () => {
      await t.sql(`update gateway.organizations set name = 'F'`);
    });
    await feed.poll();
    await feed.poll();
    expect(changes).toEqual([{ kind: 'organization', id: org }]);
    expect(heard.filter((change) => change.kind === 'everything')).toEqual([]);
  });
});

test('thirty concurrent writers neither fail nor lose a count', async () => {
  const before = await t.sql('select value::int from gateway.change_counter');
  await Promise.all(
    Array.from({ length: 30 }, (_, n) =>
      withPlatform(t.db, (scope) => insertOrganization(scope, { slug: `many-${n}`, name: 'Many' })),
    ),
  );
  const after = await t.sql('select value::int from gateway.change_counter');
  expect(Number(after[0]?.value) - Number(before[0]?.value)).toBe(30);
});
