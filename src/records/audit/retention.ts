/**
 * What is old enough goes: the beginning of every chain, with a signed tombstone that says what stood at its end; usage
 * simply goes. Rows whose end stands in a later part of a chain stay until that part goes too.
 */
import { sql } from 'kysely';
import type { Clock } from '#core/clock.ts';
import { uuidv7 } from '#core/ids.ts';
import type { Db, Tx } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';
import { insertCheckpoint } from './chain.ts';
import type { AuditKeys } from './keys.ts';
import { type ChainHead, listHeads } from './rows.ts';

export interface RetentionDeps {
  readonly db: Db;
  readonly keys: AuditKeys;
  readonly clock: Clock;
}

/** Rows of before `before` (Unix milliseconds); returns how many went. Throws `storage_unavailable`. */
export async function pruneAudit({ db, keys, clock }: RetentionDeps, before: number): Promise<number> {
  const heads = await withPlatform(db, ({ tx }) => listHeads(tx, undefined));
  let removed = 0;
  for (const head of heads) {
    removed += await withPlatform(db, async ({ tx }) => {
      const end = await endOfOld(tx, head, before);
      if (!end) return 0;
      const { writer, org } = head;
      const id = uuidv7(clock.now());
      const at = new Date(clock.now()).toISOString();
      await insertCheckpoint(tx, keys, { id, kind: 'tombstone', writer, org, ...end, at });
      const { rows } = await sql<{ n: string | number }>`select gateway.prune_audit(${id}::uuid) as n`.execute(tx);
      return Number(rows[0]?.n ?? 0);
    });
  }
  return removed;
}

interface End {
  readonly seq: number;
  readonly hash: string;
  readonly removed: number;
}

/** The last place before the first that stays; undefined: nothing is to go. */
async function endOfOld(tx: Tx, { writer, org }: ChainHead, before: number): Promise<End | undefined> {
  const { rows } = await sql<{ seq: string | number; hash: string; removed: string | number }>`
    with place as (
      select seq, hash, at from gateway.audit
        where writer = ${writer}::uuid and org_id is not distinct from ${org}::uuid
      union all
      select close_seq, close_hash, at from gateway.audit
        where close_writer = ${writer}::uuid and org_id is not distinct from ${org}::uuid
    ), staying as (
      select coalesce(min(seq), 9223372036854775807) as first from place where at >= ${new Date(before)}::timestamptz
    )
    select seq, hash, (select count(*) from gateway.audit a where a.writer = ${writer}::uuid
        and a.org_id is not distinct from ${org}::uuid and a.seq <= place.seq
        and (a.close_writer is null or (a.close_writer = a.writer and a.close_seq <= place.seq))) as removed
      from place, staying where seq < staying.first order by seq desc limit 1
  `.execute(tx);
  const [row] = rows;
  const removed = Number(row?.removed ?? 0);
  return row && removed > 0 ? { seq: Number(row.seq), hash: row.hash, removed } : undefined;
}

/** At most `limit` rows of usage from before `before`; returns how many went. */
export async function pruneUsage(db: Db, before: number, limit = 50_000): Promise<number> {
  return withPlatform(db, async ({ tx }) => {
    const { rows } = await sql<{ n: string | number }>`
      with gone as (delete from gateway.usage where id in (
        select id from gateway.usage where timestamp < ${new Date(before)}::timestamptz limit ${limit}) returning 1)
      select count(*) as n from gone`.execute(tx);
    return Number(rows[0]?.n ?? 0);
  });
}
