/**
 * The port to a rate limiter. A limit is so many points in any stretch of time of its length (a sliding window); with
 * `burst` it is a bucket of that much more, which fills again at the limit's own rate.
 */
import type { Clock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';

export interface Limit {
  readonly points: number;
  readonly windowSeconds: number;
  /** Beyond `points`, for whoever was quiet before. */
  readonly burst?: number;
}

export interface Charge {
  readonly key: string;
  readonly limit: Limit;
}

export interface LimitAnswer {
  readonly allowed: boolean;
  /** Of the tightest. */
  readonly remaining: number;
  /** Milliseconds: until a refused take may succeed, else until the first point comes back. */
  readonly resetMs: number;
}

export interface LimitUsage {
  readonly used: number;
  /** Milliseconds until the first of them comes back; 0: none is used. */
  readonly resetMs: number;
}

/** Nothing here ever throws or rejects: an unreachable store falls back to this replica's memory. */
export interface Limiter {
  /** Takes one point from `key`. A value, where nobody else has to be asked. */
  take(key: string, limit: Limit): LimitAnswer | Promise<LimitAnswer>;
  /** One point from each, or none from any where one has none left. */
  takeAll(charges: readonly Charge[]): LimitAnswer | Promise<LimitAnswer>;
  /** Takes nothing. */
  read(key: string, limit: Limit): LimitUsage | Promise<LimitUsage>;
  /** Takes that this replica counted alone because the shared store was away, ever. */
  readonly fallbacks: number;
  stats(): Promise<LimiterStats>;
  close(): Promise<void>;
}

export interface LimiterStats {
  /** Counted now, by all replicas where they share them. */
  readonly keys: number;
  /** The shared store is away: each replica counts for itself. */
  readonly away: boolean;
}

export interface LimiterDeps {
  readonly log: Log;
  readonly clock?: Clock;
}
