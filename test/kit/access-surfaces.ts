/** One tool asked for at every surface, and every list looked through for it. What each said, in a few words. */
import { z } from 'zod';
import { call, initialize, openStream, send } from './http-client.ts';
import { openSocket, refusedUpgrade } from './web-socket-client.ts';

export interface Wish {
  /** Of the gateway, and of the one in meta mode. */
  readonly url: string;
  readonly shortUrl: string;
  readonly server: string;
  readonly tool: string;
  /** undefined: no Authorization. */
  readonly token: string | undefined;
}

/** `ran`, or a status and what the body says. */
export type Surface = (wish: Wish) => Promise<string>;

const auth = ({ token }: Wish): Record<string, string> =>
  token === undefined ? {} : { authorization: `Bearer ${token}` };

const bodySchema = z
  .object({
    result: z.looseObject({ isError: z.boolean().optional(), content: z.array(z.unknown()).optional() }).optional(),
    error: z
      .union([z.string(), z.object({ code: z.number(), message: z.string(), data: z.unknown().optional() })])
      .optional(),
    detail: z.string().optional(),
  })
  .loose();

/** The tool gives back its arguments: this one is how its answers are known. */
const mark = { mark: 'it-ran-indeed' };

function said(status: number, text: string): string {
  const data = text.split('\n').findLast((line) => line.startsWith('data: '));
  const parsed = bodySchema.safeParse(JSON.parse(data?.slice('data: '.length) ?? (text || 'null')));
  if (!parsed.success) return `${status} ${text}`;
  const { result, error, detail } = parsed.data;
  if (JSON.stringify(parsed.data).includes(mark.mark)) return 'ran';
  if (typeof error === 'string') return `${status} ${error}`;
  if (error) return `${status} ${error.code} ${error.message}${error.data === undefined ? '' : `: ${error.data}`}`;
  return `${status} ${detail ?? JSON.stringify(result ?? parsed.data).slice(0, 300)}`;
}

const post = async (url: string, headers: Record<string, string>, body: unknown) => {
  const { status, text } = await send(url, { headers, body });
  return said(status, text);
};

const modernHeaders = (method: string, name: string) => ({
  'mcp-protocol-version': '2026-07-28',
  'mcp-method': method,
  'mcp-name': name,
});

const modern = (name: string, args: object) => ({
  ...call(name, args),
  params: {
    ...{ name, arguments: args },
    _meta: {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': {},
      'io.modelcontextprotocol/clientInfo': { name: 'by-hand', version: '1' },
    },
  },
});

/** In a session of its own. */
async function inSession(url: string, wish: Wish, body: unknown) {
  const hello = await send(url, { headers: auth(wish), body: initialize() });
  const id = hello.headers['mcp-session-id'];
  if (typeof id !== 'string') return hello;
  return send(url, {
    headers: { ...auth(wish), 'mcp-session-id': id, 'mcp-protocol-version': '2025-11-25' },
    body,
  });
}

async function callInSession(url: string, wish: Wish, name: string): Promise<string> {
  const { status, text } = await inSession(url, wish, call(name, mark));
  return said(status, text);
}

async function overSse(wish: Wish): Promise<string> {
  const url = `${wish.url}/acme/mcp/${wish.server}/sse`;
  const stream = await openStream(url, { method: 'GET', headers: auth(wish) });
  if (stream.status !== 200 || !String(stream.headers['content-type']).includes('event-stream')) {
    stream.close();
    const { status, text } = await send(url, { method: 'GET', headers: auth(wish) });
    return said(status, text);
  }
  try {
    const endpoint = await stream.next();
    const at = wish.url + endpoint?.data;
    await send(at, { headers: auth(wish), body: initialize() });
    await stream.nextJson();
    await send(at, { headers: auth(wish), body: call(wish.tool, mark, 2) });
    return said(200, JSON.stringify(await stream.nextJson()));
  } finally {
    stream.close();
  }
}

async function overWebSocket(wish: Wish): Promise<string> {
  const url = `${wish.url}/acme/mcp/${wish.server}`;
  const refused = await refusedUpgrade(url, { headers: auth(wish) }).catch(() => undefined);
  if (refused) return said(refused.status, refused.text);
  const socket = await openSocket(url, { headers: auth(wish) });
  try {
    socket.send(initialize());
    await socket.next();
    socket.send(call(wish.tool, mark, 2));
    return said(200, JSON.stringify(await socket.next()));
  } finally {
    await socket.close();
  }
}

export const callSurfaces = {
  'HTTP, legacy': (wish) => callInSession(`${wish.url}/acme/mcp/${wish.server}`, wish, wish.tool),
  'HTTP, modern': (wish) =>
    post(
      `${wish.url}/acme/mcp/${wish.server}`,
      { ...auth(wish), ...modernHeaders('tools/call', wish.tool) },
      modern(wish.tool, mark),
    ),
  'HTTP+SSE': overSse,
  WebSocket: overWebSocket,
  'meta tool': (wish) =>
    post(
      `${wish.shortUrl}/acme/mcp/${wish.server}`,
      { ...auth(wish), ...modernHeaders('tools/call', 'call_tool') },
      modern('call_tool', { tool_name: wish.tool, arguments: mark }),
    ),
  'REST, by path': (wish) =>
    post(`${wish.url}/api/servers/${wish.server}/tools/${wish.tool}`, { ...auth(wish), accept: '*/*' }, mark),
  'REST, flat': (wish) => post(`${wish.url}/mcp/${wish.server}_${wish.tool}`, { ...auth(wish), accept: '*/*' }, mark),
  'everything, MCP': (wish) => callInSession(`${wish.url}/acme/mcp`, wish, `${wish.server}_${wish.tool}`),
  '/meta/call_tool': (wish) =>
    post(
      `${wish.url}/meta/call_tool`,
      { ...auth(wish), accept: '*/*' },
      { tool_name: `${wish.server}_${wish.tool}`, arguments: mark },
    ),
} as const satisfies Readonly<Record<string, Surface>>;

export type SurfaceName = keyof typeof callSurfaces;

/** `shows` or `hides`, else what was said. */
const looked = (status: number, text: string, sign: string): string =>
  text.includes(sign) ? 'shows' : status === 200 && !text.includes('"error"') ? 'hides' : said(status, text);

const get =
  (path: string, sign: (wish: Wish) => string): Surface =>
  async (wish) => {
    const { status, text } = await send(wish.url + path, {
      method: 'GET',
      headers: { ...auth(wish), accept: 'application/json' },
    });
    return looked(status, text, sign(wish));
  };

const list =
  (path: (wish: Wish) => string, sign: (wish: Wish) => string): Surface =>
  async (wish) => {
    const body = { jsonrpc: '2.0', id: 1, method: 'tools/list' };
    const { status, text } = await inSession(path(wish), wish, body);
    return looked(status, text, sign(wish));
  };

const named = ({ server, tool }: Wish) => `"${server}_${tool}"`;

/** Of everything that a caller may use. */
export const listSurfaces = {
  'tools/list of everything': list(({ url }) => `${url}/acme/mcp`, named),
  '/openapi.json': get('/openapi.json', ({ server, tool }) => `/${server}/${tool}"`),
  '/tools': get('/mcp/tools', named),
  '/meta/search_tools': async (wish) => {
    const { status, text } = await send(`${wish.url}/meta/search_tools`, {
      headers: { ...auth(wish), accept: '*/*' },
      body: { query: wish.tool, limit: 50 },
    });
    return looked(status, text, named(wish));
  },
  '/meta/describe_tools': async (wish) => {
    const tool_names = [`${wish.server}_${wish.tool}`];
    const { status, text } = await send(`${wish.url}/meta/describe_tools`, {
      headers: { ...auth(wish), accept: '*/*' },
      body: { tool_names },
    });
    return text.includes('request_body') ? 'shows' : status === 200 ? 'hides' : said(status, text);
  },
} as const satisfies Readonly<Record<string, Surface>>;

export const serverLists = {
  '/servers': get('/servers', ({ server }) => `"id":"${server}"`),
  '/api/servers': get('/api/servers', ({ server }) => `"id":"${server}"`),
} as const satisfies Readonly<Record<string, Surface>>;
