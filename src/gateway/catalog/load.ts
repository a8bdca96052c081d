/** One whole list of one server: its pages, within bounds, sorted, without doubles. */
import { hash } from 'node:crypto';
import { GatehouseError } from '#core/error.ts';
import type { Json, JsonObject } from '#core/json.ts';
import { numberOf } from '#mcp/bridge/objects.ts';
import { type KindFacts, kindFacts, type ListKind, type ListLimits, readItem } from './items.ts';

export interface Page {
  readonly items: readonly Json[];
  readonly nextCursor: string | undefined;
  readonly ttlMs: number;
}

export interface Fetched {
  /** Sorted by their key, each key once: the first that came. */
  readonly byKey: ReadonlyMap<string, JsonObject>;
  /** Of their JSON texts. */
  readonly bytes: number;
  /** Of all of it: equal lists have equal ones. */
  readonly digest: string;
  /** The least of the pages. */
  readonly ttlMs: number;
  /** What was left out, and why the rest was not asked for. */
  readonly left: Left;
}

export interface Left {
  readonly unfit: number;
  readonly doubles: number;
  readonly cut: 'items' | 'bytes' | 'pages' | 'cursor' | undefined;
}

/** `ask`: one page; an undefined cursor asks for the first one. */
export async function fetchList(
  kind: ListKind,
  ask: (cursor: string | undefined) => Promise<JsonObject>,
  limits: ListLimits,
): Promise<Fetched> {
  const gathered = new Gathered(kind, limits);
  const seen = new Set<string>();
  let ttlMs = Number.POSITIVE_INFINITY;
  let cursor: string | undefined;
  for (let count = 1; ; count++) {
    const page = readPage(await ask(cursor), kindFacts[kind]);
    ttlMs = Math.min(ttlMs, page.ttlMs);
    gathered.add(page.items);
    // `''` is a cursor like any other.
    if (gathered.cut !== undefined || page.nextCursor === undefined) break;
    if (seen.has(page.nextCursor)) gathered.cut = 'cursor';
    else if (count === limits.pages) gathered.cut = 'pages';
    if (gathered.cut !== undefined) break;
    seen.add(page.nextCursor);
    cursor = page.nextCursor;
  }
  return { ...gathered.finish(), ttlMs };
}

/** A server that has no such list may say nothing of it. */
function readPage(result: JsonObject, { member }: KindFacts): Page {
  const items = result[member] ?? [];
  if (!Array.isArray(items)) throw new GatehouseError('upstream_broken', { cause: new Error(`${member} is no array`) });
  return {
    items,
    nextCursor: typeof result.nextCursor === 'string' ? result.nextCursor : undefined,
    ttlMs: Math.max(0, numberOf(result.ttlMs) || 0),
  };
}

class Gathered {
  readonly #kind: ListKind;
  readonly #limits: ListLimits;
  readonly #items = new Map<string, { readonly item: JsonObject; readonly text: string }>();
  #bytes = 0;
  #unfit = 0;
  #doubles = 0;
  cut: Left['cut'];

  constructor(kind: ListKind, limits: ListLimits) {
    this.#kind = kind;
    this.#limits = limits;
  }

  add(items: readonly Json[]): void {
    const { key } = kindFacts[this.#kind];
    for (const raw of items) {
      if (this.#items.size >= this.#limits.items) this.cut = 'items';
      if (this.cut !== undefined) return;
      const item = readItem(raw, this.#kind, this.#limits);
      const text = item && JSON.stringify(item);
      if (!item || text === undefined || text.length > this.#limits.itemBytes) {
        this.#unfit++;
        continue;
      }
      const name = String(item[key]);
      if (this.#items.has(name)) {
        this.#doubles++;
        continue;
      }
      const bytes = Buffer.byteLength(text);
      if (this.#bytes + bytes > this.#limits.listBytes) {
        this.cut = 'bytes';
        return;
      }
      this.#bytes += bytes;
      this.#items.set(name, { item, text });
    }
  }

  finish(): Omit<Fetched, 'ttlMs'> {
    const sorted = [...this.#items].sort(([a], [b]) => (a < b ? -1 : 1));
    return {
      byKey: new Map(sorted.map(([name, { item }]) => [name, item])),
      bytes: this.#bytes,
      digest: hash('sha256', sorted.map(([, { text }]) => text).join('\n'), 'base64url'),
      left: { unfit: this.#unfit, doubles: this.#doubles, cut: this.cut },
    };
  }
}
