/**
 * What servers say unasked: lists that changed, resources that were updated. One stream to a server for all who listen in
 * the same authorization context; it is open as long as somebody does, and comes back when it breaks.
 */
import type { JsonObject } from '#core/json.ts';
import type { Log } from '#core/log.ts';
import { contextOf } from '#gateway/catalog/context.ts';
import { changedKinds } from '#gateway/catalog/items.ts';
import type { ListKind, Lists } from '#gateway/catalog/lists.ts';
import type { Route } from '#gateway/peers/link.ts';
import type { ListenFilter, Peer } from '#gateway/peers/peer.ts';
import type { Peers } from '#gateway/peers/peers.ts';

export interface Ears {
  /** Until the signal ends it. `uris`: the server's own, of resources whose updates are wanted. */
  listen(route: Route, wanted: Wanted): void;
}

export interface Wanted {
  readonly uris: ReadonlySet<string>;
  readonly taskIds: ReadonlySet<string>;
  readonly signal: AbortSignal;
  readonly hear: (method: string, params: JsonObject) => void;
}

export interface EarsDeps {
  readonly peers: Peers;
  readonly lists: Lists;
  readonly log: Log;
  /** Milliseconds: the first pause before a broken stream is opened again, doubled up to the last. */
  readonly pauseMs?: readonly [first: number, last: number];
}

const nobody = { capabilities: {}, info: { name: 'gatehouse', version: '1' }, logLevel: undefined };
/** Its own session with a legacy server: what is subscribed there is nobody else's. */
const LANE = 'ears';
/** Of all who listen: who came first is heard for. */
const MAX_WANTED = 2000;

export function openEars(deps: EarsDeps): Ears {
  const ears = new Map<string, Ear>();
  return {
    listen(route, wanted) {
      if (wanted.signal.aborted) return;
      const key = contextOf(route);
      const ear = ears.get(key) ?? new Ear(route, deps, () => ears.delete(key));
      ears.set(key, ear);
      ear.add(wanted);
    },
  };
}

class Ear {
  readonly #route: Route;
  readonly #deps: EarsDeps;
  readonly #forget: () => void;
  readonly #wanted = new Set<Wanted>();
  #stream: AbortController | undefined;
  #told = '';
  #pauseMs: number;
  #timer: NodeJS.Timeout | undefined;
  #wasOpen = false;

  constructor(route: Route, deps: EarsDeps, forget: () => void) {
    this.#route = route;
    this.#deps = deps;
    this.#forget = forget;
    this.#pauseMs = deps.pauseMs?.[0] ?? 1000;
  }

  add(wanted: Wanted): void {
    this.#wanted.add(wanted);
    wanted.signal.addEventListener('abort', () => this.#remove(wanted), { once: true });
    this.#adjust();
  }

  #remove(wanted: Wanted): void {
    this.#wanted.delete(wanted);
    if (this.#wanted.size > 0) {
      this.#adjust();
      return;
    }
    clearTimeout(this.#timer);
    this.#stream?.abort();
    this.#forget();
  }

  #filter(): ListenFilter {
    const all = (pick: (wanted: Wanted) => ReadonlySet<string>) =>
      [...new Set([...this.#wanted].flatMap((one) => [...pick(one)]))].slice(0, MAX_WANTED).sort();
    const taskIds = all(({ taskIds: ids }) => ids);
    return {
      toolsListChanged: true,
      promptsListChanged: true,
      resourcesListChanged: true,
      resourceSubscriptions: all(({ uris }) => uris),
      ...(taskIds.length > 0 ? { taskIds } : {}),
    };
  }

  /** A wider or narrower wish is a new stream; the old one ends once the new one hears. */
  #adjust(): void {
    const filter = this.#filter();
    const text = JSON.stringify(filter);
    if (text === this.#told || this.#timer) return;
    this.#told = text;
    this.#open(filter, this.#stream);
  }

  #open(filter: ListenFilter, before: AbortController | undefined): void {
    const stream = new AbortController();
    this.#stream = stream;
    this.#listen(filter, stream, before)
      .catch((error) =>
        this.#deps.log.debug({ err: error, server: this.#route.binding.server.key }, 'a server is not heard'),
      )
      .finally(() => {
        before?.abort();
        if (!stream.signal.aborted && this.#stream === stream) this.#later();
      });
  }

  async #listen(filter: ListenFilter, stream: AbortController, before: AbortController | undefined): Promise<void> {
    const peer: Peer = await this.#deps.peers.find(this.#route);
    const started = () => {
      before?.abort();
      this.#pauseMs = this.#deps.pauseMs?.[0] ?? 1000;
      // Nobody knows what was said meanwhile.
      if (this.#wasOpen && !before) this.#changed(['tools', 'prompts', 'resources', 'templates']);
      this.#wasOpen = true;
    };
    await peer.listen(
      this.#route,
      { filter, client: nobody, lane: LANE, started },
      { signal: stream.signal, notify: (method, params) => this.#hear(method, params) },
    );
  }

  #hear(method: string, params: JsonObject): void {
    const kinds = changedKinds(method);
    if (kinds.length > 0) this.#changed(kinds);
    else
      for (const { uris, taskIds, hear } of this.#wanted) {
        const isWanted =
          method === 'notifications/resources/updated'
            ? uris.has(String(params.uri))
            : taskIds.has(String(params.taskId));
        if (isWanted) hear(method, params);
      }
  }

  #changed(kinds: readonly ListKind[]): void {
    for (const kind of kinds) this.#deps.lists.invalidate(this.#route, kind);
  }

  #later(): void {
    this.#stream = undefined;
    this.#told = '';
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#wanted.size > 0) this.#adjust();
    }, this.#pauseMs).unref();
    this.#pauseMs = Math.min(2 * this.#pauseMs, this.#deps.pauseMs?.[1] ?? 60_000);
  }
}
