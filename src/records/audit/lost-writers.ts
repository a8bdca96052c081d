import { sql } from 'kysely';
import type { Clock } from '#core/clock.ts';
import type { Db } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';
import type { AuditTrail } from './event.ts';

/** A process that lives says so every minute. */
const silentMs = 300_000;

/** Processes that ended without a word: what stood in their memory is in their spool, and the trail says where a chain just stops. */
export async function noteLostWriters(deps: {
  readonly db: Db;
  readonly clock: Clock;
  readonly trail: AuditTrail;
}): Promise<void> {
  const { db, clock, trail } = deps;
  const now = new Date(clock.now());
  const lost = await withPlatform(db, async ({ tx }) => {
    const { rows } = await sql<{ id: string }>`
      update gateway.audit_writers set lost_at = ${now}
      where closed_at is null and lost_at is null and seen_at < ${new Date(clock.now() - silentMs)} returning id`.execute(
      tx,
    );
    return rows;
  });
  for (const { id } of lost) {
    await trail.record({ kind: 'security', action: 'audit.writer_gap', detail: { writer: id } });
  }
}
