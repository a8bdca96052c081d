/**
 * What these grants add to an access token while it is signed. A token's own `extra` would be overwritten by the
 * provider when it is saved, so it waits beside the token.
 */
import { type AccessToken, type ClientCredentials, errors } from 'oidc-provider';
import type { OrgId } from '#core/ids.ts';
import type { Db } from '#db/schema.ts';
import { type PlatformScope, withPlatform } from '#db/scope.ts';
import { findOwnClient } from '#oauth/program-clients.ts';
import { parseResource, type ResourceRules } from '#oauth/resource.ts';
import { findOrganization } from '#records/organizations.ts';

type Claims = Readonly<Record<string, unknown>>;

const waiting = new WeakMap<object, Claims>();

export function addClaims(token: AccessToken, claims: Claims): void {
  waiting.set(token, claims);
}

const defaultScopes = ['mcp:read', 'mcp:write'];

/**
 * For the token's payload. A client's token for itself belongs to the client's organization; a client that nobody
 * registered for it is refused here, whatever it says of itself. Throws the provider's errors.
 */
export async function grantClaims(
  db: Db,
  rules: ResourceRules,
  token: AccessToken | ClientCredentials,
): Promise<Claims> {
  if (token.kind === 'AccessToken') return waiting.get(token) ?? {};
  const { clientId = '', aud } = token;
  const client = await findOwnClient(db, clientId);
  if (!client?.grants.includes('client_credentials')) throw new errors.UnauthorizedClient();
  for (const resource of [aud ?? []].flat()) {
    const named = organizationNamed(resource, rules);
    const isOwn =
      typeof named === 'string' ? await withPlatform(db, (scope) => isCalled(scope, client.org, named)) : named;
    if (!isOwn) throw new errors.InvalidTarget();
  }
  token.scope ??= defaultScopes.filter((name) => client.scopes.includes(name)).join(' ') || undefined;
  return { org: client.org, scope: token.scope };
}

/** Whether a token for `resource` opens nothing of another organization, given that its `org` claim is `org`. */
export async function isInOrganization(
  scope: PlatformScope,
  { rules, resource, org }: { readonly rules: ResourceRules; readonly resource: string; readonly org: OrgId },
): Promise<boolean> {
  const named = organizationNamed(resource, rules);
  return typeof named === 'string' ? isCalled(scope, org, named) : named;
}

/**
 * By whatever name; true: it is in whichever organization its token is for; false: it is no resource of ours, or one behind
 * another proxy: that belongs to no organization, so none of them can give its programs a token for it.
 */
function organizationNamed(resource: string, rules: ResourceRules): string | boolean {
  const parsed = parseResource(resource, rules);
  if (!parsed || parsed.kind === 'external') return false;
  return (parsed.kind === 'endpoint' ? parsed.path.organization : undefined) ?? true;
}

const isCalled = async (scope: PlatformScope, org: OrgId, name: string) =>
  (await findOrganization(scope, name))?.id === org;
