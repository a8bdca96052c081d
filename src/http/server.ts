/** The listener: Node's own server with the timeouts that its defaults leave open. */
import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { openConcurrency } from '#core/concurrency.ts';
import { GatehouseError } from '#core/error.ts';
import { addressKey } from './client-address.ts';
import type { TlsPair } from './tls-files.ts';

export interface ListenerOptions {
  readonly host: string;
  readonly port: number;
  /** Names the setting of the port, for the operator. */
  readonly portSetting?: string;
  /** And of the address. */
  readonly hostSetting?: string;
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly maxHeaderBytes: number;
  readonly maxConnections: number;
  /** One more from the same address (IPv6: /64) is closed at once. */
  readonly perAddress?: { readonly max: number; readonly isExempt: (address: string) => boolean };
  /** TLS ends here (1.2 or newer, HTTP/1.1 only); undefined: plain HTTP. */
  readonly tls?: TlsPair;
}

export interface Listener {
  readonly host: string;
  readonly port: number;
  /** For connections from now on. Nothing to do where TLS ends elsewhere. */
  renewTls(pair: TlsPair): void;
  /** Stops accepting, answers what is in flight with `Connection: close`, cuts what is left after the deadline. */
  close(deadlineMs: number): Promise<void>;
}

/** Asked for another protocol on this connection: `res` answers in HTTP, or is taken off the socket by whoever takes it. */
export interface Upgrade {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly socket: Socket;
  /** What came after the head. */
  readonly head: Buffer;
}

export type Handler = (req: IncomingMessage, res: ServerResponse) => void;

/** Throws GatehouseError `setting` when the port is taken or not ours to open. */
export async function openListener(
  options: ListenerOptions,
  handler: Handler,
  onUpgrade?: (upgrade: Upgrade) => void,
): Promise<Listener> {
  const { server, renewTls } = createOne(options);
  server.maxConnections = options.maxConnections;
  server.maxHeadersCount = 0;
  let closing = false;
  server.on('request', (req, res) => {
    if (closing) res.shouldKeepAlive = false;
    // A pipelined request has no connection to answer on until those before it are answered, and would hear of no hang-up.
    if (res.socket) handler(req, res);
    else res.once('socket', () => handler(req, res));
  });
  server.on('clientError', refuseBrokenRequest);
  server.on('connect', (_req, socket: Socket) =>
    answerAndClose(socket, '405 Method Not Allowed', 'Method not allowed'),
  );
  const sockets = new Set<Socket>();
  const isOver = addressCount(options.perAddress);
  server.on('connection', (socket: Socket) => {
    if (isOver(socket)) return void socket.destroy();
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('upgrade', (req, socket: Socket, head) => {
    if (!onUpgrade || closing || req.headers.upgrade?.toLowerCase() !== 'websocket') {
      answerAndClose(socket, '400 Bad Request', 'Upgrade is not supported here');
      return;
    }
    onUpgrade({ req, res: responseOn(socket, req), socket, head });
  });
  await listen(server, options);
  const address = server.address() as AddressInfo;
  return {
    host: options.host,
    port: address.port,
    renewTls,
    close(deadlineMs) {
      closing = true;
      return server.listening ? closeServer(server, sockets, deadlineMs) : Promise.resolve();
    },
  };
}

/** Whoever connects and does not finish a handshake is let go of. */
const HANDSHAKE_MS = 10_000;

function createOne(options: ListenerOptions): { readonly server: Server; readonly renewTls: Listener['renewTls'] } {
  const http = {
    maxHeaderSize: options.maxHeaderBytes,
    headersTimeout: options.headersTimeoutMs,
    requestTimeout: options.requestTimeoutMs,
    keepAliveTimeout: options.keepAliveTimeoutMs,
    connectionsCheckingInterval: 1000,
    insecureHTTPParser: false,
    noDelay: true,
    keepAlive: true,
  };
  if (!options.tls) return { server: createServer(http), renewTls: () => undefined };
  const tls = { minVersion: 'TLSv1.2', ALPNProtocols: ['http/1.1'], handshakeTimeout: HANDSHAKE_MS } as const;
  const server = createSecureServer({ ...http, ...tls, ...options.tls });
  // No HTTP has been spoken yet: there is nothing to answer in.
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  return { server, renewTls: (pair) => server.setSecureContext({ ...tls, ...pair }) };
}

function addressCount(limit: ListenerOptions['perAddress']): (socket: Socket) => boolean {
  if (!limit) return () => false;
  const open = openConcurrency();
  return (socket) => {
    const { remoteAddress } = socket;
    if (remoteAddress === undefined || limit.isExempt(remoteAddress)) return false;
    const leave = open.acquire(addressKey(remoteAddress), limit.max);
    if (leave) socket.once('close', leave);
    return leave === undefined;
  };
}

function listen(
  server: Server,
  { host, port, portSetting = 'PORT', hostSetting = 'HOST' }: ListenerOptions,
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why =
        error.code === 'EADDRINUSE'
          ? `Port ${port} on ${host} is taken: stop what uses it or set ${portSetting} to another one`
          : `Cannot listen on ${host}:${port} (${error.code ?? 'unknown error'}): set ${hostSetting} and ${portSetting} to an address of this machine`;
      reject(new GatehouseError('setting', { message: why, cause: error }));
    });
    server.listen(port, host, () => resolve());
  });
}

/** Who connected and asked nothing until then is only holding a connection ready. */
const SILENT_MS = 1000;

/** Node waits for upgraded connections and for those that never asked anything, but closes none of them. */
function closeServer(server: Server, sockets: ReadonlySet<Socket>, deadlineMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      for (const socket of sockets) socket.destroy();
    }, deadlineMs);
    const silence = setTimeout(() => {
      for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
    }, SILENT_MS);
    server.close(() => {
      clearTimeout(timer);
      clearTimeout(silence);
      clearInterval(idle);
      resolve();
    });
    server.closeIdleConnections();
    // A keep-alive connection that turned idle after close() would hold it open for the whole keep-alive time.
    const idle = setInterval(() => server.closeIdleConnections(), 50);
  });
}

function refuseBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable || !isSpeaking(socket)) {
    socket.destroy();
    return;
  }
  if (error.code === 'HPE_HEADER_OVERFLOW')
    answerAndClose(socket, '431 Request Header Fields Too Large', 'Request headers are too large');
  else if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT')
    answerAndClose(socket, '408 Request Timeout', 'The request took too long to arrive');
  else answerAndClose(socket, '400 Bad Request', 'The request is not valid HTTP/1.1');
}

/** False before TLS is agreed upon. */
const isSpeaking = (socket: Socket): boolean =>
  !('encrypted' in socket) || Reflect.get(socket, 'secureConnecting') !== true;

/** How long a refused caller has to read why. Node no longer watches over such a connection. */
const LINGER_MS = 1000;

/** As Node makes one for a request that asks for nothing else. */
function responseOn(socket: Socket, req: IncomingMessage): ServerResponse {
  const res = new ServerResponse(req);
  res.shouldKeepAlive = false;
  res.assignSocket(socket);
  // Node takes its own listener away before an upgrade: without one, a reset would end the process.
  socket.on('error', () => socket.destroy());
  res.once('finish', () => {
    res.detachSocket(socket);
    const timer = setTimeout(() => socket.destroy(), LINGER_MS);
    socket.once('close', () => clearTimeout(timer));
    socket.resume();
    socket.end();
  });
  return res;
}

function answerAndClose(socket: Socket, status: string, message: string): void {
  const body = JSON.stringify({ error: message });
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
  // Node takes its own listener away before an upgrade: without one, a reset would end the process.
  socket.on('error', () => socket.destroy());
  socket.resume();
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
