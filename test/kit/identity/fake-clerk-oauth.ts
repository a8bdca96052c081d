/** Clerk's Frontend API as an OAuth application sees it: metadata, authorize, token, userinfo. */
import { createHash } from 'node:crypto';
import type { ClerkOauthToken, ClerkUser } from './fake-clerk-api.ts';
import { type FakeReply, fieldsOf, type RecordedRequest, redirectTo } from './fake-server.ts';
import type { Claims } from './signing-keys.ts';

interface Grant {
  readonly user: ClerkUser;
  readonly redirect: string;
  readonly challenge: string | undefined;
  readonly nonce: string | undefined;
  readonly scopes: readonly string[];
}

export interface ClerkOauthState {
  readonly issuer: () => string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly users: Map<string, ClerkUser>;
  readonly oauthTokens: Map<string, ClerkOauthToken>;
  /** Who signs in next; undefined: whoever comes says no. */
  visitor: string | undefined;
  readonly codes: Map<string, Grant>;
  /** Claims that replace those of the next ID tokens. */
  idTokenChanges: Claims;
  readonly signIdToken: (claims: Claims) => Promise<string>;
  readonly now: () => number;
  /** Every token and code given out. */
  readonly issued: string[];
}

const oauthError = (status: number, error: string): FakeReply => ({
  status,
  body: { error, error_description: `The request failed: ${error}` },
});
const random = () => crypto.randomUUID().replaceAll('-', '');

/** Undefined for what isn't part of it. */
export async function answerClerkOauth(
  request: RecordedRequest,
  state: ClerkOauthState,
): Promise<FakeReply | undefined> {
  const { path, method } = request;
  if (path === '/.well-known/oauth-authorization-server' || path === '/.well-known/openid-configuration') {
    return { status: 200, body: metadataOf(state.issuer()) };
  }
  if (path === '/oauth/authorize') return authorize(request, state);
  if (path === '/oauth/token' && method === 'POST') return redeem(request, state);
  if (path === '/oauth/userinfo') return userinfo(request, state);
  return undefined;
}

function metadataOf(issuer: string) {
  return {
    issuer,
    authorization_endpoint: `${issuer}/oauth/authorize`,
    token_endpoint: `${issuer}/oauth/token`,
    userinfo_endpoint: `${issuer}/oauth/userinfo`,
    introspection_endpoint: `${issuer}/oauth/token_info`,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    response_types_supported: ['code'],
    grant_types_supported: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'none'],
    scopes_supported: ['openid', 'profile', 'email', 'public_metadata', 'private_metadata', 'offline_access'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
    claims_supported: ['sub', 'iss', 'aud', 'exp', 'iat', 'email', 'name'],
    service_documentation: 'https://clerk.com/docs',
    code_challenge_methods_supported: ['S256'],
  };
}

function authorize({ query }: RecordedRequest, state: ClerkOauthState): FakeReply {
  const redirect = query.get('redirect_uri');
  if (query.get('client_id') !== state.clientId) return oauthError(401, 'invalid_client');
  if (redirect === null || query.get('response_type') !== 'code') return oauthError(400, 'invalid_request');
  const target = new URL(redirect);
  target.searchParams.set('state', query.get('state') ?? '');
  const user = state.users.get(state.visitor ?? '');
  if (!user) {
    target.searchParams.set('error', 'access_denied');
    return redirectTo(target.href);
  }
  const code = random();
  state.issued.push(code);
  state.codes.set(code, {
    user,
    redirect,
    challenge: query.get('code_challenge') ?? undefined,
    nonce: query.get('nonce') ?? undefined,
    scopes: (query.get('scope') ?? '').split(' '),
  });
  target.searchParams.set('code', code);
  return redirectTo(target.href);
}

async function redeem(request: RecordedRequest, state: ClerkOauthState): Promise<FakeReply> {
  const fields = fieldsOf(request);
  const [scheme, basic = ''] = (request.headers.authorization ?? '').split(' ');
  const [id = fields.client_id, secret = fields.client_secret] =
    scheme?.toLowerCase() === 'basic' ? Buffer.from(basic, 'base64').toString().split(':').map(decodeURIComponent) : [];
  if (id !== state.clientId || secret !== state.clientSecret) return oauthError(401, 'invalid_client');
  const grant = state.codes.get(fields.code ?? '');
  state.codes.delete(fields.code ?? '');
  const verified = createHash('sha256')
    .update(fields.code_verifier ?? '')
    .digest('base64url');
  const fits = grant && grant.redirect === fields.redirect_uri && (grant.challenge ?? verified) === verified;
  if (!fits || fields.grant_type !== 'authorization_code') return oauthError(400, 'invalid_grant');
  return tokensOf(grant, state);
}

async function tokensOf(grant: Grant, state: ClerkOauthState): Promise<FakeReply> {
  const { user, scopes, nonce } = grant;
  const accessToken = `oat_${random()}`;
  const day = 86_400;
  const iat = Math.floor(state.now() / 1000);
  const { clientId } = state;
  state.oauthTokens.set(accessToken, { user: user.id, clientId, scopes, expiration: (iat + day) * 1000 });
  const claims = {
    iss: state.issuer(),
    aud: clientId,
    iat,
    exp: iat + day,
    jti: random(),
    nonce,
    ...personOf(user, scopes),
    ...state.idTokenChanges,
  };
  const idToken = scopes.includes('openid') ? await state.signIdToken(claims) : undefined;
  const refreshToken = random();
  state.issued.push(accessToken, refreshToken, ...(idToken === undefined ? [] : [idToken]));
  return {
    status: 200,
    body: {
      access_token: accessToken,
      expires_in: day,
      id_token: idToken,
      refresh_token: refreshToken,
      scope: scopes.join(' '),
      token_type: 'bearer',
    },
  };
}

function personOf(
  { id, email, emailVerified = true, firstName, lastName, username }: ClerkUser,
  scopes: readonly string[],
) {
  return {
    sub: id,
    ...(scopes.includes('email') && { email, email_verified: emailVerified }),
    ...(scopes.includes('profile') && {
      given_name: firstName ?? '',
      family_name: lastName ?? '',
      name: [firstName, lastName].filter((part) => part).join(' '),
      preferred_username: username ?? '',
      picture: '',
    }),
  };
}

function userinfo({ headers }: RecordedRequest, { oauthTokens, users }: ClerkOauthState): FakeReply {
  const token = oauthTokens.get((headers.authorization ?? '').replace(/^bearer /i, ''));
  const user = users.get(token?.user ?? '');
  if (!token || !user) return oauthError(401, 'invalid_token');
  const body = {
    object: 'oauth_user_info',
    instance_id: 'ins_TEST',
    user_id: user.id,
    ...personOf(user, token.scopes),
  };
  return { status: 200, body };
}
