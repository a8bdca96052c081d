/** By which of its addresses the gateway was called: what it says of itself there (challenges, pages) names that address. */
import { formatMcpPath, type McpPath } from '#core/mcp-path.ts';
import type { Door } from './channel/door.ts';

export interface Entrance {
  /** What targets are below, as clients know it; no trailing slash. */
  readonly baseUrl: string;
  /** The host is that of one server or collection: `/mcp` there is this name in the caller's organization. */
  readonly name: string | undefined;
  /** The host is the domain of this organization (its slug): `/mcp` and `/mcp/{name}` there are its. */
  readonly organization?: string | undefined;
  /** API keys only, and no word of any sign-in: clients drop a configured key as soon as a server offers OAuth. */
  readonly keysOnly: boolean;
}

/** What is asked for, and by which address. */
export interface Asked {
  readonly path: McpPath;
  readonly entrance: Entrance;
  /** Of calls that come by a channel, or open one. */
  readonly door?: Door;
}

/** The canonical path at this address: no query, no trailing slash. */
export function targetOf({ path, entrance }: Asked): string {
  if (entrance.organization !== undefined) return formatMcpPath({ organization: undefined, name: path.name });
  return entrance.name === undefined ? formatMcpPath(path) : '/mcp';
}
