/**
 * GitHub without GitHub: web flow and the API calls that say who somebody is, as docs.github.com has them: errors of the
 * token endpoint with status 200, lists in pages with `Link`, organizations that are closed to an application.
 */
import { createHash } from 'node:crypto';
import { type FakeReply, type FakeServer, type RecordedRequest, startFakeServer } from './fake-server.ts';

export interface FakeGithubUser {
  readonly id: number;
  readonly login: string;
  readonly name?: string | null;
  readonly emails?: readonly { readonly email: string; readonly primary?: boolean; readonly verified?: boolean }[];
  /** Organization → state of the membership. */
  readonly organizations?: Readonly<Record<string, 'active' | 'pending'>>;
  /** `organization/slug`. */
  readonly teams?: readonly string[];
}

export interface FakeGithubOptions {
  readonly port?: number;
  /** Client id → secret. */
  readonly apps?: Readonly<Record<string, string>>;
  readonly user?: FakeGithubUser;
  /** Below this path are the pages and, under api/v3, the API: a GitHub Enterprise Server behind a path. */
  readonly path?: string;
}

export interface FakeGithub extends FakeServer {
  readonly clientId: string;
  readonly clientSecret: string;
  /** Of the pages; the API is at `${baseUrl}/api/v3`. */
  readonly baseUrl: string;
  /** What the product's environment needs, besides egress to 127.0.0.1. */
  readonly env: Readonly<Record<string, string>>;
  /** Every token that was given out. */
  issued(): readonly string[];
  /** From now on they are who signs in. */
  setUser(user: FakeGithubUser): void;
  /** From now on sign-in comes back with this error; undefined: approved again. */
  deny(error: string | undefined): void;
  /** From now on the token endpoint answers 200 with this error; undefined: well again. */
  failToken(error: string | undefined): void;
  /** `hidden`: lists answer 403. `limited`: 403 of the rate limit. `partial`: single sign-on hides a part of them. */
  closeLists(how: 'hidden' | 'limited' | 'partial' | undefined): void;
  /** What a browser does with an authorization URL: the URL that it is sent back to. */
  visit(authorizationUrl: string): Promise<URL>;
}

const octocat: FakeGithubUser = {
  id: 583231,
  login: 'octocat',
  name: 'monalisa octocat',
  emails: [
    { email: 'octocat@users.noreply.github.com', verified: true },
    { email: 'octocat@github.com', primary: true, verified: true },
  ],
};

interface Token {
  readonly user: FakeGithubUser;
  readonly scopes: readonly string[];
}

interface State {
  user: FakeGithubUser;
  denial: string | undefined;
  tokenError: string | undefined;
  lists: 'hidden' | 'limited' | 'partial' | undefined;
  readonly codes: Map<string, Token & { readonly query: URLSearchParams }>;
  readonly tokens: Map<string, Token>;
  readonly apps: Readonly<Record<string, string>>;
}

export async function startFakeGithub(options: FakeGithubOptions = {}): Promise<FakeGithub> {
  const { path = '', apps = { 'Iv1.test': 'github-secret' } } = options;
  const [[clientId, clientSecret] = ['', '']] = Object.entries(apps);
  const state: State = {
    user: options.user ?? octocat,
    denial: undefined,
    tokenError: undefined,
    lists: undefined,
    codes: new Map(),
    tokens: new Map(),
    apps,
  };
  const server = await startFakeServer({
    port: options.port,
    answer(request) {
      if (request.path === `${path}/login/oauth/authorize`) return authorize(request, state);
      if (request.path === `${path}/login/oauth/access_token`) return redeem(request, state);
      const origin = `http://${request.headers.host}`;
      // The egress of a test may lead api.github.com here, where the API has no prefix.
      if (request.headers.host?.startsWith('api.')) return answerApi(request, { state, path: request.path, origin });
      if (!request.path.startsWith(`${path}/api/v3/`)) return undefined;
      return answerApi(request, { state, path: request.path.slice(path.length + '/api/v3'.length), origin });
    },
  });
  const baseUrl = `${server.url}${path}`;
  return {
    ...server,
    clientId,
    clientSecret,
    baseUrl,
    env: { GITHUB_CLIENT_ID: clientId, GITHUB_CLIENT_SECRET: clientSecret, GITHUB_BASE_URL: baseUrl },
    issued: () => [...state.tokens.keys()],
    setUser(user) {
      state.user = user;
    },
    deny(error) {
      state.denial = error;
    },
    failToken(error) {
      state.tokenError = error;
    },
    closeLists(how) {
      state.lists = how;
    },
    async visit(authorizationUrl) {
      const { pathname, search } = new URL(authorizationUrl);
      const response = await fetch(`${server.url}${pathname}${search}`, { redirect: 'manual' });
      const location = response.headers.get('location');
      if (location === null) throw new Error(`no redirect: ${response.status}`);
      return new URL(location);
    },
  };
}

function authorize({ query }: RecordedRequest, state: State): FakeReply {
  const redirect = query.get('redirect_uri');
  if (state.apps[query.get('client_id') ?? ''] === undefined || redirect === null) return notFound;
  const target = new URL(redirect);
  if (state.denial !== undefined) {
    target.searchParams.set('error', state.denial);
    target.searchParams.set('error_description', 'The user has denied your application access.');
  } else {
    const code = crypto.randomUUID().replaceAll('-', '').slice(0, 20);
    const scopes = (query.get('scope') ?? '').split(/[ ,]+/).filter(Boolean);
    state.codes.set(code, { user: state.user, scopes, query });
    target.searchParams.set('code', code);
  }
  target.searchParams.set('state', query.get('state') ?? '');
  return { status: 302, body: null, headers: { location: target.href } };
}

const tokenError = (error: string): FakeReply => ({
  status: 200,
  body: { error, error_description: 'See the documents.', error_uri: `https://docs.github.com/apps#${error}` },
});

function redeem({ body }: RecordedRequest, state: State): FakeReply {
  const form = new URLSearchParams(body);
  if (state.tokenError !== undefined) return tokenError(state.tokenError);
  const clientId = form.get('client_id') ?? '';
  if (state.apps[clientId] === undefined || state.apps[clientId] !== form.get('client_secret')) {
    return tokenError('incorrect_client_credentials');
  }
  const code = form.get('code') ?? '';
  const pending = state.codes.get(code);
  state.codes.delete(code);
  const challenge = createHash('sha256')
    .update(form.get('code_verifier') ?? '')
    .digest('base64url');
  if (pending?.query.get('client_id') !== clientId) return tokenError('bad_verification_code');
  if (pending.query.get('code_challenge') !== challenge) return tokenError('bad_verification_code');
  if (form.get('redirect_uri') !== pending.query.get('redirect_uri')) return tokenError('redirect_uri_mismatch');
  const token = `gho_${crypto.randomUUID().replaceAll('-', '')}`;
  state.tokens.set(token, pending);
  return { status: 200, body: { access_token: token, token_type: 'bearer', scope: pending.scopes.join(',') } };
}

const message = (status: number, text: string, headers: Readonly<Record<string, string>> = {}): FakeReply => ({
  status,
  body: { message: text, documentation_url: 'https://docs.github.com/rest', status: String(status) },
  headers,
});
const notFound = message(404, 'Not Found');

interface ApiContext {
  readonly state: State;
  readonly path: string;
  readonly origin: string;
}

function answerApi(request: RecordedRequest, context: ApiContext): FakeReply {
  const { state, path } = context;
  const token = state.tokens.get(request.headers.authorization?.replace(/^(Bearer|token) /, '') ?? '');
  if (request.headers['user-agent'] === undefined) return message(403, 'Request forbidden by administrative rules.');
  if (!token) return message(401, 'Bad credentials');
  const { user, scopes } = token;
  const inOrganizations = scopes.includes('read:org');
  if (path === '/user') return { status: 200, body: asUser(user) };
  if (path === '/user/emails') {
    return scopes.includes('user:email') ? paged(request, context, (user.emails ?? []).map(asEmail)) : notFound;
  }
  if (path !== '/user/memberships/orgs' && path !== '/user/teams') return notFound;
  if (!inOrganizations) return message(403, 'You need at least read:org scope.');
  if (state.lists === 'hidden')
    return message(
      403,
      'Although you appear to have the correct authorization credentials, the organization has enabled OAuth App access restrictions.',
    );
  if (state.lists === 'limited') {
    return message(403, 'API rate limit exceeded for user ID 1.', { 'x-ratelimit-remaining': '0' });
  }
  if (path === '/user/teams') return paged(request, context, (user.teams ?? []).map(asTeam));
  const wanted = request.query.get('state');
  const rows = Object.entries(user.organizations ?? {}).filter(([, status]) => wanted === null || wanted === status);
  return paged(
    request,
    context,
    rows.map(([login, status]) => asMembership(user, login, status)),
  );
}

/** The documents' shape: `Link: <…?page=2>; rel="next", <…?page=7>; rel="last"`. */
function paged({ query, path }: RecordedRequest, { state, origin }: ApiContext, rows: readonly object[]): FakeReply {
  const size = Math.min(Number(query.get('per_page') ?? 30), 100);
  const page = Number(query.get('page') ?? 1);
  const last = Math.ceil(rows.length / size);
  const link = (to: number, rel: string) => {
    const target = new URL(path, origin);
    target.search = query.toString();
    target.searchParams.set('page', String(to));
    return `<${target.href}>; rel="${rel}"`;
  };
  return {
    status: 200,
    body: rows.slice((page - 1) * size, page * size),
    headers: {
      ...(page > 1 && { link: link(page - 1, 'prev') }),
      ...(page < last && { link: `${link(page + 1, 'next')}, ${link(last, 'last')}` }),
      ...(state.lists === 'partial' && { 'x-github-sso': 'partial-results; organizations=21955855,20582480' }),
    },
  };
}

const asUser = ({ id, login, name = null }: FakeGithubUser) => ({
  login,
  id,
  node_id: 'MDQ6VXNlcjE=',
  type: 'User',
  site_admin: false,
  name,
  company: null,
  // Public profile only: null for most.
  email: null,
  two_factor_authentication: true,
  created_at: '2008-01-14T04:33:35Z',
});

const asEmail = ({
  email,
  primary = false,
  verified = false,
}: {
  readonly email: string;
  readonly primary?: boolean;
  readonly verified?: boolean;
}) => ({
  email,
  primary,
  verified,
  visibility: primary ? 'private' : null,
});

const asMembership = ({ id, login: name }: FakeGithubUser, login: string, state: string) => ({
  url: `https://api.github.com/orgs/${login}/memberships/${name}`,
  state,
  role: 'member',
  organization_url: `https://api.github.com/orgs/${login}`,
  organization: { login, id: 1, node_id: 'MDEyOk9yZ2FuaXphdGlvbjE=' },
  user: { login: name, id },
});

function asTeam(name: string) {
  const [organization = '', slug = ''] = name.split('/');
  return {
    id: 1,
    node_id: 'MDQ6VGVhbTE=',
    name: slug.toUpperCase(),
    slug,
    privacy: 'closed',
    permission: 'admin',
    parent: null,
    organization: { login: organization, id: 1 },
  };
}
