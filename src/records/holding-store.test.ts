import { expect, test } from 'vitest';
import { asGroupId, asKeyId, asOrgId } from '#core/ids.ts';
import type { Change } from '#db/change-feed.ts';
import { openHoldingStore } from './holding-store.ts';
import { type Holder, type Holdings, noHoldings } from './holdings.ts';

const [acme, other] = [asOrgId('acme'), asOrgId('other')];
const alice: Holder = { kind: 'user', id: 'alice' };
const key: Holder = { kind: 'key', id: asKeyId('k1') };

function open() {
  const listeners: ((change: Change) => void)[] = [];
  const asked: string[] = [];
  let answer: (holder: Holder) => Promise<Holdings> = async (holder) =>
    holder.kind === 'key' ? noHoldings : { ...noHoldings, userId: 'alice' };
  const time = { now: 1000 };
  const store = openHoldingStore({
    clock: { monotonic: () => time.now },
    feed: {
      subscribe(listener) {
        listeners.push(listener);
        return () => undefined;
      },
    },
    findHoldings(org, holder) {
      asked.push(`${org} ${holder.kind}`);
      return answer(holder);
    },
  });
  return {
    ...{ store, asked, time },
    say: (change: Change) => listeners.forEach((listener) => void listener(change)),
    answers(next: typeof answer) {
      answer = next;
    },
  };
}

test('is asked once for many who ask at once, and not again', async () => {
  const { store, asked } = open();
  await Promise.all(Array.from({ length: 20 }, () => store.load(acme, alice)));
  await store.load(acme, alice);
  expect(asked).toEqual(['acme user']);
  expect(store.find(acme, alice)).toBeDefined();
  expect(store.find(other, alice)).toBeUndefined();
});

test('forgets a person, a key or an organization when something about it changes, and nobody else [C3]', async () => {
  const { store, say } = open();
  const load = () => Promise.all([store.load(acme, alice), store.load(other, alice), store.load(acme, key)]);
  const known = () => [store.find(acme, alice), store.find(other, alice), store.find(acme, key)].map(Boolean);
  const cases: readonly [Change, readonly boolean[]][] = [
    [{ kind: 'user', id: 'alice' }, [false, false, true]],
    [{ kind: 'user', id: 'bob' }, [true, true, true]],
    [{ kind: 'key', id: 'k1' }, [true, true, false]],
    [{ kind: 'organization', id: 'acme' }, [false, true, false]],
    [{ kind: 'everything' }, [false, false, false]],
    [{ kind: 'signing-key', id: 'x' }, [true, true, true]],
  ];
  for (const [change, expected] of cases) {
    await load();
    say(change);
    expect([change, known()]).toEqual([change, expected]);
  }
});

test('keeps no answer that is older than a change', async () => {
  const { store, say, answers, asked } = open();
  const { promise, resolve: finish } = Promise.withResolvers<Holdings>();
  answers(() => promise);
  const old = store.load(acme, alice);
  say({ kind: 'user', id: 'alice' });
  finish({ ...noHoldings, userId: 'alice', groups: new Set([asGroupId('old')]) });
  await old;
  expect(store.find(acme, alice)).toBeUndefined();
  answers(async () => ({ ...noHoldings, userId: 'alice' }));
  expect((await store.load(acme, alice)).groups.size).toBe(0);
  expect(asked).toHaveLength(2);
});

test('asks again for somebody who has no row yet: they may get one with their next sign-in', async () => {
  const { store, asked, answers } = open();
  answers(async () => noHoldings);
  const stranger: Holder = { kind: 'identity', provider: 'corp', subject: 's' };
  await store.load(acme, stranger);
  await store.load(acme, stranger);
  expect(asked).toHaveLength(2);
});

test('asks again after a minute for somebody whom the directory may come to know, and hears of both rows', async () => {
  const { store, answers, time, say } = open();
  const direct: Holder = { kind: 'user', id: 'alice', words: { names: ['alice@acme.example'], externalIds: [] } };
  await store.load(acme, direct);
  expect(store.find(acme, direct)).toBeDefined();
  time.now += 60_001;
  expect(store.find(acme, direct)).toBeUndefined();
  answers(async () => ({ ...noHoldings, userId: 'alice', directoryUserId: 'scim-alice' }));
  for (const id of ['alice', 'scim-alice']) {
    await store.load(acme, direct);
    time.now += 3_600_000;
    expect(store.find(acme, direct)).toBeDefined();
    say({ kind: 'user', id });
    expect(store.find(acme, direct)).toBeUndefined();
  }
});
