/**
 * JSON as values, without losing digits: a number that a double cannot hold goes out as it came in (DESIGN ruling 27).
 * For messages that must be rewritten; what passes unchanged stays bytes.
 */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

/** Digits that a double may not keep: long ones, exponents, trailing zeros of a fraction. Inside strings it costs time only. */
const lossy = /\d{16}|\d[eE][+-]?\d|\.\d*0(?!\d)|-0(?![.\d])/;

declare global {
  interface JSON {
    /** ECMAScript JSON.parse source text access. */
    rawJSON(text: string): Json;
    isRawJSON(value: unknown): boolean;
  }
}

interface Source {
  readonly source?: string;
}

function keepDigits(_key: string, value: unknown, context: Source): unknown {
  if (typeof value !== 'number' || context.source === undefined || String(value) === context.source) return value;
  return JSON.rawJSON(context.source);
}

/** Throws SyntaxError. Numbers that a double cannot hold become opaque values that `JSON.stringify` writes as they were. */
export function parseJson(text: string): Json {
  // The types of `lib` know no third argument yet.
  const revive: (key: string, value: unknown) => unknown = keepDigits as (key: string, value: unknown) => unknown;
  return lossy.test(text) ? JSON.parse(text, revive) : JSON.parse(text);
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !JSON.isRawJSON(value);
}

/** Throws SyntaxError, also where it is no object. */
export function parseJsonObject(text: string): JsonObject {
  const value = parseJson(text);
  if (!isJsonObject(value)) throw new SyntaxError('not a JSON object');
  return value;
}

/** Of a table of ours under a key of somebody else's: what every object inherits (`constructor`) is in none. */
export const ownIn = <T>(table: Readonly<Record<string, T>>, key: string): T | undefined =>
  Object.hasOwn(table, key) ? table[key] : undefined;

/** Undefined where it is no object. */
export const objectIn = (value: JsonObject | undefined, key: string): JsonObject | undefined => {
  const member = value?.[key];
  return isJsonObject(member) ? member : undefined;
};

export const stringIn = (value: JsonObject | undefined, key: string): string | undefined => {
  const member = value?.[key];
  return typeof member === 'string' ? member : undefined;
};
