/** Who asks, and where they administer: what anybody with a credential may know, whatever organization it is of. */
import { z } from 'zod';
import type { User } from '#records/users.ts';
import type { Actor, SignedInPerson } from './actor.ts';
import { type AnswerDeps, organizationsOf } from './portal/session-answer.ts';
import type { OrganizationRow } from './records.ts';

/** Below `adminBase`. Beside the contract, whose routes are of the platform or of one organization. */
export const whoAmIPath = '/whoami';

const nullable = z.string().nullable();
export const whoAmI = z.object({
  kind: z.enum(['platform', 'key', 'person']),
  user: z.object({ id: z.string(), name: nullable, email: nullable, username: nullable }).nullable(),
  key: nullable.describe('Id of the API key.'),
  isPlatform: z.boolean().describe('Administers the whole gateway.'),
  organizations: z.array(
    z.object({ slug: z.string(), name: z.string(), roles: z.array(z.string()), isAdministrator: z.boolean() }),
  ),
  organizationsTruncated: z.boolean(),
});
export type WhoAmI = z.output<typeof whoAmI>;

export interface WhoAmIDeps extends Pick<AnswerDeps, 'listOrganizations' | 'listOrganizationsOf'> {
  readonly findUser: (id: string) => Promise<User | undefined>;
  readonly findOrganization: (ref: string) => Promise<OrganizationRow | undefined>;
}

export async function describeCaller(actor: Actor | SignedInPerson, deps: WhoAmIDeps): Promise<WhoAmI> {
  if (actor.kind === 'person') throw new TypeError('somebody is in one organization only for a route of it');
  if (actor.kind === 'key') {
    const { keyId, org, roles } = actor.principal;
    const found = await deps.findOrganization(org);
    const isAdministrator = roles.some((role) => role.startsWith('admin:'));
    const own = found ? [{ slug: found.slug, name: found.name, roles: [...roles], isAdministrator }] : [];
    return {
      kind: 'key',
      user: null,
      key: keyId,
      isPlatform: false,
      organizations: own,
      organizationsTruncated: false,
    };
  }
  const user = (actor.userId === undefined ? undefined : await deps.findUser(actor.userId)) ?? null;
  const isPlatform = actor.kind === 'platform' || actor.isPlatform;
  const { shown, isCut } = await organizationsOf({ actor, user }, deps, isPlatform);
  return {
    kind: actor.kind === 'platform' ? 'platform' : 'person',
    user: user && {
      ...{ id: user.id, name: user.name ?? null, email: user.email ?? null, username: user.username ?? null },
    },
    ...{ key: null, isPlatform, organizationsTruncated: isCut },
    organizations: shown.map(({ slug, name, roles, permissions }) => ({
      ...{ slug, name, roles: [...roles], isAdministrator: permissions.length > 0 },
    })),
  };
}
