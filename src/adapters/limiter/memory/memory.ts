/** A limiter in this replica's memory. */
import { z } from 'zod';
import type { Limit, Limiter, LimiterDeps } from '#adapters/limiter/limiter.ts';
import { type Counted, joinAnswers, lifeOf, openBucket, openWindow } from '#adapters/limiter/window.ts';
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
  /** Since it was put where it stands. */
  isUsed: boolean;
}

/** Windows and buckets of one life stand apart; buckets of one life may fill at different rates. */
const shelfOf = (limit: Limit): number => (limit.burst ? -lifeOf(limit) : limit.windowSeconds * 1000);
const labelOf = (key: string, { windowSeconds, burst }: Limit): string => (burst ? `${windowSeconds}:${key}` : key);

/** Answers are values, never promises. */
export interface MemoryLimiter extends Limiter {
  take(...args: Parameters<Limiter['take']>): Exclude<ReturnType<Limiter['take']>, Promise<unknown>>;
  takeAll(...args: Parameters<Limiter['takeAll']>): Exclude<ReturnType<Limiter['takeAll']>, Promise<unknown>>;
  read(...args: Parameters<Limiter['read']>): Exclude<ReturnType<Limiter['read']>, Promise<unknown>>;
  readonly size: number;
}

export function openMemoryLimiter(maxKeys: number, clock: Clock = systemClock): MemoryLimiter {
  /** Each about in the order of use, so that a take moves nothing: what was used meanwhile goes to the end when it comes first. */
  const shelves = new Map<number, Map<string, Entry>>();
  let size = 0;

  function forgetOld(entries: Map<string, Entry>, nowMs: number): void {
    for (const [label, entry] of entries) {
      const isOver = entry.forgetAt <= nowMs;
      if (!isOver && !entry.isUsed && size <= maxKeys) return;
      entries.delete(label);
      if (!isOver && entry.isUsed) {
        entry.isUsed = false;
        entries.set(label, entry);
      } else size--;
    }
  }

  function entryOf(key: string, limit: Limit, nowMs: number): Entry {
    const shelf = shelfOf(limit);
    const entries = shelves.get(shelf);
    const label = labelOf(key, limit);
    const known = entries?.get(label);
    if (!known) return addEntry(entries ?? new Map<string, Entry>(), { label, limit, nowMs });
    known.forgetAt = nowMs + Math.abs(shelf);
    known.isUsed = true;
    return known;
  }

  function addEntry(
    entries: Map<string, Entry>,
    { label, limit, nowMs }: { readonly label: string; readonly limit: Limit; readonly nowMs: number },
  ): Entry {
    const { windowSeconds, burst } = limit;
    const shelf = shelfOf(limit);
    const counted = burst ? openBucket(windowSeconds * 1000) : openWindow(windowSeconds * 1000);
    const entry = { counted, forgetAt: nowMs + Math.abs(shelf), isUsed: false };
    shelves.set(shelf, entries);
    entries.set(label, entry);
    size++;
    forgetOld(entries, nowMs);
    return entry;
  }

  function take(key: string, limit: Limit) {
    const nowMs = clock.monotonic();
    const { counted } = entryOf(key, limit, nowMs);
    const answer = counted.look(nowMs, limit);
    if (answer.allowed) counted.take(nowMs);
    return answer;
  }

  function forgetAll(): void {
    const nowMs = clock.monotonic();
    for (const entries of shelves.values()) forgetOld(entries, nowMs);
  }

  return {
    take,
    takeAll(charges) {
      const [first] = charges;
      if (first && charges.length === 1) return take(first.key, first.limit);
      const nowMs = clock.monotonic();
      const entries = charges.map(({ key, limit }) => entryOf(key, limit, nowMs).counted);
      const answer = joinAnswers(entries.map((counted, i) => counted.look(nowMs, charges[i]?.limit ?? nothing)));
      if (answer.allowed) for (const counted of entries) counted.take(nowMs);
      return answer;
    },
    read(key, limit) {
      const entry = shelves.get(shelfOf(limit))?.get(labelOf(key, limit));
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
      shelves.clear();
      size = 0;
    },
  };
}

const nothing: Limit = { points: 0, windowSeconds: 1 };
