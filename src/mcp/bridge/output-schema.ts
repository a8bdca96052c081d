/**
 * Output schemas before 2026-07-28 describe objects only. A schema of another kind is wrapped as `{result: …}`, and so
 * is the value; one that allows both is left out, since its values may be objects that aren't wrapped.
 */
import { isJsonObject, type Json, type JsonObject, stringIn } from '#core/json.ts';
import { compact } from './objects.ts';

export function toLegacyOutputSchema(schema: JsonObject): JsonObject | undefined {
  if (schema.type === 'object') return schema;
  const types: readonly Json[] = Array.isArray(schema.type) ? schema.type : [schema.type ?? 'object'];
  if (types.includes('object') || isTooDeep(schema, 0)) return undefined;
  return compact({
    $schema: stringIn(schema, '$schema'),
    type: 'object',
    properties: { result: hasOwnBase(schema) ? schema : moveRefs(schema, 'schema') },
    required: ['result'],
  });
}

/** A `$id` makes the references inside independent of where the schema stands; one of a mere fragment doesn't. */
function hasOwnBase({ $id }: JsonObject): boolean {
  return typeof $id === 'string' && !$id.startsWith('#');
}

const values = new Set(['const', 'enum', 'default', 'examples']);
const byName = new Set(['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas', 'dependencies']);

const maxDepth = 64;

function isTooDeep(node: Json, depth: number): boolean {
  if (depth > maxDepth) return true;
  const inner = Array.isArray(node) ? node : isJsonObject(node) ? Object.values(node) : [];
  return inner.some((child) => isTooDeep(child, depth + 1));
}

/** References to `#…` as they must read one level deeper. `names`: the keys are the author's, not keywords. */
function moveRefs(node: Json, kind: 'schema' | 'names'): Json {
  if (Array.isArray(node)) return node.map((item) => moveRefs(item, 'schema'));
  if (!isJsonObject(node)) return node;
  if (kind === 'schema' && hasOwnBase(node)) return node;
  const moved = Object.entries(node).map(([key, value]): [string, Json] => {
    if (kind === 'names') return [key, moveRefs(value, 'schema')];
    if (key === '$ref' || key === '$dynamicRef') return [key, typeof value === 'string' ? movePointer(value) : value];
    return [key, values.has(key) ? value : moveRefs(value, byName.has(key) ? 'names' : 'schema')];
  });
  return Object.fromEntries(moved);
}

function movePointer(ref: string): string {
  if (ref === '#') return '#/properties/result';
  return ref.startsWith('#/') ? `#/properties/result${ref.slice(1)}` : ref;
}
