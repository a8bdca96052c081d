/**
 * Reads ciphertexts of the Ragie/WorkOS collection gateway (S0.26): base64(iv 12 | ciphertext | tag 16), AES-256-GCM with
 * a key that PBKDF2 makes of the same `ENCRYPTION_KEY`. Nothing is written in this format any more.
 */
import { createDecipheriv, pbkdf2 } from 'node:crypto';
import { promisify } from 'node:util';

const derive = promisify(pbkdf2);

/** Returns the opener that the vault takes as `openLegacy`. The key is derived once, at the first text. */
export function s0Opener(encryptionKey: string, ...older: readonly string[]): (ciphertext: string) => Promise<string> {
  const openers = [encryptionKey, ...older].map(openerOf);
  return async (ciphertext) => {
    let failure: unknown;
    for (const open of openers) {
      try {
        return await open(ciphertext);
      } catch (thrown) {
        failure ??= thrown;
      }
    }
    throw failure;
  };
}

function openerOf(encryptionKey: string): (ciphertext: string) => Promise<string> {
  let key: Promise<Buffer> | undefined;
  return async (ciphertext) => {
    key ??= derive(encryptionKey, 'mcp-gateway-salt', 100_000, 32, 'sha256');
    const bytes = Buffer.from(ciphertext, 'base64');
    if (bytes.length < 28) throw new Error('The legacy ciphertext is too short');
    const decipher = createDecipheriv('aes-256-gcm', await key, bytes.subarray(0, 12), { authTagLength: 16 });
    decipher.setAuthTag(bytes.subarray(-16));
    return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]).toString('utf8');
  };
}
