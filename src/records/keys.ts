/** Rows of API keys: the digest only, never the key. Found by their public id before their organization is known. */
import { sql } from 'kysely';
import { GatehouseError } from '#core/error.ts';
import { asKeyId, asOrgId, type KeyId, type OrgId } from '#core/ids.ts';
import type { Db } from '#db/schema.ts';
import { type OrganizationScope, withPlatform } from '#db/scope.ts';
import { parseRoles } from './columns.ts';

export interface KeyRow {
  readonly id: KeyId;
  readonly org: OrgId;
  readonly name: string;
  readonly digest: Uint8Array;
  readonly roles: readonly string[];
  /** Endpoint names the key is good for; undefined: all of its organization. */
  readonly endpoints: readonly string[] | undefined;
  /** Unix milliseconds. */
  readonly expiresAt: number | undefined;
  readonly revokedAt: number | undefined;
}

/** What may be shown of a key. */
export interface KeySummary extends Omit<KeyRow, 'digest'> {
  readonly last4: string;
  readonly createdAt: number;
  readonly lastUsedAt: number | undefined;
}

export interface NewKey {
  readonly id: KeyId;
  readonly name: string;
  readonly digest: Uint8Array;
  readonly last4: string;
  readonly roles: readonly string[];
  readonly endpoints?: readonly string[] | undefined;
  readonly expiresAt?: number | undefined;
}

/** Throws `conflict` when a key of that name is in use. */
export async function insertKey({ tx, org }: OrganizationScope, input: NewKey): Promise<void> {
  await tx
    .insertInto('api_keys')
    .values({
      id: input.id,
      org_id: org,
      name: input.name,
      digest: input.digest,
      last4: input.last4,
      roles: JSON.stringify(input.roles),
      endpoints: input.endpoints ? JSON.stringify(input.endpoints) : null,
      expires_at: input.expiresAt === undefined ? null : new Date(input.expiresAt),
    })
    .execute();
}

/** By primary key, across organizations. A key of a removed organization is not found. */
export function findKey(db: Db, id: KeyId): Promise<KeyRow | undefined> {
  return withPlatform(db, async ({ tx }) => {
    const row = await tx
      .selectFrom('api_keys as k')
      .innerJoin('organizations as o', 'o.id', 'k.org_id')
      .where('k.id', '=', id)
      .where('o.deleted_at', 'is', null)
      .selectAll('k')
      .executeTakeFirst();
    return row && { ...asKey(row), digest: row.digest };
  });
}

/** By name, revoked ones included. */
export async function listKeys({ tx }: OrganizationScope): Promise<readonly KeySummary[]> {
  const rows = await tx.selectFrom('api_keys').selectAll().orderBy('name').orderBy('created_at').execute();
  return rows.map((row) => ({
    ...asKey(row),
    last4: row.last4,
    createdAt: row.created_at.getTime(),
    lastUsedAt: row.last_used_at?.getTime(),
  }));
}

/** Every replica refuses it within a second. A second time changes nothing. Throws `not_found`. */
export async function revokeKey({ tx }: OrganizationScope, id: KeyId, nowMs: number): Promise<void> {
  const { numUpdatedRows } = await tx
    .updateTable('api_keys')
    .set({ revoked_at: sql<Date>`coalesce(revoked_at, ${new Date(nowMs)})` })
    .where('id', '=', id)
    .executeTakeFirst();
  if (numUpdatedRows === 0n) throw new GatehouseError('not_found');
}

/** Notes when keys were last used; announces nothing. */
export async function touchKeys(db: Db, ids: readonly KeyId[], atMs: number): Promise<void> {
  if (ids.length === 0) return;
  await withPlatform(db, ({ tx }) =>
    tx
      .updateTable('api_keys')
      .set({ last_used_at: new Date(atMs) })
      .where('id', 'in', ids)
      .where((is) => is.or([is('last_used_at', 'is', null), is('last_used_at', '<', new Date(atMs))]))
      .execute(),
  );
}

interface KeyColumns {
  readonly id: string;
  readonly org_id: string;
  readonly name: string;
  readonly roles: unknown;
  readonly endpoints: unknown;
  readonly expires_at: Date | null;
  readonly revoked_at: Date | null;
}

function asKey(row: KeyColumns): Omit<KeyRow, 'digest'> {
  return {
    id: asKeyId(row.id),
    org: asOrgId(row.org_id),
    name: row.name,
    roles: parseRoles(row.roles),
    endpoints: row.endpoints === null ? undefined : parseRoles(row.endpoints),
    expiresAt: row.expires_at?.getTime(),
    revokedAt: row.revoked_at?.getTime(),
  };
}

/** The same key under the pepper that is in use. */
export async function renewKeyDigest(db: Db, id: KeyId, digest: Uint8Array): Promise<void> {
  await withPlatform(db, ({ tx }) => tx.updateTable('api_keys').set({ digest }).where('id', '=', id).execute());
}
