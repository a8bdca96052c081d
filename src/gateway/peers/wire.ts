/**
 * Messages instead of bytes: one request to an upstream, and what it answers as JSON-RPC messages, whether it came as one
 * JSON object or as a stream of events. For whatever cannot pass through as it is; all that is held is bounded.
 */
import { createParser } from 'eventsource-parser';
import type { Upstream, UpstreamCall, UpstreamExchange, UpstreamSink } from '#adapters/upstream/upstream.ts';
import { GatehouseError } from '#core/error.ts';
import { isJsonObject, type JsonObject, parseJson } from '#core/json.ts';
import { redactText, type Secret } from '#core/secret.ts';
import { isNestedWithin } from '#mcp/shape/canonical-json.ts';

/** SECURITY 3.3: bytes of a whole JSON answer, and of one event. */
export interface WireLimits {
  readonly answerBytes: number;
  readonly eventBytes: number;
  readonly events: number;
  /** Of brackets inside of one another: whoever walks a message walks it by calling itself. */
  readonly depth: number;
}

export const wireLimits: WireLimits = { answerBytes: 10_485_760, eventBytes: 4_194_304, events: 10_000, depth: 256 };

export interface WireHandlers {
  readonly signal: AbortSignal;
  readonly onMessage: (message: JsonObject) => void;
  /** Before any message. Header names lower-case. */
  readonly onHead?: (status: number, headers: WireHeaders) => void;
  /** What the server was sent and may echo: nobody reads it in what it says (SECURITY F9). */
  readonly secret?: Secret | undefined;
}

export type WireHeaders = Readonly<Record<string, string | string[] | undefined>>;

export interface Answered {
  readonly status: number;
  readonly headers: WireHeaders;
  /** Of the last event that had one: where a stream that was cut can go on (MCP 2025-11-25, resumability). */
  readonly lastEventId: string | undefined;
  readonly retryMs: number | undefined;
}

/** The transport failed; what the upstream answered in JSON-RPC is no such error. */
export class WireError extends Error {
  readonly error: GatehouseError;
  /** The upstream may have read the request. */
  readonly sent: boolean;

  constructor(error: GatehouseError, sent: boolean) {
    super(error.message, { cause: error });
    this.error = error;
    this.sent = sent;
  }
}

/** Resolves at the end of the answer. Rejects with WireError, or with the signal's reason. */
export function exchange(
  upstream: Upstream,
  call: UpstreamCall,
  { limits = wireLimits, ...handlers }: WireHandlers & { readonly limits?: WireLimits },
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const { signal } = handlers;
    if (signal.aborted) return reject(signal.reason);
    // Undefined as long as it is being started: that may fail at once.
    let started: UpstreamExchange | undefined;
    const abort = () => {
      over();
      started?.abort();
      reject(signal.reason);
    };
    const over = () => signal.removeEventListener('abort', abort);
    const sink = new Messages(handlers, limits, {
      done(answered) {
        over();
        resolve(answered);
      },
      fail(error) {
        over();
        started?.abort();
        reject(new WireError(error, started?.sent ?? false));
      },
    });
    started = upstream.start(call, sink);
    signal.addEventListener('abort', abort, { once: true });
  });
}

interface End {
  readonly done: (answered: Answered) => void;
  readonly fail: (error: GatehouseError) => void;
}

class Messages implements UpstreamSink {
  readonly #handlers: WireHandlers;
  readonly #limits: WireLimits;
  readonly #end: End;
  readonly #decoder = new TextDecoder('utf-8', { fatal: false });
  #status = 0;
  #headers: WireHeaders = {};
  #parser: ReturnType<typeof createParser> | undefined;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #events = 0;
  #lastEventId: string | undefined;
  #retryMs: number | undefined;
  #over = false;

  constructor(handlers: WireHandlers, limits: WireLimits, end: End) {
    this.#handlers = handlers;
    this.#limits = limits;
    this.#end = end;
  }

  onHead(status: number, headers: WireHeaders): void {
    const wrong = wrongWith(status, headers);
    if (wrong) {
      this.#fail(wrong.code, wrong.why);
      return;
    }
    this.#status = status;
    this.#headers = headers;
    if (/^text\/event-stream\b/i.test(String(headers['content-type'] ?? ''))) this.#parser = this.#openParser();
    this.#handlers.onHead?.(status, headers);
  }

  onData(chunk: Buffer): boolean {
    if (this.#over) return true;
    this.#bytes += chunk.length;
    if (this.#parser) {
      if (this.#bytes > this.#limits.eventBytes) this.#fail('upstream_broken', 'an event is too large');
      else this.#parser.feed(this.#decoder.decode(chunk, { stream: true }));
    } else if (this.#bytes > this.#limits.answerBytes) this.#fail('upstream_broken', 'the answer is too large');
    else this.#chunks.push(chunk);
    return true;
  }

  onEnd(): void {
    if (this.#over) return;
    if (!this.#parser && this.#bytes > 0) this.#takeJson(Buffer.concat(this.#chunks).toString('utf8'));
    if (this.#over) return;
    this.#over = true;
    this.#end.done({
      status: this.#status,
      headers: this.#headers,
      lastEventId: this.#lastEventId,
      retryMs: this.#retryMs,
    });
  }

  onError(error: GatehouseError): void {
    if (this.#over) return;
    this.#over = true;
    this.#end.fail(error);
  }

  #openParser() {
    return createParser({
      onEvent: ({ id, event, data }) => {
        this.#bytes = 0;
        if (id !== undefined) this.#lastEventId = id;
        if (++this.#events > this.#limits.events) this.#fail('upstream_broken', 'too many events');
        // An event without data only opens the stream (2025-11-25: priming event).
        else if (data !== '' && (event === undefined || event === 'message')) this.#take(data);
      },
      onRetry: (retryMs) => {
        this.#retryMs = retryMs;
      },
    });
  }

  /** Errors of a server that speaks no MCP at this address come as pages: their status says enough. */
  #takeJson(text: string): void {
    const isJson = /^application\/json\b/i.test(String(this.#headers['content-type'] ?? ''));
    if (isJson) this.#take(text);
    else if (this.#status < 400 && text.trim() !== '') this.#fail('upstream_broken', 'the answer is not JSON');
  }

  #take(text: string): void {
    if (this.#over) return;
    const message = this.#parse(text);
    if (message) this.#hand(message);
    else if (this.#status < 400) this.#fail('upstream_broken', 'what came is not a JSON-RPC message');
  }

  #parse(text: string): JsonObject | undefined {
    const { secret } = this.#handlers;
    try {
      const message = parseJson(secret ? redactText(text, secret) : text);
      const isMessage = isJsonObject(message) && message.jsonrpc === '2.0';
      return isMessage && isNestedWithin(message, this.#limits.depth) ? message : undefined;
    } catch {
      return undefined;
    }
  }

  /** Whatever a message brings to fall, falls with this exchange alone. */
  #hand(message: JsonObject): void {
    try {
      this.#handlers.onMessage(message);
    } catch (thrown) {
      this.#fail('upstream_broken', thrown instanceof Error ? thrown.message : 'a message could not be taken');
    }
  }

  #fail(code: 'upstream_broken' | 'upstream_refused', why: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#end.fail(new GatehouseError(code, { cause: new Error(why) }));
  }
}

function wrongWith(status: number, headers: WireHeaders) {
  if ((status >= 300 && status < 400) || status === 407)
    return { code: 'upstream_broken', why: `status ${status}` } as const;
  if (status === 401) return { code: 'upstream_refused', why: 'status 401' } as const;
  const coding = headers['content-encoding'];
  if (coding === undefined || coding === 'identity') return undefined;
  return { code: 'upstream_broken', why: `content encoding ${String(coding)}` } as const;
}
