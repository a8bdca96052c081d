/**
 * WorkOS without WorkOS: authorization server (metadata, keys), session keys, AuthKit sign-in and the management API, all
 * on one loopback port. Payloads as WorkOS documents them; its own SDK runs against it. Point the product at `env`.
 */
import { type FakeServer, startFakeServer } from './fake-server.ts';
import { answerWorkosApi, type WorkosMembership, type WorkosState, type WorkosUser } from './fake-workos-api.ts';
import { type Claims, createSigningKeys, type SigningKeys, type SignOptions } from './signing-keys.ts';

export interface FakeWorkosOptions {
  readonly clientId?: string;
  readonly apiKey?: string;
  /** Organization id → user id → role slugs of an active membership. */
  readonly organizations?: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
  /** Path of the authorization server's URL. */
  readonly path?: string;
  readonly port?: number;
  /** What it calls itself, where a host map leads here; default: its own address. */
  readonly origin?: string;
  /** Unix milliseconds: for `iat` and `exp` of tokens. */
  readonly now?: () => number;
}

export type FakeMembership = Pick<WorkosMembership, 'roles' | 'status'>;

export interface FakeWorkos extends FakeServer {
  readonly clientId: string;
  readonly apiKey: string;
  /** WORKOS_AUTHORIZATION_SERVER_URL, and `iss` of its access tokens. */
  readonly issuer: string;
  /** `iss` of session tokens. */
  readonly sessionIssuer: string;
  readonly keys: SigningKeys;
  /** What the product's environment needs; its egress must allow 127.0.0.1. */
  readonly env: Readonly<Record<string, string>>;
  /** An access token: `sub` user_1, `aud` the client id, five minutes; claims given here win, undefined removes one. */
  signToken(claims?: Claims, options?: SignOptions): Promise<string>;
  /** A session token: no `aud`. */
  signSessionToken(claims?: Claims, options?: SignOptions): Promise<string>;
  /** Replaces the user's membership; undefined ends it. */
  setMembership(user: string, organization: string, membership: FakeMembership | undefined): void;
  /** The memberships API ignores its filters and lists everybody: what a careless client would trust. */
  ignoreFilters(ignored: boolean): void;
  /** The user with this id, made or replaced. */
  setUser(user: WorkosUser): void;
  /** Who signs in from now on; undefined: everybody is turned away. Default: user_1. */
  setVisitor(user: string | undefined): void;
  /** Every code and token given out at sign-in. */
  readonly issued: readonly string[];
}

export async function startFakeWorkos(options: FakeWorkosOptions = {}): Promise<FakeWorkos> {
  const { clientId = 'client_01TEST', apiKey = 'sk_test_workos', path = '/auth/v1', now = Date.now } = options;
  const keys = await createSigningKeys('RS256');
  const rows = new Map<string, WorkosMembership>();
  const users = new Map<string, WorkosUser>();
  const setUser = (user: WorkosUser) => {
    users.set(user.id, user);
  };
  setUser({ id: 'user_1', email: 'user_1@example.com', firstName: 'User', lastName: 'One' });
  const setMembership: FakeWorkos['setMembership'] = (user, organization, membership) => {
    const key = `${user} ${organization}`;
    if (membership) rows.set(key, { user, organization, ...membership });
    else rows.delete(key);
    if (!users.has(user)) setUser({ id: user, email: `${user}@example.com` });
  };
  for (const [organization, users] of Object.entries(options.organizations ?? {})) {
    for (const [user, roles] of Object.entries(users)) setMembership(user, organization, { roles });
  }

  let issuer = '';
  let sessionIssuer = '';
  const timed = () => {
    const iat = Math.floor(now() / 1000);
    return { iat, exp: iat + 300, jti: `jti_${crypto.randomUUID()}`, sid: 'session_01TEST', sub: 'user_1' };
  };
  const signSessionToken: FakeWorkos['signSessionToken'] = (claims, sign) =>
    keys.sign({ iss: sessionIssuer, ...timed(), ...claims }, sign);
  const state: WorkosState = {
    clientId,
    apiKey,
    users,
    memberships: () => [...rows.values()],
    visitor: 'user_1',
    filtersIgnored: false,
    codes: new Map(),
    refreshTokens: new Map(),
    signSession: (claims) => signSessionToken(claims),
    issued: [],
  };
  const server = await startFakeServer({
    port: options.port,
    answer(request) {
      if (request.path === `${path}/oauth2/jwks` || request.path === `/sso/jwks/${clientId}`) {
        return { status: 200, body: keys.jwks() };
      }
      if (request.path === `${path}/.well-known/oauth-authorization-server`) {
        return { status: 200, body: metadataOf(issuer) };
      }
      return answerWorkosApi(request, state);
    },
  });
  const origin = options.origin ?? server.url;
  issuer = `${origin}${path}`;
  sessionIssuer = `${origin}/user_management/${clientId}`;

  return {
    ...server,
    clientId,
    apiKey,
    issuer,
    sessionIssuer,
    keys,
    env: {
      WORKOS_API_KEY: apiKey,
      WORKOS_CLIENT_ID: clientId,
      WORKOS_AUTHORIZATION_SERVER_URL: issuer,
      WORKOS_API_BASE_URL: server.url,
    },
    signToken: (claims, sign) => keys.sign({ iss: issuer, aud: clientId, ...timed(), ...claims }, sign),
    signSessionToken,
    issued: state.issued,
    setUser,
    setVisitor(user) {
      state.visitor = user;
    },
    setMembership,
    ignoreFilters(ignored) {
      state.filtersIgnored = ignored;
    },
  };
}

function metadataOf(issuer: string) {
  return {
    issuer,
    authorization_endpoint: `${issuer}/oauth2/authorize`,
    token_endpoint: `${issuer}/oauth2/token`,
    registration_endpoint: `${issuer}/oauth2/register`,
    introspection_endpoint: `${issuer}/oauth2/introspection`,
    jwks_uri: `${issuer}/oauth2/jwks`,
    scopes_supported: ['email', 'offline_access', 'openid', 'profile'],
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: ['authorization_code', 'refresh_token'],
    code_challenge_methods_supported: ['S256'],
    token_endpoint_auth_methods_supported: ['none', 'client_secret_post', 'client_secret_basic'],
  };
}
