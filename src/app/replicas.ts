/** What replicas share, composed: the listener that the others reach this one at, and what all of them hear. */
import type { Config } from '#config/load.ts';
import type { Clock } from '#core/clock.ts';
import { deriveKey } from '#core/derive.ts';
import type { Log } from '#core/log.ts';
import type { ChangeFeed } from '#db/change-feed.ts';
import { type Cancellations, openCancellations } from '#gateway/replicas/cancellations.ts';
import { openReplicas, type Replicas, type ReplicasOptions } from '#gateway/replicas/replicas.ts';
import type { ErrorCodec } from '#gateway/replicas/wire.ts';
import { parseRpcError, RpcError } from '#mcp/bridge/errors.ts';
import { findReplica, putReplica, removeReplica } from '#records/replicas.ts';
import { openSessionStates, type SessionStates } from '#records/session-states.ts';
import { openUpstreamSessions, type UpstreamSessions } from '#records/upstream-sessions.ts';
import type { Closers } from './closers.ts';
import { listenerOptions } from './gateway-settings.ts';
import { rootKeys } from './root-keys.ts';
import type { Storage } from './storage.ts';

export interface SharedDeps {
  readonly storage: Storage;
  readonly feed: ChangeFeed;
  readonly clock: Clock;
  readonly log: Log;
  readonly closers: Closers;
}

export interface Shared {
  readonly replicas: Replicas;
  readonly states: SessionStates;
  readonly cancellations: Cancellations;
  readonly sharedSessions: UpstreamSessions;
}

/** Throws `setting` when REPLICA_URL cannot be listened at, `storage_unavailable`. */
export async function openShared(config: Config, deps: SharedDeps): Promise<Shared> {
  const { storage, feed, clock, log, closers } = deps;
  const { db, rootSecret } = storage;
  const states = openSessionStates({ db, feed, clock, log });
  closers.add('session states', () => states.close());
  const sharedSessions = openUpstreamSessions({ db, ...rootKeys(storage, 'upstream-session'), clock, log });
  closers.add('upstream sessions', () => sharedSessions.close());
  const cancellations = openCancellations({ db, feed });
  const replicas = await openReplicas({
    listen: replicaListener(config),
    key: deriveKey(rootSecret.reveal(), 'replica-hop'),
    store: {
      put: (replica, seconds) => putReplica(db, replica, seconds),
      find: (id) => findReplica(db, id),
      remove: (id) => removeReplica(db, id),
    },
    clock,
    log,
    errors,
  });
  closers.add('replicas', () => replicas.close());
  return { replicas, states, sharedSessions, cancellations };
}

/** Where the URL says, unless told otherwise. An embedded database has no second replica. */
function replicaListener(config: Config): ReplicasOptions['listen'] {
  const { replicaUrl, replicaHost, replicaPort } = config.http;
  if (replicaUrl === undefined || config.database.url === undefined) return undefined;
  const { protocol, hostname, port } = new URL(replicaUrl);
  const ownPort = port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port);
  return {
    url: replicaUrl,
    options: {
      ...listenerOptions(config),
      host: replicaHost ?? hostname.replace(/^\[|\]$/g, ''),
      port: replicaPort ?? ownPort,
      hostSetting: 'REPLICA_HOST',
      portSetting: 'REPLICA_PORT',
    },
  };
}

/** What an upstream server said reaches the client of another replica in the server's own words. */
const errors: ErrorCodec = {
  write: (thrown) => (thrown instanceof RpcError ? thrown.toJson() : undefined),
  read: parseRpcError,
};
