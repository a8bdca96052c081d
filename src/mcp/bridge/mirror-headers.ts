/** Headers that mirror the body of a modern request (SEP-2243; 2026-07-28 streamable HTTP). */
import { GatehouseError } from '#core/error.ts';
import { isJsonObject, type Json, type JsonObject, objectIn } from '#core/json.ts';
import { decodeHeaderValue } from '#mcp/param-headers.ts';
import { numberOf } from './objects.ts';

const nameKeys: ReadonlyMap<string, string> = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
  ['tasks/get', 'taskId'],
  ['tasks/update', 'taskId'],
  ['tasks/cancel', 'taskId'],
]);

/** `tool`: its definition in the names and arguments of the server that is asked; without it no `Mcp-Param-*`. */
export function mirrorHeaders(method: string, params: JsonObject, tool?: JsonObject): Record<string, string> {
  const headers: Record<string, string> = { 'Mcp-Method': method };
  const key = nameKeys.get(method);
  const name = key === undefined ? undefined : params[key];
  if (typeof name === 'string') headers['Mcp-Name'] = encodeHeaderValue(name);
  if (method !== 'tools/call' || !tool) return headers;
  for (const declared of scan(tool).declarations) {
    const text = headerText(valueAt(params.arguments, declared.path));
    if (text !== undefined) headers[`Mcp-Param-${declared.header}`] = encodeHeaderValue(text);
  }
  return headers;
}

export function encodeHeaderValue(value: string): string {
  const safe = /^[\t\x20-\x7e]+$/.test(value) && value.trim() === value && !/^=\?base64\?.*\?=$/.test(value);
  return safe ? value : `=?base64?${Buffer.from(value, 'utf8').toString('base64')}?=`;
}

/** A client over HTTP must drop such a tool: its `x-mcp-header` declarations break the rules. */
export function invalidParamHeaders(tool: JsonObject): boolean {
  return !scan(tool).valid;
}

/** Headers as Node gives them: names in lower case. */
export type IncomingHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/**
 * `tool` and `args` as the caller knows them. A header whose argument is absent or null is ignored.
 * Throws GatehouseError `header_mismatch` (-32020).
 */
export function checkParamHeaders(headers: IncomingHeaders, tool: JsonObject, args: JsonObject | undefined): void {
  for (const declared of scan(tool).declarations) {
    const value = valueAt(args, declared.path);
    const text = headerText(value);
    if (text === undefined) continue;
    const name = `Mcp-Param-${declared.header}`;
    const sent = headers[name.toLowerCase()];
    if (typeof sent !== 'string') throw mismatch(`${name} is required`);
    const decoded = decodeHeaderValue(sent);
    const number = declared.type === 'string' ? undefined : numberOf(value);
    const same =
      number !== undefined && /^-?\d+(\.\d+)?$/.test(decoded) ? Number(decoded) === number : decoded === text;
    if (!same) throw mismatch(`${name} differs from the body`);
  }
}

function mismatch(reason: string): GatehouseError {
  return new GatehouseError('header_mismatch', { message: `Header mismatch: ${reason}` });
}

/** Undefined: no header is made and none is expected. */
function headerText(value: Json | undefined): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return String(value);
  const number = numberOf(value);
  if (number === undefined || !Number.isFinite(number)) return undefined;
  return Number.isInteger(number) && !Number.isSafeInteger(number) ? undefined : String(number);
}

function valueAt(root: Json | undefined, path: readonly string[]): Json | undefined {
  let value = root;
  for (const key of path) value = isJsonObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
  return value;
}

interface Declaration {
  readonly path: readonly string[];
  readonly header: string;
  readonly type: string;
}

interface Scan {
  readonly valid: boolean;
  /** Of a tool whose only fault is a `number` too: no client may keep it, but what one sent is still compared. */
  readonly declarations: readonly Declaration[];
}

interface Findings {
  broken: boolean;
  readonly declarations: Declaration[];
}

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const subschemas = ['items', 'prefixItems', 'contains', 'additionalProperties', 'unevaluatedProperties'].concat([
  'unevaluatedItems',
  'propertyNames',
  'oneOf',
  'anyOf',
  'allOf',
  'not',
  'if',
  'then',
  'else',
]);
const subschemaMaps = ['patternProperties', 'dependentSchemas', '$defs', 'definitions'];
const headerTypes = ['string', 'integer', 'boolean', 'number'];
const maxDepth = 64;

function scan(tool: JsonObject): Scan {
  const found: Findings = { broken: false, declarations: [] };
  const schema = objectIn(tool, 'inputSchema');
  if (schema) visit(schema, [], found);
  if (found.broken) return { valid: false, declarations: [] };
  return { valid: found.declarations.every(({ type }) => type !== 'number'), declarations: found.declarations };
}

function visit(schema: JsonObject, path: readonly string[], found: Findings): void {
  if (path.length > maxDepth) return;
  if (Object.hasOwn(schema, 'x-mcp-header')) declare(schema, path, found);
  for (const [key, child] of Object.entries(objectIn(schema, 'properties') ?? {})) {
    if (isJsonObject(child)) visit(child, [...path, key], found);
  }
  if (hiddenParts(schema).some((part) => declaresAnywhere(part, 0))) found.broken = true;
}

function declare(schema: JsonObject, path: readonly string[], found: Findings): void {
  const { 'x-mcp-header': header, type } = schema;
  const wellFormed = typeof header === 'string' && token.test(header) && path.length > 0;
  if (!wellFormed || typeof type !== 'string' || !headerTypes.includes(type)) {
    found.broken = true;
    return;
  }
  if (found.declarations.some((other) => other.header.toLowerCase() === header.toLowerCase())) found.broken = true;
  found.declarations.push({ path, header, type });
}

/** Schemas inside this one that no chain of `properties` reaches. */
function hiddenParts(schema: JsonObject): readonly (Json | undefined)[] {
  return [
    ...subschemas.map((key) => schema[key]),
    ...subschemaMaps.flatMap((key) => Object.values(objectIn(schema, key) ?? {})),
  ];
}

/** A declaration in such a place makes the tool invalid. */
function declaresAnywhere(value: Json | undefined, depth: number): boolean {
  if (depth > maxDepth) return false;
  if (Array.isArray(value)) return value.some((item) => declaresAnywhere(item, depth + 1));
  if (!isJsonObject(value)) return false;
  if (Object.hasOwn(value, 'x-mcp-header')) return true;
  const parts = [...hiddenParts(value), ...Object.values(objectIn(value, 'properties') ?? {})];
  return parts.some((part) => declaresAnywhere(part, depth + 1));
}
