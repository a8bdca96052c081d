/** What every limiter must do. */
import { expect, test } from 'vitest';
import type { Limiter } from './limiter.ts';

export interface LimiterSubject {
  readonly open: () => Promise<Limiter>;
  /** Lets that many milliseconds go by, for the limiter. */
  readonly pass: (ms: number) => Promise<void>;
  /** Of the windows of the tests. */
  readonly windowSeconds: number;
}

export function limiterContract({ open, pass, windowSeconds }: LimiterSubject): void {
  const limit = { points: 3, windowSeconds };
  const windowMs = windowSeconds * 1000;
  const allowedOf = async (
    limiter: Limiter,
    key: string,
    times: number,
    of: Parameters<Limiter['take']>[1] = limit,
  ) => {
    let allowed = 0;
    for (let i = 0; i < times; i++) if ((await limiter.take(key, of)).allowed) allowed++;
    return allowed;
  };

  test('a window has exactly its points, and they come back when its time is over [S3.6]', async () => {
    const limiter = await open();
    const answers = [];
    for (let i = 0; i < 5; i++) answers.push(await limiter.take('a', limit));
    expect(answers.map((answer) => answer.allowed)).toEqual([true, true, true, false, false]);
    expect(answers.map((answer) => answer.remaining)).toEqual([2, 1, 0, 0, 0]);
    const last = answers.at(-1)?.resetMs ?? 0;
    expect(last).toBeGreaterThan(0);
    expect(last).toBeLessThanOrEqual(windowMs);
    await pass(last + 1);
    expect(await limiter.take('a', limit)).toMatchObject({ allowed: true });
    await limiter.close();
  });

  test('the window slides: what was taken late in it is still counted in the next [S3.6]', async () => {
    const limiter = await open();
    expect(await allowedOf(limiter, 'a', 1)).toBe(1);
    await pass(windowMs * 0.6);
    expect(await allowedOf(limiter, 'a', 3)).toBe(2);
    await pass(windowMs * 0.6);
    expect(await allowedOf(limiter, 'a', 3)).toBe(1);
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
    await allowedOf(limiter, 'a', 4);
    expect((await limiter.take('b', limit)).allowed).toBe(true);
    expect((await limiter.take('a', { points: 3, windowSeconds: windowSeconds * 2 })).allowed).toBe(true);
    await limiter.close();
  });

  test('refused takes do not lengthen the window', async () => {
    const limiter = await open();
    await limiter.take('a', limit);
    await pass(windowMs / 2);
    let resetMs = 0;
    for (let i = 0; i < 10; i++) resetMs = (await limiter.take('a', limit)).resetMs;
    expect(resetMs).toBeLessThanOrEqual(windowMs / 2);
    await limiter.close();
  });

  test('a limit that is raised or lowered holds at once for what is under way', async () => {
    const limiter = await open();
    await allowedOf(limiter, 'a', 4);
    expect((await limiter.take('a', { ...limit, points: 5 })).allowed).toBe(true);
    expect((await limiter.take('a', { ...limit, points: 4 })).allowed).toBe(false);
    expect((await limiter.take('a', { ...limit, points: 0 })).allowed).toBe(false);
    await limiter.close();
  });

  test('several are taken together or not at all', async () => {
    const limiter = await open();
    const both = ['wide', 'narrow'].map((key) => ({ key, limit: { ...limit, points: key === 'wide' ? 10 : 2 } }));
    const answers = [];
    for (let i = 0; i < 6; i++) answers.push((await limiter.takeAll(both)).allowed);
    expect(answers).toEqual([true, true, false, false, false, false]);
    expect(await limiter.read('wide', limit)).toMatchObject({ used: 2 });
    await limiter.close();
  });

  test('with a burst the quiet get more at once, and the rate stays', async () => {
    const limiter = await open();
    const bursty = { points: 4, windowSeconds, burst: 3 };
    expect(await allowedOf(limiter, 'a', 20, bursty)).toBe(7);
    const refused = await limiter.take('a', bursty);
    expect(refused).toMatchObject({ allowed: false });
    expect(refused.resetMs).toBeLessThanOrEqual(windowMs / 4 + 1);
    await pass(windowMs / 2 + 20);
    expect(await allowedOf(limiter, 'a', 20, bursty)).toBe(2);
    await limiter.close();
  });

  test('usage is read without taking anything', async () => {
    const limiter = await open();
    expect(await limiter.read('a', limit)).toEqual({ used: 0, resetMs: 0 });
    await allowedOf(limiter, 'a', 2);
    for (let i = 0; i < 3; i++) expect(await limiter.read('a', limit)).toMatchObject({ used: 2 });
    expect((await limiter.read('a', limit)).resetMs).toBeGreaterThan(0);
    expect((await limiter.stats()).keys).toBe(1);
    await limiter.close();
  });
}
