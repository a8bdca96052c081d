/**
 * API keys: `gw_<live|test>_<id 22>_<secret 43><check 6>`, all base62. The id is the row's UUID; the check is the CRC32 of
 * all before it, by which secret scanners and we ourselves drop junk without asking the database. Of the secret (256 bits)
 * only a keyed hash is stored; a slow hash would protect nothing that is not out of reach already.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { deriveKey } from '#core/derive.ts';
import { asKeyId, type KeyId, uuidv7 } from '#core/ids.ts';
import { Secret } from '#core/secret.ts';

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const form = /^(gw_(live|test)_([0-9A-Za-z]{22})_([0-9A-Za-z]{43}))([0-9A-Za-z]{6})$/;
const dummy = Buffer.alloc(32);

export type KeyMode = 'live' | 'test';

export interface ParsedApiKey {
  readonly mode: KeyMode;
  readonly id: KeyId;
  readonly secret: string;
}

export interface MintedApiKey {
  readonly id: KeyId;
  /** The whole key: shown once, stored nowhere. */
  readonly text: Secret;
  /** What the row stores: 32 bytes. */
  readonly digest: Buffer;
  /** Last characters of the secret, for people to tell keys apart. */
  readonly last4: string;
}

export interface ApiKeys {
  mint(mode: KeyMode, nowMs: number): MintedApiKey;
  /**
   * Compares in constant time. `digest` undefined (no such key) does the same work and is always false: who tries ids
   * learns nothing from the time (B12).
   */
  check(secret: string, digest: Uint8Array | undefined): boolean;
  /** What the row of a key of another gateway stores (`importedKey`). */
  digest(secret: string): Buffer;
  /** Of a key that is good: what its row is to store instead; undefined: it is of the root secret in use. */
  renewed(secret: string, digest: Uint8Array): Buffer | undefined;
}

/** `previous`: root secrets of the past, whose keys are still good. New keys are made with `rootSecret` only. */
export function openApiKeys(rootSecret: Secret, previous: readonly Secret[] = []): ApiKeys {
  const pepper = pepperOf(rootSecret);
  const peppers = [pepper, ...previous.map(pepperOf)];
  return {
    mint(mode, nowMs) {
      const id = asKeyId(uuidv7(nowMs));
      const secret = randomBase62(43);
      const body = `gw_${mode}_${uuidToBase62(id)}_${secret}`;
      const digest = digestOf(pepper, secret);
      return { id, text: new Secret(body + checkOf(body)), digest, last4: secret.slice(-4) };
    },
    check(secret, digest) {
      const known = digest?.length === dummy.length;
      const expected = known ? digest : dummy;
      let fits = false;
      for (const each of peppers) fits = timingSafeEqual(digestOf(each, secret), expected) || fits;
      return fits && known;
    },
    digest: (secret) => digestOf(pepper, secret),
    renewed(secret, digest) {
      const current = digestOf(pepper, secret);
      return current.equals(digest) ? undefined : current;
    },
  };
}

const pepperOf = (root: Secret): Buffer => deriveKey(root.reveal(), 'api-key');

const digestOf = (pepper: Buffer, secret: string): Buffer => createHmac('sha256', pepper).update(secret).digest();

/** True for what should be treated as one of our keys (and never be sent to an identity provider). */
export function looksLikeApiKey(presented: string): boolean {
  return presented.startsWith('gw_live_') || presented.startsWith('gw_test_');
}

/** undefined: not a key that we ever made. Asks nobody. */
export function parseApiKey(presented: string): ParsedApiKey | undefined {
  const [, body, mode, id, secret, check] = form.exec(presented) ?? [];
  if (!body || !id || !secret || check !== checkOf(body)) return undefined;
  const uuid = uuidFromBase62(id);
  return uuid === undefined ? undefined : { mode: mode === 'test' ? 'test' : 'live', id: asKeyId(uuid), secret };
}

export interface ImportedKey {
  readonly id: KeyId;
  readonly secret: string;
}

/**
 * A key that another gateway made and knew by its SHA-256 (hexadecimal, of the whole key): found by an id that follows from
 * that, so that it says by itself which row is its. A UUID of version 8 (RFC 9562 5.8).
 */
export function importedKey(sha256: string): ImportedKey {
  const hex = createHash('sha256').update(`imported key ${sha256}`).digest('hex');
  const id = [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)];
  return { id: asKeyId(id.join('-')), secret: `sha256:${sha256}` };
}

/** undefined: what none of them is. Tokens with parts (JWT) are somebody else's. */
export function parseImportedKey(presented: string): ImportedKey | undefined {
  if (looksLikeApiKey(presented) || !/^[A-Za-z0-9_~+/=-]{20,512}$/.test(presented)) return undefined;
  return importedKey(createHash('sha256').update(presented).digest('hex'));
}

const checkOf = (body: string): string => toBase62(BigInt(crc32(body)), 6);

export function uuidToBase62(uuid: string): string {
  return toBase62(BigInt(`0x${uuid.replaceAll('-', '')}`), 22);
}

/** undefined: more than 128 bits. */
function uuidFromBase62(text: string): string | undefined {
  let value = 0n;
  for (const letter of text) value = value * 62n + BigInt(alphabet.indexOf(letter));
  const hex = value.toString(16).padStart(32, '0');
  if (hex.length > 32) return undefined;
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

function toBase62(value: bigint, length: number): string {
  let text = '';
  for (let rest = value; rest > 0n; rest /= 62n) text = alphabet.charAt(Number(rest % 62n)) + text;
  return text.padStart(length, '0');
}

/** Every letter equally likely: bytes from 248 on are thrown away. */
function randomBase62(length: number): string {
  let text = '';
  while (text.length < length) {
    for (const byte of randomBytes(64)) if (byte < 248 && text.length < length) text += alphabet.charAt(byte % 62);
  }
  return text;
}
