/**
 * The rows of people whom no sign-in of ours makes one for: those who bring their identity provider's own token. Made with
 * the first one; asked for when a token is verified, so never on a warm call.
 */
import type { Clock } from '#core/clock.ts';
import type { Db } from '#db/schema.ts';
import { type PlatformScope, withPlatform } from '#db/scope.ts';
import { findIdentityUser, lockIdentity, type SeenIdentity, type User, upsertIdentity } from './users.ts';

/** What a token says is taken over at most this often: two tokens that disagree would else undo each other for ever. */
const renewedMs = 600_000;

export interface DirectAccounts {
  /** The row's id; undefined: deactivated here. Throws `storage_unavailable`. */
  ensure(seen: SeenIdentity): Promise<string | undefined>;
}

export function openDirectAccounts({ db, clock }: { readonly db: Db; readonly clock: Clock }): DirectAccounts {
  return {
    ensure: (seen) =>
      withPlatform(db, async (scope) => {
        const nowMs = clock.now();
        let known = await findIdentityUser(scope, seen);
        if (await isOutdated(scope, { known, seen, nowMs })) {
          // Of many first requests at once one writes: each write is announced, and makes those under way begin again.
          await lockIdentity(scope, seen);
          known = await findIdentityUser(scope, seen);
        }
        if (known && !known.active) return undefined;
        if (known && !(await isOutdated(scope, { known, seen, nowMs }))) return known.id;
        // What a token leaves out stays.
        const { email = known?.email, name = known?.name, username = known?.username } = seen;
        const emailVerified = seen.email === undefined ? known?.emailVerified : seen.emailVerified;
        return (await upsertIdentity(scope, { ...seen, email, emailVerified, name, username }, nowMs)).id;
      }),
  };
}

interface Comparison {
  readonly known: User | undefined;
  readonly seen: SeenIdentity;
  readonly nowMs: number;
}

async function isOutdated({ tx }: PlatformScope, { known, seen, nowMs }: Comparison): Promise<boolean> {
  if (!known) return true;
  const { email, emailVerified = false, name, username } = seen;
  const isSame =
    (seen.organization === undefined) === (known.emailOrg === undefined) &&
    (email === undefined || (email === known.email && emailVerified === known.emailVerified)) &&
    (name === undefined || name === known.name) &&
    (username === undefined || username === known.username);
  if (isSame) return false;
  const row = await tx
    .selectFrom('users')
    .select(['updated_at', 'created_at'])
    .where('id', '=', known.id)
    .executeTakeFirstOrThrow();
  const isNew = row.updated_at.getTime() === row.created_at.getTime();
  return isNew || nowMs - row.updated_at.getTime() >= renewedMs;
}
