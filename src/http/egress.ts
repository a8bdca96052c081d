/**
 * The one way out for everything on the control plane: key sets, metadata, identity providers' APIs, client documents,
 * token endpoints. Shaped as `fetch` so that libraries can be handed it, but: no redirect is followed (a redirect
 * re-sends custom headers and dodges the address check), nothing is decompressed, bodies are capped, every request has
 * a deadline, and each address is judged before and after connecting.
 */
import type { Readable } from 'node:stream';
import { getCACertificates } from 'node:tls';
import { Agent, type Dispatcher, ProxyAgent, request as send } from 'undici';
import { GatehouseError } from '#core/error.ts';
import { type AddressGuard, type AddressGuardOptions, addressGuard } from './address-guard.ts';
import { type ConnectTimeouts, defaultConnectTimeouts, guardedConnect } from './guarded-connect.ts';
import { type ProxyChoice, type ProxySettings, proxyChoice } from './proxy-choice.ts';

export interface EgressOptions extends AddressGuardOptions {
  readonly proxy?: ProxySettings;
  /** Tests only: host name → origin that answers in its place, e.g. `{'api.example.com': 'http://127.0.0.1:4010'}`. */
  readonly hostMap?: Readonly<Record<string, string>>;
  /** Largest body that any answer may have. Default 1 MiB; callers cap lower with readBytes. */
  readonly maxBytes?: number;
  /** Whole exchange including the body, milliseconds; a caller's shorter `signal` wins. Default 10 s (SECURITY 3.2). */
  readonly totalMs?: number;
  readonly timeouts?: Partial<ConnectTimeouts>;
  /** PEM certificates to trust besides Node's own (and NODE_EXTRA_CA_CERTS): a company's authority. */
  readonly ca?: string;
  /** PEM certificate and key that we show to servers that ask for one (mutual TLS); never to a forward proxy. */
  readonly identity?: { readonly cert: string; readonly key: string };
}

export interface Egress {
  /**
   * Rejects with GatehouseError `upstream_unreachable` (also for a refused address: from outside the two look the
   * same), `upstream_timeout` or `upstream_broken`; with the signal's own reason where the caller aborted. A redirect
   * is an answer like any other.
   */
  readonly fetch: typeof globalThis.fetch;
  readonly guard: AddressGuard;
  /** The forward proxy in charge of a URL, if any: for adapters that dispatch by themselves. */
  readonly proxyFor: ProxyChoice;
  close(): Promise<void>;
}

export function openEgress(options: EgressOptions = {}): Egress {
  const guard = addressGuard(options);
  const proxyFor = proxyChoice(options.proxy);
  const routes = openRoutes(guard, proxyFor, options);
  const limits = { maxBytes: options.maxBytes ?? 1024 * 1024, totalMs: options.totalMs ?? 10_000 };
  return {
    guard,
    proxyFor,
    async fetch(input, init) {
      const route = routes.find(typeof input === 'string' || input instanceof URL ? input : input.url);
      const deadline = AbortSignal.timeout(limits.totalMs);
      const outgoing = new Request(input, { ...init, redirect: 'manual' });
      const signal = AbortSignal.any([outgoing.signal, deadline]);
      const explain = (thrown: unknown) => translated(thrown, outgoing.signal, deadline);
      try {
        const answer = await dispatch(outgoing, route, signal);
        return asResponse(answer, { url: outgoing.url, maxBytes: limits.maxBytes, explain });
      } catch (thrown) {
        throw explain(thrown);
      }
    },
    close: () => routes.close(),
  };
}

interface Route {
  readonly dispatcher: Dispatcher;
  readonly url: URL;
  /** The name that was asked for, where another origin answers. */
  readonly host?: string;
}

/** Direct, by proxy, or (tests) to a stand-in; agents for proxies and stand-ins are made when first needed. */
function openRoutes(guard: AddressGuard, proxyFor: ProxyChoice, options: EgressOptions) {
  const shared = { headersTimeout: options.totalMs ?? 10_000, bodyTimeout: options.totalMs ?? 10_000 };
  const timeouts = { ...defaultConnectTimeouts, ...options.timeouts };
  const tls = options.ca === undefined ? {} : { ca: [...getCACertificates('default'), options.ca] };
  const shown = { ...tls, ...options.identity };
  const direct = new Agent({ ...shared, connect: guardedConnect({ guard, timeouts, tls: shown }) });
  const standIns = options.hostMap ? new Agent(shared) : undefined;
  const proxies = new Map<string, ProxyAgent>();
  const proxyAgent = (uri: string) => {
    const known = proxies.get(uri);
    if (known) return known;
    const made = new ProxyAgent({
      ...shared,
      uri,
      proxyTls: { ...tls, timeout: timeouts.connectMs },
      requestTls: { ...shown, timeout: timeouts.tlsMs },
    });
    proxies.set(uri, made);
    return made;
  };
  return {
    find(input: string | URL): Route {
      const mapped = standIns && standInFor(input, options.hostMap);
      if (mapped) return { ...mapped, dispatcher: standIns };
      try {
        const asked = URL.parse(String(input));
        const proxy = asked === null ? undefined : proxyFor(asked);
        if (proxy === undefined) return { dispatcher: direct, url: guard.checkUrl(input) };
        return { dispatcher: proxyAgent(proxy), url: guard.checkProxied(input) };
      } catch (cause) {
        throw new GatehouseError('upstream_unreachable', { cause });
      }
    },
    async close() {
      await Promise.all([direct, standIns, ...proxies.values()].map((agent) => agent?.destroy()));
    },
  };
}

function standInFor(input: string | URL, hostMap: EgressOptions['hostMap']): Omit<Route, 'dispatcher'> | undefined {
  const asked = new URL(input);
  const origin = hostMap?.[asked.hostname];
  if (origin === undefined) return undefined;
  return { url: new URL(asked.pathname + asked.search, origin), host: asked.host };
}

async function dispatch(outgoing: Request, route: Route, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
  const headers: Record<string, string> = { 'user-agent': 'gatehouse', accept: '*/*' };
  for (const [name, value] of outgoing.headers) headers[name] = value;
  if (route.host !== undefined) headers.host = route.host;
  headers['accept-encoding'] = 'identity';
  const body = outgoing.body === null ? null : Buffer.from(await outgoing.arrayBuffer());
  const { method } = outgoing;
  return send(new URL(route.url), { dispatcher: route.dispatcher, method, headers, body, signal });
}

interface Reading {
  readonly url: string;
  readonly maxBytes: number;
  explain(thrown: unknown): unknown;
}

/** Statuses that the Fetch standard forbids a body. */
const bodiless = new Set([204, 205, 304]);

function asResponse(answer: Dispatcher.ResponseData, reading: Reading): Response {
  // An aborted body nobody reads emits its error all the same; without a listener that would end the process.
  answer.body.on('error', () => undefined);
  const headers = new Headers();
  for (const [name, value] of Object.entries(answer.headers)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined) headers.append(name, one);
  }
  const encoding = headers.get('content-encoding') ?? 'identity';
  if (encoding !== 'identity' || answer.statusCode < 200 || answer.statusCode > 599) {
    answer.body.destroy();
    const cause = new Error(`status ${answer.statusCode}, content-encoding ${encoding}`);
    throw new GatehouseError('upstream_broken', { cause });
  }
  const empty = bodiless.has(answer.statusCode);
  if (empty) answer.body.resume();
  const body = empty ? null : capped(answer.body, reading);
  const response = new Response(body, { status: answer.statusCode, headers });
  // A Response that was built has no URL; libraries read it for messages and to see that nothing was redirected.
  Object.defineProperty(response, 'url', { value: reading.url });
  return response;
}

function capped(body: Readable, { maxBytes, explain }: Reading): ReadableStream<Uint8Array> {
  const chunks: AsyncIterator<Uint8Array> = body[Symbol.asyncIterator]();
  let size = 0;
  const pull = async (controller: ReadableStreamDefaultController<Uint8Array>) => {
    try {
      const next = await chunks.next();
      if (next.done) return controller.close();
      size += next.value.byteLength;
      if (size > maxBytes) throw new Error(`the answer is larger than ${maxBytes} bytes`);
      controller.enqueue(next.value);
    } catch (thrown) {
      body.destroy();
      controller.error(brokenOff(explain(thrown)));
    }
  };
  return new ReadableStream({ pull, cancel: () => void body.destroy() }, { highWaterMark: 0 });
}

/** Before the headers a lost connection means "unreachable"; after them the answer itself broke off. */
function brokenOff(explained: unknown): unknown {
  const lost = explained instanceof GatehouseError && explained.code === 'upstream_unreachable';
  return lost ? new GatehouseError('upstream_broken', { cause: explained.cause }) : explained;
}

const timeoutCodes = new Set(['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT']);

function translated(thrown: unknown, asked: AbortSignal, deadline: AbortSignal): unknown {
  if (thrown instanceof GatehouseError) return thrown;
  if (asked.aborted && !deadline.aborted) return asked.reason;
  const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : '';
  const late = deadline.aborted || timeoutCodes.has(code);
  return new GatehouseError(late ? 'upstream_timeout' : 'upstream_unreachable', { cause: thrown });
}
