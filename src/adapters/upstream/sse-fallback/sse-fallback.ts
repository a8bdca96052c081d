/**
 * A server given as HTTP that turns out to speak only HTTP+SSE (PROTOCOL 1.6; MCP 2025-11-25, transports, backwards
 * compatibility): an `initialize` refused with 400, 404 or 405 is tried over the older transport. The verdict is dated,
 * because servers are updated.
 */
import { isSseSessionId } from '#adapters/upstream/sse/session-id.ts';
import type { Upstream, UpstreamCall, UpstreamExchange, UpstreamSink } from '#adapters/upstream/upstream.ts';
import type { Clock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';

export interface SseFallbackOptions {
  readonly http: Upstream;
  readonly openSse: () => Upstream;
  /** Key of the server, for the log. */
  readonly label: string;
  readonly clock: Clock;
  readonly log: Log;
  /** How long "speaks HTTP+SSE" holds. */
  readonly verdictMs?: number;
  /** How long "doesn't either" holds: an initialize then costs one request, not two. */
  readonly vainMs?: number;
}

const MAX_HELD_BYTES = 64 * 1024;
/** Most that the older transport may take: a server that isn't one may keep its event stream silent. */
const OPEN_MS = 10_000;

export function openSseFallback(options: SseFallbackOptions): Upstream {
  return new SseFallback(options);
}

class SseFallback implements Upstream {
  readonly #options: SseFallbackOptions;
  readonly #http: Upstream;
  #sse: Upstream | undefined;
  #sseUntil = Number.NEGATIVE_INFINITY;
  #vainUntil = Number.NEGATIVE_INFINITY;

  constructor(options: SseFallbackOptions) {
    this.#options = options;
    this.#http = options.http;
  }

  start(call: UpstreamCall, sink: UpstreamSink): UpstreamExchange {
    const { sessionId } = call;
    // Never to the other transport: only there is it known whose the session is.
    if (sessionId !== undefined && isSseSessionId(sessionId)) return this.#older().start(call, sink);
    const now = this.#options.clock.monotonic();
    if (now < this.#sseUntil) return this.#older().start(call, this.#watch(call, sink));
    const isProbe = call.era === 'legacy' && call.rpcMethod === 'initialize' && now >= this.#vainUntil;
    if (!isProbe) return this.#http.start(call, sink);
    return new Attempt(call, sink, {
      http: this.#http,
      older: () => this.#older(),
      onVerdict: (speaksSse) => this.#onVerdict(speaksSse),
    });
  }

  async close(): Promise<void> {
    await Promise.all([this.#http.close(), this.#sse?.close()]);
  }

  #older(): Upstream {
    this.#sse ??= this.#options.openSse();
    return this.#sse;
  }

  #onVerdict(speaksSse: boolean): void {
    const { clock, log, label, verdictMs = 3_600_000, vainMs = 60_000 } = this.#options;
    const now = clock.monotonic();
    if (!speaksSse) {
      this.#vainUntil = now + vainMs;
      return;
    }
    this.#sseUntil = now + verdictMs;
    log.info({ server: label }, 'a server given as http speaks the older HTTP+SSE: its transport kind should be sse');
  }

  /** A failed `initialize` puts the verdict in doubt. */
  #watch(call: UpstreamCall, sink: UpstreamSink): UpstreamSink {
    if (call.rpcMethod !== 'initialize' || call.era !== 'legacy') return sink;
    const doubt = () => {
      this.#sseUntil = Number.NEGATIVE_INFINITY;
    };
    return {
      onHead(status, headers) {
        if (status >= 400) doubt();
        sink.onHead(status, headers);
      },
      onData: (chunk) => sink.onData(chunk),
      onEnd: () => sink.onEnd(),
      onError(error) {
        doubt();
        sink.onError(error);
      },
    };
  }
}

interface AttemptParts {
  readonly http: Upstream;
  readonly older: () => Upstream;
  readonly onVerdict: (speaksSse: boolean) => void;
}

type Head = Parameters<UpstreamSink['onHead']>;

/** One `initialize`: over HTTP, and where that is refused over HTTP+SSE; if that is in vain the refusal stands. */
class Attempt implements UpstreamExchange {
  readonly #call: UpstreamCall;
  readonly #sink: UpstreamSink;
  readonly #parts: AttemptParts;
  readonly #first: UpstreamExchange;
  #second: UpstreamExchange | undefined;
  #refusal: Head | undefined;
  #held: Buffer[] = [];
  #heldBytes = 0;

  constructor(call: UpstreamCall, sink: UpstreamSink, parts: AttemptParts) {
    this.#call = call;
    this.#sink = sink;
    this.#parts = parts;
    this.#first = parts.http.start(call, {
      onHead: (status, headers) => this.#onHead(status, headers),
      onData: (chunk) => (this.#refusal ? this.#hold(chunk) : sink.onData(chunk)),
      onEnd: () => this.#onEnd(),
      onError: (error) => sink.onError(error),
    });
  }

  get sent(): boolean {
    return this.#first.sent || this.#second?.sent === true;
  }

  resume(): void {
    (this.#second ?? this.#first).resume();
  }

  abort(): void {
    (this.#second ?? this.#first).abort();
  }

  #onHead(...head: Head): void {
    if (head[0] === 400 || head[0] === 404 || head[0] === 405) this.#refusal = head;
    else this.#sink.onHead(...head);
  }

  /** What is too long to hold is no longer a candidate. */
  #hold(chunk: Buffer): boolean {
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    if (this.#heldBytes <= MAX_HELD_BYTES) return true;
    const isTaken = this.#giveRefusal();
    this.#refusal = undefined;
    return isTaken;
  }

  #onEnd(): void {
    if (!this.#refusal) this.#sink.onEnd();
    else if (isJsonRpc(Buffer.concat(this.#held))) this.#refuse();
    else this.#tryOlder();
  }

  #refuse(): void {
    this.#giveRefusal();
    this.#sink.onEnd();
  }

  #giveRefusal(): boolean {
    if (this.#refusal) this.#sink.onHead(...this.#refusal);
    const held = Buffer.concat(this.#held);
    this.#held = [];
    return held.length === 0 || this.#sink.onData(held);
  }

  #tryOlder(): void {
    const { timeouts } = this.#call;
    const headersMs = Math.min(timeouts.headersMs || OPEN_MS, OPEN_MS);
    let speaks = false;
    const vain = () => {
      this.#parts.onVerdict(false);
      this.#refuse();
    };
    this.#second = this.#parts.older().start(
      { ...this.#call, timeouts: { ...timeouts, headersMs } },
      {
        onHead: (status, headers) => {
          speaks = status === 200;
          if (!speaks) return;
          this.#parts.onVerdict(true);
          this.#sink.onHead(status, headers);
        },
        onData: (chunk) => (speaks ? this.#sink.onData(chunk) : true),
        onEnd: () => (speaks ? this.#sink.onEnd() : vain()),
        onError: (error) => (speaks ? this.#sink.onError(error) : vain()),
      },
    );
  }
}

/** The refusal of a server that does speak JSON-RPC over posts. */
function isJsonRpc(body: Buffer): boolean {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return typeof value === 'object' && value !== null && 'jsonrpc' in value;
  } catch {
    return false;
  }
}
