/**
 * Clerk without Clerk: Backend API and Frontend API (keys, metadata, OAuth) on one loopback port. Payloads as Clerk
 * documents them; its own SDK runs against it. Every answer's type is exactly `application/json`: the SDK reads no other.
 */
import {
  answerClerkApi,
  type ClerkApiState,
  type ClerkMembership,
  type ClerkOauthToken,
  type ClerkUser,
} from './fake-clerk-api.ts';
import { answerClerkOauth, type ClerkOauthState } from './fake-clerk-oauth.ts';
import { type FakeServer, startFakeServer } from './fake-server.ts';
import { type Claims, createSigningKeys, type SigningKeys, type SignOptions } from './signing-keys.ts';

export interface FakeClerkOptions {
  /** Organization id → user id → role, with its prefix. */
  readonly organizations?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly port?: number;
  /** What it calls itself, where a host map leads here; default: its own address. */
  readonly origin?: string;
  /** Unix milliseconds: for times in tokens. */
  readonly now?: () => number;
}

/** What a session token has been asked to say of the active organization. */
export interface SessionOrganization {
  readonly id: string;
  readonly slug?: string;
  /** Without its prefix. */
  readonly role: string;
}

export interface FakeClerk extends FakeServer {
  readonly secretKey: string;
  readonly publishableKey: string;
  /** Address of the Frontend API, and `iss` of its tokens. */
  readonly issuer: string;
  /** The OAuth application. */
  readonly clientId: string;
  readonly clientSecret: string;
  readonly keys: SigningKeys;
  /** A session token of version 2: user_1 at https://app.test, a minute; claims given here win, undefined removes one. */
  signSession(claims?: Claims, options?: SignOptions): Promise<string>;
  /** The same, as version 1 has it. */
  signSessionV1(organization?: SessionOrganization, claims?: Claims): Promise<string>;
  /** An OAuth access token as a JWT: user_1, a day. */
  signOauth(claims?: Claims, options?: SignOptions): Promise<string>;
  /** An opaque OAuth access token. */
  giveOpaque(token?: Partial<ClerkOauthToken>): string;
  /** Replaces what Clerk knows of an opaque token. */
  setOpaque(text: string, changes: Partial<ClerkOauthToken>): void;
  setUser(user: ClerkUser): void;
  /** Undefined ends it. */
  setMembership(user: string, organization: string, role: string | undefined): void;
  ignoreFilters(ignored: boolean): void;
  /** Who signs in from now on; undefined: whoever comes says no. Default: user_1. */
  setVisitor(user: string | undefined): void;
  /** Claims of the next ID tokens that are not as they should be; undefined: as they should be. */
  changeIdToken(claims: Claims | undefined): void;
  /** ID tokens are signed by somebody else, under the real key id. */
  useForeignKey(used: boolean): void;
  /** Every code and token given out at sign-in. */
  readonly issued: readonly string[];
}

export async function startFakeClerk(options: FakeClerkOptions = {}): Promise<FakeClerk> {
  const { now = Date.now } = options;
  const [keys, foreignKeys] = [await createSigningKeys('RS256'), await createSigningKeys('RS256')];
  const secretKey = 'sk_test_clerk_of_the_tests';
  const users = new Map<string, ClerkUser>();
  const rows = new Map<string, ClerkMembership>();
  const oauthTokens = new Map<string, ClerkOauthToken>();
  let issuer = '';
  let foreign = false;

  const api: ClerkApiState = {
    secretKey,
    users,
    memberships: () => [...rows.values()],
    oauthTokens,
    jwks: () => keys.jwks(),
    now,
    filtersIgnored: false,
  };
  const oauth: ClerkOauthState = {
    issuer: () => issuer,
    clientId: 'oauthClient01TEST',
    clientSecret: 'oauth_secret_of_the_tests',
    users,
    oauthTokens,
    visitor: 'user_1',
    codes: new Map(),
    idTokenChanges: {},
    signIdToken: (claims) => (foreign ? foreignKeys : keys).sign(claims, { header: { kid: keys.jwks().keys[0]?.kid } }),
    now,
    issued: [],
  };
  const setUser = (user: ClerkUser) => void users.set(user.id, user);
  const setMembership: FakeClerk['setMembership'] = (user, organization, role) => {
    if (!users.has(user)) setUser({ id: user, email: `${user}@example.com` });
    if (role === undefined) rows.delete(`${user} ${organization}`);
    else rows.set(`${user} ${organization}`, { user, organization, role });
  };
  setUser({ id: 'user_1', email: 'user_1@example.com', firstName: 'User', lastName: 'One', username: 'one' });
  for (const [organization, people] of Object.entries(options.organizations ?? {})) {
    for (const [user, role] of Object.entries(people)) setMembership(user, organization, role);
  }

  const server = await startFakeServer({
    port: options.port,
    answer(request) {
      if (request.path === '/.well-known/jwks.json') return { status: 200, body: keys.jwks() };
      return answerClerkApi(request, api) ?? answerClerkOauth(request, oauth);
    },
  });
  issuer = options.origin ?? server.url;
  const seconds = () => Math.floor(now() / 1000);
  const session = () => ({
    iss: issuer,
    sub: 'user_1',
    sid: 'sess_01TEST',
    azp: 'https://app.test',
    iat: seconds(),
    nbf: seconds() - 10,
    exp: seconds() + 60,
    jti: crypto.randomUUID(),
    fva: [0, -1],
    sts: 'active',
  });
  const setOpaque: FakeClerk['setOpaque'] = (text, changes) => {
    const { clientId } = oauth;
    const fresh = { user: 'user_1', clientId, scopes: ['openid', 'email'], expiration: now() + 86_400_000 };
    oauthTokens.set(text, { ...fresh, ...oauthTokens.get(text), ...changes });
  };

  return {
    ...server,
    secretKey,
    publishableKey: `pk_test_${Buffer.from(`${new URL(issuer).host}$`).toString('base64')}`,
    issuer,
    clientId: oauth.clientId,
    clientSecret: oauth.clientSecret,
    keys,
    signSession: (claims, sign) => keys.sign({ v: 2, pla: 'o:free', fea: '', ...session(), ...claims }, sign),
    signSessionV1(organization, claims) {
      const { id, role, slug } = organization ?? {};
      const named = id !== undefined && { org_id: id, org_slug: slug, org_role: `org:${role}`, org_permissions: [] };
      return keys.sign({ ...session(), sts: undefined, ...named, ...claims });
    },
    signOauth(claims, sign) {
      const times = { iat: seconds(), nbf: seconds() - 10, exp: seconds() + 86_400 };
      const fields = { iss: issuer, sub: 'user_1', client_id: oauth.clientId, scope: 'openid email', ...times };
      const header = { typ: 'at+jwt', ...sign?.header };
      return keys.sign({ ...fields, jti: `oat_${crypto.randomUUID()}`, ...claims }, { header });
    },
    giveOpaque(token = {}) {
      const text = `oat_${crypto.randomUUID().replaceAll('-', '')}`;
      setOpaque(text, token);
      return text;
    },
    setOpaque,
    setUser,
    setMembership,
    ignoreFilters(ignored) {
      api.filtersIgnored = ignored;
    },
    setVisitor(user) {
      oauth.visitor = user;
    },
    changeIdToken(claims) {
      oauth.idTokenChanges = claims ?? {};
    },
    useForeignKey(used) {
      foreign = used;
    },
    issued: oauth.issued,
  };
}
