/** Where channels are opened: below the MCP path that they lead to, and at the roots that old clients know (DESIGN 2). */
import { type McpPath, parseMcpPath } from '#core/mcp-path.ts';

export interface ChannelTarget {
  readonly kind: 'legacy-sse' | 'web-socket' | 'messages';
  /** Of messages the session says it. */
  readonly path: McpPath;
}

const home: McpPath = { organization: undefined, name: undefined };

/**
 * `target`: the raw request target. `/sse`, `/{org}/sse`, `{any MCP path}/sse`; `{any MCP path}/ws`; `/messages`.
 * Undefined: none of them.
 */
export function parseChannelTarget(target: string): ChannelTarget | undefined {
  const query = target.indexOf('?');
  const path = query < 0 ? target : target.slice(0, query);
  if (path === '/messages' || path === '/messages/') return { kind: 'messages', path: home };
  const [, below = '', suffix] = /^(.*)\/(sse|ws)\/?$/.exec(path) ?? [];
  if (suffix === undefined) return undefined;
  if (suffix === 'ws') return found('web-socket', parseMcpPath(below));
  return found('legacy-sse', parseMcpPath(below) ?? parseMcpPath(`${below}/mcp`));
}

function found(kind: ChannelTarget['kind'], path: McpPath | undefined): ChannelTarget | undefined {
  return path && { kind, path };
}
