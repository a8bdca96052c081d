/** Local references of a JSON schema: found by pointer, and definitions kept as far as something still refers to them. */
import { isJsonObject, type Json, type JsonObject, objectIn } from '#core/json.ts';

const holders = ['$defs', 'definitions'] as const;

/** What `#/…` points to; undefined: nothing, or nothing local. */
export function findLocal(root: JsonObject, reference: string): Json | undefined {
  if (reference !== '#' && !reference.startsWith('#/')) return undefined;
  let found: Json | undefined = root;
  for (const part of reference.split('/').slice(1)) {
    const key = unescaped(part);
    if (typeof found !== 'object' || found === null || key === undefined || !Object.hasOwn(found, key))
      return undefined;
    found = Array.isArray(found) ? found[Number(key)] : isJsonObject(found) ? found[key] : undefined;
  }
  return found;
}

function unescaped(part: string): string | undefined {
  try {
    return decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~');
  } catch {
    return undefined;
  }
}

/**
 * `shaped` with those definitions of `original` that it refers to. Where references are of a kind that isn't understood,
 * all are kept, each as `shape` leaves it. A reference that leads nowhere any more is dropped: it would break clients.
 */
export function keepDefinitions(
  shaped: JsonObject,
  original: JsonObject,
  shape: (definition: Json) => Json,
): JsonObject {
  const isPlain = [shaped, ...holders.map((holder) => original[holder] ?? null)]
    .flatMap(referencesIn)
    .every((reference) => reference === '#' || reference.startsWith('#/'));
  const result: Record<string, Json> = { ...shaped };
  if (isPlain)
    for (const [holder, names] of reachable(shaped, original)) result[holder] = pick(original, holder, names);
  else
    for (const holder of holders) if (objectIn(original, holder)) result[holder] = mapValues(original, holder, shape);
  const live = withoutDangling(result, result);
  return isJsonObject(live) ? live : shaped;
}

function reachable(shaped: JsonObject, original: JsonObject): ReadonlyMap<string, ReadonlySet<string>> {
  const found = new Map<string, Set<string>>();
  const open = referencesIn(shaped);
  for (let reference = open.pop(); reference !== undefined; reference = open.pop()) {
    const [, holder = '', name = ''] = /^#\/(\$defs|definitions)\/([^/]+)/.exec(reference) ?? [];
    const key = unescaped(name) ?? '';
    const definition = objectIn(original, holder)?.[key];
    const names = found.get(holder) ?? new Set();
    if (definition === undefined || names.has(key)) continue;
    found.set(holder, names.add(key));
    open.push(...referencesIn(definition));
  }
  return found;
}

function referencesIn(value: Json): string[] {
  if (typeof value !== 'object' || value === null || JSON.isRawJSON(value)) return [];
  const own = !Array.isArray(value) && isJsonObject(value) && typeof value.$ref === 'string' ? [value.$ref] : [];
  return [...own, ...Object.values(value).flatMap((item: Json) => referencesIn(item))];
}

function pick(original: JsonObject, holder: string, names: ReadonlySet<string>): JsonObject {
  return Object.fromEntries(Object.entries(objectIn(original, holder) ?? {}).filter(([name]) => names.has(name)));
}

function mapValues(original: JsonObject, holder: string, change: (value: Json) => Json): JsonObject {
  const entries = Object.entries(objectIn(original, holder) ?? {});
  return Object.fromEntries(entries.map(([name, value]) => [name, change(value)]));
}

function withoutDangling(value: Json, root: JsonObject): Json {
  if (Array.isArray(value)) return value.map((item: Json) => withoutDangling(item, root));
  if (!isJsonObject(value)) return value;
  const isDangling = ({ $ref }: JsonObject) =>
    typeof $ref === 'string' && ($ref === '#' || $ref.startsWith('#/')) && findLocal(root, $ref) === undefined;
  const entries = Object.entries(value).filter(([key]) => key !== '$ref' || !isDangling(value));
  return Object.fromEntries(entries.map(([key, item]) => [key, withoutDangling(item, root)]));
}
