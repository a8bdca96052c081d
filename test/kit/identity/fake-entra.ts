/**
 * Entra ID without Microsoft: the sign-in host and Graph on one loopback port, with the traps that gateways fell into.
 * The product keeps the real host names; `hostMap` (or `startMicrosoftDoor` for a process) leads them here.
 * Errors are those of Microsoft's reference of AADSTS codes.
 */
import { createHash, randomBytes } from 'node:crypto';
import { type EntraFault, entraFault, faultPage, faultReply, redirectFault } from './fake-entra-faults.ts';
import { answerGraph } from './fake-entra-graph.ts';
import {
  consumersTenant,
  createEntraTokens,
  type EntraTokens,
  type EntraUser,
  graphHost,
  loginHost,
} from './fake-entra-tokens.ts';
import { type FakeReply, type FakeServer, type RecordedRequest, startFakeServer } from './fake-server.ts';
import type { Claims, SigningKeys } from './signing-keys.ts';

export interface FakeEntraOptions {
  /** Directory id → who is in it. Default: one directory with one user. */
  readonly tenants?: Readonly<Record<string, readonly EntraUser[]>>;
  readonly clientId?: string;
  /** Redirect URIs under "Mobile and desktop applications": public client, the port of loopback is ignored. */
  readonly desktop?: readonly string[];
  /** Redirect URIs under "Web": confidential client. */
  readonly web?: readonly string[];
  readonly clientSecret?: string;
  /** Unix milliseconds. */
  readonly now?: () => number;
  /** What `resource` is refused with: since March 2026 the first one, before it the other. */
  readonly resourceFault?: 'AADSTS9010010' | 'AADSTS901002';
  /** Groups in one page of Graph's answer. */
  readonly graphPage?: number;
}

export interface FakeEntra extends FakeServer {
  readonly clientId: string;
  readonly clientSecret: string;
  /** The first directory and its first user: who the tokens below are of unless said. */
  readonly tenant: string;
  readonly user: EntraUser;
  readonly tokens: EntraTokens;
  /** For the product's egress. */
  readonly hostMap: Readonly<Record<string, string>>;
  /** Who sits in front of the browser from now on. */
  signInAs(tenant: string, user: EntraUser): void;
  /** From now on token answers are changed by this before they leave. */
  alterTokens(change: ((body: Record<string, unknown>) => Record<string, unknown>) | undefined): void;
  /** Graph refuses: the application permission was never granted. */
  refuseGraph(refused: boolean): void;
  /** From now on the person in front of the browser says no. */
  deny(denied: boolean): void;
  /** Claims replaced in the ID tokens of the token endpoint from now on, which may be signed with others' keys. */
  changeIdTokens(change: IdTokenChange | undefined): void;
  /** Every token that the token endpoint has given out. */
  readonly issued: readonly string[];
}

interface IdTokenChange {
  readonly claims?: Claims;
  readonly keys?: SigningKeys;
}

interface Grant {
  readonly tenant: string;
  readonly user: EntraUser;
  readonly scope: readonly string[];
  readonly redirectUri: string;
  readonly challenge: string | undefined;
  readonly nonce: string | undefined;
  readonly public: boolean;
}

export const aTenant = '7a1b0d5e-0000-4000-8000-00000000000a';
export const anotherTenant = '7a1b0d5e-0000-4000-8000-00000000000b';
export const ada: EntraUser = {
  oid: '11111111-0000-4000-8000-000000000001',
  upn: 'ada@contoso.example',
  name: 'Ada Lovelace',
  email: 'ada@contoso.example',
};
export const eve: EntraUser = { ...ada, oid: '22222222-0000-4000-8000-000000000002' };
/** In more groups than fit into a token. */
export const busy: EntraUser = {
  ...ada,
  oid: '33333333-0000-4000-8000-000000000003',
  groups: Array.from({ length: 201 }, (_, at) => `93000000-0000-4000-8000-${String(at).padStart(12, '0')}`),
};

interface State {
  readonly options: Required<Pick<FakeEntraOptions, 'desktop' | 'web' | 'clientId' | 'clientSecret'>> &
    FakeEntraOptions;
  readonly tenants: Readonly<Record<string, readonly EntraUser[]>>;
  readonly tokens: EntraTokens;
  readonly codes: Map<string, Grant>;
  readonly refreshTokens: Map<string, Grant>;
  readonly appTokens: Map<string, string>;
  signedIn: { readonly tenant: string; readonly user: EntraUser };
  alter: (body: Record<string, unknown>) => Record<string, unknown>;
  graphRefused: boolean;
  denied: boolean;
  idTokenChange: IdTokenChange;
  readonly issued: string[];
}

export async function startFakeEntra(given: FakeEntraOptions = {}): Promise<FakeEntra> {
  const { clientId = '5c3e0000-0000-4000-8000-0000000000c1', now = Date.now, tenants = { [aTenant]: [ada] } } = given;
  const [[tenant, users] = [aTenant, []]] = Object.entries(tenants);
  const [user = ada] = users;
  const options = {
    desktop: ['http://127.0.0.1/mcp/oauth/callback', 'http://localhost/mcp/oauth/callback'],
    web: [],
    clientSecret: 'entra-client-secret~value',
    ...given,
    clientId,
  };
  const state: State = {
    options,
    tenants,
    tokens: await createEntraTokens({ clientId, now }),
    codes: new Map(),
    refreshTokens: new Map(),
    appTokens: new Map(),
    signedIn: { tenant, user },
    alter: (body) => body,
    graphRefused: false,
    denied: false,
    idTokenChange: {},
    issued: [],
  };
  const server = await startFakeServer({ answer: (request) => answer(state, request) });
  return {
    ...server,
    clientId,
    clientSecret: options.clientSecret,
    tenant,
    user,
    tokens: state.tokens,
    hostMap: { [loginHost]: server.url, [graphHost]: server.url },
    signInAs(at, who) {
      state.signedIn = { tenant: at, user: who };
    },
    alterTokens(change) {
      state.alter = change ?? ((body) => body);
    },
    refuseGraph(refused) {
      state.graphRefused = refused;
    },
    deny(denied) {
      state.denied = denied;
    },
    changeIdTokens(change = {}) {
      state.idTokenChange = change;
    },
    issued: state.issued,
  };
}

async function answer(state: State, request: RecordedRequest): Promise<FakeReply | undefined> {
  const host = request.headers.host?.split(':')[0];
  if (host === graphHost) {
    const { tenants, appTokens, graphRefused, options } = state;
    return answerGraph(request, { tenants, appTokens, refused: graphRefused, page: options.graphPage ?? 1000 });
  }
  const [, authority = '', ...rest] = request.path.split('/');
  const tenant = Object.keys(state.tenants).find((id) => id === authority.toLowerCase());
  const shared = ['common', 'organizations', 'consumers'].includes(authority);
  if (!tenant && !shared) return faultReply(entraFault('AADSTS90002'));
  const what = rest.join('/');
  if (what === 'v2.0/.well-known/openid-configuration') return { status: 200, body: discoveryOf(authority) };
  if (what === 'discovery/v2.0/keys' || what === 'discovery/keys')
    return { status: 200, body: keySet(state, authority) };
  if (what === 'oauth2/v2.0/authorize') return authorize(state, authority, request.query);
  if (what === 'oauth2/v2.0/token' && request.method === 'POST') return redeem(state, authority, request);
  return undefined;
}

function discoveryOf(authority: string) {
  const base = `https://${loginHost}/${authority}`;
  const named = authority === 'consumers' ? consumersTenant : authority;
  const issuer = authority === 'common' || authority === 'organizations' ? '{tenantid}' : named;
  return {
    token_endpoint: `${base}/oauth2/v2.0/token`,
    token_endpoint_auth_methods_supported: ['client_secret_post', 'private_key_jwt', 'client_secret_basic'],
    jwks_uri: `${base}/discovery/v2.0/keys`,
    response_modes_supported: ['query', 'fragment', 'form_post'],
    subject_types_supported: ['pairwise'],
    id_token_signing_alg_values_supported: ['RS256'],
    response_types_supported: ['code', 'id_token', 'code id_token', 'id_token token'],
    scopes_supported: ['openid', 'profile', 'email', 'offline_access'],
    issuer: `https://${loginHost}/${issuer}/v2.0`,
    request_uri_parameter_supported: false,
    userinfo_endpoint: `https://${graphHost}/oidc/userinfo`,
    authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
    device_authorization_endpoint: `${base}/oauth2/v2.0/devicecode`,
    end_session_endpoint: `${base}/oauth2/v2.0/logout`,
    claims_supported: ['sub', 'iss', 'aud', 'exp', 'iat', 'nonce', 'preferred_username', 'name', 'tid', 'ver', 'email'],
    tenant_region_scope: null,
    cloud_instance_name: 'microsoftonline.com',
    msgraph_host: graphHost,
  };
}

function keySet({ tokens }: State, authority: string) {
  const issuer = `https://${loginHost}/${/^[0-9a-f-]{36}$/.test(authority) ? authority : '{tenantid}'}/v2.0`;
  return { keys: tokens.keys.jwks().keys.map((key) => ({ ...key, alg: undefined, x5t: key.kid, issuer })) };
}

/** The scopes asked for, or what Entra says to them: a bare word is taken for one of Graph's. */
function parseScope({ options: { clientId } }: State, text: string | null): readonly string[] | EntraFault {
  const scopes = (text ?? '').split(' ').filter(Boolean);
  if (scopes.length === 0) return entraFault('AADSTS900144', 'scope');
  const known = new Set(['openid', 'profile', 'email', 'offline_access', 'User.Read']);
  const own = (scope: string) => scope.startsWith(`api://${clientId}/`) || scope.startsWith(`${clientId}/`);
  const graph = (scope: string) => scope.startsWith(`https://${graphHost}/`);
  const strange = scopes.find((scope) => !known.has(scope) && !own(scope) && !graph(scope));
  if (strange !== undefined) return entraFault('AADSTS650053', strange);
  return scopes;
}

function authorize(state: State, authority: string, query: URLSearchParams): FakeReply {
  const { options, signedIn } = state;
  const redirectUri = query.get('redirect_uri') ?? '';
  if (query.get('client_id') !== options.clientId) return faultPage(entraFault('AADSTS700016'));
  const platform = platformOf(state, redirectUri);
  if (!platform) return faultPage(entraFault('AADSTS50011', redirectUri));
  const back = (fault: EntraFault) => redirectFault(fault, redirectUri, query.get('state'));
  if (query.has('resource')) return back(entraFault(options.resourceFault ?? 'AADSTS9010010'));
  const prompts = (query.get('prompt') ?? '').split(' ').filter(Boolean);
  if (prompts.length > 1 || query.getAll('prompt').length > 1) return back(entraFault('AADSTS90023'));
  const scope = parseScope(state, query.get('scope'));
  if ('code' in scope) return back(scope);
  if (prompts[0] === 'consent' && !signedIn.user.administrator) return back(entraFault('AADSTS90094'));
  if (query.get('response_type') !== 'code') return back(entraFault('AADSTS700054'));
  if (state.denied) return back(entraFault('AADSTS65004'));
  const { tenant, user } = signedIn;
  const isGuid = /^[0-9a-f-]{36}$/.test(authority);
  if (isGuid ? authority !== tenant : authority === 'organizations' && tenant === consumersTenant) {
    return faultPage(entraFault('AADSTS50020'));
  }
  const code = `1.${randomBytes(300).toString('base64url')}`;
  state.codes.set(code, {
    tenant,
    user,
    scope,
    redirectUri,
    challenge: query.get('code_challenge') ?? undefined,
    nonce: query.get('nonce') ?? undefined,
    public: platform === 'desktop',
  });
  const target = new URL(redirectUri);
  target.searchParams.set('code', code);
  if (query.has('state')) target.searchParams.set('state', query.get('state') ?? '');
  target.searchParams.set('session_state', crypto.randomUUID());
  return { status: 302, body: '', headers: { location: target.href } };
}

/** Loopback under "Mobile and desktop applications" matches without its port (RFC 8252 7.3); all else to the letter. */
function platformOf({ options }: State, redirectUri: string): 'desktop' | 'web' | undefined {
  if (options.web.includes(redirectUri)) return 'web';
  const loopback = /^http:\/\/(localhost|127\.0\.0\.1)(?::\d+)?(\/.*)?$/.exec(redirectUri);
  const bare = loopback ? `http://${loopback[1]}${loopback[2] ?? ''}` : redirectUri;
  return options.desktop.includes(bare) ? 'desktop' : undefined;
}

async function redeem(state: State, authority: string, request: RecordedRequest): Promise<FakeReply> {
  const form = new URLSearchParams(request.body);
  const { clientId, clientSecret } = state.options;
  const [basicId, basicSecret] = basicOf(request);
  if ((form.get('client_id') ?? basicId) !== clientId) return faultReply(entraFault('AADSTS700016'));
  if (form.has('resource')) return faultReply(entraFault(state.options.resourceFault ?? 'AADSTS9010010'));
  const secret = form.get('client_secret') ?? basicSecret;
  if (form.get('grant_type') === 'client_credentials') {
    if (secret !== clientSecret) return faultReply(entraFault('AADSTS7000215'));
    if (form.get('scope') !== `https://${graphHost}/.default`) return faultReply(entraFault('AADSTS1002012'));
    const token = randomBytes(24).toString('base64url');
    state.appTokens.set(token, authority);
    return { status: 200, body: { token_type: 'Bearer', expires_in: 3599, ext_expires_in: 3599, access_token: token } };
  }
  const found = findGrant(state, form);
  if ('code' in found) return faultReply(found);
  if (found.public && secret !== undefined) return faultReply(entraFault('AADSTS700025'));
  if (!found.public && secret === undefined) return faultReply(entraFault('AADSTS7000218'));
  if (!found.public && secret !== clientSecret) return faultReply(entraFault('AADSTS7000215'));
  const scope = form.has('scope') ? parseScope(state, form.get('scope')) : found.scope;
  if ('code' in scope) return faultReply(scope);
  return { status: 200, body: state.alter(await tokenAnswer(state, found, scope)) };
}

function basicOf({ headers }: RecordedRequest): readonly (string | undefined)[] {
  const match = /^Basic (.+)$/.exec(headers.authorization ?? '');
  if (!match) return [];
  return Buffer.from(match[1] ?? '', 'base64')
    .toString()
    .split(':')
    .map(decodeURIComponent);
}

function findGrant(state: State, form: URLSearchParams): Grant | EntraFault {
  if (form.get('grant_type') === 'refresh_token') {
    return state.refreshTokens.get(form.get('refresh_token') ?? '') ?? entraFault('AADSTS70000');
  }
  if (form.get('grant_type') !== 'authorization_code') return entraFault('AADSTS70003');
  const code = form.get('code') ?? '';
  const grant = state.codes.get(code);
  if (!grant) return entraFault('AADSTS54005');
  if (grant.redirectUri !== form.get('redirect_uri')) return entraFault('AADSTS50011', form.get('redirect_uri') ?? '');
  const verifier = form.get('code_verifier') ?? '';
  const hashed = createHash('sha256').update(verifier).digest('base64url');
  if (grant.challenge !== undefined && hashed !== grant.challenge) return entraFault('AADSTS501481');
  state.codes.delete(code);
  return grant;
}

/** An ID token only for `openid`, a refresh token only for `offline_access`; without an own scope all is Graph's. */
async function tokenAnswer(state: State, grant: Grant, scope: readonly string[]): Promise<Record<string, unknown>> {
  const { tenant, user } = grant;
  const { tokens, refreshTokens, issued } = state;
  const own = scope.some((one) => one.includes(state.options.clientId));
  const accessToken = own ? await tokens.accessToken(tenant, user) : await tokens.graphToken(tenant, user);
  const refreshToken = `1.${randomBytes(400).toString('base64url')}`;
  const offline = scope.includes('offline_access');
  if (offline) refreshTokens.set(refreshToken, grant);
  const idToken = scope.includes('openid') ? await idTokenOf(state, grant) : undefined;
  issued.push(accessToken, refreshToken, ...(idToken === undefined ? [] : [idToken]));
  return {
    token_type: 'Bearer',
    scope: own ? scope.join(' ') : 'openid profile email User.Read',
    expires_in: 4823,
    ext_expires_in: 4823,
    access_token: accessToken,
    ...(offline && { refresh_token: refreshToken }),
    ...(idToken !== undefined && { id_token: idToken }),
  };
}

async function idTokenOf({ tokens, idTokenChange }: State, { tenant, user, nonce }: Grant): Promise<string> {
  const { claims, keys } = idTokenChange;
  const token = await tokens.idToken(tenant, user, { nonce, ...claims });
  if (!keys) return token;
  const payload = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
  return keys.sign(payload, { header: { kid: tokens.keys.jwks().keys[0]?.kid } });
}
