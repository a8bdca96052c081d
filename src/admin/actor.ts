/** Who acts on the admin API, and whether they may. One function decides, for HTTP and the command line alike. */
import { GatehouseError } from '#core/error.ts';
import type { ApiKeyPrincipal } from '#core/principal.ts';
import type { AdminRoute } from './contract.ts';
import type { AdminRecords, OrganizationRow } from './records.ts';

/** platform: holds the data directory (its admin token, or the files themselves). */
export type Actor = ({ readonly kind: 'platform' } | { readonly kind: 'key'; readonly principal: ApiKeyPrincipal }) & {
  readonly from?: Origin;
};

/** Where a request came from: for the trail. */
export interface Origin {
  readonly address: string;
  readonly userAgent: string | undefined;
}

/** Throws `forbidden`. */
export function checkPermission(actor: Actor, route: Pick<AdminRoute, 'permission' | 'scope'>): void {
  if (actor.kind === 'platform') return;
  const { roles, endpoints } = actor.principal;
  const granted = roles.some((role) => grants(role, route.permission));
  // A key cut down to some endpoints was never meant to administer.
  if (!granted || endpoints !== undefined || route.scope === 'platform') throw new GatehouseError('forbidden');
}

/** Throws `not_member` for a key whatever the other organization is or isn't; `not_found` for the platform. */
export async function getOrganization(records: AdminRecords, actor: Actor, ref: string): Promise<OrganizationRow> {
  const found = await records.findOrganization(ref);
  if (actor.kind === 'key' && found?.id !== actor.principal.org) throw new GatehouseError('not_member');
  if (found) return found;
  throw new GatehouseError('not_found', {
    message: `There is no organization "${ref}": list them with \`gatehouse org list\``,
  });
}

/** A key hands on no more administration than it has. Throws `forbidden`. */
export function checkHandedOn(actor: Actor, roles: readonly string[]): void {
  if (actor.kind === 'platform') return;
  const own = actor.principal.roles;
  const tooMuch = roles.find((role) => role.startsWith('admin:') && !own.some((mine) => grants(mine, role)));
  if (tooMuch !== undefined) throw new GatehouseError('forbidden', { message: 'A key cannot grant more than it has' });
}

/** `admin:*` and `admin:keys:*` are prefixes, everything else is exact. */
function grants(role: string, permission: string): boolean {
  if (!role.startsWith('admin:')) return false;
  return role.endsWith(':*') ? permission.startsWith(role.slice(0, -1)) : role === permission;
}
