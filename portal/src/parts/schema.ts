/** What a form needs to know of a JSON Schema that a server gave: anything it doesn't understand is written as JSON. */

export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };
export type JsonObject = Readonly<Record<string, unknown>>;

export interface Choice {
  readonly label: string;
  readonly value: unknown;
}

export type Field = {
  readonly name: string;
  readonly label: string;
  readonly description: string | undefined;
  readonly isRequired: boolean;
  readonly fallback: unknown;
} & Kind;

type Kind =
  | { readonly kind: 'text'; readonly isLong: boolean; readonly format: string | undefined }
  | {
      readonly kind: 'number';
      readonly isWhole: boolean;
      readonly min: number | undefined;
      readonly max: number | undefined;
    }
  | { readonly kind: 'flag' }
  | { readonly kind: 'choice'; readonly choices: readonly Choice[] }
  | { readonly kind: 'choices'; readonly choices: readonly Choice[] }
  | { readonly kind: 'words' }
  | { readonly kind: 'group'; readonly fields: readonly Field[] }
  | { readonly kind: 'json' };

const maxDepth = 4;
const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const textOf = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);
const numberOf = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);

/** Of an object's schema, in its order. */
export function fieldsOf(schema: JsonObject, depth = 0): readonly Field[] {
  const properties = isObject(schema.properties) ? schema.properties : {};
  const required = list(schema.required);
  return Object.entries(properties).map(([name, given]) => {
    const inner = withoutNull(isObject(given) ? given : {});
    const outer = isObject(given) ? given : {};
    return {
      name,
      label: textOf(outer.title) ?? textOf(inner.title) ?? name,
      description: textOf(outer.description) ?? textOf(inner.description),
      isRequired: required.includes(name),
      fallback: outer.default ?? inner.default,
      ...kindOf(inner, depth),
    };
  });
}

/** `anyOf: [X, null]` and `type: [x, null]` are x that may be left out. */
function withoutNull(schema: JsonObject): JsonObject {
  const ways = list(schema.anyOf ?? schema.oneOf).filter((way) => !isObject(way) || way.type !== 'null');
  const [only] = ways;
  if (ways.length === 1 && isObject(only)) return only;
  const types = list(schema.type).filter((type) => type !== 'null');
  return types.length === 1 ? { ...schema, type: types[0] } : schema;
}

function kindOf(schema: JsonObject, depth: number): Kind {
  const choices = choicesOf(schema);
  if (choices.length > 0) return { kind: 'choice', choices };
  const { type } = schema;
  if (type === 'string') {
    const max = numberOf(schema.maxLength);
    return { kind: 'text', isLong: max === undefined || max > 120, format: textOf(schema.format) };
  }
  if (type === 'number' || type === 'integer')
    return {
      kind: 'number',
      isWhole: type === 'integer',
      min: numberOf(schema.minimum),
      max: numberOf(schema.maximum),
    };
  if (type === 'boolean') return { kind: 'flag' };
  if (type === 'array') return arrayKind(isObject(schema.items) ? schema.items : {});
  const fields = depth < maxDepth && type === 'object' ? fieldsOf(schema, depth + 1) : [];
  return fields.length > 0 ? { kind: 'group', fields } : { kind: 'json' };
}

function arrayKind(items: JsonObject): Kind {
  const choices = choicesOf(items);
  if (choices.length > 0) return { kind: 'choices', choices };
  return items.type === 'string' ? { kind: 'words' } : { kind: 'json' };
}

/** `enum`, with `enumNames` if given, or alternatives that are one constant each. */
function choicesOf(schema: JsonObject): readonly Choice[] {
  const names = list(schema.enumNames);
  const plain = list(schema.enum).map((value, i) => ({ label: textOf(names[i]) ?? shown(value), value }));
  if (plain.length > 0) return plain;
  const ways = list(schema.oneOf ?? schema.anyOf);
  const constants = ways.flatMap((way) =>
    isObject(way) && 'const' in way ? [{ label: textOf(way.title) ?? shown(way.const), value: way.const }] : [],
  );
  return constants.length === ways.length ? constants : [];
}

const shown = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** What a form begins with. */
export function fallbacksOf(fields: readonly Field[]): JsonObject {
  const pairs = fields.flatMap((field): [string, unknown][] => {
    if (field.fallback !== undefined) return [[field.name, field.fallback]];
    if (field.kind !== 'group' || !field.isRequired) return [];
    return [[field.name, fallbacksOf(field.fields)]];
  });
  return Object.fromEntries(pairs);
}

/** Names of what must be given and isn't, within groups as `group.name`. */
export function missingOf(fields: readonly Field[], value: JsonObject): readonly string[] {
  return fields.flatMap((field) => {
    const given = value[field.name];
    if (given === undefined) return field.isRequired && field.kind !== 'flag' ? [field.label] : [];
    return field.kind === 'group' && isObject(given)
      ? missingOf(field.fields, given).map((name) => `${field.label}.${name}`)
      : [];
  });
}

/** undefined: it is no JSON object. */
export function parseObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text.trim() === '' ? '{}' : text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
