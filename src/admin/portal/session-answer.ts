/** What the portal asks first: who is here, what they may, and what proves that a request comes from its page. */
import type { SignedInPerson } from '#admin/actor.ts';
import { grantsTo } from '#admin/actor.ts';
import { type AdminRoute, contract } from '#admin/contract.ts';
import type { OrganizationRow } from '#admin/records.ts';
import type { PortalCaller } from './callers.ts';

export interface PortalOrganization {
  readonly id: string;
  readonly slug: string;
  readonly name: string;
  readonly isMember: boolean;
  readonly roles: readonly string[];
  /** As in the contract: no wildcards. */
  readonly permissions: readonly string[];
}

export interface PortalSession {
  /** null: nobody in person, by a link. */
  readonly user: {
    readonly id: string;
    readonly name: string | null;
    readonly email: string | null;
    readonly username: string | null;
  } | null;
  readonly kind: PortalCaller['kind'];
  readonly isPlatform: boolean;
  /** On the platform, as in the contract: all or none. */
  readonly permissions: readonly string[];
  /** Of a platform administrator all there are, up to a hundred; else one's own. */
  readonly organizations: readonly PortalOrganization[];
  readonly organizationsTruncated: boolean;
  /** For `x-csrf-token`, while this session lasts. */
  readonly csrf: string;
  /** ISO 8601; null where another application keeps the session. */
  readonly signedInAt: string | null;
  readonly expiresAt: string | null;
  readonly idleExpiresAt: string | null;
  /** Until then dangerous routes work; null: they always do. */
  readonly freshUntil: string | null;
  readonly gateway: {
    readonly version: string;
    readonly baseUrl: string;
    readonly isDemo: boolean;
    /** Clients elsewhere reach it. */
    readonly hasPublicUrl: boolean;
    /** With a browser, by its own sign-in. */
    readonly canSignIn: boolean;
    readonly isOpenWebui: boolean;
  };
}

export interface AnswerDeps {
  readonly listOrganizations: () => Promise<readonly OrganizationRow[]>;
  /** Of members; who is kept out counts too. */
  readonly listOrganizationsOf: (userId: string) => Promise<readonly OrganizationRow[]>;
  readonly csrfOf: (sessionId: string) => string;
  readonly gateway: PortalSession['gateway'];
}

const shownOrganizations = 100;
const routes: readonly AdminRoute[] = Object.values(contract);
const unique = (names: readonly string[]) => [...new Set(names)].sort();
const everything = unique(routes.map(({ permission }) => permission));
const inOrganizations = unique(
  routes.filter(({ scope }) => scope === 'organization').map(({ permission }) => permission),
);

/** Nothing for somebody without any administration. */
export const permissionsOf = (roles: readonly string[]): readonly string[] =>
  inOrganizations.filter((permission) => grantsTo(roles, permission));

export async function sessionAnswer(caller: PortalCaller, deps: AnswerDeps): Promise<PortalSession> {
  const { kind, actor, user, times } = caller;
  const isPlatform = actor.kind === 'platform' || actor.isPlatform;
  const { shown, isCut } = await organizationsOf(caller, deps, isPlatform);
  const iso = (ms: number | undefined) => (ms === undefined ? null : new Date(ms).toISOString());
  return {
    user: user && {
      id: user.id,
      name: user.name ?? null,
      email: user.email ?? null,
      username: user.username ?? null,
    },
    kind,
    isPlatform,
    permissions: isPlatform ? everything : [],
    organizations: shown,
    organizationsTruncated: isCut,
    csrf: deps.csrfOf(caller.sessionId),
    signedInAt: iso(times?.signedInAt),
    expiresAt: iso(times?.expiresAt),
    idleExpiresAt: iso(times?.idleExpiresAt),
    freshUntil: iso(actor.freshUntil),
    gateway: deps.gateway,
  };
}

/** Some administration of anything. */
export async function isAdministrator({ actor, user }: PortalCaller, deps: AnswerDeps): Promise<boolean> {
  if (actor.kind === 'platform' || actor.isPlatform) return true;
  const own = user === null ? [] : await deps.listOrganizationsOf(user.id);
  for (const row of own) if (permissionsOf((await actor.rolesIn(row)) ?? []).length > 0) return true;
  return false;
}

async function organizationsOf({ actor, user }: PortalCaller, deps: AnswerDeps, isPlatform: boolean) {
  const own = user === null ? [] : await deps.listOrganizationsOf(user.id);
  const all = isPlatform ? await deps.listOrganizations() : own;
  const rows = all.slice(0, shownOrganizations);
  const mine = new Set(own.map(({ id }) => id));
  const shown: PortalOrganization[] = [];
  for (const row of rows) {
    const roles = actor.kind === 'signed-in' && mine.has(row.id) ? await rolesOf(actor, row) : undefined;
    // Kept out of it: it is none of theirs.
    if (roles === undefined && !isPlatform) continue;
    const { id, slug, name } = row;
    const permissions = isPlatform ? inOrganizations : permissionsOf(roles ?? []);
    shown.push({ id, slug, name, isMember: roles !== undefined, roles: roles ?? [], permissions });
  }
  return { shown, isCut: all.length > rows.length };
}

const rolesOf = (actor: SignedInPerson, row: OrganizationRow) => actor.rolesIn(row);
