/** A tool's definition as it is pinned: its hash, and what changed between two of them, for people. */
import { createHash } from 'node:crypto';
import { isJsonObject, type Json, type JsonObject } from '#core/json.ts';
import { canonicalJson } from './canonical-json.ts';
import { visibleText } from './hidden-characters.ts';

/** All that a model or a person decides by. */
const pinned = ['name', 'title', 'description', 'inputSchema', 'outputSchema', 'annotations'] as const;

/** SHA-256 in hex; the order of keys doesn't matter. */
export function definitionHash(tool: JsonObject): string {
  return createHash('sha256')
    .update(canonicalJson(pinnedPart(tool)))
    .digest('hex');
}

function pinnedPart(tool: JsonObject): JsonObject {
  return Object.fromEntries(pinned.flatMap((key) => (tool[key] === undefined ? [] : [[key, tool[key]]])));
}

export interface DefinitionChange {
  /** `description`, `inputSchema.properties.q` */
  readonly path: string;
  readonly change: 'added' | 'removed' | 'changed';
  /** Around the difference, hidden characters written out. */
  readonly before: string | undefined;
  readonly after: string | undefined;
}

const maxChanges = 200;
const maxShown = 400;
const around = 60;

/** At most two hundred, in order of their paths. `before` undefined: a new tool. */
export function definitionDiff(before: JsonObject | undefined, after: JsonObject): readonly DefinitionChange[] {
  const changes: DefinitionChange[] = [];
  compare(before ? pinnedPart(before) : {}, pinnedPart(after), '', changes);
  return changes.slice(0, maxChanges);
}

function compare(before: Json | undefined, after: Json | undefined, path: string, changes: DefinitionChange[]): void {
  if (changes.length >= maxChanges) return;
  if (before !== undefined && after !== undefined && canonicalJson(before) === canonicalJson(after)) return;
  const [old, now] = [membersOf(before), membersOf(after)];
  if (old && now && Array.isArray(before) === Array.isArray(after)) {
    for (const key of [...new Set([...old.keys(), ...now.keys()])].sort()) {
      const at = Array.isArray(after) ? `[${key}]` : path === '' ? visibleText(key) : `.${visibleText(key)}`;
      compare(old.get(key), now.get(key), `${path}${at}`, changes);
    }
    return;
  }
  const change = before === undefined ? 'added' : after === undefined ? 'removed' : 'changed';
  changes.push({ path, change, ...shownPair(before, after) });
}

function membersOf(value: Json | undefined): ReadonlyMap<string, Json> | undefined {
  if (Array.isArray(value) || isJsonObject(value)) return new Map<string, Json>(Object.entries(value));
  return undefined;
}

function shownPair(before: Json | undefined, after: Json | undefined): Pick<DefinitionChange, 'before' | 'after'> {
  const [old, now] = [textOf(before), textOf(after)];
  if (old === undefined || now === undefined) return { before: cut(old), after: cut(now) };
  let start = 0;
  while (start < old.length && start < now.length && old[start] === now[start]) start += 1;
  const from = Math.max(0, start - around);
  return { before: cut(old, from), after: cut(now, from) };
}

const textOf = (value: Json | undefined) =>
  value === undefined ? undefined : visibleText(typeof value === 'string' ? value : canonicalJson(value));

function cut(text: string | undefined, from = 0): string | undefined {
  if (text === undefined) return undefined;
  const end = from + maxShown;
  return `${from > 0 ? '…' : ''}${text.slice(from, end)}${end < text.length ? '…' : ''}`;
}
