/** What a feature of the matrix is: a check for one client and one server, and why it cannot hold for some pairs. */
import { isJsonObject, type Json, type JsonObject } from '#core/json.ts';
import type { Address, ClientRow, MatrixClient } from './clients.ts';
import type { Reason } from './reasons.ts';
import type { ServerColumn } from './servers.ts';
import type { MatrixWorld } from './world.ts';

export interface Pair {
  readonly world: MatrixWorld;
  readonly row: ClientRow;
  readonly column: ServerColumn;
  readonly client: MatrixClient;
  readonly address: Address;
  /** Of this pair and feature only. */
  readonly tag: string;
}

export interface Feature {
  readonly title: string;
  readonly group: string;
  /** Why it cannot be: one of `reasons`. Undefined: it must be. */
  readonly gap?: (row: ClientRow, column: ServerColumn) => Reason | undefined;
  readonly check: (pair: Pair) => Promise<void>;
  /** What happens where there is a gap; checked too. */
  readonly instead?: (pair: Pair) => Promise<void>;
}

/** The pair is of one era, so that bytes pass through. */
export const isDirect = ({ version }: ClientRow, { speaks }: ServerColumn): boolean =>
  (speaks as readonly string[]).includes(version >= '2026' ? 'modern' : 'legacy');

export const call = (
  { client }: Pick<Pair, 'client'>,
  name: string,
  args: JsonObject = {},
  options: Parameters<MatrixClient['request']>[2] = {},
) => client.request('tools/call', { name, arguments: args }, options);

/** The first block's text, read as JSON where it is some. */
export function said(result: JsonObject): Json {
  const content = result.content;
  const first = Array.isArray(content) ? content[0] : undefined;
  const text = isJsonObject(first) ? String(first.text) : '';
  return /^[{[]["}\]]/.test(text) ? JSON.parse(text) : text;
}

export interface Told {
  readonly code: unknown;
  readonly message: string;
  readonly data: unknown;
}

/** The error that a request ends with; throws where it has a result. */
export async function refusalOf(request: Promise<JsonObject>): Promise<Told> {
  try {
    await request;
  } catch (thrown) {
    const { code, data } = thrown as { code?: unknown; data?: unknown };
    return { code, data, message: (thrown as Error).message };
  }
  throw new Error('there is a result');
}

export interface Report {
  readonly counts: Readonly<Record<string, number>>;
  readonly started: readonly string[];
  readonly cancelled: readonly string[];
  readonly finished: readonly string[];
}

/** What the server has seen, by its own word. */
export async function report(pair: Pick<Pair, 'client'>): Promise<Report> {
  return said(await call(pair, 'report')) as unknown as Report;
}

/** Asks the server until it says so. */
export async function until(pair: Pick<Pair, 'client'>, check: (seen: Report) => boolean, why: string): Promise<void> {
  const endsAt = performance.now() + 5000;
  while (!check(await report(pair))) if (performance.now() > endsAt) throw new Error(`the server never saw: ${why}`);
}
