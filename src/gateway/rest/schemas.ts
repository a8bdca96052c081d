/**
 * Tools' JSON Schemas as OpenAPI 3.1 has them: whole in themselves. References are replaced by what they lead to: readers of
 * such documents look for `#/$defs` at the document's root, follow a definition into itself until they break, and know
 * no schema that is `true` or `false`.
 */
import { isJsonObject, type Json, type JsonObject, objectIn } from '#core/json.ts';

/** Of one schema, its references followed: what is beyond is any value. */
const limits = { nodes: 5000, depth: 40 } as const;

const anything: JsonObject = {};
const nothing: JsonObject = { not: {} };

/** Of the root of a schema that was a document of its own. */
const rootKeys = new Set(['$schema', '$id', '$defs', 'definitions', '$anchor', '$dynamicAnchor', '$vocabulary']);
/** Hold values, not schemas. */
const valueKeys = new Set(['const', 'enum', 'default', 'examples', 'example', 'required', 'dependentRequired']);
const namedSchemas = new Set(['properties', 'patternProperties', 'dependentSchemas']);
const listedSchemas = new Set(['allOf', 'anyOf', 'oneOf', 'prefixItems']);
const soleSchemas = new Set([
  ...['items', 'additionalProperties', 'unevaluatedProperties', 'unevaluatedItems', 'contains', 'propertyNames'],
  ...['not', 'if', 'then', 'else', 'additionalItems', 'contentSchema'],
]);

interface Walk {
  readonly root: JsonObject;
  nodes: number;
}

/** References that lead nowhere, out of the schema, or back to where they stand become any value. */
export function inlineSchema(schema: JsonObject): JsonObject {
  const known = inlined.get(schema);
  if (known) return known;
  const made = inline(schema, { root: schema, nodes: 0 }, []);
  inlined.set(schema, made);
  return made;
}

/** Lists are kept, and their schemas with them. */
const inlined = new WeakMap<JsonObject, JsonObject>();

function inline(schema: Json, walk: Walk, trail: readonly string[]): JsonObject {
  if (schema === false) return nothing;
  if (!isJsonObject(schema) || ++walk.nodes > limits.nodes || trail.length > limits.depth) return anything;
  const ref = schema.$ref ?? schema.$dynamicRef;
  const inner = [...trail, ''];
  const kept: [string, Json][] = [];
  for (const [key, value] of Object.entries(schema)) {
    if (key === '$ref' || key === '$dynamicRef' || rootKeys.has(key)) continue;
    kept.push([key, member(key, value, { walk, trail: inner })]);
  }
  const own = Object.fromEntries(kept);
  if (typeof ref !== 'string') return own;
  const target = trail.includes(ref) ? undefined : find(walk.root, ref);
  if (target === undefined) return own;
  const found = inline(target, walk, [...trail, ref]);
  return Object.keys(own).length === 0 || isOnlyText(own) ? { ...found, ...own } : { allOf: [found, own] };
}

/** What stands beside a reference and doesn't say what is allowed goes over what it leads to. */
const isOnlyText = (own: JsonObject) =>
  Object.keys(own).every((key) => ['title', 'description', 'default', 'examples', 'deprecated'].includes(key));

function member(key: string, value: Json, { walk, trail }: { readonly walk: Walk; readonly trail: readonly string[] }) {
  if (valueKeys.has(key)) return value;
  if (namedSchemas.has(key) && isJsonObject(value))
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, inline(one, walk, trail)]));
  if (listedSchemas.has(key) && Array.isArray(value)) return value.map((one: Json) => inline(one, walk, trail));
  if (key === 'additionalProperties' && typeof value === 'boolean') return value;
  if (soleSchemas.has(key)) {
    // Before 2020-12: one for each place.
    if (Array.isArray(value)) return anything;
    return inline(value, walk, trail);
  }
  return value;
}

/** RFC 6901, within the schema. */
function find(root: JsonObject, ref: string): Json | undefined {
  if (ref === '#') return root;
  if (!ref.startsWith('#/')) return undefined;
  let at: Json | undefined = root;
  for (const part of ref.slice(2).split('/')) {
    const key = decode(part);
    if (Array.isArray(at)) at = at[Number(key)];
    else at = isJsonObject(at) && Object.hasOwn(at, key) ? at[key] : undefined;
  }
  return at;
}

function decode(part: string): string {
  const plain = part.replaceAll('~1', '/').replaceAll('~0', '~');
  try {
    return decodeURIComponent(plain);
  } catch {
    return plain;
  }
}

/** A tool without arguments has no body to ask for. */
export function takesArguments(schema: JsonObject): boolean {
  const { properties, additionalProperties, ...rest } = schema;
  if (Object.keys(objectIn({ properties: properties ?? null }, 'properties') ?? {}).length > 0) return true;
  if (additionalProperties !== undefined && additionalProperties !== false) return true;
  return Object.keys(rest).some((key) => listedSchemas.has(key) || key === 'patternProperties');
}
