/**
 * Grants and endpoints beside the authorization code: what each may do and for whom is in its own file. One call adds
 * all of them to a provider.
 */
import type Provider from 'oidc-provider';
import { introspectJwts } from '#oauth/introspection.ts';
import { compareDigests, jwtBearer, tokenExchange } from '#oauth/program-clients.ts';
import type { AssertionContext } from './assertions.ts';
import { slowDevicesDown } from './device-polling.ts';
import { assertionParameters, openAssertionGrant } from './id-jag.ts';
import type { GrantDeps } from './issue.ts';
import { exchangeParameters, exchangeToken } from './token-exchange.ts';
import { openWorkloadGrant } from './workload.ts';

export interface GrantPaths {
  readonly token: string;
  readonly introspection: string;
  readonly revocation: string;
  readonly device_authorization: string;
}

export function addGrants(provider: Provider, deps: GrantDeps, paths: GrantPaths): void {
  const { token, introspection, revocation, device_authorization: deviceAuthorization } = paths;
  introspectJwts(provider, deps, [introspection, revocation]);
  slowDevicesDown(provider, deps, { token, deviceAuthorization });
  compareDigests(provider);
  provider.registerGrantType(
    tokenExchange,
    (ctx) => exchangeToken(provider, deps, ctx),
    exchangeParameters,
    'resource',
  );
  const byWorkload = openWorkloadGrant(provider, deps);
  const byPerson = openAssertionGrant(provider, deps);
  provider.registerGrantType(
    jwtBearer,
    async (ctx: AssertionContext) => {
      if (!(await byWorkload(ctx))) await byPerson(ctx);
    },
    assertionParameters,
    'resource',
  );
}

/** RFC 8414 metadata: the profile by which clients of enterprises find that assertions are accepted (MCP ext-auth). */
export const grantMetadata = {
  authorization_grant_profiles_supported: ['urn:ietf:params:oauth:grant-profile:id-jag'],
} as const;
