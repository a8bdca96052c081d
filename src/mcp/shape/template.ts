/** `${user.email}` and the like in rules for arguments: values go in, structure never, and nothing is filled in twice. */
import { GatehouseError } from '#core/error.ts';
import type { Json } from '#core/json.ts';
import type { TemplateValues } from '#mcp/shape.ts';

/** `$${…}` stands for `${…}` itself. */
const template = /\$?\$\{([^{}]*)\}/g;
const names = /^(?:user\.(?:email|name|id|groups)|org\.slug|claims\..{1,256})$/;

/** The first template in it that stands for nothing we know; undefined: all do. */
export function findUnknownTemplate(value: Json): string | undefined {
  return textsIn(value)
    .flatMap(templatesIn)
    .find((name) => !names.test(name));
}

export const hasTemplate = (value: Json): boolean => textsIn(value).some((text) => templatesIn(text).length > 0);

/** Throws GatehouseError `enforcement_failed` where the caller has no such value, an empty one, or one that doesn't fit. */
export function fillTemplates(value: Json, values: TemplateValues): Json {
  if (typeof value === 'string') return fillText(value, values);
  if (typeof value !== 'object' || value === null || JSON.isRawJSON(value)) return value;
  if (Array.isArray(value)) return value.map((item: Json) => fillTemplates(item, values));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fillTemplates(item, values)]));
}

function fillText(text: string, values: TemplateValues): Json {
  const [only] = templatesIn(text);
  if (only !== undefined && text === `\${${only}}`) return findValue(only, values);
  return text.replace(template, (whole, name: string) => {
    if (whole.startsWith('$$')) return whole.slice(1);
    const value = findValue(name, values);
    if (typeof value === 'object') throw missing(name);
    const inside = String(value);
    // Inside a longer text nothing may end a line or hide.
    if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(inside)) throw missing(name);
    return inside;
  });
}

function findValue(name: string, { user, org, claims }: TemplateValues): string | number | boolean | readonly Json[] {
  const [, field = ''] = /^(?:user|org|claims)\.(.+)$/.exec(name) ?? [];
  const from: object = name.startsWith('claims.') ? claims : name.startsWith('org.') ? org : user;
  const value: unknown = names.test(name) && Object.hasOwn(from, field) ? Reflect.get(from, field) : undefined;
  if (isScalar(value)) return value;
  // An empty list is what many servers take for "no restriction".
  if (Array.isArray(value) && value.length > 0 && value.every(isScalar)) return value;
  throw missing(name);
}

const isScalar = (value: unknown): value is string | number | boolean =>
  (typeof value === 'string' && value !== '') || Number.isFinite(value) || typeof value === 'boolean';

const missing = (name: string) =>
  new GatehouseError('enforcement_failed', {
    message: 'A rule of this tool needs something about you that your sign-in does not say',
    cause: new Error(`no usable value for \${${name.slice(0, 64)}}`),
  });

function templatesIn(text: string): readonly string[] {
  return [...text.matchAll(template)].flatMap(([whole, name = '']) => (whole.startsWith('$$') ? [] : [name]));
}

function textsIn(value: Json): readonly string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null || JSON.isRawJSON(value)) return [];
  return Object.values(value).flatMap((item: Json) => textsIn(item));
}
