/**
 * One address of a server that has several: how much is under way there, and whether it fails. What fails is left alone for
 * a while (outlier ejection, SECURITY 3.5), longer each time, and comes back with one call that tries it.
 */
import { hash } from 'node:crypto';
import type { Endpoint, Upstream, UpstreamCall, UpstreamExchange, UpstreamSink } from '#adapters/upstream/upstream.ts';
import type { Clock } from '#core/clock.ts';
import type { ErrorCode, GatehouseError } from '#core/error.ts';
import type { Log } from '#core/log.ts';

export interface EjectionSettings {
  /** Failures in a row, */
  readonly consecutiveFailures: number;
  /** or this share of a window's calls, where there were enough of them. */
  readonly failurePercent: number;
  readonly minimumCalls: number;
  readonly windowMs: number;
  readonly openMs: number;
  readonly openMaxMs: number;
}

export interface EndpointDeps {
  readonly settings: EjectionSettings;
  readonly clock: Clock;
  readonly log: Log;
  /** Key of the server, for the log. */
  readonly label: string;
}

/** By it a session is found again on every replica, whatever becomes of the order of the addresses. */
export const tagOf = (url: string): string => hash('sha256', url, 'base64url').slice(0, 10);

const failures: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'upstream_unreachable',
  'upstream_timeout',
  'upstream_broken',
]);

/** Neither its query, which may hold a key, nor who signs in. */
function shownAddress(url: string): string {
  const { origin, pathname } = new URL(url.replaceAll('{partition}', 'partition'));
  return origin + pathname;
}

export class BalancedEndpoint implements Endpoint {
  readonly tag: string;
  readonly address: string;
  /** What goes through it counts. */
  readonly upstream: Upstream;
  readonly #deps: EndpointDeps;
  /** Calls, not streams that wait. */
  inFlight = 0;
  ejections = 0;
  isLeaving = false;
  lastFailure: Endpoint['lastFailure'];
  #inARow = 0;
  #calls = 0;
  #failures = 0;
  #windowStartedAt = 0;
  /** Monotonic milliseconds; 0: it is well. */
  #ejectedUntil = 0;
  #ejectedForMs = 0;
  #isTried = false;

  constructor(url: string, inner: Upstream, deps: EndpointDeps) {
    this.tag = tagOf(url);
    this.address = shownAddress(url);
    this.#deps = deps;
    this.upstream = { start: (call, sink) => new Counted(this, call, sink).start(inner), close: () => inner.close() };
  }

  get isEjected(): boolean {
    return this.#ejectedUntil > 0;
  }

  get ejectedUntil(): number {
    return this.#ejectedUntil;
  }

  /** A call may go there: it is well, or its time is up and nobody tries it yet. */
  get isOpen(): boolean {
    return !this.isEjected || (!this.#isTried && this.#deps.clock.monotonic() >= this.#ejectedUntil);
  }

  /** True: it tries out whether the address is well again. */
  begin(isCall: boolean): boolean {
    if (isCall) this.inFlight++;
    if (this.isEjected && this.isOpen) this.#isTried = true;
    return this.isEjected;
  }

  end(isCall: boolean): void {
    if (isCall) this.inFlight--;
  }

  answered(isTrial: boolean): void {
    // What was under way when it was ejected says nothing of now.
    if (this.isEjected && !isTrial) return;
    this.#inARow = 0;
    if (this.isEjected) {
      this.#ejectedUntil = 0;
      this.#ejectedForMs = 0;
      this.#isTried = false;
      this.#calls = 0;
      this.#failures = 0;
      this.#deps.log.info({ server: this.#deps.label, address: this.address }, 'an address of a server answers again');
    } else this.#count(false);
  }

  failed(code: ErrorCode, isTrial: boolean): void {
    const { settings, clock } = this.#deps;
    this.lastFailure = { code, at: clock.now() };
    this.#inARow++;
    if (this.isEjected) {
      if (isTrial && (this.#isTried || clock.monotonic() >= this.#ejectedUntil)) this.#trip();
      return;
    }
    this.#count(true);
    const often = this.#calls >= settings.minimumCalls && this.#failures * 100 >= this.#calls * settings.failurePercent;
    if (this.#inARow >= settings.consecutiveFailures || often) this.#trip();
  }

  /** Nothing is known of it: whoever called has left. */
  unknown(): void {
    this.#isTried = false;
  }

  eject(): void {
    if (!this.isEjected) this.#trip();
  }

  #trip(): void {
    const { settings, clock, log, label } = this.#deps;
    if (!this.isEjected) this.ejections++;
    this.#ejectedForMs =
      this.#ejectedForMs === 0 ? settings.openMs : Math.min(this.#ejectedForMs * 2, settings.openMaxMs);
    this.#ejectedUntil = clock.monotonic() + this.#ejectedForMs;
    this.#isTried = false;
    log.warn(
      { server: label, address: this.address, forMs: this.#ejectedForMs },
      'an address of a server fails: calls go to the others for a while',
    );
  }

  #count(isFailure: boolean): void {
    const now = this.#deps.clock.monotonic();
    if (now - this.#windowStartedAt > this.#deps.settings.windowMs) {
      this.#windowStartedAt = now;
      this.#calls = 0;
      this.#failures = 0;
    }
    this.#calls++;
    if (isFailure) this.#failures++;
  }
}

/** Of some proxy in between: no server answers a message so. */
const isPage = ({ rpcMethod }: UpstreamCall, type: string | string[] | undefined) =>
  rpcMethod !== undefined && typeof type === 'string' && /^text\/html\b/i.test(type);

/** One exchange with one address, on record there. */
class Counted implements UpstreamExchange, UpstreamSink {
  readonly #endpoint: BalancedEndpoint;
  readonly #call: UpstreamCall;
  readonly #sink: UpstreamSink;
  readonly #isCall: boolean;
  #exchange: UpstreamExchange | undefined;
  #isTrial = false;
  #isOver = false;
  #isHeard = false;

  constructor(endpoint: BalancedEndpoint, call: UpstreamCall, sink: UpstreamSink) {
    this.#endpoint = endpoint;
    this.#call = call;
    this.#sink = sink;
    this.#isCall = call.timeouts.totalMs > 0;
  }

  start(inner: Upstream): this {
    this.#isTrial = this.#endpoint.begin(this.#isCall);
    try {
      this.#exchange = inner.start(this.#call, this);
    } catch (thrown) {
      this.#end('unknown');
      throw thrown;
    }
    return this;
  }

  get sent(): boolean {
    return this.#exchange?.sent === true;
  }

  resume(): void {
    this.#exchange?.resume();
  }

  abort(): void {
    this.#end('unknown');
    this.#exchange?.abort();
  }

  onHead(...[status, headers]: Parameters<UpstreamSink['onHead']>): void {
    if (status >= 500 || isPage(this.#call, headers['content-type'])) this.#judge('upstream_broken');
    // A stream that waits says by its head that the server is there; a call is over when it is.
    else if (!this.#isCall) this.#judge('answered');
    this.#sink.onHead(status, headers);
  }

  onData(chunk: Buffer): boolean {
    return this.#sink.onData(chunk);
  }

  onEnd(): void {
    this.#end('answered');
    this.#sink.onEnd();
  }

  onError(error: GatehouseError): void {
    this.#end(failures.has(error.code) ? error.code : 'unknown');
    this.#sink.onError(error);
  }

  #judge(verdict: 'answered' | 'unknown' | ErrorCode): void {
    if (this.#isHeard) return;
    this.#isHeard = true;
    if (verdict === 'answered') this.#endpoint.answered(this.#isTrial);
    else if (verdict === 'unknown') this.#endpoint.unknown();
    else this.#endpoint.failed(verdict, this.#isTrial);
  }

  #end(verdict: 'answered' | 'unknown' | ErrorCode): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#judge(verdict);
    this.#endpoint.end(this.#isCall);
  }
}
