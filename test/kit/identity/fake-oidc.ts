/** An OpenID provider on loopback, as far as a resource server sees one: discovery, keys, tokens. */
import { type FakeServer, startFakeServer } from './fake-server.ts';
import { type Claims, createSigningKeys, type SigningKeys, type SignOptions } from './signing-keys.ts';

export interface FakeOidcOptions {
  readonly audience?: string;
  /** Path of the issuer's URL. Default: none. */
  readonly path?: string;
  readonly port?: number;
  readonly alg?: 'RS256' | 'ES256';
  /** Added to the discovery document; undefined removes a field. */
  readonly metadata?: Claims;
  /** Unix milliseconds: for `iat` and `exp` of tokens. */
  readonly now?: () => number;
}

export interface FakeOidc extends FakeServer {
  readonly issuer: string;
  readonly jwksUrl: string;
  readonly audience: string;
  readonly keys: SigningKeys;
  /** An access token: `sub` user-1, ten minutes; claims given here win, undefined removes one. */
  signToken(claims?: Claims, options?: SignOptions): Promise<string>;
}

export async function startFakeOidc(options: FakeOidcOptions = {}): Promise<FakeOidc> {
  const { audience = 'https://gateway.test/mcp', path = '', now = Date.now, alg = 'ES256' } = options;
  const keys = await createSigningKeys(alg);
  let issuer = '';
  const discovery = () => ({
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    jwks_uri: `${issuer}/keys`,
    response_types_supported: ['code'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: [alg],
    code_challenge_methods_supported: ['S256'],
    ...options.metadata,
  });
  const server = await startFakeServer({
    port: options.port,
    answer(request) {
      if (request.path === `${path}/keys`) return { status: 200, body: keys.jwks() };
      if (request.path === `${path}/.well-known/openid-configuration`) return { status: 200, body: discovery() };
      return undefined;
    },
  });
  issuer = `${server.url}${path}`;
  return {
    ...server,
    issuer,
    jwksUrl: `${issuer}/keys`,
    audience,
    keys,
    signToken(claims, sign) {
      const iat = Math.floor(now() / 1000);
      return keys.sign({ iss: issuer, aud: audience, sub: 'user-1', iat, exp: iat + 600, ...claims }, sign);
    },
  };
}
