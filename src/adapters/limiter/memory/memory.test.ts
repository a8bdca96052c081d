import { describe, expect, test } from 'vitest';
import { limiterContract } from '#adapters/limiter/limiter.contract.ts';
import { openManualTime } from '#kit/manual-time.ts';
import { openMemoryLimiter } from './memory.ts';

describe('the limiter in memory', () => {
  let time = openManualTime();
  const open = async () => {
    time = openManualTime();
    return openMemoryLimiter(100, time.clock);
  };
  limiterContract({ open, pass: (ms) => time.advance(ms), windowSeconds: 60 });

  const limit = { points: 1, windowSeconds: 60 };

  test('a flood of keys is bounded and a key in use survives it', async () => {
    const limiter = await open();
    limiter.take('busy', limit);
    for (let i = 0; i < 10_000; i++) {
      limiter.take(`stranger ${i}`, limit);
      if (i % 50 === 0) limiter.take('busy', limit);
    }
    expect(limiter.size).toBeLessThanOrEqual(100);
    expect(limiter.take('busy', limit).allowed).toBe(false);
    expect(limiter.take('stranger 0', limit).allowed).toBe(true);
  });

  test('what is over is forgotten', async () => {
    const limiter = await open();
    for (let i = 0; i < 50; i++) limiter.take(`key ${i}`, limit);
    await time.advance(60_000);
    limiter.take('another', limit);
    expect(limiter.size).toBe(1);
  });

  test('a flood spread over the window keeps to the rate, within 2 %, in any stretch of its length', async () => {
    const limiter = await open();
    const taken: number[] = [];
    const wanted = { points: 600, windowSeconds: 60 };
    for (let i = 0; i < 30_000; i++) {
      await time.advance(10);
      if (limiter.take('a', wanted).allowed) taken.push(time.clock.monotonic());
    }
    const minutes = 5;
    expect(Math.abs(taken.length - 600 * minutes)).toBeLessThanOrEqual(600 * minutes * 0.02);
    const most = Math.max(...taken.map((at) => taken.filter((other) => other >= at && other < at + 59_400).length));
    expect(most).toBeLessThanOrEqual(600);
  });
});
