/** How the parts of this gateway are, asked now. */
import { getHeapStatistics } from 'node:v8';
import type { Limiter } from '#adapters/limiter/limiter.ts';
import type { GatewayHealth } from '#admin/contract/server-health.ts';
import type { Config } from '#config/load.ts';
import type { Clock } from '#core/clock.ts';
import { withPlatform } from '#db/scope.ts';
import type { Spool } from '#records/spool.ts';
import type { Storage } from './storage.ts';

export interface GatewayHealthDeps {
  readonly storage: Pick<Storage, 'db' | 'database'>;
  readonly limiter: Limiter;
  readonly spool: Spool;
  readonly clock: Clock;
}

/** A process that lives says so every minute. */
const silentMs = 300_000;

/** Never rejects: what does not answer is `away`. */
export function openGatewayHealth(config: Config, deps: GatewayHealthDeps): () => Promise<GatewayHealth> {
  const { storage, limiter, spool, clock } = deps;
  const startedAt = new Date(clock.now()).toISOString();
  return async () => {
    const begun = clock.monotonic();
    const processes = await findProcesses(storage, clock).catch(() => undefined);
    const ms = Math.round((clock.monotonic() - begun) * 10) / 10;
    const counted = await limiter.stats().catch(() => undefined);
    const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics();
    return {
      startedAt,
      memory: { usedBytes: used, limitBytes: limit },
      database: { kind: storage.database.kind, state: processes ? 'well' : 'away', ms },
      limiter: {
        ...{ kind: config.redis.url ? 'redis' : 'memory', state: counted && !counted.away ? 'well' : 'away' },
        ...{ keys: counted?.keys ?? null, countedAlone: limiter.fallbacks },
      },
      trail: {
        ...{ accepting: spool.accepting, waitingBytes: spool.bytes, dropped: spool.dropped, refused: spool.refused },
      },
      replicas: processes ?? [],
    };
  };
}

/** Of all replicas, by what each writes into the trail. */
async function findProcesses({ db }: Pick<Storage, 'db'>, clock: Clock): Promise<GatewayHealth['replicas']> {
  const rows = await withPlatform(db, ({ tx }) =>
    tx
      .selectFrom('audit_writers')
      .select(['id', 'started_at', 'seen_at'])
      .where('closed_at', 'is', null)
      .where('seen_at', '>', new Date(clock.now() - silentMs))
      .orderBy('started_at')
      .limit(200)
      .execute(),
  );
  return rows.map(({ id, started_at, seen_at }) => ({
    ...{ id, startedAt: started_at.toISOString(), seenAt: seen_at.toISOString() },
  }));
}
