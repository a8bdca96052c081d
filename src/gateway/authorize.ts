/**
 * Room 3: may this caller use this endpoint? The one order for every surface (DESIGN ruling 2): membership (403) →
 * existence (404, so that only members learn it) → role (403) → enablement. Nothing is allowed by being empty.
 */
import { GatehouseError } from '#core/error.ts';
import type { McpPath } from '#core/mcp-path.ts';
import type { ApiKeyPrincipal } from '#core/principal.ts';
import type { Endpoint, OrganizationSnapshot, SnapshotStore } from '#records/snapshot.ts';
import type { Caller } from './identify.ts';

export interface Access {
  readonly organization: OrganizationSnapshot;
  readonly endpoint: Endpoint;
}

/**
 * `selector`: the X-Organization-Id header, a wish that is checked like any other. A value when all is in memory.
 * Throws or rejects `no_organization`, `not_member`, `unknown_endpoint`, `role_denied`, `identity_unavailable`.
 */
export function authorize(
  caller: Caller,
  {
    path,
    selector,
    snapshots,
  }: { readonly path: McpPath; readonly selector: string | undefined; readonly snapshots: SnapshotStore },
): Access | Promise<Access> {
  const wanted = path.organization ?? selector ?? ownOrganization(caller);
  if (wanted === undefined) throw new GatehouseError('no_organization');
  const organization = snapshots.find(wanted);
  if (organization && caller.principal.kind === 'api-key') return authorizeKey(caller.principal, organization, path);
  return authorizeSlowly(caller, { wanted, path, snapshots });
}

function ownOrganization({ principal }: Caller): string | undefined {
  return principal.kind === 'api-key' ? principal.org : principal.organization;
}

async function authorizeSlowly(
  caller: Caller,
  { wanted, path, snapshots }: { readonly wanted: string; readonly path: McpPath; readonly snapshots: SnapshotStore },
): Promise<Access> {
  const organization = snapshots.find(wanted) ?? (await snapshots.load(wanted));
  const { principal, provider } = caller;
  if (principal.kind === 'api-key') {
    if (!organization) throw new GatehouseError('not_member');
    return authorizeKey(principal, organization, path);
  }
  let roles: readonly string[] | undefined;
  if (provider?.memberships) {
    // An organization that is unknown here may still be one of the caller's: then "not found" tells nothing new.
    const externalId = organization ? organization.externalId : wanted;
    roles = externalId === undefined ? undefined : (await provider.memberships(principal.subject, externalId))?.roles;
  } else if (organization && principal.organization !== undefined && isNamed(organization, principal.organization)) {
    roles = principal.roles ?? [];
  }
  if (!roles) throw new GatehouseError('not_member');
  if (!organization) throw new GatehouseError('unknown_endpoint');
  return admit(organization, path, roles);
}

function authorizeKey(key: ApiKeyPrincipal, organization: OrganizationSnapshot, path: McpPath): Access {
  if (key.org !== organization.id) throw new GatehouseError('not_member');
  const access = admit(organization, path, key.roles);
  if (key.endpoints && !key.endpoints.includes(access.endpoint.name)) throw new GatehouseError('role_denied');
  return access;
}

function isNamed({ id, slug, externalId }: OrganizationSnapshot, name: string): boolean {
  return name === externalId || name === slug || name === id;
}

function admit(organization: OrganizationSnapshot, { name }: McpPath, roles: readonly string[]): Access {
  const endpoint = name === undefined ? undefined : organization.endpoints.get(name);
  if (!endpoint) throw new GatehouseError('unknown_endpoint');
  const { allowedRoles } = endpoint;
  if (allowedRoles !== '*' && !roles.some((role) => allowedRoles.includes(role)))
    throw new GatehouseError('role_denied');
  return { organization, endpoint };
}
