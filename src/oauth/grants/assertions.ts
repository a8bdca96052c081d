/** What the grants that take an assertion (RFC 7523) have in common, whoever it speaks of. */
import { errors, type TokenEndpointGrantContext } from 'oidc-provider';
import { z } from 'zod';
import { openRemoteKeys, type RemoteKeys } from '#adapters/identity/jwks.ts';
import { openServerMetadata } from '#adapters/identity/server-metadata.ts';
import { withPlatform } from '#db/scope.ts';
import { parseResource } from '#oauth/resource.ts';
import type { Organization } from '#records/organizations.ts';
import { type GrantDeps, rulesOf } from './issue.ts';
import { isInOrganization } from './token-claims.ts';

export type AssertionContext = TokenEndpointGrantContext<{ assertion?: string }>;

/** Many reasons inside, one outside. */
export const refusedAssertion = (reason: string, cause?: unknown) =>
  new errors.InvalidGrant({ detail: reason, ...(cause !== undefined && { cause }) });

interface AssertionIssuer {
  readonly issuer: string;
  /** Default: what its metadata says. */
  readonly jwksUrl?: string | undefined;
}

export function openIssuerKeys({ fetch, clock, log }: GrantDeps, { issuer, jwksUrl }: AssertionIssuer): RemoteKeys {
  if (jwksUrl !== undefined) return openRemoteKeys({ url: jwksUrl, fetch, clock, log });
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/$/, '');
  const metadata = openServerMetadata({
    issuers: [issuer],
    urls: [
      `${origin}${path}/.well-known/openid-configuration`,
      `${origin}/.well-known/oauth-authorization-server${path}`,
    ],
    fetch,
    clock,
    log,
  });
  const url = async () => z.url().parse((await metadata.get()).value.jwks_uri);
  return openRemoteKeys({ url, fetch, clock, log });
}

export function unverifiedIssuerOf(assertion: string): string | undefined {
  try {
    const payload: unknown = JSON.parse(Buffer.from(assertion.split('.')[1] ?? '', 'base64url').toString());
    return z.object({ iss: z.string() }).parse(payload).iss;
  } catch {
    return undefined;
  }
}

interface Choosing {
  /** By the assertion itself; undefined: it names none. */
  readonly named: readonly string[] | undefined;
  readonly asked: string | undefined;
  readonly organization: Organization;
}

/** What is asked for, else named, else the organization's endpoint. Throws where it isn't the organization's. */
export async function chooseResource(deps: GrantDeps, { named, asked, organization }: Choosing): Promise<string> {
  const rules = rulesOf(deps);
  if (asked !== undefined && named && !named.includes(asked)) throw new errors.InvalidTarget();
  const resource = asked ?? named?.[0] ?? `${deps.issuer}/${organization.slug}/mcp`;
  const parsed = parseResource(resource, rules);
  const inside = await withPlatform(deps.db, (scope) =>
    isInOrganization(scope, { rules, resource, org: organization.id }),
  );
  // The whole gateway would be more than the issuer is trusted for.
  if (!parsed || parsed.kind === 'gateway' || !inside)
    throw refusedAssertion('the resource is none of the organization');
  return resource;
}
