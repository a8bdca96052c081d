/** Local references of a document (`#/components/…`): followed a bounded number of steps, never out of the document. */
import { isJsonObject, type Json, type JsonObject, ownIn, stringIn } from '#core/json.ts';

const MAX_STEPS = 16;

/** What stands at `#/…` (RFC 6901); undefined: nothing does. */
export function findPlace(document: JsonObject, ref: string): Json | undefined {
  if (ref === '#') return document;
  if (!ref.startsWith('#/')) return undefined;
  let value: Json | undefined = document;
  for (const part of ref.slice(2).split('/')) {
    const key = decoded(part).replaceAll('~1', '/').replaceAll('~0', '~');
    if (Array.isArray(value)) value = /^\d{1,6}$/.test(key) ? value[Number(key)] : undefined;
    else value = isJsonObject(value) ? ownIn(value, key) : undefined;
    if (value === undefined) return undefined;
  }
  return value;
}

/** The object itself, or what it refers to; `refs`: by which way. Undefined: it leads nowhere, or in a circle. */
export function resolve(document: JsonObject, value: Json | undefined): Resolved | undefined {
  const refs: string[] = [];
  let found = value;
  for (let step = 0; step <= MAX_STEPS; step++) {
    if (!isJsonObject(found)) return undefined;
    const ref = stringIn(found, '$ref');
    if (ref === undefined) return { value: found, refs };
    if (refs.includes(ref)) return undefined;
    refs.push(ref);
    found = findPlace(document, ref);
  }
  return undefined;
}

export interface Resolved {
  readonly value: JsonObject;
  readonly refs: readonly string[];
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
