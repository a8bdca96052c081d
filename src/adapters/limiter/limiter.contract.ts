/** What every limiter must do. */
import { expect, test } from 'vitest';
import type { Limiter } from './limiter.ts';

/** `pass` lets that many milliseconds go by, for the limiter. */
export function limiterContract(open: () => Promise<Limiter>, pass: (ms: number) => Promise<void>): void {
  const limit = { points: 3, windowSeconds: 60 };

  test('a window has exactly its points, and a new one begins when its time is over', async () => {
    const limiter = await open();
    const answers = [];
    for (let i = 0; i < 5; i++) answers.push(await limiter.take('a', limit));
    expect(answers.map((answer) => answer.allowed)).toEqual([true, true, true, false, false]);
    expect(answers.map((answer) => answer.remaining)).toEqual([2, 1, 0, 0, 0]);
    const last = answers.at(-1)?.resetMs ?? 0;
    expect(last).toBeGreaterThan(0);
    expect(last).toBeLessThanOrEqual(60_000);
    await pass(last + 1);
    expect(await limiter.take('a', limit)).toMatchObject({ allowed: true, remaining: 2 });
    await limiter.close();
  });

  test('points taken at once are all counted', async () => {
    const limiter = await open();
    const answers = await Promise.all(Array.from({ length: 50 }, () => limiter.take('a', limit)));
    expect(answers.filter((answer) => answer.allowed)).toHaveLength(3);
    await limiter.close();
  });

  test('keys do not share points, nor do windows of different length under one key', async () => {
    const limiter = await open();
    for (let i = 0; i < 4; i++) await limiter.take('a', limit);
    expect((await limiter.take('b', limit)).allowed).toBe(true);
    expect((await limiter.take('a', { points: 3, windowSeconds: 1 })).allowed).toBe(true);
    await limiter.close();
  });

  test('refused takes do not lengthen the window', async () => {
    const limiter = await open();
    await limiter.take('a', limit);
    await pass(30_000);
    let resetMs = 0;
    for (let i = 0; i < 10; i++) resetMs = (await limiter.take('a', limit)).resetMs;
    expect(resetMs).toBeLessThanOrEqual(30_000);
    await limiter.close();
  });
}
