/** Cedar policies of an organization: what they are attached to, and the configuration as it was written. */
import type { Selectable } from 'kysely';
import { GatehouseError } from '#core/error.ts';
import { asPolicyId, type PolicyId } from '#core/ids.ts';
import type { JsonObject } from '#core/json.ts';
import type { PoliciesTable } from '#db/schema-access.ts';
import type { OrganizationScope } from '#db/scope.ts';

/** Both undefined: all of the organization. */
export interface PolicyTarget {
  /** Id of a server. */
  readonly server: string | undefined;
  /** Id of a collection. */
  readonly collection: string | undefined;
}

export interface NewPolicy extends PolicyTarget {
  readonly name: string;
  readonly config: JsonObject;
  readonly onError: 'deny' | 'skip';
  readonly mode: 'enforce' | 'log';
  readonly managedBy: 'api' | 'file';
}

export interface Policy extends NewPolicy {
  readonly id: PolicyId;
  readonly version: number;
  /** Unix milliseconds. */
  readonly updatedAt: number;
}

/** By name. */
export async function listPolicies({ tx }: OrganizationScope): Promise<readonly Policy[]> {
  const rows = await tx.selectFrom('policies').selectAll().orderBy('name').execute();
  return rows.map(asPolicy);
}

/** Throws `conflict` for a name that is taken, `not_found` for a target that is not the organization's. */
export async function insertPolicy({ tx, org }: OrganizationScope, values: NewPolicy): Promise<Policy> {
  const row = await tx
    .insertInto('policies')
    .values({ org_id: org, name: values.name, ...columnsOf(values) })
    .returningAll()
    .executeTakeFirstOrThrow();
  return asPolicy(row);
}

/** Its version grows. Throws `not_found`. */
export async function updatePolicy({ tx }: OrganizationScope, id: PolicyId, values: NewPolicy): Promise<Policy> {
  const row = await tx
    .updateTable('policies')
    .set({ ...columnsOf(values), updated_at: new Date() })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirst();
  if (!row) throw new GatehouseError('not_found');
  return asPolicy(row);
}

/** Throws `not_found`. */
export async function removePolicy({ tx }: OrganizationScope, id: PolicyId): Promise<void> {
  const { numDeletedRows } = await tx.deleteFrom('policies').where('id', '=', id).executeTakeFirst();
  if (numDeletedRows === 0n) throw new GatehouseError('not_found');
}

function columnsOf({ server, collection, config, onError, mode, managedBy }: NewPolicy) {
  return {
    server_id: server ?? null,
    collection_id: collection ?? null,
    config: JSON.stringify(config),
    on_error: onError,
    mode,
    managed_by: managedBy,
  };
}

function asPolicy(row: Selectable<PoliciesTable>): Policy {
  return {
    id: asPolicyId(row.id),
    name: row.name,
    server: row.server_id ?? undefined,
    collection: row.collection_id ?? undefined,
    config: row.config as JsonObject,
    onError: row.on_error === 'skip' ? 'skip' : 'deny',
    mode: row.mode === 'log' ? 'log' : 'enforce',
    managedBy: row.managed_by === 'file' ? 'file' : 'api',
    version: row.version,
    updatedAt: row.updated_at.getTime(),
  };
}
