/**
 * Many servers' lists as one: in the order of the parts, each by name; what is old or missing is said in `_meta`. What was
 * merged once is kept until a part of it changes.
 */
import { LRUCache } from 'lru-cache';
import { isJsonObject, type JsonObject, objectIn, stringIn } from '#core/json.ts';
import { type Asking, routeTo } from '#gateway/engine/asking.ts';
import { fromServer } from '#gateway/engine/mapping.ts';
import { isListed } from '#gateway/rights/check.ts';
import { mergeDiscover } from '#mcp/bridge/merge-discover.ts';
import { publishTool } from '#mcp/shape/publish.ts';
import type { EndpointPart } from '#records/snapshot.ts';
import { kindFacts } from './items.ts';
import type { Got, ListKind, Lists } from './lists.ts';
import { publishedName } from './names.ts';
import { cutPage, formatCursor, indexBehind, type Paged, type Place, parseCursor } from './pages.ts';
import { keepReady } from './ready.ts';
import type { View } from './view.ts';

/** Labels of the parts whose list is older than it may be, and of those that never said what they have. */
export const STALE_KEY = 'io.gatehouse/stale';
export const MISSING_KEY = 'io.gatehouse/missing';

/** Changes of rights show in lists no later than this. */
const MAX_TTL_MS = 30_000;
/** A list above this comes in pages (SECURITY F6). */
export const PAGE_BYTES = 4_194_304;

/** A whole list of an endpoint, as it is published. */
export interface Merged {
  readonly items: readonly JsonObject[];
  /** Of each item, in their order. */
  readonly places: readonly Place[];
  /** About, as JSON. */
  readonly bytes: number;
  readonly pages: Map<number, Paged>;
}

export interface Collected {
  readonly merged: Merged;
  readonly parts: readonly EndpointPart[];
  readonly stale: readonly string[];
  readonly missing: readonly string[];
  readonly ttlMs: number;
}

export async function mergeList(
  asking: Asking,
  {
    kind,
    params,
    pageBytes = PAGE_BYTES,
  }: { readonly kind: ListKind; readonly params: JsonObject; readonly pageBytes?: number },
  lists: Lists,
): Promise<JsonObject> {
  const after = params.cursor === undefined ? undefined : parseCursor(params.cursor);
  const collected = await collect(asking, kind, lists);
  const { merged, parts } = collected;
  const labels = parts.map(({ label }) => label);
  const start = after ? indexBehind(merged.places, labels, after) : 0;
  const { items, nextCursor } = pageFrom(merged, start, pageBytes);
  const member = kindFacts[kind].member;
  return {
    resultType: 'complete',
    [member]: items,
    ...(nextCursor === undefined ? {} : { nextCursor }),
    ...freshnessOf(collected),
  };
}

/** What every list says of itself. */
export function freshnessOf({ stale, missing, ttlMs }: Collected): JsonObject {
  const meta = {
    ...(stale.length > 0 ? { [STALE_KEY]: stale } : {}),
    ...(missing.length > 0 ? { [MISSING_KEY]: missing } : {}),
  };
  return { ttlMs, cacheScope: 'private', ...(stale.length + missing.length > 0 ? { _meta: meta } : {}) };
}

/** Everything of one kind that the endpoint has. Never rejects. */
export async function collect(asking: Asking, kind: ListKind, lists: Lists): Promise<Collected> {
  const { view } = asking;
  const parts = view.parts.filter(({ binding }) => binding.server.enabled);
  const got = await lists.read(
    parts.map(({ binding }) => routeTo(asking, binding)),
    kind,
  );
  const stale: string[] = [];
  const missing: string[] = [];
  let ttlMs = MAX_TTL_MS;
  for (const [i, { label }] of parts.entries()) {
    const one = got[i];
    if (!one?.held) missing.push(label);
    else if (one.stale) stale.push(label);
    ttlMs = Math.min(ttlMs, one?.freshMs ?? 0);
  }
  return { merged: merge({ view, parts, kind }, got), parts, stale, missing, ttlMs };
}

interface What {
  readonly view: View;
  readonly parts: readonly EndpointPart[];
  readonly kind: ListKind;
}

const kept = new LRUCache<string, Merged>({
  // Their objects, and the texts of a few revisions.
  maxSize: 268_435_456,
  sizeCalculation: ({ bytes }) => 4 * bytes + 1000,
});
const numbers = new WeakMap<View, number>();
let views = 0;

function numberOf(view: View): number {
  const known = numbers.get(view) ?? ++views;
  numbers.set(view, known);
  return known;
}

/** A list's version says all of it that isn't configuration, and a changed configuration is another view. */
function merge(what: What, got: readonly Got[]): Merged {
  const versions = got.map(({ held }) => held?.version ?? 0);
  const key = `${numberOf(what.view)} ${what.kind} ${versions.join(' ')}`;
  const known = kept.get(key);
  if (known) return known;
  const { whole } = what.view;
  const merged = whole ? onlyAllowed(merge({ ...what, view: whole }, got), what, got) : publishAll(what, got);
  kept.set(key, merged);
  return merged;
}

function publishAll({ parts, kind }: What, got: readonly Got[]): Merged {
  const items: JsonObject[] = [];
  const places: Place[] = [];
  const taken = new Set<string>();
  const { key: member } = kindFacts[kind];
  for (const [i, part] of parts.entries()) {
    for (const [key, item] of got[i]?.held?.byKey ?? []) {
      const shown = shape(item, part, kind);
      if (!shown) continue;
      const one = publish(shown, part, kind);
      const name = stringIn(one, member) ?? '';
      // Plain names: the earlier binding has it, this one's stands under its label.
      const free = taken.has(name) ? publish(shown, { ...part, prefix: part.label }, kind) : one;
      const freeName = stringIn(free, member) ?? '';
      if (taken.has(freeName)) continue;
      taken.add(freeName);
      items.push(free);
      places.push({ part: i, label: part.label, key });
    }
  }
  return { items, places, bytes: got.reduce((sum, { held }) => sum + (held?.bytes ?? 0), 0), pages: new Map() };
}

/** What of a list its caller may use: the same decision as for a call of it. */
function onlyAllowed(all: Merged, { view, parts, kind }: What, got: readonly Got[]): Merged {
  const { action } = kindFacts[kind];
  const kept = all.places.flatMap((place, i) => {
    const part = parts[place.part];
    const item = all.items[i];
    if (!part || !item) return [];
    const definition = got[place.part]?.held?.byKey.get(place.key);
    const wish = { action, binding: part.binding, name: place.key, definition };
    return isListed(view.endpoint, wish) ? [{ place, item }] : [];
  });
  const bytes = Math.ceil((all.bytes * kept.length) / Math.max(1, all.items.length));
  return { items: kept.map(({ item }) => item), places: kept.map(({ place }) => place), bytes, pages: new Map() };
}

function pageFrom(merged: Merged, start: number, maxBytes: number): Paged {
  const known = merged.pages.get(start);
  if (known) return known;
  const { items, places, bytes } = merged;
  const isWhole = start === 0 && bytes + 40 * items.length <= maxBytes;
  const cut = isWhole ? items : cutPage(items, start, maxBytes);
  const last = places[start + cut.length - 1];
  const page = { items: cut, nextCursor: start + cut.length < items.length && last ? formatCursor(last) : undefined };
  // Cursors into the middle come from older lists: few.
  if (merged.pages.size < 1000) {
    keepReady(cut);
    merged.pages.set(start, page);
  }
  return page;
}

/** As the organization publishes it, still in the server's URIs; undefined: not at all. */
function shape(item: JsonObject, { binding }: EndpointPart, kind: ListKind): JsonObject | undefined {
  const isShaped = kind === 'tools' && (binding.shaping !== undefined || binding.enforced.size > 0);
  return isShaped ? publishTool(item, binding) : item;
}

/** An item of a server in the names and URIs of the endpoint. */
function publish(item: JsonObject, part: EndpointPart, kind: ListKind): JsonObject {
  const { method, member } = kindFacts[kind];
  if (part.prefix === '') return item;
  const list = fromServer(method, { [member]: [item] }, part)[member];
  const [first] = Array.isArray(list) ? list : [];
  const mapped = isJsonObject(first) ? first : item;
  const name = stringIn(mapped, 'name');
  return (kind === 'tools' || kind === 'prompts') && name !== undefined
    ? { ...mapped, name: publishedName(part, name) }
    : mapped;
}

export async function mergeHello(asking: Asking, lists: Lists): Promise<JsonObject> {
  const parts = asking.view.parts.filter(({ binding }) => binding.server.enabled);
  const hellos = await lists.readHello(parts.map(({ binding }) => routeTo(asking, binding)));
  const said = parts.flatMap(({ label }, i) => {
    const discover = hellos[i];
    return discover ? [{ prefix: parts.length > 1 ? label : '', discover }] : [];
  });
  const merged = mergeDiscover(said, gateway);
  return {
    ...merged,
    capabilities: capabilitiesOf(merged, said.length < parts.length),
    ttlMs: 0,
    cacheScope: 'private',
  };
}

const gateway = { serverInfo: { name: 'gatehouse', title: 'Gatehouse', version: '1' } };

/** Whoever didn't answer yet may have anything. The gateway itself tells when lists change. */
function capabilitiesOf(merged: JsonObject, isPartial: boolean): JsonObject {
  const said = objectIn(merged, 'capabilities') ?? {};
  const kinds = (['tools', 'prompts', 'resources'] as const).flatMap((kind) =>
    said[kind] === undefined && !isPartial ? [] : [[kind, { ...objectIn(said, kind), listChanged: true }] as const],
  );
  return { ...said, ...Object.fromEntries(kinds) };
}
