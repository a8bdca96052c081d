/**
 * OpenAPI documents as upstream servers: any REST API's operations are tools. A document is a stranger's text: it is
 * bounded before it is read, nothing in it is fetched, and what can't be understood is left out by name.
 */
import { isScalar, Lexer, parseDocument as parseYamlDocument, visit } from 'yaml';
import { GatehouseError } from '#core/error.ts';
import { isJsonObject, type Json, type JsonObject, stringIn } from '#core/json.ts';
import { JsonScanner } from '#mcp/json-scan.ts';
import { convertSwagger } from './swagger.ts';

export const documentLimits = {
  bytes: 10 * 1024 * 1024,
  /** YAML is read ten times more slowly than JSON. */
  yamlBytes: 1024 * 1024,
  /** Keys, values, signs and line ends: each takes some microseconds, whatever its length. */
  yamlWords: 250_000,
  depth: 96,
  keys: 1_000_000,
  tokens: 3_000_000,
  stringBytes: 1024 * 1024,
  operations: 2000,
} as const;

const MAX_YAML_HEADERS = 8;

/** Throws GatehouseError `bad_request` with one sentence that says what is wrong, and where. */
export function parseDocument(text: string): JsonObject {
  if (Buffer.byteLength(text) > documentLimits.bytes) wrong(`is larger than ${documentLimits.bytes} bytes`);
  const plain = text.startsWith('\ufeff') ? text.slice(1) : text;
  const value = /^\s*\{/.test(plain) ? parseJsonText(plain) : parseYamlText(plain);
  if (!isJsonObject(value)) return wrong('is not an object');
  const document = asVersion3(value);
  checkReferences(document);
  checkOperations(document);
  return document;
}

export function wrong(what: string): never {
  throw new GatehouseError('bad_request', { message: `The OpenAPI document ${what}` });
}

function asVersion3(document: JsonObject): JsonObject {
  if (document.swagger !== undefined) {
    if (String(document.swagger) !== '2.0')
      wrong(`is of Swagger ${short(document.swagger)}: 2.0 and OpenAPI 3 are read`);
    return convertSwagger(document);
  }
  const version = stringIn(document, 'openapi');
  if (version === undefined) wrong('has neither "openapi" nor "swagger"');
  if (!/^3\.\d{1,3}(\.|$)/.test(version)) wrong(`is of version ${short(version)}: OpenAPI 3 and Swagger 2.0 are read`);
  return document;
}

function parseJsonText(text: string): Json {
  try {
    // Refuses keys that stand twice and `__proto__`, and whatever exceeds the limits.
    new JsonScanner(Buffer.from(text), documentLimits).scanObject('');
    return JSON.parse(text);
  } catch (thrown) {
    return wrong(`can't be read: ${reasonOf(thrown)}`);
  }
}

function parseYamlText(text: string): Json {
  if (Buffer.byteLength(text) > documentLimits.yamlBytes) {
    wrong(`is larger than ${documentLimits.yamlBytes} bytes as YAML: give it as JSON`);
  }
  try {
    checkYamlWords(text);
    const parsed = parseYamlDocument(text, { uniqueKeys: false, strict: true, logLevel: 'silent', schema: 'core' });
    const [error] = parsed.errors;
    if (error) throw error;
    refuseDoubleKeys(parsed);
    const value: unknown = parsed.toJS({ maxAliasCount: 100 });
    return plainJson(value, { left: documentLimits.tokens }, 0);
  } catch (thrown) {
    return wrong(`can't be read as YAML: ${reasonOf(thrown)}`);
  }
}

/** What would keep the reader busy for long is refused before it begins: everybody else would wait. */
function checkYamlWords(text: string): void {
  let words = 0;
  let depth = 0;
  let begunInLine = 0;
  let headers = 0;
  let isText = false;
  for (const word of new Lexer().lex(text)) {
    if (++words > documentLimits.yamlWords) throw new Error('it is too large as YAML: give it as JSON');
    // The lexer marks text by a sign before it: what it says is no sign itself.
    if (!isText) {
      if (word === '[' || word === '{') depth++;
      else if (word === ']' || word === '}') depth--;
      else if (word === '-' || word === '?') begunInLine++;
      else if (word.endsWith('\n')) begunInLine = 0;
      else if (word === '---' || word.startsWith('%')) headers++;
    }
    isText = word === '\u001f';
    if (Math.max(depth, begunInLine) > documentLimits.depth) throw new RangeError();
    if (headers > MAX_YAML_HEADERS) throw new Error('it is several documents, or has too many directives');
  }
}

function refuseDoubleKeys(parsed: ReturnType<typeof parseYamlDocument>): void {
  visit(parsed, {
    Map(_key, { items }) {
      const seen = new Set<unknown>();
      for (const { key } of items) {
        const name = isScalar(key) ? String(key.value) : key;
        if (seen.has(name)) throw new Error(`the key "${short(String(name))}" stands twice in one object`);
        seen.add(name);
      }
    },
  });
}

/** Aliases are written out, so that what is counted is what will be walked. */
function plainJson(value: unknown, budget: { left: number }, depth: number): Json {
  if (--budget.left < 0) throw new Error('it has too many values');
  if (depth > documentLimits.depth) throw new Error(`it is nested deeper than ${documentLimits.depth} levels`);
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (Array.isArray(value)) return value.map((item) => plainJson(item, budget, depth + 1));
  if (typeof value !== 'object') throw new Error('it has a value that JSON does not have');
  const entries = Object.entries(value).map(([key, item]): [string, Json] => {
    if (key === '__proto__') throw new Error('the key "__proto__" is not accepted');
    return [key, plainJson(item, budget, depth + 1)];
  });
  return Object.fromEntries(entries);
}

/** Where anything may stand, which then is no reference. */
const anything: ReadonlySet<string> = new Set(['example', 'examples', 'default', 'enum', 'const']);

function checkReferences(document: JsonObject): void {
  const walk = (value: Json, place: string): void => {
    if (Array.isArray(value)) for (const [i, item] of value.entries()) walk(item, `${place}/${i}`);
    else if (isJsonObject(value)) {
      for (const [key, item] of Object.entries(value)) {
        if (anything.has(key) || key.startsWith('x-')) continue;
        if (key === '$ref' && typeof item === 'string' && !item.startsWith('#')) {
          wrong(`refers to "${short(item)}" at ${short(place, 200)}: bundle it into one document, nothing is fetched`);
        }
        walk(item, `${place}/${key}`);
      }
    }
  };
  walk(document, '#');
}

export const methods = ['get', 'put', 'post', 'delete', 'patch', 'head', 'options', 'query'] as const;
export type Method = (typeof methods)[number];

export function pathsOf(document: JsonObject): readonly (readonly [path: string, item: JsonObject])[] {
  const { paths } = document;
  if (!isJsonObject(paths)) return [];
  return Object.entries(paths).flatMap(([path, item]) => (isJsonObject(item) ? [[path, item] as const] : []));
}

function checkOperations(document: JsonObject): void {
  let count = 0;
  for (const [, item] of pathsOf(document)) for (const method of methods) if (isJsonObject(item[method])) count++;
  if (count > documentLimits.operations) {
    wrong(`has ${count} operations, at most ${documentLimits.operations} are read: choose some before importing it`);
  }
}

export function short(value: unknown, length = 100): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
  const clean = text.replaceAll(/[^\x20-\x7e]/g, '?');
  return clean.length > length ? `${clean.slice(0, length)}…` : clean;
}

const reasonOf = (thrown: unknown): string =>
  thrown instanceof RangeError ? 'it is nested too deeply' : short(thrown instanceof Error ? thrown.message : '', 200);
