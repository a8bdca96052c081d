/** A tool in one line that a model can call it by: `create_issue(title: string, labels?: string[]) — Create an issue`. */
import { isJsonObject, type Json, type JsonObject, objectIn, stringIn } from '#core/json.ts';
import { cleanLine } from './words.ts';

const parameterLimit = 12;
const memberLimit = 6;
const enumLimit = 6;
const typeLimit = 120;
/** No signature is longer, in UTF-16 units. */
export const signatureLimit = 480;

const listIn = (schema: JsonObject, key: string): readonly Json[] => {
  const member = schema[key];
  return Array.isArray(member) ? member : [];
};

const nameOf = (name: string): string => {
  const clean = cleanLine(name, 48);
  return /^[\p{L}_$][\p{L}\p{N}_$-]*$/u.test(clean) ? clean : JSON.stringify(clean);
};

function enumOf(values: readonly Json[]): string {
  const shown = values.slice(0, enumLimit).map((value) => cleanLine(JSON.stringify(value), 32));
  if (values.length > enumLimit) shown.push('…');
  return shown.join('|');
}

function objectType(schema: JsonObject, depth: number): string {
  const names = Object.keys(objectIn(schema, 'properties') ?? {});
  if (depth <= 0 || names.length === 0) return 'object';
  return `{${parametersOf(schema, { depth: depth - 1, limit: memberLimit })}}`;
}

/** Nested objects to `depth` levels; what is deeper, referenced or unknown is named by its bare type. */
function typeOf(schema: Json | undefined, depth: number): string {
  if (!isJsonObject(schema)) return 'any';
  if (schema.const !== undefined) return enumOf([schema.const]);
  const values = listIn(schema, 'enum');
  if (values.length > 0) return enumOf(values);
  const choices = [...listIn(schema, 'anyOf'), ...listIn(schema, 'oneOf')];
  const types = typeof schema.type === 'string' ? [schema.type] : listIn(schema, 'type');
  if (types.length > 1 || (types.length === 0 && choices.length > 0)) {
    const parts = types.length > 1 ? types.map((type) => ({ ...schema, type })) : choices;
    return [...new Set(parts.slice(0, 4).map((part) => typeOf(part, depth - 1)))].join('|');
  }
  switch (types[0]) {
    case 'string':
    case 'number':
    case 'boolean':
    case 'null':
      return types[0];
    case 'integer':
      return 'int';
    case 'array': {
      const item =
        depth < -4 ? 'any' : typeOf(schema.items, depth - (objectIn(schema, 'items')?.type === 'array' ? 1 : 0));
      return item.includes('|') ? `(${item})[]` : `${item}[]`;
    }
    default:
      return types[0] === 'object' || schema.properties !== undefined ? objectType(schema, depth) : 'any';
  }
}

function parametersOf(schema: JsonObject | undefined, { depth, limit }: { depth: number; limit: number }): string {
  const required = new Set(schema === undefined ? [] : listIn(schema, 'required'));
  const properties = Object.entries(objectIn(schema, 'properties') ?? {});
  // Required ones first, and never cut before optional ones.
  const ordered = [
    ...properties.filter(([name]) => required.has(name)),
    ...properties.filter(([name]) => !required.has(name)),
  ];
  const shown = ordered.slice(0, limit).map(([name, property]) => {
    const type = typeOf(property, depth);
    return `${nameOf(name)}${required.has(name) ? '' : '?'}: ${type.length > typeLimit ? 'object' : type}`;
  });
  if (ordered.length > limit) shown.push('…');
  return shown.join(', ');
}

/** First sentence of a description, without markup of lines, at most `limit` UTF-16 units. */
export function firstSentence(description: string, limit: number): string {
  const line = cleanLine(description, limit * 2);
  const end = /[.!?](?=\s+\p{Lu}|$)/u.exec(line);
  return cleanLine(end === null ? line : line.slice(0, end.index), limit);
}

/** One line, at most 480 characters, from a published tool definition. */
export function signatureOf(tool: JsonObject): string {
  const parameters = parametersOf(objectIn(tool, 'inputSchema'), { depth: 1, limit: parameterLimit });
  const call = `${cleanLine(stringIn(tool, 'name') ?? '', 128)}(${cleanLine(parameters, 300)})`;
  const says = firstSentence(stringIn(tool, 'description') ?? stringIn(tool, 'title') ?? '', 120);
  return cleanLine(says === '' ? call : `${call} — ${says}`, signatureLimit);
}
