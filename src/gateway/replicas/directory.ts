/** Who of the replicas is where: this one keeps its own entry alive, and looks the others up. */
import { LRUCache } from 'lru-cache';
import type { Clock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import { type Every, systemEvery } from '#db/notified-change-feed.ts';

/** Kept in the database (records/replicas.ts). */
export interface ReplicaStore {
  /** Known for so many seconds from now. */
  put(replica: { readonly id: string; readonly url: string }, seconds: number): Promise<void>;
  find(id: string): Promise<{ readonly url: string } | undefined>;
  remove(id: string): Promise<void>;
}

export interface Directory {
  /** Origin; undefined: gone for good. Throws `storage_unavailable`. */
  find(id: string): Promise<string | undefined>;
  forget(id: string): void;
  /** Registers this replica and goes on doing so. */
  enter(replica: { readonly id: string; readonly url: string }): Promise<void>;
  /** Takes this replica's entry out. */
  close(): Promise<void>;
}

const HEARTBEAT_MS = 10_000;
const LIFETIME_SECONDS = 30;
const REMEMBERED_MS = 5_000;

export function openDirectory(deps: {
  readonly store: ReplicaStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly every?: Every;
}): Directory {
  const { store, clock, log, every = systemEvery } = deps;
  const known = new LRUCache<string, { readonly url: string; readonly until: number }>({ max: 1000 });
  let own: string | undefined;
  let stop = () => {};
  return {
    async find(id) {
      const entry = known.get(id);
      if (entry && entry.until > clock.monotonic()) return entry.url;
      const row = await store.find(id);
      const url = row && originOf(row.url);
      if (url === undefined) known.delete(id);
      else known.set(id, { url, until: clock.monotonic() + REMEMBERED_MS });
      return url;
    },
    forget: (id) => void known.delete(id),
    async enter(replica) {
      own = replica.id;
      await store.put(replica, LIFETIME_SECONDS);
      stop = every(HEARTBEAT_MS, () => {
        store
          .put(replica, LIFETIME_SECONDS)
          .catch((error: unknown) => log.warn({ err: error }, 'this replica could not renew its entry'));
      });
    },
    async close() {
      stop();
      if (own !== undefined) await store.remove(own);
    },
  };
}

/** Only what a gateway would have entered itself: an origin. */
function originOf(url: string): string | undefined {
  if (!URL.canParse(url)) return undefined;
  const { origin, protocol } = new URL(url);
  return protocol === 'http:' || protocol === 'https:' ? origin : undefined;
}
