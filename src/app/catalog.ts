/** Servers of the catalogue that are on: rows for them, and their keys, which stay in memory. */
import { applyCatalog } from '#admin/apply-catalog.ts';
import type { AdminRecords } from '#admin/records.ts';
import type { Config } from '#config/load.ts';
import { settingError } from '#core/error.ts';
import type { Log } from '#core/log.ts';
import type { OperatorServer } from './operator-keys.ts';

/** Whoever has a key of the operator's, beside the servers of gatehouse.yaml. Throws GatehouseError `setting`. */
export async function openCatalog(
  { catalog, settledCatalog, organizations, servers: inFile }: Config,
  { records, log }: { readonly records: AdminRecords; readonly log: Log },
): Promise<readonly OperatorServer[]> {
  const [first] = organizations;
  const { changed, owned, kept, missing } = await applyCatalog(records, {
    servers: settledCatalog.servers,
    organizations: catalog.organizations.length > 0 ? catalog.organizations : first ? [first.slug] : [],
    taken: inFile.map(({ key }) => key),
  });
  const [unknown] = missing;
  if (unknown !== undefined)
    throw settingError(`catalog.organizations: there is no organization "${unknown}": add it under organizations`);
  for (const { key, program } of owned)
    if (program !== undefined && changed.includes(`server ${key}`))
      log.warn({ server: key, program }, 'a program is on');
  if (changed.length > 0) log.info({ changed }, 'the catalogue changed');
  if (kept.length > 0) log.info({ servers: kept }, 'defined elsewhere: the catalogue leaves them alone');
  return owned.map(({ key, credential, header }) => ({ key, credential, ...(header && { header }) }));
}
