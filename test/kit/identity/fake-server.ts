/** What every fake identity provider stands on: an HTTP server on loopback that remembers, and that can be broken. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/**
 * A number: that status with an empty JSON object. `silent`: takes the request and never answers. `slow`: answers well,
 * after 200 ms. `garbage`: 200 with HTML. `empty`: 200 with `{}`. `huge`: 200 with 2 MB of JSON. `reset`: hangs up.
 * `redirect`: 302 to itself.
 */
export type Fault = number | 'silent' | 'slow' | 'garbage' | 'empty' | 'huge' | 'reset' | 'redirect';

export interface RecordedRequest {
  readonly method: string;
  /** Path without query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  /** As sent, at most 1 MiB of it. */
  readonly body: string;
}

/** Fields of a form or of a JSON object, whichever the request was sent with; values that aren't text are left out. */
export function fieldsOf({ body, headers }: RecordedRequest): Readonly<Record<string, string>> {
  if (!headers['content-type']?.startsWith('application/json')) return Object.fromEntries(new URLSearchParams(body));
  const parsed: unknown = JSON.parse(body);
  const entries = typeof parsed === 'object' && parsed !== null ? Object.entries(parsed) : [];
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}

/** What a browser is sent on with. */
export function redirectTo(location: string): FakeReply {
  return { status: 302, body: {}, headers: { location } };
}

export interface FakeReply {
  readonly status: number;
  /** Sent as JSON; a string as it is. */
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface FakeServer {
  /** Origin, e.g. http://127.0.0.1:40101. */
  readonly url: string;
  /** Every request since the start, the broken ones too. */
  readonly requests: readonly RecordedRequest[];
  /** How many requests had this in their path. */
  count(pathPart: string): number;
  /** From now on, requests whose path contains `pathPart` (default: all) fail in this way; undefined: well again. */
  break(fault: Fault | undefined, pathPart?: string): void;
  close(): Promise<void>;
}

export interface FakeServerOptions {
  /** 0 or unset: any free port. */
  readonly port?: number | undefined;
  /** Undefined: 404. */
  answer(request: RecordedRequest): FakeReply | undefined | Promise<FakeReply | undefined>;
}

const maxBodyBytes = 1024 * 1024;

export async function startFakeServer({ port = 0, answer }: FakeServerOptions): Promise<FakeServer> {
  const requests: RecordedRequest[] = [];
  const faults = new Map<string, Fault>();
  const sockets = new Set<Socket>();

  const server = createServer(async (incoming, response) => {
    const url = new URL(incoming.url ?? '/', 'http://fake');
    const request = {
      method: incoming.method ?? 'GET',
      path: url.pathname,
      query: url.searchParams,
      headers: incoming.headers,
      body: await readBody(incoming),
    };
    requests.push(request);
    const fault = [...faults].find(([part]) => request.path.includes(part))?.[1];
    if (fault === 'slow') await new Promise((resolve) => setTimeout(resolve, 200));
    else if (fault !== undefined) return fail(response, fault, url);
    send(response, (await answer(request)) ?? { status: 404, body: { message: 'Not Found' } });
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const address = server.address() as AddressInfo;

  return {
    url: `http://127.0.0.1:${address.port}`,
    requests,
    count: (pathPart) => requests.filter(({ path }) => path.includes(pathPart)).length,
    break(fault, pathPart = '') {
      if (fault !== undefined) faults.set(pathPart, fault);
      else if (pathPart === '') faults.clear();
      else faults.delete(pathPart);
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function readBody(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  // A client that hangs up while sending is remembered with what had come.
  await new Promise<void>((resolve) => {
    incoming.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= maxBodyBytes) chunks.push(chunk);
    });
    incoming.on('close', resolve);
    incoming.on('end', resolve);
    incoming.on('error', () => resolve());
  });
  return Buffer.concat(chunks).toString();
}

function send(response: ServerResponse, { status, body, headers }: FakeReply): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
}

function fail(response: ServerResponse, fault: Exclude<Fault, 'slow'>, url: URL): void {
  if (fault === 'silent') return;
  if (fault === 'reset') response.destroy();
  else if (fault === 'garbage')
    response.writeHead(200, { 'content-type': 'text/html' }).end('<html>maintenance</html>');
  else if (fault === 'empty') response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  else if (fault === 'huge') response.writeHead(200).end(JSON.stringify({ keys: [], pad: 'x'.repeat(2_000_000) }));
  else if (fault === 'redirect') response.writeHead(302, { location: url.pathname }).end();
  else response.writeHead(fault, { 'content-type': 'application/json' }).end('{}');
}
