/**
 * The one writer of what readers found: adds what is missing, in an order in which everything that is named is there, and
 * changes nothing that is here. Run in one transaction of many scopes; a second time there is nothing left to add.
 */
import type { PolicyEngine } from '#adapters/policy/policy.ts';
import type { AdminRecords, OrganizationRow, ServerRow } from '#admin/records.ts';
import type { Clock } from '#core/clock.ts';
import type { Db } from '#db/schema.ts';
import type { ApiKeys } from '#records/api-key.ts';
import type { Vault } from '#records/vault.ts';
import type { Found, LeftOut } from './found.ts';
import { writeGrants, writeGroups, writeMembers } from './write-people.ts';
import { writeClients, writeKeys, writePolicies, writeUsage } from './write-rest.ts';
import { resealOlder, writeCollections, writeCredentials, writeEnablements, writeServers } from './write-servers.ts';

export interface WriteDeps {
  readonly records: AdminRecords;
  /** The transaction. */
  readonly db: Db;
  readonly vault: Vault;
  readonly engine: PolicyEngine;
  readonly clock: Clock;
  /** Of OAuth clients: their secrets as they are stored, and the digest of a registration's token. */
  readonly sealClientSecret: (clientId: string, secret: string) => string;
  readonly digest: (token: string) => string;
  readonly apiKeys: Pick<ApiKeys, 'digest'>;
}

export interface Written {
  /** `group acme/Finance`: what was added. */
  readonly made: readonly string[];
  /** What is here already and is another than what was found. */
  readonly kept: readonly LeftOut[];
}

export interface Writing extends WriteDeps {
  readonly made: string[];
  readonly kept: LeftOut[];
  organization(ref: string): OrganizationRow;
  /** Of the platform, by key; what is made meanwhile is put there. */
  readonly servers: Map<string, ServerRow>;
}

/** Throws what records throw: nothing stays then. */
export async function writeFound(deps: WriteDeps, found: Found): Promise<Written> {
  const { records } = deps;
  const made: string[] = [];
  const kept: LeftOut[] = [];
  const organizations = new Map<string, OrganizationRow>();
  for (const wanted of found.organizations) {
    const row = await writeOrganization(records, wanted, made);
    for (const ref of [wanted.slug, wanted.externalId]) if (ref !== undefined) organizations.set(ref, row);
  }
  const servers = new Map((await records.listServers()).map((row) => [row.key, row]));
  const writing: Writing = {
    ...{ ...deps, made, kept, servers },
    organization(ref) {
      const row = organizations.get(ref);
      if (row) return row;
      throw new Error(`a reader names the organization ${ref} without having found it`);
    },
  };
  await writeServers(writing, found.servers);
  await writeEnablements(writing, found.enablements);
  await writeCollections(writing, found.collections);
  await writeGroups(writing, found.groups);
  await writeGrants(writing, found.grants);
  await writeCredentials(writing, found.credentials);
  await writePolicies(writing, found.policies);
  await writeMembers(writing, found.members);
  await writeClients(writing, found.clients);
  await writeKeys(writing, found.keys);
  await resealOlder(writing);
  if (found.usage) await writeUsage(writing, found.usage);
  return { made, kept };
}

async function writeOrganization(
  records: AdminRecords,
  { slug, name, externalId }: Found['organizations'][number],
  made: string[],
): Promise<OrganizationRow> {
  const byId = externalId === undefined ? undefined : await records.findOrganization(externalId);
  const named = await records.findOrganization(slug);
  const isOthers = named?.externalId !== undefined && externalId !== undefined && named.externalId !== externalId;
  // Two ids may differ in what a slug has not: the second gets a slug of its own.
  if (!byId && isOthers) {
    const id = await records.ensureOrganization(externalId);
    made.push(`organization ${externalId}`);
    return { ...named, id, externalId, slug: (await records.findOrganization(id))?.slug ?? slug };
  }
  const found = byId ?? named;
  if (!found) {
    made.push(`organization ${slug}`);
    return records.insertOrganization({ slug, name, externalId });
  }
  if (externalId === undefined || found.externalId !== undefined) return found;
  await records.updateOrganization(found.id, { externalId });
  made.push(`organization ${found.slug}`);
  return { ...found, externalId };
}
