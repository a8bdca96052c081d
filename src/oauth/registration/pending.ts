/** Clients that nobody has signed in through yet: how long they wait, how many there may be, and sweeping. */
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import type { Db } from '#db/schema.ts';
import type { OauthSettings } from '#oauth/settings.ts';
import { countPendingClients, removeExpiredClients, removePendingClients } from '#records/clients.ts';

/** A sign-in that was begun is complete within minutes; a day forgives who goes home in between. */
export const pendingMs = 24 * 3_600_000;
/** What is left of the day when there are too many. */
const crowdedMs = 3_600_000;

const batch = 500;
const recountMs = 10_000;

export interface PendingRoom {
  /** Room for one more. Throws `rate_limited`. */
  take(): Promise<void>;
}

/** Counting tens of thousands of rows at each registration would be the flood's own work: counted now and then. */
export function openPendingRoom(deps: {
  readonly db: Db;
  readonly clock: Clock;
  readonly settings: Pick<OauthSettings, 'registration'>;
}): PendingRoom {
  const { db, clock } = deps;
  const most = deps.settings.registration.pending;
  let count = most;
  let countedAt = Number.NEGATIVE_INFINITY;
  let counting: Promise<void> | undefined;

  async function recount(): Promise<void> {
    count = await countPendingClients(db, most);
    if (count >= most) {
      await inBatches((limit) => removeExpiredClients(db, clock.now(), limit));
      await inBatches((limit) => removePendingClients(db, clock.now() - crowdedMs, limit));
      count = await countPendingClients(db, most);
    }
    countedAt = clock.monotonic();
  }

  return {
    async take() {
      if (clock.monotonic() - countedAt >= recountMs) {
        counting ??= recount().finally(() => {
          counting = undefined;
        });
        await counting;
      }
      if (count >= most) {
        throw new GatehouseError('rate_limited', {
          message: 'Too many clients are registered that nobody has signed in through; try again later',
          retryAfterSeconds: 600,
        });
      }
      count += 1;
    },
  };
}

/** Clients whose time is over, with all that was issued to them; in small transactions, at most 20,000 at a time. How many. */
export const sweepClients = (db: Db, nowMs: number): Promise<number> =>
  inBatches((limit) => removeExpiredClients(db, nowMs, limit));

async function inBatches(remove: (limit: number) => Promise<number>): Promise<number> {
  let removed = 0;
  for (let round = 0; round < 40; round++) {
    const gone = await remove(batch);
    removed += gone;
    if (gone < batch) break;
  }
  return removed;
}
