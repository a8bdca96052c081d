/** Ended sessions, in memory: what this and other replicas ended, until the ids would have expired anyway. */
import type { Clock } from '#core/clock.ts';
import type { ChangeFeed } from '#db/change-feed.ts';
import type { Revocations } from './session.ts';

export interface RevocationStore {
  /** Not yet expired ones. */
  list(): Promise<readonly { readonly digest: string; readonly expiresAt: number }[]>;
  insert(digest: string, expiresAt: number): Promise<void>;
  removeExpired(): Promise<void>;
}

const SWEEP_MS = 600_000;

export async function openRevocations(deps: {
  readonly store: RevocationStore;
  readonly feed: ChangeFeed;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
}): Promise<Revocations & { close(): void }> {
  const { store, clock } = deps;
  const ended = new Map<string, number>();
  const load = async () => {
    for (const { digest, expiresAt } of await store.list()) ended.set(digest, expiresAt);
  };
  const unsubscribe = deps.feed.subscribe((change) => {
    if (change.kind === 'session') ended.set(change.id, change.expiresAt);
    else if (change.kind === 'everything') load().catch(deps.onError);
  });
  await load();
  const sweep = setInterval(() => {
    const now = clock.now();
    for (const [digest, expiresAt] of ended) if (expiresAt <= now) ended.delete(digest);
    store.removeExpired().catch(deps.onError);
  }, SWEEP_MS);
  sweep.unref();
  return {
    has: (digest) => ended.has(digest),
    async insert(digest, expiresAt) {
      ended.set(digest, expiresAt);
      await store.insert(digest, expiresAt);
    },
    close() {
      clearInterval(sweep);
      unsubscribe();
    },
  };
}
