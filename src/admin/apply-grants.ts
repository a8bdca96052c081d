/** Grants of single people as gatehouse.yaml has them: put where missing or different. What it doesn't name stays. */
import { settingError } from '#core/error.ts';
import { listGrants, putGrant } from '#records/grants.ts';
import type { AdminRecords } from './records.ts';
import { findTarget } from './routes/grants.ts';

export interface WantedGrant {
  readonly organization: string;
  readonly email: string;
  readonly server?: string | undefined;
  readonly collection?: string | undefined;
  readonly tools?: readonly string[] | undefined;
}

/** Throws GatehouseError `setting` for a reference to nothing. */
export async function applyGrants(
  records: AdminRecords,
  wanted: readonly WantedGrant[],
  changed: string[],
): Promise<void> {
  for (const { organization: ref, email: given, server, collection, tools } of wanted) {
    const organization = await records.findOrganization(ref);
    if (!organization) throw settingError(`There is no organization "${ref}": add it under organizations`);
    const email = given.toLowerCase();
    const isDone = await records.within(organization.id, async (scope) => {
      const found = (await listGrants(scope)).find(
        (row) => row.email === email && row.server === server && row.collection === collection,
      );
      if (found?.managedBy === 'file' && JSON.stringify(found.tools) === JSON.stringify(tools)) return false;
      const of = await findTarget(scope, { server, collection }).catch((cause) => {
        throw settingError(`grants of ${organization.slug}: ${email} is granted something that there isn't`, cause);
      });
      await putGrant(scope, { to: { email }, of, tools, managedBy: 'file' });
      return true;
    });
    if (isDone) changed.push(`grant ${organization.slug}/${email}`);
  }
}
