/** AWS KMS by its JSON protocol, signed with SigV4. The encryption context is authenticated and shows in CloudTrail. */
import { AwsV4Signer } from 'aws4fetch';
import { z } from 'zod';
import type { KeyContext, Kms, KmsDeps } from '#adapters/kms/kms.ts';
import { ask } from '#adapters/kms/remote.ts';
import type { Adapter } from '#core/adapter.ts';
import { credentialSettings, openCredentials } from './credentials.ts';

const config = z.strictObject({
  /** Key id, ARN or alias. */
  keyId: z.string().min(1),
  region: z.string().regex(/^[a-z0-9-]+$/, 'must be a region such as eu-central-1'),
  /** Keys of the past: they unwrap until every data key is re-wrapped. */
  previousKeyIds: z.array(z.string().min(1)).default([]),
  endpoint: z.url({ protocol: /^https?$/ }).optional(),
  ...credentialSettings,
});

export type AwsSettings = z.output<typeof config>;

export const awsKms: Adapter<'aws', typeof config, KmsDeps, Kms> = {
  kind: 'aws',
  title: 'AWS KMS',
  config,
  open: openAwsKms,
};

const encrypted = z.object({ CiphertextBlob: z.base64() });
const decrypted = z.object({ Plaintext: z.base64() });

function openAwsKms(settings: AwsSettings, deps: KmsDeps): Kms {
  const { keyId, previousKeyIds, region, endpoint = `https://kms.${region}.amazonaws.com` } = settings;
  const url = new URL('/', endpoint).href;
  const credentials = openCredentials(settings, deps);
  const ids = new Map([keyId, ...previousKeyIds].map((id) => [`aws:${id}`, id]));
  const kekId = `aws:${keyId}`;

  async function call(action: 'Encrypt' | 'Decrypt', fields: object): Promise<unknown> {
    const body = JSON.stringify(fields);
    const headers = async () => {
      const signed = await new AwsV4Signer({
        ...(await credentials()),
        ...{ method: 'POST', url, body, region, service: 'kms', datetime: awsTime(deps.clock.now()) },
        headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': `TrentService.${action}` },
      }).sign();
      return Object.fromEntries(signed.headers);
    };
    return JSON.parse(await ask({ what: `AWS KMS ${action}`, url, headers, body }, deps));
  }

  return {
    kekId,
    knows: (id) => ids.has(id),
    async wrap(dek, context) {
      const fields = { KeyId: keyId, Plaintext: dek.toString('base64'), EncryptionContext: encryptionContext(context) };
      const { CiphertextBlob } = encrypted.parse(await call('Encrypt', fields));
      return { kekId, wrapped: Buffer.from(CiphertextBlob, 'base64').toString('base64url') };
    },
    async unwrap(key, context) {
      const id = ids.get(key.kekId);
      if (id === undefined) throw new Error(`AWS KMS key ${key.kekId} is not configured`);
      const blob = Buffer.from(key.wrapped, 'base64url').toString('base64');
      const fields = { KeyId: id, CiphertextBlob: blob, EncryptionContext: encryptionContext(context) };
      return Buffer.from(decrypted.parse(await call('Decrypt', fields)).Plaintext, 'base64');
    },
    async close() {},
  };
}

const encryptionContext = ({ org, dekId }: KeyContext) => ({ 'gatehouse:organization': org, 'gatehouse:key': dekId });

/** `20261121T081323Z` */
export const awsTime = (nowMs: number): string => new Date(nowMs).toISOString().replace(/[:-]|\.\d{3}/g, '');
