/** How often the same may be asked for: what costs servers something isn't free for whoever repeats it. */
import { LRUCache } from 'lru-cache';
import type { Clock } from '#core/clock.ts';

export interface Cooldown {
  /** False: it was taken a moment ago. */
  take(key: string): boolean;
}

export function openCooldown({
  clock,
  ms,
}: {
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly ms: number;
}): Cooldown {
  const taken = new LRUCache<string, number>({ max: 20_000 });
  return {
    take(key) {
      const now = clock.monotonic();
      const before = taken.get(key);
      if (before !== undefined && now - before < ms) return false;
      taken.set(key, now);
      return true;
    },
  };
}
