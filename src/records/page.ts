/** Pages of lists by keyset: a cursor says after which row the next page begins, so that no page costs more than another. */
import { type RawBuilder, type SelectQueryBuilder, sql } from 'kysely';
import { z } from 'zod';
import { GatehouseError } from '#core/error.ts';

export interface PageWish {
  readonly limit: number;
  /** Name of a column, `-` before it: descending. */
  readonly sort?: string | undefined;
  /** `next` of the page before. */
  readonly cursor?: string | undefined;
  /** Part of what is shown, without case. */
  readonly search?: string | undefined;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** null: there is no more. */
  readonly next: string | null;
}

/** Where the last page ended. `value` undefined: before the first. */
export interface Place {
  readonly sort: string;
  readonly value: string | number | undefined;
  readonly id: string;
}

const placed = z.tuple([z.string().max(64), z.union([z.string().max(2048), z.int(), z.null()]), z.string().max(512)]);

export function cursorOf({ sort, value, id }: Place): string {
  return Buffer.from(JSON.stringify([sort, value ?? null, id])).toString('base64url');
}

/** Throws `bad_request` for what is no cursor of a list in this order. */
export function parseCursor(cursor: string, sort: string): Place {
  const parsed = placed.safeParse(parsedJson(Buffer.from(cursor, 'base64url').toString()));
  const isClean = parsed.success && !parsed.data.some((part) => typeof part === 'string' && part.includes('\0'));
  if (!isClean || parsed.data[0] !== sort) throw wrongCursor();
  const [, value, id] = parsed.data;
  return { sort, value: value ?? undefined, id };
}

export const wrongCursor = () =>
  new GatehouseError('bad_request', { message: 'cursor is wrong: give `next` of the page before, in the same order' });

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What a list may be ordered by: an expression that is never null. */
export interface PageColumn {
  readonly kind: 'text' | 'integer' | 'time';
  readonly of: RawBuilder<unknown>;
}

export interface PageRule {
  readonly columns: Readonly<Record<string, PageColumn>>;
  /** Where no order is asked for; `-` before it: descending. */
  readonly sort: string;
  /** Tells rows of one value apart. */
  readonly id: RawBuilder<unknown>;
  readonly idKind: 'uuid' | 'text';
}

interface Marks {
  readonly page_value: string;
  readonly page_id: string;
}

/** Microseconds: as exact as the database has it. */
const shownAs = ({ kind, of }: PageColumn) =>
  kind === 'time' ? sql<string>`(extract(epoch from ${of}) * 1000000)::bigint::text` : sql<string>`(${of})::text`;

function readAs({ kind }: PageColumn, value: string | number): RawBuilder<unknown> {
  const text = String(value);
  if (kind === 'text') return sql`${text}::text`;
  if (!(kind === 'time' ? /^-?\d{1,17}$/ : /^-?\d{1,9}$/).test(text)) throw wrongCursor();
  return kind === 'time' ? sql`('epoch'::timestamptz + ${text}::bigint * interval '1 microsecond')` : sql`${text}::int`;
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** One page of a query that has no order yet. Throws `bad_request`. */
export async function pageOf<DB, TB extends keyof DB, Row>(
  query: SelectQueryBuilder<DB, TB, Row>,
  wish: PageWish,
  rule: PageRule,
): Promise<Page<Row & Marks>> {
  const { limit, sort = rule.sort } = wish;
  const isDown = sort.startsWith('-');
  const column = Object.hasOwn(rule.columns, sort.replace(/^-/, '')) ? rule.columns[sort.replace(/^-/, '')] : undefined;
  if (!column) throw new GatehouseError('bad_request', { message: 'sort is wrong: this list has no such order' });
  const place = wish.cursor === undefined ? undefined : parseCursor(wish.cursor, sort);
  if (place && (place.value === undefined || (rule.idKind === 'uuid' && !uuid.test(place.id)))) throw wrongCursor();
  const id = rule.idKind === 'uuid' ? sql`${place?.id}::uuid` : sql`${place?.id}::text`;
  const after =
    place?.value === undefined
      ? undefined
      : sql<boolean>`(${column.of}, ${rule.id}) ${isDown ? sql`<` : sql`>`} (${readAs(column, place.value)}, ${id})`;
  const direction = isDown ? 'desc' : 'asc';
  const rows = await (after ? query.where(after) : query)
    .select([shownAs(column).as('page_value'), sql<string>`(${rule.id})::text`.as('page_id')])
    .orderBy(column.of, direction)
    .orderBy(rule.id, direction)
    .limit(limit + 1)
    .execute();
  // The type of a selection on top of an unknown one is beyond the compiler.
  const items = rows.slice(0, limit) as unknown as readonly (Row & Marks)[];
  const last = rows.length > limit ? items.at(-1) : undefined;
  return { items, next: last ? cursorOf({ sort, value: last.page_value, id: last.page_id }) : null };
}

/** Whether one of these has the text in it: parameterised, and no character of it is a pattern. */
export const contains = (search: string, columns: readonly RawBuilder<unknown>[]): RawBuilder<boolean> =>
  sql<boolean>`(${sql.join(
    columns.map((column) => sql`strpos(lower(coalesce(${column}::text, '')), lower(${search}::text)) > 0`),
    sql` or `,
  )})`;
