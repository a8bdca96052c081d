/** Values as OpenAPI's styles write them (OpenAPI 3.1, Parameter Object). Whatever a caller gives is encoded. */
import { isJsonObject, type Json } from '#core/json.ts';
import { ArgumentProblem } from './problem.ts';

/** RFC 3986 unreserved characters stay; everything else is `%XX`. */
export function encodeText(text: string): string {
  if (!text.isWellFormed()) throw new ArgumentProblem('has half of a character');
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** As `allowReserved` wants it; `&`, `#`, `+`, `[` and `]` would say something else than the value. */
export const encodeReserved = (text: string): string =>
  encodeText(text).replaceAll(/%(3A|2F|3F|40|21|24|27|28|29|2A|2C|3B|3D)/g, (one) => decodeURIComponent(one));

/** A value that stands alone; objects and lists inside of others are JSON. */
export function plainText(value: Json): string {
  if (typeof value === 'string') return value;
  if (value === null) return '';
  return JSON.stringify(value);
}

type Encode = (text: string) => string;

export interface Styled {
  readonly name: string;
  readonly style: string;
  readonly explode: boolean;
}

const separators: Readonly<Record<string, string>> = { spaceDelimited: '%20', pipeDelimited: '%7C' };

/** `name=value` pairs of a query, or of a form. */
export function queryPairs({ name, style, explode }: Styled, value: Json, encode: Encode): readonly string[] {
  const key = encodeText(name);
  const pair = (inner: string, one: Json) => `${inner}=${encode(plainText(one))}`;
  if (Array.isArray(value)) {
    if (explode) return value.map((one: Json) => pair(key, one));
    if (value.length === 0) return [];
    return [`${key}=${value.map((one: Json) => encode(plainText(one))).join(separators[style] ?? ',')}`];
  }
  if (!isJsonObject(value)) return [pair(key, value)];
  const members = Object.entries(value);
  if (style === 'deepObject')
    return members.flatMap(([member, one]) => deepPairs(`${key}[${encodeText(member)}]`, one, pair));
  if (explode) return members.map(([member, one]) => pair(encodeText(member), one));
  if (members.length === 0) return [];
  return [
    `${key}=${members.flatMap(([member, one]) => [encode(member), encode(plainText(one))]).join(separators[style] ?? ',')}`,
  ];
}

function deepPairs(key: string, value: Json, pair: (key: string, one: Json) => string): readonly string[] {
  if (Array.isArray(value)) return value.map((one: Json) => pair(key, one));
  if (!isJsonObject(value)) return [pair(key, value)];
  return Object.entries(value).flatMap(([member, one]) => deepPairs(`${key}[${encodeText(member)}]`, one, pair));
}

/** Of a path: `simple`, `label` and `matrix`. */
export function pathText({ name, style, explode }: Styled, value: Json): string {
  const key = encodeText(name);
  const list = Array.isArray(value)
    ? value.map((one: Json) => encodeText(plainText(one)))
    : isJsonObject(value)
      ? Object.entries(value).flatMap(([member, one]) => {
          const parts = [encodeText(member), encodeText(plainText(one))];
          return explode ? [parts.join('=')] : parts;
        })
      : [encodeText(plainText(value))];
  if (style === 'label') return `.${list.join(explode ? '.' : ',')}`;
  if (style !== 'matrix') return list.join(',');
  if (!explode) return `;${key}=${list.join(',')}`;
  return list.map((one) => (isJsonObject(value) ? `;${one}` : `;${key}=${one}`)).join('');
}

/** Of a header field. */
export function headerText({ explode }: Styled, value: Json): string {
  const list = Array.isArray(value)
    ? value.map(plainText)
    : isJsonObject(value)
      ? Object.entries(value).flatMap(([member, one]) =>
          explode ? [`${member}=${plainText(one)}`] : [member, plainText(one)],
        )
      : [plainText(value)];
  const text = list.join(',');
  // Nothing that could end the field, and nothing that a Latin-1 cut could make of it (SECURITY E4).
  if (!/^[\x20-\x7e\t]*$/.test(text)) throw new ArgumentProblem('has characters that a header field cannot have');
  return text.trim();
}
