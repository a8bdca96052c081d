/** What the portal asks first: who is here, what they may, and what proves that a request comes from its page. */
import type { SignedInPerson } from '#admin/actor.ts';
import { grantsTo } from '#admin/actor.ts';
import { type AdminRoute, contract, type PortalOrganization, type PortalSession } from '#admin/contract.ts';
import type { OrganizationRow } from '#admin/records.ts';
import type { PortalCaller } from './callers.ts';

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

export async function organizationsOf(
  { actor, user }: Pick<PortalCaller, 'actor' | 'user'>,
  deps: Pick<AnswerDeps, 'listOrganizations' | 'listOrganizationsOf'>,
  isPlatform: boolean,
) {
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
