/** Filters (RFC 7644 3.4.2.2): the library parses, this decides. Attribute names and most values have no case. */
import { type Filter, parse } from 'scim2-parse-filter';
import { ScimError } from './scim-error.ts';

export type Resource = Readonly<Record<string, unknown>>;
export type Matcher = (resource: Resource) => boolean;

export interface ParsedFilter {
  readonly matches: Matcher;
  /** What it asks of attributes that an index knows, all of which must hold: lower-case name → text. */
  readonly equal: ReadonlyMap<string, string>;
}

const maxLength = 2000;
/** Values whose case counts (RFC 7643 7). */
const exact: ReadonlySet<string> = new Set(['id', 'externalid', 'meta.version', 'meta.location']);

/** Throws ScimError `invalidFilter`. */
export function parseFilter(text: string): ParsedFilter {
  if (text.length > maxLength) throw badFilter(`A filter has at most ${maxLength} characters`);
  const filter = /\]\s*\./.test(text) ? joined(parseOrThrow(text)) : parseOrThrow(text);
  const equal = new Map<string, string>();
  collectEqual(filter, equal);
  return { matches: matcherOf(filter), equal };
}

const badFilter = (detail: string) => new ScimError(400, detail, 'invalidFilter');

function parseOrThrow(text: string): Filter {
  try {
    return parse(text);
  } catch (cause) {
    throw badFilter(`The filter cannot be read: ${cause instanceof Error ? cause.message.slice(0, 200) : 'syntax'}`);
  }
}

/** The library reads `emails[type eq "work"].value eq "x"` as two conditions: both are about one and the same item. */
function joined(filter: Filter): Filter {
  if (!('filters' in filter)) return filter;
  const [first, second, ...others] = filter.filters.map(joined);
  if (filter.op === 'and' && others.length === 0 && first?.op === '[]' && 'valFilter' in first) {
    const start = `${first.attrPath}.`;
    if (second && 'attrPath' in second && second.op !== '[]' && second.attrPath.startsWith(start)) {
      const inner = { ...second, attrPath: second.attrPath.slice(start.length) };
      return { ...first, valFilter: { op: 'and', filters: [first.valFilter, inner] } };
    }
  }
  return { ...filter, filters: filter.filters.map(joined) };
}

function collectEqual(filter: Filter, found: Map<string, string>): void {
  if (filter.op === 'and' && 'filters' in filter) for (const one of filter.filters) collectEqual(one, found);
  if (filter.op !== 'eq' || !('compValue' in filter) || typeof filter.compValue !== 'string') return;
  found.set(plainPath(filter.attrPath), filter.compValue);
}

function matcherOf(filter: Filter): Matcher {
  if ('filters' in filter) {
    const parts = filter.filters.map(matcherOf);
    return filter.op === 'and'
      ? (resource) => parts.every((part) => part(resource))
      : (resource) => parts.some((part) => part(resource));
  }
  if (filter.op === 'not' && 'filter' in filter) {
    const inner = matcherOf(filter.filter);
    return (resource) => !inner(resource);
  }
  if (filter.op === '[]' && 'valFilter' in filter) {
    const inner = matcherOf(filter.valFilter);
    const path = plainPath(filter.attrPath);
    return (resource) => itemsAt(resource, path).some((item) => isResource(item) && inner(item));
  }
  if (!('attrPath' in filter)) throw badFilter('The filter cannot be read');
  const path = plainPath(filter.attrPath);
  if (filter.op === 'pr') return (resource) => valuesAt(resource, path).some((value) => value !== '' && value !== null);
  const wanted = 'compValue' in filter ? filter.compValue : undefined;
  const judge = comparison(filter.op, wanted, exact.has(path));
  if (filter.op !== 'ne') return (resource) => valuesAt(resource, path).some(judge);
  return (resource) => valuesAt(resource, path).every(judge);
}

type Comparison = (value: unknown) => boolean;

function comparison(op: string, wanted: unknown, isExact: boolean): Comparison {
  const fold = (value: unknown) => (typeof value === 'string' && !isExact ? value.toLowerCase() : value);
  const right = fold(wanted);
  const isSame: Comparison = (value) =>
    fold(value) === right || (typeof value === 'boolean' && String(value) === right);
  const textual =
    (test: (left: string, right: string) => boolean): Comparison =>
    (value) => {
      const left = fold(value);
      return typeof left === 'string' && typeof right === 'string' && test(left, right);
    };
  const ordered =
    (test: (order: number) => boolean): Comparison =>
    (value) => {
      const left = fold(value);
      if (typeof left === 'number' && typeof right === 'number') return test(left - right);
      return typeof left === 'string' && typeof right === 'string' && test(left < right ? -1 : left > right ? 1 : 0);
    };
  const comparisons: Readonly<Record<string, Comparison>> = {
    eq: isSame,
    ne: (value) => !isSame(value),
    co: textual((left, part) => left.includes(part)),
    sw: textual((left, part) => left.startsWith(part)),
    ew: textual((left, part) => left.endsWith(part)),
    gt: ordered((order) => order > 0),
    ge: ordered((order) => order >= 0),
    lt: ordered((order) => order < 0),
    le: ordered((order) => order <= 0),
  };
  const found = Object.hasOwn(comparisons, op) ? comparisons[op] : undefined;
  if (!found) throw badFilter(`The operator ${op} is not known`);
  return found;
}

export const isResource = (value: unknown): value is Resource =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const coreUrn = /^urn:ietf:params:scim:schemas:core:2\.0:(?:user|group):/;
export const plainPath = (path: string) => path.toLowerCase().replace(coreUrn, '');

/** An attribute by its name without case; a list as its items. */
function itemsAt(resource: unknown, name: string): readonly unknown[] {
  if (!isResource(resource)) return [];
  const key = Object.keys(resource).find((one) => one.toLowerCase() === name);
  const value = key === undefined ? undefined : resource[key];
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}

/** `emails` alone means their values. */
function valuesAt(resource: Resource, path: string): readonly unknown[] {
  const urn = /^(urn:[^ ]+):([^:]+)$/.exec(path);
  const [schema, rest] = urn ? [urn[1], urn[2] ?? ''] : [undefined, path];
  let found: readonly unknown[] = schema === undefined ? [resource] : itemsAt(resource, schema);
  for (const name of rest.split('.')) found = found.flatMap((one) => itemsAt(one, name));
  return found.flatMap((one) => (isResource(one) ? itemsAt(one, 'value') : [one]));
}
