/** What the local accounts' adapter is handed: rows, and a count of tries. */
import type { LocalAccountStore } from '#adapters/identity/identity.ts';
import type { Limiter } from '#adapters/limiter/limiter.ts';
import { GatehouseError } from '#core/error.ts';
import type { Db } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';
import { addressKey } from '#http/client-address.ts';
import { findLocalAccount } from '#records/local-accounts.ts';

/**
 * An office may sit behind one address: an account is held tighter from each, and looser from all together, so that a
 * stranger can't shut its owner out.
 */
const tries = {
  'account-from-address': { points: 10, windowSeconds: 900 },
  address: { points: 60, windowSeconds: 900 },
  account: { points: 200, windowSeconds: 900 },
} as const;

export async function openLocalAccounts(
  db: Db,
  { limiter }: { readonly limiter: Limiter },
): Promise<LocalAccountStore> {
  return {
    async find(username) {
      const found = await withPlatform(db, (scope) => findLocalAccount(scope, username));
      if (!found) return undefined;
      const { subject, active, email, name } = found.user;
      return { subject, active, email, name, username: found.username, digest: found.digest };
    },
    async takeAttempt({ username, address }) {
      const from = addressKey(address);
      const keys = { address: from, 'account-from-address': `${from} ${username}`, account: username };
      for (const kind of ['address', 'account-from-address', 'account'] as const) {
        const { allowed, resetMs } = await limiter.take(`password ${kind} ${keys[kind]}`, tries[kind]);
        if (!allowed) throw new GatehouseError('rate_limited', { retryAfterSeconds: Math.ceil(resetMs / 1000) });
      }
    },
  };
}
