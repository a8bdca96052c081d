/**
 * The only way out of a sandbox whose permission names hosts: CONNECT to one of them, through the same guard as
 * everything that the gateway itself asks for. One socket per program, so that the log can say who asked.
 */
import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import { bareHost } from '#http/address-guard.ts';
import type { Egress } from '#http/egress.ts';
import { openThrough } from '#http/proxied-connect.ts';

export interface EgressProxyOptions {
  /** Where it listens, a Unix socket. */
  readonly path: string;
  /** `example.com`, `*.example.com`, each with `:port` or for any port. */
  readonly allow: readonly string[];
  /** An operator's forward proxy is asked in its turn. */
  readonly egress: Pick<Egress, 'guard' | 'proxyFor'>;
  readonly log: Log;
  readonly clock: Pick<Clock, 'monotonic'>;
  /** The server's key. */
  readonly server: string;
  /** Of whatever user: for a folder that nobody else may enter, out of which the socket is mounted. */
  readonly writableAll?: boolean;
}

const MAX_CONNECTIONS = 64;
const HEAD_MS = 10_000;
const IDLE_MS = 300_000;
const LINES_PER_MINUTE = 600;

/** Returns how to close it. */
export function openEgressProxy(options: EgressProxyOptions): () => void {
  const { path, allow, egress, server, writableAll = false } = options;
  const log = sparing(server, options);
  const sockets = new Set<Socket>();
  const isAllowed = hostList(allow);
  const proxy = createServer((_request, response) => {
    // Plain HTTP would be read and changed on the way: not through here.
    response.writeHead(403, { connection: 'close' }).end('Only CONNECT is allowed\n');
  });
  proxy.headersTimeout = HEAD_MS;
  proxy.maxConnections = MAX_CONNECTIONS;
  proxy.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  proxy.on('connect', (request, duplex, head) => {
    const target = parseAuthority(request.url ?? '');
    const refuse = (status: string, why: string) => {
      log.warn(
        { server, host: (request.url ?? '').slice(0, 260), allowed: false, why },
        'a sandboxed program asked for a host',
      );
      duplex.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    };
    duplex.on('error', () => undefined);
    if (target === undefined) return refuse('400 Bad Request', 'malformed');
    if (!isAllowed(target.hostname, target.port)) return refuse('403 Forbidden', 'not on the list');
    openThrough(egress, { protocol: 'https:', hostname: target.hostname, port: String(target.port) }).then(
      (outer) => {
        log.info(
          { server, host: target.hostname, port: target.port, allowed: true },
          'a sandboxed program asked for a host',
        );
        if (duplex.destroyed) return void outer.destroy();
        duplex.write('HTTP/1.1 200 Connection established\r\n\r\n');
        if (head.length > 0) outer.write(head);
        outer.setTimeout(IDLE_MS, () => outer.destroy());
        outer.on('error', () => duplex.destroy());
        outer.on('close', () => duplex.destroy());
        duplex.on('close', () => outer.destroy());
        outer.pipe(duplex);
        duplex.pipe(outer);
      },
      // One answer for a forbidden address and a dead one: the difference tells about the network (SECURITY S5).
      (cause: unknown) => refuse('403 Forbidden', cause instanceof Error ? cause.message : 'unreachable'),
    );
  });
  proxy.on('error', (err) => log.warn({ err, server }, 'the way out of a sandbox does not work'));
  proxy.listen({ path, writableAll }).unref();
  return () => {
    for (const socket of sockets) socket.destroy();
    proxy.close();
  };
}

/** A program that asks without end fills no disk: so many lines a minute, then how many there were. */
function sparing(
  server: string,
  { log, clock }: Pick<EgressProxyOptions, 'log' | 'clock'>,
): Pick<Log, 'info' | 'warn'> {
  let windowAt = 0;
  let said = 0;
  const isTold = (): boolean => {
    const now = clock.monotonic();
    if (now - windowAt >= 60_000 || said === 0) {
      if (said > LINES_PER_MINUTE)
        log.warn({ server, dropped: said - LINES_PER_MINUTE }, 'a sandboxed program asked for hosts too often');
      windowAt = now;
      said = 0;
    }
    return ++said <= LINES_PER_MINUTE;
  };
  return {
    info: (fields: object, message: string) => void (isTold() && log.info(fields, message)),
    warn: (fields: object, message: string) => void (isTold() && log.warn(fields, message)),
  };
}

/** RFC 9110 9.3.6: host and port, both. */
function parseAuthority(text: string): { readonly hostname: string; readonly port: number } | undefined {
  const [, written = '', port = ''] = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]{1,253}):(\d{1,5})$/.exec(text) ?? [];
  const url = written === '' ? null : URL.parse(`https://${written}`);
  if (url === null || Number(port) < 1 || Number(port) > 65_535) return undefined;
  return { hostname: url.hostname, port: Number(port) };
}

/** Whether a permission's list has a host with a port. */
export function hostList(allow: readonly string[]): (hostname: string, port: number) => boolean {
  const rules = allow.map((entry) => {
    const [, host = '', port] = /^(.+?)(?::(\d{1,5}))?$/.exec(entry) ?? [];
    return { host: bareHost(host), port: port === undefined ? undefined : Number(port) };
  });
  return (hostname, asked) => {
    const name = bareHost(hostname);
    return rules.some(({ host, port }) => {
      if (port !== undefined && port !== asked) return false;
      return host.startsWith('*.') ? name.endsWith(host.slice(1)) && name.length >= host.length : name === host;
    });
  };
}
