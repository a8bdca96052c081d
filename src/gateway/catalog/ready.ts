/** Lists as JSON texts that are made once: a warm list of ten thousand tools is a copy of bytes. */
import type { JsonObject } from '#core/json.ts';
import { toLegacyResult } from '#mcp/bridge/results.ts';

/** By list, then by the client's revision (`''`: modern). */
const texts = new WeakMap<object, Map<string, Buffer>>();

/** From here on this list's text is made once for each revision. The list never changes. */
export function keepReady(items: readonly JsonObject[]): void {
  if (!texts.has(items)) texts.set(items, new Map());
}

export interface Wording {
  readonly method: string;
  /** The client's revision; undefined: the canonical form. */
  readonly version: string | undefined;
}

/** A result as its client may see it; a list that is ready comes in pieces, which nobody has to copy. */
export function textOf(result: JsonObject, wording: Wording): string | readonly Buffer[] {
  for (const [member, items] of Object.entries(result)) {
    const ready = typeof items === 'object' && items !== null ? texts.get(items) : undefined;
    if (ready) return spliced(result, { member, ready }, wording);
  }
  return JSON.stringify(wordedFor(result, wording));
}

interface Ready {
  readonly member: string;
  readonly ready: Map<string, Buffer>;
}

function spliced(result: JsonObject, { member, ready }: Ready, wording: Wording): readonly Buffer[] {
  const { version = '' } = wording;
  let items = ready.get(version);
  if (!items) {
    items = Buffer.from(JSON.stringify(wordedFor({ [member]: result[member] ?? [] }, wording)[member]));
    ready.set(version, items);
  }
  const { [member]: _items, ...rest } = wordedFor({ ...result, [member]: [] }, wording);
  const head = JSON.stringify(rest);
  const start = head === '{}' ? '{' : `${head.slice(0, -1)},`;
  return [Buffer.from(`${start}${JSON.stringify(member)}:`), items, CLOSE];
}

const CLOSE = Buffer.from('}');

const wordedFor = (result: JsonObject, { method, version }: Wording): JsonObject =>
  version === undefined ? result : toLegacyResult(method, result, { version });
