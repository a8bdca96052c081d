/**
 * A server at several addresses, as one upstream. What begins goes where least is under way, among the addresses that are
 * well; a session stays where it began: its address is written into the session id that the server gave, so that every
 * replica finds it. An address that is taken out of the definition serves its sessions until the old definition retires.
 */
import type { Upstream, UpstreamCall, UpstreamExchange, UpstreamSink } from '#adapters/upstream/upstream.ts';
import type { Clock } from '#core/clock.ts';
import type { GatehouseError } from '#core/error.ts';
import { chooseEndpoint } from './choice.ts';
import type { BalancedEndpoint } from './endpoint.ts';

export interface BalanceOptions {
  /** The first is where sessions are whose id names no address. */
  readonly endpoints: readonly BalancedEndpoint[];
  /** Also of addresses that are leaving. */
  readonly find: (tag: string) => BalancedEndpoint | undefined;
  readonly clock: Clock;
  /** From 0 up to and without 1. */
  readonly random: () => number;
  readonly close: () => Promise<void>;
}

/** `gh~tag~id`: visible ASCII, as session ids have to be. */
const tagged = /^gh~([A-Za-z0-9_-]{10})~(.+)$/;

export function openBalance({ endpoints, find, clock, random, close }: BalanceOptions): Upstream {
  let turn = 0;
  const choose = (not?: BalancedEndpoint) => chooseEndpoint(endpoints, { turn: turn++, random, not });

  function startInSession(call: UpstreamCall, sink: UpstreamSink, sessionId: string): UpstreamExchange {
    const [, tag = '', id = sessionId] = tagged.exec(sessionId) ?? [];
    const endpoint = tag === '' ? endpoints[0] : find(tag);
    if (!endpoint) return noSession(call, sink);
    const isHopeless = endpoint.isEjected && endpoints.some((other) => other !== endpoint && !other.isEjected);
    const inner = { ...call, sessionId: id, headers: { ...call.headers, 'mcp-session-id': id } };
    if (!isHopeless) return endpoint.upstream.start(inner, sink);
    // Nobody is there any more, and elsewhere somebody is: the client is told to begin anew there.
    const exchange: UpstreamExchange = endpoint.upstream.start(inner, {
      onHead: (status, headers) => sink.onHead(status, headers),
      onData: (chunk) => sink.onData(chunk),
      onEnd: () => sink.onEnd(),
      onError(error) {
        if (error.code === 'upstream_unreachable' && !exchange.sent) answerNoSession(call, sink);
        else sink.onError(error);
      },
    });
    return exchange;
  }

  return {
    start(call, sink) {
      const { sessionId } = call;
      if (sessionId !== undefined) return startInSession(call, sink, sessionId);
      return new Beginning(call, sink, { choose, clock }).start();
    },
    endpoints: () => endpoints,
    close,
  };
}

interface BeginningParts {
  readonly choose: (not?: BalancedEndpoint) => BalancedEndpoint | undefined;
  readonly clock: Clock;
}

/** What has no session yet, or needs none: where nothing was sent to the address chosen, another one is tried, once. */
class Beginning implements UpstreamExchange, UpstreamSink {
  readonly #call: UpstreamCall;
  readonly #sink: UpstreamSink;
  readonly #parts: BeginningParts;
  readonly #startedAt: number;
  #endpoint: BalancedEndpoint | undefined;
  #exchange: UpstreamExchange | undefined;
  #isSecond = false;

  constructor(call: UpstreamCall, sink: UpstreamSink, parts: BeginningParts) {
    this.#call = call;
    this.#sink = sink;
    this.#parts = parts;
    this.#startedAt = parts.clock.monotonic();
  }

  start(): this {
    this.#begin(this.#parts.choose(), this.#call);
    return this;
  }

  get sent(): boolean {
    return this.#exchange?.sent === true;
  }

  resume(): void {
    this.#exchange?.resume();
  }

  abort(): void {
    this.#exchange?.abort();
  }

  onHead(...[status, headers]: Parameters<UpstreamSink['onHead']>): void {
    const id = headers['mcp-session-id'];
    const tag = this.#endpoint?.tag;
    const isNew = typeof id === 'string' && tag !== undefined;
    this.#sink.onHead(status, isNew ? { ...headers, 'mcp-session-id': `gh~${tag}~${id}` } : headers);
  }

  onData(chunk: Buffer): boolean {
    return this.#sink.onData(chunk);
  }

  onEnd(): void {
    this.#sink.onEnd();
  }

  onError(error: GatehouseError): void {
    if (!this.#tryAnother(error)) this.#sink.onError(error);
  }

  #begin(endpoint: BalancedEndpoint | undefined, call: UpstreamCall): void {
    if (!endpoint) throw new Error('a balance without addresses');
    this.#endpoint = endpoint;
    this.#exchange = endpoint.upstream.start(call, this);
  }

  #tryAnother({ code }: GatehouseError): boolean {
    if (this.#isSecond || this.sent || (code !== 'upstream_unreachable' && code !== 'upstream_busy')) return false;
    const timeouts = this.#timeLeft();
    const other = timeouts && this.#parts.choose(this.#endpoint);
    if (!other) return false;
    this.#isSecond = true;
    this.#begin(other, { ...this.#call, timeouts });
    return true;
  }

  /** The call's time is that of both attempts. */
  #timeLeft(): UpstreamCall['timeouts'] | undefined {
    const { timeouts } = this.#call;
    if (timeouts.totalMs === 0) return timeouts;
    const totalMs = Math.floor(timeouts.totalMs - (this.#parts.clock.monotonic() - this.#startedAt));
    return totalMs > 0 ? { ...timeouts, totalMs } : undefined;
  }
}

/** In the words of the official SDK's server: clients begin a new session. */
function answerNoSession(call: UpstreamCall, sink: UpstreamSink): void {
  const error = { code: -32001, message: 'Session not found' };
  const body = Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: idIn(call.body), error }));
  sink.onHead(404, { 'content-type': 'application/json', 'content-length': String(body.length) });
  sink.onData(body);
  sink.onEnd();
}

function idIn(body: Buffer | undefined): string | number | null {
  const message: unknown = body && JSON.parse(body.toString('utf8'));
  const id = typeof message === 'object' && message !== null && 'id' in message ? message.id : null;
  return typeof id === 'string' || typeof id === 'number' ? id : null;
}

/** Never before `start` has returned. */
function noSession(call: UpstreamCall, sink: UpstreamSink): UpstreamExchange {
  let isLeft = false;
  queueMicrotask(() => {
    if (!isLeft) answerNoSession(call, sink);
  });
  return {
    sent: false,
    resume: () => undefined,
    abort() {
      isLeft = true;
    },
  };
}
