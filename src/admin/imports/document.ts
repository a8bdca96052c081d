/** What somebody hands in for import: text of unknown kind and origin, bounded before anything looks at it. */
import { GatehouseError } from '#core/error.ts';
import { isJsonObject, type Json, type JsonObject } from '#core/json.ts';

export const importLimits = { characters: 1_048_576, depth: 32, members: 20_000, servers: 100 } as const;

export type DocumentKind = 'server.json' | 'clients' | 'openapi';

export interface ImportDocument {
  readonly kind: DocumentKind;
  readonly value: JsonObject;
}

const bad = (message: string, cause?: unknown) => new GatehouseError('bad_request', { message, cause });

/** JSON, or JSON with comments and trailing commas as editors keep it; YAML is of OpenAPI only. Throws `bad_request`. */
export function readDocument(text: string): ImportDocument {
  if (text.length > importLimits.characters) throw bad('The document is larger than 1 MiB');
  if (looksLikeYaml(text)) return { kind: 'openapi', value: {} };
  const value = parse(text);
  if (!isJsonObject(value)) throw bad('The document must be a JSON object');
  checkSize(value);
  return { kind: kindOf(value), value };
}

/** OpenAPI in YAML is read by its own reader. Line by line: an expression over all of them would take for ever. */
function looksLikeYaml(text: string): boolean {
  for (const line of text.split('\n')) {
    const said = line.trim();
    if (said !== '' && said !== '---' && !said.startsWith('#')) return /^(?:openapi|swagger)\s*:/.test(said);
  }
  return false;
}

function parse(text: string): Json {
  try {
    return JSON.parse(text);
  } catch {
    try {
      return JSON.parse(plainJson(text));
    } catch (cause) {
      throw bad(
        'The document is no JSON: server.json, a file with mcpServers or servers, or an OpenAPI document',
        cause,
      );
    }
  }
}

/** Every alternative takes what it begins with, ended or not: nothing is looked at twice. */
const tokens = /"(?:[^"\\]+|\\[\s\S]?)*"?|\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|[^"/,\]}\s]+|\s+|[\s\S]/g;

/** Without comments and trailing commas; what stands in strings stays. */
function plainJson(text: string): string {
  const words: string[] = [];
  /** Of the comma that nothing but space has followed so far. */
  let comma: number | undefined;
  for (const [token] of text.matchAll(tokens)) {
    if (/^(?:\s|\/[/*])/.test(token)) {
      words.push(' ');
      continue;
    }
    if (comma !== undefined && /^[\]}]/.test(token)) words[comma] = '';
    comma = token === ',' ? words.length : undefined;
    words.push(token);
  }
  return words.join('');
}

function checkSize(value: Json): void {
  let members = 0;
  const walk = (one: Json, depth: number): void => {
    if (depth > importLimits.depth) throw bad('The document is nested too deeply');
    if (typeof one !== 'object' || one === null) return;
    for (const [key, member] of Object.entries(one)) {
      if (++members > importLimits.members) throw bad('The document has too many members');
      if (key === '__proto__' || key === 'constructor' || key === 'prototype')
        throw bad(`The document has a member named ${key}: remove it`);
      walk(member, depth + 1);
    }
  };
  walk(value, 1);
}

function kindOf(value: JsonObject): DocumentKind {
  if (typeof value.openapi === 'string' || typeof value.swagger === 'string') return 'openapi';
  if (isJsonObject(value.server) && typeof value.server.name === 'string') return 'server.json';
  if (typeof value.name === 'string' && (Array.isArray(value.packages) || Array.isArray(value.remotes)))
    return 'server.json';
  if (typeof value.name === 'string' && typeof value.$schema === 'string' && value.$schema.includes('server.schema'))
    return 'server.json';
  if (Array.isArray(value.servers) && isJsonObject(value.metadata))
    throw bad('This is the list of a registry: import one of its servers, registry:NAME');
  if ([value.mcpServers, value.servers, value.mcp, value.context_servers].some(isJsonObject)) return 'clients';
  throw bad(
    'Nothing to import: the document is no server.json, has no mcpServers or servers, and is no OpenAPI document',
  );
}
