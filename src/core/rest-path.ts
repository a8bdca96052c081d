/** Targets of the REST façade (DESIGN 2, REQUIREMENTS S3.18 to S3.22): as strict as those of MCP, names alone may be percent-encoded. */
import type { McpPath } from './mcp-path.ts';
import { parseMcpPath } from './mcp-path.ts';
import { reservedNames } from './reserved.ts';

export type MetaTool = 'search_tools' | 'describe_tools' | 'call_tool' | 'stats';

export type RestWish =
  | { readonly kind: 'servers' | 'all-tools' | 'tenants' | 'refresh' | 'tools'; readonly path: McpPath }
  | { readonly kind: 'call'; readonly path: McpPath; readonly tool: string }
  /** `base`: what its paths are below, as the document's own address is. */
  | { readonly kind: 'document'; readonly path: McpPath; readonly base: string }
  | { readonly kind: 'meta'; readonly path: McpPath; readonly tool: MetaTool };

const home: McpPath = { organization: undefined, name: undefined };
const metaTools: ReadonlySet<string> = new Set(['search_tools', 'describe_tools', 'call_tool', 'stats']);
/** Of an MCP path, where something else than a server stands. */
const lists = { servers: 'servers', tools: 'all-tools' } as const;
const inApi = /^\/api\/servers\/([^/]+)\/tools(?:\/([^/]+))?\/?$/;
const atRoot = /^\/(?:api\/(servers)|(servers|tools|tenants|refresh|openapi\.json)|meta\/([a-z_]+))\/?$/;
const belowMcp = /^((?:\/[A-Za-z0-9_-]{1,128})?\/mcp)\/([^/]+)(?:\/([^/]+))?\/?$/;
const MAX_TARGET_CHARACTERS = 2048;

/** Which method each is asked with. */
export function methodOf(wish: RestWish): 'GET' | 'POST' {
  const acts = wish.kind === 'call' || wish.kind === 'refresh' || (wish.kind === 'meta' && wish.tool !== 'stats');
  return acts ? 'POST' : 'GET';
}

/**
 * `target`: the raw request target. Undefined: none of the façade's. `/{mcp path}/{tool}` is one for POST only. What is
 * an address of MCP as well (`/mcp/{name}`) is not asked here: see `parseFlatName`.
 */
export function parseRestTarget(target: string, method: string | undefined): RestWish | undefined {
  const query = target.indexOf('?');
  const path = query < 0 ? target : target.slice(0, query);
  if (path.length > MAX_TARGET_CHARACTERS) return undefined;
  const root = atRoot.exec(path);
  if (root) return parseRoot(root);
  const api = inApi.exec(path);
  if (api) return parseApi(api[1] ?? '', api[2]);
  const below = belowMcp.exec(path);
  return below ? parseBelow(below, method) : undefined;
}

function parseRoot([, api, word, meta]: readonly (string | undefined)[]): RestWish | undefined {
  if (meta !== undefined) return isMetaTool(meta) ? { kind: 'meta', path: home, tool: meta } : undefined;
  if (word === 'openapi.json') return { kind: 'document', path: home, base: '' };
  if (word === 'tenants' || word === 'refresh') return { kind: word, path: home };
  return { kind: lists[api === undefined && word === 'tools' ? 'tools' : 'servers'], path: home };
}

function parseApi(server: string, encoded: string | undefined): RestWish | undefined {
  const path = serverPath('/mcp', server);
  if (!path) return undefined;
  if (encoded === undefined) return { kind: 'tools', path };
  const tool = decodeTool(encoded);
  return tool === undefined ? undefined : { kind: 'call', path, tool };
}

function parseBelow([, base = '', first = '', second]: readonly (string | undefined)[], method: string | undefined) {
  const outer = parseMcpPath(base);
  if (!outer) return undefined;
  if (second === undefined) return parseOfOrganization(outer, base, first);
  if (first === 'meta') return isMetaTool(second) ? ({ kind: 'meta', path: outer, tool: second } as const) : undefined;
  const path = serverPath(base, first);
  if (!path) return undefined;
  if (second === 'openapi.json' && method !== 'POST')
    return { kind: 'document', path, base: `${base}/${first}` } as const;
  const tool = method === 'POST' && second !== 'sse' && second !== 'ws' ? decodeTool(second) : undefined;
  return tool === undefined ? undefined : ({ kind: 'call', path, tool } as const);
}

function parseOfOrganization(path: McpPath, base: string, word: string): RestWish | undefined {
  if (word === 'openapi.json') return { kind: 'document', path, base };
  return word === 'servers' || word === 'tools' ? { kind: lists[word], path } : undefined;
}

function serverPath(base: string, name: string): McpPath | undefined {
  return reservedNames.has(name) ? undefined : parseMcpPath(`${base}/${name}`);
}

const isMetaTool = (word: string): word is MetaTool => metaTools.has(word);

const encodedTool = /^(?:[A-Za-z0-9._~!'()*@:+$,;=&-]|%[0-9A-Fa-f]{2})+$/;

/** RFC 3986 2.1. Undefined: no name of a tool. */
export function decodeTool(encoded: string): string | undefined {
  if (!encodedTool.test(encoded)) return undefined;
  try {
    const name = decodeURIComponent(encoded);
    return name === '.' || name === '..' || name.length > 256 ? undefined : name;
  } catch {
    return undefined;
  }
}

/** `{server}_{tool}` in the place of an endpoint's name: server keys have no underscore. */
export function parseFlatName(name: string): { readonly server: string; readonly tool: string } | undefined {
  const [, server, tool] = /^([a-z0-9][a-z0-9-]{0,62})_(.+)$/.exec(name) ?? [];
  return server === undefined || tool === undefined || reservedNames.has(server) ? undefined : { server, tool };
}
