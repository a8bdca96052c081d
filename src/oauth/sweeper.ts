/** What nobody asks for any more goes, in small batches, on every replica: rows that another one holds are left to it. */
import type { Clock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import type { Every } from '#db/notified-change-feed.ts';
import type { Db } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';
import { removeExpiredOauthRecords } from '#records/oauth-records.ts';
import { removeExpiredSignInAttempts } from '#records/sign-in-attempts.ts';
import { sweepClients } from './registration/pending.ts';
import type { SigningKeys } from './signing-keys.ts';
import { graceMs } from './token-writes.ts';

export interface SweeperDeps {
  readonly db: Db;
  readonly clock: Clock;
  readonly log: Log;
  readonly keys: Pick<SigningKeys, 'advance'>;
  readonly every: Every;
}

const sweepEveryMs = 30_000;
const batch = 1000;
/** Of one sweep: a flood of dead rows is removed over several. */
const maxBatches = 200;

export function openSweeper({ db, clock, log, keys, every }: SweeperDeps) {
  let running: Promise<void> | undefined;
  let closed = false;

  async function sweep(): Promise<void> {
    await keys.advance();
    for (let round = 0; round < maxBatches && !closed; round++) {
      const nowMs = clock.now();
      const removed = await removeExpiredOauthRecords(db, { nowMs, notesBeforeMs: nowMs - graceMs, limit: batch });
      if (removed < batch) break;
    }
    if (!closed) await sweepClients(db, clock.now());
    if (!closed) await withPlatform(db, (scope) => removeExpiredSignInAttempts(scope, clock.now()));
  }

  const stop = every(sweepEveryMs, () => {
    running ??= sweep()
      .catch((err: unknown) => log.warn({ err }, 'expired sign-in records could not be removed'))
      .finally(() => {
        running = undefined;
      });
  });
  return {
    sweep,
    async close() {
      closed = true;
      stop();
      await running;
    },
  };
}
