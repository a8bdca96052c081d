/** Any issuer of signed JWTs with a published key set: Keycloak, Auth0, Okta, Google, Cognito, another gateway. */
import { z } from 'zod';
import { findTexts } from '#adapters/identity/claims.ts';
import { commonOf, mapRoles } from '#adapters/identity/common.ts';
import type { IdentityDeps, IdentityProvider, VerifiedToken } from '#adapters/identity/identity.ts';
import { joinPath, wellKnownUrl } from '#adapters/identity/issuer-url.ts';
import { openRemoteKeys } from '#adapters/identity/jwks.ts';
import { openServerMetadata } from '#adapters/identity/server-metadata.ts';
import { asVerified } from '#adapters/identity/verified-token.ts';
import { type CheckedToken, strictRules, type TokenRules, verifyToken } from '#adapters/identity/verify-token.ts';
import type { Adapter } from '#core/adapter.ts';
import { GatehouseError } from '#core/error.ts';
import { claimsOf, issuerOf, modeOf, type OidcConfig, oidcConfig, presetOf } from './settings.ts';
import { openOidcSignIn } from './sign-in.ts';

export const oidcAdapter = {
  kind: 'oidc',
  title: 'OpenID Connect or any issuer of JWTs',
  config: oidcConfig,
  open: openOidc,
} as const satisfies Adapter<'oidc', typeof oidcConfig, IdentityDeps, IdentityProvider>;

function openOidc(settings: OidcConfig, deps: IdentityDeps): IdentityProvider {
  const issuer = issuerOf(settings);
  const mode = modeOf(settings);
  const metadata = openServerMetadata({
    ...deps,
    issuers: [issuer],
    urls: [joinPath(issuer, '/.well-known/openid-configuration'), wellKnownUrl(issuer, 'oauth-authorization-server')],
  });
  const discovered = async () => z.url().parse((await metadata.get()).value.jwks_uri);
  const keys = openRemoteKeys({ ...deps, url: settings.jwksUrl ?? discovered });
  const rules = accessTokenRules(settings);
  return {
    ...commonOf(
      { ...settings, name: settings.name ?? settings.preset },
      { kind: 'oidc', title: presetOf(settings)?.title ?? 'OpenID Connect', mode },
    ),
    issuers: [issuer],
    authorizationServer: issuer,
    ...(mode === 'broker' && { signIn: openOidcSignIn(settings, { ...deps, metadata, keys }) }),
    verify: async (token) => {
      const checked = await verifyToken(token, keys.find, { rules, clock: deps.clock });
      checkClient(checked, settings);
      return asCaller(checked, settings);
    },
    metadata: async () => (await metadata.get()).value,
    close: async () => undefined,
  };
}

function accessTokenRules(settings: OidcConfig): TokenRules {
  const { audiences, clientId = '', algorithms, allowedTypes, maxLifetimeSeconds } = settings;
  return {
    ...strictRules,
    issuers: [issuerOf(settings)],
    audiences: presetOf(settings)?.audienceIsClientId ? 'unchecked' : (audiences ?? [clientId]),
    algorithms,
    types: allowedTypes.map((type) => type.toLowerCase().replace(/^application\//, '')),
    maxLifetimeSeconds,
  };
}

/** Amazon Cognito: `aud` only where a resource was asked for, else `client_id` says for whom. Throws `invalid_token`. */
function checkClient({ claims }: CheckedToken, settings: OidcConfig): void {
  const { audiences = [settings.clientId] } = settings;
  if (!presetOf(settings)?.audienceIsClientId) return;
  const named = [claims.aud ?? claims.client_id].flat();
  const ours =
    claims.token_use === 'access' && named.some((name) => typeof name === 'string' && audiences.includes(name));
  if (!ours) throw new GatehouseError('invalid_token');
}

/**
 * Roles are known where a claim is named for them, or groups that the mapping makes roles of. Bound to an organization, its
 * tokens are good there and nowhere else, whatever they say (SECURITY B5).
 */
function asCaller(checked: CheckedToken, settings: OidcConfig): VerifiedToken {
  const { roles: rolesClaims, groups: groupsClaim, organization: organizationClaim } = claimsOf(settings);
  const { organization } = settings;
  const verified = {
    ...asVerified(checked, { ...settings, rolesClaim: undefined, organizationClaim }),
    ...(organization !== undefined && { organization }),
  };
  if (rolesClaims === undefined && groupsClaim === undefined) return verified;
  const groups = groupsClaim === undefined ? [] : findTexts(checked.claims, groupsClaim);
  const roles = (rolesClaims ?? []).flatMap((path) => findTexts(checked.claims, path));
  return { ...verified, roles: mapRoles(settings, { roles, groups }) };
}
