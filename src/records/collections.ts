/** What an organization publishes at `/{org}/mcp/{collection}`: a name, who may use it, and its bindings (bindings.ts). */
import type { Selectable } from 'kysely';
import { GatehouseError } from '#core/error.ts';
import { asCollectionId, type CollectionId } from '#core/ids.ts';
import type { CollectionsTable } from '#db/schema.ts';
import type { OrganizationScope } from '#db/scope.ts';
import { parseAllowedRoles, parseListing } from './columns.ts';
import type { Listing } from './snapshot.ts';

export interface Collection {
  readonly id: CollectionId;
  readonly name: string;
  /** `'*'`: any active member; empty: nobody. */
  readonly allowedRoles: readonly string[] | '*';
  readonly managedBy: string;
  readonly listing: Listing;
}

export interface NewCollection {
  readonly name: string;
  readonly allowedRoles: readonly string[] | '*';
  readonly managedBy?: string;
  /** Undefined: as it is; for a new one the defaults. */
  readonly listing?: Listing | undefined;
}

/** Throws `conflict` when the organization has one of that name. */
export async function insertCollection({ tx, org }: OrganizationScope, input: NewCollection): Promise<Collection> {
  const row = await tx
    .insertInto('collections')
    .values({
      org_id: org,
      name: input.name,
      allowed_roles: JSON.stringify(input.allowedRoles),
      ...(input.managedBy === undefined ? {} : { managed_by: input.managedBy }),
      ...(input.listing && listingColumns(input.listing)),
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  return asCollection(row);
}

export async function findCollection({ tx }: OrganizationScope, name: string): Promise<Collection | undefined> {
  const row = await tx.selectFrom('collections').selectAll().where('name', '=', name).executeTakeFirst();
  return row && asCollection(row);
}

/** By name. */
export async function listCollections({ tx }: OrganizationScope): Promise<readonly Collection[]> {
  const rows = await tx.selectFrom('collections').selectAll().orderBy('name').execute();
  return rows.map(asCollection);
}

/** Throws `not_found`, `conflict`. */
export async function updateCollection(
  { tx }: OrganizationScope,
  id: CollectionId,
  change: Partial<NewCollection>,
): Promise<Collection> {
  const row = await tx
    .updateTable('collections')
    .set({
      ...(change.name === undefined ? {} : { name: change.name }),
      ...(change.allowedRoles === undefined ? {} : { allowed_roles: JSON.stringify(change.allowedRoles) }),
      ...(change.managedBy === undefined ? {} : { managed_by: change.managedBy }),
      ...(change.listing && listingColumns(change.listing)),
      updated_at: new Date(),
    })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirst();
  if (!row) throw new GatehouseError('not_found');
  return asCollection(row);
}

/** With its bindings, and the credentials that nothing else uses. Throws `not_found`. */
export async function removeCollection({ tx }: OrganizationScope, id: CollectionId): Promise<void> {
  const used = await tx.selectFrom('bindings').select('credential_id').where('collection_id', '=', id).execute();
  const { numDeletedRows } = await tx.deleteFrom('collections').where('id', '=', id).executeTakeFirst();
  if (numDeletedRows === 0n) throw new GatehouseError('not_found');
  const credentials = used.flatMap((row) => row.credential_id ?? []);
  if (credentials.length === 0) return;
  await tx
    .deleteFrom('credentials')
    .where('id', 'in', credentials)
    .where((is) =>
      is.not(is.exists(is.selectFrom('bindings').select('id').whereRef('credential_id', '=', 'credentials.id'))),
    )
    .execute();
}

const listingColumns = ({ names, mode, tokenBudget }: Listing) => ({ names, mode, token_budget: tokenBudget });

function asCollection(row: Selectable<CollectionsTable>): Collection {
  return {
    id: asCollectionId(row.id),
    name: row.name,
    allowedRoles: parseAllowedRoles(row.allowed_roles),
    managedBy: row.managed_by,
    listing: parseListing(row),
  };
}
