/** From what an identity provider says of a person to our rows: the user, and the organizations they belong to. */
import type { IdentityProvider, SignedIn } from '#adapters/identity/identity.ts';
import type { Clock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import type { Db } from '#db/schema.ts';
import { type PlatformScope, withPlatform } from '#db/scope.ts';
import { findOrganization } from '#records/organizations.ts';
import { directoryWords, linkScimUsers } from '#records/scim-links.ts';
import { type MemberRow, setMemberships, type User, upsertIdentity } from '#records/users.ts';

export interface ProvisionDeps {
  readonly db: Db;
  readonly clock: Clock;
  readonly log: Log;
}

/** One transaction. Organizations that are not known here are left out: an identity provider makes none. */
export async function provision(
  { db, clock, log }: ProvisionDeps,
  provider: Pick<IdentityProvider, 'kind' | 'name' | 'organization'>,
  person: SignedIn,
): Promise<User> {
  const { subject, email, emailVerified, name, username } = person;
  return withPlatform(db, async (scope) => {
    const { organization } = provider;
    const seen = { provider: provider.name, subject, email, emailVerified, organization, name, username };
    const user = await upsertIdentity(scope, seen, clock.now());
    const memberships: MemberRow[] = [];
    for (const { id, roles } of named(provider, person)) {
      const organization = await findOrganization(scope, id);
      if (!organization) log.info({ provider: provider.name, organization: id }, 'sign-in: unknown organization');
      else if (!memberships.some(({ org }) => org === organization.id)) {
        memberships.push({ org: organization.id, roles, groups: person.groups });
      }
    }
    // Before their memberships: what the directory of an organization says of them goes before what is said here.
    const isOwn = person.organizations !== undefined || provider.organization !== undefined;
    const words = directoryWords({ kind: provider.kind, subject, email, emailVerified, username, isOwn });
    const orgs = isOwn ? memberships.map(({ org }) => org) : undefined;
    await linkScimUsers(scope, { userId: user.id, words, orgs });
    await setMemberships(scope, { userId: user.id, provider: provider.name, memberships });
    return user;
  });
}

function named({ organization }: Pick<IdentityProvider, 'organization'>, { organizations, roles }: SignedIn) {
  return organizations ?? (organization === undefined ? [] : [{ id: organization, roles }]);
}

/** How the identity providers name the organization whose endpoint is being signed in for. */
export async function organizationHint(scope: PlatformScope, ref: string | undefined): Promise<string | undefined> {
  return ref === undefined ? undefined : (await findOrganization(scope, ref))?.externalId;
}
