/**
 * Connections for what dispatches by itself (servers behind the gateway, sandboxed programs): through the operator's
 * forward proxy where one is in charge, else straight. The proxy looks names up, so what can be judged is judged before it
 * is asked: names and literal addresses.
 */
import { type ClientRequest, request as requestPlain } from 'node:http';
import { request as requestSecure } from 'node:https';
import type { Socket } from 'node:net';
import { buildConnector } from 'undici';
import { type AddressGuard, bareHost } from './address-guard.ts';
import { ConnectTimeout, type ConnectTimeouts, defaultConnectTimeouts, openChecked } from './guarded-connect.ts';
import type { ProxyChoice } from './proxy-choice.ts';

export interface ProxiedConnectOptions {
  readonly proxyFor: ProxyChoice;
  /** Where no proxy is in charge. */
  readonly direct: buildConnector.connector;
  /** Undefined: the operator wrote the address. */
  readonly guard?: AddressGuard;
  readonly timeouts?: Partial<ConnectTimeouts>;
  /** Shown to, and believed of, the server; never the proxy. */
  readonly tls?: buildConnector.BuildOptions;
}

/**
 * A connector for undici's `connect` option. Plain HTTP is tunnelled too: what is said to a server is for that server
 * alone.
 */
export function proxiedConnect(options: ProxiedConnectOptions): buildConnector.connector {
  const { proxyFor, direct, guard } = options;
  const timeouts = { ...defaultConnectTimeouts, ...options.timeouts };
  const secure = buildConnector({ ...options.tls, timeout: timeouts.tlsMs, allowH2: false });
  return (request, done) => {
    const url = urlOf(request);
    const proxy = proxyFor(url);
    if (proxy === undefined) return direct(request, done);
    tunnel({ url, proxy, guard, timeouts }).then(
      (socket) => {
        if (request.protocol === 'https:') secure({ ...request, httpSocket: socket }, done);
        else done(null, socket);
      },
      (error: unknown) => done(error instanceof Error ? error : new Error('connect failed', { cause: error }), null),
    );
  };
}

/** A socket for somebody else's bytes. Rejects TargetRefused, ConnectTimeout. */
export function openThrough(
  { guard, proxyFor }: { readonly guard: AddressGuard; readonly proxyFor: ProxyChoice },
  request: Pick<buildConnector.Options, 'hostname' | 'protocol' | 'port'>,
): Promise<Socket> {
  const url = urlOf(request);
  const proxy = proxyFor(url);
  if (proxy === undefined) return openChecked(guard, request);
  return tunnel({ url, proxy, guard, timeouts: defaultConnectTimeouts });
}

function urlOf({ protocol, hostname, port }: Pick<buildConnector.Options, 'hostname' | 'protocol' | 'port'>): URL {
  const host = bareHost(hostname);
  return new URL(`${protocol}//${host.includes(':') ? `[${host}]` : host}${port ? `:${port}` : ''}/`);
}

interface Tunnel {
  readonly url: URL;
  readonly proxy: string;
  readonly guard: AddressGuard | undefined;
  readonly timeouts: ConnectTimeouts;
}

/** RFC 9110 9.3.6. */
async function tunnel({ url, proxy, guard, timeouts }: Tunnel): Promise<Socket> {
  guard?.checkProxied(url);
  const to = new URL(proxy);
  const authority = `${url.hostname}:${url.port || (url.protocol === 'https:' ? 443 : 80)}`;
  const send = to.protocol === 'https:' ? requestSecure : requestPlain;
  const request = send({
    ...{ host: bareHost(to.hostname), port: to.port || (to.protocol === 'https:' ? 443 : 80) },
    ...{ method: 'CONNECT', path: authority, agent: false },
    headers: { host: authority, ...credentialsOf(to) },
  });
  // Its own way to the server is part of it.
  return answered(request, authority, timeouts.dnsMs + 2 * timeouts.connectMs);
}

function answered(request: ClientRequest, authority: string, patienceMs: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => request.destroy(new ConnectTimeout(`the proxy took too long to reach ${authority}`)),
      patienceMs,
    );
    const refused = (status: number | undefined) => {
      request.destroy();
      reject(new Error(`the proxy answered ${status ?? 'nothing'} to CONNECT ${authority}`));
    };
    request.once('close', () => clearTimeout(timer));
    request.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    request.once('response', ({ statusCode }) => refused(statusCode));
    request.once('connect', ({ statusCode = 0 }, socket: Socket, head) => {
      clearTimeout(timer);
      if (statusCode < 200 || statusCode > 299) {
        socket.destroy();
        return refused(statusCode);
      }
      if (head.length > 0) socket.unshift(head);
      socket.setNoDelay(true);
      socket.setKeepAlive(true, 60_000);
      resolve(socket);
    });
    request.end();
  });
}

function credentialsOf({ username, password }: URL): Readonly<Record<string, string>> {
  if (username === '') return {};
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(pair).toString('base64')}` };
}

/** What Node's own agents take (`proxyEnv`), for libraries that bring their own requests: decided here, URL by URL. */
export function proxyEnvOf(proxyFor: ProxyChoice, url: string): Readonly<Record<string, string>> {
  const proxy = URL.canParse(url) ? proxyFor(new URL(url)) : undefined;
  return proxy === undefined ? {} : { HTTP_PROXY: proxy, HTTPS_PROXY: proxy };
}
