/** What differs between two exported configurations, by what things are called. */
import { canonical } from '#admin/canonical.ts';
import type { Json } from '#core/json.ts';

export interface Change {
  readonly action: 'add' | 'change' | 'remove';
  /** `server docs`, `collection acme/handbook`. */
  readonly what: string;
  /** Of a change: which fields, and what they were and become; none: only what is never shown. */
  readonly fields: readonly { readonly path: string; readonly before: Json | null; readonly after: Json | null }[];
}

type Document = Readonly<Record<string, Json>>;
type Row = Readonly<Record<string, Json>>;

const nouns: Readonly<Record<string, { readonly noun: string; readonly by: readonly string[] }>> = {
  organizations: { noun: 'organization', by: ['slug'] },
  servers: { noun: 'server', by: ['key'] },
  collections: { noun: 'collection', by: ['organization', 'name'] },
  credentials: { noun: 'credential', by: ['organization', 'group', 'server', 'keyName'] },
  enablements: { noun: 'enablement', by: ['organization', 'server'] },
  groups: { noun: 'group', by: ['organization', 'name'] },
  grants: { noun: 'grant', by: ['organization', 'email', 'server', 'collection'] },
  policies: { noun: 'policies', by: ['organization', 'name'] },
};
const limitScope = ['organization', 'counts', 'group', 'user', 'apiKey', 'server', 'tool', 'windowSeconds'];

export function diffDocuments(before: Document, after: Document): readonly Change[] {
  const parts = Object.entries(nouns).flatMap(([section, { noun, by }]) =>
    diffRows(named(before[section], noun, by), named(after[section], noun, by)),
  );
  const rules = (document: Document) => named(childOf(document.limits, 'rules'), 'limit', limitScope);
  return [...parts, ...diffRows(rules(before), rules(after))];
}

function named(section: Json | undefined, noun: string, by: readonly string[]): ReadonlyMap<string, Row> {
  const rows = Array.isArray(section) ? section.filter(isRow) : [];
  return new Map(rows.map((row) => [`${noun} ${by.flatMap((name) => row[name] ?? []).join('/')}`, row]));
}

const isRow = (value: Json): value is Row => typeof value === 'object' && value !== null && !Array.isArray(value);
const childOf = (value: Json | undefined, name: string): Json | undefined =>
  value !== undefined && isRow(value) ? value[name] : undefined;

function diffRows(before: ReadonlyMap<string, Row>, after: ReadonlyMap<string, Row>): readonly Change[] {
  const added = [...after.keys()]
    .filter((what) => !before.has(what))
    .map((what) => ({ action: 'add', what, fields: [] }) as const);
  const removed = [...before.keys()]
    .filter((what) => !after.has(what))
    .map((what) => ({ action: 'remove', what, fields: [] }) as const);
  const changed = [...before].flatMap(([what, row]) => {
    const other = after.get(what);
    if (!other || canonical(row) === canonical(other)) return [];
    return [{ action: 'change', what, fields: diffFields(row, other) } as const];
  });
  return [...added, ...changed, ...removed];
}

function diffFields(before: Row, after: Row): Change['fields'] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return names.flatMap((path) => {
    const [was = null, is = null] = [before[path], after[path]];
    return canonical(was) === canonical(is) ? [] : [{ path, before: was, after: is }];
  });
}
