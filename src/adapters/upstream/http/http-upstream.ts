/**
 * Upstream MCP servers over streamable HTTP: undici at the dispatch level, bytes through as they come. Redirects are
 * never followed (they would carry credentials elsewhere), answers are asked for uncompressed.
 */
import { type Dispatcher, Pool } from 'undici';
import { asUpstreamError, parseTarget } from '#adapters/upstream/target.ts';
import type { Upstream, UpstreamCall, UpstreamExchange, UpstreamSink } from '#adapters/upstream/upstream.ts';
import { GatehouseError } from '#core/error.ts';
import type { HttpTransport } from '#core/transport.ts';

export interface HttpUpstreamOptions {
  readonly transport: HttpTransport;
  /** Unix socket or named pipe instead of the URL's host. */
  readonly socketPath?: string;
  /** Concurrent calls; as many again may wait, twice. */
  readonly connections: number;
  readonly queue: number;
  /** undici connector: where private addresses are refused. Undefined: undici's own. */
  readonly connect?: Pool.Options['connect'];
  readonly connectTimeoutMs: number;
}

export function openHttpUpstream(options: HttpUpstreamOptions): Upstream {
  const target = parseTarget(options.transport.url);
  const pool = (connections: number | null) =>
    new Pool(target.origin, {
      connections,
      pipelining: 1,
      keepAliveTimeout: 30_000,
      // A server that closes after a while may do so just when a call is on its way: it is left a little earlier.
      keepAliveTimeoutThreshold: 2000,
      maxHeaderSize: 64 * 1024,
      allowH2: false,
      connect: options.connect ?? {
        timeout: options.connectTimeoutMs,
        ...(options.socketPath === undefined ? {} : { socketPath: options.socketPath }),
      },
    });
  const calls = pool(options.connections);
  // Streams stay open for hours: they must not take the calls' connections.
  const streams = pool(null);
  const room = { used: 0, limit: options.connections + options.queue };
  return {
    start(call, sink) {
      const path = target.path(call.partition);
      const streaming = call.timeouts.totalMs === 0;
      const exchange = new HttpExchange(call, sink, streaming ? undefined : room);
      exchange.start(streaming ? streams : calls, path);
      return exchange;
    },
    async close() {
      await Promise.all([calls.destroy(), streams.destroy()]);
    },
  };
}

interface Room {
  used: number;
  readonly limit: number;
}

class HttpExchange implements UpstreamExchange, Dispatcher.DispatchHandler {
  readonly #call: UpstreamCall;
  readonly #sink: UpstreamSink;
  readonly #room: Room | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #timer: NodeJS.Timeout | undefined;
  #over = false;
  /** Takes up room: from its start until the pool has let go of it. */
  #inPool = false;
  sent = false;

  constructor(call: UpstreamCall, sink: UpstreamSink, room: Room | undefined) {
    this.#call = call;
    this.#sink = sink;
    this.#room = room;
  }

  start(pool: Pool, path: string): void {
    const { method, headers, body, timeouts } = this.#call;
    if (this.#room) {
      if (this.#room.used >= this.#room.limit) {
        this.#over = true;
        queueMicrotask(() => this.#sink.onError(new GatehouseError('upstream_busy', { retryAfterSeconds: 1 })));
        return;
      }
      this.#room.used++;
      this.#inPool = true;
    }
    if (timeouts.totalMs > 0) this.#timer = setTimeout(() => this.#timeOut(), timeouts.totalMs);
    pool.dispatch(
      {
        path,
        method,
        headers,
        body: body ?? null,
        headersTimeout: timeouts.headersMs,
        bodyTimeout: timeouts.idleMs,
      },
      this,
    );
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#over) {
      this.#leavePool();
      controller.abort(new Error('the caller is gone'));
    } else this.sent = true;
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    if (!this.#over && status >= 200) this.#sink.onHead(status, headers);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#over && !this.#sink.onData(chunk)) controller.pause();
  }

  onResponseEnd(): void {
    if (this.#finish()) this.#sink.onEnd();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#leavePool();
    if (this.#finish()) this.#sink.onError(asUpstreamError(error, this.sent));
  }

  resume(): void {
    this.#controller?.resume();
  }

  abort(): void {
    if (this.#finish()) this.#controller?.abort(new Error('the caller is gone'));
  }

  #timeOut(): void {
    if (!this.#finish()) return;
    this.#controller?.abort(new Error('total timeout'));
    this.#sink.onError(new GatehouseError('upstream_timeout'));
  }

  /** True the first time. What still waits in the pool's queue, with its body, keeps its place there until its turn. */
  #finish(): boolean {
    if (this.#over) return false;
    this.#over = true;
    clearTimeout(this.#timer);
    if (this.#controller) this.#leavePool();
    return true;
  }

  #leavePool(): void {
    if (!this.#inPool) return;
    this.#inPool = false;
    if (this.#room) this.#room.used--;
  }
}
