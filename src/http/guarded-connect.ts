import { connect as connectSocket, type LookupFunction, type Socket } from 'node:net';
import { buildConnector } from 'undici';
import { type AddressGuard, bareHost, type ResolvedAddress, type Target } from './address-guard.ts';

export interface ConnectTimeouts {
  readonly dnsMs: number;
  readonly connectMs: number;
  readonly tlsMs: number;
}

/** SECURITY 3.2. */
export const defaultConnectTimeouts: ConnectTimeouts = { dnsMs: 2000, connectMs: 3000, tlsMs: 3000 };

export interface GuardedConnectOptions {
  readonly guard: AddressGuard;
  readonly timeouts?: Partial<ConnectTimeouts>;
  /** Passed to tls.connect: `ca`, `rejectUnauthorized` and the like. */
  readonly tls?: buildConnector.BuildOptions;
  /** Offers HTTP/2 in the handshake. Default false. */
  readonly allowH2?: boolean;
}

/** Has the `code` by which undici names its own connect timeouts. */
export class ConnectTimeout extends Error {
  readonly code = 'UND_ERR_CONNECT_TIMEOUT';
}

/**
 * A connector for undici's `connect` option: looks the name up, checks every address, connects to the checked ones only,
 * checks where the socket really ended up, and only then speaks TLS, with the URL's name in the handshake.
 */
export function guardedConnect(options: GuardedConnectOptions): buildConnector.connector {
  const timeouts = { ...defaultConnectTimeouts, ...options.timeouts };
  const secure = buildConnector({ ...options.tls, timeout: timeouts.tlsMs, allowH2: options.allowH2 ?? false });
  return (request, done) => {
    openChecked(options.guard, request, timeouts).then(
      (socket) => {
        if (request.protocol === 'https:') secure({ ...request, httpSocket: socket }, done);
        else done(null, socket);
      },
      (error: unknown) => done(error instanceof Error ? error : new Error('connect failed', { cause: error }), null),
    );
  };
}

/** The socket alone, before any TLS: for whoever carries somebody else's bytes. Rejects TargetRefused, ConnectTimeout. */
export async function openChecked(
  guard: AddressGuard,
  request: Pick<buildConnector.Options, 'hostname' | 'protocol' | 'port'>,
  timeouts: ConnectTimeouts = defaultConnectTimeouts,
): Promise<Socket> {
  const port = request.port ? Number(request.port) : request.protocol === 'https:' ? 443 : 80;
  const target: Target = { protocol: request.protocol, hostname: request.hostname, port };
  const addresses = await within(timeouts.dnsMs, guard.resolve(target), `looking up ${target.hostname}`);
  const socket = await openSocket(target, addresses, timeouts.connectMs);
  try {
    guard.checkConnected(target, socket.remoteAddress);
  } catch (error) {
    socket.destroy();
    throw error;
  }
  return socket;
}

/** The first of `addresses` that answers (RFC 8305); the name itself is not looked up again. */
function openSocket(target: Target, addresses: readonly ResolvedAddress[], timeoutMs: number): Promise<Socket> {
  const pinned: LookupFunction = (_hostname, options, callback) => {
    const [first] = addresses;
    if (options.all) callback(null, [...addresses]);
    else if (first) callback(null, first.address, first.family);
    else callback(new Error('no address'), '');
  };
  return new Promise((resolve, reject) => {
    const socket = connectSocket({
      host: bareHost(target.hostname),
      port: target.port,
      lookup: pinned,
      autoSelectFamily: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: 60_000,
    });
    const timer = setTimeout(() => {
      socket.destroy(new ConnectTimeout(`connecting to ${target.hostname}:${target.port} took too long`));
    }, timeoutMs);
    const fail = (error: Error) => {
      clearTimeout(timer);
      reject(error);
    };
    socket.once('error', fail);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', fail);
      resolve(socket);
    });
  });
}

/** `work`, or ConnectTimeout after `timeoutMs`. */
async function within<T>(timeoutMs: number, work: Promise<T>, doing: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new ConnectTimeout(`${doing} took too long`)), timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
