/** Google Cloud KMS by its REST API: `encrypt` with the primary version of a key, the context as additional data. */
import { importPKCS8, SignJWT } from 'jose';
import { z } from 'zod';
import type { Kms, KmsDeps } from '#adapters/kms/kms.ts';
import { ask, contextBytes, form, formHeaders, openTokens, readText, type Token } from '#adapters/kms/remote.ts';
import type { Adapter } from '#core/adapter.ts';

const httpUrl = z.url({ protocol: /^https?$/ });

const config = z.strictObject({
  key: z
    .string()
    .regex(
      /^projects\/[^/]+\/locations\/[^/]+\/keyRings\/[^/]+\/cryptoKeys\/[^/]+$/,
      'must be projects/…/cryptoKeys/…',
    ),
  /** JSON key file of a service account, or its text; neither: the metadata server's account. */
  credentialsFile: z.string().min(1).optional(),
  credentials: z.string().min(1).optional(),
  endpoint: httpUrl.default('https://cloudkms.googleapis.com'),
  metadataEndpoint: httpUrl.default('http://metadata.google.internal'),
});

type Settings = z.output<typeof config>;

export const googleKms: Adapter<'google', typeof config, KmsDeps, Kms> = {
  kind: 'google',
  title: 'Google Cloud KMS',
  config,
  open: openGoogleKms,
};

const encrypted = z.object({ name: z.string(), ciphertext: z.base64() });
const decrypted = z.object({ plaintext: z.base64() });
const described = z.object({ primary: z.object({ name: z.string() }) });
const token = z.object({ access_token: z.string(), expires_in: z.number() });
const account = z.object({ client_email: z.string(), private_key: z.string(), token_uri: httpUrl });

function openGoogleKms(settings: Settings, deps: KmsDeps): Kms {
  const { key, endpoint } = settings;
  const tokens = openTokens(deps.clock, () =>
    (settings.credentials ?? settings.credentialsFile) ? fromAccount(settings, deps) : fromMetadata(settings, deps),
  );
  const headers = async () => ({ authorization: `Bearer ${await tokens()}`, 'content-type': 'application/json' });
  const idOf = (version: string) => `google:${version}`;
  let kekId = idOf(key);

  async function call(action: 'encrypt' | 'decrypt', fields: object): Promise<unknown> {
    const url = `${endpoint}/v1/${key}:${action}`;
    return JSON.parse(await ask({ what: `Google KMS ${action}`, url, headers, body: JSON.stringify(fields) }, deps));
  }

  const additional = (context: Parameters<Kms['wrap']>[1]) => contextBytes(context).toString('base64');
  const knows = (id: string) => id === idOf(key) || id.startsWith(`${idOf(key)}/`);
  return {
    get kekId() {
      return kekId;
    },
    knows,
    async wrap(dek, context) {
      const fields = { plaintext: dek.toString('base64'), additionalAuthenticatedData: additional(context) };
      const { name, ciphertext } = encrypted.parse(await call('encrypt', fields));
      kekId = idOf(name);
      return { kekId, wrapped: Buffer.from(ciphertext, 'base64').toString('base64url') };
    },
    async unwrap({ kekId: id, wrapped }, context) {
      if (!knows(id)) throw new Error(`Google KMS key ${id} is not configured`);
      const ciphertext = Buffer.from(wrapped, 'base64url').toString('base64');
      const answer = await call('decrypt', { ciphertext, additionalAuthenticatedData: additional(context) });
      return Buffer.from(decrypted.parse(answer).plaintext, 'base64');
    },
    async refresh() {
      const text = await ask({ what: 'Google KMS', method: 'GET', url: `${endpoint}/v1/${key}`, headers }, deps);
      kekId = idOf(described.parse(JSON.parse(text)).primary.name);
    },
    async close() {},
  };
}

/** RFC 7523, as Google has it for service accounts. */
async function fromAccount({ credentials, credentialsFile = '' }: Settings, deps: KmsDeps): Promise<Token> {
  const given = account.parse(JSON.parse(credentials ?? (await readText(deps, credentialsFile))));
  const seconds = Math.floor(deps.clock.now() / 1000);
  const assertion = await new SignJWT({ scope: 'https://www.googleapis.com/auth/cloudkms' })
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT' })
    .setIssuer(given.client_email)
    .setAudience(given.token_uri)
    .setIssuedAt(seconds)
    .setExpirationTime(seconds + 3600)
    .sign(await importPKCS8(given.private_key, 'RS256'));
  const body = form({ grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion });
  return parseToken(await ask({ what: 'Google token', url: given.token_uri, headers: () => formHeaders, body }, deps));
}

async function fromMetadata({ metadataEndpoint }: Settings, deps: KmsDeps): Promise<Token> {
  const url = `${metadataEndpoint}/computeMetadata/v1/instance/service-accounts/default/token`;
  const headers = () => ({ 'metadata-flavor': 'Google' });
  return parseToken(await ask({ what: 'Google metadata token', method: 'GET', url, headers }, deps));
}

function parseToken(text: string): Token {
  const { access_token, expires_in } = token.parse(JSON.parse(text));
  return { value: access_token, lifeSeconds: expires_in };
}
