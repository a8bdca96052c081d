/** The body of an operation as arguments of its tool: the members of an object one by one, anything else as one. */
import { isJsonObject, type Json, type JsonObject, objectIn, ownIn, stringIn } from '#core/json.ts';
import { validName } from './names.ts';
import type { Body, Field } from './plan.ts';
import { resolve } from './references.ts';
import { convertSchema, described, type SchemaOptions } from './schema.ts';

export interface Adding {
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

interface Reading {
  readonly document: JsonObject;
  readonly work: SchemaOptions['work'];
  readonly operation: JsonObject;
}

/** Adds its arguments. Undefined: there is none. Throws Error with why the operation can't be a tool. */
export function readBody({ document, operation, work }: Reading, { free, add }: Adding): Body | undefined {
  const given = resolve(document, operation.requestBody)?.value;
  const best = given && chooseMedia(given);
  if (!best) return undefined;
  const { media, kind, mediaType } = best;
  const required = given.required === true;
  const shared = { mediaType, kind, required };
  const schema = bodySchema(kind, convertSchema(media.schema, { document, side: 'input', work }));
  const members = flatProperties(kind, schema);
  if (!members) {
    const argument = free('body');
    add(argument, described(schema, given.description), required);
    return { ...shared, fields: undefined, argument, open: false };
  }
  const names = Array.isArray(schema.required) ? schema.required : [];
  const encodings = objectIn(media, 'encoding') ?? {};
  const originals = objectIn(resolve(document, media.schema)?.value, 'properties') ?? {};
  const fields = members.map(([name, value]): [string, Field] => {
    const argument = free(validName(name, 'field'));
    const property = isJsonObject(value) ? value : {};
    const file = kind === 'multipart' && isFile(property, ownIn(originals, name));
    add(argument, file ? fileSchema(property) : property, required && names.includes(name));
    return [argument, fieldOf(name, file, ownIn(encodings, name))];
  });
  return { ...shared, fields, argument: undefined, open: kind === 'json' && isOpen(schema) };
}

function chooseMedia(body: JsonObject) {
  const types = Object.entries(objectIn(body, 'content') ?? {}).filter(([type]) => isMediaType(type));
  const ranked = types.map(([type, media]) => ({ type, media, rank: kinds.findIndex(([test]) => test.test(type)) }));
  const [best] = ranked.toSorted((a, b) => a.rank - b.rank);
  if (!best) {
    if (body.required === true) throw new Error(`its body has no content that can be sent`);
    return undefined;
  }
  const kind = kinds[best.rank]?.[1] ?? 'binary';
  const whole = kind === 'text' ? 'text/plain' : 'application/octet-stream';
  return {
    kind,
    mediaType: best.type.includes('*') ? whole : best.type,
    media: isJsonObject(best.media) ? best.media : {},
  };
}

function isOpen({ additionalProperties: more }: JsonObject): boolean {
  return more === true || (isJsonObject(more) && Object.keys(more).length > 0);
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
