/**
 * The input schema of a tool as callers see it: fixed arguments gone, allowed values and bounds narrowed. Keywords that
 * speak of the same object (`allOf`, `$ref`, …) are followed; what cannot be shown without a fixed argument is left out.
 */
import { isJsonObject, type Json, type JsonObject, objectIn } from '#core/json.ts';
import { looseName } from '#mcp/enforce.ts';
import { isNestedWithin } from './canonical-json.ts';
import { findLocal, keepDefinitions } from './schema-references.ts';

/** What callers see of an argument: a schema for the one the server has. */
export type Narrow = (schema: Json, walk: SchemaWalk) => Json;

export interface ArgumentsShape {
  readonly fixed: ReadonlyMap<string, Json | undefined>;
  readonly narrowed: ReadonlyMap<string, Narrow>;
  readonly required: ReadonlySet<string>;
  readonly optional: ReadonlySet<string>;
}

/** What is left of one schema object while it is walked. */
export interface SchemaWalk {
  readonly root: JsonObject;
  /** References that are being followed. */
  readonly trail: readonly string[];
  /** Schemas that may still be walked. */
  readonly budget: { left: number };
}

const closed: JsonObject = { type: 'object', properties: {}, additionalProperties: false };
const maxDepth = 64;
const maxSchemas = 5000;

/** Never throws: of a schema that is no object, too deep or too large a closed one is left. */
export function shapeSchema(schema: Json | undefined, shape: ArgumentsShape): JsonObject {
  if (!isJsonObject(schema) || !isNestedWithin(schema, maxDepth)) return withNeeded(closed, shape, closed);
  const walk = { root: schema, trail: [], budget: { left: maxSchemas } };
  const shaped = shapeObject(schema, shape, walk);
  if (walk.budget.left < 0) return withNeeded(closed, shape, closed);
  const needed = withNeeded({ ...shaped, type: 'object' }, shape, schema);
  return keepDefinitions(needed, schema, (definition) => shapeObject(definition, shape, walk));
}

/** The schema of an object, or of a part of it that speaks of the same object. */
export function shapeObject(schema: Json | undefined, shape: ArgumentsShape, walk: SchemaWalk): JsonObject {
  walk.budget.left -= 1;
  if (!isJsonObject(schema) || walk.budget.left < 0) return {};
  const mentions = mentionsOf(shape);
  const result: Record<string, Json> = {};
  const together: Json[] = [];
  const isConditional = mentions(schema.if) || mentions(schema.then) || mentions(schema.else);
  for (const [keyword, value] of Object.entries(schema)) {
    if (isConditional && (keyword === 'if' || keyword === 'then' || keyword === 'else')) continue;
    const shaped = shapeKeyword(keyword, value, { shape, walk, mentions });
    if (keyword === 'allOf' || keyword === '$ref' || (keyword === 'oneOf' && isJsonObject(shaped))) {
      if (shaped !== undefined) together.push(...(Array.isArray(shaped) ? shaped : [shaped]));
    } else if (shaped !== undefined) result[keyword] = shaped;
  }
  return together.length > 0 ? { ...result, allOf: together } : result;
}

interface Keyword {
  readonly shape: ArgumentsShape;
  readonly walk: SchemaWalk;
  readonly mentions: (value: Json | undefined) => boolean;
}

/** Undefined: left out. */
function shapeKeyword(keyword: string, value: Json, { shape, walk, mentions }: Keyword): Json | undefined {
  const same = (schema: Json) => (typeof schema === 'boolean' ? schema : shapeObject(schema, shape, walk));
  switch (keyword) {
    case 'properties':
      return isJsonObject(value) ? shapeProperties(value, shape, walk) : undefined;
    case 'required':
      return listNames(value)?.filter((name) => !shape.optional.has(name) && !mentions(name));
    case 'dependentRequired':
    case 'dependentSchemas':
    case 'dependencies':
      return mapEntries(value, (item, name) =>
        mentions(name) ? undefined : Array.isArray(item) ? item.filter((each: Json) => !mentions(each)) : same(item),
      );
    case 'allOf':
      return Array.isArray(value) ? value.map(same) : undefined;
    case 'anyOf':
      return Array.isArray(value) ? possible(value, shape).map(same) : undefined;
    case 'oneOf':
      if (!Array.isArray(value)) return undefined;
      // Without the fixed argument several may hold at once.
      return mentions(value) ? { anyOf: possible(value, shape).map(same) } : value.map(same);
    case '$ref': {
      const target = typeof value === 'string' && !walk.trail.includes(value) ? findLocal(walk.root, value) : undefined;
      return target && shapeObject(target, shape, { ...walk, trail: [...walk.trail, String(value)] });
    }
    case '$defs':
    case 'definitions':
    case '$dynamicRef':
    case '$recursiveRef':
      return undefined;
    case 'minProperties':
      return shape.fixed.size > 0 ? undefined : value;
    case 'patternProperties':
      return mapEntries(value, (item, pattern) => (mentionsPart(pattern, shape) ? undefined : item));
    default:
      return mentions(value) ? undefined : value;
  }
}

function shapeProperties(properties: JsonObject, { fixed, narrowed }: ArgumentsShape, walk: SchemaWalk): JsonObject {
  const gone = new Set([...fixed.keys()].map(looseOf));
  const kept = Object.entries(properties).filter(([name]) => !gone.has(looseOf(name)));
  return Object.fromEntries(kept.map(([name, schema]) => [name, narrowed.get(name)?.(schema, walk) ?? schema]));
}

/** Branches that a fixed value rules out are not the caller's to choose. */
function possible(branches: readonly Json[], { fixed }: ArgumentsShape): readonly Json[] {
  const kept = branches.filter((branch) => {
    const properties = isJsonObject(branch) ? objectIn(branch, 'properties') : undefined;
    return [...fixed].every(([name, value]) => value === undefined || admits(objectIn(properties, name), value));
  });
  return kept.length > 0 ? kept : branches;
}

function admits(schema: JsonObject | undefined, value: Json): boolean {
  if (!schema || (typeof value === 'object' && value !== null)) return true;
  if (Array.isArray(schema.enum)) return schema.enum.includes(value);
  return !('const' in schema) || typeof schema.const === 'object' || schema.const === value;
}

type Mentions = (value: Json | undefined) => boolean;
const mentioning = new WeakMap<ArgumentsShape, Mentions>();

/** Whether a fixed argument is named anywhere in a value: as a key or as a text. Each object is looked through once. */
function mentionsOf(shape: ArgumentsShape): Mentions {
  const found = mentioning.get(shape);
  if (found) return found;
  const names = new Set([...shape.fixed.keys()].map(looseOf));
  const seen = new WeakMap<object, boolean>();
  const mentions = (value: Json | undefined): boolean => {
    if (typeof value === 'string') return names.has(looseOf(value));
    if (typeof value !== 'object' || value === null || JSON.isRawJSON(value)) return false;
    const known = seen.get(value);
    if (known !== undefined) return known;
    const answer = Object.entries(value).some(
      ([key, item]: [string, Json]) => (!Array.isArray(value) && names.has(looseOf(key))) || mentions(item),
    );
    seen.set(value, answer);
    return answer;
  };
  const made: Mentions = names.size === 0 ? () => false : mentions;
  mentioning.set(shape, made);
  return made;
}

const mentionsPart = (pattern: string, { fixed }: ArgumentsShape) =>
  [...fixed.keys()].some((name) => pattern.toLowerCase().includes(name.toLowerCase()));

/** Too long to be looked at: nobody's name. */
function looseOf(text: string): string {
  try {
    return looseName(text);
  } catch {
    return text;
  }
}

function withNeeded(shaped: JsonObject, shape: ArgumentsShape, original: JsonObject): JsonObject {
  if (shape.required.size === 0) return shaped;
  const required = new Set([...(listNames(shaped.required ?? []) ?? []), ...shape.required]);
  const properties: Record<string, Json> = { ...objectIn(shaped, 'properties') };
  const unused = { root: original, trail: [], budget: { left: maxSchemas } };
  for (const name of shape.required) properties[name] ??= shape.narrowed.get(name)?.({}, unused) ?? {};
  return { ...shaped, properties, required: [...required] };
}

function listNames(value: Json): readonly string[] | undefined {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : undefined;
}

function mapEntries(value: Json, change: (item: Json, key: string) => Json | undefined): JsonObject | undefined {
  if (!isJsonObject(value)) return undefined;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, item]): [string, Json][] => {
      const changed = change(item, key);
      return changed === undefined ? [] : [[key, changed]];
    }),
  );
}
