/** The columns of the matrix: official servers of each era over each transport. */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { fileURLToPath } from 'node:url';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { createMcpHandler, type McpHttpHandler } from '@modelcontextprotocol/server';
import { listenOnLoopback } from '#kit/listen.ts';
import type { Era } from '#mcp/versions.ts';
import { newState, type State, watched } from './fixture.ts';
import { createLegacyServer } from './legacy-server.ts';
import { createModernServer } from './modern-server.ts';

export interface ServerColumn {
  readonly key: string;
  readonly title: string;
  /** The newest era that it speaks. */
  readonly era: Era;
  readonly speaks: readonly Era[];
  /** Keeps a session between two requests of a legacy client. */
  readonly keepsSessions: boolean;
}

export const columns = [
  { key: 'http', title: 'legacy, HTTP', era: 'legacy', speaks: ['legacy'], keepsSessions: true },
  { key: 'bare', title: 'legacy, HTTP without sessions', era: 'legacy', speaks: ['legacy'], keepsSessions: false },
  { key: 'events', title: 'legacy, HTTP+SSE', era: 'legacy', speaks: ['legacy'], keepsSessions: true },
  { key: 'stdio', title: 'legacy, stdio', era: 'legacy', speaks: ['legacy'], keepsSessions: true },
  { key: 'modern', title: 'modern, HTTP', era: 'modern', speaks: ['modern'], keepsSessions: true },
  { key: 'modern-stdio', title: 'modern, stdio', era: 'modern', speaks: ['modern'], keepsSessions: true },
  { key: 'dual', title: 'both eras, HTTP', era: 'modern', speaks: ['legacy', 'modern'], keepsSessions: true },
] as const satisfies readonly ServerColumn[];

export interface MatrixServers {
  /** `servers:` of gatehouse.yaml. */
  readonly yaml: string;
  readonly states: Readonly<Record<string, State>>;
  close(): Promise<void>;
}

const child = fileURLToPath(new URL('./children.ts', import.meta.url));

export async function startMatrixServers(): Promise<MatrixServers> {
  const states = { http: newState(), bare: newState(), events: newState(), modern: newState(), dual: newState() };
  const modern = createMcpHandler(() => createModernServer(states.modern), { legacy: 'reject' });
  const dual = createMcpHandler(() => createModernServer(states.dual), { legacy: 'reject' });
  announceBy(modern, states.modern);
  announceBy(dual, states.dual);
  const started = {
    http: await start(sessionful(states.http)),
    bare: await start(sessionless(states.bare)),
    events: await start(eventStream(states.events)),
    modern: await start(toNodeHandler(modern)),
    dual: await start(either(sessionful(states.dual), toNodeHandler(dual))),
  };
  const lines = columns.map(({ key }) => {
    if (key === 'stdio' || key === 'modern-stdio') {
      const args = JSON.stringify([child, key === 'stdio' ? 'legacy' : 'modern']);
      return `{ kind: stdio, command: '${process.execPath}', args: ${args}, state: stateful }`;
    }
    return `{ kind: ${key === 'events' ? 'sse' : 'http'}, url: '${started[key].url}' }`;
  });
  return {
    yaml: columns.map(({ key }, i) => `  - { key: ${key}, title: ${key}, transport: ${lines[i]} }`).join('\n'),
    states,
    async close() {
      await Promise.all([modern.close(), dual.close()]);
      await Promise.all(Object.values(started).map(({ close }) => close()));
    },
  };
}

function announceBy({ notify }: McpHttpHandler, state: State): void {
  state.announcers.add(() => {
    notify.toolsChanged();
    notify.resourceUpdated(watched);
  });
}

async function start(serve: RequestListener): Promise<{ readonly url: string; close(): Promise<void> }> {
  const server = createServer(serve);
  // Longer than the whole matrix takes: a connection that ends as a call begins is not its matter.
  server.keepAliveTimeout = 120_000;
  const { port, close } = await listenOnLoopback(server);
  return { url: `http://127.0.0.1:${port}/mcp`, close };
}

async function readJson(req: IncomingMessage): Promise<unknown> {
  if (req.method !== 'POST') return undefined;
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString('utf8'));
}

const headerOf = ({ headers }: IncomingMessage, name: string) => {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
};

/** Both legs read the body: they get it read. */
type Leg = (req: IncomingMessage, res: ServerResponse, body?: unknown) => void;

function sessionful(state: State): Leg {
  const sessions = new Map<string, StreamableHTTPServerTransport>();
  const open = async () => {
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void sessions.set(id, transport),
      onsessionclosed: (id) => void sessions.delete(id),
    });
    await createLegacyServer(state).connect(transport as never);
    return transport;
  };
  return async (req, res, read) => {
    const body = read ?? (await readJson(req));
    const id = headerOf(req, 'mcp-session-id');
    const known = id === undefined ? undefined : sessions.get(id);
    if (known) return known.handleRequest(req, res, body);
    if (id !== undefined) return void res.writeHead(404).end();
    return (await open()).handleRequest(req, res, body);
  };
}

/** A server and a transport per request, as the SDK's documentation shows. */
function sessionless(state: State): Leg {
  return async (req, res) => {
    if (req.method !== 'POST') return void res.writeHead(405).end();
    const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
    res.on('close', () => void transport.close());
    await createLegacyServer(state).connect(transport as never);
    await transport.handleRequest(req, res, await readJson(req));
  };
}

function eventStream(state: State): Leg {
  const transports = new Map<string, SSEServerTransport>();
  return async (req, res) => {
    if (req.method === 'GET') {
      const transport = new SSEServerTransport('/messages', res);
      transports.set(transport.sessionId, transport);
      res.on('close', () => transports.delete(transport.sessionId));
      return createLegacyServer(state).connect(transport);
    }
    const id = new URL(req.url ?? '', 'http://localhost').searchParams.get('sessionId') ?? '';
    const transport = transports.get(id);
    if (transport) return transport.handlePostMessage(req, res);
    res.writeHead(404).end();
  };
}

function either(legacy: Leg, modern: Leg): Leg {
  return async (req, res) => {
    const body = await readJson(req);
    const isModern = headerOf(req, 'mcp-protocol-version') === '2026-07-28';
    return isModern ? modern(req, res, body) : legacy(req, res, body);
  };
}
