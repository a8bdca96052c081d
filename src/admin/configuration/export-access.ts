/** Groups, grants, policies, credentials and limits of an organization, as gatehouse.yaml has them. */
import type { OrganizationRow } from '#admin/records.ts';
import { listGrants } from '#records/grants.ts';
import { listGroupMembers, listGroups } from '#records/groups.ts';
import { type Exporting, type Item, isUsual } from './export.ts';

const usualPriority = 1000;

export async function exportAccess(exporting: Exporting, organization: OrganizationRow) {
  const { groups, grants } = await exportGroups(exporting, organization);
  return {
    groups,
    grants,
    credentials: await exportCredentials(exporting, organization),
    policies: await exportPolicies(exporting, organization),
    limits: await exportLimits(exporting, organization),
  };
}

async function exportGroups({ records, leftOut }: Exporting, { id, slug }: OrganizationRow) {
  const groups: Item[] = [];
  const rows = await records.within(id, async (scope) => ({
    groups: await listGroups(scope),
    grants: await listGrants(scope),
  }));
  const byName = [...rows.groups].sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const group of byName) {
    const members = await records.asPlatform((scope) => listGroupMembers(scope, group.id));
    // Who is in it by the word of a directory stays so by its word.
    const ours = members.filter(({ source }) => source === undefined || source === 'file');
    const emails = [...new Set(ours.flatMap(({ email }) => email ?? []))].sort();
    const others = ours.filter(({ email }) => email === undefined).length;
    if (others > 0) leftOut.push(`group ${slug}/${group.name}: ${others} members that are no address`);
    const given = rows.grants.filter((grant) => grant.group === group.name).map(targetOf);
    if (group.builtin && emails.length + given.length === 0) continue;
    groups.push({
      organization: slug,
      name: group.name,
      title: group.title || undefined,
      externalId: group.externalId,
      priority: group.priority === usualPriority || group.builtin ? undefined : group.priority,
      members: emails.length > 0 ? emails : undefined,
      grants: given.length > 0 ? given : undefined,
    });
  }
  const people = rows.grants.filter(({ group }) => group === undefined);
  const unnamed = people.filter(({ email }) => email === undefined).length;
  if (unnamed > 0) leftOut.push(`grants of ${slug}: ${unnamed} of people that are no address`);
  const grants = people
    .filter(({ email }) => email !== undefined)
    .map((grant): Item => ({ organization: slug, email: grant.email, ...targetOf(grant) }));
  return { groups, grants };
}

interface Granted {
  readonly server: string | undefined;
  readonly collection: string | undefined;
  readonly tools: readonly string[] | undefined;
}
const targetOf = ({ server, collection, tools }: Granted): Item => ({ server, collection, tools });

async function exportCredentials({ records, references }: Exporting, { id, slug }: OrganizationRow): Promise<Item[]> {
  return (await records.listCredentials(id)).map(({ group, server, keyName, credential, header, url }) => ({
    organization: slug,
    server,
    group,
    keyName: keyName || undefined,
    credential:
      credential &&
      references.of([slug, group ?? '', server, keyName, 'key'], `credential ${slug}/${group ?? '*'} for ${server}`),
    header: header && isUsual(header) ? undefined : header,
    url,
  }));
}

async function exportPolicies({ records }: Exporting, { id, slug }: OrganizationRow): Promise<Item[]> {
  const servers = new Map<string, string>((await records.listServersOf(id)).map((row) => [row.id, row.key]));
  const collections = new Map((await records.listCollections(id)).map((row) => [row.id, row.name]));
  return (await records.listPolicies(id)).map(({ name, server, collection, onError, mode, config }) => ({
    organization: slug,
    name,
    server: server === undefined ? undefined : servers.get(server),
    collection: collection === undefined ? undefined : collections.get(collection),
    onError: onError === 'deny' ? undefined : onError,
    mode: mode === 'enforce' ? undefined : mode,
    config,
  }));
}

async function exportLimits({ records }: Exporting, { id, slug }: OrganizationRow): Promise<Item[]> {
  const names = await records.limitNames(id);
  const named = (map: ReadonlyMap<string, string | undefined>, key: string | undefined) =>
    key === undefined ? undefined : (map.get(key) ?? key);
  return (await records.listLimits(id)).map(({ counts, group, user, key, server, tool, rate, concurrent }) => ({
    organization: slug,
    counts,
    group: named(names.groups, group),
    user: named(names.users, user),
    apiKey: key,
    server: named(names.servers, server),
    tool,
    ...(rate && { points: rate.points, windowSeconds: rate.windowSeconds, burst: rate.burst }),
    concurrent,
  }));
}
