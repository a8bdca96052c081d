/** Clerk's Backend API as its SDK reads it: users, organizations, memberships by offset, keys, OAuth access tokens. */
import { type FakeReply, fieldsOf, type RecordedRequest } from './fake-server.ts';

export interface ClerkUser {
  readonly id: string;
  readonly email: string;
  readonly emailVerified?: boolean;
  readonly firstName?: string | null;
  readonly lastName?: string | null;
  readonly username?: string | null;
}

export interface ClerkMembership {
  readonly user: string;
  readonly organization: string;
  /** With its prefix: `org:admin`. */
  readonly role: string;
}

export interface ClerkOauthToken {
  readonly user: string;
  readonly clientId: string;
  readonly scopes: readonly string[];
  readonly audience?: readonly string[];
  /** Unix milliseconds; null: never. */
  readonly expiration: number | null;
  readonly revoked?: boolean;
}

export interface ClerkApiState {
  readonly secretKey: string;
  readonly users: Map<string, ClerkUser>;
  readonly memberships: () => readonly ClerkMembership[];
  readonly oauthTokens: Map<string, ClerkOauthToken>;
  readonly jwks: () => unknown;
  readonly now: () => number;
  /** Lists ignore whose memberships were asked for. */
  filtersIgnored: boolean;
}

const time = Date.UTC(2026, 0, 1);
const stamps = { created_at: time, updated_at: time };
const json = (status: number, body: unknown): FakeReply => ({ status, body });

function failure(status: number, code: string, message: string): FakeReply {
  const errors = [{ message, long_message: message, code, meta: {} }];
  return json(status, { errors, clerk_trace_id: '0123456789abcdef0123456789abcdef' });
}

const notFound = () => failure(404, 'resource_not_found', 'Resource not found');

/** Undefined for what isn't part of the API. */
export function answerClerkApi(request: RecordedRequest, state: ClerkApiState): FakeReply | undefined {
  const { path, headers, query, method } = request;
  const verifies = /^(?:\/v1)?\/oauth_applications\/access_tokens\/verify$/.test(path);
  if (!path.startsWith('/v1/') && !verifies) return undefined;
  if (headers.authorization !== `Bearer ${state.secretKey}`) {
    return failure(401, 'clerk_key_invalid', 'The provided Clerk Secret Key is invalid.');
  }
  const [noun, id, of, ...more] = path.slice('/v1/'.length).split('/').map(decodeURIComponent);
  const place = [noun, of, ...more].filter((step) => step !== undefined).join('/');
  if (path === '/v1/jwks') return json(200, state.jwks());
  if (verifies) return method === 'POST' ? verifyToken(request, state) : notFound();
  if (place === 'users') return id === undefined ? listUsers(query, state) : getUser(id, state);
  if (place === 'organizations') return id === undefined ? listOrganizations(query, state) : getOrganization(id, state);
  const all = state.memberships();
  if (place === 'users/organization_memberships') {
    if (!state.users.has(id ?? '')) return notFound();
    return page(all.filter(({ user }) => state.filtersIgnored || user === id).map(asMembership(state)), query);
  }
  if (place === 'organizations/memberships') {
    return page(all.filter(({ organization }) => organization === id).map(asMembership(state)), query);
  }
  return notFound();
}

function verifyToken(request: RecordedRequest, { oauthTokens, now }: ClerkApiState): FakeReply {
  const { access_token: text = '' } = fieldsOf(request);
  const token = oauthTokens.get(text);
  if (!token) return failure(404, 'resource_not_found', 'OAuth access token not found');
  return json(200, {
    object: 'clerk_idp_oauth_access_token',
    id: `oat_${text.slice(4, 12)}`,
    client_id: token.clientId,
    type: 'oauth_token',
    subject: token.user,
    scopes: token.scopes,
    revoked: token.revoked ?? false,
    revocation_reason: token.revoked ? 'Revoked by user' : null,
    expired: token.expiration !== null && token.expiration <= now(),
    expiration: token.expiration,
    ...(token.audience && { aud: token.audience }),
    ...stamps,
  });
}

function asUser({ id, email, emailVerified = true, firstName = null, lastName = null, username = null }: ClerkUser) {
  const address = {
    object: 'email_address',
    id: `idn_${id}`,
    email_address: email,
    verification: {
      object: 'verification_otp',
      status: emailVerified ? 'verified' : 'unverified',
      strategy: 'email_code',
    },
    linked_to: [],
  };
  return {
    object: 'user',
    id,
    username,
    first_name: firstName,
    last_name: lastName,
    image_url: '',
    has_image: false,
    primary_email_address_id: address.id,
    primary_phone_number_id: null,
    primary_web3_wallet_id: null,
    password_enabled: true,
    two_factor_enabled: false,
    totp_enabled: false,
    backup_code_enabled: false,
    email_addresses: [address],
    phone_numbers: [],
    web3_wallets: [],
    external_accounts: [],
    enterprise_accounts: [],
    public_metadata: {},
    private_metadata: {},
    unsafe_metadata: {},
    external_id: null,
    last_sign_in_at: time,
    banned: false,
    locked: false,
    last_active_at: time,
    ...stamps,
  };
}

const asOrganization = (id: string) => ({
  object: 'organization',
  id,
  name: id,
  slug: id.replaceAll('_', '-').toLowerCase(),
  has_image: false,
  max_allowed_memberships: 0,
  admin_delete_enabled: true,
  public_metadata: {},
  private_metadata: {},
  ...stamps,
});

function asMembership({ users }: ClerkApiState) {
  return ({ user, organization, role }: ClerkMembership) => ({
    object: 'organization_membership',
    id: `orgmem_${user}_${organization}`,
    role,
    permissions: [],
    public_metadata: {},
    private_metadata: {},
    organization: asOrganization(organization),
    public_user_data: {
      user_id: user,
      identifier: users.get(user)?.email ?? user,
      first_name: null,
      last_name: null,
      image_url: '',
      has_image: false,
    },
    ...stamps,
  });
}

function getUser(id: string, { users }: ClerkApiState): FakeReply {
  const user = users.get(id);
  return user ? json(200, asUser(user)) : notFound();
}

/** The one list that comes as a plain array. */
function listUsers(query: URLSearchParams, { users }: ClerkApiState): FakeReply {
  const { start, end } = range(query);
  return json(200, [...users.values()].slice(start, end).map(asUser));
}

const organizationIds = ({ memberships }: ClerkApiState) => [
  ...new Set(memberships().map(({ organization }) => organization)),
];

function getOrganization(id: string, state: ClerkApiState): FakeReply {
  return organizationIds(state).includes(id) ? json(200, asOrganization(id)) : notFound();
}

const listOrganizations = (query: URLSearchParams, state: ClerkApiState) =>
  page(organizationIds(state).map(asOrganization), query);

/** 10 entries unless `limit` (1 to 500) says otherwise, from `offset` on. */
function range(query: URLSearchParams): { readonly start: number; readonly end: number } {
  const start = Number(query.get('offset') ?? 0);
  return { start, end: start + Math.min(Number(query.get('limit') ?? 10), 500) };
}

function page(all: readonly unknown[], query: URLSearchParams): FakeReply {
  const { start, end } = range(query);
  return json(200, { data: all.slice(start, end), total_count: all.length });
}
