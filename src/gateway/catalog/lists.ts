/**
 * What the servers have, as they last said it: one list per binding, kind and authorization context upstream. A server
 * that is away delays and breaks nothing: its last good list stands (`shelf.ts`).
 */

import { LRUCache } from 'lru-cache';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import { isJsonObject, type JsonObject } from '#core/json.ts';
import type { Log } from '#core/log.ts';
import type { Route } from '#gateway/peers/link.ts';
import { asGateway } from '#gateway/peers/peer.ts';
import type { Peers } from '#gateway/peers/peers.ts';
import { RpcError } from '#mcp/bridge/errors.ts';
import { invalidParamHeaders } from '#mcp/bridge/mirror-headers.ts';
import { lineOf } from '#records/snapshot.ts';
import { listContextOf } from './context.ts';
import { kindFacts, type ListKind, type ListLimits, listLimits } from './items.ts';
import { fetchList } from './load.ts';
import { type Loaded, openShelf, type ShelfDeps, type Wish } from './shelf.ts';

export type { ListKind } from './items.ts';

/** One list of one server. */
export interface Held {
  /** Sorted by their key: name, URI or URI template. */
  readonly items: readonly JsonObject[];
  readonly byKey: ReadonlyMap<string, JsonObject>;
  /** Changes whenever the items do; of all lists of this process, no two are alike. */
  readonly version: number;
  readonly ttlMs: number;
  /** Of the items as JSON. */
  readonly bytes: number;
}

export interface Got {
  /** Undefined: the server never said. */
  readonly held: Held | undefined;
  /** It is older than it may be, and the server could not be asked in time. */
  readonly stale: boolean;
  /** Milliseconds that a client may take it for new. */
  readonly freshMs: number;
}

export interface Lists {
  /** One answer per route, in their order. Never rejects. */
  read(routes: readonly Route[], kind: ListKind): Promise<readonly Got[]>;
  /** As it is in memory. */
  peek(route: Route, kind: ListKind): Held | undefined;
  /** What `server/discover` says; undefined: it never did. */
  readHello(routes: readonly Route[]): Promise<readonly (JsonObject | undefined)[]>;
  /** The server says that it changed, or an operator wants it anew. `rumour`: perhaps it did. */
  invalidate(route: Route, kind: ListKind, rumour?: 'rumour'): void;
  /** After the new list has come. */
  onChanged(listener: (changed: Changed) => void): () => void;
  close(): void;
}

export interface Changed {
  readonly organization: string;
  readonly binding: string;
  readonly kind: ListKind;
  /** Whose list (`listContextOf`); undefined: of all who use the binding. */
  readonly context: string | undefined;
}

export interface ListsDeps
  extends Pick<ShelfDeps<Held>, 'clock' | 'patienceMs' | 'firstPatienceMs' | 'after' | 'random'> {
  readonly peers: Peers;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits?: ListLimits;
  /** Of all lists of this process. */
  readonly maxBytes?: number;
}

/** Of servers that don't say how long their lists are good for, and of those that say too much. */
const LEAST_TTL_MS = 1000;
const MOST_TTL_MS = 3_600_000;
const LOAD_MS = 15_000;
const HELLO_TTL_MS = 300_000;
const MAX_BYTES = 268_435_456;
/** It becomes part of what every client of the endpoint is told at first. */
const MAX_HELLO_BYTES = 131_072;
export function openLists(deps: ListsDeps): Lists {
  const { peers, log, limits = listLimits, maxBytes = MAX_BYTES } = deps;
  const listeners = new Set<(changed: Changed) => void>();
  /** Equal lists are one: of a thousand callers who each have a context of their own. */
  const alike = new LRUCache<string, Held>({ maxSize: maxBytes / 4, sizeCalculation: ({ bytes }) => bytes + 500 });
  let versions = 0;

  const onFailed = (key: string, error: unknown) =>
    log.warn({ err: error, server: serverOf.get(key) }, 'a server did not say what it has');
  /** For the log: which server a key is of. */
  const serverOf = new LRUCache<string, string>({ max: 20_000 });
  const common = { ...deps, maxBytes, onFailed };
  const shelf = openShelf<Held>({
    ...common,
    isSame: (a, b) => a.version === b.version && a.ttlMs === b.ttlMs,
    onChanged: tell,
  });
  const hellos = openShelf<JsonObject>({
    ...common,
    isSame: (a, b) => JSON.stringify(a) === JSON.stringify(b),
    onChanged: () => undefined,
  });

  function tell(group: string, key: string | undefined): void {
    const [organization = '', binding = '', kind = ''] = group.split(' ');
    const context = key?.slice(kind.length + 1);
    for (const hear of listeners) hear({ organization, binding, kind: kind as ListKind, context });
  }

  function ask(route: Route, method: string, params: JsonObject, signal: AbortSignal): Promise<JsonObject> {
    return peers.request(
      route,
      { method, params, client: asGateway, lane: '' },
      { signal, notify: () => undefined, ask: undefined },
    );
  }

  async function loadList(route: Route, kind: ListKind): Promise<Loaded<Held>> {
    const signal = AbortSignal.timeout(LOAD_MS);
    const { method } = kindFacts[kind];
    const isMirrored = kind === 'tools' && (await peers.find(route)).era === 'modern';
    const page = async (cursor: string | undefined) => {
      const result = await ask(route, method, cursor === undefined ? {} : { cursor }, signal).catch(emptyWhereUnknown);
      return isMirrored ? withoutUncallable(result) : result;
    };
    const { byKey, bytes, digest, ttlMs, left } = await fetchList(kind, page, limits);
    const key = `${route.organization.id} ${route.binding.id} ${kind} ${digest}`;
    const known = alike.get(key);
    if (!known && (left.unfit > 0 || left.doubles > 0 || left.cut))
      log.warn({ server: route.binding.server.key, kind, ...left }, 'a list of a server is not shown whole');
    const like = known ?? { items: [...byKey.values()], byKey, version: ++versions, ttlMs, bytes };
    const held = like.ttlMs === ttlMs ? like : { ...like, ttlMs };
    if (held !== known) alike.set(key, held);
    return { value: held, bytes, saidMs: ttlMs, ttlMs: Math.min(MOST_TTL_MS, Math.max(LEAST_TTL_MS, ttlMs)) };
  }

  async function loadHello(route: Route): Promise<Loaded<JsonObject>> {
    const value = await ask(route, 'server/discover', {}, AbortSignal.timeout(LOAD_MS));
    const { length: bytes } = JSON.stringify(value);
    if (bytes > MAX_HELLO_BYTES) throw new GatehouseError('upstream_broken', { cause: new Error('too much said') });
    return { value, bytes, saidMs: 0, ttlMs: HELLO_TTL_MS };
  }

  function wishOf<T>(route: Route, kind: string, load: () => Promise<Loaded<T>>): Wish<T> {
    const { organization, binding } = route;
    const key = `${kind} ${listContextOf(route, kind)}`;
    serverOf.set(key, binding.server.key);
    return {
      key,
      group: groupOf(route, kind),
      source: `${organization.id} ${lineOf(binding.server)}`,
      load,
    };
  }

  return {
    async read(routes, kind) {
      const shown = await shelf.read(routes.map((route) => wishOf(route, kind, () => loadList(route, kind))));
      return shown.map(({ value, isStale, freshMs }) => ({ held: value, stale: isStale, freshMs }));
    },
    peek: (route, kind) => shelf.peek(`${kind} ${listContextOf(route, kind)}`),
    async readHello(routes) {
      const shown = await hellos.read(routes.map((route) => wishOf(route, 'hello', () => loadHello(route))));
      return shown.map(({ value }) => value);
    },
    invalidate(route, kind, rumour) {
      // Resources change with their templates.
      shelf.outdate(groupOf(route, kind), { isRumour: rumour !== undefined, isAside: kind === 'templates' });
    },
    onChanged(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close() {
      shelf.close();
      hellos.close();
    },
  };
}

/** A change is of a binding: whoever of its contexts heard of it, all are asked anew. */
const groupOf = ({ organization, binding }: Route, kind: string) => `${organization.id} ${binding.id} ${kind}`;

/** A server without the capability has an empty list. */
function emptyWhereUnknown(thrown: unknown): JsonObject {
  if (thrown instanceof RpcError && thrown.code === -32601) return {};
  throw thrown;
}

/** A tool that wants headers in a way that the protocol forbids must not be offered (2026-07-28, streamable HTTP). */
function withoutUncallable(result: JsonObject): JsonObject {
  const { tools } = result;
  if (!Array.isArray(tools)) return result;
  return { ...result, tools: tools.filter((tool) => !isJsonObject(tool) || !invalidParamHeaders(tool)) };
}
