/** Resources (RFC 8707) that tokens may be asked for: the MCP endpoints of this gateway, and what is configured beside them. */
import { type McpPath, parseMcpPath } from '#core/mcp-path.ts';

export type Resource =
  /** All of the gateway: asked for as the base URL, or by not asking. */
  | { readonly kind: 'gateway' }
  | { readonly kind: 'endpoint'; readonly path: McpPath }
  | { readonly kind: 'external'; readonly url: string };

export interface ResourceRules {
  /** No trailing slash. */
  readonly baseUrl: string;
  readonly external: readonly string[];
}

/** undefined: none of ours. Says nothing of whether the endpoint exists: before sign-in nobody learns that. */
export function parseResource(resource: string, { baseUrl, external }: ResourceRules): Resource | undefined {
  if (resource === baseUrl || resource === `${baseUrl}/`) return { kind: 'gateway' };
  if (external.includes(resource)) return { kind: 'external', url: resource };
  if (!resource.startsWith(`${baseUrl}/`) || resource.includes('#') || resource.includes('?')) return undefined;
  const path = parseMcpPath(resource.slice(baseUrl.length));
  return path && { kind: 'endpoint', path };
}
