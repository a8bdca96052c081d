/** One request to one origin, its answer whole and bounded. Nothing is decompressed, no redirect leaves the origin. */
import { type Dispatcher, Pool } from 'undici';
import { asUpstreamError } from '#adapters/upstream/target.ts';
import type { UpstreamTimeouts } from '#adapters/upstream/upstream.ts';
import { GatehouseError } from '#core/error.ts';
import type { RestRequest } from './request.ts';

export interface RestClientOptions {
  /** Concurrent requests, and as many more as may wait. */
  readonly connections: number;
  readonly queue: number;
  /** undici connector: where private addresses are refused. Undefined: undici's own. */
  readonly connect?: Pool.Options['connect'];
  readonly connectTimeoutMs: number;
  /** Of an answer; what is longer is cut off. */
  readonly maxAnswerBytes: number;
}

export interface RestAnswer {
  readonly status: number;
  /** Names lower-case; of several of a name the first. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
  /** There was more. */
  readonly isCut: boolean;
  /** Path and query that answered, after redirects. */
  readonly path: string;
}

export interface RestHandlers {
  done(answer: RestAnswer): void;
  fail(error: GatehouseError): void;
}

export interface RestSending {
  readonly sent: boolean;
  abort(): void;
}

export interface RestClient {
  readonly origin: string;
  send(request: RestRequest, timeouts: UpstreamTimeouts, handlers: RestHandlers): RestSending;
  close(): Promise<void>;
}

const MAX_REDIRECTS = 3;

export function openRestClient(origin: string, options: RestClientOptions): RestClient {
  const pool = new Pool(origin, {
    connections: options.connections,
    pipelining: 1,
    keepAliveTimeout: 30_000,
    keepAliveTimeoutThreshold: 2000,
    maxHeaderSize: 64 * 1024,
    allowH2: false,
    connect: options.connect ?? { timeout: options.connectTimeoutMs },
  });
  const room: Room = { used: 0, limit: options.connections + options.queue };
  const maxBytes = options.maxAnswerBytes;
  return {
    origin,
    send(request, timeouts, handlers) {
      const sending = new Sending({ pool, origin, maxBytes, timeouts, handlers, room });
      sending.start(request);
      return sending;
    },
    close: () => pool.destroy(),
  };
}

interface Room {
  used: number;
  readonly limit: number;
}

interface SendingOptions {
  readonly pool: Pool;
  readonly origin: string;
  readonly maxBytes: number;
  readonly timeouts: UpstreamTimeouts;
  readonly handlers: RestHandlers;
  readonly room: Room;
}

class Sending implements Dispatcher.DispatchHandler, RestSending {
  readonly #options: SendingOptions;
  #request: RestRequest | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #timer: NodeJS.Timeout | undefined;
  #redirects = 0;
  #status = 0;
  #headers = new Map<string, string>();
  #chunks: Buffer[] = [];
  #bytes = 0;
  #over = false;
  #hasPlace = false;
  sent = false;

  constructor(options: SendingOptions) {
    this.#options = options;
  }

  start(request: RestRequest): void {
    const { room, timeouts, handlers } = this.#options;
    if (room.used >= room.limit) {
      this.#over = true;
      queueMicrotask(() => handlers.fail(new GatehouseError('upstream_busy', { retryAfterSeconds: 1 })));
      return;
    }
    room.used++;
    this.#hasPlace = true;
    if (timeouts.totalMs > 0) this.#timer = setTimeout(() => this.#timeOut(), timeouts.totalMs);
    this.#dispatch(request);
  }

  #dispatch(request: RestRequest): void {
    const { pool, timeouts } = this.#options;
    this.#request = request;
    const { method, path, headers, body = null } = request;
    const options = { path, method: method as Dispatcher.HttpMethod, headers, body };
    pool.dispatch({ ...options, headersTimeout: timeouts.headersMs, bodyTimeout: timeouts.idleMs }, this);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#over) controller.abort(new Error('the caller is gone'));
    else this.sent = true;
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    if (status < 200) return;
    this.#status = status;
    this.#headers = new Map();
    for (const [name, value] of Object.entries(headers)) {
      const first = Array.isArray(value) ? value[0] : value;
      if (first !== undefined) this.#headers.set(name.toLowerCase(), first);
    }
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#over) return;
    const room = this.#options.maxBytes - this.#bytes;
    this.#chunks.push(chunk.length > room ? chunk.subarray(0, room) : chunk);
    this.#bytes += chunk.length;
    if (chunk.length <= room) return;
    this.#finish(true);
    controller.abort(new Error('the answer is too large'));
  }

  onResponseEnd(): void {
    if (this.#over) return;
    const next = this.#redirected();
    if (!next) {
      this.#finish(false);
      return;
    }
    this.#chunks = [];
    this.#bytes = 0;
    this.#dispatch(next);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#end()) this.#options.handlers.fail(asUpstreamError(error, this.sent));
  }

  abort(): void {
    if (this.#end()) this.#controller?.abort(new Error('the caller is gone'));
  }

  /** Reading only, and inside the origin: everything that was sent may be sent there again. */
  #redirected(): RestRequest | undefined {
    const request = this.#request;
    const location = this.#headers.get('location');
    const { origin } = this.#options;
    if (!request || location === undefined || ![301, 302, 303, 307, 308].includes(this.#status)) return undefined;
    if (!['GET', 'HEAD'].includes(request.method) || ++this.#redirects > MAX_REDIRECTS) return undefined;
    const url = URL.parse(location, origin + request.path);
    if (url?.origin !== origin || url.username !== '' || url.password !== '') return undefined;
    return { ...request, path: url.pathname + url.search };
  }

  #finish(isCut: boolean): void {
    if (!this.#end()) return;
    const encoding = this.#headers.get('content-encoding') ?? 'identity';
    const { handlers } = this.#options;
    if (encoding !== 'identity' && this.#bytes > 0) {
      handlers.fail(new GatehouseError('upstream_broken', { cause: new Error(`content encoding ${encoding}`) }));
      return;
    }
    const path = this.#request?.path ?? '';
    handlers.done({ status: this.#status, headers: this.#headers, body: Buffer.concat(this.#chunks), isCut, path });
  }

  #timeOut(): void {
    if (!this.#end()) return;
    this.#controller?.abort(new Error('total timeout'));
    this.#options.handlers.fail(new GatehouseError('upstream_timeout'));
  }

  /** True the first time. */
  #end(): boolean {
    if (this.#over) return false;
    this.#over = true;
    clearTimeout(this.#timer);
    if (this.#hasPlace) this.#options.room.used--;
    return true;
  }
}
