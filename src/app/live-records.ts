/** What is kept in memory of the records, and renewed when the change feed says so. */
import type { Clock } from '#core/clock.ts';
import type { ChangeFeed } from '#db/change-feed.ts';
import { openRevocations } from '#gateway/revocations.ts';
import type { Revocations } from '#gateway/session.ts';
import type { RootLog } from '#http/log.ts';
import { openCredentialOpener } from '#records/credential-opener.ts';
import { findSealedCredential } from '#records/credentials.ts';
import { type HoldingStore, openHoldingStore } from '#records/holding-store.ts';
import { findHoldings } from '#records/holdings.ts';
import { type KeyVerifier, openKeyVerifier } from '#records/key-verifier.ts';
import { findKey, renewKeyDigest, touchKeys } from '#records/keys.ts';
import {
  insertSessionRevocation,
  listSessionRevocations,
  removeExpiredSessionRevocations,
} from '#records/session-revocations.ts';
import type { CredentialOpener, Listing, SnapshotStore } from '#records/snapshot.ts';
import { openSnapshotStore } from '#records/snapshot-store.ts';
import type { Closers } from './closers.ts';
import { type OperatorServer, readOperatorKeys, withOperatorKeys } from './operator-keys.ts';
import type { Storage } from './storage.ts';
import type { OpenTrail } from './trail.ts';

export interface LiveRecords {
  readonly snapshots: SnapshotStore;
  readonly keys: KeyVerifier;
  readonly holdings: HoldingStore;
  readonly credentials: CredentialOpener;
  readonly revocations: Revocations;
}

export async function openLiveRecords(deps: {
  readonly storage: Storage;
  readonly feed: ChangeFeed;
  readonly clock: Clock;
  readonly log: RootLog;
  readonly closers: Closers;
  readonly listing: Listing;
  readonly audit: Pick<OpenTrail, 'trail'>;
  readonly operatorServers: readonly OperatorServer[];
}): Promise<LiveRecords> {
  const { storage, feed, clock, log, closers } = deps;
  const { db, vault, apiKeys } = storage;
  const operatorKeys = readOperatorKeys(deps.operatorServers, storage.rootSecret);
  const snapshots = openSnapshotStore({
    ...{ db, feed, clock, log, listing: deps.listing },
    operatorKeys: operatorKeys.byServer,
  });
  closers.add('snapshots', () => snapshots.close());
  const holdings = openHoldingStore({ feed, clock, findHoldings: (org, holder) => findHoldings(db, org, holder) });
  closers.add('holdings', async () => holdings.close());
  const keys = openKeyVerifier({
    keys: apiKeys,
    findKey: (id) => findKey(db, id),
    renew: (id, digest) => renewKeyDigest(db, id, digest),
    clock,
    feed,
    touch: (ids, atMs) => touchKeys(db, ids, atMs),
  });
  closers.add('key verifier', () => keys.close());
  const revocations = await openRevocations({
    store: {
      list: () => listSessionRevocations(db, clock.now()),
      insert: (digest, expiresAt) => insertSessionRevocation(db, { digest, expiresAt }),
      removeExpired: () => removeExpiredSessionRevocations(db, clock.now()),
    },
    feed,
    clock,
    onError: (error) => log.error({ err: error }, 'the list of ended sessions could not be kept'),
  });
  closers.add('session revocations', () => revocations.close());
  const credentials = withOperatorKeys(
    openCredentialOpener({
      ...{ vault, clock, findSealed: (ref) => findSealedCredential(db, ref) },
      onUnreadable: ({ org, id }) =>
        void deps.audit.trail.record({
          ...{ kind: 'credential', action: 'credential.unreadable', org, refused: 'credential_unavailable' },
          detail: { credential: id },
        }),
    }),
    operatorKeys,
  );
  return { snapshots, keys, holdings, credentials, revocations };
}
