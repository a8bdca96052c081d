import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { limiterAdapters } from '#adapters/limiter/index.ts';
import { limiterContract } from '#adapters/limiter/limiter.contract.ts';
import { silentLog } from '#core/log.ts';

const open = (settings: object = {}) =>
  limiterAdapters.open(limiterAdapters.config.parse({ kind: 'memory', ...settings }), { log: silentLog });

describe('the limiter in memory', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  limiterContract(open, async (ms) => {
    await vi.advanceTimersByTimeAsync(ms);
  });

  test('a limit that is raised holds at once for a window under way', async () => {
    const limiter = await open();
    for (let i = 0; i < 3; i++) await limiter.take('a', { points: 2, windowSeconds: 60 });
    expect((await limiter.take('a', { points: 2, windowSeconds: 60 })).allowed).toBe(false);
    expect((await limiter.take('a', { points: 10, windowSeconds: 60 })).allowed).toBe(true);
  });

  test('a flood of keys is bounded and a key in use survives it', async () => {
    const limiter = await open({ maxKeys: 100 });
    const limit = { points: 1, windowSeconds: 60 };
    await limiter.take('busy', limit);
    const timers = vi.getTimerCount();
    for (let i = 0; i < 10_000; i++) {
      await limiter.take(`stranger ${i}`, limit);
      if (i % 50 === 0) await limiter.take('busy', limit);
    }
    expect(vi.getTimerCount()).toBeLessThanOrEqual(timers + 100);
    expect((await limiter.take('busy', limit)).allowed).toBe(false);
    expect((await limiter.take('stranger 0', limit)).allowed).toBe(true);
    await limiter.close();
    expect(vi.getTimerCount()).toBe(0);
  });
});
