/**
 * The keys of the trail, all from the root secret: one for digests of persons and arguments (per organization), one that
 * signs checkpoints (Ed25519, RFC 8032). Contents are sealed by the vault (content.ts). `keyId` names the set: after another
 * root secret, older digests cannot be checked any more, signatures still can, by the public key kept with each writer.
 */
import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  hash,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { deriveKey } from '#core/derive.ts';
import type { OrgId } from '#core/ids.ts';

export interface AuditKeys {
  readonly keyId: string;
  /** Raw, base64url. */
  readonly publicKey: string;
  /** Keyed digest of some values, in this order; the same in all organizations never. Base64url, 128 bits. */
  digest(org: OrgId | null, purpose: 'person' | 'circumstances', values: readonly (string | null)[]): string;
  /** Of the arguments of a call as they were sent, byte by byte. */
  argumentDigest(org: OrgId, bytes: Uint8Array): string;
  sign(text: string): string;
}

const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex');
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex');

export function openAuditKeys(rootSecret: string): AuditKeys {
  const root = deriveKey(rootSecret, 'audit-digest');
  const seed = Buffer.concat([pkcs8Prefix, deriveKey(rootSecret, 'audit-checkpoint')]);
  const privateKey = createPrivateKey({ key: seed, format: 'der', type: 'pkcs8' });
  const publicKey = createPublicKey(privateKey)
    .export({ format: 'der', type: 'spki' })
    .subarray(spkiPrefix.length)
    .toString('base64url');
  const keys = new LRUCache<string, Hmac>({ max: 10_000 });
  const known = new LRUCache<string, string>({ max: 20_000 });
  const keyOf = (org: OrgId | null) => {
    const name = org ?? '';
    const found = keys.get(name) ?? openHmac(createHmac('sha256', root).update(name).digest());
    keys.set(name, found);
    return found;
  };
  const keyed = (org: OrgId | null, data: string | Uint8Array) =>
    Buffer.from(keyOf(org)(typeof data === 'string' ? Buffer.from(data) : data), 'latin1').toString('base64url', 0, 16);
  return {
    keyId: createHash('sha256').update(publicKey).digest('hex').slice(0, 16),
    publicKey,
    digest(org, purpose, values) {
      const text = JSON.stringify([purpose, org, ...values]);
      const found = known.get(text) ?? keyed(org, text);
      known.set(text, found);
      return found;
    },
    argumentDigest: (org, bytes) => keyed(org, bytes),
    sign: (text) => sign(null, Buffer.from(text), privateKey).toString('base64url'),
  };
}

/** The digest, one character a byte: a Buffer for it takes longer than the hash. */
type Hmac = (data: Uint8Array) => string;

const blockBytes = 64;
/** Larger data is put together in a buffer of its own. */
const scratchBytes = 8192;

/** HMAC-SHA-256 (RFC 2104) by two hashes: `createHmac` makes a key object each time, which takes longer than all the rest. */
function openHmac(key: Uint8Array): Hmac {
  const padded = Buffer.alloc(blockBytes);
  padded.set(key.length > blockBytes ? hash('sha256', key, 'buffer') : key);
  const inner = Buffer.alloc(blockBytes + scratchBytes);
  inner.set(padded.map((byte) => byte ^ 0x36));
  const outer = Buffer.alloc(blockBytes + 32);
  outer.set(padded.map((byte) => byte ^ 0x5c));
  return (data) => {
    const given = data.length > scratchBytes ? Buffer.concat([inner.subarray(0, blockBytes), data]) : filled(data);
    outer.write(hash('sha256', given, 'binary'), blockBytes, 'latin1');
    return hash('sha256', outer, 'binary');
  };

  function filled(data: Uint8Array): Buffer {
    inner.set(data, blockBytes);
    return inner.subarray(0, blockBytes + data.length);
  }
}

/** False for whatever is wrong with it. */
export function isSigned(publicKey: string, text: string, signature: string): boolean {
  const key = importKey(publicKey);
  return key !== undefined && verify(null, Buffer.from(text), key, Buffer.from(signature, 'base64url'));
}

function importKey(publicKey: string): KeyObject | undefined {
  const raw = Buffer.from(publicKey, 'base64url');
  if (raw.length !== 32) return undefined;
  return createPublicKey({ key: Buffer.concat([spkiPrefix, raw]), format: 'der', type: 'spki' });
}
