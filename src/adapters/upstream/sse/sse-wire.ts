/** The two halves of HTTP+SSE as one wire: a stream that brings messages, and posts to the address that it named. */
import type { Dispatcher, Pool } from 'undici';
import type { WireEvents } from '#adapters/upstream/message-stream/connection.ts';
import type { Delivery, Refusal, Wire } from '#adapters/upstream/message-stream/wire.ts';
import { asUpstreamError } from '#adapters/upstream/target.ts';
import { GatehouseError } from '#core/error.ts';
import { type EventReader, openEventReader, type ServerEvent } from './event-reader.ts';
import { Post, type PostRoom, refusalOf } from './post.ts';

export interface SseWireParts {
  readonly origin: string;
  /** Where the stream is. */
  readonly path: string;
  readonly streams: Pool;
  readonly room: PostRoom;
  /** What goes with every request, the credential included, as the latest call has it. */
  readonly headers: () => Record<string, string>;
  /** Until the server named its address for posts. */
  readonly openMs: number;
  readonly postMs: number;
  /** Characters. */
  readonly maxEventLength: number;
}

/** Messages that nobody waits for, such as answers to pings: a server must not make us send without end. */
const MAX_UNASKED = 16;

export class SseWire implements Wire, Dispatcher.DispatchHandler {
  readonly unopened = false;
  /** Rejects with GatehouseError or Refusal. */
  readonly opened: Promise<void>;
  readonly #parts: SseWireParts;
  readonly #events: WireEvents;
  readonly #reader: EventReader;
  readonly #timer: NodeJS.Timeout;
  readonly #resolve: () => void;
  readonly #reject: (error: Error) => void;
  readonly #posts = new Set<Post>();
  #controller: Dispatcher.DispatchController | undefined;
  #postPath: string | undefined;
  #sent = false;
  #ended = false;
  #pendingBytes = 0;
  #unasked = 0;

  constructor(parts: SseWireParts, events: WireEvents) {
    this.#parts = parts;
    this.#events = events;
    this.#reader = openEventReader(parts.maxEventLength, (event) => this.#onEvent(event));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    promise.catch(() => {});
    this.opened = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#timer = setTimeout(() => this.#end(new GatehouseError('upstream_timeout')), parts.openMs);
    const headers = { ...parts.headers(), accept: 'text/event-stream', 'cache-control': 'no-cache' };
    parts.streams.dispatch(
      { path: parts.path, method: 'GET', headers, headersTimeout: parts.openMs, bodyTimeout: 0 },
      this,
    );
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  write(message: Buffer, delivery?: Delivery): void {
    const { room, headers, postMs } = this.#parts;
    const refusal = this.#refusalOf(delivery);
    if (refusal) {
      queueMicrotask(() => delivery?.onFailed(new GatehouseError(refusal)));
      return;
    }
    const path = this.#postPath ?? '';
    this.#pendingBytes += message.length;
    if (!delivery) this.#unasked++;
    const post = new Post({
      room,
      path,
      headers: { ...headers(), accept: 'application/json, text/event-stream', 'content-type': 'application/json' },
      body: message,
      delivery,
      timeoutMs: postMs,
      onRefused: (refusal) => this.#onRefused(refusal),
      onDone: () => {
        this.#posts.delete(post);
        this.#pendingBytes -= message.length;
        if (!delivery) this.#unasked--;
      },
    });
    this.#posts.add(post);
    post.start();
  }

  async stop(): Promise<void> {
    this.#end(new GatehouseError('upstream_broken'));
  }

  kill(): void {
    this.#end(new GatehouseError('upstream_broken'));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#ended) controller.abort(new Error('nobody waits for this stream'));
    else this.#sent = true;
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    if (status < 200) return;
    if (status !== 200) this.#end(openingRefused(refusalOf(status, headers)));
    else if (!isPlainEventStream(headers)) this.#break('the answer is no event stream');
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#ended) return;
    try {
      this.#reader.feed(chunk);
    } catch (error) {
      this.#end(new GatehouseError('upstream_broken', { cause: error }));
    }
  }

  onResponseEnd(): void {
    this.#break('the event stream ended');
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#end(asUpstreamError(error, this.#sent));
  }

  #refusalOf(delivery: Delivery | undefined): 'upstream_broken' | 'upstream_busy' | undefined {
    const { room } = this.#parts;
    if (this.#ended || this.#postPath === undefined) return 'upstream_broken';
    return room.used >= room.limit || (!delivery && this.#unasked >= MAX_UNASKED) ? 'upstream_busy' : undefined;
  }

  #onEvent({ type, data }: ServerEvent): void {
    if (this.#ended) return;
    if (type === 'endpoint' && this.#postPath === undefined) this.#onEndpoint(data);
    else if (type === 'message' && this.#postPath !== undefined) this.#events.onMessage(Buffer.from(data));
  }

  /** Same origin only: the posts carry the credential. */
  #onEndpoint(data: string): void {
    const { origin, path } = this.#parts;
    const url = data.length <= 8192 ? URL.parse(data, origin + path) : null;
    if (url?.origin !== origin || url.username !== '' || url.password !== '') {
      this.#break('the address for posts is not on the origin of the server');
      return;
    }
    this.#postPath = url.pathname + url.search;
    clearTimeout(this.#timer);
    this.#resolve();
  }

  /** The server no longer knows this session. */
  #onRefused(refusal: Refusal): void {
    if (refusal.status === 404 || refusal.status === 410) {
      this.#end(new GatehouseError('upstream_broken', { cause: refusal }));
    }
  }

  #break(reason: string): void {
    this.#end(new GatehouseError('upstream_broken', { cause: new Error(reason) }));
  }

  /** Rejects `opened` with `error`; calls under way break off. */
  #end(error: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#controller?.abort(new Error('the session is over'));
    this.#reject(error);
    const broken = new GatehouseError('upstream_broken', { cause: error });
    this.#events.onEnd(broken);
    for (const post of this.#posts) post.abort(broken);
  }
}

/** A status that says something about the credential or the load is the caller's business; any other: no such server. */
function openingRefused(refusal: Refusal): Error {
  const { status } = refusal;
  const isTelling = status === 401 || status === 403 || status === 407 || status === 429 || status >= 500;
  return isTelling ? refusal : new GatehouseError('upstream_broken', { cause: refusal });
}

function isPlainEventStream(headers: Record<string, string | string[] | undefined>): boolean {
  const coding = headers['content-encoding'] ?? 'identity';
  return /^text\/event-stream\s*(;|$)/i.test(String(headers['content-type'])) && coding === 'identity';
}
