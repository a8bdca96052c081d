/**
 * Rooms 6 and 7, forward and back: the upstream's answer goes to the caller as it comes, in both eras. One chunk is held
 * back until the call's record is in the spool (DESIGN ruling 28); a stream's record is there before its first byte.
 */
import type { UpstreamExchange, UpstreamSink } from '#adapters/upstream/upstream.ts';
import { GatehouseError } from '#core/error.ts';
import type { ClientResponse } from '#http/exchange.ts';
import { type Call, requestIdOf } from './call.ts';
import type { LiveStream } from './heartbeat.ts';
import { rpcErrorBody } from './render.ts';

export interface RelayDeps {
  /** Puts the call's record into the spool, then calls `done`. `open`: more is to come. */
  readonly account: (call: Call, outcome: Outcome, done: () => void) => void;
  readonly refuse: (call: Call, error: GatehouseError) => void;
  /** Seals an upstream session id that came with an answer. */
  readonly sealSession: (upstreamId: string) => string;
  /** Of a refusal, and of any answer to `initialize`: true, and the answer is dropped, since somebody else gives one. */
  readonly reconsider: (status: number, body: Buffer | undefined) => boolean;
  /** Of a failure before the head: true, and the request was sent anew. `sent`: the upstream may have read it. */
  readonly again: (error: GatehouseError, sent: boolean) => boolean;
  /** After a DELETE that the upstream carried out, or whose session it does not know. */
  readonly endSession: (() => void) | undefined;
  /** Live streams, for heartbeats; the answer removes it. */
  readonly watch: (relay: Relay) => () => void;
  readonly monotonic: () => number;
  /** Unix milliseconds: a stream that only waits isn't held open for longer than its caller may come in. */
  readonly endsAt: number | undefined;
  /** Takes the gateway's own credential out of an upstream's error text. */
  readonly redact: (body: Buffer) => Buffer;
}

/** An upstream's error answer is held whole up to this many bytes, so that it can be redacted. */
const MAX_ERROR_BYTES = 65_536;
const MAX_RETRY_AFTER_SECONDS = 300;
const ONE_WRITE_BYTES = 16_384;

export interface Outcome {
  readonly status: number;
  readonly open: boolean;
  readonly error: GatehouseError | 'client_gone' | undefined;
}

/** What of the upstream's head reaches the caller. Its cookies, challenges and CORS stay behind. */
const passed = [
  'content-type',
  'content-length',
  'cache-control',
  'retry-after',
  'allow',
  'mcp-protocol-version',
] as const;

/** Visible ASCII (MCP 2025-11-25, transports), and short enough that our own, sealed id fits into a request's head. */
const sessionId = /^[\x21-\x7e]{1,4096}$/;

const isEventStream = (type: string) => /^text\/event-stream\b/i.test(type);
const isJson = (type: string) => /^application\/json\b/i.test(type);

type UpstreamHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** The end of `subscriptions/listen` where the server side chooses it (MCP 2026-07-28). `id` as JSON. */
function listenResult(id: string): string {
  const result = `{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":${id}}}`;
  return `event: message\ndata: {"jsonrpc":"2.0","id":${id},"result":${result}}\n\n`;
}

export class Relay implements UpstreamSink, LiveStream {
  readonly #call: Call;
  readonly #res: ClientResponse;
  readonly #deps: RelayDeps;
  #exchange: UpstreamExchange | undefined;
  #status = 0;
  #head: Record<string, string> = {};
  #stream = false;
  #held: Buffer | undefined;
  #opening = false;
  #ended = false;
  #over = false;
  #unwatch: (() => void) | undefined;
  /** The last two bytes written: an SSE event ends with a blank line, and only there may we add one. */
  #tail = '\n\n';
  lastWriteAt = 0;
  readonly endsAt: number | undefined;

  constructor(call: Call, deps: RelayDeps) {
    this.#call = call;
    this.#res = call.res;
    this.#deps = deps;
    this.endsAt = deps.endsAt;
    this.#res.on('drain', () => {
      if (!this.#over) this.#exchange?.resume();
    });
    this.#res.on('close', () => this.#clientGone());
  }

  attach(exchange: UpstreamExchange): void {
    this.#exchange = exchange;
    if (this.#over) exchange.abort();
    else if (this.#res.destroyed) this.#clientGone();
  }

  onHead(status: number, headers: UpstreamHeaders): void {
    this.#call.upstreamMs = this.#deps.monotonic() - this.#call.startedAt;
    if ((status >= 300 && status < 400) || status === 401 || status === 407) {
      this.#fail(new GatehouseError(status === 401 ? 'upstream_refused' : 'upstream_broken'));
      return;
    }
    this.#status = status;
    this.#head = this.#headFrom(headers);
    const type = this.#head['content-type'] ?? '';
    // An error that comes as a stream is held and redacted like any other.
    this.#stream = status < 400 && isEventStream(type);
    const wrong = this.#wrongWith(headers, type);
    if (wrong !== undefined) {
      this.#fail(new GatehouseError('upstream_broken', { cause: new Error(`status ${status}, ${wrong}`) }));
      return;
    }
    if (this.#stream) this.#openStream();
  }

  onData(chunk: Buffer): boolean {
    if (this.#over) return true;
    this.#call.bytesOut += chunk.length;
    if (this.#opening) {
      this.#held = this.#held ? Buffer.concat([this.#held, chunk]) : chunk;
      return this.#held.length < 65_536;
    }
    if (this.#stream) return this.#write(chunk);
    if (this.#status >= 400 || this.#isInitialize) return this.#holdError(chunk);
    const held = this.#held;
    this.#held = chunk;
    if (!held) return true;
    if (!this.#res.headersSent) this.#res.writeHead(this.#status, this.#head);
    return this.#write(held);
  }

  #holdError(chunk: Buffer): boolean {
    this.#held = this.#held ? Buffer.concat([this.#held, chunk]) : chunk;
    if (this.#held.length > MAX_ERROR_BYTES) this.#fail(new GatehouseError('upstream_broken'));
    return true;
  }

  onEnd(): void {
    this.#ended = true;
    if (this.#opening || this.#over) return;
    // A server that breaks off by closing looks like one that is through: half an event is no answer.
    if (this.#stream && this.#call.message?.kind === 'request' && !/[\r\n]{2}$/.test(this.#tail)) {
      this.#fail(new GatehouseError('upstream_broken'));
      return;
    }
    const isOpen = this.#status >= 400 || (this.#isInitialize && !this.#stream);
    if (isOpen && this.#deps.reconsider(this.#status, this.#held)) {
      this.#over = true;
      return;
    }
    if (this.#status < 300 || this.#status === 404) this.#deps.endSession?.();
    this.#settle({ status: this.#status, open: false, error: undefined }, () => this.#finish());
  }

  onError(error: GatehouseError): void {
    if (!this.#over && this.#status === 0 && this.#exchange && this.#deps.again(error, this.#exchange.sent)) return;
    this.#fail(error);
  }

  /** A comment line keeps proxies from closing an idle stream; only between two events. */
  beat(): void {
    if (!this.#over && !this.#opening && this.#tail.endsWith('\n\n') && !this.#res.writableNeedDrain)
      this.#write(Buffer.from(':\n\n'));
  }

  /** The gateway is stopping: streams that only wait end cleanly, the client comes back to another replica. A call goes on. */
  stop(): void {
    if (this.#over || !this.#isWaiting) return;
    this.#exchange?.abort();
    const id = this.#call.message?.id?.toString('utf8');
    if (id !== undefined && !this.#opening && this.#tail === '\n\n') this.#write(Buffer.from(listenResult(id)));
    this.onEnd();
  }

  /** The caller may no longer: what only waits ends cleanly, so that the client comes back and hears why; a call breaks off. */
  cut(error: GatehouseError): void {
    if (!this.#isWaiting || !this.#res.headersSent) this.#fail(error);
    else {
      this.#exchange?.abort();
      this.#settle({ status: this.#status, open: false, error }, () => this.#res.end());
    }
  }

  /** Events only, of no call. */
  get #isWaiting(): boolean {
    const { message } = this.#call;
    return this.#stream && (!message || message.method === 'subscriptions/listen');
  }

  #headFrom(headers: UpstreamHeaders): Record<string, string> {
    const head: Record<string, string> = {
      'X-Request-Id': requestIdOf(this.#call),
      'X-Content-Type-Options': 'nosniff',
    };
    for (const name of passed) {
      const value = headers[name];
      if (typeof value === 'string') head[name] = value;
    }
    const retryAfter = Number(head['retry-after']);
    if (retryAfter > MAX_RETRY_AFTER_SECONDS) head['retry-after'] = String(MAX_RETRY_AFTER_SECONDS);
    const session = this.#opensSession ? headers['mcp-session-id'] : undefined;
    if (typeof session === 'string' && sessionId.test(session))
      head['Mcp-Session-Id'] = this.#deps.sealSession(session);
    // These have no body (RFC 9110 6.4.1), whatever the upstream says.
    if (this.#status === 204 || this.#status === 205) delete head['content-length'];
    if (isEventStream(head['content-type'] ?? '')) {
      head['cache-control'] = 'no-cache, no-transform';
      head['X-Accel-Buffering'] = 'no';
      delete head['content-length'];
    } else head['cache-control'] = 'no-store';
    return head;
  }

  get #isInitialize(): boolean {
    return this.#call.era === 'legacy' && this.#call.message?.method === 'initialize';
  }

  get #opensSession(): boolean {
    return this.#isInitialize && this.#status < 300;
  }

  /** Undefined: an answer that may go to the caller. */
  #wrongWith(headers: UpstreamHeaders, type: string): string | undefined {
    // Nobody asked for a coding: events could not be told apart in it, nor secrets found.
    const coding = headers['content-encoding'];
    if (coding !== undefined && coding !== 'identity') return `content encoding "${String(coding)}"`;
    const session = headers['mcp-session-id'];
    if (this.#opensSession && session !== undefined && this.#head['Mcp-Session-Id'] === undefined)
      return 'a session id that is none';
    // A request is answered in JSON or as a stream. A page of some proxy in between must not look like an answer.
    if (this.#call.message?.kind !== 'request' || this.#stream || isJson(type)) return undefined;
    return this.#status < 400 || this.#status >= 500 ? `content type "${type}"` : undefined;
  }

  #openStream(): void {
    this.#opening = true;
    this.#deps.account(this.#call, { status: this.#status, open: true, error: undefined }, () => {
      this.#opening = false;
      if (this.#over) return;
      this.#res.writeHead(this.#status, this.#head);
      this.#unwatch = this.#deps.watch(this);
      const held = this.#held;
      this.#held = undefined;
      if (held && this.#write(held)) this.#exchange?.resume();
      else if (!held) this.#res.flushHeaders();
      if (this.#ended) this.onEnd();
    });
  }

  #write(chunk: Buffer): boolean {
    this.lastWriteAt = this.#deps.monotonic();
    if (this.#stream)
      this.#tail = (this.#tail + chunk.toString('latin1', Math.max(0, chunk.length - 4)))
        .replaceAll('\r\n', '\n')
        .slice(-2);
    return this.#res.write(chunk);
  }

  #finish(): void {
    let held = this.#held;
    this.#held = undefined;
    if (!this.#res.headersSent) {
      if (held && this.#status >= 400) {
        held = this.#deps.redact(held);
        this.#head['content-length'] = String(held.length);
      } else if (held && this.#head['content-length'] === undefined) this.#head['content-length'] = String(held.length);
      this.#res.writeHead(this.#status, this.#head);
    }
    // A short text goes out with its head in one write; a buffer would cost a vector of them.
    if (held && held.length <= ONE_WRITE_BYTES) this.#res.end(held.toString('latin1'), 'latin1');
    else if (held) this.#res.end(held);
    else this.#res.end();
  }

  /** Once per call: accounts, then answers. */
  #settle(outcome: Outcome, done: () => void): void {
    if (this.#over) return;
    this.#over = true;
    this.#unwatch?.();
    this.#deps.account(this.#call, outcome, done);
  }

  #fail(error: GatehouseError): void {
    if (this.#over) return;
    this.#exchange?.abort();
    if (!this.#res.headersSent) {
      this.#over = true;
      this.#deps.refuse(this.#call, error);
      return;
    }
    this.#settle({ status: this.#status, open: false, error }, () => this.#breakOff(error));
  }

  /** An error after the head is out: an event where one fits, else a cut connection; never the look of success. */
  #breakOff(error: GatehouseError): void {
    const id = this.#call.message?.kind === 'request' ? this.#call.message.id : undefined;
    if (this.#stream && this.#res.headersSent && this.#tail === '\n\n' && id) {
      this.#res.end(`event: message\ndata: ${rpcErrorBody(error, id)}\n\n`);
    } else this.#res.destroy();
  }

  #clientGone(): void {
    if (this.#over) return;
    this.#exchange?.abort();
    this.#settle({ status: this.#status || 499, open: false, error: 'client_gone' }, () => undefined);
  }
}
