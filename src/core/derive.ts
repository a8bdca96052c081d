import { hkdfSync } from 'node:crypto';

/**
 * A 256-bit key for one purpose from the root secret (`ENCRYPTION_KEY`), by HKDF-SHA256 (RFC 5869).
 * Different purposes give independent keys; the root itself is never used as a key.
 */
export function deriveKey(rootSecret: string, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', rootSecret, 'gatehouse', purpose, 32));
}
