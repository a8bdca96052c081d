/** Google Cloud KMS, Azure Key Vault and HashiCorp Vault's transit engine, with the ways to tokens that each has. */
import { constants, generateKeyPairSync, privateDecrypt, publicEncrypt } from 'node:crypto';
import { importSPKI, jwtVerify } from 'jose';
import { fieldsOf, type KmsAnswer, openKeyVersions, startEmulator } from './emulator.ts';

const said = (body: object): KmsAnswer => ({ status: 200, body });
const text = (value: unknown): string => (typeof value === 'string' ? value : '');

export const googleKey = 'projects/p/locations/europe/keyRings/ring/cryptoKeys/gatehouse';

export async function startGoogleEmulator() {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const versions = openKeyVersions();
  const no = (status: number, reason: string): KmsAnswer => ({
    status,
    body: { error: { code: status, status: reason } },
  });
  const emulator = await startEmulator(async (request, self) => {
    const { path, headers } = request;
    if (path.startsWith('/computeMetadata/'))
      return headers['metadata-flavor'] === 'Google' ? said({ access_token: 'meta', expires_in: 3600 }) : no(403, 'X');
    if (path === '/token') {
      const assertion = new URLSearchParams(request.text).get('assertion') ?? '';
      const { payload } = await jwtVerify(assertion, await importSPKI(publicKey, 'RS256'), {
        audience: `${self.url}/token`,
      });
      return payload.iss === 'gatehouse@p.iam' && payload.scope === 'https://www.googleapis.com/auth/cloudkms'
        ? said({ access_token: 'granted', expires_in: 3600 })
        : no(400, 'INVALID_ARGUMENT');
    }
    if (!['Bearer granted', 'Bearer meta'].includes(headers.authorization ?? '')) return no(401, 'UNAUTHENTICATED');
    if (self.disabled) return no(400, 'FAILED_PRECONDITION');
    const name = `${googleKey}/cryptoKeyVersions/${versions.latest}`;
    if (path === `/v1/${googleKey}`) return said({ name: googleKey, primary: { name } });
    const { plaintext, ciphertext, additionalAuthenticatedData: additional } = fieldsOf(request.text);
    if (path === `/v1/${googleKey}:encrypt`) {
      const blob = versions.encrypt(Buffer.from(text(plaintext), 'base64'), text(additional));
      return said({ name, ciphertext: blob.toString('base64') });
    }
    const plain = versions.decrypt(Buffer.from(text(ciphertext), 'base64'), text(additional));
    return plain ? said({ plaintext: plain.toString('base64') }) : no(400, 'INVALID_ARGUMENT');
  });
  const account = { client_email: 'gatehouse@p.iam', private_key: privateKey, token_uri: `${emulator.url}/token` };
  return Object.assign(emulator, { rotate: () => versions.rotate(), account: JSON.stringify(account) });
}

export async function startAzureEmulator() {
  const make = () => generateKeyPairSync('rsa', { modulusLength: 2048 });
  const keys = [make()];
  const no = (status: number, code: string): KmsAnswer => ({ status, body: { error: { code, message: 'no' } } });
  const padding = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' };
  const emulator = await startEmulator((request, self) => {
    const { headers } = request;
    const { pathname: path, searchParams: query } = new URL(request.path, self.url);
    if (path === '/metadata/identity/oauth2/token')
      return headers.metadata === 'true' && query.get('resource') === 'https://vault.azure.net'
        ? said({ access_token: 'managed', expires_in: '3600' })
        : no(400, 'invalid_request');
    if (path === '/directory/oauth2/v2.0/token') {
      const form = new URLSearchParams(request.text);
      return form.get('client_secret') === 'app-secret' && form.get('scope') === 'https://vault.azure.net/.default'
        ? said({ access_token: 'granted', expires_in: 3600 })
        : no(401, 'invalid_client');
    }
    if (!['Bearer granted', 'Bearer managed'].includes(headers.authorization ?? '')) return no(401, 'Unauthorized');
    if (query.get('api-version') !== '7.4') return no(400, 'BadParameter');
    if (self.disabled) return no(403, 'Forbidden');
    const kid = (version: number) => `${self.url}/keys/gatehouse/${String(version).padStart(32, '0')}`;
    if (path === '/keys/gatehouse') return said({ key: { kid: kid(keys.length) } });
    const { alg, value } = fieldsOf(request.text);
    if (alg !== 'RSA-OAEP-256') return no(400, 'BadParameter');
    if (path === '/keys/gatehouse/wrapkey') {
      const key = keys.at(-1)?.publicKey;
      if (!key) return no(404, 'KeyNotFound');
      const wrapped = publicEncrypt({ key, ...padding }, Buffer.from(text(value), 'base64url'));
      return said({ kid: kid(keys.length), value: wrapped.toString('base64url') });
    }
    const [, version = ''] = /^\/keys\/gatehouse\/(\d+)\/unwrapkey$/.exec(path) ?? [];
    const key = keys[Number(version) - 1]?.privateKey;
    if (!key) return no(404, 'KeyNotFound');
    try {
      const plain = privateDecrypt({ key, ...padding }, Buffer.from(text(value), 'base64url'));
      return said({ kid: kid(Number(version)), value: plain.toString('base64url') });
    } catch {
      return no(400, 'BadParameter');
    }
  });
  return Object.assign(emulator, { rotate: () => void keys.push(make()) });
}

export async function startVaultEmulator() {
  const versions = openKeyVersions();
  const no = (status: number): KmsAnswer => ({ status, body: { errors: ['permission denied'] } });
  const emulator = await startEmulator((request, self) => {
    const { path, headers } = request;
    const fields = fieldsOf(request.text);
    const auth = said({ auth: { client_token: 'leased', lease_duration: 3600 } });
    if (path === '/v1/auth/approle/login')
      return fields.role_id === 'role' && fields.secret_id === 'approle-secret' ? auth : no(400);
    if (path === '/v1/auth/kubernetes/login')
      return fields.role === 'gatehouse' && fields.jwt === 'pod-jwt' ? auth : no(403);
    if (!['root-token', 'leased'].includes(String(headers['x-vault-token'])) || self.disabled) return no(403);
    if (path === '/v1/transit/keys/gatehouse') return said({ data: { latest_version: versions.latest } });
    const additional = text(fields.associated_data);
    if (path === '/v1/transit/encrypt/gatehouse') {
      const blob = versions.encrypt(Buffer.from(text(fields.plaintext), 'base64'), additional).toString('base64');
      return said({ data: { ciphertext: `vault:v${versions.latest}:${blob}`, key_version: versions.latest } });
    }
    const [, version, blob = ''] = /^vault:v(\d+):([A-Za-z0-9+/=]+)$/.exec(text(fields.ciphertext)) ?? [];
    const bytes = Buffer.from(blob, 'base64');
    const plain = Number(version) === bytes[0] ? versions.decrypt(bytes, additional) : undefined;
    return plain ? said({ data: { plaintext: plain.toString('base64') } }) : no(400);
  });
  return Object.assign(emulator, { rotate: () => versions.rotate() });
}
