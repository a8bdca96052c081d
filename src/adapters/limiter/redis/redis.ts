/**
 * A limiter in Redis or Valkey, shared by all replicas. Redis is never waited for twice: once it did not answer in time this
 * replica counts in its own memory, at once, until Redis takes points again. What is in there decides about nothing but
 * rates: whoever can write it can neither let anybody in nor learn a secret (SECURITY I10).
 */
import { z } from 'zod';
import type { Charge, LimitAnswer, Limiter, LimiterDeps } from '#adapters/limiter/limiter.ts';
import { openMemoryLimiter } from '#adapters/limiter/memory/memory.ts';
import { nameOf } from '#adapters/limiter/window.ts';
import type { Adapter } from '#core/adapter.ts';
import { openLink } from './link.ts';

const config = z.strictObject({
  url: z.string().regex(/^rediss?:\/\//, 'must start with redis:// or rediss://'),
  /** Of this deployment: others may use the same Redis. */
  prefix: z
    .string()
    .regex(/^[\w:-]{1,64}$/)
    .default('gatehouse'),
  /** Milliseconds that an answer may take. */
  commandMs: z.int().positive().default(300),
  /** While Redis is away: milliseconds between two times that it is tried. */
  retryMs: z.int().positive().default(500),
  maxKeys: z.int().positive().default(200_000),
});

export const redisLimiter: Adapter<'redis', typeof config, LimiterDeps, Limiter> = {
  kind: 'redis',
  title: 'Redis or Valkey, shared by all replicas',
  config,
  open: openRedisLimiter,
};

async function openRedisLimiter(
  { url, prefix, commandMs, retryMs, maxKeys }: z.output<typeof config>,
  { log, clock }: LimiterDeps,
): Promise<Limiter> {
  const memory = openMemoryLimiter(maxKeys, clock);
  const link = await openLink({ url, commandMs, retryMs, probe: `${keyPrefix(prefix)}probe`, log });
  let fallbacks = 0;
  const scriptArguments = (charges: readonly Charge[], taking: boolean) => [
    String(charges.length),
    ...charges.map(({ key, limit }) => keyPrefix(prefix) + nameOf(key, limit)),
    taking ? '1' : '0',
    ...charges.flatMap(({ limit }) => [limit.points, limit.windowSeconds * 1000, limit.burst ?? 0].map(String)),
  ];

  function takeAll(charges: readonly Charge[]): LimitAnswer | Promise<LimitAnswer> {
    const alone = () => {
      fallbacks++;
      return memory.takeAll(charges);
    };
    if (charges.length === 0) return memory.takeAll(charges);
    if (link.away) return alone();
    return link
      .ask(scriptArguments(charges, true))
      .then((reply) => (reply ? { allowed: reply[0] === 1, remaining: reply[1], resetMs: reply[2] } : alone()));
  }

  return {
    take: (key, limit) => takeAll([{ key, limit }]),
    takeAll,
    read(key, limit) {
      if (link.away) return memory.read(key, limit);
      return link
        .ask(scriptArguments([{ key, limit }], false))
        .then((reply) => (reply ? { used: reply[1], resetMs: reply[2] } : memory.read(key, limit)));
    },
    get fallbacks() {
      return fallbacks;
    },
    async stats() {
      const shared = link.away ? undefined : await link.count(`${keyPrefix(prefix)}[wb]*`);
      return { keys: shared ?? memory.size, away: link.away };
    },
    async close() {
      await link.close();
      await memory.close();
    },
  };
}

/** The braces keep all keys of a deployment in one slot of a cluster: a script may use several. */
const keyPrefix = (prefix: string): string => `{${prefix}}:limit:`;
