/**
 * What servers say unasked: lists that changed, resources that were updated. One stream to a server for all who listen in
 * the same authorization context; it is open as long as somebody does, and comes back when it breaks.
 */
import { type JsonObject, objectIn } from '#core/json.ts';
import type { Log } from '#core/log.ts';
import { contextOf } from '#gateway/catalog/context.ts';
import { changedKinds } from '#gateway/catalog/items.ts';
import type { ListKind, Lists } from '#gateway/catalog/lists.ts';
import type { Route } from '#gateway/peers/link.ts';
import type { ClientFacts, ListenEnd, ListenFilter, Peer } from '#gateway/peers/peer.ts';
import type { Peers } from '#gateway/peers/peers.ts';
import { honouredFilter } from '#mcp/bridge/subscriptions.ts';

export interface Ears {
  /**
   * Until the signal ends it. Resolves once the server is heard, or is known not to be for now: what it says of `uris`
   * and of its lists from then on is not missed. Never rejects.
   */
  listen(route: Route, wanted: Wanted): Promise<void>;
  /** Servers that are listened to. */
  readonly size: number;
}

export interface Wanted {
  /** The server's own, of resources whose updates are wanted. */
  readonly uris: ReadonlySet<string>;
  readonly taskIds: ReadonlySet<string>;
  /** What the client declared: a process of a stdio server is there for those who declared the same. */
  readonly capabilities?: JsonObject | undefined;
  readonly signal: AbortSignal;
  readonly hear: (method: string, params: JsonObject) => void;
}

export interface EarsDeps {
  readonly peers: Peers;
  readonly lists: Lists;
  readonly log: Log;
  /** Milliseconds: the first pause before a broken stream is opened again, doubled up to the last. */
  readonly pauseMs?: readonly [first: number, last: number];
  /** Runs it after so many milliseconds; the result gives it up. */
  readonly after?: (ms: number, run: () => void) => () => void;
}

const nobody: ClientFacts = { capabilities: {}, info: { name: 'gatehouse', version: '1' }, logLevel: undefined };
/** Its own session with a legacy server: what is subscribed there is nobody else's. */
const lane = 'ears';
/** SECURITY 3.4. */
const PAUSE_MS = [1000, 60_000] as const;
/** A server that has nothing to say, or no such stream, is left in peace: it may learn it one day. */
const PEACE_MS = 3_600_000;
const listKinds: readonly ListKind[] = ['tools', 'prompts', 'resources', 'templates'];

export function openEars(deps: EarsDeps): Ears {
  const ears = new Map<string, Ear>();
  return {
    listen(route, wanted) {
      if (wanted.signal.aborted) return Promise.resolve();
      const { transport } = route.binding.server;
      const { capabilities = nobody.capabilities } = transport.kind === 'stdio' ? wanted : nobody;
      const key = `${contextOf(route)} ${JSON.stringify(capabilities)}`;
      const made = () => new Ear({ route, client: { ...nobody, capabilities } }, deps, () => ears.delete(key));
      const ear = ears.get(key) ?? made();
      ears.set(key, ear);
      return ear.add(wanted);
    },
    get size() {
      return ears.size;
    },
  };
}

interface Stream {
  readonly peer: Peer;
  readonly abort: AbortController;
  filter: ListenFilter;
}

interface Heard {
  readonly route: Route;
  readonly client: ClientFacts;
}

class Ear {
  readonly #route: Route;
  readonly #client: ClientFacts;
  readonly #deps: EarsDeps;
  readonly #forget: () => void;
  readonly #wanted = new Set<Wanted>();
  #stream: Stream | undefined;
  /** Of the filter that was asked for last, whatever came of it. */
  #asked = '';
  #work: Promise<void> | undefined;
  #pauseMs: number;
  #cancelPause: (() => void) | undefined;
  #wasHeard = false;

  constructor({ route, client }: Heard, deps: EarsDeps, forget: () => void) {
    this.#route = route;
    this.#client = client;
    this.#deps = deps;
    this.#forget = forget;
    this.#pauseMs = this.#pauses[0];
  }

  add(wanted: Wanted): Promise<void> {
    this.#wanted.add(wanted);
    wanted.signal.addEventListener('abort', () => this.#remove(wanted), { once: true });
    return this.#adjust();
  }

  get #pauses(): readonly [number, number] {
    return this.#deps.pauseMs ?? PAUSE_MS;
  }

  #remove(wanted: Wanted): void {
    this.#wanted.delete(wanted);
    if (this.#wanted.size > 0) {
      void this.#adjust();
      return;
    }
    this.#cancelPause?.();
    this.#forget();
    // What is being opened right now ends as soon as it is.
    if (!this.#work) this.#close();
  }

  #close(): void {
    const { peer, abort, filter } = this.#stream ?? {};
    this.#stream = undefined;
    abort?.abort();
    if (filter) peer?.leave?.(this.#route, { filter, client: this.#client, lane });
  }

  #filter(): ListenFilter {
    const all = (pick: (wanted: Wanted) => ReadonlySet<string>) =>
      [...new Set([...this.#wanted].flatMap((one) => [...pick(one)]))].sort();
    const taskIds = all(({ taskIds: ids }) => ids);
    return {
      toolsListChanged: true,
      promptsListChanged: true,
      resourcesListChanged: true,
      resourceSubscriptions: all(({ uris }) => uris),
      ...(taskIds.length > 0 ? { taskIds } : {}),
    };
  }

  /** One change at a time; whoever comes meanwhile is in the next one. */
  async #adjust(): Promise<void> {
    while (this.#work) await this.#work;
    if (this.#cancelPause || this.#wanted.size === 0) return;
    const filter = this.#filter();
    const text = JSON.stringify(filter);
    if (text === this.#asked) return;
    this.#asked = text;
    this.#work = this.#apply(filter)
      .catch((error) => this.#fail(error))
      .finally(() => {
        this.#work = undefined;
        if (this.#wanted.size === 0) this.#close();
      });
    await this.#work;
  }

  async #apply(wish: ListenFilter): Promise<void> {
    const { lists, peers } = this.#deps;
    const [hello] = await lists.readHello([this.#route]);
    if (!hello) throw new Error('the server has not said yet what it can do');
    const filter: ListenFilter = honouredFilter({ ...wish }, objectIn(hello, 'capabilities'));
    if (isEmpty(filter)) {
      this.#close();
      // A listener's other wish is looked at again; nothing else has to be.
      return;
    }
    const before = this.#stream;
    if (before?.peer.adjust) {
      await before.peer.adjust(this.#route, before.filter, { filter, client: this.#client, lane });
      before.filter = filter;
      return;
    }
    await this.#open({ peer: await peers.find(this.#route), abort: new AbortController(), filter }, before);
  }

  /** Until it hears, or is over. The old stream ends then. */
  #open(stream: Stream, before: Stream | undefined): Promise<void> {
    this.#stream = stream;
    return new Promise((resolve) => {
      const settle = () => {
        before?.abort.abort();
        resolve();
      };
      const started = () => {
        this.#pauseMs = this.#pauses[0];
        // Nobody knows what was said meanwhile.
        if (this.#wasHeard && !before)
          for (const kind of listKinds) this.#deps.lists.invalidate(this.#route, kind, 'rumour');
        this.#wasHeard = true;
        settle();
      };
      const { signal } = stream.abort;
      const notify = (method: string, params: JsonObject) => {
        if (!signal.aborted) this.#hear(method, params);
      };
      stream.peer
        .listen(this.#route, { filter: stream.filter, client: this.#client, lane, started }, { signal, notify })
        .then((end) => this.#over(stream, end))
        .catch((error) => {
          if (this.#stream === stream) this.#fail(error);
        })
        .finally(settle);
    });
  }

  #hear(method: string, params: JsonObject): void {
    const kinds = changedKinds(method);
    for (const kind of kinds) this.#deps.lists.invalidate(this.#route, kind);
    if (kinds.length > 0) return;
    for (const { uris, taskIds, hear } of this.#wanted) {
      const isWanted =
        method === 'notifications/resources/updated'
          ? uris.has(String(params.uri))
          : method === 'notifications/tasks' && taskIds.has(String(params.taskId));
      if (isWanted) hear(method, params);
    }
  }

  #over(stream: Stream, end: ListenEnd): void {
    if (this.#stream !== stream) return;
    this.#stream = undefined;
    if (end === 'ended') this.#later();
    else this.#rest(PEACE_MS);
  }

  #fail(error: unknown): void {
    const { log } = this.#deps;
    if (this.#wanted.size > 0)
      log.debug({ err: error, server: this.#route.binding.server.key }, 'a server is not heard');
    this.#close();
    this.#later();
  }

  #later(): void {
    this.#rest(this.#pauseMs);
    this.#pauseMs = Math.min(2 * this.#pauseMs, this.#pauses[1]);
  }

  #rest(ms: number): void {
    if (this.#wanted.size === 0) return;
    this.#cancelPause?.();
    this.#cancelPause = (this.#deps.after ?? later)(ms, () => {
      this.#cancelPause = undefined;
      this.#asked = '';
      void this.#adjust();
    });
  }
}

function isEmpty({ resourceSubscriptions, taskIds, ...flags }: ListenFilter): boolean {
  return (resourceSubscriptions?.length ?? 0) + (taskIds?.length ?? 0) === 0 && Object.keys(flags).length === 0;
}

function later(ms: number, run: () => void): () => void {
  const timer = setTimeout(run, ms).unref();
  return () => clearTimeout(timer);
}
