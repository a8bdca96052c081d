/** Streams on which clients hear what they didn't ask for: the GET stream of a legacy session, `subscriptions/listen`. */
import { isJsonObject, type Json, type JsonObject } from '#core/json.ts';
import { type Found, findResource } from '#gateway/catalog/find.ts';
import type { Changed, ListKind, Lists } from '#gateway/catalog/lists.ts';
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

/** Of one request: each is a request to its server, whose stream all members share. */
const MAX_URIS = 200;

/** Hears for the client until the signal ends it. A URI that is nobody's is never updated. */
export async function hearFor(asking: Asking, wish: Wish, deps: ClientStreamDeps): Promise<void> {
  const { signal, organization, view, notify } = asking;
  const parts = view.parts.filter(({ binding }) => binding.server.enabled);
  const bindings = new Set<string>(parts.map(({ binding }) => binding.id));
  const found = await findAll(asking, wish.uris, deps.lists);
  if (signal.aborted) return;
  const told = new Set<string>();
  const stop = deps.lists.onChanged(({ organization: org, binding, kind }: Changed) => {
    const method = methods[kind];
    if (org !== organization.id || !bindings.has(binding) || !wish.kinds.has(kind) || method === undefined) return;
    // Several servers that change at once are one change to the client.
    if (told.has(method)) return;
    told.add(method);
    queueMicrotask(() => {
      told.delete(method);
      if (!signal.aborted) notify(method, {});
    });
  });
  signal.addEventListener('abort', stop, { once: true });
  for (const part of parts) {
    const uris = new Set(found.filter((one) => one.part.binding === part.binding).map(({ name }) => name));
    if (uris.size === 0 && wish.kinds.size === 0) continue;
    deps.ears.listen(routeTo(asking, part.binding), {
      uris,
      taskIds: new Set(),
      signal,
      hear(method, params) {
        const mapped = eventFromServer(method, params, part);
        notify(mapped.method, mapped.params);
      },
    });
  }
}

async function findAll(asking: Asking, uris: readonly string[], lists: Lists): Promise<readonly Found[]> {
  const found = await Promise.allSettled(uris.map((uri) => findResource(asking, uri, lists)));
  return found.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
}

/** The filter of `subscriptions/listen`, and what of it is honoured. */
export function wishOf(filter: JsonObject): { readonly wish: Wish; readonly honoured: JsonObject } {
  const flags: readonly (readonly [string, readonly ListKind[]])[] = [
    ['toolsListChanged', ['tools']],
    ['promptsListChanged', ['prompts']],
    ['resourcesListChanged', ['resources', 'templates']],
  ];
  const asked = flags.filter(([flag]) => filter[flag] === true);
  const listed: Json = filter.resourceSubscriptions ?? [];
  const all = Array.isArray(listed) ? listed.filter((uri): uri is string => typeof uri === 'string') : [];
  const uris = [...new Set(all)].slice(0, MAX_URIS);
  return {
    wish: { kinds: new Set(asked.flatMap(([, kinds]) => kinds)), uris },
    honoured: {
      ...Object.fromEntries(asked.map(([flag]) => [flag, true])),
      ...(uris.length > 0 ? { resourceSubscriptions: uris } : {}),
    },
  };
}

export const filterOf = (params: JsonObject): JsonObject =>
  isJsonObject(params.notifications) ? params.notifications : {};
