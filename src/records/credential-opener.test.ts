import { describe, expect, test } from 'vitest';
import { asCredentialId, asOrgId } from '#core/ids.ts';
import { Secret } from '#core/secret.ts';
import { openCredentialOpener } from './credential-opener.ts';
import type { CredentialRef } from './snapshot.ts';

const ref = (id: string, version = 1): CredentialRef => ({
  id: asCredentialId(id),
  org: asOrgId('org'),
  version,
  header: { name: 'authorization', template: 'Bearer {}' },
});

function setUp(rowVersion = 1, maxEntries = 100) {
  let nowMs = 1000;
  const state = { opened: 0, fails: false, unreadable: [] as string[] };
  const opener = openCredentialOpener({
    clock: { now: () => nowMs, monotonic: () => nowMs },
    maxEntries,
    onUnreadable: ({ id }) => state.unreadable.push(id),
    vault: {
      async open(_org, _place, sealed) {
        state.opened += 1;
        if (state.fails) throw new Error('the reason');
        return new Secret(`clear ${sealed}`);
      },
    },
    findSealed: async (credential) =>
      credential.id === 'gone'
        ? undefined
        : { sealed: credential.id, version: rowVersion, place: { table: 't', column: 'c', rowId: credential.id } },
  });
  return { opener, state, pass: (ms: number) => (nowMs += ms) };
}

describe('the credential opener', () => {
  test('one that cannot be opened is told of once a minute, however many calls want it [I2]', async () => {
    const { opener, state, pass } = setUp();
    state.fails = true;
    for (let turn = 0; turn < 5; turn++) await expect(opener.open(ref('a'))).rejects.toThrow();
    await expect(opener.open(ref('gone'))).rejects.toThrow();
    expect(state.unreadable).toEqual(['a', 'gone']);
    pass(61_000);
    await expect(opener.open(ref('a'))).rejects.toThrow();
    expect(state.unreadable).toEqual(['a', 'gone', 'a']);
  });

  test('find answers at once what was opened within the last minute [X0.4]', async () => {
    const { opener, pass } = setUp();
    expect(opener.find(ref('a'))).toBeUndefined();
    expect((await opener.open(ref('a'))).reveal()).toBe('clear a');
    expect(opener.find(ref('a'))?.reveal()).toBe('clear a');
    pass(59_000);
    expect(opener.find(ref('a'))).toBeDefined();
    pass(2_000);
    expect(opener.find(ref('a'))).toBeUndefined();
  });

  test('many at once open a credential once', async () => {
    const { opener, state } = setUp();
    await Promise.all(Array.from({ length: 50 }, () => opener.open(ref('a'))));
    expect(state.opened).toBe(1);
  });

  test('a new version, another credential and another organization are kept apart', async () => {
    const { opener } = setUp();
    await opener.open(ref('a'));
    expect(opener.find(ref('a', 2))).toBeUndefined();
    expect(opener.find(ref('b'))).toBeUndefined();
    expect(opener.find({ ...ref('a'), org: asOrgId('other') })).toBeUndefined();
  });

  test('a row newer than the snapshot is used but not kept under the old version', async () => {
    const { opener } = setUp(2);
    expect((await opener.open(ref('a', 1))).reveal()).toBe('clear a');
    expect(opener.find(ref('a', 1))).toBeUndefined();
  });

  test('what cannot be opened or is gone is refused without its cause and tried again next time', async () => {
    const { opener, state } = setUp();
    const refusal = { code: 'credential_unavailable', message: 'The credential for this server cannot be opened' };
    await expect(opener.open(ref('gone'))).rejects.toMatchObject(refusal);
    state.fails = true;
    await expect(opener.open(ref('a'))).rejects.toMatchObject(refusal);
    state.fails = false;
    expect((await opener.open(ref('a'))).reveal()).toBe('clear a');
  });

  test('only so many opened credentials are kept', async () => {
    const { opener } = setUp(1, 2);
    for (const id of ['a', 'b', 'c']) await opener.open(ref(id));
    expect([opener.find(ref('a')), opener.find(ref('c'))].map(Boolean)).toEqual([false, true]);
  });
});
