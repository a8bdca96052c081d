import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Clock, systemClock } from '#core/clock.ts';
import type { OrgId } from '#core/ids.ts';
import { silentLog } from '#core/log.ts';
import { type OpenChangeFeed, openChangeFeed } from '#db/notified-change-feed.ts';
import { withOrganization, withPlatform } from '#db/scope.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { insertOrganization } from './organizations.ts';
import { insertSessionRevocation } from './session-revocations.ts';
import { openSessionStates, type SessionStates } from './session-states.ts';

const expiresAt = 2_000_000_000_000;
let t: TestDatabase;
let org: OrgId;
let other: OrgId;
let nowMs = systemClock.now();
const clock: Clock = { now: () => nowMs, monotonic: systemClock.monotonic };

beforeAll(async () => {
  t = await createTestDatabase();
  [org, other] = await withPlatform(t.db, async (scope) => {
    const first = await insertOrganization(scope, { slug: 'one', name: 'One' });
    const second = await insertOrganization(scope, { slug: 'two', name: 'Two' });
    return [first.id, second.id];
  });
});
afterAll(() => t.close());

interface Replica {
  readonly feed: OpenChangeFeed;
  readonly states: SessionStates;
  /** Settles with what the next change is about. */
  changed(): Promise<string | undefined>;
  sweep(): void;
}

async function openReplica(): Promise<Replica> {
  const feed = await openChangeFeed({
    db: t.db,
    notifications: t.database,
    log: silentLog,
    every: () => () => undefined,
  });
  let sweep = () => {};
  const every = (_ms: number, work: () => void) => {
    sweep = work;
    return () => undefined;
  };
  const states = openSessionStates({ db: t.db, feed, clock, log: silentLog, every });
  return {
    feed,
    states,
    changed: () =>
      new Promise((resolve) => {
        const stop = states.onChanged((digest) => {
          stop();
          resolve(digest);
        });
      }),
    sweep: () => sweep(),
  };
}

let one: Replica;
let two: Replica;
beforeEach(async () => {
  await t.sql('delete from gateway.session_states');
  nowMs = systemClock.now();
  [one, two] = await Promise.all([openReplica(), openReplica()]);
});
afterEach(async () => {
  for (const { states, feed } of [one, two]) {
    states.close();
    await feed.close();
  }
});

describe('what changes in a legacy session', () => {
  test('at one replica is known at the other within a second', async () => {
    expect(await two.states.load(org, 'd')).toEqual({ logLevel: undefined, subscriptions: new Set() });
    expect(two.states.find(org, 'd')).toBeDefined();
    const heard = two.changed();
    const startedAt = performance.now();
    await one.states.update(org, 'd', { subscribe: 'file:///a', expiresAt });
    expect(await heard).toBe('d');
    expect(performance.now() - startedAt).toBeLessThan(1000);
    expect(two.states.find(org, 'd')).toBeUndefined();
    expect((await two.states.load(org, 'd')).subscriptions).toEqual(new Set(['file:///a']));
    const again = two.changed();
    await one.states.update(org, 'd', { logLevel: 'warning', expiresAt });
    await again;
    expect(await two.states.load(org, 'd')).toEqual({ logLevel: 'warning', subscriptions: new Set(['file:///a']) });
  });

  test('at both replicas at once is all kept', async () => {
    const uris = Array.from({ length: 10 }, (_, i) => `file:///${i}`);
    await Promise.all(uris.map((uri, i) => (i % 2 ? one : two).states.update(org, 'd', { subscribe: uri, expiresAt })));
    await one.states.update(org, 'd', { subscribe: 'file:///3', expiresAt });
    const state = await two.states.update(org, 'd', { unsubscribe: 'file:///4', expiresAt });
    expect([...state.subscriptions].sort()).toEqual(uris.filter((uri) => uri !== 'file:///4'));
  });

  test('is asked for once, and then known without SQL', async () => {
    const heard = two.changed();
    await one.states.update(org, 'd', { logLevel: 'error', expiresAt });
    await heard;
    const [a, b] = await Promise.all([two.states.load(org, 'd'), two.states.load(org, 'd')]);
    expect(a).toBe(b);
    expect(two.states.find(org, 'd')).toBe(a);
  });

  test('is not kept when it was read before a change that came meanwhile', async () => {
    const early = two.states.load(org, 'd');
    await two.states.update(org, 'd', { logLevel: 'debug', expiresAt });
    await early;
    expect((await two.states.load(org, 'd')).logLevel).toBe('debug');
  });

  test('belongs to one organization [C1]', async () => {
    await one.states.update(org, 'd', { logLevel: 'error', expiresAt });
    await one.states.load(org, 'd');
    expect(one.states.find(other, 'd')).toBeUndefined();
    expect((await one.states.load(other, 'd')).logLevel).toBeUndefined();
    expect((await one.states.update(other, 'd', { logLevel: 'info', expiresAt })).logLevel).toBe('info');
    expect((await one.states.load(org, 'd')).logLevel).toBe('error');
    const seen = await withOrganization(t.db, other, ({ tx }) => tx.selectFrom('session_states').selectAll().execute());
    expect(seen.map((row) => row.org_id)).toEqual([other]);
  });

  test('is bounded: 1000 subscriptions of 2048 characters', async () => {
    const uris = Array.from({ length: 1000 }, (_, i) => `file:///${i}`);
    await t.sql(
      `insert into gateway.session_states values ('d', '${org}', null, '${JSON.stringify(uris)}', now() + interval '1 day')`,
    );
    const refused = { code: 'invalid_params' };
    await expect(one.states.update(org, 'd', { subscribe: 'file:///x', expiresAt })).rejects.toMatchObject(refused);
    const again = await one.states.update(org, 'd', { subscribe: 'file:///7', expiresAt });
    expect(again.subscriptions.size).toBe(1000);
    for (const uri of ['x'.repeat(2049), 'file:///\0']) {
      await expect(async () => one.states.update(org, 'e', { subscribe: uri, expiresAt })).rejects.toMatchObject(
        refused,
      );
    }
    await expect(
      t.sql(`update gateway.session_states set subscriptions = subscriptions || '["file:///y"]'`),
    ).rejects.toThrow('check constraint');
  });

  test('ends with the session, on every replica', async () => {
    await one.states.update(org, 'ended', { logLevel: 'error', expiresAt });
    await two.states.load(org, 'ended');
    const heard = two.changed();
    await insertSessionRevocation(t.db, { digest: 'ended', expiresAt });
    expect(await heard).toBe('ended');
    expect(await t.sql('select digest from gateway.session_states')).toEqual([]);
    expect((await two.states.load(org, 'ended')).logLevel).toBeUndefined();
  });

  test('is swept once the session expired', async () => {
    await one.states.update(org, 'short', { logLevel: 'error', expiresAt: nowMs + 1000 });
    await one.states.update(org, 'long', { logLevel: 'error', expiresAt: nowMs + 60_000 });
    nowMs += 2000;
    one.sweep();
    await expect.poll(() => t.sql('select digest from gateway.session_states')).toEqual([{ digest: 'long' }]);
  });
});
