import { afterAll, beforeAll, expect, test } from 'vitest';
import { silentLog } from '#core/log.ts';
import type { Change } from '#db/change-feed.ts';
import { type OpenChangeFeed, openChangeFeed } from '#db/notified-change-feed.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { openCancellations } from './cancellations.ts';

let t: TestDatabase;
let feeds: readonly OpenChangeFeed[];
beforeAll(async () => {
  t = await createTestDatabase();
  const deps = { db: t.db, notifications: t.database, log: silentLog, every: () => () => undefined };
  feeds = await Promise.all([openChangeFeed(deps), openChangeFeed(deps), openChangeFeed(deps)]);
});
afterAll(async () => {
  await Promise.all(feeds.map((feed) => feed.close()));
  await t.close();
});

test('what one replica cancels, every replica hears within a second, and renews nothing for it', async () => {
  const heard: string[][] = feeds.map(() => []);
  const changes: Change[] = [];
  feeds[0]?.subscribe((change) => changes.push(change));
  const all = feeds.map((feed) => openCancellations({ db: t.db, feed }));
  all.forEach((one, i) => {
    one.subscribe((key) => heard[i]?.push(key));
  });
  const startedAt = performance.now();
  await all[1]?.publish('call "1" of ü');
  await expect.poll(() => heard).toEqual([['call "1" of ü'], ['call "1" of ü'], ['call "1" of ü']]);
  expect(performance.now() - startedAt).toBeLessThan(1000);
  await Promise.all(feeds.flatMap((feed) => [feed.poll(), feed.poll()]));
  expect(changes).toEqual([{ kind: 'cancelled', id: 'call "1" of ü' }]);
});

test('a key that no notification can carry is refused', async () => {
  const [feed] = feeds;
  if (!feed) throw new Error('no feed');
  await expect(openCancellations({ db: t.db, feed }).publish('x'.repeat(513))).rejects.toMatchObject({
    code: 'internal',
  });
});
