/**
 * What lives on one replica (a stdio child, a parked call) is reached from the others: one hop to the listener that its
 * owner has for this alone. Whoever holds something tells `id` along with it, sealed into a session id or request state;
 * another replica that meets it says `call(id, …)`. The owner does what the handler of that kind does.
 */
import { randomBytes } from 'node:crypto';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import type { JsonObject } from '#core/json.ts';
import type { Log } from '#core/log.ts';
import type { Every } from '#db/notified-change-feed.ts';
import { type Listener, type ListenerOptions, openListener } from '#http/server.ts';
import { openDirectory, type ReplicaStore } from './directory.ts';
import { openHop } from './hop.ts';
import { type HopDispatch, type HopHandler, type Owner, openOwner, untilAborted } from './owner.ts';
import { type ErrorCodec, openHopKeys } from './wire.ts';

export interface HopMessage {
  /** Which handler. */
  readonly kind: string;
  readonly body: JsonObject;
}

export interface HopOptions {
  readonly signal: AbortSignal;
  readonly onEvent?: (event: JsonObject) => void;
}

export interface Replicas {
  /** Of this process, random: 128 bits, base64url. */
  readonly id: string;
  /** Where the others reach this one; undefined: they do not. */
  readonly url: string | undefined;
  /**
   * At the owner; here, without the network, when that is this replica. Sent once, never repeated. Throws what the
   * handler threw; `owner_gone` where the owner ended; `owner_unreachable` (503) where it is registered but does not
   * answer, or broke off; `unknown_method` where it handles no such kind; `too_large` beyond 16 MiB sealed;
   * `storage_unavailable`; the signal's reason.
   */
  call(replicaId: string, message: HopMessage, options: HopOptions): Promise<JsonObject>;
  /** One per kind; returns what takes it away. */
  handle(kind: string, handler: HopHandler): () => void;
  /** Takes this replica out of the directory, ends what others asked for, stops listening. */
  close(): Promise<void>;
}

export interface ReplicasOptions {
  /** undefined: others do not reach this replica, it may reach them. Port 0 in both picks a free one. */
  readonly listen?: { readonly url: string; readonly options: ListenerOptions } | undefined;
  /** Derived from the root secret for `replica-hop` alone. */
  readonly key: Buffer;
  readonly store: ReplicaStore;
  readonly clock: Clock;
  readonly log: Log;
  /** For errors that are no GatehouseError. */
  readonly errors?: ErrorCodec;
  readonly every?: Every;
  readonly aliveMs?: number;
  readonly silenceMs?: number;
}

/** Throws `setting` when it cannot listen, `storage_unavailable`. */
export async function openReplicas(options: ReplicasOptions): Promise<Replicas> {
  const { log } = options;
  const id = randomBytes(16).toString('base64url');
  const keys = openHopKeys(options.key);
  const handlers = new Map<string, HopHandler>();
  const dispatch: HopDispatch = async (kind, body, context) => {
    const handler = handlers.get(kind);
    if (!handler) throw new GatehouseError('unknown_method');
    return handler(body, context);
  };
  const directory = openDirectory(options);
  const hop = openHop({ ...options, keys });
  const owner = openOwner({ ...options, id, keys, dispatch });
  const door = await openDoor(options, owner);
  if (door) {
    try {
      await directory.enter({ id, url: door.url });
    } catch (error) {
      await door.listener.close(0);
      throw error;
    }
    log.debug({ url: door.url }, 'other replicas reach this one');
  }

  /** Asked anew, for what was remembered may be outdated. */
  const isGone = async (replicaId: string) => {
    directory.forget(replicaId);
    return (await directory.find(replicaId).catch(() => '')) === undefined;
  };

  return {
    id,
    url: door?.url,
    async call(replicaId, { kind, body }, { signal, onEvent = () => undefined }) {
      signal.throwIfAborted();
      if (replicaId === id) return untilAborted(dispatch(kind, body, { signal, emit: onEvent }), signal);
      const url = await directory.find(replicaId);
      if (url === undefined) throw new GatehouseError('owner_gone', door ? {} : { message: ALONE });
      try {
        return await hop.call({ target: replicaId, url, kind, body, signal, onEvent });
      } catch (error) {
        if (error instanceof GatehouseError && error.code === 'owner_unreachable' && (await isGone(replicaId)))
          throw new GatehouseError('owner_gone', { cause: error });
        throw error;
      }
    },
    handle(kind, handler) {
      if (handlers.has(kind)) throw new Error(`two handlers for ${kind}`);
      handlers.set(kind, handler);
      return () => handlers.delete(kind);
    },
    async close() {
      await directory.close().catch((error: unknown) => log.warn({ err: error }, 'this replica is still registered'));
      owner.close();
      await Promise.all([door?.listener.close(DRAIN_MS), hop.close()]);
    },
  };
}

const ALONE =
  'What this request refers to is not on this replica: start again. Where there are several replicas, set REPLICA_URL on each of them, so that they reach each other';

/** For the answers that say so. */
const DRAIN_MS = 1000;

interface Door {
  readonly url: string;
  readonly listener: Listener;
}

async function openDoor({ listen }: ReplicasOptions, owner: Owner): Promise<Door | undefined> {
  if (!listen) return undefined;
  const listener = await openListener(listen.options, owner.handle);
  const url = new URL(listen.url);
  if (url.port === '0') url.port = String(listener.port);
  return { url: url.origin, listener };
}
