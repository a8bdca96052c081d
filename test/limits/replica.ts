/** One of several processes that take from one shared limiter as fast as they can: says when it was allowed to. */
import { limiterAdapters } from '#adapters/limiter/index.ts';
import { silentLog } from '#core/log.ts';

const [url = '', points = '', windowSeconds = '', seconds = '', lanes = ''] = process.argv.slice(2);
const limiter = await limiterAdapters.open(limiterAdapters.config.parse({ kind: 'redis', url }), { log: silentLog });
const limit = { points: Number(points), windowSeconds: Number(windowSeconds) };
const allowedAt: number[] = [];
let asked = 0;
process.send?.('ready');
await new Promise((resolve) => process.once('message', resolve));
const endsAt = Date.now() + Number(seconds) * 1000;
await Promise.all(
  Array.from({ length: Number(lanes) }, async () => {
    while (Date.now() < endsAt) {
      asked++;
      const { allowed } = await limiter.take('shared', limit);
      if (allowed) allowedAt.push(Date.now());
    }
  }),
);
const { fallbacks } = limiter;
process.send?.({ asked, allowedAt, fallbacks });
await limiter.close();
process.disconnect?.();
