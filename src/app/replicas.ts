/** The other replicas, composed: the listener that they reach this one at, and what all of them hear. */
import type { Config } from '#config/load.ts';
import type { Clock } from '#core/clock.ts';
import { deriveKey } from '#core/derive.ts';
import type { Log } from '#core/log.ts';
import { openReplicas, type Replicas } from '#gateway/replicas/replicas.ts';
import type { ErrorCodec } from '#gateway/replicas/wire.ts';
import type { ListenerOptions } from '#http/server.ts';
import { parseRpcError, RpcError } from '#mcp/bridge/errors.ts';
import { findReplica, putReplica, removeReplica } from '#records/replicas.ts';
import type { Closers } from './closers.ts';
import { listenerOptions } from './gateway-settings.ts';
import type { Storage } from './storage.ts';

export interface ReplicaDeps {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly log: Log;
  readonly closers: Closers;
}

/** Throws `setting` when REPLICA_URL cannot be listened at, `storage_unavailable`. */
export async function openConfiguredReplicas(config: Config, deps: ReplicaDeps): Promise<Replicas> {
  const { storage, clock, log, closers } = deps;
  const { db, rootSecret } = storage;
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
  return replicas;
}

/** Where the URL says, unless told otherwise. An embedded database has no second replica. */
function replicaListener(config: Config): { readonly url: string; readonly options: ListenerOptions } | undefined {
  const { replicaUrl, replicaHost, replicaPort } = config.http;
  if (replicaUrl === undefined || config.database.url === undefined) return undefined;
  const { protocol, hostname, port } = new URL(replicaUrl);
  return {
    url: replicaUrl,
    options: {
      ...listenerOptions(config),
      host: replicaHost ?? hostname.replace(/^\[|\]$/g, ''),
      port: replicaPort ?? (port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port)),
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
