/** People whom this gateway knows already, as the data plane has its callers: never with more than they have, as of now. */
import type { IdentityProvider } from '#adapters/identity/identity.ts';
import type { Self } from '#admin/self.ts';
import { GatehouseError } from '#core/error.ts';
import { principalKey } from '#core/principal.ts';
import type { Db } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';
import { type Access, type AuthorizeDeps, authorize } from '#gateway/authorize.ts';
import type { Caller } from '#gateway/identify.ts';
import type { AuthorizationServer } from '#oauth/authorization-server.ts';
import { findUser } from '#records/users.ts';

export interface SelfCallers {
  /** Rejects `invalid_token` for somebody who is gone or deactivated. */
  callerOf(self: Self): Promise<Caller>;
  /** As a call to it would be let in; undefined: everything that they may use. */
  accessTo(self: Self, name: string | undefined): Promise<Access>;
  /** The only organization that they belong to is not named in addresses. */
  isAtHome(self: Self): Promise<boolean>;
}

export interface SelfCallerDeps {
  readonly db: Db;
  readonly baseUrl: string;
  readonly judging: AuthorizeDeps;
  /** undefined: nobody signs in here. */
  readonly server: Pick<AuthorizationServer, 'tokens'> | undefined;
}

export function openSelfCallers({ db, baseUrl, judging, server }: SelfCallerDeps): SelfCallers {
  const provider: IdentityProvider | undefined = server?.tokens;
  const callerOf: SelfCallers['callerOf'] = async ({ userId }) => {
    const user = await withPlatform(db, (scope) => findUser(scope, { column: 'id', value: userId }));
    if (!user?.active || !provider) throw new GatehouseError('invalid_token');
    const { subject, email, name } = user;
    return {
      principal: {
        ...({ kind: 'user', key: principalKey(baseUrl, subject), issuer: baseUrl, subject } as const),
        ...(email !== undefined && { email }),
        ...(name !== undefined && { name }),
        ...{ claims: { sub: subject }, expiresAt: Number.POSITIVE_INFINITY },
      },
      provider,
      userId,
    };
  };
  return {
    callerOf,
    async accessTo(self, name) {
      const wish = { path: { organization: self.org, name }, selector: undefined };
      return authorize(await callerOf(self), { ...wish, ...judging });
    },
    async isAtHome(self) {
      const { principal } = await callerOf(self);
      if (principal.kind !== 'user') return false;
      return (await provider?.organizations?.(principal.subject))?.length === 1;
    },
  };
}
