/** What a file no longer has goes: what a file once made, or with `all` whatever there is of its kinds. Organizations stay. */

import type { ConfigurationDocument } from '#admin/configuration-nouns.ts';
import type { AdminRecords, OrganizationRow } from '#admin/records.ts';
import { ruleOf } from '#admin/routes/limits.ts';
import { listCollections, removeCollection } from '#records/collections.ts';
import { listEnablements, removeEnablement } from '#records/enablements.ts';
import { listGrants, removeGrant } from '#records/grants.ts';
import { listGroups, removeGroup } from '#records/groups.ts';
import { scopeOf } from '#records/limit-rules.ts';
import { removeServer } from '#records/servers.ts';

interface Pruning {
  readonly records: AdminRecords;
  readonly document: ConfigurationDocument;
  readonly all: boolean;
}

type Given<Name extends keyof ConfigurationDocument> = ConfigurationDocument[Name];

export async function pruneConfiguration(pruning: Pruning): Promise<void> {
  const { records, document, all } = pruning;
  for (const organization of await records.listOrganizations()) {
    const refs = new Set([organization.slug, organization.externalId, organization.id]);
    const mine = <T extends { readonly organization: string }>(items: readonly T[]) =>
      items.filter((item) => refs.has(item.organization));
    await prunePolicies(pruning, organization, mine(document.policies));
    await pruneGrants(pruning, organization, mine(document.grants));
    await pruneGroups(pruning, organization, mine(document.groups));
    await pruneCollections(pruning, organization, mine(document.collections));
    if (!all) continue;
    // Nothing says who made these.
    await pruneUnmarked(pruning, organization, {
      credentials: mine(document.credentials),
      enablements: [...mine(document.enablements), ...mine(document.collections).flatMap(({ bindings }) => bindings)],
      limits: mine(document.limits.rules),
    });
  }
  const keys = new Set(document.servers.map(({ key }) => key));
  for (const { id, key, managedBy } of await records.listServers())
    if (!keys.has(key) && isGoing(managedBy, all)) await records.asPlatform((scope) => removeServer(scope, id));
}

/** What the catalogue switches is its own to switch. */
const isGoing = (managedBy: string, all: boolean): boolean => managedBy === 'file' || (all && managedBy === 'api');

async function prunePolicies({ records, all }: Pruning, { id }: OrganizationRow, wanted: Given<'policies'>) {
  const names = new Set(wanted.map(({ name }) => name));
  for (const policy of await records.listPolicies(id))
    if (!names.has(policy.name) && isGoing(policy.managedBy, all)) await records.removePolicy(id, policy.id);
}

/** Of single people; those of groups are the group's. */
async function pruneGrants({ records, all }: Pruning, { id }: OrganizationRow, wanted: Given<'grants'>) {
  const keyOf = (grant: {
    readonly email?: string | undefined;
    readonly server?: string | undefined;
    readonly collection?: string | undefined;
  }) => JSON.stringify([grant.email?.toLowerCase(), grant.server, grant.collection]);
  const kept = new Set(wanted.map(keyOf));
  await records.within(id, async (scope) => {
    for (const row of await listGrants(scope)) {
      if (row.email === undefined || row.group !== undefined || kept.has(keyOf(row))) continue;
      if (isGoing(row.managedBy, all)) await removeGrant(scope, row.id);
    }
  });
}

async function pruneGroups({ records, all }: Pruning, { id }: OrganizationRow, wanted: Given<'groups'>) {
  const names = new Set(wanted.map(({ name }) => name.toLowerCase()));
  await records.within(id, async (scope) => {
    for (const group of await listGroups(scope))
      if (!group.builtin && !names.has(group.name.toLowerCase()) && isGoing(group.managedBy, all))
        await removeGroup(scope, group);
  });
}

async function pruneCollections({ records, all }: Pruning, { id }: OrganizationRow, wanted: Given<'collections'>) {
  const names = new Set(wanted.map(({ name }) => name));
  await records.within(id, async (scope) => {
    for (const row of await listCollections(scope))
      if (!names.has(row.name) && isGoing(row.managedBy, all)) await removeCollection(scope, row.id);
  });
}

interface Unmarked {
  readonly credentials: Given<'credentials'>;
  readonly enablements: readonly { readonly server: string }[];
  readonly limits: Given<'limits'>['rules'];
}

async function pruneUnmarked(
  { records }: Pruning,
  { id }: OrganizationRow,
  { credentials, enablements, limits }: Unmarked,
): Promise<void> {
  const routes = new Set(credentials.map(({ group, server, keyName }) => JSON.stringify([group, server, keyName])));
  for (const { group, server, keyName } of await records.listCredentials(id))
    if (!routes.has(JSON.stringify([group, server, keyName])))
      await records.removeCredential(id, { group, server, keyName });
  const names = await records.limitNames(id);
  const rules = new Set(limits.map((rule) => aboutOf(ruleOf(rule, names))));
  for (const rule of await records.listLimits(id))
    if (!rules.has(aboutOf(rule))) await records.removeLimit(id, rule.id);
  const on = new Set(enablements.map(({ server }) => server));
  const keys = new Map<string, string>((await records.listServers()).map((row) => [row.id, row.key]));
  await records.within(id, async (scope) => {
    for (const { server } of await listEnablements(scope)) {
      const key = keys.get(server);
      if (key !== undefined && !on.has(key)) await removeEnablement(scope, server);
    }
  });
}

const aboutOf = (
  rule: Parameters<typeof scopeOf>[0] & { readonly rate: { readonly windowSeconds: number } | undefined },
) => JSON.stringify([scopeOf(rule), rule.rate?.windowSeconds]);
