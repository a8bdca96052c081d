/**
 * Rotation of every level while calls run: the key-encryption key (data keys are wrapped anew, nothing else changes), an
 * organization's data key (a new one seals, its fields are sealed anew, the old one is removed once nothing needs it), and
 * the root secret (what is sealed with keys derived from it is sealed anew). Whatever is interrupted is finished by the next.
 */
import { sql } from 'kysely';
import type { Clock } from '#core/clock.ts';
import { asOrgId, type OrgId } from '#core/ids.ts';
import type { Sealer } from '#core/sealer.ts';
import type { Db, Tx } from '#db/schema.ts';
import { withOrganization, withPlatform } from '#db/scope.ts';
import type { DataKey, DataKeyStore } from './data-keys.ts';
import { finalColumns, type RootColumn, rootColumns, type VaultColumn, vaultColumns } from './sealed-columns.ts';
import { clientSecretPlace } from './server-secrets.ts';
import type { Vault } from './vault.ts';

export type RotationLevel = 'kek' | 'dek' | 'fields' | 'all';

export interface RotationDeps {
  readonly db: Db;
  readonly vault: Vault;
  readonly dataKeys: DataKeyStore;
  readonly kms: { readonly kekId: string; refresh?(): Promise<void> };
  /** Opens what any root secret sealed; seals with the one in use. */
  readonly root: Sealer;
  /** Of the one in use alone. */
  readonly current: Sealer;
  /** The same two for secrets in definitions of servers. */
  readonly servers: { readonly root: Sealer; readonly current: Sealer };
  readonly clock: Clock;
}

export interface RotationReport {
  readonly organizations: number;
  /** Data keys. */
  readonly rewrapped: number;
  readonly removed: number;
  /** Fields. */
  readonly resealed: number;
}

export interface OrganizationSecrets {
  readonly org: OrgId;
  readonly keys: readonly { readonly dekId: string; readonly kekId: string; readonly state: DataKey['state'] }[];
  readonly fields: number;
  /** Under a data key that no longer seals, or in an older format. */
  readonly staleFields: number;
  /** Data keys under another key-encryption key than the one in use. */
  readonly staleKeys: number;
}

/** A replica that still held the old key as the active one has let go of it by then (key-ring.ts: 5 minutes). */
const GRACE_MS = 600_000;
const BATCH = 200;

/** `org` undefined: all. Throws `credential_unavailable` where key management does not answer; what is done stays done. */
export async function rotateSecrets(
  deps: RotationDeps,
  { level, org }: { readonly level: RotationLevel; readonly org?: OrgId | undefined },
): Promise<RotationReport> {
  if (level !== 'fields') await deps.kms.refresh?.();
  const organizations = org === undefined ? await listSealing(deps.db) : [org];
  const report = { organizations: organizations.length, rewrapped: 0, removed: 0, resealed: 0 };
  if (org === undefined && level !== 'dek') report.resealed += (await resealRoot(deps)) + (await resealServers(deps));
  for (const one of organizations) {
    if (level === 'dek' || level === 'all') await deps.vault.rotate(one);
    if (level === 'kek' || level === 'all') report.rewrapped += await deps.vault.rewrap(one);
    report.resealed += await resealFields(deps, one);
    report.removed += await removeUnneeded(deps, one);
  }
  return report;
}

export async function readSecrets(
  { db, dataKeys, kms }: Pick<RotationDeps, 'db' | 'dataKeys' | 'kms'>,
  org?: OrgId,
): Promise<readonly OrganizationSecrets[]> {
  const organizations = org === undefined ? await listSealing(db) : [org];
  return Promise.all(
    organizations.map(async (one) => {
      const keys = await dataKeys.listDataKeys(one);
      const active = keys.find(({ state }) => state === 'active')?.dekId ?? '';
      const counts = await withOrganization(db, one, ({ tx }) => countFields(tx, active));
      return {
        org: one,
        keys: keys.map(({ dekId, kekId, state }) => ({ dekId, kekId, state })),
        staleKeys: keys.filter(({ kekId }) => kekId !== kms.kekId).length,
        ...counts,
      };
    }),
  );
}

/** What the root secret itself seals: in all, and with a root secret of the past. */
export async function countRootFields(
  deps: Pick<RotationDeps, 'db' | 'current' | 'servers'>,
): Promise<{ readonly fields: number; readonly staleFields: number }> {
  let fields = 0;
  let staleFields = 0;
  for (const column of rootColumns) {
    const current = column.key === 'servers' ? deps.servers.current : deps.current;
    for (const { id, sealed } of await listRootFields(deps.db, column)) {
      fields++;
      if (current.open(column.place(id), sealed) === undefined) staleFields++;
    }
  }
  return { fields, staleFields };
}

/** Crypto-shredding: its data keys and the organization go in one transaction; nothing that was sealed for it opens again. */
export async function shredOrganization(
  { db, vault, clock }: Pick<RotationDeps, 'db' | 'vault' | 'clock'>,
  org: OrgId,
): Promise<void> {
  await withPlatform(db, async ({ tx }) => {
    await tx.deleteFrom('organization_keys').where('org_id', '=', org).execute();
    await tx
      .updateTable('organizations')
      .set({ deleted_at: new Date(clock.now()) })
      .where('id', '=', org)
      .execute();
  });
  vault.forget(org);
}

/** That have data keys. */
async function listSealing(db: Db): Promise<readonly OrgId[]> {
  const rows = await withPlatform(db, ({ tx }) =>
    tx.selectFrom('organization_keys').select('org_id').distinct().orderBy('org_id').execute(),
  );
  return rows.map((row) => asOrgId(row.org_id));
}

interface Field {
  readonly id: string;
  readonly sealed: string;
}

const tableOf = ({ table }: { readonly table: string }) => sql.id('gateway', table);

/** Not under the data key that seals now. Row-level security keeps it to one organization. */
async function listStale(tx: Tx, column: VaultColumn, active: string): Promise<readonly Field[]> {
  const { rows } = await sql<Field>`
    select ${sql.id(column.id)}::text as id, ${sql.id(column.column)} as sealed from ${tableOf(column)}
    where ${sql.id(column.column)} is not null and not starts_with(${sql.id(column.column)}, ${`gw1.${active}.`})
    order by 1 limit ${BATCH}`.execute(tx);
  return rows;
}

async function resealFields({ db, vault, dataKeys }: RotationDeps, org: OrgId): Promise<number> {
  const active = (await dataKeys.listDataKeys(org)).find(({ state }) => state === 'active')?.dekId;
  if (active === undefined) return 0;
  let resealed = 0;
  for (const column of vaultColumns) {
    for (;;) {
      const fields = await withOrganization(db, org, ({ tx }) => listStale(tx, column, active));
      for (const { id, sealed } of fields) {
        const place = { table: column.table, column: column.column, rowId: id };
        const plain = await vault.open(org, place, sealed);
        const anew = await vault.seal(org, place, plain.reveal());
        await withOrganization(db, org, ({ tx }) => replaceField(tx, column, { id, sealed, anew }));
      }
      resealed += fields.length;
      if (fields.length < BATCH) break;
    }
  }
  return resealed;
}

/** Only what is still as it was read: somebody may have written another secret meanwhile. The secret stays: so does its version. */
async function replaceField(
  tx: Tx,
  { column, id: idColumn, ...table }: { readonly table: string; readonly column: string; readonly id: string },
  { id, sealed, anew }: Field & { readonly anew: string },
): Promise<void> {
  await sql`select set_config('app.resealing', 'on', true)`.execute(tx);
  await sql`
    update ${tableOf(table)} set ${sql.id(column)} = ${anew}
    where ${sql.id(idColumn)}::text = ${id} and ${sql.id(column)} = ${sealed}`.execute(tx);
}

async function listRootFields(db: Db, column: RootColumn): Promise<readonly Field[]> {
  const { rows } = await withPlatform(db, ({ tx }) =>
    sql<Field>`
      select ${sql.id(column.id)}::text as id, ${sql.id(column.column)} as sealed from ${tableOf(column)}
      where ${sql.id(column.column)} is not null`.execute(tx),
  );
  return rows;
}

async function resealRoot(deps: RotationDeps): Promise<number> {
  const { db } = deps;
  let resealed = 0;
  for (const column of rootColumns) {
    const { root, current } = column.key === 'servers' ? deps.servers : deps;
    for (const { id, sealed } of await listRootFields(db, column)) {
      const place = column.place(id);
      if (current.open(place, sealed) !== undefined) continue;
      const plain = root.open(place, sealed);
      // Of a root secret that nobody has any more: it is lost already.
      if (plain === undefined) continue;
      await withPlatform(db, ({ tx }) => replaceField(tx, column, { id, sealed, anew: root.seal(place, plain) }));
      resealed++;
    }
  }
  return resealed;
}

/** They stand in the middle of what else is said of a server's sign-in. */
async function resealServers({ db, servers: { root, current } }: RotationDeps): Promise<number> {
  const { rows } = await withPlatform(db, ({ tx }) =>
    sql<Field & { readonly client: string }>`
      select id::text as id, auth->>'clientId' as client, auth->>'sealedSecret' as sealed from gateway.servers
      where auth->>'sealedSecret' is not null and auth->>'clientId' is not null`.execute(tx),
  );
  let resealed = 0;
  for (const { id, client, sealed } of rows) {
    const place = clientSecretPlace(client);
    const plain = current.open(place, sealed) === undefined ? root.open(place, sealed) : undefined;
    if (plain === undefined) continue;
    const anew = JSON.stringify(root.seal(place, plain));
    await withPlatform(db, ({ tx }) =>
      sql`
        update gateway.servers set auth = jsonb_set(auth, '{sealedSecret}', ${anew}::jsonb)
        where id::text = ${id} and auth->>'clientId' = ${client} and auth->>'sealedSecret' = ${sealed}`.execute(tx),
    );
    resealed++;
  }
  return resealed;
}

async function countFields(tx: Tx, active: string) {
  let fields = 0;
  let staleFields = 0;
  for (const column of vaultColumns) {
    const text = sql.id(column.column);
    const { rows } = await sql<{ all: string; stale: string }>`
      select count(${text}) as all, count(*) filter (where not starts_with(${text}, ${`gw1.${active}.`})) as stale
      from ${tableOf(column)}`.execute(tx);
    fields += Number(rows[0]?.all ?? 0);
    staleFields += Number(rows[0]?.stale ?? 0);
  }
  return { fields, staleFields };
}

/** Retired for a while, and nothing is sealed with them. */
async function removeUnneeded({ db, dataKeys, clock }: RotationDeps, org: OrgId): Promise<number> {
  const keys = await dataKeys.listDataKeys(org);
  // UUIDv7: an id says when it was made, and whoever is followed by another was retired then.
  const madeAt = ({ dekId }: DataKey) => Number.parseInt(dekId.replaceAll('-', '').slice(0, 12), 16);
  const active = keys.find(({ state }) => state === 'active');
  if (!active || clock.now() - madeAt(active) < GRACE_MS) return 0;
  return withOrganization(db, org, async ({ tx }) => {
    let removed = 0;
    for (const key of keys) {
      if (key.state === 'active' || (await isNeeded(tx, key.dekId))) continue;
      await tx.deleteFrom('organization_keys').where('dek_id', '=', key.dekId).execute();
      removed++;
    }
    return removed;
  });
}

async function isNeeded(tx: Tx, dekId: string): Promise<boolean> {
  for (const column of [...vaultColumns, ...finalColumns]) {
    const { rows } = await sql<{ found: boolean }>`
      select exists (
        select from ${tableOf(column)} where starts_with(${sql.id(column.column)}, ${`gw1.${dekId}.`})
      ) as found`.execute(tx);
    if (rows[0]?.found) return true;
  }
  return false;
}
