/** A limiter in this replica's memory. */
import { LRUCache } from 'lru-cache';
import { RateLimiterMemory } from 'rate-limiter-flexible';
import { z } from 'zod';
import type { Limiter, LimiterDeps } from '#adapters/limiter/limiter.ts';
import type { Adapter } from '#core/adapter.ts';

const config = z.strictObject({
  /** Windows kept at once. A flood of new keys drops the least recently used window, never all. */
  maxKeys: z.int().positive().default(200_000),
});

export const memoryLimiter: Adapter<'memory', typeof config, LimiterDeps, Limiter> = {
  kind: 'memory',
  title: "This replica's memory",
  config,
  open: ({ maxKeys }) => openMemoryLimiter(maxKeys),
};

function openMemoryLimiter(maxKeys: number): Limiter {
  // One store counts for limits of any size: the library counts and keeps the time, the comparison is made here.
  const counter = new RateLimiterMemory({ points: Number.MAX_SAFE_INTEGER, duration: 60, keyPrefix: '' });
  const windows = new LRUCache<string, true>({
    max: maxKeys,
    dispose: (_, window, reason) => {
      if (reason === 'evict' || reason === 'delete') void counter.delete(window);
    },
  });
  return {
    async take(key, { points, windowSeconds }) {
      const window = `${windowSeconds} ${key}`;
      if (!windows.get(window)) windows.set(window, true);
      const { consumedPoints, msBeforeNext } = await counter.consume(window, 1, { customDuration: windowSeconds });
      return {
        allowed: consumedPoints <= points,
        remaining: Math.max(points - consumedPoints, 0),
        resetMs: msBeforeNext,
      };
    },
    stats: async () => ({ keys: windows.size }),
    async close() {
      windows.clear();
    },
  };
}
