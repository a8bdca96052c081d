import { describe, expect, test } from 'vitest';
import { asOrgId, type KeyId } from '#core/ids.ts';
import { Secret } from '#core/secret.ts';
import type { Change } from '#db/change-feed.ts';
import { openApiKeys } from './api-key.ts';
import { openKeyVerifier } from './key-verifier.ts';
import type { KeyRow } from './keys.ts';

const keys = openApiKeys(new Secret('a root secret of thirty-two characters or more'));
const refusal = { code: 'invalid_token', message: 'Invalid bearer token.' };

function setUp(limits: { maxKeys?: number; maxRefused?: number } = {}) {
  let nowMs = 1_800_000_000_000;
  const rows = new Map<KeyId, KeyRow>();
  const listeners = new Set<(change: Change) => void>();
  const state = { queries: 0, touched: [] as string[][] };
  let gate = Promise.resolve();
  const verifier = openKeyVerifier({
    keys,
    clock: { now: () => nowMs, monotonic: () => nowMs },
    async findKey(id) {
      state.queries += 1;
      const row = rows.get(id);
      await gate;
      return row;
    },
    feed: {
      subscribe(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    async touch(ids) {
      state.touched.push([...ids]);
    },
    ...limits,
  });
  const unbounded = { endpoints: undefined, expiresAt: undefined, revokedAt: undefined };
  const issue = (row: Partial<KeyRow> = {}): { id: KeyId; text: string } => {
    const { id, text, digest } = keys.mint('live', nowMs);
    rows.set(id, { id, digest, org: asOrgId('org'), name: 'ci', roles: ['member'], ...unbounded, ...row });
    return { id, text: text.reveal() };
  };
  const announce = (change: Change): void => {
    for (const listener of listeners) listener(change);
  };
  const hold = (): (() => void) => {
    let open = (): void => undefined;
    gate = new Promise((resolve) => {
      open = resolve;
    });
    return open;
  };
  const pass = (ms: number): void => {
    nowMs += ms;
  };
  return { verifier, rows, state, issue, announce, hold, pass, listeners, now: () => nowMs };
}

describe('the key verifier', () => {
  test('a key seen before is known at once and costs no query', async () => {
    const { verifier, issue, state } = setUp();
    const { id, text } = issue({ endpoints: ['docs'] });
    expect(verifier.find(text)).toBeUndefined();
    const principal = await verifier.verify(text);
    expect(principal).toMatchObject({ kind: 'api-key', keyId: id, org: 'org', roles: ['member'], endpoints: ['docs'] });
    expect(verifier.find(text)).toBe(principal);
    await verifier.verify(text);
    expect(state.queries).toBe(1);
  });

  test('many at once ask for a key once', async () => {
    const { verifier, issue, state } = setUp();
    const { text } = issue();
    await Promise.all(Array.from({ length: 30 }, () => verifier.verify(text)));
    expect(state.queries).toBe(1);
  });

  test('junk is refused without a query and all refusals are alike [B12]', async () => {
    const { verifier, issue, state, rows } = setUp();
    await expect(verifier.verify('gw_live_junk')).rejects.toMatchObject(refusal);
    expect(state.queries).toBe(0);
    const good = issue();
    const other = issue();
    const row = rows.get(other.id);
    if (row) rows.set(good.id, { ...row, id: good.id });
    await expect(verifier.verify(good.text)).rejects.toMatchObject(refusal);
    await expect(verifier.verify(keys.mint('live', 0).text.reveal())).rejects.toMatchObject(refusal);
    await expect(verifier.verify(issue({ revokedAt: 1 }).text)).rejects.toMatchObject(refusal);
    await expect(verifier.verify(issue({ expiresAt: 1 }).text)).rejects.toMatchObject(refusal);
  });

  test('the id of a warm key does not help with another secret [B12]', async () => {
    const { verifier, issue } = setUp();
    const { text } = issue();
    await verifier.verify(text);
    for (let at = 31; at < text.length; at++) {
      const guess = `${text.slice(0, at)}${text[at] === 'a' ? 'b' : 'a'}${text.slice(at + 1)}`;
      expect(verifier.find(guess)).toBeUndefined();
    }
    expect(verifier.find(`${text} `)).toBeUndefined();
  });

  test('a warm key ends with its expiry', async () => {
    const { verifier, issue, pass, now } = setUp();
    const { text } = issue({ expiresAt: now() + 1000 });
    await verifier.verify(text);
    pass(999);
    expect(verifier.find(text)).toBeDefined();
    pass(1);
    expect(verifier.find(text)).toBeUndefined();
    await expect(verifier.verify(text)).rejects.toMatchObject(refusal);
  });

  test('a revocation announced by the change feed ends a warm key at once and leaves others warm', async () => {
    const { verifier, issue, rows, announce } = setUp();
    const [one, two] = [issue(), issue()];
    await Promise.all([verifier.verify(one.text), verifier.verify(two.text)]);
    const row = rows.get(one.id);
    if (row) rows.set(one.id, { ...row, revokedAt: 1 });
    announce({ kind: 'key', id: one.id });
    expect([verifier.find(one.text), verifier.find(two.text)].map(Boolean)).toEqual([false, true]);
    await expect(verifier.verify(one.text)).rejects.toMatchObject(refusal);
    announce({ kind: 'everything' });
    expect(verifier.find(two.text)).toBeUndefined();
  });

  test('a revocation announced while the row is read is not overwritten by the older row', async () => {
    const { verifier, issue, announce, hold } = setUp();
    const { id, text } = issue();
    const open = hold();
    const verifying = verifier.verify(text);
    announce({ kind: 'key', id });
    open();
    await verifying;
    expect(verifier.find(text)).toBeUndefined();
  });

  test('a refusal is remembered for a short while, until a key changes, and only so many of them', async () => {
    const { verifier, issue, state, rows, pass, announce } = setUp({ maxRefused: 2 });
    const { id, text } = issue({ revokedAt: 1 });
    const tryIt = () => expect(verifier.verify(text)).rejects.toMatchObject(refusal);
    await tryIt();
    await tryIt();
    expect(state.queries).toBe(1);
    pass(30_001);
    await tryIt();
    expect(state.queries).toBe(2);
    for (let i = 0; i < 2; i++) await verifier.verify(keys.mint('live', 0).text.reveal()).catch(() => undefined);
    await tryIt();
    expect(state.queries).toBe(5);
    const row = rows.get(id);
    if (row) rows.set(id, { ...row, revokedAt: undefined });
    announce({ kind: 'key', id });
    expect((await verifier.verify(text)).keyId).toBe(id);
  });

  test('only so many keys stay warm', async () => {
    const { verifier, issue } = setUp({ maxKeys: 2 });
    const issued = [issue(), issue(), issue()];
    for (const { text } of issued) await verifier.verify(text);
    expect(issued.map(({ text }) => verifier.find(text) !== undefined)).toEqual([false, true, true]);
  });

  test('use is noted in batches, once a minute for each key', async () => {
    const { verifier, issue, state, pass } = setUp();
    const [one, two] = [issue(), issue()];
    for (const { text } of [one, two]) await verifier.verify(text);
    for (let i = 0; i < 100; i++) verifier.find(one.text);
    await verifier.flush();
    expect(state.touched).toEqual([[one.id, two.id]]);
    verifier.find(one.text);
    await verifier.flush();
    expect(state.touched).toHaveLength(1);
    pass(60_000);
    verifier.find(one.text);
    await verifier.close();
    expect(state.touched[1]).toEqual([one.id]);
  });

  test('closing leaves the change feed', async () => {
    const { verifier, listeners } = setUp();
    await verifier.close();
    expect(listeners.size).toBe(0);
  });
});
