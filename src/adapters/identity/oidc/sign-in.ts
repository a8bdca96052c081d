/** Sign-in at an OpenID provider: authorization code with PKCE, nonce and `iss` (OpenID Connect Core 3.1, RFC 7636, RFC 9207). */
import * as oidc from 'openid-client';
import { z } from 'zod';
import { findClaim } from '#adapters/identity/claims.ts';
import type { IdentityDeps, RedirectSignIn, SignedIn } from '#adapters/identity/identity.ts';
import type { RemoteKeys } from '#adapters/identity/jwks.ts';
import type { RemoteDocument } from '#adapters/identity/remote-document.ts';
import type { ServerMetadata } from '#adapters/identity/server-metadata.ts';
import { asSignInError } from '#adapters/identity/sign-in-error.ts';
import { asSignedIn, type SignInClaims } from '#adapters/identity/signed-in.ts';
import { strictRules, type TokenRules, verifyIdToken, verifyToken } from '#adapters/identity/verify-token.ts';
import { GatehouseError } from '#core/error.ts';
import { claimsOf, issuerOf, type OidcConfig, presetOf } from './settings.ts';

export interface OidcSignInDeps extends IdentityDeps {
  readonly metadata: RemoteDocument<ServerMetadata>;
  readonly keys: RemoteKeys;
}

const timeoutSeconds = 3;
/** The library's watch is the machine's, to the second: the exact limit is verifyIdToken's. */
const looseSkewSeconds = 90;
const webUrl = z.url({ protocol: /^https?$/ });
const texts = z.array(z.string()).optional();

const endpoints = z.object({
  issuer: z.string(),
  authorization_endpoint: webUrl,
  token_endpoint: webUrl,
  userinfo_endpoint: webUrl.optional(),
  authorization_response_iss_parameter_supported: z.boolean().optional(),
  id_token_signing_alg_values_supported: texts,
  token_endpoint_auth_methods_supported: texts,
});

const memorySchema = z.object({ verifier: z.string(), nonce: z.string() });

type Claims = Readonly<Record<string, unknown>>;

export function openOidcSignIn(settings: OidcConfig, deps: OidcSignInDeps): RedirectSignIn {
  const names = signInClaims(settings);
  return {
    method: 'redirect',
    async start({ redirectUri, state, organization, loginHint }) {
      const config = await configure(settings, deps);
      const verifier = oidc.randomPKCECodeVerifier();
      const nonce = oidc.randomNonce();
      const url = oidc.buildAuthorizationUrl(config, {
        ...settings.authorizationParameters,
        ...vendorParameters(settings, organization),
        redirect_uri: redirectUri,
        scope: scopesOf(settings).join(' '),
        state,
        nonce,
        code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
        ...(loginHint !== undefined && { login_hint: loginHint }),
      });
      return { url: url.href, memory: JSON.stringify({ verifier, nonce }) };
    },
    async finish(callback, { redirectUri, state, memory }) {
      const { verifier, nonce } = memorySchema.parse(JSON.parse(memory));
      const config = await configure(settings, deps);
      // The library takes the redirect URI from the callback: the one that was sent counts, whatever a proxy made of it.
      const answer = new URL(callback.search, redirectUri);
      try {
        const tokens = await oidc.authorizationCodeGrant(config, answer, {
          pkceCodeVerifier: verifier,
          expectedState: state,
          expectedNonce: nonce,
          idTokenExpected: true,
        });
        return await identify({ settings, deps, names, config, tokens });
      } catch (thrown) {
        throw asSignInError(thrown);
      }
    },
  };
}

interface Identifying {
  readonly settings: OidcConfig;
  readonly deps: OidcSignInDeps;
  readonly names: SignInClaims;
  readonly config: oidc.Configuration;
  readonly tokens: oidc.TokenEndpointResponse;
}

async function identify({ settings, deps, names, config, tokens }: Identifying): Promise<SignedIn> {
  const rules = idTokenRules(settings);
  const { subject, claims } = await verifyIdToken(tokens.id_token ?? '', deps.keys.find, { rules, clock: deps.clock });
  if (claims.azp !== undefined && claims.azp !== settings.clientId) throw new GatehouseError('invalid_token');
  checkDomain(claims, settings);
  const fromAccess = await readAccessToken(tokens.access_token, { subject, settings, deps });
  const known = { ...fromAccess, ...claims };
  const wanted = [names.email, names.groups, names.organization, ...names.roles];
  const complete = wanted.every((path) => path === undefined || findClaim(known, path) !== undefined);
  const hasUserinfo = config.serverMetadata().userinfo_endpoint !== undefined;
  const more = complete || !hasUserinfo ? {} : await oidc.fetchUserInfo(config, tokens.access_token, subject);
  return asSignedIn(subject, { ...more, ...known }, { names, settings });
}

/** Made for each use: nothing in it is costly, and the provider's metadata may have changed. Throws `identity_unavailable`. */
async function configure(settings: OidcConfig, deps: OidcSignInDeps): Promise<oidc.Configuration> {
  const parsed = endpoints.safeParse((await deps.metadata.get()).value);
  if (!parsed.success) throw new GatehouseError('identity_unavailable', { cause: parsed.error });
  const { clientId = '', clientSecret } = settings;
  const skewSeconds = Math.round((deps.clock.now() - Date.now()) / 1000);
  const metadata = { [oidc.clockSkew]: skewSeconds, [oidc.clockTolerance]: looseSkewSeconds };
  const config = new oidc.Configuration(parsed.data, clientId, metadata, authentication(parsed.data, clientSecret));
  config.timeout = timeoutSeconds;
  config[oidc.customFetch] = (url, { body, ...init }) => deps.fetch(url, { ...init, ...(body != null && { body }) });
  if (issuerOf(settings).startsWith('http:')) oidc.allowInsecureRequests(config);
  return config;
}

/** `client_secret_post` where it is offered: Basic is encoded differently here and there (RFC 6749 2.3.1). */
function authentication(
  { token_endpoint_auth_methods_supported: methods = [] }: z.output<typeof endpoints>,
  secret: string | undefined,
): oidc.ClientAuth {
  if (secret === undefined) return oidc.None();
  return methods.includes('client_secret_post') ? oidc.ClientSecretPost(secret) : oidc.ClientSecretBasic(secret);
}

const scopesOf = (settings: OidcConfig) =>
  settings.scopes ?? presetOf(settings)?.scopes(settings) ?? ['openid', 'profile', 'email'];

function signInClaims(settings: OidcConfig): SignInClaims {
  const { roles = [], groups, organization, username = 'preferred_username' } = claimsOf(settings);
  return { email: settings.emailClaim, name: settings.nameClaim, username, roles, groups, organization };
}

function vendorParameters(settings: OidcConfig, organization: string | undefined): Readonly<Record<string, string>> {
  const parameter = presetOf(settings)?.organizationParameter;
  const [domain, ...more] = settings.allowedDomains ?? [];
  return {
    ...(parameter !== undefined && organization !== undefined && { [parameter]: organization }),
    // Narrows the account chooser only: the claim is what counts.
    ...(domain !== undefined && domain !== '*' && more.length === 0 && { hd: domain }),
  };
}

function idTokenRules(settings: OidcConfig): TokenRules {
  const { algorithms, clientId = '' } = settings;
  return { ...strictRules, issuers: [issuerOf(settings)], audiences: [clientId], algorithms };
}

/** Google: `hd` says which Workspace an account belongs to; the e-mail's domain proves nothing. Throws `sign_in_denied`. */
function checkDomain({ hd }: Claims, { allowedDomains }: OidcConfig): void {
  if (allowedDomains === undefined || allowedDomains.includes('*')) return;
  const domains = allowedDomains.map((domain) => domain.toLowerCase());
  if (typeof hd === 'string' && domains.includes(hd.toLowerCase())) return;
  throw new GatehouseError('sign_in_denied', { message: 'Accounts of this domain may not sign in here' });
}

/** Keycloak's roles are in the access token only: it came from the token endpoint, and must still be theirs and for us. */
async function readAccessToken(
  token: string,
  { subject, settings, deps }: Pick<Identifying, 'settings' | 'deps'> & { readonly subject: string },
): Promise<Claims> {
  if (!presetOf(settings)?.readsAccessToken || token.split('.').length !== 3) return {};
  const rules: TokenRules = { ...idTokenRules(settings), audiences: 'unchecked' };
  const read = await verifyToken(token, deps.keys.find, { rules, clock: deps.clock });
  const ours = read.subject === subject && read.claims.azp === settings.clientId;
  if (!ours) throw new GatehouseError('invalid_token');
  return read.claims;
}
