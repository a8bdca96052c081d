/** `attributes` and `excludedAttributes` (RFC 7644 3.9). */
import { isResource, plainPath, type Resource } from './filter.ts';

export interface Projection {
  /** Whether an attribute will be shown at all: what costs a question isn't asked in vain. */
  shows(name: string): boolean;
  of(resource: Resource): Resource;
}

const always: ReadonlySet<string> = new Set(['id', 'schemas']);

export function projectionOf(query: Readonly<Record<string, unknown>>): Projection {
  const wanted = names(query.attributes);
  const unwanted = names(query.excludedAttributes);
  const shows = (name: string) => {
    const key = name.toLowerCase();
    if (always.has(key)) return true;
    if (wanted.length > 0) return wanted.some((one) => one === key || isBelow(one, key));
    return !unwanted.includes(key);
  };
  return {
    shows,
    of: (resource) =>
      Object.fromEntries(
        Object.entries(resource).flatMap(([name, value]) =>
          shows(name) ? [[name, partOf(name.toLowerCase(), value, { wanted, unwanted })]] : [],
        ),
      ),
  };
}

function names(value: unknown): readonly string[] {
  if (typeof value !== 'string') return [];
  return value.split(',').flatMap((name) => (name.trim() === '' ? [] : [plainPath(name.trim())]));
}

const isBelow = (path: string, name: string) => path.startsWith(`${name}.`) || path.startsWith(`${name}:`);

interface Names {
  readonly wanted: readonly string[];
  readonly unwanted: readonly string[];
}

function partOf(name: string, value: unknown, { wanted, unwanted }: Names): unknown {
  const below = (paths: readonly string[]) =>
    paths.flatMap((path) => (isBelow(path, name) ? [path.slice(name.length + 1)] : []));
  const only = wanted.includes(name) ? [] : below(wanted);
  const without = below(unwanted);
  if (only.length + without.length === 0) return value;
  const cut = (item: unknown) =>
    isResource(item)
      ? Object.fromEntries(
          Object.entries(item).filter(([key]) => {
            const part = key.toLowerCase();
            return (only.length === 0 || only.includes(part)) && !without.includes(part);
          }),
        )
      : item;
  return Array.isArray(value) ? value.map(cut) : cut(value);
}
