/** Resources (RFC 8707) that tokens are for: the MCP endpoints of this gateway, and what is configured beside them. */
import { type McpPath, parseMcpPath } from './mcp-path.ts';
import type { NameHosts } from './name-hosts.ts';

export type Resource =
  /** All of the gateway: asked for as the base URL, or by not asking. */
  | { readonly kind: 'gateway' }
  | { readonly kind: 'endpoint'; readonly path: McpPath }
  | { readonly kind: 'external'; readonly url: string };

export interface ResourceRules {
  /** No trailing slash. */
  readonly baseUrl: string;
  readonly external: readonly string[];
  /** Where servers and collections have host names of their own. */
  readonly nameHosts?: NameHosts | undefined;
}

/** A query names no other endpoint, but clients keep the one that was typed (RFC 9728 3.1): letters that need no escaping. */
const plainQuery = /^\?[A-Za-z0-9._~=&+:,@%-]{1,512}$/;

/** The query of a request target with its `?`, where it may stand in a resource; else nothing. */
export function resourceQuery(target: string): string {
  const at = target.indexOf('?');
  const query = at < 0 ? '' : target.slice(at);
  return plainQuery.test(query) ? query : '';
}

/**
 * undefined: none of ours. Exact but for a trailing slash and a query. Says nothing of whether the endpoint exists:
 * before sign-in nobody learns that.
 */
export function parseResource(resource: string, rules: ResourceRules): Resource | undefined {
  const { baseUrl, external } = rules;
  if (resource === baseUrl || resource === `${baseUrl}/`) return { kind: 'gateway' };
  if (external.includes(resource)) return { kind: 'external', url: resource };
  if (!resource.startsWith(`${baseUrl}/`)) return parseNameHost(resource, rules) ?? parseDomain(resource, rules);
  const target = resource.slice(baseUrl.length);
  if (target.includes('#') || (target.includes('?') && resourceQuery(target) === '')) return undefined;
  const path = parseMcpPath(target);
  return path && { kind: 'endpoint', path };
}

/** `https://{domain}/mcp/{name}` is the endpoint `/{organization}/mcp/{name}` of the organization whose domain it is. */
function parseDomain(resource: string, { nameHosts }: ResourceRules): Resource | undefined {
  const [, origin = '', host = '', target = ''] = /^(https?:\/\/([^/?#]+))([^#]*)$/.exec(resource) ?? [];
  const at = nameHosts?.organizationAt?.(host);
  if (!at || at.origin !== origin || (target.includes('?') && resourceQuery(target) === '')) return undefined;
  const path = parseMcpPath(target);
  if (!path || path.organization !== undefined) return undefined;
  return { kind: 'endpoint', path: { organization: at.organization, name: path.name } };
}

/** `https://{name}.{BASE_DOMAIN}/mcp` is the endpoint `/mcp/{name}`. */
function parseNameHost(resource: string, { nameHosts }: ResourceRules): Resource | undefined {
  const [, origin = '', host = '', target = ''] = /^(https?:\/\/([^/?#]+))([^#]*)$/.exec(resource) ?? [];
  const name = nameHosts?.find(host);
  if (name === undefined || nameHosts?.originOf(name) !== origin) return undefined;
  const query = resourceQuery(target);
  if (!/^\/mcp\/?$/.test(query === '' ? target : target.slice(0, -query.length))) return undefined;
  return { kind: 'endpoint', path: { organization: undefined, name } };
}
