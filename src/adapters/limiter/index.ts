import { adapterRegistry } from '#core/adapter.ts';
import type { Limiter, LimiterDeps } from './limiter.ts';
import { memoryLimiter } from './memory/memory.ts';
import { redisLimiter } from './redis/redis.ts';

export { pingRedis } from './redis/ping.ts';

export const limiterAdapters = adapterRegistry<LimiterDeps, Limiter>([memoryLimiter, redisLimiter]);
