/** The port to a rate limiter: fixed points per window, per key. */
import type { Log } from '#core/log.ts';

export interface LimitAnswer {
  readonly allowed: boolean;
  readonly remaining: number;
  /** Milliseconds until the window resets. */
  readonly resetMs: number;
}

export interface Limiter {
  /** Takes one point from `key`'s window. Never throws: an unreachable store falls back to this replica's memory. */
  take(
    key: string,
    limit: { readonly points: number; readonly windowSeconds: number },
  ): LimitAnswer | Promise<LimitAnswer>;
  stats(): Promise<LimiterStats>;
  close(): Promise<void>;
}

export interface LimiterStats {
  /** Counted now. */
  readonly keys: number;
}

export interface LimiterDeps {
  readonly log: Log;
}
