/** People on the admin API: by an access token made for administering and for all of the gateway, or by a browser's session. */
import type { IdentityProvider } from '#adapters/identity/identity.ts';
import type { SignedInPerson } from '#admin/actor.ts';
import { demoAccount } from '#admin/demo.ts';
import type { Config } from '#config/load.ts';
import { GatehouseError } from '#core/error.ts';
import { principalKey } from '#core/principal.ts';
import type { Db } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';
import { type AuthorizeDeps, rolesIn } from '#gateway/authorize.ts';
import type { Caller, Identifier } from '#gateway/identify.ts';
import { adminScope } from '#oauth/settings.ts';
import { findLocalAccount } from '#records/local-accounts.ts';
import { findUser, type User } from '#records/users.ts';

interface AdminPeopleDeps extends Pick<AuthorizeDeps, 'snapshots' | 'holdings'> {
  readonly identifier: Pick<Identifier, 'identify'>;
  readonly db: Db;
  /** All that are configured. */
  readonly providers: readonly Pick<IdentityProvider, 'organization'>[];
  /** Our own tokens' and people's; undefined: nobody signs in here with a browser. */
  readonly own: IdentityProvider | undefined;
  /** Issuer of theirs. */
  readonly baseUrl: string;
}

export interface AdminPeople {
  /** By an access token. Throws `invalid_token`, `insufficient_scope`. */
  verify(presented: string): Promise<SignedInPerson>;
  /** Who signed in here. */
  ofUser(user: User): Promise<SignedInPerson>;
  /** By a token that another application made for its own pages, of this identity provider and no other. undefined: nobody known here. */
  ofToken(
    presented: string,
    provider: IdentityProvider,
  ): Promise<{ readonly actor: SignedInPerson; readonly user: User } | undefined>;
}

/** A token that an MCP client holds administers nothing: it was not asked for with this scope. */
export function openAdminPeople({ oauth, demo }: Config, deps: AdminPeopleDeps): AdminPeople {
  const { db, baseUrl } = deps;
  const administrators = new Set(oauth.administrators.map((email) => email.toLowerCase()));
  // Whoever runs one organization's identity provider must not become the administrator of all.
  const isOneHouse = new Set(deps.providers.map(({ organization }) => organization)).size === 1;
  const identify = (presented: string) => {
    const headers = { authorization: `Bearer ${presented}`, apiKey: undefined, dpop: undefined };
    return deps.identifier.identify(headers, { method: '', url: '' });
  };
  const find = (value: string) => withPlatform(db, (scope) => findUser(scope, { column: 'id', value }));

  async function isPlatform(user: User): Promise<boolean> {
    // Of a demo, which is on this machine only, the account that it made.
    if (demo) {
      const account = await withPlatform(db, (scope) => findLocalAccount(scope, demoAccount));
      if (account?.user.id === user.id) return true;
    }
    return (
      user.emailVerified &&
      (user.emailOrg === undefined || isOneHouse) &&
      administrators.has(user.email?.toLowerCase() ?? '')
    );
  }

  async function asPerson(user: User, caller: Caller): Promise<SignedInPerson> {
    const { principal } = caller;
    if (principal.kind !== 'user') throw new GatehouseError('invalid_token');
    return {
      kind: 'signed-in',
      userId: user.id,
      who: { issuer: principal.issuer, subject: principal.subject, email: user.email },
      isPlatform: await isPlatform(user),
      rolesIn: ({ id }) => rolesIn(caller, id, deps),
    };
  }

  return {
    async verify(presented) {
      const caller = await identify(presented);
      const { principal, userId, audience } = caller;
      if (principal.kind !== 'user' || userId === undefined) throw new GatehouseError('invalid_token');
      if (!principal.scopes?.includes(adminScope) || audience?.every(({ kind }) => kind !== 'gateway'))
        throw new GatehouseError('insufficient_scope');
      const user = await find(userId);
      if (!user?.active) throw new GatehouseError('invalid_token');
      return asPerson(user, caller);
    },
    ofUser(user) {
      const { subject, id: userId } = user;
      const principal = {
        ...({ kind: 'user', key: principalKey(baseUrl, subject), issuer: baseUrl, subject } as const),
        ...{ claims: {}, expiresAt: Number.POSITIVE_INFINITY },
      };
      return asPerson(user, { principal, provider: deps.own, userId });
    },
    async ofToken(presented, provider) {
      const caller = await identify(presented);
      const isTheirs = caller.provider === provider;
      const user = isTheirs && caller.userId !== undefined ? await find(caller.userId) : undefined;
      return user?.active ? { actor: await asPerson(user, caller), user } : undefined;
    },
  };
}
