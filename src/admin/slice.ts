/** Pages of a list that is in memory as a whole. */
import { GatehouseError } from '#core/error.ts';

export interface Slice {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/** Throws `bad_request` for a cursor that is not ours. */
export function sliceOf<T>(all: readonly T[], { limit, cursor }: Slice): { items: T[]; next: string | null } {
  const start = offsetIn(cursor);
  const end = start + limit;
  return {
    items: all.slice(start, end),
    next: end < all.length ? Buffer.from(`at ${end}`).toString('base64url') : null,
  };
}

/** Throws `bad_request`. */
export function offsetIn(cursor: string | undefined): number {
  if (cursor === undefined) return 0;
  const [, at] = /^at (\d{1,9})$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  if (at === undefined) throw new GatehouseError('bad_request', { message: 'cursor is not one of ours' });
  return Number(at);
}

export const time = (ms: number | undefined): string | null => (ms === undefined ? null : new Date(ms).toISOString());
