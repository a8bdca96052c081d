/**
 * Schemas of OpenAPI (3.0's own dialect as well) as JSON Schema 2020-12 for tools: references written out, circles cut,
 * everything bounded. What is cut accepts anything: the API judges it.
 */
import { isJsonObject, type Json, type JsonObject } from '#core/json.ts';
import { compact } from '#mcp/bridge/objects.ts';
import { resolve } from './references.ts';

export interface SchemaOptions {
  readonly document: JsonObject;
  /** input: what only the API writes is left out; output: what is only written to it. */
  readonly side: 'input' | 'output';
  /** Of all schemas of a document together: once it is spent, they are written one level deep. */
  readonly work: { left: number };
}

/** Schemas that a whole document may write out: some hundred milliseconds. */
export const openWork = (): { left: number } => ({ left: 60_000 });

interface Walk extends SchemaOptions {
  readonly depth: number;
  readonly budget: { left: number };
  /** References that lead here. */
  readonly path: readonly string[];
}

/** It would be too large: a smaller depth is tried. */
class TooLarge extends Error {}

/** Characters of one schema as JSON; far below what the catalogue takes (SECURITY F6). */
const MAX_CHARACTERS = 32 * 1024;
const nodes = { input: 1200, output: 250 } as const;
const depths = { input: [10, 5, 3, 2, 1], output: [4, 2, 1] } as const;

/** As deep as fits. */
export function convertSchema(schema: Json | undefined, options: SchemaOptions): JsonObject {
  const { side, work } = options;
  for (const depth of work.left > 0 ? depths[side] : [1]) {
    const converted = tryDepth(schema, { ...options, depth, budget: { left: nodes[side] }, path: [] });
    if (converted && JSON.stringify(converted).length <= MAX_CHARACTERS) return converted;
  }
  return {};
}

function tryDepth(schema: Json | undefined, walk: Walk): JsonObject | undefined {
  try {
    return convert(schema, walk);
  } catch (thrown) {
    if (thrown instanceof TooLarge) return undefined;
    throw thrown;
  } finally {
    walk.work.left -= nodes[walk.side] - walk.budget.left;
  }
}

const plainKeys: ReadonlySet<string> = new Set([
  ...['title', 'format', 'default', 'multipleOf', 'maximum', 'minimum', 'maxLength', 'minLength', 'pattern'],
  ...['maxItems', 'minItems', 'uniqueItems', 'maxProperties', 'minProperties', 'contentEncoding', 'contentMediaType'],
  ...['discriminator', 'deprecated', 'dependentRequired', 'const'],
]);
const types: ReadonlySet<Json> = new Set(['string', 'number', 'integer', 'boolean', 'object', 'array', 'null']);
const MAX_DESCRIPTION = 1000;

function convert(value: Json | undefined, walk: Walk): JsonObject {
  if (--walk.budget.left < 0) throw new TooLarge();
  if (typeof value === 'boolean') return value ? {} : { not: {} };
  const found = resolve(walk.document, value);
  if (!found) return {};
  const { refs } = found;
  const beside = isJsonObject(value) && refs.length > 0 ? value : {};
  const schema = { ...found.value, ...Object.fromEntries(Object.entries(beside).filter(([key]) => key !== '$ref')) };
  if (walk.depth <= 0 || refs.some((ref) => walk.path.includes(ref))) return cut(schema);
  return nullable(mergeAll(members(schema, { ...walk, depth: walk.depth - 1, path: [...walk.path, ...refs] })), schema);
}

/** Its kind alone. */
function cut(schema: JsonObject): JsonObject {
  return nullable(compact({ type: typeOf(schema), description: descriptionOf(schema) }), schema);
}

function members(schema: JsonObject, walk: Walk): JsonObject {
  const kept = Object.entries(schema).filter(([key]) => plainKeys.has(key));
  const list = (key: string) => {
    const value = schema[key];
    return Array.isArray(value) && value.length > 0 ? value.map((item: Json) => convert(item, walk)) : undefined;
  };
  return compact({
    type: typeOf(schema),
    description: descriptionOf(schema),
    ...Object.fromEntries(kept),
    ...limitsOf(schema),
    enum: Array.isArray(schema.enum) ? schema.enum : undefined,
    ...objectMembers(schema, walk),
    items: schema.items === undefined ? undefined : convert(schema.items, walk),
    prefixItems: list('prefixItems'),
    allOf: list('allOf'),
    anyOf: list('anyOf'),
    oneOf: list('oneOf'),
    not: isJsonObject(schema.not) ? convert(schema.not, walk) : undefined,
  });
}

function typeOf({ type, properties }: JsonObject): Json | undefined {
  if (Array.isArray(type)) {
    const known = type.filter((one: Json) => types.has(one));
    return known.length > 0 ? known : undefined;
  }
  if (type === 'file') return 'string';
  if (type === undefined) return isJsonObject(properties) ? 'object' : undefined;
  return types.has(type) ? type : undefined;
}

function descriptionOf({ description }: JsonObject): string | undefined {
  return typeof description === 'string' && description !== '' ? cutText(description, MAX_DESCRIPTION) : undefined;
}

export function described(schema: JsonObject, description: Json | undefined): JsonObject {
  if (typeof description !== 'string' || description === '') return schema;
  return { ...schema, description: cutText(description, MAX_DESCRIPTION) };
}

export function cutText(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 1).toWellFormed()}…` : text;
}

/** 3.0 says with booleans that a limit itself is excluded. */
function limitsOf({ exclusiveMaximum, exclusiveMinimum, maximum, minimum }: JsonObject) {
  const upper = exclusiveMaximum === true ? maximum : exclusiveMaximum;
  const lower = exclusiveMinimum === true ? minimum : exclusiveMinimum;
  return {
    exclusiveMaximum: typeof upper === 'number' ? upper : undefined,
    exclusiveMinimum: typeof lower === 'number' ? lower : undefined,
  };
}

function objectMembers(schema: JsonObject, walk: Walk) {
  const given = isJsonObject(schema.properties) ? Object.entries(schema.properties) : [];
  const hidden = new Set(given.filter(([, one]) => isHidden(one, walk)).map(([name]) => name));
  const properties = given.filter(([name]) => !hidden.has(name)).map(([name, one]) => [name, convert(one, walk)]);
  const required = Array.isArray(schema.required)
    ? schema.required.filter((name: Json) => typeof name === 'string' && !hidden.has(name))
    : [];
  const { additionalProperties: more } = schema;
  return {
    properties: given.length > 0 ? Object.fromEntries(properties) : undefined,
    required: required.length > 0 ? required : undefined,
    additionalProperties: typeof more === 'boolean' || more === undefined ? more : convert(more, walk),
  };
}

function isHidden(property: Json, { document, side }: Walk): boolean {
  const found = resolve(document, property)?.value;
  return side === 'input' ? found?.readOnly === true : found?.writeOnly === true;
}

/** 3.0's `nullable`. */
function nullable(converted: JsonObject, { nullable: isNullable }: JsonObject): JsonObject {
  if (isNullable !== true) return converted;
  const { type, enum: values, ...rest } = converted;
  if (type === undefined) {
    // Of an allOf with one reference, and the like.
    const says = converted.allOf ?? converted.anyOf ?? converted.oneOf ?? values;
    return says === undefined ? converted : { anyOf: [converted, { type: 'null' }] };
  }
  const all: readonly Json[] = Array.isArray(type) ? type : [type];
  return compact({
    type: all.includes('null') ? all : [...all, 'null'],
    ...(Array.isArray(values) ? { enum: values.includes(null) ? values : [...values, null] } : {}),
    ...rest,
  });
}

const mergeable: ReadonlySet<string> = new Set(['type', 'title', 'description', 'properties', 'required', 'allOf']);

/** An allOf of plain objects is one object. */
function mergeAll(schema: JsonObject): JsonObject {
  const { allOf, ...own } = schema;
  if (!Array.isArray(allOf)) return schema;
  const parts: readonly Json[] = [...allOf, own];
  if (allOf.length === 1 && Object.keys(own).every((key) => key === 'description' || key === 'title')) {
    return isJsonObject(allOf[0]) ? { ...allOf[0], ...own } : schema;
  }
  const objects = parts.filter(isJsonObject);
  const isPlain = objects.every(
    (part) =>
      (part.type === undefined || part.type === 'object') && Object.keys(part).every((key) => mergeable.has(key)),
  );
  if (!isPlain || objects.length < parts.length) return schema;
  const properties = Object.fromEntries(
    objects.flatMap(({ properties: some }) => (isJsonObject(some) ? Object.entries(some) : [])),
  );
  const required = [...new Set(objects.flatMap(({ required: some }) => (Array.isArray(some) ? some : [])))];
  const { title, description } = Object.assign({}, ...objects) as JsonObject;
  return compact({
    type: 'object',
    title,
    description: own.description ?? description,
    properties,
    required: required.length > 0 ? required : undefined,
  });
}

/**
 * For answers, which APIs keep to less than their documents say: kinds and names only, null everywhere, nothing required.
 * A client that checks results by it refuses none that is merely richer or poorer.
 */
export function loosened(schema: JsonObject): JsonObject {
  const { type, description, properties, items } = schema;
  const one = type === 'integer' ? 'number' : type;
  const isSimple = typeof one === 'string' && !['anyOf', 'oneOf', 'allOf'].some((key) => schema[key] !== undefined);
  return compact({
    type: isSimple ? [one, 'null'] : undefined,
    description,
    properties: isSimple && isJsonObject(properties) ? mapValues(properties) : undefined,
    items: isSimple && isJsonObject(items) ? loosened(items) : undefined,
  });
}

const mapValues = (properties: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(properties).map(([name, one]) => [name, isJsonObject(one) ? loosened(one) : {}]));
