/** Small, pure edits of JSON objects. What isn't touched keeps its place and its digits. */
import { isJsonObject, type Json, type JsonObject, objectIn } from '#core/json.ts';

/** Revisions are dates: later ones compare greater. */
export function isSince(version: string, first: string): boolean {
  return version >= first;
}

export function omit(value: JsonObject, keys: readonly string[]): JsonObject {
  if (!keys.some((key) => Object.hasOwn(value, key))) return value;
  return Object.fromEntries(Object.entries(value).filter(([key]) => !keys.includes(key)));
}

/** Undefined members are left out. */
export function compact(members: Readonly<Record<string, Json | undefined>>): JsonObject {
  const kept: [string, Json][] = [];
  for (const [key, value] of Object.entries(members)) if (value !== undefined) kept.push([key, value]);
  return Object.fromEntries(kept);
}

export function listIn(value: JsonObject | undefined, key: string): readonly Json[] | undefined {
  const member = value?.[key];
  return Array.isArray(member) ? member : undefined;
}

/** Replaces `value[key]` where it is an object. */
export function mapObjectIn(value: JsonObject, key: string, change: (member: JsonObject) => Json): JsonObject {
  const member = objectIn(value, key);
  return member ? { ...value, [key]: change(member) } : value;
}

/** Replaces the objects in the list `value[key]`; what is no object stays. */
export function mapListIn(value: JsonObject, key: string, change: (item: JsonObject) => Json): JsonObject {
  const list = listIn(value, key);
  return list ? { ...value, [key]: list.map((item) => (isJsonObject(item) ? change(item) : item)) } : value;
}

/** Replaces `value[key]` where it is a string. */
export function mapStringIn(value: JsonObject, key: string, change: (text: string) => string): JsonObject {
  const text = value[key];
  return typeof text === 'string' ? { ...value, [key]: change(text) } : value;
}

/** `_meta` without `keys`; an emptied `_meta` goes with them. */
export function omitMeta(value: JsonObject, keys: readonly string[]): JsonObject {
  const meta = objectIn(value, '_meta');
  if (!meta) return value;
  const rest = omit(meta, keys);
  if (rest === meta) return value;
  return Object.keys(rest).length > 0 ? { ...value, _meta: rest } : omit(value, ['_meta']);
}

export function putMeta(value: JsonObject, members: JsonObject): JsonObject {
  if (Object.keys(members).length === 0) return value;
  return { ...value, _meta: { ...objectIn(value, '_meta'), ...members } };
}

/** The number that a JSON value is, also where its digits were kept (core/json.ts). */
export function numberOf(value: Json | undefined): number | undefined {
  if (typeof value === 'number') return value;
  return JSON.isRawJSON(value) ? Number(JSON.stringify(value)) : undefined;
}
