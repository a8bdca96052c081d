/** The trail as it grows, to whoever looks on: one recorded read, not one for every glance. */
import { setTimeout } from 'node:timers/promises';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import type { AuditReader } from '#records/audit/reader.ts';
import type { AuditFilter } from '#records/audit/rows.ts';
import type { Following } from './actor.ts';

const glanceMs = 1000;
/** Rows come in batches, and from replicas whose clocks differ. */
const lateMs = 15_000;
const glanceRows = 500;
/** Whoever looks on longer asks again, and is asked again who they are. */
const mostMs = 300_000;
const mostFollowers = 32;

let followers = 0;

export interface FollowedTrail {
  readonly filter: Omit<AuditFilter, 'after' | 'order' | 'limit'>;
  readonly clock: Clock;
  readonly following: Following;
}

/** Ends when whoever looks on goes away, and after five minutes. Throws `rate_limited` for one too many on this replica. */
export async function followTrail(
  reader: Pick<AuditReader, 'list'>,
  { filter, clock, following: { hear, write, signal } }: FollowedTrail,
): Promise<void> {
  if (followers >= mostFollowers)
    throw new GatehouseError('rate_limited', { message: 'Too many look on at this moment: try again later' });
  followers += 1;
  try {
    const begun = clock.monotonic();
    let [since, seen] = [filter.since ?? clock.now(), new Set<string>()];
    // An empty line says that it is on.
    await write('\n');
    while (!signal.aborted && clock.monotonic() - begun < mostMs) {
      const rows = await reader.list({ ...filter, since, order: 'newest', limit: glanceRows });
      for (const row of rows.toReversed()) if (!seen.has(row.id)) hear(row);
      seen = new Set([...(rows.length === glanceRows ? seen : []), ...rows.map(({ id }) => id)]);
      since = Math.max(since, clock.now() - lateMs);
      await setTimeout(glanceMs, undefined, { signal }).catch(() => undefined);
      await write('\n');
    }
  } finally {
    followers -= 1;
  }
}
