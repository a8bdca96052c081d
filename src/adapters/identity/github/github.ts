/**
 * GitHub, or a GitHub Enterprise Server: OAuth 2.0 without OpenID Connect, so who signed in is asked of its API. It signs
 * people in only: its own tokens name no audience, and anybody's application can get one (SECURITY B5).
 */
import { createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { commonOf, commonSettings, mapRoles } from '#adapters/identity/common.ts';
import type { IdentityDeps, IdentityProvider, RedirectSignIn, SignedIn } from '#adapters/identity/identity.ts';
import { joinPath } from '#adapters/identity/issuer-url.ts';
import { asSignInError } from '#adapters/identity/sign-in-error.ts';
import type { Adapter } from '#core/adapter.ts';
import { GatehouseError } from '#core/error.ts';
import { type GithubApi, openGithubApi } from './api.ts';

const webUrl = z.url({ protocol: /^https?$/ });
const login = z.string().regex(/^([A-Za-z0-9][A-Za-z0-9_-]*|\*)$/, 'must be a login name');

const config = z
  .strictObject({
    ...commonSettings,
    clientId: z.string().min(1).describe('Of the OAuth app.'),
    clientSecret: z.string().min(1).describe('Of the OAuth app.'),
    baseUrl: webUrl.default('https://github.com').describe('Of a GitHub Enterprise Server, or a subdomain of ghe.com.'),
    apiUrl: webUrl.optional().describe('Default: what follows from `baseUrl`.'),
    allowedUsers: z.array(login).optional().describe('Login names; `["*"]`: everybody with an account.'),
    allowedOrganizations: z.array(login).optional().describe('Active members may sign in, too.'),
    allowedTeams: z
      .array(z.string().regex(/^[^/\s]+\/[^/\s]+$/, 'must be organization/team'))
      .optional()
      .describe('`organization/team-slug`: their members may, too.'),
    groups: z
      .boolean()
      .default(false)
      .describe(
        'Organizations (`acme`) and teams (`acme/platform`) as groups: asks for `read:org`. `roleMapping` implies it.',
      ),
  })
  .superRefine((value, context) => {
    for (const [path, message] of listProblems(value)) context.addIssue({ code: 'custom', path: [path], message });
  });

export type GithubConfig = z.output<typeof config>;

export const githubAdapter = {
  kind: 'github',
  title: 'GitHub',
  config,
  open: openGithub,
} as const satisfies Adapter<'github', typeof config, IdentityDeps, IdentityProvider>;

function listProblems(settings: GithubConfig): readonly (readonly [path: string, message: string])[] {
  const { allowedUsers = [], allowedOrganizations = [], allowedTeams = [], mode } = settings;
  const others = [...allowedOrganizations, ...allowedTeams];
  const claims = (['organizationClaim', 'rolesClaim', 'groupsClaim'] as const).filter((name) => settings[name]);
  return [
    ...claims.map((name) => [name, 'has no meaning for GitHub: use groups and roleMapping'] as const),
    ...(mode !== undefined && mode !== 'broker' ? [['mode', 'must be broker'] as const] : []),
    ...(allowedUsers.length + others.length === 0
      ? [['allowedUsers', 'admits nobody: name users, organizations or teams, or "*" for everybody'] as const]
      : []),
    ...(allowedUsers.includes('*') && others.length > 0
      ? [['allowedUsers', '"*" admits everybody: remove it, or remove the organizations and teams'] as const]
      : []),
  ];
}

function openGithub(settings: GithubConfig, deps: IdentityDeps): IdentityProvider {
  return {
    ...commonOf(settings, { kind: 'github', title: 'GitHub', mode: 'broker' }),
    issuers: [joinPath(settings.baseUrl, '/login/oauth')],
    signIn: openGithubSignIn(settings, deps),
    async verify() {
      throw new GatehouseError('invalid_token');
    },
    close: async () => undefined,
  };
}

const memorySchema = z.object({ verifier: z.string() });

function openGithubSignIn(settings: GithubConfig, deps: IdentityDeps): RedirectSignIn {
  const api = openGithubApi(settings, deps);
  const scope = needsOrganizations(settings) ? 'user:email read:org' : 'user:email';
  return {
    method: 'redirect',
    async start({ redirectUri, state, loginHint }) {
      const verifier = randomBytes(32).toString('base64url');
      const url = new URL(joinPath(settings.baseUrl, '/login/oauth/authorize'));
      url.search = new URLSearchParams({
        client_id: settings.clientId,
        redirect_uri: redirectUri,
        response_type: 'code',
        scope,
        state,
        code_challenge: createHash('sha256').update(verifier).digest('base64url'),
        code_challenge_method: 'S256',
        ...(loginHint !== undefined && { login: loginHint }),
      }).toString();
      return { url: url.href, memory: JSON.stringify({ verifier }) };
    },
    async finish(callback, { redirectUri, state, memory }) {
      const { verifier } = memorySchema.parse(JSON.parse(memory));
      const code = readCallback(callback, state);
      try {
        const token = await api.redeem({ code, redirectUri, verifier });
        return await identify(token, { settings, api });
      } catch (thrown) {
        throw asSignInError(thrown);
      }
    },
  };
}

/** The code. Throws `sign_in_denied`, `invalid_token`, or `identity_unavailable` for what is wrong with the application itself. */
function readCallback({ searchParams }: URL, state: string): string {
  const error = searchParams.get('error');
  const codes = searchParams.getAll('code');
  if (searchParams.get('state') !== state) throw new GatehouseError('invalid_token');
  if (error === 'access_denied') throw new GatehouseError('sign_in_denied');
  // docs.github.com: "troubleshooting authorization request errors": application_suspended, redirect_uri_mismatch.
  if (error !== null)
    throw new GatehouseError('identity_unavailable', { cause: new Error(`GitHub answered ${error}`) });
  const [code] = codes;
  if (code === undefined || code === '' || codes.length > 1) throw new GatehouseError('invalid_token');
  return code;
}

interface Asking {
  readonly settings: GithubConfig;
  readonly api: GithubApi;
}

async function identify(token: string, { settings, api }: Asking): Promise<SignedIn> {
  const [user, email, groups] = await Promise.all([
    api.getUser(token),
    api.findEmail(token),
    needsOrganizations(settings) ? api.listGroups(token) : [],
  ]);
  if (!mayEnter(user.login, groups, settings)) {
    throw new GatehouseError('sign_in_denied', { message: 'This GitHub account may not sign in here' });
  }
  return {
    subject: String(user.id),
    username: user.login,
    name: user.name || user.login,
    ...(email !== undefined && { email, emailVerified: true }),
    groups,
    roles: mapRoles(settings, { roles: [], groups }),
    claims: { id: user.id, login: user.login },
  };
}

/** Any of the lists admits. Names at GitHub have no case. */
function mayEnter(
  name: string,
  groups: readonly string[],
  { allowedUsers = [], allowedOrganizations = [], allowedTeams = [] }: GithubConfig,
): boolean {
  const lower = (names: readonly string[]) => names.map((entry) => entry.toLowerCase());
  const users = lower(allowedUsers);
  const mine = new Set(lower(groups));
  return (
    users.includes('*') ||
    users.includes(name.toLowerCase()) ||
    lower([...allowedOrganizations, ...allowedTeams]).some((entry) => mine.has(entry))
  );
}

function needsOrganizations({ groups, roleMapping, allowedOrganizations, allowedTeams }: GithubConfig): boolean {
  const listed = (allowedOrganizations?.length ?? 0) + (allowedTeams?.length ?? 0) + Object.keys(roleMapping).length;
  return groups || listed > 0;
}
