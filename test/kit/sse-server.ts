/** Servers of the HTTP+SSE transport of 2024-11-05: the official SDK's, and one that does exactly what a test says. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js';
import { z } from 'zod/v3';
import { listenOnLoopback } from './listen.ts';

export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
}

export interface SseServer {
  /** Of the event stream. */
  readonly url: string;
  readonly port: number;
  readonly requests: readonly SeenRequest[];
  /** Open event streams. */
  sessions(): number;
  /** How often the tool `count` ran. */
  counted(): number;
  /** Breaks every event stream. */
  dropAll(): void;
  close(): Promise<void>;
}

interface Shared {
  count: number;
}

/** Tools: what the upstream contract wants, `ask` (elicitation), `log`, `count`. */
export async function startSseServer(): Promise<SseServer> {
  const transports = new Map<string, { readonly transport: SSEServerTransport; readonly res: ServerResponse }>();
  const requests: SeenRequest[] = [];
  const shared: Shared = { count: 0 };
  const server = createServer(async (req, res) => {
    const { method = '', url = '', headers } = req;
    requests.push({ method, url, headers });
    if (method === 'GET') {
      const transport = new SSEServerTransport('/messages?kind=post', res);
      transports.set(transport.sessionId, { transport, res });
      res.on('close', () => transports.delete(transport.sessionId));
      await toolServer(shared).connect(transport);
      return;
    }
    const id = new URL(url, 'http://localhost').searchParams.get('sessionId') ?? '';
    const found = transports.get(id);
    if (found) await found.transport.handlePostMessage(req, res);
    else res.writeHead(404).end('Could not find session');
  });
  const { port, close } = await listenOnLoopback(server);
  return {
    url: `http://127.0.0.1:${port}/sse`,
    port,
    requests,
    close,
    sessions: () => transports.size,
    counted: () => shared.count,
    dropAll() {
      for (const { res } of transports.values()) res.destroy();
    },
  };
}

const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] });

function toolServer(shared: Shared): McpServer {
  const server = new McpServer(
    { name: 'sse-fixture', version: '1' },
    { capabilities: { logging: {}, tools: { listChanged: true } } },
  );
  server.tool('echo', { message: z.string(), delayMs: z.number().optional() }, async ({ message, delayMs = 0 }) => {
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    return text(message);
  });
  server.tool('slow', async ({ _meta, sendNotification }) => {
    const progressToken = _meta?.progressToken;
    for (const progress of [1, 2]) {
      if (progressToken === undefined) continue;
      await sendNotification({ method: 'notifications/progress', params: { progressToken, progress, total: 2 } });
    }
    return text('done');
  });
  server.tool('big', { bytes: z.number() }, ({ bytes }) => text('x'.repeat(bytes)));
  server.tool('count', () => text(String(++shared.count)));
  server.tool('log', async () => {
    await server.server.sendLoggingMessage({ level: 'info', data: 'from the tool' });
    return text('logged');
  });
  server.tool('ask', async () => {
    const requestedSchema = { type: 'object' as const, properties: { name: { type: 'string' as const } } };
    const { action, content } = await server.server.elicitInput({ message: 'Who?', requestedSchema });
    return text(`${action} ${content?.name}`);
  });
  return server;
}

export interface RawSse {
  readonly url: string;
  readonly port: number;
  /** Bodies of posts. */
  readonly posts: string[];
  close(): Promise<void>;
}

export interface RawSseScript {
  /** The GET. Default: names `/post` and stays open. */
  readonly stream?: (res: ServerResponse, req: IncomingMessage) => void;
  /** Posts to the address of the stream. Default: as any other. */
  readonly refusePosts?: (res: ServerResponse) => void;
  /** `stream`: the newest one. */
  readonly post: (message: { id?: number; method?: string }, res: ServerResponse, stream: ServerResponse) => void;
}

export const beginStream = (res: ServerResponse, endpoint = '/post'): void => {
  res.writeHead(200, { 'content-type': 'text/event-stream' });
  res.write(`event: endpoint\ndata: ${endpoint}\n\n`);
};

/** One `message` event. */
export const say = (stream: ServerResponse, message: object | string): void => {
  stream.write(`event: message\ndata: ${typeof message === 'string' ? message : JSON.stringify(message)}\n\n`);
};

/** Takes the post and answers `initialize`; anything else is for the caller. */
export function greets(
  message: { id?: number; method?: string },
  res: ServerResponse,
  stream: ServerResponse,
): boolean {
  if (message.method === 'initialize') {
    const result = { protocolVersion: '2024-11-05', capabilities: {}, serverInfo: { name: 'raw', version: '1' } };
    say(stream, { jsonrpc: '2.0', id: message.id, result });
  } else if (message.method !== 'notifications/initialized') return false;
  res.writeHead(202).end();
  return true;
}

export async function startRawSse(script: RawSseScript): Promise<RawSse> {
  const posts: string[] = [];
  let stream: ServerResponse | undefined;
  const server = createServer((req, res) => {
    if (req.method === 'GET') {
      stream = res;
      if (script.stream) script.stream(res, req);
      else beginStream(res);
      return;
    }
    let body = '';
    req.setEncoding('utf8').on('data', (chunk: string) => {
      body += chunk;
    });
    req.on('end', () => {
      posts.push(body);
      if (req.url === '/sse' && script.refusePosts) script.refusePosts(res);
      else if (stream) script.post(JSON.parse(body), res, stream);
      else res.writeHead(404).end();
    });
  });
  const { port, close } = await listenOnLoopback(server);
  return { url: `http://127.0.0.1:${port}/sse`, port, posts, close };
}
