/** Ended sessions of legacy clients: sealed session ids cannot be taken back, so every replica remembers these until they expire. */
import type { Db } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';

export interface SessionRevocation {
  readonly digest: string;
  /** Unix milliseconds. */
  readonly expiresAt: number;
}

/** Announced to every replica as a `session` change. A second time changes nothing. */
export async function insertSessionRevocation(db: Db, { digest, expiresAt }: SessionRevocation): Promise<void> {
  await withPlatform(db, ({ tx }) =>
    tx
      .insertInto('session_revocations')
      .values({ digest, expires_at: new Date(expiresAt) })
      .onConflict((conflict) => conflict.column('digest').doNothing())
      .execute(),
  );
}

/** Those not yet expired: for a replica's start and after an interrupted feed. */
export function listSessionRevocations(db: Db, nowMs: number): Promise<readonly SessionRevocation[]> {
  return withPlatform(db, async ({ tx }) => {
    const rows = await tx
      .selectFrom('session_revocations')
      .selectAll()
      .where('expires_at', '>', new Date(nowMs))
      .execute();
    return rows.map((row) => ({ digest: row.digest, expiresAt: row.expires_at.getTime() }));
  });
}

export async function removeExpiredSessionRevocations(db: Db, nowMs: number): Promise<void> {
  await withPlatform(db, ({ tx }) =>
    tx.deleteFrom('session_revocations').where('expires_at', '<=', new Date(nowMs)).execute(),
  );
}
