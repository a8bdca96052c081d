/** Rows of content filters: what is looked for, where, and what becomes of it. */
import { GatehouseError } from '#core/error.ts';
import { asServerId, type ServerId } from '#core/ids.ts';
import type { Tx } from '#db/schema.ts';
import type { OrganizationScope } from '#db/scope.ts';
import type { ContentFilterSource } from './snapshot.ts';

export interface ContentFilterRecord extends ContentFilterSource {
  /** Both undefined: of all of the organization. */
  readonly server: ServerId | undefined;
  readonly collection: string | undefined;
}

type Row = Awaited<ReturnType<typeof readContentFilters>>[number];

export const readContentFilters = (tx: Tx, ids: readonly string[]) =>
  tx.selectFrom('content_filters').selectAll().where('org_id', 'in', ids).orderBy('name').execute();

export const asContentFilter = (row: Row): ContentFilterRecord => ({
  id: row.id,
  name: row.name,
  kind: row.kind,
  config: row.config,
  looksAt: row.looks_at === 'arguments' || row.looks_at === 'results' ? row.looks_at : 'both',
  // What cannot be read is taken for the strictest.
  action: row.action === 'flag' || row.action === 'redact' ? row.action : 'block',
  server: row.server_id === null ? undefined : asServerId(row.server_id),
  collection: row.collection_id ?? undefined,
});

export async function listContentFilters({ tx, org }: OrganizationScope): Promise<readonly ContentFilterRecord[]> {
  return (await readContentFilters(tx, [org])).map(asContentFilter);
}

/** By name: inserts or replaces. */
export async function putContentFilter(
  { tx, org }: OrganizationScope,
  { name, kind, config, looksAt, action, server, collection }: Omit<ContentFilterRecord, 'id'>,
): Promise<ContentFilterRecord> {
  const values = {
    ...{ kind, config: JSON.stringify(config), looks_at: looksAt, action, updated_at: new Date() },
    ...{ server_id: server ?? null, collection_id: collection ?? null },
  };
  const row = await tx
    .insertInto('content_filters')
    .values({ org_id: org, name, ...values })
    .onConflict((conflict) => conflict.columns(['org_id', 'name']).doUpdateSet(values))
    .returningAll()
    .executeTakeFirstOrThrow();
  return asContentFilter(row);
}

/** Throws `not_found`. */
export async function removeContentFilter({ tx }: OrganizationScope, name: string): Promise<ContentFilterRecord> {
  const row = await tx.deleteFrom('content_filters').where('name', '=', name).returningAll().executeTakeFirst();
  if (!row) throw new GatehouseError('not_found', { message: `There is no content filter "${name}"` });
  return asContentFilter(row);
}
