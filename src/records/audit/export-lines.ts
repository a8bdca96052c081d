/** The trail as JSON Lines that say everything there is to check: rows in order of time, then heads and checkpoints. */
import type { Db } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';
import { type AuditFilter, listAudit, listCheckpoints, listHeads } from './rows.ts';

/** An export is no copy of the database (SECURITY 3.3). */
export const maxExportRows = 1_000_000;

/** `limit`: rows of one read. Throws `storage_unavailable`. */
export async function* exportLines(db: Db, filter: Omit<AuditFilter, 'after'>): AsyncGenerator<string> {
  const { org, since, until } = filter;
  yield JSON.stringify({ type: 'export', partial: isPartial(filter), since: since ?? null, until: until ?? null });
  const [heads, checkpoints] = await withPlatform(db, async ({ tx }) => [
    await listHeads(tx, org),
    await listCheckpoints(tx, org),
  ]);
  let after: AuditFilter['after'];
  for (let left = maxExportRows; left > 0; ) {
    const page = { ...filter, limit: Math.min(filter.limit, left), after };
    const rows = await withPlatform(db, ({ tx }) => listAudit(tx, page));
    for (const row of rows) yield JSON.stringify({ type: 'row', ...row });
    left -= rows.length;
    const last = rows.at(-1);
    if (!last || rows.length < page.limit) break;
    after = { at: last.at, id: last.id };
  }
  for (const head of heads) yield JSON.stringify({ type: 'head', ...head });
  for (const point of checkpoints) yield JSON.stringify({ type: 'checkpoint', ...point });
}

/** Then rows before the first are not missed. */
export const isPartial = ({ since, until }: Pick<AuditFilter, 'since' | 'until'>): boolean =>
  since !== undefined || until !== undefined;
