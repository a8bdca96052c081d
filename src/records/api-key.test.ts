import { createHash, randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Secret } from '#core/secret.ts';
import { importedKey, openApiKeys, parseApiKey, parseImportedKey, uuidToBase62 } from './api-key.ts';

const keys = openApiKeys(new Secret('a root secret of thirty-two characters or more'));

describe('API keys', () => {
  test('a minted key parses to its row and its secret fits the digest', () => {
    const minted = keys.mint('live', 1_800_000_000_000);
    const text = minted.text.reveal();
    expect(text).toMatch(/^gw_live_[0-9A-Za-z]{22}_[0-9A-Za-z]{49}$/);
    const parsed = parseApiKey(text);
    expect(parsed).toMatchObject({ mode: 'live', id: minted.id });
    expect(parsed?.secret.endsWith(minted.last4)).toBe(true);
    expect(keys.check(parsed?.secret ?? '', minted.digest)).toBe(true);
    expect(parseApiKey(keys.mint('test', 0).text.reveal())?.mode).toBe('test');
  });

  test('a minted key prints as nothing and its digest holds no part of it [I3]', () => {
    const minted = keys.mint('live', 0);
    expect(`${minted.text} ${JSON.stringify(minted)}`).not.toContain(minted.text.reveal().slice(-49, -10));
  });

  test('any changed letter is dropped before anybody is asked', () => {
    const text = keys.mint('live', 1_800_000_000_000).text.reveal();
    for (let at = 0; at < text.length; at++) {
      const changed = `${text.slice(0, at)}${text[at] === 'a' ? 'b' : 'a'}${text.slice(at + 1)}`;
      expect(parseApiKey(changed)).toBeUndefined();
    }
  });

  test('no text makes the parser throw', () => {
    fc.assert(
      fc.property(
        fc.string(),
        (text) => parseApiKey(text) === undefined && parseApiKey(`gw_live_${text}`) === undefined,
      ),
    );
    expect(parseApiKey(`gw_live_${'z'.repeat(22)}_${'z'.repeat(49)}`)).toBeUndefined();
  });

  test('ids keep their whole UUID and their order', () => {
    const ids = Array.from({ length: 200 }, () => randomUUID()).concat('00000000-0000-0000-0000-000000000000');
    expect(ids.map(uuidToBase62).toSorted()).toEqual(ids.toSorted().map(uuidToBase62));
    expect(new Set(ids.map((id) => uuidToBase62(id).length))).toEqual(new Set([22]));
  });

  test('a wrong secret, another root secret, a broken and a missing digest are all refused [B12]', () => {
    const minted = keys.mint('live', 0);
    const secret = parseApiKey(minted.text.reveal())?.secret ?? '';
    expect(keys.check(`x${secret.slice(1)}`, minted.digest)).toBe(secret.startsWith('x'));
    expect(openApiKeys(new Secret('another root secret of 32 characters')).check(secret, minted.digest)).toBe(false);
    expect(keys.check(secret, minted.digest.subarray(0, 31))).toBe(false);
    expect(keys.check(secret, undefined)).toBe(false);
  });

  test('after a change of the root secret the keys made before are good as long as the former one is given', () => {
    const { text, digest } = keys.mint('live', 0);
    const secret = parseApiKey(text.reveal())?.secret ?? '';
    const next = new Secret('the next root secret of 32 characters');
    const former = new Secret('a root secret of thirty-two characters or more');
    expect(openApiKeys(next, [former]).check(secret, digest)).toBe(true);
    expect(openApiKeys(next).check(secret, digest)).toBe(false);
  });

  test('secrets are uniform over the alphabet', () => {
    const counts = new Map<string, number>();
    for (let i = 0; i < 1000; i++) {
      for (const letter of keys.mint('live', 0).text.reveal().slice(-49, -6))
        counts.set(letter, (counts.get(letter) ?? 0) + 1);
    }
    expect(counts.size).toBe(62);
    for (const count of counts.values()) expect(count).toBeGreaterThan(500);
  });
});

describe('keys that another gateway made', () => {
  const text = 'mk_a-key-of-another-gateway';
  const sha256 = createHash('sha256').update(text).digest('hex');

  test('one is found by what the other gateway knew of it, and its row alone gets nobody in', () => {
    const { id, secret } = importedKey(sha256);
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(parseImportedKey(text)).toEqual({ id, secret });
    const digest = keys.digest(secret);
    expect(keys.check(secret, digest)).toBe(true);
    for (const other of [sha256, secret, id, `${text}x`]) {
      const presented = parseImportedKey(other);
      expect(presented !== undefined && keys.check(presented.secret, digest)).toBe(false);
    }
  });

  test('what is shaped like a key of ours or a token with parts is none', () => {
    for (const other of [
      keys.mint('live', 0).text.reveal(),
      `gw_test_${text}`,
      'aaaaaaaaaa.bbbbbbbbbb.cccccccccc',
      'short',
    ])
      expect(parseImportedKey(other)).toBeUndefined();
  });
});
