/** People on the admin API: by an access token of their own, made for administering and for all of the gateway. */
import type { IdentityProvider } from '#adapters/identity/identity.ts';
import type { SignedInPerson } from '#admin/actor.ts';
import type { Config } from '#config/load.ts';
import { GatehouseError } from '#core/error.ts';
import type { Db } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';
import { type AuthorizeDeps, rolesIn } from '#gateway/authorize.ts';
import type { Identifier } from '#gateway/identify.ts';
import { adminScope } from '#oauth/settings.ts';
import { findUser } from '#records/users.ts';

interface AdminPeopleDeps extends Pick<AuthorizeDeps, 'snapshots' | 'holdings'> {
  readonly identifier: Pick<Identifier, 'identify'>;
  readonly db: Db;
  /** All that are configured. */
  readonly providers: readonly Pick<IdentityProvider, 'organization'>[];
}

/** A token that an MCP client holds administers nothing: it was not asked for with this scope. */
export function openAdminPeople(
  { oauth }: Config,
  deps: AdminPeopleDeps,
): (presented: string) => Promise<SignedInPerson> {
  const administrators = new Set(oauth.administrators.map((email) => email.toLowerCase()));
  // Whoever runs one organization's identity provider must not become the administrator of all.
  const isOneHouse = new Set(deps.providers.map(({ organization }) => organization)).size === 1;
  return async (presented) => {
    const headers = { authorization: `Bearer ${presented}`, apiKey: undefined, dpop: undefined };
    const caller = await deps.identifier.identify(headers, { method: '', url: '' });
    const { principal, userId, audience } = caller;
    if (principal.kind !== 'user' || userId === undefined) throw new GatehouseError('invalid_token');
    if (!principal.scopes?.includes(adminScope) || audience?.every(({ kind }) => kind !== 'gateway'))
      throw new GatehouseError('insufficient_scope');
    const user = await withPlatform(deps.db, (scope) => findUser(scope, { column: 'id', value: userId }));
    if (!user?.active) throw new GatehouseError('invalid_token');
    return {
      kind: 'signed-in',
      userId,
      who: { issuer: principal.issuer, subject: principal.subject, email: user.email },
      isPlatform:
        user.emailVerified &&
        (user.emailOrg === undefined || isOneHouse) &&
        administrators.has(user.email?.toLowerCase() ?? ''),
      rolesIn: ({ id }) => rolesIn(caller, id, deps),
    };
  };
}
