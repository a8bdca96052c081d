import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { limiterAdapters } from '#adapters/limiter/index.ts';
import { limiterContract } from '#adapters/limiter/limiter.contract.ts';
import type { Limiter } from '#adapters/limiter/limiter.ts';
import type { Log } from '#core/log.ts';
import { type FakeRedis, reply, startFakeRedis } from '#kit/fake-redis.ts';
import { hasRedis, type RedisServer, startRedis } from '#kit/redis-server.ts';

const limit = { points: 3, windowSeconds: 60 };
let said: string[] = [];
const hear = (_fields: object, message: string) => void said.push(message);
const log: Log = { debug: () => undefined, info: () => undefined, warn: hear, error: hear };
const open = (url: string, settings: object = {}): Promise<Limiter> =>
  limiterAdapters.open(limiterAdapters.config.parse({ kind: 'redis', url, retryMs: 50, ...settings }), { log });
const timed = async <T>(work: () => T | Promise<T>) => {
  const started = performance.now();
  const value = await work();
  return { value, ms: performance.now() - started };
};
const allowed = async (limiter: Limiter, times: number, key = 'a') => {
  let count = 0;
  for (let i = 0; i < times; i++) if ((await limiter.take(key, limit)).allowed) count++;
  return count;
};
const isAway = async (limiter: Limiter) => (await limiter.stats()).away;

describe('the limiter in Redis, where Redis misbehaves', () => {
  let redis: FakeRedis;
  let limiter: Limiter | undefined;
  beforeEach(async () => {
    said = [];
    redis = await startFakeRedis();
  });
  afterEach(async () => {
    await limiter?.close();
    await redis.close();
  });

  test('what Redis counted is the answer, one round trip for all limits of a call', async () => {
    limiter = await open(redis.url);
    const before = redis.asked.length;
    redis.answer = () => reply(0, 0, 1234);
    const charges = [1, 2, 3].map((i) => ({ key: `k${i}`, limit }));
    expect(await limiter.takeAll(charges)).toEqual({ allowed: false, remaining: 0, resetMs: 1234 });
    expect(redis.asked.slice(before)).toHaveLength(1);
  });

  test('silence is waited for once, then this replica counts at once, and says so once [R8]', async () => {
    limiter = await open(redis.url);
    redis.answer = () => undefined;
    const first = await Promise.all(Array.from({ length: 20 }, () => timed(() => limiter?.take('a', limit))));
    expect(first.filter(({ value }) => value?.allowed)).toHaveLength(3);
    expect(Math.max(...first.map(({ ms }) => ms))).toBeLessThan(450);
    const next = await timed(() => limiter?.take('b', limit));
    expect(next.value?.allowed).toBe(true);
    expect(next.ms).toBeLessThan(5);
    expect(said).toHaveLength(1);
    expect(limiter.fallbacks).toBe(21);
  });

  test.each([
    ['an error', '-OOM command not allowed when used memory > maxmemory\r\n'],
    ['text', '+hello\r\n'],
    ['too little', reply(1)],
    ['numbers that are none', '*3\r\n$1\r\nx\r\n$1\r\ny\r\n$1\r\nz\r\n'],
    ['nothing', '$-1\r\n'],
  ])('%s for an answer is none: this replica counts, nothing fails [R8] [R9]', async (_what, wire) => {
    limiter = await open(redis.url);
    redis.answer = () => wire;
    expect(await allowed(limiter, 5)).toBe(3);
    expect(said).toHaveLength(1);
    redis.answer = () => reply(1, 5, 1000);
    await expect.poll(() => limiter && isAway(limiter)).toBe(false);
    expect(await allowed(limiter, 5)).toBe(5);
  });

  test('a script that Redis forgot is sent again', async () => {
    limiter = await open(redis.url);
    redis.answer = ([name]) => (name === 'EVALSHA' ? '-NOSCRIPT No matching script\r\n' : reply(1, 5, 1000));
    expect((await limiter.take('a', limit)).remaining).toBe(5);
    expect(said).toEqual([]);
  });

  test('the gateway starts without Redis, and takes it when it comes', async () => {
    const { url } = redis;
    await redis.close();
    const started = await timed(() => open(url));
    limiter = started.value;
    expect(started.ms).toBeLessThan(1500);
    expect(await allowed(limiter, 5)).toBe(3);
    expect(said).toHaveLength(1);
  });
});

describe.skipIf(!hasRedis)('the limiter in a real Redis (skipped where redis-server is not installed)', () => {
  let redis: RedisServer;
  let limiter: Limiter | undefined;
  beforeEach(async () => {
    said = [];
    redis = await startRedis();
  });
  afterEach(async () => {
    await limiter?.close();
    await redis.close();
  });

  limiterContract({ open: () => open(redis.url), pass: (ms) => pause(ms), windowSeconds: 1 });

  test('replicas share what they count, and deployments do not', async () => {
    limiter = await open(redis.url);
    const second = await open(redis.url);
    const other = await open(redis.url, { prefix: 'other' });
    expect(await allowed(limiter, 2)).toBe(2);
    expect(await allowed(second, 2)).toBe(1);
    expect(await allowed(other, 5)).toBe(3);
    await second.close();
    await other.close();
  });

  test('killed, it is not waited for; back and empty, it counts again [R8]', async () => {
    limiter = await open(redis.url);
    expect(await allowed(limiter, 2)).toBe(2);
    await redis.kill();
    const gone = await timed(() => limiter && allowed(limiter, 5));
    expect(gone.value).toBe(3);
    expect(gone.ms).toBeLessThan(350);
    expect(said).toHaveLength(1);
    await redis.start();
    await expect.poll(() => limiter && isAway(limiter), { timeout: 5000 }).toBe(false);
    expect(await allowed(limiter, 5)).toBe(3);
    expect(said).toHaveLength(1);
  });

  test('held still, it costs 300 ms once; let go on, it counts again [R8]', async () => {
    limiter = await open(redis.url);
    await limiter.take('a', limit);
    redis.hold();
    const first = await timed(() => limiter?.take('a', limit));
    expect(first.value?.allowed).toBe(true);
    expect(first.ms).toBeLessThan(400);
    const next = await timed(() => limiter && allowed(limiter, 200, 'b'));
    expect(next.ms).toBeLessThan(100);
    redis.resume();
    await expect.poll(() => limiter && isAway(limiter), { timeout: 5000 }).toBe(false);
  });

  test('flushed or full, nothing fails [R8]', async () => {
    limiter = await open(redis.url);
    expect(await allowed(limiter, 5)).toBe(3);
    await redis.send('FLUSHALL');
    await redis.send('SCRIPT', 'FLUSH');
    expect(await allowed(limiter, 5)).toBe(3);
    expect(said).toEqual([]);
    await redis.send('CONFIG', 'SET', 'maxmemory', '1');
    expect(await allowed(limiter, 5, 'full')).toBe(3);
    await redis.send('CONFIG', 'SET', 'maxmemory', '0');
    await expect.poll(() => limiter && isAway(limiter), { timeout: 5000 }).toBe(false);
    expect(said).toHaveLength(1);
  });

  test('what somebody else wrote into it counts as nothing [R9] [I10]', async () => {
    limiter = await open(redis.url);
    await limiter.take('a', limit);
    const [, keys] = (await redis.send('SCAN', '0', 'MATCH', '*:a')) as [string, string[]];
    const key = keys[0] ?? '';
    expect(key).toContain('w60:a');
    for (const forged of [
      ['SET', key, 'garbage'],
      ['SET', key, '\x92\xcb\x7f\xf8'],
      ['EVAL', "redis.call('SET', KEYS[1], cmsgpack.pack({-5, -1000000}))", '1', key],
      ['EVAL', "redis.call('SET', KEYS[1], cmsgpack.pack({{}, 'x'}))", '1', key],
      ['EVAL', "redis.call('SET', KEYS[1], cmsgpack.pack({9e14, 1e9}))", '1', key],
    ]) {
      await redis.send(...forged);
      expect(await allowed(limiter, 5)).toBe(3);
    }
    await redis.send('DEL', key);
    await redis.send('LPUSH', key, 'a list');
    expect(await allowed(limiter, 5)).toBe(3);
    expect(said).toEqual([]);
  });
});
