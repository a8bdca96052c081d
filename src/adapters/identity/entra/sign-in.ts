import * as client from 'openid-client';
import { z } from 'zod';
import type { IdentityDeps, RedirectSignIn, SignedIn } from '#adapters/identity/identity.ts';
import { RemoteDocument } from '#adapters/identity/remote-document.ts';
import { asSignInError } from '#adapters/identity/sign-in-error.ts';
import { GatehouseError } from '#core/error.ts';
import type { Log } from '#core/log.ts';
import type { Secret } from '#core/secret.ts';
import { loginUrl } from './directories.ts';
import type { People } from './people.ts';
import type { EntraTokens } from './tokens.ts';

/**
 * Nothing else, ever: no `resource` (AADSTS9010010), no scope of somebody else's (AADSTS650053), no `prompt` (which would
 * ask people for what an administrator granted already).
 */
const scope = 'openid profile email offline_access';

const memorySchema = z.object({ verifier: z.string(), nonce: z.string() });

export interface EntraSignInOptions extends IdentityDeps {
  readonly clientId: string;
  /** Undefined: a public client. */
  readonly secret: Secret | undefined;
  readonly authority: string;
  readonly tokens: Pick<EntraTokens, 'checkIdToken'>;
  readonly people: People;
}

export function openEntraSignIn(options: EntraSignInOptions): RedirectSignIn {
  const { tokens, people, log } = options;
  const configuration = openConfiguration(options);
  return {
    method: 'redirect',
    async start({ redirectUri, state, loginHint }) {
      const { value: entra } = await configuration.get();
      const verifier = client.randomPKCECodeVerifier();
      const nonce = client.randomNonce();
      const url = client.buildAuthorizationUrl(entra, {
        redirect_uri: redirectUri,
        scope,
        state,
        nonce,
        code_challenge: await client.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
        ...(loginHint !== undefined && { login_hint: loginHint }),
      });
      return { url: url.href, memory: JSON.stringify({ verifier, nonce }) };
    },
    async finish(callback, { redirectUri, state, memory }) {
      const { verifier, nonce } = memorySchema.parse(JSON.parse(memory));
      const { value: entra } = await configuration.get();
      // The library takes the redirect URI from the callback: the one that was sent counts, whatever a proxy made of it.
      const answered = new URL(callback.search, redirectUri);
      const idToken = await redeem(entra, answered, { verifier, nonce, state }).catch((thrown: unknown) => {
        logNumber(thrown, log);
        throw asSignInError(thrown);
      });
      const { claims, directory } = await tokens.checkIdToken(idToken);
      if (claims.nonce !== nonce) throw new GatehouseError('invalid_token');
      try {
        return signedIn(await people.describe(claims, directory), claims);
      } catch (error) {
        if (!(error instanceof GatehouseError) || error.code !== 'forbidden') throw error;
        throw new GatehouseError('sign_in_denied', { message: error.message, cause: error });
      }
    },
  };
}

function openConfiguration({ clientId, secret, authority, fetch, clock, log }: EntraSignInOptions) {
  const discover = () =>
    client.discovery(
      new URL(`${loginUrl}/${authority}/v2.0`),
      clientId,
      { [client.clockTolerance]: 60 },
      secret ? client.ClientSecretPost(secret.reveal()) : client.None(),
      { [client.customFetch]: (url, init) => fetch(url, init), timeout: 3 },
    );
  return new RemoteDocument({
    what: 'discovery document of Entra',
    load: discover,
    refreshMs: () => 3_600_000,
    staleMs: () => 24 * 3_600_000,
    retryMs: { held: 60_000, empty: 5000 },
    clock,
    log,
  });
}

async function redeem(
  entra: client.Configuration,
  callback: URL,
  { verifier, nonce, state }: { readonly verifier: string; readonly nonce: string; readonly state: string },
): Promise<string> {
  const answer = await client.authorizationCodeGrant(entra, callback, {
    pkceCodeVerifier: verifier,
    expectedNonce: nonce,
    expectedState: state,
    idTokenExpected: true,
  });
  if (answer.id_token === undefined) throw new GatehouseError('invalid_token');
  return answer.id_token;
}

function signedIn(person: Awaited<ReturnType<People['describe']>>, claims: SignedIn['claims']): SignedIn {
  const { subject, organization, email, emailVerified, name, username, roles, groups } = person;
  return {
    subject,
    ...(email !== undefined && { email, emailVerified }),
    ...(name !== undefined && { name }),
    ...(username !== undefined && { username }),
    organizations: [{ id: organization, roles }],
    roles,
    groups,
    claims,
  };
}

/** Entra's own number is what people search for; the sentence around it may name them. */
function logNumber(thrown: unknown, log: Log): void {
  if (!(thrown instanceof client.AuthorizationResponseError || thrown instanceof client.ResponseBodyError)) return;
  const { error, error_description: text = '' } = thrown;
  log.warn({ error, number: /AADSTS\d+/.exec(text)?.[0] }, 'Entra refused a sign-in');
}
