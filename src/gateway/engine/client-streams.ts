/** Streams on which clients hear what they didn't ask for: the GET stream of a legacy session, `subscriptions/listen`. */
import { isJsonObject, type Json, type JsonObject, objectIn } from '#core/json.ts';
import { contextOf } from '#gateway/catalog/context.ts';
import { type Found, findResource } from '#gateway/catalog/find.ts';
import type { Changed, ListKind, Lists } from '#gateway/catalog/lists.ts';
import { isListed } from '#gateway/rights/check.ts';
import type { EndpointPart } from '#records/snapshot.ts';
import { type Asking, routeTo } from './asking.ts';
import { eventFromServer } from './mapping.ts';
import type { Ears } from './upstream-ears.ts';

export interface ClientStreamDeps {
  readonly lists: Lists;
  readonly ears: Ears;
}

export interface Wish {
  readonly kinds: ReadonlySet<ListKind>;
  /** As the client writes them. */
  readonly uris: readonly string[];
}

const methods: Readonly<Record<ListKind, string | undefined>> = {
  tools: 'notifications/tools/list_changed',
  prompts: 'notifications/prompts/list_changed',
  resources: 'notifications/resources/list_changed',
  templates: 'notifications/resources/list_changed',
  skills: undefined,
};

/** Several servers that change at once, or one that is there twice, are one change to the client. */
const TOGETHER_MS = 100;
/** Servers that are slow, or away, don't keep the client from hearing the others. */
const PATIENCE_MS = 1000;

/** One client's stream. Everybody hears only of what their own view of the endpoint has. */
export class Hearing {
  readonly #deps: ClientStreamDeps;
  readonly #signal: AbortSignal;
  readonly #notify: Asking['notify'];
  readonly #pending = new Map<string, NodeJS.Timeout>();
  #wish: Wish = { kinds: new Set(), uris: [] };
  #contexts: ReadonlySet<string> = new Set();
  #bindings: ReadonlySet<string> = new Set();
  /** What is heard, as text: parts, their names and what of them may be used, and the wish. */
  #view = '';
  #told = '';
  #current = new AbortController();
  #turn = 0;

  /** Until the signal ends it. */
  constructor(signal: AbortSignal, notify: Asking['notify'], deps: ClientStreamDeps) {
    this.#signal = signal;
    this.#notify = notify;
    this.#deps = deps;
    const stop = deps.lists.onChanged((changed) => this.#changed(changed));
    const end = () => {
      stop();
      this.#current.abort();
      for (const timer of this.#pending.values()) clearTimeout(timer);
      this.#pending.clear();
    };
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  }

  /**
   * From now on this is wanted, in this view of the endpoint. Resolves with the URIs that are heard of, once they are: a
   * URI that is nobody's, or of a server that tells of none, is never updated. `heard`: as soon as they are known.
   */
  async want(asking: Asking, wish: Wish, heard: (uris: readonly string[]) => void = () => undefined): Promise<void> {
    const turn = ++this.#turn;
    const parts = asking.view.parts.filter(({ binding }) => binding.server.enabled);
    const contexts = parts.map(({ binding }) => contextOf(routeTo(asking, binding)));
    const { rights } = asking.view.endpoint;
    const view = JSON.stringify([parts.map(({ prefix }, i) => [contexts[i], prefix]), rights?.key]);
    const told = JSON.stringify([view, [...wish.kinds], wish.uris]);
    if (told === this.#told) return;
    const isOther = this.#view !== '' && this.#view !== view;
    this.#told = told;
    this.#view = view;
    this.#wish = wish;
    this.#contexts = new Set(contexts);
    this.#bindings = new Set(parts.map(({ binding }) => binding.id));
    // Other servers than before: what they have has changed by that.
    if (isOther) for (const kind of wish.kinds) this.#tellLater(kind);
    const found = await this.#findAll(asking, wish.uris);
    if (this.#signal.aborted || turn !== this.#turn) return;
    heard(found.map(({ uri }) => uri));
    await this.#listen(asking, parts, found);
  }

  async #listen(asking: Asking, parts: readonly EndpointPart[], found: readonly Subscribed[]): Promise<void> {
    const before = this.#current;
    const current = new AbortController();
    this.#current = current;
    const opened = parts.map((part) => {
      const uris = new Set(found.filter((one) => one.part.binding === part.binding).map(({ name }) => name));
      if (uris.size === 0 && this.#wish.kinds.size === 0) return undefined;
      return this.#deps.ears.listen(routeTo(asking, part.binding), {
        uris,
        taskIds: new Set(),
        capabilities: asking.client.capabilities,
        signal: current.signal,
        hear: (method, params) => {
          const mapped = eventFromServer(method, params, part);
          this.#notify(mapped.method, mapped.params);
        },
      });
    });
    before.abort();
    await within(Promise.all(opened), PATIENCE_MS);
  }

  #changed({ kind, context, binding }: Changed): void {
    const isOurs = context === undefined ? this.#bindings.has(binding) : this.#contexts.has(context);
    if (isOurs && this.#wish.kinds.has(kind)) this.#tellLater(kind);
  }

  #tellLater(kind: ListKind): void {
    const method = methods[kind];
    if (method === undefined || this.#pending.has(method) || this.#signal.aborted) return;
    const tell = () => {
      this.#pending.delete(method);
      this.#notify(method, {});
    };
    this.#pending.set(method, setTimeout(tell, TOGETHER_MS).unref());
  }

  async #findAll(asking: Asking, uris: readonly string[]): Promise<readonly Subscribed[]> {
    const { lists } = this.#deps;
    const found = await Promise.allSettled(
      uris.map(async (uri) => ({ ...(await findResource(asking, uri, lists)), uri })),
    );
    const known = found.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const tell = await Promise.all(
      known.map((one) => {
        const { part, name, definition } = one;
        const wish = { action: 'read_resource', binding: part.binding, name, definition } as const;
        return isListed(asking.view.endpoint, wish) && tellsUpdates(asking, one, lists);
      }),
    );
    return known.filter((_one, i) => tell[i]);
  }
}

type Subscribed = Found & { readonly uri: string };

/** One that has not said yet what it can do may. */
export async function tellsUpdates(asking: Asking, { part }: Found, lists: Lists): Promise<boolean> {
  if (!part.binding.server.enabled) return false;
  const [hello] = await lists.readHello([routeTo(asking, part.binding)]);
  return !hello || objectIn(objectIn(hello, 'capabilities'), 'resources')?.subscribe === true;
}

const flags: readonly (readonly [flag: string, noun: string, kinds: readonly ListKind[]])[] = [
  ['toolsListChanged', 'tools', ['tools']],
  ['promptsListChanged', 'prompts', ['prompts']],
  ['resourcesListChanged', 'resources', ['resources', 'templates']],
];

export interface Filter {
  readonly wish: Wish;
  /** What of it is honoured, once it is known of which URIs updates are heard. */
  honoured(uris: readonly string[]): JsonObject;
}

/** The filter of `subscriptions/listen`. `capabilities`: of the endpoint. */
export function filterOf(params: JsonObject, capabilities: JsonObject | undefined): Filter {
  const filter = objectIn(params, 'notifications') ?? {};
  const asked = flags.filter(([flag, noun]) => filter[flag] === true && isJsonObject(capabilities?.[noun]));
  const listed: Json = filter.resourceSubscriptions ?? [];
  const uris = Array.isArray(listed) ? listed.filter((uri): uri is string => typeof uri === 'string') : [];
  return {
    wish: { kinds: new Set(asked.flatMap(([, , kinds]) => kinds)), uris: [...new Set(uris)].slice(0, MAX_URIS) },
    honoured: (heard) => ({
      ...Object.fromEntries(asked.map(([flag]) => [flag, true])),
      ...(heard.length > 0 ? { resourceSubscriptions: heard } : {}),
    }),
  };
}

/** As many as a session may subscribe to. */
const MAX_URIS = 1000;

function within(work: Promise<unknown>, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms).unref();
    const done = () => {
      clearTimeout(timer);
      resolve();
    };
    work.then(done, done);
  });
}
