/**
 * Long lists in pages. A cursor says behind which item it goes on, in words that mean the same on every replica and after
 * every change of the list; it holds nothing secret, and nobody gets by it what a list would not show.
 */
import type { JsonObject } from '#core/json.ts';
import { RpcError } from '#mcp/bridge/errors.ts';

/** Where an item stands: the part of the endpoint, and what its server calls it. */
export interface Place {
  readonly part: number;
  readonly label: string;
  readonly key: string;
}

export interface Paged {
  readonly items: readonly JsonObject[];
  readonly nextCursor: string | undefined;
}

/** Throws RpcError -32602. */
export function parseCursor(cursor: unknown): Pick<Place, 'label' | 'key'> {
  try {
    if (typeof cursor !== 'string' || cursor.length > 8192) throw new SyntaxError();
    const [version, label, key]: readonly unknown[] = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    if (version !== 1 || typeof label !== 'string' || typeof key !== 'string') throw new SyntaxError();
    return { label, key };
  } catch {
    throw invalidCursor();
  }
}

export const formatCursor = ({ label, key }: Place): string =>
  Buffer.from(JSON.stringify([1, label, key])).toString('base64url');

export const invalidCursor = () => new RpcError(-32602, 'Invalid cursor');

/** Index of the first item behind the cursor's. Throws RpcError -32602 where it names no part of this list. */
export function indexBehind(
  places: readonly Place[],
  labels: readonly string[],
  after: Pick<Place, 'label' | 'key'>,
): number {
  const part = labels.indexOf(after.label);
  if (part < 0) throw invalidCursor();
  const found = places.findIndex((place) => place.part > part || (place.part === part && place.key > after.key));
  return found < 0 ? places.length : found;
}

/** From `start`, as many as fit into so many bytes, at least one. */
export function cutPage(items: readonly JsonObject[], start: number, maxBytes: number): readonly JsonObject[] {
  let bytes = 0;
  let end = start;
  for (; end < items.length; end++) {
    bytes += Buffer.byteLength(JSON.stringify(items[end])) + 1;
    if (bytes > maxBytes && end > start) break;
  }
  return start === 0 && end === items.length ? items : items.slice(start, end);
}
