/**
 * WorkOS without WorkOS: authorization server (metadata, keys), session keys and the memberships API, all on one
 * loopback port. Payloads as WorkOS documents them. Start it, then point the product at `env`.
 */
import { type FakeReply, type FakeServer, type RecordedRequest, startFakeServer } from './fake-server.ts';
import { type Claims, createSigningKeys, type SigningKeys, type SignOptions } from './signing-keys.ts';

export interface FakeWorkosOptions {
  readonly clientId?: string;
  readonly apiKey?: string;
  /** Organization id → user id → role slugs of an active membership. */
  readonly organizations?: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
  /** Path of the authorization server's URL. */
  readonly path?: string;
  readonly port?: number;
  /** Unix milliseconds: for `iat` and `exp` of tokens. */
  readonly now?: () => number;
}

export interface FakeMembership {
  readonly roles: readonly string[];
  readonly status?: 'active' | 'inactive' | 'pending';
}

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
}

interface Row extends FakeMembership {
  readonly user: string;
  readonly organization: string;
}

export async function startFakeWorkos(options: FakeWorkosOptions = {}): Promise<FakeWorkos> {
  const { clientId = 'client_01TEST', apiKey = 'sk_test_workos', path = '/auth/v1', now = Date.now } = options;
  const keys = await createSigningKeys('RS256');
  const rows = new Map<string, Row>();
  const setMembership: FakeWorkos['setMembership'] = (user, organization, membership) => {
    const key = `${user} ${organization}`;
    if (membership) rows.set(key, { user, organization, ...membership });
    else rows.delete(key);
  };
  for (const [organization, users] of Object.entries(options.organizations ?? {})) {
    for (const [user, roles] of Object.entries(users)) setMembership(user, organization, { roles });
  }

  let issuer = '';
  let filtersIgnored = false;
  const server = await startFakeServer({
    port: options.port,
    answer(request) {
      if (request.path === `${path}/oauth2/jwks` || request.path === `/sso/jwks/${clientId}`) {
        return { status: 200, body: keys.jwks() };
      }
      if (request.path === `${path}/.well-known/oauth-authorization-server`) {
        return { status: 200, body: metadataOf(issuer) };
      }
      if (request.path !== '/user_management/organization_memberships') return undefined;
      if (request.headers.authorization !== `Bearer ${apiKey}`) return unauthorized;
      return { status: 200, body: listMemberships([...rows.values()], filtersIgnored ? undefined : request) };
    },
  });
  issuer = `${server.url}${path}`;
  const sessionIssuer = `${server.url}/user_management/${clientId}`;
  const timed = () => {
    const iat = Math.floor(now() / 1000);
    return { iat, exp: iat + 300, jti: `jti_${crypto.randomUUID()}`, sid: 'session_01TEST', sub: 'user_1' };
  };

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
    signSessionToken: (claims, sign) => keys.sign({ iss: sessionIssuer, ...timed(), ...claims }, sign),
    setMembership,
    ignoreFilters(ignored) {
      filtersIgnored = ignored;
    },
  };
}

const unauthorized: FakeReply = { status: 401, body: { message: 'Unauthorized' } };

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

function listMemberships(rows: readonly Row[], request: RecordedRequest | undefined) {
  const query = request?.query ?? new URLSearchParams();
  const user = query.get('user_id');
  const organization = query.get('organization_id');
  const statuses = query.getAll('statuses').flatMap((value) => value.split(','));
  const found = rows
    .filter((row) => user === null || row.user === user)
    .filter((row) => organization === null || row.organization === organization)
    .filter((row) => statuses.length === 0 || statuses.includes(row.status ?? 'active'))
    .slice(0, Number(query.get('limit') ?? 10));
  return { object: 'list', data: found.map(asMembership), list_metadata: { before: null, after: null } };
}

function asMembership({ user, organization, roles, status = 'active' }: Row) {
  const [first = 'member'] = roles;
  return {
    object: 'organization_membership',
    id: `om_${user}_${organization}`,
    user_id: user,
    organization_id: organization,
    organization_name: organization,
    status,
    role: { slug: first },
    roles: (roles.length > 0 ? roles : [first]).map((slug) => ({ slug })),
    directory_managed: false,
    custom_attributes: {},
    created_at: '2026-01-01T00:00:00.000Z',
    updated_at: '2026-01-01T00:00:00.000Z',
  };
}
