/**
 * An OpenID provider on loopback: discovery, keys and tokens for a resource server; authorize, token and userinfo for
 * sign-in. Everybody who comes is signed in at once as `user`; it can deny, break, and change its keys.
 */
import { createHash } from 'node:crypto';
import { decodeJwt } from 'jose';
import { type FakeReply, type FakeServer, type RecordedRequest, startFakeServer } from './fake-server.ts';
import { type Claims, createSigningKeys, type SigningKeys, type SignOptions } from './signing-keys.ts';

export interface FakeOidcOptions {
  readonly audience?: string;
  /** Path of the issuer's URL. Default: none. */
  readonly path?: string;
  readonly port?: number;
  /** A real vendor's, which the product's egress maps to `url` (hostMap). Default: where it listens. */
  readonly issuer?: string;
  readonly alg?: 'RS256' | 'ES256';
  /** Added to the discovery document; undefined removes a field. */
  readonly metadata?: Claims;
  /** Unix milliseconds: for `iat` and `exp` of tokens. */
  readonly now?: () => number;
  /** The one client that may sign people in. */
  readonly clientId?: string;
  /** Unset: a public client. */
  readonly clientSecret?: string;
  /** See `setUser`. */
  readonly user?: FakeUser;
}

/** Who signs in: what each document says of them. `sub` is user-1 unless given. */
export interface FakeUser {
  readonly idToken?: Claims;
  readonly userinfo?: Claims;
  /** Set: the access token is a JWT with these claims; else it is opaque. */
  readonly accessToken?: Claims;
  /** Header of the ID token. */
  readonly header?: Claims;
  /** Signs the ID token in the place of the provider's key, under the id of that. */
  readonly keys?: SigningKeys;
}

export interface FakeOidc extends FakeServer {
  readonly issuer: string;
  readonly jwksUrl: string;
  readonly audience: string;
  readonly clientId: string;
  readonly keys: SigningKeys;
  /** An access token: `sub` user-1, ten minutes; claims given here win, undefined removes one. */
  signToken(claims?: Claims, options?: SignOptions): Promise<string>;
  /** Every token that was given out by sign-in. */
  readonly issued: readonly string[];
  /** From now on they are who signs in. */
  setUser(user: FakeUser): void;
  /** From now on sign-in comes back with this OAuth error; undefined: approved again. */
  deny(error: string | undefined): void;
  /** What a browser does with an authorization URL: the URL that it is sent back to. */
  visit(authorizationUrl: string): Promise<URL>;
}

export async function startFakeOidc(options: FakeOidcOptions = {}): Promise<FakeOidc> {
  const { audience = 'https://gateway.test/mcp', now = Date.now, alg = 'ES256' } = options;
  const path = options.path ?? (options.issuer ? new URL(options.issuer).pathname.replace(/\/+$/, '') : '');
  const clientId = options.clientId ?? 'gateway-client';
  const keys = await createSigningKeys(alg);
  const state: SignInState = {
    user: options.user ?? {},
    denial: undefined,
    codes: new Map(),
    users: new Map(),
    issued: [],
  };
  let issuer = '';
  const at = (name: string) => `${issuer.replace(/\/+$/, '')}/${name}`;
  const discovery = () => ({
    issuer,
    authorization_endpoint: at('authorize'),
    token_endpoint: at('token'),
    userinfo_endpoint: at('userinfo'),
    jwks_uri: at('keys'),
    response_types_supported: ['code'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: [alg],
    code_challenge_methods_supported: ['S256'],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'none'],
    authorization_response_iss_parameter_supported: true,
    ...options.metadata,
  });
  const signToken: FakeOidc['signToken'] = (claims, sign) => {
    const iat = Math.floor(now() / 1000);
    return keys.sign({ iss: issuer, aud: audience, sub: 'user-1', iat, exp: iat + 600, ...claims }, sign);
  };
  const server = await startFakeServer({
    port: options.port,
    answer(request) {
      const context = { request, state, issuer, clientId, clientSecret: options.clientSecret, signToken, keys };
      if (request.path === `${path}/keys`) return { status: 200, body: keys.jwks() };
      if (request.path === `${path}/.well-known/openid-configuration`) return { status: 200, body: discovery() };
      if (request.path === `${path}/authorize`) return authorize(context);
      if (request.path === `${path}/token`) return redeem(context);
      if (request.path === `${path}/userinfo`) return userinfo(context);
      return undefined;
    },
  });
  issuer = options.issuer ?? `${server.url}${path}`;
  return {
    ...server,
    issuer,
    jwksUrl: at('keys'),
    audience,
    clientId,
    keys,
    signToken,
    issued: state.issued,
    setUser(user) {
      state.user = user;
    },
    deny(error) {
      state.denial = error;
    },
    async visit(authorizationUrl) {
      const { pathname, search } = new URL(authorizationUrl);
      const response = await fetch(`${server.url}${pathname}${search}`, { redirect: 'manual' });
      const location = response.headers.get('location');
      if (location === null) throw new Error(`no redirect: ${response.status} ${await response.text()}`);
      return new URL(location);
    },
  };
}

interface SignInState {
  user: FakeUser;
  denial: string | undefined;
  readonly codes: Map<string, { readonly query: URLSearchParams; readonly user: FakeUser }>;
  readonly users: Map<string, FakeUser>;
  readonly issued: string[];
}

interface Context {
  readonly request: RecordedRequest;
  readonly state: SignInState;
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string | undefined;
  readonly signToken: FakeOidc['signToken'];
  readonly keys: SigningKeys;
}

const refuse = (status: number, error: string): FakeReply => ({ status, body: { error } });

function authorize({ request: { query }, state, issuer, clientId }: Context): FakeReply {
  const redirect = query.get('redirect_uri');
  if (query.get('client_id') !== clientId || redirect === null) return refuse(400, 'invalid_request');
  const target = new URL(redirect);
  const complete = query.get('response_type') === 'code' && query.get('code_challenge_method') === 'S256';
  const error = state.denial ?? (complete ? undefined : 'invalid_request');
  if (error === undefined) {
    const code = crypto.randomUUID();
    state.codes.set(code, { query, user: state.user });
    target.searchParams.set('code', code);
  } else target.searchParams.set('error', error);
  target.searchParams.set('state', query.get('state') ?? '');
  target.searchParams.set('iss', issuer);
  return { status: 302, body: null, headers: { location: target.href } };
}

async function redeem({ request, state, clientId, clientSecret, signToken, keys }: Context): Promise<FakeReply> {
  const form = new URLSearchParams(request.body);
  const [basicId, basicSecret] = basicOf(request.headers.authorization);
  if ((basicId ?? form.get('client_id')) !== clientId) return refuse(401, 'invalid_client');
  if ((basicSecret ?? form.get('client_secret') ?? undefined) !== clientSecret) return refuse(401, 'invalid_client');
  const code = form.get('code') ?? '';
  const pending = state.codes.get(code);
  state.codes.delete(code);
  const challenge = createHash('sha256')
    .update(form.get('code_verifier') ?? '')
    .digest('base64url');
  if (pending?.query.get('code_challenge') !== challenge) return refuse(400, 'invalid_grant');
  if (form.get('redirect_uri') !== pending.query.get('redirect_uri')) return refuse(400, 'invalid_grant');
  const { user, query } = pending;
  const nonce = query.get('nonce') ?? undefined;
  const access = user.accessToken
    ? await signToken({ sub: user.idToken?.sub ?? 'user-1', azp: clientId, ...user.accessToken })
    : crypto.randomUUID();
  state.users.set(access, user);
  const header = { ...(user.keys && { kid: keys.jwks().keys[0]?.kid }), ...user.header };
  const signed = await signToken({ aud: clientId, nonce, ...user.idToken }, { header });
  const idToken = user.keys ? await user.keys.sign(decodeJwt(signed), { header }) : signed;
  state.issued.push(access, idToken);
  const body = { access_token: access, token_type: 'Bearer', expires_in: 600, id_token: idToken };
  return { status: 200, body, headers: { 'cache-control': 'no-store' } };
}

function userinfo({ request, state }: Context): FakeReply {
  const user = state.users.get(request.headers.authorization?.replace(/^Bearer /, '') ?? '');
  if (!user) return refuse(401, 'invalid_token');
  return { status: 200, body: { sub: user.idToken?.sub ?? 'user-1', ...user.userinfo } };
}

function basicOf(header: string | undefined): readonly (string | undefined)[] {
  if (!header?.startsWith('Basic ')) return [];
  const pair = Buffer.from(header.slice(6), 'base64').toString().replaceAll('+', '%20');
  return pair.split(':').map((part) => decodeURIComponent(part));
}
