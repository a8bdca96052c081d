/**
 * Follows what the platform's servers are to be: an order to stop or restart one ends what runs for it on this replica, as
 * on all others, and servers with a port of their own get a listener.
 */
import type { Log } from '#core/log.ts';
import type { ChangeFeed } from '#db/change-feed.ts';
import type { Db } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';
import { listServerOrders, type ServerOrder } from '#records/servers.ts';

export interface LiveServersDeps {
  readonly db: Db;
  readonly feed: ChangeFeed;
  readonly log: Log;
  /** Called with all of them, once at the start and after every change. */
  readonly settle: (orders: readonly ServerOrder[]) => Promise<void> | void;
}

/** How long to wait after a failure before asking again. */
const RETRY_MS = 1000;

export interface LiveServers {
  /** Resolves when what was changed before the call is settled here. */
  settled(): Promise<void>;
  close(): void;
}

export async function openLiveServers(deps: LiveServersDeps): Promise<LiveServers> {
  let asked = false;
  let working: Promise<void> | undefined;
  let retry: NodeJS.Timeout | undefined;
  let closed = false;

  async function work(): Promise<void> {
    try {
      while (asked && !closed) {
        asked = false;
        await deps.settle(await withPlatform(deps.db, listServerOrders));
      }
    } catch (error) {
      deps.log.error({ err: error }, 'what the servers are to be could not be read: it is tried again');
      if (!closed) retry = setTimeout(ask, RETRY_MS).unref();
    } finally {
      working = undefined;
    }
  }

  function ask(): Promise<void> {
    asked = true;
    clearTimeout(retry);
    working ??= work();
    return working;
  }

  // A server of the platform concerns everybody (db/migrations/0003-changes.ts).
  const unsubscribe = deps.feed.subscribe((change) => {
    if (change.kind === 'everything') void ask();
  });
  await ask();
  return {
    settled: ask,
    close() {
      closed = true;
      clearTimeout(retry);
      unsubscribe();
    },
  };
}
