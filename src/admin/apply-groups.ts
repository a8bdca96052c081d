/**
 * Groups of gatehouse.yaml become rows. Of a group that it names it decides title, external id, priority, the members by
 * address that it once named itself, and the grants; members that others put there stay.
 */
import { settingError } from '#core/error.ts';
import type { OrganizationScope } from '#db/scope.ts';
import { listGrants, putGrant, removeGrant } from '#records/grants.ts';
import {
  findGroup,
  type GroupRow,
  insertGroup,
  insertGroupMember,
  listGroupMembers,
  removeGroupMember,
  updateGroup,
} from '#records/groups.ts';
import type { AdminRecords, OrganizationRow } from './records.ts';
import { findTarget } from './routes/grants.ts';

export interface WantedGroup {
  readonly organization: string;
  readonly name: string;
  readonly title?: string | undefined;
  readonly externalId?: string | undefined;
  readonly priority?: number | undefined;
  readonly adopt?: boolean;
  readonly members: readonly string[];
  readonly grants: readonly {
    readonly server?: string | undefined;
    readonly collection?: string | undefined;
    readonly tools?: readonly string[] | undefined;
  }[];
}

/** Marks what the file said. */
const file = 'file';
const usualPriority = 1000;

/** True: something was written. Throws GatehouseError `setting`. */
export async function applyGroup(
  records: AdminRecords,
  organization: OrganizationRow,
  wanted: WantedGroup,
): Promise<boolean> {
  const where = `${organization.slug}/${wanted.name}`;
  const found = await records.within(organization.id, (scope) => findGroup(scope, wanted.name));
  const isForeign = found !== undefined && !found.builtin && found.managedBy !== file;
  if (isForeign && !wanted.adopt)
    throw settingError(
      `The group "${where}" of gatehouse.yaml was made by the API or command line: remove it there, or rename it in the file`,
    );
  const people = found ? await records.asPlatform((scope) => listGroupMembers(scope, found.id)) : [];
  const named = new Set(wanted.members.map((email) => email.toLowerCase()));
  const known = new Set(people.flatMap(({ email }) => email ?? []));
  const gone = people.flatMap(({ email, source }) =>
    email !== undefined && source === file && !named.has(email) ? [email] : [],
  );
  return records.within(organization.id, async (scope) => {
    const group = found ?? (await insertGroup(scope, { ...wanted, managedBy: file }));
    const renewed = found !== undefined && (await renew(scope, found, wanted));
    for (const email of gone) await removeGroupMember(scope, group.id, { email });
    const added = [...named].filter((email) => !known.has(email));
    for (const email of added) await insertGroupMember(scope, group.id, { ref: { email }, source: file });
    const granted = await applyGrants(scope, group, { wanted, where });
    return !found || renewed || granted || gone.length + added.length > 0;
  });
}

async function renew(scope: OrganizationScope, found: GroupRow, wanted: WantedGroup): Promise<boolean> {
  const { title = '', externalId, priority = found.builtin ? found.priority : usualPriority } = wanted;
  const isAdopted = !found.builtin && found.managedBy !== file;
  if (found.title === title && found.externalId === externalId && found.priority === priority && !isAdopted)
    return false;
  await updateGroup(scope, found, {
    title,
    externalId: externalId ?? null,
    priority,
    ...(isAdopted && { managedBy: file }),
  });
  return true;
}

async function applyGrants(
  scope: OrganizationScope,
  group: GroupRow,
  { wanted, where }: { readonly wanted: WantedGroup; readonly where: string },
): Promise<boolean> {
  const before = (await listGrants(scope)).filter((row) => row.group === group.name);
  const keyOf = (grant: { readonly server?: string | undefined; readonly collection?: string | undefined }) =>
    JSON.stringify([grant.server, grant.collection]);
  const known = new Map(before.map((row) => [keyOf(row), row]));
  const kept = new Set(wanted.grants.map(keyOf));
  let changed = false;
  for (const row of before) {
    if (row.managedBy !== file || kept.has(keyOf(row))) continue;
    await removeGrant(scope, row.id);
    changed = true;
  }
  for (const grant of wanted.grants) {
    const row = known.get(keyOf(grant));
    const isSame = JSON.stringify(row?.tools) === JSON.stringify(grant.tools) && row?.managedBy === file;
    if (row && isSame) continue;
    const of = await findTarget(scope, { server: grant.server, collection: grant.collection }).catch((cause) => {
      throw settingError(`The group "${where}" of gatehouse.yaml is granted something that there isn't`, cause);
    });
    await putGrant(scope, { to: { groupId: group.id }, of, tools: grant.tools, managedBy: file });
    changed = true;
  }
  return changed;
}
