/** The first fork of every request: MCP paths to the data plane, everything else to the control plane. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { asGatehouseError, GatehouseError } from '#core/error.ts';
import { type McpPath, parseMcpPath } from '#core/mcp-path.ts';
import { parseFlatName, parseRestTarget, type RestWish } from '#core/rest-path.ts';
import { parseChannelTarget } from '#gateway/channel/channel-path.ts';
import type { LegacySse } from '#gateway/channel/legacy-sse.ts';
import type { UpgradeHandler } from '#gateway/channel/web-socket.ts';
import type { Asked, Entrance } from '#gateway/entrance.ts';
import type { McpHandler } from '#gateway/gateway.ts';
import { checkOrigin, isLocalName, type ReceiveOptions } from '#gateway/receive.ts';
import type { Rest } from '#gateway/rest/rest.ts';
import { answerPreflight } from '#http/cors.ts';
import type { Handler, Upgrade } from '#http/server.ts';
import type { Entrances } from './entrances.ts';

export interface FrontDeps {
  readonly mcp: McpHandler;
  readonly webSockets: UpgradeHandler;
  readonly legacySse: LegacySse;
  readonly rest: Rest;
  readonly other: (req: IncomingMessage, res: ServerResponse) => void;
  readonly receive: Pick<ReceiveOptions, 'origins' | 'loopback' | 'hosts' | 'isInsecure'>;
  /** As clients know the gateway, no trailing slash; its path is taken off where a proxy leaves it on. */
  readonly baseUrl: string;
  readonly entrances: Pick<Entrances, 'find' | 'ofServer'>;
}

export interface Front {
  readonly handle: Handler;
  /** Of the listener for API keys. */
  readonly handleKeysOnly: Handler;
  readonly upgrade: (upgrade: Upgrade) => void;
  readonly upgradeKeysOnly: (upgrade: Upgrade) => void;
  /** Of the port of the server that `name` is the key of. */
  readonly handleServer: (req: IncomingMessage, res: ServerResponse, name: string) => void;
  readonly upgradeServer: (upgrade: Upgrade, name: string) => void;
}

/**
 * Asked by address: load balancers and container runtimes know no host name. Public, the same under every name, and they
 * say nothing of what is here.
 */
const anyHost = /^\/(?:health|ready|verify|\.well-known\/[^?]*)\/?(?:\?.*)?$/;

/** Of an address for API keys: whatever could tell of a sign-in isn't there. */
const besideKeys = /^\/(?:health|ready)\/?(?:\?.*)?$/;

export function openFront(deps: FrontDeps): Front {
  const { mcp, other, receive } = deps;
  const base = new URL(deps.baseUrl);
  const stripBase = baseStripper(base.pathname.replace(/\/$/, ''));

  /** A page that a browser was led to by a name of its own (DNS rebinding) reads nothing here either. */
  function toOther(req: IncomingMessage, res: ServerResponse, entrance: Entrance): void {
    const hosts = hostsOf(req);
    const [host = ''] = hosts;
    if (hosts.length > 1) refuse(res, 400, 'The header host is sent more than once');
    else if ((entrance.keysOnly ? besideKeys : anyHost).test(req.url ?? '')) publicly(req, res);
    else if (!isLocalName(host) && !receive.hosts.has(host) && !receive.hosts.has('*'))
      refuse(res, 421, 'Host not served here');
    else if (entrance.keysOnly || isOneOnly(entrance)) refuse(res, 404, 'Not found');
    else if (receive.isInsecure(req.socket.remoteAddress ?? '', req.headers['x-forwarded-proto']?.toString()))
      refuseInsecure(req, res);
    else publicly(req, res);
  }

  function publicly(req: IncomingMessage, res: ServerResponse): void {
    if (base.protocol === 'https:') res.setHeader('Strict-Transport-Security', 'max-age=31536000');
    res.setHeader('X-Content-Type-Options', 'nosniff');
    other(req, res);
  }

  /** Pages are there, over https; whatever carried a secret in the clear is refused, so that somebody notices. */
  function refuseInsecure(req: IncomingMessage, res: ServerResponse): void {
    const { authorization, cookie } = req.headers;
    const isPage = (req.method === 'GET' || req.method === 'HEAD') && !authorization && !cookie;
    if (isPage) res.writeHead(308, { Location: deps.baseUrl + (req.url ?? '/'), 'Cache-Control': 'no-store' }).end();
    else refuse(res, 403, 'This address is served over https only');
  }

  function route(req: IncomingMessage, res: ServerResponse, entrance: Entrance): void {
    if (!isOneOnly(entrance)) stripBase(req);
    const asked = askedFor(req.url ?? '', entrance);
    const wish = asked ? wishBeside(req, asked) : wishFor(req, entrance);
    if (wish) {
      if (req.method === 'OPTIONS') preflight(req, res, receive);
      else deps.rest.handle(req, res, { wish, entrance });
      return;
    }
    if (!asked && channel(req, res, entrance)) return;
    if (!asked) {
      // Fastify's router would decode what the grammar of our paths refuses.
      if (isPlain(req.url ?? '')) toOther(req, res, entrance);
      else refuse(res, 400, 'The request target has characters that are not accepted here');
      return;
    }
    if (req.method === 'OPTIONS') preflight(req, res, receive);
    else if (isFlatCall(req, asked)) deps.rest.handleFlat(req, res, asked);
    else mcp(req, res, asked);
  }

  /** False: no address of a channel. */
  function channel(req: IncomingMessage, res: ServerResponse, entrance: Entrance): boolean {
    const target = parseChannelTarget(req.url ?? '');
    const path = target && pathAt(target.path, entrance);
    if (!path || target.kind === 'web-socket') return false;
    if (req.method === 'OPTIONS') preflight(req, res, receive);
    else if (target.kind === 'messages') deps.legacySse.post(req, res, { path, entrance });
    else deps.legacySse.open(req, res, { path, entrance });
    return true;
  }

  function routeUpgrade(upgrade: Upgrade, entrance: Entrance): void {
    const { req, res } = upgrade;
    if (!isOneOnly(entrance)) stripBase(req);
    const target = parseChannelTarget(req.url ?? '');
    const isBelow = target?.kind === 'web-socket';
    const path = pathAt(isBelow ? target.path : parseMcpPath(req.url ?? ''), entrance);
    // Where nothing but a WebSocket can be meant, a client that names no subprotocol is greeted (REQUIREMENTS S4.9).
    if (path) deps.webSockets(upgrade, { path, entrance }, { welcomes: isBelow });
    else refuse(res, 400, 'Upgrade is not supported here');
  }

  return {
    handle: (req, res) => route(req, res, deps.entrances.find(req, false)),
    handleKeysOnly: (req, res) => route(req, res, deps.entrances.find(req, true)),
    upgrade: (upgrade) => routeUpgrade(upgrade, deps.entrances.find(upgrade.req, false)),
    upgradeKeysOnly: (upgrade) => routeUpgrade(upgrade, deps.entrances.find(upgrade.req, true)),
    handleServer: (req, res, name) => route(fromRoot(req), res, deps.entrances.ofServer(name)),
    upgradeServer: (upgrade, name) => {
      fromRoot(upgrade.req);
      routeUpgrade(upgrade, deps.entrances.ofServer(name));
    },
  };
}

/** On a port of its own a server is all there is: its address may be written without a path. */
function fromRoot(req: IncomingMessage): IncomingMessage {
  const { url = '', method, headers } = req;
  const isPage = method === 'GET' && /\bhtml\b/i.test(headers.accept ?? '');
  if (/^\/?(?:\?|$)/.test(url) && !isPage) req.url = `/mcp${url.replace(/^\//, '')}`;
  return req;
}

/** undefined: no MCP endpoint. On the host of a server there is one path. */
function askedFor(target: string, entrance: Entrance): Asked | undefined {
  const asked = parseMcpPath(target);
  const path = asked && !otherNames.has(asked.name ?? '') ? pathAt(asked, entrance) : undefined;
  return path && { path, entrance };
}

/** Of a channel, and of the façade. */
const otherNames: ReadonlySet<string> = new Set(['sse', 'servers', 'tools', 'openapi.json']);

/** On the host of a server its own document and tools are all there is. */
function wishFor({ url = '', method }: IncomingMessage, { name, organization }: Entrance): RestWish | undefined {
  if (organization !== undefined) return undefined;
  if (name === undefined) return parseRestTarget(url, method);
  const [, rest] = /^\/mcp(\/[^?]*)/.exec(url) ?? [];
  const wish = rest === undefined ? undefined : parseRestTarget(`/mcp/${name}${rest}`, method);
  return wish?.kind === 'document' && wish.path.name === name ? { ...wish, base: '/mcp' } : onlyCall(wish);
}

const onlyCall = (wish: RestWish | undefined) => (wish?.kind === 'call' ? wish : undefined);

/** `GET /mcp/{name}` is a list of tools for whoever asks for JSON and nothing that MCP has. */
function wishBeside({ method, headers }: IncomingMessage, { path }: Asked): RestWish | undefined {
  if (method !== 'GET' || path.name === undefined || headers.accept === undefined) return undefined;
  const isPlain = /\bapplication\/json\b/i.test(headers.accept) && !/\b(?:event-stream|html)\b/i.test(headers.accept);
  return isPlain ? { kind: 'tools', path } : undefined;
}

/** MCP's clients say that they take events (2025-11-25, Streamable HTTP), and mostly which revision they speak. */
function isFlatCall({ method, headers }: IncomingMessage, { path, entrance }: Asked): boolean {
  if (method !== 'POST' || path.organization !== undefined || !path.name?.includes('_')) return false;
  if (entrance.name !== undefined || !parseFlatName(path.name)) return false;
  return !/\bevent-stream\b/i.test(headers.accept ?? '') && headers['mcp-protocol-version'] === undefined;
}

/** The host of a server or of an organization: nothing else is there. */
const isOneOnly = ({ name, organization }: Entrance): boolean => name !== undefined || organization !== undefined;

function pathAt(path: McpPath | undefined, { name, organization }: Entrance): McpPath | undefined {
  if (path && organization !== undefined)
    return path.organization === undefined ? { organization, name: path.name } : undefined;
  if (!path || name === undefined) return path;
  const isOther = path.organization !== undefined || path.name !== undefined;
  return isOther ? undefined : { organization: undefined, name };
}

/** Every copy: Node's own parser keeps the first and says nothing of others. */
function hostsOf({ rawHeaders }: IncomingMessage): string[] {
  return rawHeaders.flatMap((name, i) =>
    i % 2 === 0 && name.toLowerCase() === 'host' ? [(rawHeaders[i + 1] ?? '').toLowerCase()] : [],
  );
}

const registryName = /^(\/v0(?:\.1)?\/servers\/[A-Za-z0-9.-]+)%2F(?=[A-Za-z0-9._-])/i;

const adminApi = /^\/(?:mcp-)?admin\/api\//;
/** What `encodeURIComponent` leaves, */
const unescaped = /[!*'()]/g;
/** and what it makes of anything but control characters, `%`, `/` and `\\`: letters and dots cannot be spelled so. */
const escaped = /%(?:2[02346BC]|3[A-F]|40|5[BDE]|60|7[B-D]|[89A-F][0-9A-F])/g;

/** Names in the admin API are anybody's, such as an address: whoever writes them as they should is understood. */
function withoutNames(path: string): string {
  const base = adminApi.exec(path)?.[0];
  if (base === undefined) return path;
  return base + path.slice(base.length).replace(unescaped, '-').replace(escaped, '-');
}

function isPlain(target: string): boolean {
  const query = target.indexOf('?');
  const path = query < 0 ? target : target.slice(0, query);
  return (
    path.length <= 2048 &&
    // A name of a registry has a slash in it, which is written so there.
    /^\/[A-Za-z0-9._~/@:+-]*$/.test(withoutNames(path.replace(registryName, '$1/'))) &&
    !path.includes('//') &&
    !/(?:^|\/)\.\.?(?:\/|$)/.test(path)
  );
}

const documents = [
  '/.well-known/oauth-protected-resource',
  '/.well-known/oauth-authorization-server',
  '/.well-known/openid-configuration',
];

/**
 * Takes the base URL's path off where it stands: in front (`/gw/acme/mcp/x`), or behind a well-known prefix (RFC 8414 3.1,
 * RFC 9728 3.1). A proxy may take it off itself: then there is nothing to do.
 */
function baseStripper(folder: string): (req: IncomingMessage) => void {
  if (folder === '') return () => undefined;
  return (req) => {
    const target = req.url ?? '';
    const document = documents.find((prefix) => target.startsWith(prefix + folder)) ?? '';
    const rest = target.slice(document.length);
    if (!rest.startsWith(folder) || !/^(?:[/?]|$)/.test(rest.slice(folder.length))) return;
    const stripped = document + rest.slice(folder.length);
    req.url = stripped.startsWith('/') ? stripped : `/${stripped}`;
  };
}

function preflight(req: IncomingMessage, res: ServerResponse, receive: FrontDeps['receive']): void {
  const { origin } = req.headers;
  try {
    if (origin === undefined) throw new GatehouseError('method_not_allowed');
    checkOrigin(origin, receive);
    answerPreflight(res, receive.origins.has('*') ? '*' : origin);
  } catch (thrown) {
    const error = asGatehouseError(thrown);
    refuse(res, error.row.http, error.message);
  }
}

function refuse(res: ServerResponse, status: number, message: string): void {
  const body = JSON.stringify({ error: message });
  res.writeHead(status, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
  });
  res.end(body);
}
