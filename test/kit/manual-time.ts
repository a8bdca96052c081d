/** A clock and timers that stand still until they are moved on. */
import type { Clock } from '#core/clock.ts';

export interface ManualTime {
  readonly clock: Clock;
  /** As `setTimeout`; the result gives it up. */
  after(ms: number, run: () => void): () => void;
  /** Runs what falls due on the way, in order, with what it makes happen. */
  advance(ms: number): Promise<void>;
}

interface Due {
  readonly at: number;
  readonly run: () => void;
}

/** What promises lead to happens before time goes on. */
export const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

export function openManualTime(startMs = 1_000_000): ManualTime {
  let now = startMs;
  const waiting = new Set<Due>();
  const next = (until: number) => [...waiting].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
  return {
    clock: { now: () => now, monotonic: () => now },
    after(ms, run) {
      const due = { at: now + ms, run };
      waiting.add(due);
      return () => waiting.delete(due);
    },
    async advance(ms) {
      const until = now + ms;
      await settled();
      for (let due = next(until); due; due = next(until)) {
        waiting.delete(due);
        now = Math.max(now, due.at);
        due.run();
        await settled();
      }
      now = until;
      await settled();
    },
  };
}
