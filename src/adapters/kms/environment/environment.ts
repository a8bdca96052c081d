/** Key management without a service: the KEK is derived from the root secret that the process is started with. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { KeyContext, Kms, KmsDeps } from '#adapters/kms/kms.ts';
import type { Adapter } from '#core/adapter.ts';
import { deriveKey } from '#core/derive.ts';

const ivBytes = 12;
const tagBytes = 16;

const config = z.strictObject({
  /** Root secrets of the past: they unwrap until every data key is re-wrapped, and never wrap. */
  previous: z.array(z.string().min(32, 'A root secret has at least 32 characters')).default([]),
});

export const environmentKms: Adapter<'environment', typeof config, KmsDeps, Kms> = {
  kind: 'environment',
  title: 'Root secret in the environment (ENCRYPTION_KEY)',
  config,
  open: ({ previous }, { rootSecret }) => openEnvironmentKms(rootSecret.reveal(), previous),
};

function openEnvironmentKms(current: string, previous: readonly string[]): Kms {
  const keks = new Map([...previous, current].map((secret) => [kekIdOf(secret), deriveKey(secret, 'kek')]));
  const kekId = kekIdOf(current);
  const kek = (id: string): Buffer => {
    const key = keks.get(id);
    if (!key) throw new Error(`No root secret is known for key-encryption key ${id}`);
    return key;
  };
  return {
    kekId,
    knows: (id) => keks.has(id),
    async wrap(dek, context) {
      const iv = randomBytes(ivBytes);
      const cipher = createCipheriv('aes-256-gcm', kek(kekId), iv, { authTagLength: tagBytes });
      cipher.setAAD(additionalData(kekId, context));
      const blob = Buffer.concat([iv, cipher.update(dek), cipher.final(), cipher.getAuthTag()]);
      return { kekId, wrapped: blob.toString('base64url') };
    },
    async unwrap(key, context) {
      const blob = Buffer.from(key.wrapped, 'base64url');
      if (blob.length <= ivBytes + tagBytes) throw new Error('A wrapped key is too short');
      const iv = blob.subarray(0, ivBytes);
      const decipher = createDecipheriv('aes-256-gcm', kek(key.kekId), iv, { authTagLength: tagBytes });
      decipher.setAAD(additionalData(key.kekId, context));
      decipher.setAuthTag(blob.subarray(-tagBytes));
      return Buffer.concat([decipher.update(blob.subarray(ivBytes, -tagBytes)), decipher.final()]);
    },
    async close() {
      for (const key of keks.values()) key.fill(0);
      keks.clear();
    },
  };
}

/** Names the root secret without telling anything of it. */
const kekIdOf = (secret: string): string => `env-${deriveKey(secret, 'kek-id').toString('hex').slice(0, 16)}`;

const additionalData = (kekId: string, { org, dekId }: KeyContext): Buffer =>
  Buffer.from(JSON.stringify({ dekId, kekId, orgId: org, v: 1 }));
