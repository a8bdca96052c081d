/** The keys that sign our tokens: private halves sealed. `next` is published before it signs, `retired` until its tokens are dead. */
import { sql } from 'kysely';
import { z } from 'zod';
import type { Db } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';

export type SigningKeyState = 'next' | 'active' | 'retired';

export interface SigningKeyRow {
  readonly kid: string;
  readonly algorithm: string;
  readonly sealed: string;
  readonly state: SigningKeyState;
  /** Unix milliseconds of the last change of state. */
  readonly changedAt: number;
}

export interface SigningKeyChanges {
  readonly insert?: readonly (Omit<SigningKeyRow, 'changedAt'> & { readonly publicJwk: object })[];
  readonly states?: readonly Pick<SigningKeyRow, 'kid' | 'state'>[];
  readonly remove?: readonly string[];
}

const states = z.enum(['next', 'active', 'retired']);

export function listSigningKeys(db: Db): Promise<readonly SigningKeyRow[]> {
  return withPlatform(db, async ({ tx }) => {
    const rows = await tx.selectFrom('signing_keys').selectAll().orderBy('changed_at', 'desc').orderBy('kid').execute();
    return rows.map((row) => ({
      kid: row.kid,
      algorithm: row.algorithm,
      sealed: row.sealed,
      state: states.parse(row.state),
      changedAt: row.changed_at.getTime(),
    }));
  });
}

/** `decide` sees the keys as they are now, one caller at a time, whatever the replica. */
export async function changeSigningKeys(
  db: Db,
  nowMs: number,
  decide: (rows: readonly Omit<SigningKeyRow, 'sealed'>[]) => SigningKeyChanges,
): Promise<void> {
  const at = new Date(nowMs);
  await withPlatform(db, async ({ tx }) => {
    await sql`select pg_advisory_xact_lock(hashtextextended('gateway.signing_keys', 0))`.execute(tx);
    const rows = await tx.selectFrom('signing_keys').select(['kid', 'algorithm', 'state', 'changed_at']).execute();
    const known = rows.map(({ kid, algorithm, state, changed_at }) => ({
      kid,
      algorithm,
      state: states.parse(state),
      changedAt: changed_at.getTime(),
    }));
    const { insert = [], states: changed = [], remove = [] } = decide(known);
    for (const { publicJwk, ...key } of insert) {
      const values = { ...key, public_jwk: JSON.stringify(publicJwk), created_at: at, changed_at: at };
      await tx.insertInto('signing_keys').values(values).execute();
    }
    for (const { kid, state } of changed) {
      await tx.updateTable('signing_keys').set({ state, changed_at: at }).where('kid', '=', kid).execute();
    }
    if (remove.length > 0)
      await tx
        .deleteFrom('signing_keys')
        .where('kid', 'in', [...remove])
        .execute();
  });
}
