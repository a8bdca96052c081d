/**
 * An upstream that offers everything the official conformance suite calls by name, in both eras at one address:
 * sessions for 2025-11-25 and older, stateless exchanges for 2026-07-28.
 */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import {
  localhostHostValidation,
  localhostOriginValidation,
  NodeStreamableHTTPServerTransport,
  toNodeHandler,
} from '@modelcontextprotocol/node';
import type { EventStore, JSONRPCMessage, McpHttpHandler } from '@modelcontextprotocol/server';
import { classifyInboundRequest, createMcpHandler, isInitializeRequest, McpServer } from '@modelcontextprotocol/server';
import { noArguments, registerContentTools, text } from './conformance/content.ts';
import { registerPrompts, registerResources } from './conformance/documents.ts';
import {
  registerAskingPrompt,
  registerLegacyQuestions,
  registerModernQuestions,
  verifyRequestState,
} from './conformance/questions.ts';
import { listenOnLoopback } from './listen.ts';

export interface ConformanceServer {
  /** Ends in `/mcp`. */
  readonly url: string;
  /** Live legacy sessions. */
  sessions(): number;
  close(): Promise<void>;
}

/** What a client is to wait before it reconnects (SSE `retry`), milliseconds. */
const retryMs = 500;

/** `eras`: which of the two it speaks; a server of one era refuses the other as the official SDK does. */
export async function startConformanceServer({
  eras = 'both',
}: {
  readonly eras?: 'both' | 'legacy' | 'modern';
} = {}): Promise<ConformanceServer> {
  const sessions = new Map<string, NodeStreamableHTTPServerTransport>();
  const modern: McpHttpHandler = createMcpHandler(() => createFixture(() => modern), { legacy: 'reject' });
  const serveModern = toNodeHandler(modern);
  const hostAllowed = localhostHostValidation();
  const originAllowed = localhostOriginValidation();

  async function openSession(): Promise<NodeStreamableHTTPServerTransport> {
    const transport = new NodeStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      eventStore: createEventStore(),
      retryInterval: retryMs,
      onsessioninitialized: (id) => void sessions.set(id, transport),
      onsessionclosed: (id) => void sessions.delete(id),
    });
    await createFixture(() => modern).connect(transport);
    return transport;
  }

  async function serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    if (!hostAllowed(req, res) || !originAllowed(req, res)) return;
    if (new URL(req.url ?? '/', 'http://localhost').pathname !== '/mcp') return refuse(res, 404, 'Not found');
    const body: unknown = req.method === 'POST' ? await readJson(req) : undefined;
    const version = single(req.headers['mcp-protocol-version']);
    const method = single(req.headers['mcp-method']);
    const route = classifyInboundRequest({
      httpMethod: req.method ?? 'GET',
      body,
      ...(version !== undefined && { protocolVersionHeader: version }),
      ...(method !== undefined && { mcpMethodHeader: method }),
    });
    if (eras === 'modern' || (eras === 'both' && route.kind !== 'legacy')) return serveModern(req, res, body);
    const id = single(req.headers['mcp-session-id']);
    const session = id === undefined ? undefined : sessions.get(id);
    if (session) return session.handleRequest(req, res, body);
    if (id !== undefined) return refuse(res, 404, 'Session not found', -32001);
    if (!isInitializeRequest(body)) return refuse(res, 400, 'Mcp-Session-Id header is required');
    return (await openSession()).handleRequest(req, res, body);
  }

  const server = createServer((req, res) => {
    serve(req, res).catch((error: Error) => {
      if (!res.headersSent) refuse(res, error instanceof SyntaxError ? 400 : 500, error.message, -32700);
      else res.destroy();
    });
  });
  const { port, close } = await listenOnLoopback(server);
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    sessions: () => sessions.size,
    async close() {
      await Promise.all([...sessions.values()].map((transport) => transport.close()));
      await modern.close();
      await close();
    },
  };
}

/** `modern` comes in late: it is made of this very factory. */
function createFixture(modern: () => McpHttpHandler): McpServer {
  const server = new McpServer(
    { name: 'conformance-fixture', version: '1.0.0' },
    {
      capabilities: {
        tools: { listChanged: true },
        resources: { subscribe: true, listChanged: true },
        prompts: { listChanged: true },
        logging: {},
        completions: {},
      },
      requestState: { verify: verifyRequestState },
      cacheHints: { 'tools/list': { ttlMs: 1000, cacheScope: 'private' } },
    },
  );
  registerContentTools(server);
  registerLegacyQuestions(server);
  registerModernQuestions(server);
  registerResources(server);
  registerPrompts(server);
  registerAskingPrompt(server);
  server.registerTool(
    'test_trigger_tool_change',
    { description: 'Announces a changed tool list', inputSchema: noArguments },
    async () => {
      modern().notify.toolsChanged();
      return text('announced');
    },
  );
  server.registerTool(
    'test_trigger_prompt_change',
    { description: 'Announces a changed prompt list', inputSchema: noArguments },
    async () => {
      modern().notify.promptsChanged();
      return text('announced');
    },
  );
  server.server.setRequestHandler('resources/subscribe', async () => ({}));
  server.server.setRequestHandler('resources/unsubscribe', async () => ({}));
  server.server.setRequestHandler('logging/setLevel', async () => ({}));
  server.server.setRequestHandler('completion/complete', async () => ({
    completion: { values: ['test'], total: 1, hasMore: false },
  }));
  return server;
}

/** Keeps a session's events so that a client can take up a closed stream (`Last-Event-ID`). */
function createEventStore(): EventStore {
  const events: { readonly id: string; readonly stream: string; readonly message: JSONRPCMessage }[] = [];
  return {
    async storeEvent(stream, message) {
      const id = `${stream}/${events.length}`;
      events.push({ id, stream, message });
      return id;
    },
    async getStreamIdForEventId(id) {
      return events.find((event) => event.id === id)?.stream;
    },
    async replayEventsAfter(lastId, { send }) {
      const index = events.findIndex((event) => event.id === lastId);
      const stream = events[index]?.stream ?? '';
      for (const event of events.slice(index + 1)) {
        if (event.stream === stream && 'jsonrpc' in event.message) await send(event.id, event.message);
      }
      return stream;
    },
  };
}

async function readJson(req: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString());
}

const single = (value: string | string[] | undefined) => (Array.isArray(value) ? value[0] : value);

function refuse(res: ServerResponse, status: number, message: string, code = -32000): void {
  res.writeHead(status, { 'content-type': 'application/json' });
  res.end(JSON.stringify({ jsonrpc: '2.0', id: null, error: { code, message } }));
}
