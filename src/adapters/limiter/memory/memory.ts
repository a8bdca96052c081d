/** A limiter in this replica's memory. */
import { z } from 'zod';
import type { Charge, Limit, Limiter, LimiterDeps } from '#adapters/limiter/limiter.ts';
import { type Counted, joinAnswers, lifeOf, nameOf, openBucket, openWindow } from '#adapters/limiter/window.ts';
import type { Adapter } from '#core/adapter.ts';
import { type Clock, systemClock } from '#core/clock.ts';

const config = z.strictObject({
  /** Counted at once. A flood of new keys drops the least recently used of the same length, never all. */
  maxKeys: z.int().positive().default(200_000),
});

export const memoryLimiter: Adapter<'memory', typeof config, LimiterDeps, Limiter> = {
  kind: 'memory',
  title: "This replica's memory",
  config,
  open: ({ maxKeys }, { clock }) => openMemoryLimiter(maxKeys, clock),
};

interface Entry {
  readonly counted: Counted;
  forgetAt: number;
}

/** Answers are values, never promises. */
export interface MemoryLimiter extends Limiter {
  take(...args: Parameters<Limiter['take']>): Exclude<ReturnType<Limiter['take']>, Promise<unknown>>;
  takeAll(...args: Parameters<Limiter['takeAll']>): Exclude<ReturnType<Limiter['takeAll']>, Promise<unknown>>;
  read(...args: Parameters<Limiter['read']>): Exclude<ReturnType<Limiter['read']>, Promise<unknown>>;
  readonly size: number;
}

export function openMemoryLimiter(maxKeys: number, clock: Clock = systemClock): MemoryLimiter {
  /** By length, in the order of use: what stands first is over first. */
  const lengths = new Map<number, Map<string, Entry>>();
  let size = 0;

  function forgetOld(entries: Map<string, Entry>, nowMs: number): void {
    for (const [name, { forgetAt }] of entries) {
      if (forgetAt > nowMs && size <= maxKeys) return;
      entries.delete(name);
      size--;
    }
  }

  function entryOf({ key, limit }: Charge, nowMs: number): Entry {
    const { windowSeconds, burst } = limit;
    const lifeMs = lifeOf(limit);
    const entries = lengths.get(lifeMs) ?? new Map<string, Entry>();
    lengths.set(lifeMs, entries);
    const name = nameOf(key, limit);
    const known = entries.get(name);
    if (known) entries.delete(name);
    else size++;
    const entry = known ?? {
      counted: burst ? openBucket(windowSeconds * 1000) : openWindow(windowSeconds * 1000),
      forgetAt: 0,
    };
    entry.forgetAt = nowMs + lifeMs;
    entries.set(name, entry);
    if (!known) forgetOld(entries, nowMs);
    return entry;
  }

  function take(key: string, limit: Limit) {
    const nowMs = clock.monotonic();
    const { counted } = entryOf({ key, limit }, nowMs);
    const answer = counted.look(nowMs, limit);
    if (answer.allowed) counted.take(nowMs);
    return answer;
  }

  function forgetAll(): void {
    const nowMs = clock.monotonic();
    for (const entries of lengths.values()) forgetOld(entries, nowMs);
  }

  return {
    take,
    takeAll(charges) {
      const [first] = charges;
      if (first && charges.length === 1) return take(first.key, first.limit);
      const nowMs = clock.monotonic();
      const entries = charges.map((charge) => entryOf(charge, nowMs).counted);
      const answer = joinAnswers(entries.map((counted, i) => counted.look(nowMs, charges[i]?.limit ?? nothing)));
      if (answer.allowed) for (const counted of entries) counted.take(nowMs);
      return answer;
    },
    read(key, limit) {
      const entry = lengths.get(lifeOf(limit))?.get(nameOf(key, limit));
      return entry?.counted.usage(clock.monotonic(), limit) ?? { used: 0, resetMs: 0 };
    },
    fallbacks: 0,
    async stats() {
      forgetAll();
      return { keys: size, away: false };
    },
    get size() {
      return size;
    },
    async close() {
      lengths.clear();
      size = 0;
    },
  };
}

const nothing: Limit = { points: 0, windowSeconds: 1 };
