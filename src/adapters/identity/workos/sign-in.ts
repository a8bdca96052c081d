/**
 * Sign-in at WorkOS AuthKit: `/user_management/authorize` and `/user_management/authenticate`, WorkOS's own shape of the
 * authorization code grant, with PKCE (RFC 7636). Tokens that come back are dropped: who somebody is stands beside them.
 */
import { calculatePKCECodeChallenge, randomPKCECodeVerifier } from 'openid-client';
import { z } from 'zod';
import { type CommonSettings, mapRoles } from '#adapters/identity/common.ts';
import type { IdentityDeps, RedirectSignIn, SignedIn } from '#adapters/identity/identity.ts';
import { joinPath } from '#adapters/identity/issuer-url.ts';
import { GatehouseError } from '#core/error.ts';
import type { Secret } from '#core/secret.ts';
import { readJson } from '#http/egress-body.ts';
import type { WorkosMemberships } from './memberships.ts';

const timeoutMs = 5000;
const maxBytes = 256 * 1024;
const maxCodeLength = 4096;

export interface WorkosSignInOptions extends IdentityDeps, Pick<CommonSettings, 'roleMapping'> {
  readonly apiBaseUrl: string;
  readonly clientId: string;
  readonly apiKey: Secret;
  readonly members: WorkosMemberships;
}

const answerSchema = z.looseObject({
  user: z.looseObject({
    id: z.string().regex(/^[A-Za-z0-9_-]{1,255}$/),
    email: z.string().nullish(),
    email_verified: z.boolean().nullish(),
    first_name: z.string().nullish(),
    last_name: z.string().nullish(),
    name: z.string().nullish(),
  }),
  organization_id: z.string().nullish(),
  authentication_method: z.string().nullish(),
  impersonator: z.looseObject({}).nullish(),
});

type Answer = z.output<typeof answerSchema>;

/** What WorkOS calls a refusal: `error` (RFC 6749 5.2) or `code` (its own), never together with a person. */
const refusalSchema = z.looseObject({ error: z.string().optional(), code: z.string().optional() });

export function openWorkosSignIn(options: WorkosSignInOptions): RedirectSignIn {
  return {
    method: 'redirect',
    async start({ redirectUri, state, organization, loginHint }) {
      const verifier = randomPKCECodeVerifier();
      const url = new URL(joinPath(options.apiBaseUrl, '/user_management/authorize'));
      url.search = new URLSearchParams({
        client_id: options.clientId,
        redirect_uri: redirectUri,
        response_type: 'code',
        provider: 'authkit',
        state,
        code_challenge: await calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
        ...(organization !== undefined && { organization_id: organization }),
        ...(loginHint !== undefined && { login_hint: loginHint }),
      }).toString();
      return { url: url.href, memory: verifier };
    },
    async finish({ searchParams }, { memory }) {
      const answer = await redeem(readCode(searchParams), memory, options);
      if (answer.impersonator) {
        options.log.warn({ subject: answer.user.id }, 'WorkOS: somebody who acts as another person may not sign in');
        throw new GatehouseError('sign_in_denied', { cause: new Error('an impersonated session') });
      }
      return asSignedIn(answer, options);
    },
  };
}

/** Throws `sign_in_denied` and `identity_unavailable` for what the callback says, `invalid_token` for what it leaves out. */
function readCode(query: URLSearchParams): string {
  const error = query.get('error');
  if (error !== null) {
    const down = error === 'server_error' || error === 'temporarily_unavailable';
    const cause = new Error(`WorkOS came back with ${shown(error)}`);
    throw new GatehouseError(down ? 'identity_unavailable' : 'sign_in_denied', { cause });
  }
  const [code, ...more] = query.getAll('code');
  if (!code || more.length > 0 || code.length > maxCodeLength) {
    throw new GatehouseError('invalid_token', { cause: new Error('WorkOS came back without a code') });
  }
  return code;
}

async function redeem(code: string, verifier: string, options: WorkosSignInOptions): Promise<Answer> {
  const { apiBaseUrl, clientId, apiKey, fetch } = options;
  try {
    const response = await fetch(new URL(joinPath(apiBaseUrl, '/user_management/authenticate')), {
      method: 'POST',
      headers: { accept: 'application/json', 'content-type': 'application/json' },
      body: JSON.stringify({
        grant_type: 'authorization_code',
        client_id: clientId,
        client_secret: apiKey.reveal(),
        code,
        code_verifier: verifier,
      }),
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    });
    const body = await readJson(response, maxBytes);
    if (response.status !== 200) throw refusal(response.status, body, options);
    return answerSchema.parse(body);
  } catch (cause) {
    // A body that isn't as it should be is not named as the cause: it may hold tokens.
    if (cause instanceof GatehouseError && !cause.code.startsWith('upstream_')) throw cause;
    const code = cause instanceof GatehouseError ? cause.code : cause instanceof Error ? cause.name : 'unknown';
    throw new GatehouseError('identity_unavailable', { cause: new Error(`WorkOS could not redeem the code: ${code}`) });
  }
}

/**
 * 400, 403 and 422 are about the person and the code (used, too old, of another attempt; e-mail not verified, second
 * factor missing, single sign-on required); 401 is about our own key.
 */
function refusal(status: number, body: unknown, { log }: WorkosSignInOptions): GatehouseError {
  const { error, code } = refusalSchema.safeParse(body).data ?? {};
  const reason = shown(error ?? code ?? 'no reason');
  const cause = new Error(`WorkOS answered ${status}: ${reason}`);
  const ours = status === 401 || error === 'invalid_client' || error === 'unauthorized_client';
  if (ours) log.error({ status, reason }, 'WorkOS refuses the API key or the client id (WORKOS_API_KEY)');
  if (ours || ![400, 403, 422].includes(status)) return new GatehouseError('identity_unavailable', { cause });
  log.warn({ status, reason }, 'WorkOS refuses a sign-in');
  return new GatehouseError('sign_in_denied', { cause });
}

/** Codes are short words; anything else stays out of the log. */
const shown = (code: string) => (/^[A-Za-z0-9_.-]{1,64}$/.test(code) ? code : 'an unreadable code');

/** The organization that was chosen on the way is one of those listed, or nobody's any more. */
async function asSignedIn({ user, ...answer }: Answer, options: WorkosSignInOptions): Promise<SignedIn> {
  options.members.forget(user.id);
  const memberships = await options.members.list(user.id);
  const name = user.name ?? [user.first_name, user.last_name].filter((part) => part).join(' ');
  return {
    subject: user.id,
    ...(user.email && { email: user.email, emailVerified: user.email_verified === true }),
    ...(name !== '' && { name }),
    organizations: [...memberships].map(([id, { roles }]) => ({
      id,
      roles: mapRoles(options, { roles, groups: [] }),
    })),
    roles: [],
    groups: [],
    claims: {
      org_id: answer.organization_id ?? undefined,
      authentication_method: answer.authentication_method ?? undefined,
    },
  };
}
