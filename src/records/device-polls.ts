/** How often a device asks for its tokens (RFC 8628 3.5): one row beside each pending device code. */
import { z } from 'zod';
import type { Db } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';

const model = 'DevicePoll';
const state = z.object({ at: z.number(), intervalMs: z.number() });

export interface DevicePoll {
  /** Digest of the device code. */
  readonly id: string;
  /** Unix milliseconds. */
  readonly nowMs: number;
  readonly expiresAt: number;
  /** Between two polls at first, and by how much it grows with each that comes too soon. */
  readonly intervalMs: number;
  /** A poll this much early is on time. */
  readonly toleranceMs: number;
}

/** True: it asks too often, and has to wait longer from now on. */
export function noteDevicePoll(db: Db, poll: DevicePoll): Promise<boolean> {
  const { id, nowMs, intervalMs, toleranceMs } = poll;
  return withPlatform(db, async ({ tx }) => {
    const first = await tx
      .insertInto('oauth_records')
      .values({
        model,
        id,
        payload: JSON.stringify({ at: nowMs, intervalMs }),
        expires_at: new Date(poll.expiresAt),
      })
      .onConflict((conflict) => conflict.columns(['model', 'id']).doNothing())
      .returning('id')
      .executeTakeFirst();
    if (first) return false;
    const own = tx.selectFrom('oauth_records').where('model', '=', model).where('id', '=', id);
    const row = await own.select('payload').forUpdate().executeTakeFirstOrThrow();
    const before = state.parse(row.payload);
    const early = nowMs - before.at < before.intervalMs - toleranceMs;
    const after = { at: nowMs, intervalMs: before.intervalMs + (early ? intervalMs : 0) };
    await tx
      .updateTable('oauth_records')
      .set({ payload: JSON.stringify(after) })
      .where('model', '=', model)
      .where('id', '=', id)
      .execute();
    return early;
  });
}
