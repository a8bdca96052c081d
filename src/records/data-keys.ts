/** Wrapped data keys of organizations: what the vault stores. Removing an organization's makes its secrets unreadable. */
import { GatehouseError } from '#core/error.ts';
import type { OrgId } from '#core/ids.ts';
import type { Db, Tx } from '#db/schema.ts';
import { withOrganization } from '#db/scope.ts';

export interface DataKey {
  /** UUIDv7. */
  readonly dekId: string;
  readonly org: OrgId;
  readonly kekId: string;
  readonly wrapped: string;
  /** At most one of an organization is active: it seals; the others only open. */
  readonly state: 'active' | 'retired';
}

export interface DataKeyStore {
  listDataKeys(org: OrgId): Promise<readonly DataKey[]>;
  /**
   * In one transaction: retires `replaces` and inserts `key` as the active one. False, and nothing written, if the active
   * key is no longer `replaces` (undefined: there is none yet): another replica came first.
   */
  insertDataKey(key: DataKey, replaces: string | undefined): Promise<boolean>;
  /** After a change of the key-encryption key. */
  updateDataKey(
    org: OrgId,
    dekId: string,
    wrapping: { readonly kekId: string; readonly wrapped: string },
  ): Promise<void>;
  /** Crypto-shredding: what was sealed for this organization never opens again. */
  removeDataKeys(org: OrgId): Promise<void>;
}

export function openDataKeyStore(db: Db): DataKeyStore {
  return {
    listDataKeys: (org) => withOrganization(db, org, ({ tx }) => listDataKeys(tx, org)),
    insertDataKey: (key, replaces) => insertDataKey(db, key, replaces),
    updateDataKey: (org, dekId, { kekId, wrapped }) =>
      withOrganization(db, org, async ({ tx }) => {
        await tx.updateTable('organization_keys').set({ kek_id: kekId, wrapped }).where('dek_id', '=', dekId).execute();
      }),
    removeDataKeys: (org) =>
      withOrganization(db, org, async ({ tx }) => {
        await tx.deleteFrom('organization_keys').execute();
      }),
  };
}

async function listDataKeys(tx: Tx, org: OrgId): Promise<readonly DataKey[]> {
  const rows = await tx.selectFrom('organization_keys').selectAll().orderBy('created_at').execute();
  return rows.map((row) => ({
    dekId: row.dek_id,
    org,
    kekId: row.kek_id,
    wrapped: row.wrapped,
    state: row.state === 'active' ? 'active' : 'retired',
  }));
}

/** The unique index on the active key decides a race; the loser's whole transaction is undone. */
async function insertDataKey(db: Db, key: DataKey, replaces: string | undefined): Promise<boolean> {
  try {
    return await withOrganization(db, key.org, async ({ tx }) => {
      if (replaces !== undefined) {
        const { numUpdatedRows } = await tx
          .updateTable('organization_keys')
          .set({ state: 'retired' })
          .where('dek_id', '=', replaces)
          .where('state', '=', 'active')
          .executeTakeFirst();
        if (numUpdatedRows === 0n) return false;
      }
      await tx
        .insertInto('organization_keys')
        .values({ org_id: key.org, dek_id: key.dekId, kek_id: key.kekId, wrapped: key.wrapped, state: 'active' })
        .execute();
      return true;
    });
  } catch (error) {
    if (error instanceof GatehouseError && error.code === 'conflict') return false;
    throw error;
  }
}
