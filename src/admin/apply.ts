/**
 * What gatehouse.yaml says becomes rows: inserted where missing, replaced where different, marked `managed_by: file`.
 * Nothing that the file doesn't name is touched; a name that the API made is the API's, and a clash is refused.
 */
import type { z } from 'zod';
import { GatehouseError, settingError } from '#core/error.ts';
import type { Secret } from '#core/secret.ts';
import type { ServerTlsFiles, ServerTransport } from '#core/transport.ts';
import type { EnforcedInput } from '#records/bindings.ts';
import { listVariables, removeVariable } from '#records/server-variables.ts';
import { type Listing, plainListing } from '#records/snapshot.ts';
import type { ToolsInput } from '#records/tool-shaping.ts';
import { givenAuth, type serverAuth } from './account-nouns.ts';
import { applyCredentials, type WantedCredential } from './apply-credentials.ts';
import { applyGrants, type WantedGrant } from './apply-grants.ts';
import { applyGroup, type WantedGroup } from './apply-groups.ts';
import { applyLimits, type WantedLimit } from './apply-limits.ts';
import { canonical } from './canonical.ts';
import type { AdminRecords, NewBinding, OrganizationRow, ServerRow } from './records.ts';
import { checkOrganizationName } from './routes/organizations.ts';
import { checkName } from './routes/servers.ts';

export interface WantedBinding {
  readonly server: string;
  readonly partition?: string | undefined;
  readonly credential?: Secret | undefined;
  readonly header?: { readonly name: string; readonly template: string } | undefined;
  readonly enforced?: EnforcedInput;
  readonly prefix?: string | undefined;
  readonly tools?: ToolsInput | undefined;
}

export interface Wanted {
  readonly organizations: readonly {
    readonly slug: string;
    readonly name: string;
    readonly externalId?: string | undefined;
    readonly domain?: string | undefined;
  }[];
  readonly servers: readonly {
    readonly key: string;
    readonly title?: string | undefined;
    readonly transport: ServerTransport;
    readonly auth?: z.output<typeof serverAuth> | undefined;
    readonly trusted: boolean;
    readonly keyName?: string | undefined;
    readonly tls?: ServerTlsFiles | undefined;
    readonly port?: number | undefined;
    readonly totalTimeoutMs?: number | undefined;
    /** All that it is to have; undefined: as it is. */
    readonly variables?: Readonly<Record<string, Secret>> | undefined;
  }[];
  readonly credentials?: readonly WantedCredential[];
  readonly collections: readonly (Partial<Listing> & {
    readonly organization: string;
    readonly name: string;
    readonly allowedRoles: readonly string[] | '*';
    readonly bindings: readonly WantedBinding[];
  })[];
  readonly limits?: { readonly rules: readonly WantedLimit[] };
  readonly enablements: readonly {
    readonly organization: string;
    readonly server: string;
    readonly allMembers?: true | undefined;
    readonly allowedRoles?: readonly string[] | undefined;
  }[];
  readonly groups?: readonly WantedGroup[];
  readonly grants?: readonly WantedGrant[];
  /** What the API or portal made becomes the file's, instead of being refused. */
  readonly adopt?: boolean;
}

export interface Applied {
  /** `server docs`, `collection acme/handbook`: what was inserted or replaced. */
  readonly changed: readonly string[];
  /** What could not be compared to the file, since key management does not answer: it stays as it is stored. */
  readonly locked: readonly string[];
}

/** Throws GatehouseError `setting` for a reference to nothing, a reserved name, or a name that the API made. */
/** `listing`: of collections that don't say how they list. */
export async function applyConfig(
  records: AdminRecords,
  wanted: Wanted,
  listing: Listing = plainListing,
): Promise<Applied> {
  const changed: string[] = [];
  for (const organization of wanted.organizations) await applyOrganization(records, organization, changed);
  await applyServers(records, wanted, changed);
  const servers = new Map((await records.listServers()).map((row) => [row.key, row]));
  const bound = wanted.collections.flatMap(({ organization, bindings }) =>
    bindings.map(({ server }) => ({ organization, server, allowedRoles: [] })),
  );
  for (const item of wanted.enablements) await applyEnablement(records, { item, servers, implied: false }, changed);
  // What a collection binds must be enabled; the file's own word on the same server stands.
  for (const item of bound) await applyEnablement(records, { item, servers, implied: true }, changed);
  const locked: string[] = [];
  for (const collection of wanted.collections)
    await orLocked(locked, `collection ${collection.organization}/${collection.name}`, () =>
      applyCollection(records, { collection, servers, defaults: listing, adopt: wanted.adopt === true }, changed),
    );
  for (const group of wanted.groups ?? []) {
    const organization = await getOrganization(records, group.organization);
    const { adopt } = wanted;
    if (await applyGroup(records, organization, { ...group, ...(adopt && { adopt }) }))
      changed.push(`group ${organization.slug}/${group.name}`);
  }
  await applyGrants(records, wanted.grants ?? [], changed);
  await applyLimits(records, wanted.limits?.rules ?? [], changed);
  for (const credential of wanted.credentials ?? [])
    await orLocked(locked, `credential ${credential.organization}/${credential.server}`, () =>
      applyCredentials(records, [credential], changed),
    );
  return { changed, locked };
}

/** Without its keys the gateway starts all the same: what needs no credential goes on (SECURITY 3.1). */
async function orLocked(locked: string[], what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (thrown) {
    if (!(thrown instanceof GatehouseError) || thrown.code !== 'credential_unavailable') throw thrown;
    locked.push(what);
  }
}

async function applyOrganization(
  records: AdminRecords,
  { slug, name, externalId, domain }: Wanted['organizations'][number],
  changed: string[],
): Promise<void> {
  translate(() => checkOrganizationName(slug));
  const found = await records.findOrganization(slug);
  // An external id or domain that the file leaves out stays as it is.
  const isSame =
    found?.name === name &&
    (externalId === undefined || found.externalId === externalId) &&
    (domain === undefined || found.domain === domain);
  if (isSame) return;
  if (found) await records.updateOrganization(found.id, { name, externalId, domain });
  else await records.insertOrganization({ slug, name, externalId, domain });
  changed.push(`organization ${slug}`);
}

async function applyServers(
  records: AdminRecords,
  { servers, adopt = false }: Pick<Wanted, 'servers' | 'adopt'>,
  changed: string[],
): Promise<void> {
  const known = new Map((await records.listServers()).map((row) => [row.key, row]));
  for (const server of servers) {
    const values = valuesOf(server);
    const { key } = values;
    translate(() => checkName(key));
    const found = known.get(key);
    const isVaried = await areOther(records, found?.id, server.variables);
    if (found?.managedBy === 'api' && !adopt) {
      if (sameServer(found, values) && !isVaried) continue;
      throw madeByApi(`server "${key}"`);
    }
    // The file goes before the catalogue.
    if (found && found.managedBy !== 'file') {
      const isOwnSwitch = found.managedBy === 'api';
      await records.updateServer(found.id, { ...values, ...(!isOwnSwitch && { active: true }) });
    } else if (found && sameServer(found, values) && !isVaried) continue;
    else if (found) await records.updateServer(found.id, values);
    const { id } = found ?? (await records.insertServer(values));
    if (isVaried) await replaceVariables(records, id, server.variables ?? {});
    changed.push(`server ${key}`);
  }
}

function valuesOf({ key, title = key, keyName = '', ...server }: Wanted['servers'][number]) {
  const { transport: given, auth, trusted, tls, port, totalTimeoutMs } = server;
  const transport = tls && (given.kind === 'http' || given.kind === 'sse') ? { ...given, tls } : given;
  return {
    ...{ key, title, transport, auth: auth && givenAuth(auth), trusted, keyName, port, managedBy: 'file' as const },
    ...(totalTimeoutMs !== undefined && { totalTimeoutMs }),
  };
}

/** Whether these are to be sealed: others than it has. What does not open is another one. */
async function areOther(
  records: AdminRecords,
  id: ServerRow['id'] | undefined,
  wanted: Wanted['servers'][number]['variables'],
): Promise<boolean> {
  if (wanted === undefined) return false;
  const has = id === undefined ? {} : await records.findVariables(id).catch(() => undefined);
  const plain = (values: Readonly<Record<string, Secret>>) =>
    canonical(Object.fromEntries(Object.entries(values).map(([name, value]) => [name, value.reveal()])));
  return has === undefined || plain(has) !== plain(wanted);
}

async function replaceVariables(
  records: AdminRecords,
  id: ServerRow['id'],
  wanted: Readonly<Record<string, Secret>>,
): Promise<void> {
  await records.asPlatform(async (scope) => {
    for (const { name } of await listVariables(scope, id))
      if (!Object.hasOwn(wanted, name)) await removeVariable(scope, id, name);
  });
  const plain = Object.entries(wanted).map(([name, value]) => [name, value.reveal()]);
  await records.setVariables(id, Object.fromEntries(plain));
}

function sameServer(
  found: ServerRow,
  wanted: Pick<ServerRow, 'title' | 'transport' | 'auth' | 'trusted' | 'keyName' | 'port'> & {
    readonly totalTimeoutMs?: number;
  },
): boolean {
  const { title, transport, auth, trusted, keyName, port, totalTimeoutMs = found.totalTimeoutMs } = wanted;
  const isSameSecret = found.auth?.secret?.reveal() === auth?.secret?.reveal();
  const like = (one: Pick<ServerRow, 'transport' | 'auth'>) => canonical([one.transport, one.auth?.auth ?? null]);
  return (
    (found.keyName ?? '') === (keyName ?? '') &&
    found.title === title &&
    found.trusted === trusted &&
    found.port === port &&
    found.totalTimeoutMs === totalTimeoutMs &&
    isSameSecret &&
    like(found) === like({ transport, auth })
  );
}

interface Enabling {
  readonly item: Wanted['enablements'][number];
  readonly servers: ReadonlyMap<string, ServerRow>;
  readonly implied: boolean;
}

async function applyEnablement(records: AdminRecords, enabling: Enabling, changed: string[]): Promise<void> {
  const { item, servers, implied } = enabling;
  const organization = await getOrganization(records, item.organization);
  const server = getServer(servers, item.server);
  const found = await records.findEnablement(organization.id, server.id);
  if (found && implied) return;
  const values = { enabled: true, allMembers: item.allMembers ?? false, allowedRoles: item.allowedRoles ?? [] };
  if (found && canonical({ ...found, blockedTools: undefined }) === canonical(values)) return;
  await records.putEnablement(organization.id, server.id, values);
  changed.push(`enablement ${organization.slug}/${server.key}`);
}

interface Collecting {
  readonly defaults: Listing;
  readonly adopt: boolean;
  readonly collection: Wanted['collections'][number];
  readonly servers: ReadonlyMap<string, ServerRow>;
}

async function applyCollection(
  records: AdminRecords,
  { collection, servers, defaults, adopt }: Collecting,
  changed: string[],
): Promise<void> {
  translate(() => checkName(collection.name));
  const organization = await getOrganization(records, collection.organization);
  const { name, allowedRoles, names, mode, tokenBudget } = { ...defaults, ...collection };
  const bindings = collection.bindings.map((binding) => newBinding(binding, servers));
  const listing = { names, mode, tokenBudget };
  const values = { name, allowedRoles, listing, bindings, managedBy: 'file' } as const;
  const found = (await records.listCollections(organization.id)).find((row) => row.name === name);
  if (found && found.managedBy !== 'file' && !adopt) throw madeByApi(`collection "${organization.slug}/${name}"`);
  if (!found) await records.insertCollection(organization.id, values);
  else if (!(await records.replaceCollection(organization.id, found.id, values)).changed) return;
  changed.push(`collection ${organization.slug}/${name}`);
}

function newBinding(binding: WantedBinding, servers: ReadonlyMap<string, ServerRow>): NewBinding {
  const { partition, credential, header, enforced = {}, prefix, tools } = binding;
  return { server: getServer(servers, binding.server).id, partition, credential, header, enforced, prefix, tools };
}

async function getOrganization(records: AdminRecords, ref: string): Promise<OrganizationRow> {
  const found = await records.findOrganization(ref);
  if (found) return found;
  throw settingError(`There is no organization "${ref}": add it under organizations in gatehouse.yaml`);
}

function getServer(servers: ReadonlyMap<string, ServerRow>, key: string): ServerRow {
  const found = servers.get(key);
  if (found) return found;
  throw settingError(`There is no server "${key}": add it under servers in gatehouse.yaml`);
}

const madeByApi = (what: string) =>
  settingError(
    `The ${what} of gatehouse.yaml was made by the API or command line: remove it there, or rename it in the file`,
  );

function translate(check: () => void): void {
  try {
    check();
  } catch (cause) {
    throw cause instanceof GatehouseError ? settingError(`gatehouse.yaml: ${cause.message}`) : cause;
  }
}
