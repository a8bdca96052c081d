/** Swagger 2.0 written as OpenAPI 3.0: the same operations, in the words of the newer format. */
import { isJsonObject, type Json, type JsonObject, objectIn, stringIn } from '#core/json.ts';
import { compact } from '#mcp/bridge/objects.ts';

const moved: readonly (readonly [from: string, to: string])[] = [
  ['#/definitions/', '#/components/schemas/'],
  ['#/parameters/', '#/components/parameters/'],
  ['#/responses/', '#/components/responses/'],
];

export function convertSwagger(document: JsonObject): JsonObject {
  const paths = Object.entries(objectIn(document, 'paths') ?? {}).map(([path, item]): [string, Json] => [
    path,
    isJsonObject(item) ? pathItem(item, document) : {},
  ]);
  const { info = {}, security, tags } = document;
  const components = {
    schemas: document.definitions ?? {},
    responses: mapObject(objectIn(document, 'responses'), (response) => responseOf(response, document)),
    securitySchemes: mapObject(objectIn(document, 'securityDefinitions'), schemeOf),
  };
  const converted = compact({
    openapi: '3.0.3',
    info,
    servers: serversOf(document),
    security,
    tags,
    paths: Object.fromEntries(paths),
    components,
  });
  return renamed(converted) as JsonObject;
}

function serversOf(document: JsonObject): Json {
  const host = stringIn(document, 'host');
  const base = stringIn(document, 'basePath') ?? '/';
  if (host === undefined) return [{ url: base }];
  const schemes = Array.isArray(document.schemes) ? document.schemes : [];
  return [{ url: `${schemes.length === 0 || schemes.includes('https') ? 'https' : 'http'}://${host}${base}` }];
}

function schemeOf(scheme: JsonObject): JsonObject {
  return scheme.type === 'basic' ? { type: 'http', scheme: 'basic' } : scheme;
}

function pathItem(item: JsonObject, document: JsonObject): JsonObject {
  const shared = parametersOf(item, document);
  const entries = Object.entries(item).flatMap(([key, value]): [string, Json][] => {
    if (key === 'parameters') return [];
    if (!isJsonObject(value) || key.startsWith('x-')) return [[key, value]];
    return [[key, operationOf(value, shared, document)]];
  });
  return Object.fromEntries(entries);
}

function operationOf(operation: JsonObject, shared: readonly JsonObject[], document: JsonObject): JsonObject {
  const own = parametersOf(operation, document);
  const keyOf = ({ name = '', in: place = '' }: JsonObject) => `${String(place)} ${String(name)}`;
  const all = new Map([...shared, ...own].map((parameter) => [keyOf(parameter), parameter]));
  const parameters = [...all.values()];
  const consumes = mediaTypes(operation.consumes ?? document.consumes);
  const responses = mapObject(objectIn(operation, 'responses'), (response) =>
    responseOf(response, document, operation),
  );
  const { consumes: _consumes, produces: _produces, ...rest } = operation;
  return compact({
    ...rest,
    parameters: parameters.filter((one) => one.in !== 'body' && one.in !== 'formData').map(parameterOf),
    requestBody: requestBodyOf(parameters, consumes),
    responses,
  });
}

function parametersOf(holder: JsonObject, document: JsonObject): readonly JsonObject[] {
  const list = Array.isArray(holder.parameters) ? holder.parameters : [];
  return list.flatMap((one: Json) => {
    if (!isJsonObject(one)) return [];
    const name = stringIn(one, '$ref')?.match(/^#\/parameters\/([^/]+)$/)?.[1];
    const found = name === undefined ? one : objectIn(objectIn(document, 'parameters'), name);
    return found ? [found] : [];
  });
}

const keptBeside = ['name', 'in', 'description', 'required', 'allowEmptyValue', 'deprecated'];

function parameterOf(parameter: JsonObject): JsonObject {
  const kept = Object.entries(parameter).filter(([key]) => keptBeside.includes(key) || key.startsWith('x-'));
  return { ...Object.fromEntries(kept), schema: schemaOf(parameter), ...styleOf(parameter) };
}

function schemaOf(parameter: JsonObject): JsonObject {
  const { collectionFormat: _format, ...schema } = parameter;
  return Object.fromEntries(
    Object.entries(schema).filter(([key]) => !keptBeside.includes(key) || key === 'description'),
  );
}

function styleOf({ collectionFormat, in: place, type }: JsonObject): JsonObject {
  if (type !== 'array') return {};
  if (collectionFormat === 'multi') return { style: 'form', explode: true };
  if (collectionFormat === 'ssv') return { style: 'spaceDelimited', explode: false };
  if (collectionFormat === 'pipes') return { style: 'pipeDelimited', explode: false };
  return place === 'query' ? { style: 'form', explode: false } : {};
}

function requestBodyOf(parameters: readonly JsonObject[], consumes: readonly string[]): JsonObject | undefined {
  const body = parameters.find((one) => one.in === 'body');
  if (body) {
    const { schema = {}, description, required } = body;
    const types = consumes.length > 0 ? consumes : ['application/json'];
    return compact({ description, required, content: Object.fromEntries(types.map((type) => [type, { schema }])) });
  }
  const fields = parameters.filter((one) => one.in === 'formData');
  if (fields.length === 0) return undefined;
  const files = fields.some(({ type }) => type === 'file');
  const type =
    files || consumes.includes('multipart/form-data') ? 'multipart/form-data' : 'application/x-www-form-urlencoded';
  const properties = fields.map((one): [string, Json] => [
    String(one.name),
    one.type === 'file' ? { type: 'string', format: 'binary', description: one.description ?? '' } : schemaOf(one),
  ]);
  const required = fields.filter((one) => one.required === true).map(({ name = '' }) => name);
  const schema = { type: 'object', properties: Object.fromEntries(properties), required };
  return { required: required.length > 0, content: { [type]: { schema } } };
}

function responseOf(response: JsonObject, document: JsonObject, operation?: JsonObject): JsonObject {
  const { schema, description = '', ...rest } = response;
  if (schema === undefined || rest.$ref !== undefined) return { ...rest, description };
  const types = mediaTypes(operation?.produces ?? document.produces);
  const type = types[0] ?? 'application/json';
  return { description, content: { [type]: { schema } } };
}

const mediaTypes = (value: Json | undefined): readonly string[] =>
  Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];

function mapObject(values: JsonObject | undefined, change: (value: JsonObject) => JsonObject): JsonObject {
  const entries = Object.entries(values ?? {});
  return Object.fromEntries(entries.map(([key, value]) => [key, isJsonObject(value) ? change(value) : {}]));
}

/** References to where things stand now. */
function renamed(value: Json): Json {
  if (Array.isArray(value)) return value.map(renamed);
  if (!isJsonObject(value)) return value;
  const entries = Object.entries(value).map(([key, item]): [string, Json] => {
    if (key !== '$ref' || typeof item !== 'string') return [key, renamed(item)];
    const found = moved.find(([from]) => item.startsWith(from));
    return [key, found ? found[1] + item.slice(found[0].length) : item];
  });
  return Object.fromEntries(entries);
}
