/**
 * Sessions of the legacy era with memory: what a session said last, and up to a hundred messages for it that wait for
 * its GET stream. Modern requests pass to a server without sessions.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { NodeStreamableHTTPServerTransport, toWebRequest } from '@modelcontextprotocol/node';
import { isLegacyRequest, type McpServer } from '@modelcontextprotocol/server';
import type { Clock } from '#core/clock.ts';
import { refuse } from './refuse.ts';

export interface EchoSession {
  /** Unix milliseconds. */
  readonly startedAt: number;
  calls: number;
  last: string | undefined;
  /** A message outside of any call. */
  tell(data: unknown): void;
  readonly waiting: number;
}

interface Entry {
  readonly session: EchoSession;
  readonly transport: NodeStreamableHTTPServerTransport;
  readonly queue: string[];
  stream: ServerResponse | undefined;
  usedAt: number;
}

interface Served {
  handle(req: IncomingMessage, res: ServerResponse, body: unknown): Promise<void>;
  close(): Promise<void>;
}

export interface SessionfulOptions {
  readonly clock: Clock;
  readonly ttlMs: number;
  readonly maxSessions: number;
  readonly server: (session: EchoSession) => McpServer;
  readonly modern: Served;
}

const MAX_WAITING = 100;
const SWEEP_MS = 60_000;

export function openSessionful(options: SessionfulOptions): Served {
  const entries = new Map<string, Entry>();
  const sweeper = setInterval(sweep, SWEEP_MS).unref();

  function sweep(): void {
    const oldest = options.clock.monotonic() - options.ttlMs;
    for (const [id, entry] of entries) if (entry.usedAt < oldest && !entry.stream) end(id);
  }

  function end(id: string): void {
    const entry = entries.get(id);
    entries.delete(id);
    entry?.stream?.end();
    entry?.transport.close().catch(() => {});
  }

  async function begin(): Promise<NodeStreamableHTTPServerTransport> {
    if (entries.size >= options.maxSessions) end(entries.keys().next().value ?? '');
    const queue: string[] = [];
    const transport = new NodeStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized(id) {
        entries.set(id, entry);
      },
      onsessionclosed: end,
    });
    const entry: Entry = {
      session: newSession(options.clock, queue, () => drain(entry)),
      transport,
      queue,
      stream: undefined,
      usedAt: options.clock.monotonic(),
    };
    await options.server(entry.session).connect(transport);
    return transport;
  }

  function find(req: IncomingMessage, res: ServerResponse): Entry | undefined {
    const id = req.headers['mcp-session-id'];
    if (typeof id !== 'string') {
      refuse(res, 400, -32000, 'Bad Request: Mcp-Session-Id header is required');
      return undefined;
    }
    const entry = entries.get(id);
    const isFresh = entry && options.clock.monotonic() - entry.usedAt < options.ttlMs;
    if (!entry || (!isFresh && !entry.stream)) {
      end(id);
      refuse(res, 404, -32001, 'Session not found');
      return undefined;
    }
    entry.usedAt = options.clock.monotonic();
    return entry;
  }

  return {
    async handle(req, res, body) {
      if (req.method === 'POST') {
        if (!(await isLegacyRequest(await toWebRequest(req, body)))) return options.modern.handle(req, res, body);
        if (isInitialize(body)) return (await begin()).handleRequest(req, res, body);
      }
      const entry = find(req, res);
      if (!entry) return;
      if (req.method !== 'GET') return entry.transport.handleRequest(req, res, body);
      if (!req.headers.accept?.includes('text/event-stream')) {
        return refuse(res, 406, -32000, 'Not Acceptable: Client must accept text/event-stream');
      }
      openStream(entry, res);
    },
    async close() {
      clearInterval(sweeper);
      for (const id of [...entries.keys()]) end(id);
      await options.modern.close();
    },
  };
}

function isInitialize(body: unknown): boolean {
  return typeof body === 'object' && body !== null && 'method' in body && body.method === 'initialize';
}

function newSession(clock: Clock, queue: string[], onMessage: () => void): EchoSession {
  return {
    startedAt: clock.now(),
    calls: 0,
    last: undefined,
    tell(data) {
      const params = { level: 'info', logger: 'echo', data };
      queue.push(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/message', params }));
      if (queue.length > MAX_WAITING) queue.shift();
      onMessage();
    },
    get waiting() {
      return queue.length;
    },
  };
}

function openStream(entry: Entry, res: ServerResponse): void {
  entry.stream?.end();
  entry.stream = res;
  res.on('close', () => {
    if (entry.stream === res) entry.stream = undefined;
  });
  res.on('drain', () => drain(entry));
  res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  res.flushHeaders();
  drain(entry);
}

function drain({ stream, queue }: Entry): void {
  while (stream && !stream.writableNeedDrain && queue.length > 0) {
    stream.write(`event: message\ndata: ${queue.shift()}\n\n`);
  }
}
