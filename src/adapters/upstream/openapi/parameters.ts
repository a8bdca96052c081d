/** An operation's parameters and body as arguments of a tool. */
import { isJsonObject, type Json, type JsonObject, objectIn, ownIn, stringIn } from '#core/json.ts';
import { listIn } from '#mcp/bridge/objects.ts';
import { type Method, short } from './document.ts';
import { openNames, validName } from './names.ts';
import type { Body, Field, Parameter, Place, SchemePlace } from './plan.ts';
import { resolve } from './references.ts';
import { convertSchema, cutText, type SchemaOptions } from './schema.ts';
import { headerName, isCredentialHeader, isReservedHeader } from './security.ts';

export interface Arguments {
  readonly parameters: readonly Parameter[];
  readonly body: Body | undefined;
  readonly inputSchema: JsonObject;
}

interface Reading {
  readonly document: JsonObject;
  readonly work: SchemaOptions['work'];
  readonly operation: JsonObject;
  readonly item: JsonObject;
  readonly method: Method;
  /** Names in the path's template. */
  readonly inPath: readonly string[];
  /** Every place that a credential may go: never a caller's. */
  readonly credentials: readonly SchemePlace[];
}

/** Throws Error with why the operation can't be a tool. */
export function readArguments(reading: Reading): Arguments {
  const free = openNames();
  const properties: [string, Json][] = [];
  const required: string[] = [];
  const add = (argument: string, schema: JsonObject, isRequired: boolean) => {
    properties.push([argument, schema]);
    if (isRequired) required.push(argument);
  };
  const parameters = declaredParameters(reading).map(({ given, place, name }): Parameter => {
    const argument = free(validName(name, place));
    const content = Object.values(objectIn(given, 'content') ?? {}).find(isJsonObject);
    const schema = convertSchema(content ? content.schema : (given.schema ?? {}), {
      document: reading.document,
      side: 'input',
      work: reading.work,
    });
    const isRequired = given.required === true || place === 'path';
    add(argument, described(schema, given.description), isRequired);
    return {
      ...{ argument, name, in: place, required: isRequired, json: content !== undefined },
      ...styleOf(given, place),
      segments: given['x-multi-segment'] === true,
    };
  });
  const body = reading.method === 'get' || reading.method === 'head' ? undefined : readBody(reading, { free, add });
  const isOpen = body?.open === true;
  const inputSchema = {
    type: 'object',
    properties: Object.fromEntries(properties),
    ...(required.length > 0 ? { required } : {}),
    ...(isOpen ? {} : { additionalProperties: false }),
  };
  return { parameters, body, inputSchema };
}

interface Declared {
  readonly given: JsonObject;
  readonly place: Place;
  readonly name: string;
}

const order: readonly Place[] = ['path', 'query', 'header', 'cookie'];

function declaredParameters(reading: Reading): readonly Declared[] {
  const { document, operation, item, inPath } = reading;
  const lists = [listIn(item, 'parameters') ?? [], listIn(operation, 'parameters') ?? []].flat();
  const known = new Map<string, Declared>();
  for (const one of lists.slice(0, 500)) {
    const given = resolve(document, one)?.value;
    const name = stringIn(given, 'name');
    const place = order.find((candidate) => candidate === given?.in);
    if (given && place && name !== undefined && isTaken({ given, place, name }, reading))
      known.set(`${place} ${name}`, { given, place, name });
  }
  // Templates name more than some documents declare.
  for (const name of inPath) {
    const key = `path ${name}`;
    if (!known.has(key)) known.set(key, { given: { schema: { type: 'string' } }, place: 'path', name });
  }
  return [...known.values()].toSorted((a, b) => order.indexOf(a.place) - order.indexOf(b.place));
}

/** False: not the caller's to fill in, or impossible to send. */
function isTaken({ given, place, name }: Declared, { inPath, credentials }: Reading): boolean {
  if (place === 'path') return inPath.includes(name);
  const isSecret = credentials.some(
    (one) => one.kind === 'key' && one.in === place && one.name.toLowerCase() === name.toLowerCase(),
  );
  if (isSecret) return false;
  if (place === 'query') return name !== '' && (given.deprecated !== true || given.required === true);
  if (place === 'header' && (isReservedHeader(name) || isCredentialHeader(name))) return false;
  return headerName.test(name);
}

function styleOf(given: JsonObject, place: Place) {
  const usual = place === 'query' || place === 'cookie' ? 'form' : 'simple';
  const style = stringIn(given, 'style') ?? usual;
  const explode = typeof given.explode === 'boolean' ? given.explode : style === 'form';
  return { style, explode, allowReserved: given.allowReserved === true };
}

function described(schema: JsonObject, description: Json | undefined): JsonObject {
  if (typeof description !== 'string' || description === '') return schema;
  return { ...schema, description: cutText(description, 1000) };
}

interface Adding {
  readonly free: (name: string) => string;
  readonly add: (argument: string, schema: JsonObject, isRequired: boolean) => void;
}

const kinds: readonly (readonly [test: RegExp, kind: Body['kind']])[] = [
  [/^application\/([\w.+-]+\+)?json\b/i, 'json'],
  [/^application\/x-www-form-urlencoded\b/i, 'form'],
  [/^multipart\/form-data\b/i, 'multipart'],
  [/^(text\/|application\/([\w.+-]+\+)?(xml|yaml)\b)/i, 'text'],
  [/./, 'binary'],
];

export const isMediaType = (text: string): boolean =>
  /^[\w.+*-]{1,64}\/[\w.+*-]{1,100}(; ?[\w-]+=[\w.-]+)*$/.test(text);

function readBody({ document, operation, work }: Reading, { free, add }: Adding): Body | undefined {
  const given = resolve(document, operation.requestBody)?.value;
  if (!given) return undefined;
  const types = Object.entries(objectIn(given, 'content') ?? {}).filter(([type]) => isMediaType(type));
  const ranked = types.map(([type, media]) => ({ type, media, rank: kinds.findIndex(([test]) => test.test(type)) }));
  const [best] = ranked.toSorted((a, b) => a.rank - b.rank);
  if (!best) {
    if (given.required === true) throw new Error(`its body has no content that can be sent`);
    return undefined;
  }
  const kind = kinds[best.rank]?.[1] ?? 'binary';
  const media = isJsonObject(best.media) ? best.media : {};
  const required = given.required === true;
  const mediaType = best.type.includes('*') ? (kind === 'text' ? 'text/plain' : 'application/octet-stream') : best.type;
  const shared = { mediaType, kind, required };
  const schema = bodySchema(kind, convertSchema(media.schema, { document, side: 'input', work }));
  const fields = flatProperties(kind, schema);
  if (!fields) {
    const argument = free('body');
    add(argument, described(schema, given.description), required);
    return { ...shared, fields: undefined, argument, open: false };
  }
  const names = Array.isArray(schema.required) ? schema.required : [];
  const encodings = objectIn(media, 'encoding') ?? {};
  const source = resolve(document, media.schema)?.value;
  const mapped = fields.map(([name, value]): [string, Field] => {
    const argument = free(validName(name, 'field'));
    const property = isJsonObject(value) ? value : {};
    const file = kind === 'multipart' && isFile(property, ownIn(objectIn(source, 'properties') ?? {}, name));
    add(argument, file ? fileSchema(property) : property, required && names.includes(name));
    return [argument, fieldOf(name, file, ownIn(encodings, name))];
  });
  const { additionalProperties: more } = schema;
  const open = kind === 'json' && (more === true || (isJsonObject(more) && Object.keys(more).length > 0));
  return { ...shared, fields: mapped, argument: undefined, open };
}

function bodySchema(kind: Body['kind'], schema: JsonObject): JsonObject {
  if (kind === 'text') return { type: 'string', description: 'Text of the body' };
  if (kind === 'binary') return { type: 'string', contentEncoding: 'base64', description: 'base64 of the body' };
  return schema;
}

/** Members as arguments of their own: what models fill in best. Undefined: it isn't one plain object. */
function flatProperties(kind: Body['kind'], schema: JsonObject): [string, Json][] | undefined {
  if (kind === 'text' || kind === 'binary') return undefined;
  if (kind !== 'json' && !isJsonObject(schema.properties)) return undefined;
  if (schema.type !== 'object' || !isJsonObject(schema.properties)) return undefined;
  if (['anyOf', 'oneOf', 'allOf', 'not'].some((key) => schema[key] !== undefined)) return undefined;
  const properties = Object.entries(schema.properties);
  return properties.length > 0 && properties.length <= 200 ? properties : undefined;
}

function isFile(property: JsonObject, original: Json | undefined): boolean {
  const of = (schema: JsonObject) =>
    schema.format === 'binary' || (schema.contentMediaType !== undefined && schema.contentEncoding === undefined);
  const isRaw = isJsonObject(original) && typeof original.contentMediaType === 'string';
  return of(property) || isRaw || (isJsonObject(property.items) && of(property.items));
}

function fileSchema({ type, description }: JsonObject): JsonObject {
  const one = {
    type: 'object',
    properties: {
      data: { type: 'string', contentEncoding: 'base64', description: "base64 of the file's bytes" },
      filename: { type: 'string' },
      mimeType: { type: 'string' },
    },
    required: ['data'],
    additionalProperties: false,
  };
  return described(type === 'array' ? { type: 'array', items: one } : one, description);
}

function fieldOf(name: string, file: boolean, encoding: Json | undefined): Field {
  const given = isJsonObject(encoding) ? encoding : {};
  const style = stringIn(given, 'style') ?? 'form';
  return { name, file, style, explode: typeof given.explode === 'boolean' ? given.explode : style === 'form' };
}

/** For whoever imports it. */
export const reasonOf = (thrown: unknown): string =>
  short(thrown instanceof Error ? thrown.message : 'unreadable', 200);
