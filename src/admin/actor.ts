/** Who acts on the admin API, and whether they may. One function decides, for HTTP and the command line alike. */
import type { IncomingMessage } from 'node:http';
import { GatehouseError } from '#core/error.ts';
import type { OrgId } from '#core/ids.ts';
import type { ApiKeyPrincipal } from '#core/principal.ts';
import type { AddressReader } from '#http/client-address.ts';
import { administratorRole } from '#records/members.ts';
import { auditContentPermission } from './contract/audit.ts';
import type { AdminRoute } from './contract.ts';
import type { AdminRecords, OrganizationRow } from './records.ts';

/** Where a request came from: for the trail. */
export interface Origin {
  readonly address: string;
  readonly userAgent: string | undefined;
  readonly requestId?: string;
}

/** Who somebody is, as calls have it: for the trail. */
export interface Who {
  readonly issuer: string;
  readonly subject: string;
  readonly email?: string | undefined;
}

/** Somebody who was let in by the rooms that calls go through. */
export interface KnownCaller {
  readonly kind: 'caller';
  readonly who: Who;
  readonly from?: Origin;
}

/** What a client called its request, where that is a plain name: for the trail. */
export function originOf({ socket, headers }: IncomingMessage, readAddress?: AddressReader): Origin {
  const address = socket.remoteAddress ?? '';
  const said = headers['x-request-id']?.toString();
  return {
    address: readAddress?.(address, headers['x-forwarded-for']?.toString()) ?? address,
    userAgent: headers['user-agent'],
    ...(said !== undefined && /^[A-Za-z0-9._-]{8,64}$/.test(said) && { requestId: said }),
  };
}

/** Somebody in one organization, with their roles there. */
export interface PersonActor {
  readonly kind: 'person';
  readonly userId: string;
  readonly org: OrgId;
  readonly roles: readonly string[];
  readonly from?: Origin;
  readonly following?: Following;
}

/** Whoever waits for what takes a while hears of it as it happens, and breaks it off by going away. */
export interface Following {
  readonly hear: (said: object) => void;
  /** Resolves once more can be taken. */
  readonly write: (text: string) => Promise<void>;
  readonly signal: AbortSignal;
}

/**
 * platform: holds the data directory (its admin token, or the files themselves), or is named as an administrator of the
 * gateway (`userId`).
 */
export type Actor =
  | {
      readonly kind: 'platform';
      readonly userId?: string;
      readonly isCommandLine?: true;
      readonly from?: Origin;
      /** Of a session with a browser: Unix milliseconds. */
      readonly freshUntil?: number;
      readonly following?: Following;
    }
  | {
      readonly kind: 'key';
      readonly principal: ApiKeyPrincipal;
      readonly from?: Origin;
      readonly following?: Following;
    }
  | PersonActor;

/** Somebody with a token of their own, before it is known which organization they act in. */
export interface SignedInPerson {
  readonly kind: 'signed-in';
  readonly userId: string;
  readonly who: Who;
  /** An administrator of the gateway, by its settings. */
  readonly isPlatform: boolean;
  readonly from?: Origin;
  /** Of a session with a browser: until then they signed in not long ago (Unix milliseconds). */
  readonly freshUntil?: number;
  readonly following?: Following;
  /** As read now; undefined: no member, or kept out. */
  rolesIn(organization: OrganizationRow): Promise<readonly string[] | undefined>;
}

/** An auditor reads what is on record, and nothing else. */
const auditorRole = 'auditor';

/** No wildcard reaches these: who administers does not read along. */
const exactOnly: ReadonlySet<string> = new Set([auditContentPermission]);

const implied: Readonly<Record<string, readonly string[]>> = {
  [administratorRole]: ['admin:*'],
  // Of the organization that it is said in (DESIGN rulings 4 and 18).
  'MCP-Admin': ['admin:*'],
  [auditorRole]: ['admin:audit:read', auditContentPermission],
};
const impliedBy = (role: string): readonly string[] => (Object.hasOwn(implied, role) ? (implied[role] ?? []) : [role]);

/** Throws `not_member`, whatever the other organization is or isn't; `forbidden` where nothing names one. */
export async function settleActor(
  records: AdminRecords,
  presented: Actor | SignedInPerson,
  route: Pick<AdminRoute, 'scope'>,
  input: unknown,
): Promise<Actor> {
  if (presented.kind !== 'signed-in') return presented;
  const { userId, isPlatform, from, freshUntil, following } = presented;
  if (isPlatform && route.scope !== 'self')
    return {
      ...{ kind: 'platform', userId, ...(from && { from }), ...(freshUntil !== undefined && { freshUntil }) },
      ...(following && { following }),
    };
  if (route.scope === 'platform') throw new GatehouseError('forbidden');
  const ref = typeof input === 'object' && input !== null && 'organization' in input ? input.organization : undefined;
  const found = typeof ref === 'string' ? await records.findOrganization(ref) : undefined;
  const roles = found && (await presented.rolesIn(found));
  if (!found || !roles) throw new GatehouseError('not_member');
  return { kind: 'person', userId, org: found.id, roles, ...(from && { from }), ...(following && { following }) };
}

/** Throws `forbidden`. */
export function checkPermission(actor: Actor, route: Pick<AdminRoute, 'permission' | 'scope'>): void {
  if (route.scope === 'self') {
    // Whoever holds a key, or this machine, is nobody with tools of their own.
    if (actor.kind !== 'person') throw new GatehouseError('forbidden', { message: 'This is for people: sign in' });
    return;
  }
  if (actor.kind === 'platform') return;
  const granted = permissionsOf(actor).some((role) => grants(role, route.permission));
  // A key cut down to some endpoints was never meant to administer.
  const isCut = actor.kind === 'key' && actor.principal.endpoints !== undefined;
  if (!granted || isCut || route.scope === 'platform') throw new GatehouseError('forbidden');
}

/** What is dangerous is asked of whoever sits at the browser now (SECURITY H7). Throws `reauthenticate`. */
export function checkFresh(
  presented: Actor | SignedInPerson,
  route: Pick<AdminRoute, 'freshSignIn'>,
  now: number,
): void {
  const { freshUntil } = 'freshUntil' in presented ? presented : {};
  if (route.freshSignIn && freshUntil !== undefined && now >= freshUntil) throw new GatehouseError('reauthenticate');
}

/** Whether roles of a person grant it. */
export const grantsTo = (roles: readonly string[], permission: string): boolean =>
  roles.flatMap(impliedBy).some((role) => grants(role, permission));

/** Throws `not_member` for others than the platform, whatever the other organization is or isn't; else `not_found`. */
export async function getOrganization(records: AdminRecords, actor: Actor, ref: string): Promise<OrganizationRow> {
  const found = await records.findOrganization(ref);
  if (actor.kind !== 'platform' && found?.id !== orgOf(actor)) throw new GatehouseError('not_member');
  if (found) return found;
  throw new GatehouseError('not_found', {
    message: `There is no organization "${ref}": list them with \`gatehouse org list\``,
  });
}

/** Who acts on what is their own. Throws `forbidden`. */
export function personIn(actor: Actor): PersonActor {
  if (actor.kind === 'person') return actor;
  throw new GatehouseError('forbidden');
}

/** They administer something of their organization. */
export const administers = (actor: PersonActor, permission: AdminRoute['permission']): boolean =>
  permissionsOf(actor).some((role) => grants(role, permission));

/** Nobody hands on more administration than they have, nor touches who has more. Throws `forbidden`. */
export function checkHandedOn(actor: Actor, roles: readonly string[]): void {
  if (actor.kind === 'platform') return;
  const own = permissionsOf(actor);
  const tooMuch = roles
    .flatMap(impliedBy)
    .some((permission) => permission.startsWith('admin:') && !own.some((mine) => grants(mine, permission)));
  if (!tooMuch) return;
  throw new GatehouseError('forbidden', {
    message: 'Nobody can grant, or take away, more administration than they have',
  });
}

/** As the audit trail has it. */
export function actorName(actor: Actor | SignedInPerson | KnownCaller): string {
  if (actor.kind === 'key') return `key ${actor.principal.keyId}`;
  if (actor.kind === 'caller') return `user ${actor.who.subject}`;
  return actor.userId === undefined ? 'platform' : `user ${actor.userId}`;
}

const orgOf = (actor: Exclude<Actor, { readonly kind: 'platform' }>): OrgId =>
  actor.kind === 'key' ? actor.principal.org : actor.org;

/** The short names are for people: a key says what it may. */
function permissionsOf(actor: Exclude<Actor, { readonly kind: 'platform' }>): readonly string[] {
  if (actor.kind === 'key') return actor.principal.roles;
  return actor.roles.flatMap(impliedBy);
}

/** `admin:*` and `admin:keys:*` are prefixes, everything else is exact. */
function grants(role: string, permission: string): boolean {
  if (!role.startsWith('admin:')) return false;
  if (!role.endsWith(':*') || exactOnly.has(permission)) return role === permission;
  return permission.startsWith(role.slice(0, -1));
}
