/**
 * Ciphertexts of the S0 format: base64(iv 12 | ciphertext | tag 16), AES-256-GCM under a key that PBKDF2 makes of the
 * same `ENCRYPTION_KEY`. Read only: whatever is written now is sealed by the vault.
 */
import { createDecipheriv, pbkdf2Sync } from 'node:crypto';

/** Before a sealed text: what follows is of the S0 format. */
const legacyPrefix = 's0.';

const keys = new Map<string, Buffer>();

/**
 * The clear text of an S0 ciphertext, with or without its prefix. The first call of a process takes some tens of
 * milliseconds for the key, which is kept. Throws when the text is damaged or of another key.
 */
export function openLegacyCiphertext(encryptionKey: string, text: string): string {
  const bytes = Buffer.from(text.startsWith(legacyPrefix) ? text.slice(legacyPrefix.length) : text, 'base64');
  if (bytes.length < 28) throw new Error('The ciphertext is too short');
  const decipher = createDecipheriv('aes-256-gcm', legacyKey(encryptionKey), bytes.subarray(0, 12), {
    authTagLength: 16,
  });
  decipher.setAuthTag(bytes.subarray(-16));
  return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]).toString('utf8');
}

function legacyKey(encryptionKey: string): Buffer {
  const known = keys.get(encryptionKey);
  if (known) return known;
  const key = pbkdf2Sync(encryptionKey, 'mcp-gateway-salt', 100_000, 32, 'sha256');
  keys.set(encryptionKey, key);
  return key;
}
