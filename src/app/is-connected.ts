/** Whether the database answers at all. */
import { sql } from 'kysely';
import type { Db } from '#db/schema.ts';

const PATIENCE_MS = 2000;

/** Never rejects. */
export function isConnected(db: Db): Promise<boolean> {
  const answer = sql`select 1`.execute(db).then(
    () => true,
    () => false,
  );
  return Promise.race([
    answer,
    new Promise<boolean>((resolve) => void setTimeout(() => resolve(false), PATIENCE_MS).unref()),
  ]);
}
