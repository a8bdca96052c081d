/**
 * Accounts that nobody uses are kept alive: refresh tokens end when they are not used, and that shows now rather than in
 * the middle of somebody's call.
 */
import type { Clock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import type { Every } from '#db/notified-change-feed.ts';
import type { Db } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';
import { type AccountState, countAccountStates, listIdleAccounts } from '#records/connected-accounts.ts';
import { parseServerAuth } from '#records/server-auth.ts';
import type { Accounts } from './accounts.ts';

export interface AccountHealthDeps {
  readonly db: Db;
  readonly accounts: Pick<Accounts, 'renewIdle'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly every: Every;
  /** 0 to 1. */
  readonly random: () => number;
}

export interface AccountHealth {
  /** As of the last look. */
  readonly counts: Readonly<Record<AccountState, number>>;
  /** One look, as the timer does it. Never rejects. */
  check(): Promise<void>;
  close(): Promise<void>;
}

const DAY_MS = 86_400_000;
const LOOK_MS = 300_000;
const AT_ONCE = 50;

export function openAccountHealth(deps: AccountHealthDeps): AccountHealth {
  const { db, accounts, clock, log, random } = deps;
  let counts: Readonly<Record<AccountState, number>> = { ok: 0, expiring: 0, failed: 0 };
  let running = Promise.resolve();

  async function look(): Promise<void> {
    // Between 20 and 28 hours: what was linked in one morning isn't renewed in one.
    const beforeMs = clock.now() - DAY_MS * (5 / 6 + random() / 3);
    for (const account of await listIdleAccounts(db, { beforeMs, limit: AT_ONCE })) {
      const auth = await withPlatform(db, async ({ tx }) => {
        const row = await tx.selectFrom('servers').select('auth').where('id', '=', account.server).executeTakeFirst();
        return parseServerAuth(row?.auth);
      });
      await accounts.renewIdle(account, auth);
    }
    const before = counts;
    counts = await countAccountStates(db);
    if (counts.failed > before.failed)
      log.warn({ event: 'accounts_failing', ...counts }, 'accounts: connections of people no longer work');
  }

  const check = () => {
    running = running.then(look).catch((error) => log.warn({ err: error }, 'accounts: their health is not known'));
    return running;
  };
  const stop = deps.every(LOOK_MS, check);

  return {
    get counts() {
      return counts;
    },
    check,
    async close() {
      stop();
      await running;
    },
  };
}
