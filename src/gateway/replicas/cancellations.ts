/** Says to all replicas that the calls of one key are over: whichever holds one cuts it. No row, so no cost later. */
import type { ChangeFeed } from '#db/change-feed.ts';
import { announce } from '#db/notified-change-feed.ts';
import type { Db } from '#db/schema.ts';

export interface Cancellations {
  /**
   * Every replica's listeners hear it, this one's too, within milliseconds. Only once: what starts later is not
   * concerned. `key`: at most 512 characters, and a digest where it would give something away.
   * Throws `storage_unavailable`.
   */
  publish(key: string): Promise<void>;
  subscribe(listener: (key: string) => void): () => void;
}

export function openCancellations({ db, feed }: { readonly db: Db; readonly feed: ChangeFeed }): Cancellations {
  return {
    publish: (key) => announce(db, { kind: 'cancelled', id: key }),
    subscribe: (listener) =>
      feed.subscribe((change) => {
        if (change.kind === 'cancelled') listener(change.id);
      }),
  };
}
