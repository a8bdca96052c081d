/** Pages of lists that are small and bounded: made of the whole list. Large ones are paged by the database (records/page.ts). */
import { cursorOf, type Page, type PageWish, parseCursor, wrongCursor } from '#records/page.ts';
import type { ListRule } from './contract/lists.ts';

/** Throws `bad_request` for a cursor of another order. Whoever was removed meanwhile loses no place. */
export function pageOfAll<T extends object>(all: readonly T[], wish: PageWish, rule: ListRule): Page<T> {
  const { limit, sort = '', search = '', cursor } = wish;
  const found =
    search === '' ? all : all.filter((item) => rule.search.some((name) => has(fieldOf(item, name), search)));
  const isDown = sort.startsWith('-');
  const by = sort.replace(/^-/, '');
  const idOf = (item: T) => rule.id.map((name) => JSON.stringify(fieldOf(item, name) ?? null)).join(' ');
  const order = (a: T, b: T) => compare(fieldOf(a, by), fieldOf(b, by)) || compare(idOf(a), idOf(b));
  const rows = sort === '' ? found : found.toSorted((a, b) => (isDown ? order(b, a) : order(a, b)));
  const begin = cursor === undefined ? 0 : beginOf(rows.map(idOf), cursor, sort);
  const items = rows.slice(begin, begin + limit);
  const last = items.at(-1);
  const end = begin + items.length;
  return {
    items,
    next: last && end < rows.length ? cursorOf({ sort, value: end, id: idOf(last).slice(0, 512) }) : null,
  };
}

function beginOf(ids: readonly string[], cursor: string, sort: string): number {
  const { value, id } = parseCursor(cursor, sort);
  if (typeof value !== 'number' || value < 1) throw wrongCursor();
  const at = ids.findIndex((each) => each.slice(0, 512) === id);
  return at === -1 ? value - 1 : at + 1;
}

function fieldOf(item: object, name: string): unknown {
  return Object.entries(item).find(([key]) => key === name)?.[1];
}

const has = (value: unknown, search: string): boolean =>
  Array.isArray(value)
    ? value.some((each) => has(each, search))
    : typeof value === 'string' && value.toLowerCase().includes(search.toLowerCase());

function compare(a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  const [left, right] = [wordOf(a), wordOf(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}

const wordOf = (value: unknown): string => (value === null || value === undefined ? '' : String(value).toLowerCase());
