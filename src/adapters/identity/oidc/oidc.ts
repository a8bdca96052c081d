/** Any issuer of signed JWTs with a published key set: Keycloak, Auth0, Okta, Google, Cognito, another gateway. */
import { z } from 'zod';
import { commonOf, commonSettings } from '#adapters/identity/common.ts';
import type { IdentityDeps, IdentityProvider } from '#adapters/identity/identity.ts';
import { joinPath, wellKnownUrl } from '#adapters/identity/issuer-url.ts';
import { openRemoteKeys } from '#adapters/identity/jwks.ts';
import { openServerMetadata } from '#adapters/identity/server-metadata.ts';
import { asVerified } from '#adapters/identity/verified-token.ts';
import {
  accessTokenTypes,
  asymmetricAlgorithms,
  strictRules,
  type TokenRules,
  verifyToken,
} from '#adapters/identity/verify-token.ts';
import type { Adapter } from '#core/adapter.ts';

const algorithms = z.enum([...asymmetricAlgorithms, 'RS384', 'RS512', 'PS384', 'PS512', 'ES384', 'ES512', 'Ed25519']);
const claimPath = z.string().min(1);

const config = z.strictObject({
  ...commonSettings,
  /** Exactly as the tokens have it. */
  issuer: z.url({ protocol: /^https?$/ }),
  /** Default: what the issuer's discovery document says. */
  jwksUrl: z.url({ protocol: /^https?$/ }).optional(),
  audiences: z.array(z.string().min(1)).min(1),
  algorithms: z
    .array(algorithms)
    .min(1)
    .default([...asymmetricAlgorithms]),
  /** Claims below are names or dotted paths, e.g. `realm_access.roles`. */
  /** Unset: tokens are not limited by scope. */
  scopesClaim: claimPath.optional(),
  emailClaim: claimPath.default('email'),
  nameClaim: claimPath.default('name'),
  /** Header `typ` values, e.g. `["at+jwt"]` to insist on RFC 9068. */
  allowedTypes: z
    .array(z.string().min(1))
    .min(1)
    .default([...accessTokenTypes]),
  maxLifetimeSeconds: z.int().positive().default(strictRules.maxLifetimeSeconds),
});

export type OidcConfig = z.output<typeof config>;

export const oidcAdapter = {
  kind: 'oidc',
  title: 'OpenID Connect or any issuer of JWTs',
  config,
  open: openOidc,
} as const satisfies Adapter<'oidc', typeof config, IdentityDeps, IdentityProvider>;

function openOidc(settings: OidcConfig, deps: IdentityDeps): IdentityProvider {
  const { issuer } = settings;
  const metadata = openServerMetadata({
    ...deps,
    issuers: [issuer],
    urls: [joinPath(issuer, '/.well-known/openid-configuration'), wellKnownUrl(issuer, 'oauth-authorization-server')],
  });
  const discovered = async () => z.url().parse((await metadata.get()).value.jwks_uri);
  const keys = openRemoteKeys({ ...deps, url: settings.jwksUrl ?? discovered });
  const rules: TokenRules = {
    ...strictRules,
    issuers: [issuer],
    audiences: settings.audiences,
    algorithms: settings.algorithms,
    types: settings.allowedTypes.map((type) => type.toLowerCase().replace(/^application\//, '')),
    maxLifetimeSeconds: settings.maxLifetimeSeconds,
  };
  return {
    ...commonOf(settings, { kind: 'oidc', title: 'OpenID Connect', mode: 'direct' }),
    issuers: [issuer],
    authorizationServer: issuer,
    verify: async (token) => asVerified(await verifyToken(token, keys.find, { rules, clock: deps.clock }), settings),
    metadata: async () => (await metadata.get()).value,
    close: async () => undefined,
  };
}
