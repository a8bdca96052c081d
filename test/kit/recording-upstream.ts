/**
 * An upstream of raw `node:http` that keeps every byte it receives and answers by script: what the gateway really sent
 * and how it takes whatever comes back.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { listenOnLoopback } from './listen.ts';

export interface RecordedRequest {
  readonly method: string;
  /** As it stood in the request line. */
  readonly target: string;
  /** Name, value, name, value … as they came. */
  readonly rawHeaders: readonly string[];
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
  readonly text: string;
  /** `method`, `id` and so on of the body where it is a JSON object, else `{}`. */
  readonly rpc: Rpc;
  /** True once the sender hung up before the answer was complete. */
  readonly aborted: () => boolean;
}

export interface Rpc {
  readonly id?: unknown;
  readonly method?: unknown;
  readonly params?: { readonly name?: unknown; readonly arguments?: unknown; readonly [key: string]: unknown };
  readonly result?: unknown;
  readonly error?: unknown;
}

export type Script = (request: RecordedRequest, res: ServerResponse) => void | Promise<void>;

export interface RecordingUpstream {
  /** `http://127.0.0.1:port`, without path. */
  readonly url: string;
  readonly port: number;
  /** Completely received requests, in order. */
  readonly requests: readonly RecordedRequest[];
  /** Every byte that any connection brought. */
  bytes(): Buffer;
  openSockets(): number;
  /** From now on requests are answered by `script`; without one by the default (`answerMcp`). */
  script(script?: Script): void;
  /** Forgets requests and bytes. */
  clear(): void;
  /** The newest request that fulfils `wanted`, waiting for it if need be. Throws after 5 s. */
  waitFor(wanted: (request: RecordedRequest) => boolean): Promise<RecordedRequest>;
  close(): Promise<void>;
}

export async function startRecordingUpstream(onPort = 0): Promise<RecordingUpstream> {
  const requests: RecordedRequest[] = [];
  const sockets = new Set<Socket>();
  const arrivals = new Set<() => void>();
  let chunks: Buffer[] = [];
  let script: Script = answerMcp;

  const server = createServer({ keepAliveTimeout: 60_000 }, (req, res) => {
    let gone = false;
    res.on('close', () => {
      gone = !res.writableFinished;
    });
    const parts: Buffer[] = [];
    req.on('data', (part: Buffer) => parts.push(part));
    req.on('end', () => {
      const request = recorded(req, Buffer.concat(parts), () => gone);
      requests.push(request);
      for (const arrived of arrivals) arrived();
      Promise.resolve(script(request, res)).catch((error: Error) => res.destroy(error));
    });
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  });
  const { port, close } = await listenOnLoopback(server, onPort);
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    requests,
    bytes: () => Buffer.concat(chunks),
    openSockets: () => sockets.size,
    script(next = answerMcp) {
      script = next;
    },
    clear() {
      requests.length = 0;
      chunks = [];
    },
    async waitFor(wanted) {
      const find = () => requests.findLast(wanted);
      const found = find();
      if (found) return found;
      return new Promise((resolve, reject) => {
        const arrived = () => {
          const request = find();
          if (request) finish(() => resolve(request));
        };
        const timer = setTimeout(() => finish(() => reject(new Error('The request did not arrive upstream'))), 5000);
        const finish = (settle: () => void) => {
          clearTimeout(timer);
          arrivals.delete(arrived);
          settle();
        };
        arrivals.add(arrived);
      });
    },
    close,
  };
}

function recorded(req: IncomingMessage, body: Buffer, aborted: () => boolean): RecordedRequest {
  const text = body.toString();
  return {
    method: req.method ?? '',
    target: req.url ?? '',
    rawHeaders: req.rawHeaders,
    headers: req.headers,
    body,
    text,
    rpc: parseRpc(text),
    aborted,
  };
}

function parseRpc(text: string): Rpc {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}

/** Any JSON text or value as the answer. */
export const json =
  (body: unknown, status = 200, headers: Record<string, string> = {}): Script =>
  (_request, res) => {
    const bytes = typeof body === 'string' ? body : JSON.stringify(body);
    res.writeHead(status, { 'content-type': 'application/json', ...headers });
    res.end(bytes);
  };

/** `result` under the request's own id. */
export const result =
  (value: unknown, headers: Record<string, string> = {}): Script =>
  (request, res) =>
    json({ jsonrpc: '2.0', id: request.rpc.id ?? null, result: value }, 200, headers)(request, res);

export function openSse(res: ServerResponse, headers: Record<string, string> = {}): void {
  res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache', ...headers });
  res.flushHeaders();
}

/** One SSE event of a JSON-RPC message. */
export const event = (message: unknown, id?: string) =>
  `event: message\n${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(message)}\n\n`;

/** Exactly these bytes on the socket, without any framing of ours; `then` says how the connection goes on. */
export const rawBytes =
  (bytes: string | Buffer, then: 'end' | 'reset' | 'stay' = 'end'): Script =>
  (_request, res) => {
    const { socket } = res;
    if (!socket) return;
    socket.write(bytes);
    if (then === 'end') socket.end();
    else if (then === 'reset') socket.resetAndDestroy();
  };

export const hang: Script = () => {};

/** `total` bytes of one text result as JSON, in 64 KiB writes that wait for the reader. */
export const bigResult =
  (total: number): Script =>
  async (request, res) => {
    res.writeHead(200, { 'content-type': 'application/json' });
    res.write(`{"jsonrpc":"2.0","id":${JSON.stringify(request.rpc.id)},"result":{"content":[{"type":"text","text":"`);
    const block = Buffer.alloc(65_536, 'x');
    for (let sent = 0; sent < total && !res.destroyed; sent += block.length) {
      if (!res.write(block)) await new Promise<void>((resolve) => drainOrClose(res, resolve));
    }
    res.end('"}]}}');
  };

function drainOrClose(res: ServerResponse, done: () => void): void {
  const finish = () => {
    res.off('drain', finish);
    res.off('close', finish);
    done();
  };
  res.on('drain', finish);
  res.on('close', finish);
}

export const upstreamTools = [
  { name: 'retrieve', description: 'Searches', inputSchema: { type: 'object' } },
  { name: 'echo', description: 'Echoes', inputSchema: { type: 'object' } },
];

/** The default script: a legacy server without sessions that echoes what it was called with. */
export const answerMcp: Script = (request, res) => {
  const { rpc } = request;
  if (request.method !== 'POST') return void res.writeHead(405).end();
  if (rpc.id === undefined || rpc.method === undefined) return void res.writeHead(202).end();
  if (rpc.method === 'initialize') {
    const version = rpc.params?.protocolVersion ?? '2025-11-25';
    const info = { name: 'recorder', version: '1' };
    return result({ protocolVersion: version, capabilities: { tools: {} }, serverInfo: info })(request, res);
  }
  if (rpc.method === 'tools/list') return result({ tools: upstreamTools })(request, res);
  if (rpc.method === 'tools/call')
    return result({ content: [{ type: 'text', text: JSON.stringify(rpc.params?.arguments ?? null) }] })(request, res);
  return result({})(request, res);
};
