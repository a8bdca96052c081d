/** One limiter for all that counts: shared by the replicas where there is a Redis, else this one's own. */
import { limiterAdapters } from '#adapters/limiter/index.ts';
import type { Limiter } from '#adapters/limiter/limiter.ts';
import type { Config } from '#config/load.ts';
import type { Clock } from '#core/clock.ts';
import { deriveKey } from '#core/derive.ts';
import type { Log } from '#core/log.ts';
import type { Secret } from '#core/secret.ts';
import type { Closers } from './closers.ts';

export { pingRedis } from '#adapters/limiter/index.ts';

export interface LimiterDeps {
  readonly rootSecret: Secret;
  readonly clock: Clock;
  readonly log: Log;
  readonly closers: Closers;
}

/** Throws GatehouseError `setting`. A Redis that is away is no reason not to start. */
export async function openLimiter({ redis }: Config, deps: LimiterDeps): Promise<Limiter> {
  const { rootSecret, clock, log, closers } = deps;
  const settings = redis.url
    ? { kind: 'redis', url: redis.url.reveal(), commandMs: redis.commandMs, prefix: prefixOf(rootSecret) }
    : { kind: 'memory' };
  const limiter = await limiterAdapters.open(settings, { log, clock });
  closers.add('limiter', () => limiter.close());
  return limiter;
}

/** Replicas of one deployment have one root secret, and no other deployment has it. */
const prefixOf = (rootSecret: Secret): string =>
  `gatehouse:${deriveKey(rootSecret.reveal(), 'limiter-prefix').toString('hex').slice(0, 16)}`;
