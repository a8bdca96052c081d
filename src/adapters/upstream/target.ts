/** What adapters share that reach a server at a URL, through undici. */
import { errors } from 'undici';
import { GatehouseError } from '#core/error.ts';

export interface Target {
  readonly origin: string;
  /** Path and query. Throws GatehouseError `upstream_unreachable` for a partition that would be a step in the path. */
  readonly path: (partition: string | undefined) => string;
}

/** `{partition}` stands in the path only: the host is never a caller's choice. */
export function parseTarget(url: string): Target {
  const marker = 'gatehouse-partition';
  const parsed = new URL(url.replace('{partition}', marker));
  const path = parsed.pathname + parsed.search;
  if (!path.includes(marker)) return { origin: parsed.origin, path: () => path };
  const [before = '', after = ''] = path.split(marker);
  return {
    origin: parsed.origin,
    path: (partition) => before + partitionSegment(partition ?? '') + after,
  };
}

/** Dots alone would be a step up in the path, encoded or not (RFC 3986 5.2.4). */
function partitionSegment(partition: string): string {
  if (partition === '.' || partition === '..') {
    throw new GatehouseError('upstream_unreachable', { cause: new Error(`"${partition}" cannot be a partition`) });
  }
  return encodeURIComponent(partition);
}

/** `sent`: a byte of the request may have reached the server. */
export function asUpstreamError(error: Error, sent: boolean): GatehouseError {
  if (error instanceof GatehouseError) return error;
  if (error instanceof errors.HeadersTimeoutError || error instanceof errors.BodyTimeoutError) {
    return new GatehouseError('upstream_timeout', { cause: error });
  }
  const cause = (error as { code?: unknown }).code;
  const refused = !sent || error instanceof errors.ConnectTimeoutError || cause === 'ECONNREFUSED';
  return new GatehouseError(refused ? 'upstream_unreachable' : 'upstream_broken', { cause: error });
}
