/** MCP paths (DESIGN 2). One grammar, no decoding: what is not exactly this is no MCP path and reaches nothing. */
import { reservedSegments } from './reserved.ts';

export interface McpPath {
  /** As written in the URL; undefined: the caller's own organization. */
  readonly organization: string | undefined;
  /** Collection or server; undefined: everything of the organization. */
  readonly name: string | undefined;
}

const grammar = /^(?:\/([A-Za-z0-9_-]{1,128}))?\/mcp(?:\/([A-Za-z0-9][A-Za-z0-9._-]{0,127}))?\/?$/;

/** `target`: the raw request target. Undefined: not an MCP path. */
export function parseMcpPath(target: string): McpPath | undefined {
  const query = target.indexOf('?');
  const match = grammar.exec(query < 0 ? target : target.slice(0, query));
  if (!match) return undefined;
  const [, organization, name] = match;
  if (organization !== undefined && reservedSegments.has(organization.toLowerCase())) return undefined;
  if (name?.includes('..')) return undefined;
  return { organization, name };
}

/** The path's canonical form, for `resource` and `resource_metadata`: no query, no trailing slash. */
export function formatMcpPath({ organization, name }: McpPath): string {
  return `${organization === undefined ? '' : `/${organization}`}/mcp${name === undefined ? '' : `/${name}`}`;
}

/** The same server with and without `mcp-` (REQUIREMENTS S1.33), where only one of the two exists. */
export function otherSpelling(name: string): string {
  return name.startsWith('mcp-') ? name.slice('mcp-'.length) : `mcp-${name}`;
}
