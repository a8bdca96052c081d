/** Where replicas are reached by the others. Times are the database's own: replicas' clocks need not agree. */
import { sql } from 'kysely';
import type { Db } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';

export interface ReplicaRow {
  readonly id: string;
  /** Origin of its own listener. */
  readonly url: string;
}

const inSeconds = (seconds: number) => sql<Date>`now() + make_interval(secs => ${seconds})`;

/** Also renews one: known for `seconds` from now. What expired is swept on the way. */
export async function putReplica(db: Db, { id, url }: ReplicaRow, seconds: number): Promise<void> {
  await withPlatform(db, async ({ tx }) => {
    await tx
      .insertInto('replicas')
      .values({ id, url, expires_at: inSeconds(seconds) })
      .onConflict((conflict) => conflict.column('id').doUpdateSet({ url, expires_at: inSeconds(seconds) }))
      .execute();
    await tx.deleteFrom('replicas').where('expires_at', '<=', sql<Date>`now()`).execute();
  });
}

/** undefined: never registered, closed, or silent for too long. */
export function findReplica(db: Db, id: string): Promise<ReplicaRow | undefined> {
  return withPlatform(db, ({ tx }) =>
    tx
      .selectFrom('replicas')
      .select(['id', 'url'])
      .where('id', '=', id)
      .where('expires_at', '>', sql<Date>`now()`)
      .executeTakeFirst(),
  );
}

export async function removeReplica(db: Db, id: string): Promise<void> {
  await withPlatform(db, ({ tx }) => tx.deleteFrom('replicas').where('id', '=', id).execute());
}
