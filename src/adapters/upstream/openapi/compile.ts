/** A document as tools, each with the plan by which it is called. */
import { isJsonObject, type JsonObject, objectIn, stringIn } from '#core/json.ts';
import { compact, listIn } from '#mcp/bridge/objects.ts';
import { isMediaType } from './body-arguments.ts';
import { type Method, methods, pathsOf } from './document.ts';
import { openNames, validName } from './names.ts';
import { readArguments, reasonOf } from './parameters.ts';
import type { Api, LeftOut, Operation, PathPiece, SchemePlace, Tool } from './plan.ts';
import { resolve } from './references.ts';
import { convertSchema, cutText, loosened, openWork, type SchemaOptions } from './schema.ts';
import { chooseAuth, schemesOf } from './security.ts';

const MAX_DESCRIPTION = 4000;

/** Never throws for a document that was parsed: what can't be a tool is left out. `at`: where it was fetched from. */
export function compileApi(document: JsonObject, at?: string): Api {
  const info = objectIn(document, 'info');
  const leftOut: LeftOut[] = [];
  const tools = new Map<string, Tool>();
  const schemes = schemesOf(document);
  const free = openNames();
  const work = openWork();
  const url = serverUrl(document, listIn(document, 'servers')?.[0], at);
  for (const [path, given] of pathsOf(document)) {
    const item = resolve(document, given)?.value ?? {};
    for (const method of methods) {
      const operation = item[method];
      if (!isJsonObject(operation)) continue;
      try {
        const made = compileOperation({ document, item, operation, method, path, free, url, work, schemes });
        tools.set(made.name, made);
      } catch (thrown) {
        leftOut.push({ operation: `${method.toUpperCase()} ${cutText(path, 200)}`, reason: reasonOf(thrown) });
      }
    }
  }
  return {
    title: cutText(stringIn(info, 'title') ?? 'API', 200),
    version: cutText(String(info?.version ?? ''), 64),
    description: stringIn(info, 'description'),
    url,
    tools,
    leftOut,
  };
}

interface Compiling {
  readonly document: JsonObject;
  readonly item: JsonObject;
  readonly operation: JsonObject;
  readonly method: Method;
  readonly path: string;
  readonly free: (name: string) => string;
  readonly work: SchemaOptions['work'];
  readonly url: string | undefined;
  readonly schemes: ReadonlyMap<string, SchemePlace>;
}

function compileOperation(compiling: Compiling): Tool & { readonly name: string } {
  const { document, item, operation, method, path, free, url, work, schemes } = compiling;
  if (extension(operation, 'hidden') === true) throw new Error('the document hides it from tools');
  const own = listIn(operation, 'servers') ?? listIn(item, 'servers');
  if (own && own.length > 0 && serverUrl(document, own[0], url) !== url) throw new Error('it is at another server');
  const pieces = parsePath(path);
  const inPath = pieces.flatMap((piece) => ('parameter' in piece ? [piece.parameter] : []));
  const { parameters, body, inputSchema } = readArguments({
    document,
    work,
    item,
    operation,
    method,
    inPath,
    credentials: [...schemes.values()],
  });
  const named = extension(operation, 'name') ?? operation.operationId;
  const tool = free(validName(typeof named === 'string' ? named : '', validName(`${method}_${path}`, method)));
  const responses = okResponses(document, operation);
  const definition = definitionOf(compiling, { tool, inputSchema, responses });
  const planned: Operation = {
    tool,
    method: method.toUpperCase(),
    path,
    pieces,
    parameters,
    body,
    auth: chooseAuth(document, schemes, operation),
    accept: acceptOf(responses),
    inputSchema,
    declaresOutput: definition.outputSchema !== undefined,
  };
  return { name: tool, definition: JSON.stringify(definition), plan: JSON.stringify(planned) };
}

const extension = (operation: JsonObject, name: string) =>
  operation[`x-gatehouse-${name}`] ?? operation[`x-mcp-${name}`];

interface Defining {
  readonly tool: string;
  readonly inputSchema: JsonObject;
  readonly responses: readonly JsonObject[];
}

function definitionOf(
  { document, operation, method, path, work }: Compiling,
  { tool, inputSchema, responses }: Defining,
): JsonObject {
  const text = (key: string) => {
    const value = extension(operation, key === 'summary' ? 'title' : key) ?? operation[key];
    return typeof value === 'string' ? value.trim() : '';
  };
  const title = text('summary');
  const described = [title, text('description')].filter((part, i, all) => part !== '' && all.indexOf(part) === i);
  return compact({
    name: tool,
    title: title === '' ? undefined : cutText(title, 128),
    description: cutText(described.join('\n\n') || `${method.toUpperCase()} ${path}`, MAX_DESCRIPTION),
    inputSchema,
    outputSchema: outputSchemaOf({ document, work }, responses),
    annotations: annotationsOf(method),
  });
}

function annotationsOf(method: Method): JsonObject {
  if (method === 'get' || method === 'head' || method === 'query' || method === 'options')
    return { readOnlyHint: true };
  if (method === 'delete') return { readOnlyHint: false, destructiveHint: true, idempotentHint: true };
  return method === 'put' ? { readOnlyHint: false, idempotentHint: true } : { readOnlyHint: false };
}

/** Answers that mean success, the plainest first. */
function okResponses(document: JsonObject, operation: JsonObject): readonly JsonObject[] {
  const responses = Object.entries(objectIn(operation, 'responses') ?? {}).filter(([status]) => /^2/.test(status));
  return responses
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([, one]): JsonObject[] => {
      const found = resolve(document, one)?.value;
      return found ? [found] : [];
    });
}

const isJsonType = (type: string): boolean => /^application\/([\w.+-]+\+)?json\b/i.test(type);

function outputSchemaOf(
  reading: Omit<SchemaOptions, 'side'>,
  responses: readonly JsonObject[],
): JsonObject | undefined {
  for (const response of responses) {
    const found = Object.entries(objectIn(response, 'content') ?? {}).find(([type]) => isJsonType(type))?.[1];
    if (!isJsonObject(found)) continue;
    const schema = loosened(convertSchema(found.schema, { ...reading, side: 'output' }));
    const types = Array.isArray(schema.type) ? schema.type : [];
    return types.includes('object') ? { ...schema, type: 'object' } : undefined;
  }
  return undefined;
}

function acceptOf(responses: readonly JsonObject[]): string {
  const types = responses.flatMap((response) => Object.keys(objectIn(response, 'content') ?? {})).filter(isMediaType);
  const known = [...new Set(types.toSorted((a, b) => Number(isJsonType(b)) - Number(isJsonType(a))))].slice(0, 5);
  return [...(known.length > 0 ? known : ['application/json']), '*/*;q=0.1'].join(', ');
}

/** Throws Error for a template that could lead elsewhere than it says. */
export function parsePath(path: string): readonly PathPiece[] {
  if (!path.startsWith('/') || path.startsWith('//')) throw new Error('its path does not begin with one slash');
  const pieces = path.split(/(\{[^{}/]{1,200}\})/).filter((piece) => piece !== '');
  const parsed = pieces.map((piece): PathPiece => {
    const name = /^\{([^{}/]+)\}$/.exec(piece)?.[1];
    if (name !== undefined) return { parameter: name };
    if (/[\x00-\x20\x7f\\?#%{}]/.test(piece)) throw new Error('its path has characters that a path cannot have');
    return { text: encodeURI(piece.toWellFormed()) };
  });
  if (path.split('/').some((segment) => segment === '.' || segment === '..')) throw new Error('its path climbs');
  if (path.length > 2000) throw new Error('its path is too long');
  return parsed;
}

/** Variables by their defaults, relative ones by where the document was found. Undefined: it leads nowhere. */
function serverUrl(document: JsonObject, given: unknown, at: string | undefined): string | undefined {
  const server = isJsonObject(given) ? (resolve(document, given)?.value ?? {}) : {};
  const variables = objectIn(server, 'variables');
  const text = (stringIn(server, 'url') ?? '').replaceAll(/\{([^{}]{1,100})\}/g, (whole, name: string) =>
    String(objectIn(variables, name)?.default ?? whole),
  );
  const url = URL.parse(text, at);
  if (!url || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') return undefined;
  return url.origin + url.pathname.replace(/\/+$/, '');
}
