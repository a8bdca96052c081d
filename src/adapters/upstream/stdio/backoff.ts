/** After a crash the next start waits, after each further one twice as long. */
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';

export interface BackoffOptions {
  /** First wait after a crash; doubles up to the maximum. */
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
  /** A child that lived this long is no crash loop. */
  readonly healthyMs: number;
  /** How long a call waits for the end of a backoff before it is refused at once. */
  readonly patienceMs: number;
}

export class Backoff {
  readonly #clock: Clock;
  readonly #options: BackoffOptions;
  #failures = 0;
  #nextStartAt = 0;

  constructor(clock: Clock, options: BackoffOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  /** There is nothing to remember. */
  get forgiven(): boolean {
    return this.#failures === 0 || this.#clock.monotonic() > this.#nextStartAt + 60_000;
  }

  /** Until a start is due. Rejects GatehouseError `upstream_busy` when that is too far off. */
  async wait(): Promise<void> {
    const waitMs = this.#nextStartAt - this.#clock.monotonic();
    if (waitMs <= 0) return;
    if (waitMs > this.#options.patienceMs) {
      throw new GatehouseError('upstream_busy', {
        message: 'Upstream server keeps failing',
        retryAfterSeconds: Math.ceil(waitMs / 1000),
      });
    }
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }

  /** A child ended by itself, or could not be made ready. */
  fail(livedMs: number): void {
    const { backoffMs, maxBackoffMs, healthyMs } = this.#options;
    const wasHealthy = livedMs >= healthyMs;
    this.#failures = wasHealthy ? 0 : this.#failures + 1;
    const waitMs = wasHealthy ? 0 : Math.min(maxBackoffMs, backoffMs * 2 ** (this.#failures - 1));
    this.#nextStartAt = this.#clock.monotonic() + waitMs;
  }
}
