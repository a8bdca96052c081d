/**
 * Servers of the catalogue that are on by their variables become rows (REQUIREMENTS S3.23): defined and enabled, for nobody
 * until somebody is granted them; off again when the variable is gone. What gatehouse.yaml or the API has under the same
 * key is theirs: the catalogue neither changes it nor hands it a key.
 */
import type { Secret } from '#core/secret.ts';
import { canonical } from './canonical.ts';
import type { CatalogDefinition } from './catalog/definition.ts';
import type { AdminRecords, ServerRow } from './records.ts';

export interface CatalogServer extends CatalogDefinition {
  /** The operator's own: it stays in memory, never stored (app/operator-keys.ts). */
  readonly credential: Secret | undefined;
  /** What it runs here, as a person reads it; undefined: nothing. */
  readonly program: string | undefined;
}

export interface CatalogWish {
  readonly servers: readonly CatalogServer[];
  /** Slugs or ids. */
  readonly organizations: readonly string[];
  /** Keys that gatehouse.yaml defines. */
  readonly taken: readonly string[];
}

export interface CatalogApplied {
  /** `server linear`, `enablement acme/linear`: what was inserted, replaced or switched. */
  readonly changed: readonly string[];
  /** Those that are the catalogue's: whom their keys may go to. */
  readonly owned: readonly CatalogServer[];
  /** Keys of servers that are somebody else's. */
  readonly kept: readonly string[];
  /** Of those that are named and aren't there. */
  readonly missing: readonly string[];
}

type Records = Pick<
  AdminRecords,
  'listServers' | 'insertServer' | 'updateServer' | 'findOrganization' | 'findEnablement' | 'putEnablement'
>;

export async function applyCatalog(records: Records, wish: CatalogWish): Promise<CatalogApplied> {
  const rows = new Map((await records.listServers()).map((row) => [row.key, row]));
  const organizations = await Promise.all(
    wish.organizations.map(async (ref) => ({ ref, found: await records.findOrganization(ref) })),
  );
  const changed: string[] = [];
  const owned: CatalogServer[] = [];
  const kept: string[] = [];
  // Without an organization there is nobody whom it could be on for.
  const isFor = organizations.some(({ found }) => found !== undefined);
  for (const server of isFor ? wish.servers : []) {
    const row = rows.get(server.key);
    if (wish.taken.includes(server.key) || (row && !isOurs(row))) {
      kept.push(server.key);
      continue;
    }
    const made = await applyServer(records, { server, row }, changed);
    for (const { found } of organizations) {
      if (!found || (await records.findEnablement(found.id, made.id))) continue;
      await records.putEnablement(found.id, made.id, { enabled: true, allMembers: false, allowedRoles: [] });
      changed.push(`enablement ${found.slug}/${server.key}`);
    }
    owned.push(server);
  }
  await switchOff(records, { rows, owned }, changed);
  return { changed, owned, kept, missing: organizations.flatMap(({ ref, found }) => (found ? [] : [ref])) };
}

/** `catalog-off`: the catalogue switched it off itself. An administrator's switch is theirs to turn. */
const isOurs = ({ managedBy }: ServerRow): boolean => managedBy === 'catalog' || managedBy === 'catalog-off';

async function applyServer(
  records: Records,
  { server, row }: { readonly server: CatalogServer; readonly row: ServerRow | undefined },
  changed: string[],
): Promise<ServerRow> {
  const { key, title, transport, auth } = server;
  const values = { key, title, transport, auth, trusted: false, keyName: '', managedBy: 'catalog' } as const;
  if (!row) {
    changed.push(`server ${key}`);
    return records.insertServer(values);
  }
  const like = (one: Pick<ServerRow, 'title' | 'transport' | 'auth'>) =>
    canonical([one.title, one.transport, one.auth?.auth ?? null]);
  const isSame = row.managedBy === 'catalog' && !row.trusted && like(row) === like(values);
  if (isSame) return row;
  await records.updateServer(row.id, { ...values, ...(row.managedBy === 'catalog-off' && { active: true }) });
  changed.push(`server ${key}`);
  return row;
}

async function switchOff(
  records: Records,
  { rows, owned }: { readonly rows: ReadonlyMap<string, ServerRow>; readonly owned: readonly CatalogServer[] },
  changed: string[],
): Promise<void> {
  const on = new Set(owned.map(({ key }) => key));
  for (const row of rows.values()) {
    // One that an administrator switched off stays as it is: off, and theirs.
    if (row.managedBy !== 'catalog' || on.has(row.key) || !row.active) continue;
    const { id, key, title, transport, auth, trusted } = row;
    await records.updateServer(id, { key, title, transport, auth, trusted, managedBy: 'catalog-off', active: false });
    changed.push(`server ${key} off`);
  }
}
