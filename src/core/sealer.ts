/** Sealing of the gateway's own small secrets that belong to no organization: signing keys, clients' secrets, sign-in state. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

const ivBytes = 12;
const tagBytes = 16;

export interface Sealer {
  /** base64url(iv 12 | ciphertext | tag 16), AES-256-GCM (NIST SP 800-38D). Opens only with the same `place`. */
  seal(place: string, plain: string): string;
  /** undefined: not sealed by this key, for another place, or tampered with. */
  open(place: string, sealed: string): string | undefined;
}

/** `key`: 32 bytes of their own, from `deriveKey`. `older` open as well, and never seal. */
export function openSealer(key: Uint8Array, older: readonly Uint8Array[] = []): Sealer {
  return {
    seal(place, plain) {
      const iv = randomBytes(ivBytes);
      const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: tagBytes });
      cipher.setAAD(Buffer.from(place));
      return Buffer.concat([iv, cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString(
        'base64url',
      );
    },
    open(place, sealed) {
      const bytes = Buffer.from(sealed, 'base64url');
      if (bytes.length < ivBytes + tagBytes) return undefined;
      for (const each of [key, ...older]) {
        const plain = unseal(each, place, bytes);
        if (plain !== undefined) return plain;
      }
      return undefined;
    },
  };
}

function unseal(key: Uint8Array, place: string, bytes: Buffer): string | undefined {
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, ivBytes), { authTagLength: tagBytes });
  decipher.setAAD(Buffer.from(place));
  decipher.setAuthTag(bytes.subarray(-tagBytes));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(ivBytes, -tagBytes)), decipher.final()]).toString('utf8');
  } catch {
    return undefined;
  }
}
