/**
 * Azure Key Vault by its REST API. `wrapkey` takes no additional data, so that the context is bound here: what the vault
 * wraps is a key made for this one row, under which the data key is encrypted with the context as additional data.
 *
 * `wrapped`: base64url(length of the wrapped row key 2 | wrapped row key | iv 12 | ciphertext | tag 16)
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { KeyContext, Kms, KmsDeps } from '#adapters/kms/kms.ts';
import { ask, contextBytes, form, formHeaders, openTokens, type Token } from '#adapters/kms/remote.ts';
import type { Adapter } from '#core/adapter.ts';

const httpUrl = z.url({ protocol: /^https?$/ });

const config = z.strictObject({
  /** `https://{name}.vault.azure.net` or a managed HSM. */
  vaultUrl: httpUrl.transform((url) => url.replace(/\/+$/, '')),
  key: z.string().regex(/^[0-9A-Za-z-]+$/),
  algorithm: z.enum(['RSA-OAEP-256', 'A256KW']).default('RSA-OAEP-256'),
  /** With `clientSecret`: an application's. Without: the managed identity, `clientId` naming which of several. */
  tenantId: z.string().min(1).optional(),
  clientId: z.string().min(1).optional(),
  clientSecret: z.string().min(1).optional(),
  authority: httpUrl.default('https://login.microsoftonline.com'),
  metadataEndpoint: httpUrl.default('http://169.254.169.254'),
});

type Settings = z.output<typeof config>;

export const azureKms: Adapter<'azure', typeof config, KmsDeps, Kms> = {
  kind: 'azure',
  title: 'Azure Key Vault',
  config,
  open: openAzureKms,
};

const operated = z.object({ kid: z.string(), value: z.string() });
const described = z.object({ key: z.object({ kid: z.string() }) });
/** The metadata service writes the number as text. */
const token = z.object({ access_token: z.string(), expires_in: z.coerce.number() });
const version = 'api-version=7.4';

function openAzureKms(settings: Settings, deps: KmsDeps): Kms {
  const { vaultUrl, key, algorithm } = settings;
  const tokens = openTokens(deps.clock, () =>
    settings.clientSecret === undefined ? fromMetadata(settings, deps) : fromApplication(settings, deps),
  );
  const headers = async () => ({ authorization: `Bearer ${await tokens()}`, 'content-type': 'application/json' });
  const base = `${vaultUrl}/keys/${key}`;
  let kekId = `azure:${base}`;
  // Only versions of this very key: a row must not choose where it is sent.
  const knows = (id: string) => id.startsWith(`azure:${base}/`) && /^[0-9a-f]{1,64}$/i.test(id.slice(base.length + 7));

  async function call(url: string, fields: object) {
    const text = await ask(
      { what: 'Azure Key Vault', url: `${url}?${version}`, headers, body: JSON.stringify(fields) },
      deps,
    );
    return operated.parse(JSON.parse(text));
  }

  return {
    get kekId() {
      return kekId;
    },
    knows,
    async wrap(dek, context) {
      const rowKey = randomBytes(32);
      const { kid, value } = await call(`${base}/wrapkey`, { alg: algorithm, value: rowKey.toString('base64url') });
      kekId = `azure:${kid}`;
      const wrapped = join(Buffer.from(value, 'base64url'), encrypt(rowKey, dek, additionalData(kekId, context)));
      rowKey.fill(0);
      return { kekId, wrapped: wrapped.toString('base64url') };
    },
    async unwrap({ kekId: id, wrapped }, context) {
      if (!knows(id)) throw new Error(`Azure key ${id} is not configured`);
      const { wrappedKey, text } = split(Buffer.from(wrapped, 'base64url'));
      const fields = { alg: algorithm, value: wrappedKey.toString('base64url') };
      const rowKey = Buffer.from((await call(`${id.slice('azure:'.length)}/unwrapkey`, fields)).value, 'base64url');
      return decrypt(rowKey, text, additionalData(id, context));
    },
    async refresh() {
      const text = await ask({ what: 'Azure Key Vault', method: 'GET', url: `${base}?${version}`, headers }, deps);
      kekId = `azure:${described.parse(JSON.parse(text)).key.kid}`;
    },
    async close() {},
  };
}

const additionalData = (kekId: string, context: KeyContext): Buffer =>
  Buffer.concat([Buffer.from(`${kekId}\n`), contextBytes(context)]);

function encrypt(key: Buffer, plain: Buffer, additional: Buffer): Buffer {
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: 16 });
  cipher.setAAD(additional);
  return Buffer.concat([iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function decrypt(key: Buffer, text: Buffer, additional: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, text.subarray(0, 12), { authTagLength: 16 });
  decipher.setAAD(additional);
  decipher.setAuthTag(text.subarray(-16));
  return Buffer.concat([decipher.update(text.subarray(12, -16)), decipher.final()]);
}

function join(wrappedKey: Buffer, text: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(wrappedKey.length);
  return Buffer.concat([length, wrappedKey, text]);
}

function split(bytes: Buffer): { readonly wrappedKey: Buffer; readonly text: Buffer } {
  const end = 2 + (bytes.length < 2 ? 0 : bytes.readUInt16BE());
  if (bytes.length < end + 29) throw new Error('A wrapped key is too short');
  return { wrappedKey: bytes.subarray(2, end), text: bytes.subarray(end) };
}

async function fromApplication(settings: Settings, deps: KmsDeps): Promise<Token> {
  const { authority, tenantId = '', clientId = '', clientSecret = '' } = settings;
  const url = `${authority}/${encodeURIComponent(tenantId)}/oauth2/v2.0/token`;
  const body = form({
    ...{ grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret },
    scope: 'https://vault.azure.net/.default',
  });
  return parseToken(await ask({ what: 'Azure token', url, headers: () => formHeaders, body }, deps));
}

async function fromMetadata({ metadataEndpoint, clientId }: Settings, deps: KmsDeps): Promise<Token> {
  const query = form({
    ...{ 'api-version': '2018-02-01', resource: 'https://vault.azure.net' },
    ...(clientId !== undefined && { client_id: clientId }),
  });
  const url = `${metadataEndpoint}/metadata/identity/oauth2/token?${query}`;
  return parseToken(
    await ask({ what: 'Azure identity', method: 'GET', url, headers: () => ({ metadata: 'true' }) }, deps),
  );
}

function parseToken(text: string): Token {
  const { access_token, expires_in } = token.parse(JSON.parse(text));
  return { value: access_token, lifeSeconds: expires_in };
}
