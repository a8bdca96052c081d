/**
 * What the servers have, as they last said it: one list per binding, kind and authorization context upstream. Whoever asks
 * gets the newest within a short time or else the last good one; a server that is away delays and breaks nothing.
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '#core/clock.ts';
import { isJsonObject, type Json, type JsonObject, stringIn } from '#core/json.ts';
import type { Log } from '#core/log.ts';
import type { Route } from '#gateway/peers/link.ts';
import type { Peers } from '#gateway/peers/peers.ts';
import { RpcError } from '#mcp/bridge/errors.ts';

export type ListKind = 'tools' | 'prompts' | 'resources' | 'templates' | 'skills';

const kinds: Readonly<Record<ListKind, { readonly method: string; readonly member: string; readonly sortBy: string }>> =
  {
    tools: { method: 'tools/list', member: 'tools', sortBy: 'name' },
    prompts: { method: 'prompts/list', member: 'prompts', sortBy: 'name' },
    resources: { method: 'resources/list', member: 'resources', sortBy: 'uri' },
    templates: { method: 'resources/templates/list', member: 'resourceTemplates', sortBy: 'uriTemplate' },
    skills: { method: 'skills/list', member: 'skills', sortBy: 'uri' },
  };

/** One list of one server. */
export interface Held {
  readonly items: readonly JsonObject[];
  /** Changes whenever the items do; of all lists of this process, no two are alike. */
  readonly version: number;
  readonly ttlMs: number;
}

export interface Got {
  /** Undefined: the server never said. */
  readonly held: Held | undefined;
  /** It is older than it may be, and the server could not be asked in time. */
  readonly stale: boolean;
}

export interface Lists {
  /** One answer per route, in their order. Never rejects. */
  read(routes: readonly Route[], kind: ListKind): Promise<readonly Got[]>;
  /** As it is in memory. */
  peek(route: Route, kind: ListKind): Held | undefined;
  /** What `server/discover` says; undefined: it never did. */
  readHello(routes: readonly Route[]): Promise<readonly (JsonObject | undefined)[]>;
  /** The server says that it changed, or an operator wants it anew. */
  invalidate(route: Route, kind: ListKind): void;
  onChanged(listener: (changed: Changed) => void): () => void;
}

export interface Changed {
  readonly organization: string;
  readonly binding: string;
  readonly kind: ListKind;
}

export interface ListsDeps {
  readonly peers: Peers;
  readonly clock: Clock;
  readonly log: Log;
  /** Milliseconds until a list is answered from what is in memory: where all have something, and where a part was never heard. */
  readonly patienceMs: number;
  readonly firstPatienceMs: number;
}

/** SECURITY 3.3. */
const limits = { items: 2000, pages: 50, itemBytes: 147_456 } as const;
/** Of servers that don't say how long their lists are good for. */
const LEAST_TTL_MS = 1000;
const RETRY_MS = 2000;
const LOAD_MS = 15_000;
const gateway = { capabilities: { extensions: {} }, info: { name: 'gatehouse', version: '1' }, logLevel: undefined };

interface Entry<T> {
  value: T | undefined;
  /** Monotonic milliseconds; -Infinity: it must be asked anew. */
  goodUntil: number;
  loading: Promise<void> | undefined;
  failedAt: number;
  /** Somebody has waited for the first answer already. */
  awaited: boolean;
  /** That it changes was said already. */
  announced: boolean;
}

export function openLists(deps: ListsDeps): Lists {
  const { peers, clock, log } = deps;
  const entries = new LRUCache<string, Entry<Held>>({ max: 20_000 });
  const hellos = new LRUCache<string, Entry<JsonObject>>({ max: 10_000 });
  const listeners = new Set<(changed: Changed) => void>();
  let versions = 0;

  function ask(route: Route, method: string, params: JsonObject, signal: AbortSignal): Promise<JsonObject> {
    return peers.request(
      route,
      { method, params, client: gateway, lane: '' },
      { signal, notify: () => undefined, ask: undefined },
    );
  }

  async function loadList(route: Route, kind: ListKind, entry: Entry<Held>): Promise<void> {
    const { method, member, sortBy } = kinds[kind];
    const signal = AbortSignal.timeout(LOAD_MS);
    const items: JsonObject[] = [];
    let ttlMs = 0;
    let cursor: Json | undefined;
    for (let page = 0; page < limits.pages && items.length < limits.items; page++) {
      const result = await ask(route, method, cursor === undefined ? {} : { cursor }, signal).catch(emptyWhereUnknown);
      ttlMs = Math.max(0, Number(result.ttlMs) || 0);
      const found = result[member];
      if (Array.isArray(found)) items.push(...found.filter((item) => isGood(item, sortBy)));
      cursor = result.nextCursor;
      if (typeof cursor !== 'string') break;
    }
    const sorted = distinct(items.slice(0, limits.items), sortBy);
    const before = entry.value;
    const same = before !== undefined && JSON.stringify(before.items) === JSON.stringify(sorted);
    entry.value = { items: same ? before.items : sorted, version: same ? before.version : ++versions, ttlMs };
    entry.goodUntil = clock.monotonic() + Math.max(LEAST_TTL_MS, ttlMs);
    const isNews = before !== undefined && !same && !entry.announced;
    entry.announced = false;
    if (isNews)
      for (const hear of listeners) hear({ organization: route.organization.id, binding: route.binding.id, kind });
  }

  async function loadHello(route: Route, entry: Entry<JsonObject>): Promise<void> {
    entry.value = await ask(route, 'server/discover', {}, AbortSignal.timeout(LOAD_MS));
    entry.goodUntil = clock.monotonic() + 300_000;
  }

  function entryOf<T extends object>(of: LRUCache<string, Entry<T>>, key: string): Entry<T> {
    const known = of.get(key);
    if (known) return known;
    const made: Entry<T> = {
      value: undefined,
      goodUntil: Number.NEGATIVE_INFINITY,
      loading: undefined,
      failedAt: Number.NEGATIVE_INFINITY,
      awaited: false,
      announced: false,
    };
    of.set(key, made);
    return made;
  }

  function refresh<T>(entry: Entry<T>, route: Route, load: () => Promise<void>): Promise<void> | undefined {
    const now = clock.monotonic();
    if (now < entry.goodUntil) return undefined;
    if (!entry.loading && now - entry.failedAt < RETRY_MS) return undefined;
    entry.loading ??= load()
      .catch((error) => {
        entry.failedAt = clock.monotonic();
        log.warn({ err: error, server: route.binding.server.key }, 'a server did not say what it has');
      })
      .finally(() => {
        entry.loading = undefined;
      });
    return entry.loading;
  }

  /** As long as there is something to wait for, and no longer than anybody should. */
  async function wait<T>(
    asked: readonly { readonly entry: Entry<T>; readonly loading: Promise<void> | undefined }[],
  ): Promise<void> {
    const loading = asked.flatMap(({ loading: one }) => one ?? []);
    if (loading.length === 0) return;
    const first = asked.filter(({ entry, loading: one }) => one && entry.value === undefined && !entry.awaited);
    for (const { entry } of first) entry.awaited = true;
    await within(Promise.all(loading), deps.patienceMs);
    if (first.length > 0)
      await within(
        Promise.all(first.flatMap(({ entry }) => entry.loading ?? [])),
        deps.firstPatienceMs - deps.patienceMs,
      );
  }

  return {
    async read(routes, kind) {
      const asked = routes.map((route) => {
        const entry = entryOf(entries, `${kind} ${contextOf(route)}`);
        return { entry, loading: refresh(entry, route, () => loadList(route, kind, entry)) };
      });
      await wait(asked);
      const now = clock.monotonic();
      return asked.map(({ entry: { value, goodUntil } }) => ({ held: value, stale: now >= goodUntil }));
    },
    peek: (route, kind) => entries.get(`${kind} ${contextOf(route)}`)?.value,
    async readHello(routes) {
      const asked = routes.map((route) => {
        const entry = entryOf(hellos, contextOf(route));
        return { entry, loading: refresh(entry, route, () => loadHello(route, entry)) };
      });
      await wait(asked);
      return asked.map(({ entry }) => entry.value);
    },
    invalidate(route, kind) {
      const entry = entries.get(`${kind} ${contextOf(route)}`);
      if (!entry) return;
      entry.goodUntil = Number.NEGATIVE_INFINITY;
      entry.failedAt = Number.NEGATIVE_INFINITY;
      entry.announced = true;
      for (const hear of listeners) hear({ organization: route.organization.id, binding: route.binding.id, kind });
    },
    onChanged(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/**
 * Who the server believes to talk to: with the organization's own credential all members are one, unless the server hears
 * who calls, or has a process for each caller.
 */
export function contextOf({ organization, binding, principal }: Route): string {
  const { server, credential } = binding;
  const { transport } = server;
  const personal = server.trusted || (transport.kind === 'stdio' && transport.state === 'stateful');
  const whose = personal ? principal.key : '';
  return JSON.stringify([
    organization.id,
    binding.id,
    transport,
    binding.partition,
    credential?.id,
    credential?.version,
    whose,
  ]);
}

/** A server without the capability has an empty list. */
function emptyWhereUnknown(thrown: unknown): JsonObject {
  if (thrown instanceof RpcError && thrown.code === -32601) return {};
  throw thrown;
}

function isGood(item: Json, key: string): boolean {
  return isJsonObject(item) && stringIn(item, key) !== undefined && JSON.stringify(item).length <= limits.itemBytes;
}

function distinct(items: readonly JsonObject[], key: string): readonly JsonObject[] {
  const byName = new Map<string, JsonObject>();
  for (const item of items) {
    const name = stringIn(item, key) ?? '';
    if (!byName.has(name)) byName.set(name, item);
  }
  return [...byName].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, item]) => item);
}

function within(work: Promise<unknown>, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, Math.max(0, ms));
    const done = () => {
      clearTimeout(timer);
      resolve();
    };
    work.then(done, done);
  });
}
