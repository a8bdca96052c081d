/** Servers, what is on, collections, and what goes upstream with a call. */
import { sql } from 'kysely';
import { canonical } from '#admin/canonical.ts';
import { enforcedFilters } from '#admin/ragie.ts';
import type { OrganizationRow, ServerRow } from '#admin/records.ts';
import { asCredentialId, asOrgId, type OrgId } from '#core/ids.ts';
import type { Secret } from '#core/secret.ts';
import { credentialPlace } from '#records/credentials.ts';
import { listVariables } from '#records/server-variables.ts';
import type { Found, FoundCollection, FoundCredential, FoundServer } from './found.ts';
import type { Writing } from './write.ts';

export async function writeServers(writing: Writing, servers: readonly FoundServer[]): Promise<void> {
  const { records, made, kept } = writing;
  for (const { key, title, transport, keyName, port, active, variables = {} } of servers) {
    const found = writing.servers.get(key);
    if (found) {
      if (canonical(found.transport) !== canonical(transport))
        kept.push({ what: `server ${key}`, reason: 'it is here already, and defined otherwise' });
      await addVariables(writing, found, variables);
      continue;
    }
    const values = { key, title, transport, keyName, port, trusted: false, managedBy: 'api' } as const;
    const row = await records.insertServer({ ...values, ...(active !== undefined && { active }) });
    if (Object.keys(variables).length > 0) await records.setVariables(row.id, variables);
    writing.servers.set(key, row);
    made.push(`server ${key}`);
  }
}

/** Of a server that is here, those that it hasn't got: a secret may have been missing the first time. */
async function addVariables(
  { records, made }: Writing,
  { id, key }: ServerRow,
  variables: Readonly<Record<string, string>>,
): Promise<void> {
  if (Object.keys(variables).length === 0) return;
  const known = new Set((await records.asPlatform((scope) => listVariables(scope, id))).map(({ name }) => name));
  const added = Object.entries(variables).filter(([name]) => !known.has(name));
  if (added.length === 0) return;
  await records.setVariables(id, Object.fromEntries(added));
  made.push(...added.map(([name]) => `variable ${name} of server ${key}`));
}

/** The organization's own server of a key before the platform's. */
async function findServer(writing: Writing, organization: OrganizationRow, key: string): Promise<ServerRow> {
  const own = (await writing.records.listServersOf(organization.id)).find((row) => row.key === key);
  const found = own ?? writing.servers.get(key);
  if (found) return found;
  throw new Error(`a reader names the server ${key} without having found it`);
}

export async function writeEnablements(writing: Writing, wanted: Found['enablements']): Promise<void> {
  for (const { organization: ref, server: key, allMembers } of wanted) {
    const organization = writing.organization(ref);
    const what = `enablement ${organization.slug}/${key}`;
    const server = await findServer(writing, organization, key);
    const found = await writing.records.findEnablement(organization.id, server.id);
    if (found) {
      if (!found.enabled) writing.kept.push({ what, reason: 'it is switched off here' });
      else if (allMembers && !found.allMembers)
        writing.kept.push({ what, reason: 'not every member may use it here, as they might there' });
      continue;
    }
    await writing.records.putEnablement(organization.id, server.id, { enabled: true, allMembers, allowedRoles: [] });
    writing.made.push(what);
  }
}

export async function writeCollections(writing: Writing, collections: readonly FoundCollection[]): Promise<void> {
  for (const wanted of collections) {
    const organization = writing.organization(wanted.organization);
    const server = await findServer(writing, organization, wanted.server);
    if (!(await writing.records.findEnablement(organization.id, server.id)))
      await writeEnablements(writing, [
        { organization: wanted.organization, server: wanted.server, allMembers: false },
      ]);
    await writeCollection(writing, wanted, { organization, server });
  }
}

interface Place {
  readonly organization: OrganizationRow;
  readonly server: ServerRow;
}

async function writeCollection(
  writing: Writing,
  wanted: FoundCollection,
  { organization, server }: Place,
): Promise<void> {
  const { records, made, kept } = writing;
  const { name, allowedRoles, partition, credential, filters, tools = {} } = wanted;
  const what = `collection ${organization.slug}/${name}`;
  const enforced = enforcedFilters(filters);
  const found = (await records.listCollections(organization.id)).find((row) => row.name === name);
  if (!found) {
    const binding = { server: server.id, partition, credential, header: undefined, enforced, tools };
    await records.insertCollection(organization.id, { name, allowedRoles, bindings: [binding], managedBy: 'api' });
    made.push(what);
    return;
  }
  const [bound] = found.bindings;
  const same = (...values: readonly unknown[]) => canonical(values);
  const isSame =
    same(
      found.allowedRoles,
      found.bindings.length,
      bound?.server,
      bound?.partition ?? null,
      bound?.enforced ?? {},
      bound?.tools,
    ) === same(allowedRoles, 1, server.key, partition ?? null, enforced, tools);
  if (!isSame) kept.push({ what, reason: 'it is here already, and says something else' });
  else if (credential && !(await hasKey(writing, { org: organization.id, collection: found.id, credential })))
    kept.push({ what, reason: 'it has another key here' });
}

interface KeyOf {
  readonly org: OrgId;
  readonly collection: string;
  readonly credential: Secret;
}

async function hasKey({ records, vault }: Writing, { org, collection, credential }: KeyOf): Promise<boolean> {
  const stored = await records.within(org, ({ tx }) =>
    tx
      .selectFrom('bindings as b')
      .innerJoin('credentials as k', 'k.id', 'b.credential_id')
      .select(['k.id', 'k.sealed'])
      .where('b.collection_id', '=', collection)
      .execute(),
  );
  for (const { id, sealed } of stored) {
    const opened = await vault.open(org, credentialPlace(asCredentialId(id)), sealed).catch(() => undefined);
    if (opened?.reveal() === credential.reveal()) return true;
  }
  return false;
}

/** Ciphertexts of an older gateway that our migrations took over as they were: sealed as everything else is. */
export async function resealOlder({ records, vault, made, kept }: Writing): Promise<void> {
  const older = await records.asPlatform(({ tx }) =>
    tx
      .selectFrom('credentials')
      .select(['id', 'org_id', 'sealed'])
      .where(sql<boolean>`starts_with(sealed, 's0.')`)
      .orderBy('id')
      .execute(),
  );
  let count = 0;
  for (const { id, org_id: given, sealed } of older) {
    const org = asOrgId(given);
    const place = credentialPlace(asCredentialId(id));
    const plain = await vault.open(org, place, sealed).catch(() => undefined);
    if (plain === undefined) {
      const reason = 'it does not open: put the ENCRYPTION_KEY of the other gateway into ENCRYPTION_KEY_PREVIOUS';
      kept.push({ what: `older key ${id}`, reason });
      continue;
    }
    const anew = await vault.seal(org, place, plain.reveal());
    await records.within(org, ({ tx }) =>
      tx.updateTable('credentials').set({ sealed: anew }).where('id', '=', id).where('sealed', '=', sealed).execute(),
    );
    count++;
  }
  if (count > 0) made.push(`seal of ${count} older keys`);
}

export async function writeCredentials(writing: Writing, credentials: readonly FoundCredential[]): Promise<void> {
  const { records, made, kept } = writing;
  for (const { organization: ref, ...route } of credentials) {
    const organization = writing.organization(ref);
    const { group, server, keyName, credential, url } = route;
    const what = `credential ${[organization.slug, group, server, keyName].filter(Boolean).join('/')}`;
    const found = (await records.listCredentials(organization.id)).find(
      (row) => row.group?.toLowerCase() === group?.toLowerCase() && row.server === server && row.keyName === keyName,
    );
    if (!found) {
      await records.putCredential(organization.id, { ...route, keepCredential: false });
      made.push(what);
      continue;
    }
    const isSameKey =
      credential === undefined ||
      (await records.hasCredential(organization.id, {
        ...route,
        url: found.url,
        header: found.header,
        keepCredential: false,
      }));
    if (!isSameKey || (url !== undefined && url !== found.url))
      kept.push({ what, reason: isSameKey ? 'it goes to another address here' : 'there is another key here' });
  }
}
