import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import type { Log } from '#core/log.ts';

export interface RemoteDocumentOptions<T> {
  /** For the log: what is being loaded. */
  readonly what: string;
  readonly load: () => Promise<T>;
  /** Milliseconds after which a use renews it in the background. */
  readonly refreshMs: (value: T) => number;
  /** Milliseconds after which it is no longer used. */
  readonly staleMs: (value: T) => number;
  /** Milliseconds between a failure and the next attempt: with something still good to go on, and with nothing. */
  readonly retryMs: { readonly held: number; readonly empty: number };
  readonly clock: Clock;
  readonly log: Log;
}

export interface Held<T> {
  readonly value: T;
  /** When the load began, monotonic milliseconds: the document is never older than this says. */
  readonly at: number;
}

/**
 * Something an identity provider publishes, kept while it is good: one request in flight, renewed in the background
 * before it gets old, used a while longer when it can't be renewed. Nothing at all to go on is `identity_unavailable`.
 */
export class RemoteDocument<T> {
  readonly #options: RemoteDocumentOptions<T>;
  #held: Held<T> | undefined;
  #flight: Promise<Held<T>> | undefined;
  #failure: { readonly at: number; readonly error: GatehouseError } | undefined;

  constructor(options: RemoteDocumentOptions<T>) {
    this.#options = options;
  }

  /** What is here now, however old. */
  get held(): Held<T> | undefined {
    return this.#held;
  }

  /** Throws GatehouseError `identity_unavailable`. */
  async get(): Promise<Held<T>> {
    const held = this.#held;
    const { retryMs } = this.#options;
    if (!held) return this.renew(retryMs.empty);
    const age = this.#options.clock.monotonic() - held.at;
    if (age <= this.#options.refreshMs(held.value)) return held;
    if (age > this.#options.staleMs(held.value)) return this.renew(retryMs.empty);
    this.renew().catch(() => undefined);
    return held;
  }

  /** Loads it anew, or joins the load in flight; throws the last failure while that is younger than `pauseMs`. */
  async renew(pauseMs = this.#options.retryMs.held): Promise<Held<T>> {
    const { clock } = this.#options;
    if (this.#flight) return this.#flight;
    if (this.#failure && clock.monotonic() - this.#failure.at < pauseMs) throw this.#failure.error;
    this.#flight = this.#load().finally(() => {
      this.#flight = undefined;
    });
    return this.#flight;
  }

  async #load(): Promise<Held<T>> {
    const { what, load, clock, log, retryMs } = this.#options;
    const at = clock.monotonic();
    try {
      const value = await load();
      this.#failure = undefined;
      this.#held = { value, at };
      return this.#held;
    } catch (cause) {
      const known = cause instanceof GatehouseError && cause.code === 'identity_unavailable';
      const retryAfterSeconds = Math.ceil(retryMs.empty / 1000);
      const error = known ? cause : new GatehouseError('identity_unavailable', { retryAfterSeconds, cause });
      this.#failure = { at: clock.monotonic(), error };
      log.warn({ what, err: cause, usingOld: this.#held !== undefined }, 'identity provider: could not load');
      throw error;
    }
  }
}
