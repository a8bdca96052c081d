import { createCipheriv, pbkdf2Sync, randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { beforeEach, describe, expect, test } from 'vitest';
import { environmentKms } from '#adapters/kms/environment/environment.ts';
import type { Kms } from '#adapters/kms/kms.ts';
import { GatehouseError } from '#core/error.ts';
import { asOrgId, type OrgId } from '#core/ids.ts';
import { silentLog } from '#core/log.ts';
import { Secret } from '#core/secret.ts';
import type { DataKey, DataKeyStore } from './data-keys.ts';
import { s0Opener } from './s0-ciphertext.ts';
import { openVault, type Place } from './vault.ts';

const root = 'a root secret of thirty-two characters or more';
const orgA = asOrgId('0197a000-0000-7000-8000-00000000000a');
const orgB = asOrgId('0197a000-0000-7000-8000-00000000000b');
const place: Place = { table: 'credentials', column: 'sealed', rowId: 'row-1' };

let nowMs = 1_800_000_000_000;
const clock = { now: () => nowMs, monotonic: () => nowMs };

function memoryStore(): DataKeyStore & { rows: DataKey[]; lists: number } {
  return {
    rows: [],
    lists: 0,
    async listDataKeys(org) {
      this.lists += 1;
      return this.rows.filter((row) => row.org === org);
    },
    async insertDataKey(key, replaces) {
      const active = this.rows.find((row) => row.org === key.org && row.state === 'active');
      if (active?.dekId !== replaces) return false;
      this.rows = this.rows.map((row) => (row === active ? { ...row, state: 'retired' } : row));
      this.rows.push(key);
      return true;
    },
    async updateDataKey(org, dekId, wrapping) {
      this.rows = this.rows.map((row) => (row.org === org && row.dekId === dekId ? { ...row, ...wrapping } : row));
    },
    async removeDataKeys(org) {
      this.rows = this.rows.filter((row) => row.org !== org);
    },
  };
}

const openKms = (secret: string, previous: string[] = []): Kms =>
  environmentKms.open({ previous }, { rootSecret: new Secret(secret), clock, log: silentLog }) as Kms;

let store = memoryStore();
let vault = openVault({ kms: openKms(root), store, clock });
beforeEach(() => {
  store = memoryStore();
  vault = openVault({ kms: openKms(root), store, clock });
});

async function failure(work: Promise<unknown>): Promise<GatehouseError> {
  const thrown = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(thrown instanceof GatehouseError)) throw new Error('expected a GatehouseError');
  return thrown;
}

describe('the vault', () => {
  test('a sealed text opens in its own place and holds nothing readable [I1]', async () => {
    const sealed = await vault.seal(orgA, place, 'canary-ключ-🔑');
    expect(sealed).toMatch(/^gw1\.[0-9a-f-]{36}\.[A-Za-z0-9_-]+$/);
    const bytes = Buffer.from(sealed.split('.')[2] ?? '', 'base64url');
    expect(bytes.includes('canary')).toBe(false);
    expect(JSON.stringify(store.rows)).not.toContain('canary');
    expect((await vault.open(orgA, place, sealed)).reveal()).toBe('canary-ключ-🔑');
    expect(await vault.seal(orgA, place, 'canary-ключ-🔑')).not.toBe(sealed);
  });

  test('the empty text seals and opens', async () => {
    expect((await vault.open(orgA, place, await vault.seal(orgA, place, ''))).reveal()).toBe('');
  });

  test.each<[string, OrgId, Place]>([
    ['row', orgA, { ...place, rowId: 'row-2' }],
    ['column', orgA, { ...place, column: 'other' }],
    ['table', orgA, { ...place, table: 'other' }],
    ['organization', orgB, place],
  ])('a sealed text moved to another %s does not open [I2]', async (_, org, elsewhere) => {
    const sealed = await vault.seal(orgA, place, 'secret');
    await vault.seal(orgB, place, 'theirs');
    expect((await failure(vault.open(org, elsewhere, sealed))).code).toBe('credential_unavailable');
  });

  test('data key rows moved to another organization unwrap nothing [I2]', async () => {
    const sealed = await vault.seal(orgA, place, 'secret');
    store.rows = store.rows.map((row) => ({ ...row, org: orgB }));
    const fresh = openVault({ kms: openKms(root), store, clock });
    expect((await failure(fresh.open(orgB, place, sealed))).code).toBe('credential_unavailable');
  });

  test('every changed byte is refused', async () => {
    const [version, dekId, text] = (await vault.seal(orgA, place, 'secret')).split('.');
    const bytes = Buffer.from(text ?? '', 'base64url');
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 0x80;
      const sealed = `${version}.${dekId}.${changed.toString('base64url')}`;
      expect((await failure(vault.open(orgA, place, sealed))).code).toBe('credential_unavailable');
    }
  });

  test('the refusal says nothing of its cause on the wire', async () => {
    for (const sealed of ['', 'plain text', 'gw1.x.y', 'gw2.0197a000-0000-7000-8000-00000000000a.AAAA', 's0.AAAA']) {
      const error = await failure(vault.open(orgA, place, sealed));
      expect(error.message).toBe('The credential for this server cannot be opened');
      expect(error.cause).toBeInstanceOf(Error);
    }
  });

  test('an opened text prints as nothing [I3]', async () => {
    const secret = await vault.open(orgA, place, await vault.seal(orgA, place, 'canary'));
    expect(`${secret} ${inspect({ secret })} ${JSON.stringify({ secret })}`).not.toContain('canary');
  });

  test('after rotation new texts use the new key and old ones still open and ask to be sealed anew', async () => {
    const old = await vault.seal(orgA, place, 'old');
    expect(vault.needsReseal(old)).toBe(false);
    await vault.rotate(orgA);
    const young = await vault.seal(orgA, place, 'young');
    expect(young.split('.')[1]).not.toBe(old.split('.')[1]);
    expect((await vault.open(orgA, place, old)).reveal()).toBe('old');
    expect([vault.needsReseal(old), vault.needsReseal(young)]).toEqual([true, false]);
    const other = openVault({ kms: openKms(root), store, clock });
    await other.open(orgA, place, old);
    expect(other.needsReseal(old)).toBe(true);
  });

  test('two replicas that seal first at once end with one active key', async () => {
    const second = openVault({ kms: openKms(root), store, clock });
    const [one, two] = await Promise.all([vault.seal(orgA, place, '1'), second.seal(orgA, place, '2')]);
    expect(store.rows.filter((row) => row.state === 'active')).toHaveLength(1);
    expect((await second.open(orgA, place, one)).reveal()).toBe('1');
    expect((await vault.open(orgA, place, two)).reveal()).toBe('2');
  });

  test('unwrapped keys are asked for once and dropped after five minutes', async () => {
    const sealed = await vault.seal(orgA, place, 'x');
    const before = store.lists;
    await Promise.all(Array.from({ length: 20 }, () => vault.open(orgA, place, sealed)));
    expect(store.lists).toBe(before);
    nowMs += 5 * 60_000 + 1;
    await Promise.all(Array.from({ length: 20 }, () => vault.open(orgA, place, sealed)));
    expect(store.lists).toBe(before + 1);
  });

  test('after the keys of an organization are removed its texts are lost and others are not', async () => {
    const [a, b] = [await vault.seal(orgA, place, 'a'), await vault.seal(orgB, place, 'b')];
    await store.removeDataKeys(orgA);
    vault.forget(orgA);
    expect((await failure(vault.open(orgA, place, a))).code).toBe('credential_unavailable');
    expect((await vault.open(orgB, place, b)).reveal()).toBe('b');
  });

  test('after re-wrapping the former root secret is no longer needed', async () => {
    const next = 'the next root secret of 32 characters and more';
    const sealed = await vault.seal(orgA, place, 'kept');
    await vault.rotate(orgA);
    const between = openVault({ kms: openKms(next, [root]), store, clock });
    expect(await between.rewrap(orgA)).toBe(2);
    expect(await between.rewrap(orgA)).toBe(0);
    const after = openVault({ kms: openKms(next), store, clock });
    expect((await after.open(orgA, place, sealed)).reveal()).toBe('kept');
  });

  test('ciphertexts of the collection gateway open with the same key and ask to be sealed anew [S0.26]', async () => {
    const encryptionKey = 'the manager app key';
    const key = pbkdf2Sync(encryptionKey, 'mcp-gateway-salt', 100_000, 32, 'sha256');
    const iv = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', key, iv);
    const text = Buffer.concat([iv, cipher.update('ragie-key'), cipher.final(), cipher.getAuthTag()]).toString(
      'base64',
    );
    const reader = openVault({ kms: openKms(root), store, clock, openLegacy: s0Opener(encryptionKey) });
    expect((await reader.open(orgA, place, `s0.${text}`)).reveal()).toBe('ragie-key');
    expect(reader.needsReseal(`s0.${text}`)).toBe(true);
    const wrong = openVault({ kms: openKms(root), store, clock, openLegacy: s0Opener('another key') });
    expect((await failure(wrong.open(orgA, place, `s0.${text}`))).code).toBe('credential_unavailable');
  });
});
