/** An operation's parameters and body as arguments of a tool. */
import { isJsonObject, type Json, type JsonObject, objectIn, stringIn } from '#core/json.ts';
import { listIn } from '#mcp/bridge/objects.ts';
import { type Adding, readBody } from './body-arguments.ts';
import { type Method, short } from './document.ts';
import { openNames, validName } from './names.ts';
import type { Body, Parameter, Place, SchemePlace } from './plan.ts';
import { resolve } from './references.ts';
import { convertSchema, described, type SchemaOptions } from './schema.ts';
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
  const add: Adding['add'] = (argument, schema, isRequired) => {
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

/** For whoever imports it. */
export const reasonOf = (thrown: unknown): string =>
  short(thrown instanceof Error ? thrown.message : 'unreadable', 200);
