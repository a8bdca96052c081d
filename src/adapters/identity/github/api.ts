import { z } from 'zod';
import type { IdentityDeps } from '#adapters/identity/identity.ts';
import { joinPath } from '#adapters/identity/issuer-url.ts';
import { GatehouseError } from '#core/error.ts';
import { discard, readJson } from '#http/egress-body.ts';

export interface GithubApiSettings {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly baseUrl: string;
  readonly apiUrl?: string | undefined;
}

export interface GithubUser {
  /** Stays when the login name changes. */
  readonly id: number;
  readonly login: string;
  readonly name?: string | null | undefined;
}

/** What sign-in needs of GitHub. Everything throws `identity_unavailable`, and what the egress throws. */
export interface GithubApi {
  /** The access token for a code. Throws `invalid_token` for a code that is wrong, used or too old, `sign_in_denied`. */
  redeem(grant: { readonly code: string; readonly redirectUri: string; readonly verifier: string }): Promise<string>;
  getUser(token: string): Promise<GithubUser>;
  /** The primary address, if it is verified. */
  findEmail(token: string): Promise<string | undefined>;
  /** Organizations with an active membership, and teams as `organization/slug`; without those that are closed to us. */
  listGroups(token: string): Promise<readonly string[]>;
}

const timeoutMs = 3000;
const maxBytes = 512 * 1024;
/** Of 100 entries. */
const maxPages = 20;

const tokenAnswer = z.looseObject({ access_token: z.string().min(1).optional(), error: z.string().optional() });
const user = z.looseObject({ id: z.int().positive(), login: z.string().min(1), name: z.string().nullish() });
const emails = z.array(z.looseObject({ email: z.string(), primary: z.boolean(), verified: z.boolean() }));
const memberships = z.array(
  z.looseObject({ state: z.string(), organization: z.looseObject({ login: z.string().min(1) }) }),
);
const teams = z.array(
  z.looseObject({ slug: z.string().min(1), organization: z.looseObject({ login: z.string().min(1) }) }),
);

export function openGithubApi(settings: GithubApiSettings, deps: IdentityDeps): GithubApi {
  const apiUrl = settings.apiUrl ?? apiUrlOf(settings.baseUrl);
  const list = <T>(path: string, token: string, schema: z.ZodType<readonly T[]>) =>
    listAll(joinPath(apiUrl, path), token, { schema, deps });
  return {
    redeem: (grant) => redeem(grant, settings, deps),
    async getUser(token) {
      const response = await ask(joinPath(apiUrl, '/user'), token, deps);
      if (response.status !== 200) throw await unexpected(response);
      return user.parse(await readJson(response, maxBytes));
    },
    async findEmail(token) {
      const found = await list('/user/emails?per_page=100', token, emails);
      return found.find(({ primary, verified }) => primary && verified)?.email;
    },
    async listGroups(token) {
      const [organizations, mine] = await Promise.all([
        list('/user/memberships/orgs?state=active&per_page=100', token, memberships),
        list('/user/teams?per_page=100', token, teams),
      ]);
      const active = organizations
        .filter(({ state }) => state === 'active')
        .map(({ organization }) => organization.login);
      return [...new Set([...active, ...mine.map(({ slug, organization }) => `${organization.login}/${slug}`)])];
    },
  };
}

/** docs.github.com: api.github.com, api.SUBDOMAIN.ghe.com, HOST/api/v3. */
function apiUrlOf(baseUrl: string): string {
  const { hostname, origin } = new URL(baseUrl);
  if (hostname === 'github.com') return 'https://api.github.com';
  return hostname.endsWith('.ghe.com') ? `https://api.${hostname}` : `${origin}/api/v3`;
}

async function redeem(
  { code, redirectUri, verifier }: Parameters<GithubApi['redeem']>[0],
  { baseUrl, clientId, clientSecret }: GithubApiSettings,
  { fetch }: IdentityDeps,
): Promise<string> {
  const form = { client_id: clientId, client_secret: clientSecret, code, redirect_uri: redirectUri };
  const response = await fetch(joinPath(baseUrl, '/login/oauth/access_token'), {
    method: 'POST',
    headers: { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ ...form, code_verifier: verifier }).toString(),
    signal: AbortSignal.timeout(timeoutMs),
  });
  if (response.status !== 200) throw await unexpected(response);
  // Errors come with status 200, too.
  const { access_token: token, error } = tokenAnswer.parse(await readJson(response, maxBytes));
  if (token !== undefined && error === undefined) return token;
  const cause = new Error(`GitHub answered ${error ?? 'without a token'}`);
  if (error === 'bad_verification_code') throw new GatehouseError('invalid_token', { cause });
  if (error === 'unverified_user_email') {
    throw new GatehouseError('sign_in_denied', {
      message: 'The e-mail address of this GitHub account is not verified',
      cause,
    });
  }
  throw new GatehouseError('identity_unavailable', { cause });
}

function ask(url: string, token: string, { fetch }: IdentityDeps): Promise<Response> {
  return fetch(url, {
    headers: {
      accept: 'application/vnd.github+json',
      authorization: `Bearer ${token}`,
      'x-github-api-version': '2022-11-28',
    },
    signal: AbortSignal.timeout(timeoutMs),
  });
}

interface Listing<T> {
  readonly schema: z.ZodType<readonly T[]>;
  readonly deps: IdentityDeps;
}

/** All pages. What GitHub won't show to this application (403, 404) is logged and counts as not there. */
async function listAll<T>(first: string, token: string, { schema, deps }: Listing<T>): Promise<readonly T[]> {
  const found: T[] = [];
  let next: string | undefined = first;
  for (let page = 0; next !== undefined && page < maxPages; page++) {
    const response: Response = await ask(next, token, deps);
    const closed = response.headers.get('x-github-sso');
    const path = new URL(first).pathname;
    if (closed !== null) deps.log.warn({ path, sso: closed }, 'GitHub hides what needs single sign-on first');
    if (response.status === 404 || (response.status === 403 && !isRateLimited(response))) {
      await discard(response);
      deps.log.warn(
        { path, status: response.status },
        'GitHub does not show this to the application: taken as nothing',
      );
      return found;
    }
    if (response.status !== 200) throw await unexpected(response);
    found.push(...schema.parse(await readJson(response, maxBytes)));
    next = nextPage(response.headers.get('link'), first);
  }
  if (next !== undefined)
    deps.log.warn({ path: new URL(first).pathname, maxPages }, 'GitHub has more pages than are read');
  return found;
}

/** docs.github.com, "rate limits": 403 or 429, with nothing remaining or a time to wait. */
const isRateLimited = ({ headers }: Response) =>
  headers.get('x-ratelimit-remaining') === '0' || headers.has('retry-after');

/** RFC 8288. The token goes to no other origin, whatever the link says. */
function nextPage(link: string | null, first: string): string | undefined {
  const target = link?.match(/<([^>]+)>\s*;[^,]*\brel="?next"?/)?.[1];
  if (target === undefined) return undefined;
  const url = new URL(target, first);
  return url.origin === new URL(first).origin ? url.href : undefined;
}

async function unexpected(response: Response): Promise<GatehouseError> {
  await discard(response);
  return new GatehouseError('identity_unavailable', { cause: new Error(`GitHub answered ${response.status}`) });
}
