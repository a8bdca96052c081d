/** How exactly three replicas keep to a limit that they share, under more load than it lets through. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { hasRedis, startRedis } from '#kit/redis-server.ts';

const report = z.object({ asked: z.number(), allowedAt: z.array(z.number()), fallbacks: z.number() });
const REPLICAS = 3;

async function flood(url: string, limit: { points: number; windowSeconds: number }, seconds: number) {
  const values = [url, limit.points, limit.windowSeconds, seconds, 8].map(String);
  const children = Array.from({ length: REPLICAS }, () => fork(join(import.meta.dirname, 'replica.ts'), values));
  try {
    await Promise.all(children.map((child) => once(child, 'message')));
    const reports = children.map(async (child) => {
      const [message]: unknown[] = await once(child, 'message');
      return report.parse(message);
    });
    for (const child of children) child.send('go');
    return await Promise.all(reports);
  } finally {
    for (const child of children) child.kill();
  }
}

describe.skipIf(!hasRedis)('a limit shared by three replicas (skipped where redis-server is not installed)', () => {
  test.each([
    { points: 200, windowSeconds: 2 },
    { points: 2000, windowSeconds: 2 },
  ])(
    '$points in $windowSeconds s are kept to within 2 %, in all and in any stretch of that length [X3.3]',
    async (limit) => {
      const redis = await startRedis();
      const windows = 3;
      const reports = await flood(redis.url, limit, limit.windowSeconds * windows + 1);
      await redis.close();
      const allowedAt = reports.flatMap((replica) => replica.allowedAt).sort((a, b) => a - b);
      const asked = reports.reduce((sum, replica) => sum + replica.asked, 0);
      const [first = 0] = allowedAt;
      const windowMs = limit.windowSeconds * 1000;
      const all = allowedAt.filter((at) => at < first + windows * windowMs - 5).length;
      const wanted = limit.points * windows;
      let most = 0;
      for (let from = 0, to = 0; to < allowedAt.length; to++) {
        while ((allowedAt[to] ?? 0) - (allowedAt[from] ?? 0) >= windowMs * 0.98) from++;
        most = Math.max(most, to - from + 1);
      }
      const off = ((all - wanted) / wanted) * 100;
      const over = ((most - limit.points) / limit.points) * 100;
      process.stderr.write(
        `${REPLICAS} replicas asked ${asked} times: ${all} of ${wanted} allowed (${off.toFixed(2)} %), at most ${most} of ${limit.points} in one window (${over.toFixed(2)} %)\n`,
      );
      expect(asked).toBeGreaterThan(wanted * 2);
      expect(reports.map(({ fallbacks }) => fallbacks)).toEqual([0, 0, 0]);
      expect(Math.abs(off)).toBeLessThanOrEqual(2);
      expect(over).toBeLessThanOrEqual(2);
    },
  );
});
