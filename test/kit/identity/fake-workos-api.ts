/** WorkOS's API as its reference and its SDK have it: AuthKit sign-in, users, organizations, memberships, lists by cursor. */
import { createHash } from 'node:crypto';
import { type FakeReply, fieldsOf, type RecordedRequest, redirectTo } from './fake-server.ts';

export interface WorkosUser {
  readonly id: string;
  readonly email: string;
  readonly emailVerified?: boolean;
  readonly firstName?: string | null;
  readonly lastName?: string | null;
  /** Set: somebody of the dashboard acts as this user. */
  readonly impersonator?: { readonly email: string; readonly reason: string | null };
}

export interface WorkosMembership {
  readonly user: string;
  readonly organization: string;
  readonly roles: readonly string[];
  readonly status?: 'active' | 'inactive' | 'pending';
}

interface Grant {
  readonly user: WorkosUser;
  readonly organization: string | undefined;
  readonly challenge: string | undefined;
}

export interface WorkosState {
  readonly clientId: string;
  readonly apiKey: string;
  readonly users: Map<string, WorkosUser>;
  readonly memberships: () => readonly WorkosMembership[];
  /** Who signs in next; undefined: whoever comes is turned away. */
  visitor: string | undefined;
  filtersIgnored: boolean;
  readonly codes: Map<string, Grant>;
  readonly refreshTokens: Map<string, Grant>;
  /** A session token (5 minutes, no `aud`). */
  readonly signSession: (claims: Readonly<Record<string, unknown>>) => Promise<string>;
  /** Every token and code given out. */
  readonly issued: string[];
}

const stamp = { created_at: '2026-01-01T00:00:00.000Z', updated_at: '2026-01-01T00:00:00.000Z' };
const json = (status: number, body: unknown): FakeReply => ({ status, body });
const oauthError = (error: string, description: string) => json(400, { error, error_description: description });
const notFound = (id: string) =>
  json(404, { message: `Could not find entity with id ${id}`, code: 'entity_not_found', entity_id: id });
const newId = (prefix: string) => `${prefix}_01${crypto.randomUUID().replaceAll('-', '').slice(0, 24).toUpperCase()}`;

/** Undefined for what isn't part of the API. */
export async function answerWorkosApi(request: RecordedRequest, state: WorkosState): Promise<FakeReply | undefined> {
  const { path, method } = request;
  if (path === '/user_management/authorize') return authorize(request, state);
  if (path === '/user_management/authenticate' && method === 'POST') return authenticate(request, state);
  const [, ...steps] = path.split('/').map(decodeURIComponent);
  const [place, id] = steps[0] === 'user_management' ? steps.slice(1) : steps;
  if (place === undefined || !['users', 'organizations', 'organization_memberships'].includes(place)) return undefined;
  if (request.headers.authorization !== `Bearer ${state.apiKey}`) return json(401, { message: 'Unauthorized' });
  if (place === 'users') return id === undefined ? listUsers(request, state) : getUser(id, state);
  if (place === 'organizations')
    return id === undefined ? listOrganizations(request, state) : getOrganization(id, state);
  return listMemberships(request, state);
}

function authorize({ query }: RecordedRequest, state: WorkosState): FakeReply {
  const redirect = query.get('redirect_uri');
  const chosen = query.get('provider') ?? query.get('connection_id') ?? query.get('organization_id');
  if (query.get('client_id') !== state.clientId) return oauthError('invalid_client', 'Invalid client ID.');
  if (redirect === null || query.get('response_type') !== 'code' || chosen === null) {
    return oauthError('invalid_request', 'redirect_uri, response_type and a connection selector are required.');
  }
  const target = new URL(redirect);
  const back = (fields: Readonly<Record<string, string>>) => {
    for (const [name, value] of Object.entries(fields)) target.searchParams.set(name, value);
    const sent = query.get('state');
    if (sent !== null) target.searchParams.set('state', sent);
    return redirectTo(target.href);
  };
  const user = state.users.get(state.visitor ?? '');
  if (!user) return back({ error: 'access_denied', error_description: 'The user denied the request.' });
  const code = newId('code');
  state.issued.push(code);
  state.codes.set(code, {
    user,
    organization: organizationOf(user.id, query.get('organization_id'), state),
    challenge: query.get('code_challenge') ?? undefined,
  });
  return back({ code });
}

/** The organization that AuthKit signs in to: the one asked for, else the only one. */
function organizationOf(user: string, wanted: string | null, { memberships }: WorkosState): string | undefined {
  const own = memberships().filter((one) => one.user === user && (one.status ?? 'active') === 'active');
  if (wanted !== null) return own.find((one) => one.organization === wanted)?.organization;
  return own.length === 1 ? own[0]?.organization : undefined;
}

async function authenticate(request: RecordedRequest, state: WorkosState): Promise<FakeReply> {
  const fields = fieldsOf(request);
  if (fields.client_id !== state.clientId) return oauthError('invalid_client', 'Invalid client ID.');
  if (fields.client_secret !== undefined && fields.client_secret !== state.apiKey) {
    return oauthError('invalid_client', 'Invalid client secret.');
  }
  const grant = takeGrant(fields, state);
  if (!grant) return oauthError('invalid_grant', 'The code or refresh token has expired or is invalid.');
  const { user, organization } = grant;
  const membership = state.memberships().find((one) => one.user === user.id && one.organization === organization);
  const accessToken = await state.signSession({
    sub: user.id,
    ...(membership && {
      org_id: organization,
      role: membership.roles[0] ?? 'member',
      roles: membership.roles,
      permissions: [],
    }),
    ...(user.impersonator && { act: { sub: user.impersonator.email } }),
  });
  const refreshToken = newId('rt');
  state.issued.push(accessToken, refreshToken);
  state.refreshTokens.set(refreshToken, grant);
  return json(200, {
    user: asUser(user),
    ...(organization !== undefined && { organization_id: organization }),
    access_token: accessToken,
    refresh_token: refreshToken,
    authentication_method: user.impersonator ? 'Impersonation' : 'Password',
    ...(user.impersonator && { impersonator: user.impersonator }),
  });
}

/** Codes and refresh tokens are good once; a code that was asked for with a challenge only with its verifier. */
function takeGrant(fields: Readonly<Record<string, string>>, state: WorkosState): Grant | undefined {
  if (fields.grant_type === 'refresh_token') {
    const grant = state.refreshTokens.get(fields.refresh_token ?? '');
    state.refreshTokens.delete(fields.refresh_token ?? '');
    return fields.client_secret === undefined ? undefined : grant;
  }
  if (fields.grant_type !== 'authorization_code') return undefined;
  const grant = state.codes.get(fields.code ?? '');
  state.codes.delete(fields.code ?? '');
  if (grant?.challenge === undefined) return fields.client_secret === undefined ? undefined : grant;
  const verified = createHash('sha256')
    .update(fields.code_verifier ?? '')
    .digest('base64url');
  return verified === grant.challenge ? grant : undefined;
}

const asUser = ({ id, email, emailVerified = true, firstName = null, lastName = null }: WorkosUser) => ({
  object: 'user',
  id,
  email,
  email_verified: emailVerified,
  first_name: firstName,
  last_name: lastName,
  profile_picture_url: null,
  last_sign_in_at: stamp.updated_at,
  locale: null,
  external_id: null,
  metadata: {},
  ...stamp,
});

const asOrganization = (id: string) => ({
  object: 'organization',
  id,
  name: id,
  allow_profiles_outside_organization: false,
  domains: [],
  external_id: null,
  metadata: {},
  ...stamp,
});

function asMembership({ user, organization, roles, status = 'active' }: WorkosMembership) {
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
    ...stamp,
  };
}

function getUser(id: string, { users }: WorkosState): FakeReply {
  const user = users.get(id);
  return user ? json(200, asUser(user)) : notFound(id);
}

function listUsers({ query }: RecordedRequest, { users }: WorkosState): FakeReply {
  const email = query.get('email');
  const found = [...users.values()].filter((user) => email === null || user.email === email);
  return page(found.map(asUser), query);
}

const organizationIds = ({ memberships }: WorkosState) => [
  ...new Set(memberships().map(({ organization }) => organization)),
];

function getOrganization(id: string, state: WorkosState): FakeReply {
  return organizationIds(state).includes(id) ? json(200, asOrganization(id)) : notFound(id);
}

const listOrganizations = ({ query }: RecordedRequest, state: WorkosState) =>
  page(organizationIds(state).map(asOrganization), query);

function listMemberships({ query }: RecordedRequest, { memberships, filtersIgnored }: WorkosState): FakeReply {
  const [user, organization] = [query.get('user_id'), query.get('organization_id')];
  if (user === null && organization === null) {
    return json(422, { message: 'Validation failed.', errors: [{ code: 'user_id or organization_id is required' }] });
  }
  if (filtersIgnored) return page(memberships().map(asMembership), new URLSearchParams());
  // "By default only active memberships are returned."
  const statuses = query.getAll('statuses').flatMap((value) => value.split(','));
  const wanted = statuses.length > 0 ? statuses : ['active'];
  const found = memberships()
    .filter((one) => user === null || one.user === user)
    .filter((one) => organization === null || one.organization === organization)
    .filter((one) => wanted.includes(one.status ?? 'active'));
  return page(found.map(asMembership), query);
}

/** A list by cursor: `after` and `before` are ids, 10 entries unless `limit` (1 to 100) says otherwise. */
function page(all: readonly { readonly id: string }[], query: URLSearchParams): FakeReply {
  const limit = Number(query.get('limit') ?? 10);
  if (!(limit >= 1 && limit <= 100)) return json(422, { message: 'limit must be between 1 and 100' });
  const after = query.get('after');
  const start = after === null ? 0 : all.findIndex(({ id }) => id === after) + 1;
  const data = all.slice(start, start + limit);
  const more = start + limit < all.length;
  const list_metadata = { before: start > 0 ? data[0]?.id : null, after: more ? data.at(-1)?.id : null };
  return json(200, { object: 'list', data, list_metadata });
}
