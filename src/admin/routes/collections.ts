import { type Actor, getOrganization } from '#admin/actor.ts';
import type { ParsedInput } from '#admin/contract.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import type { Collection } from '#admin/nouns.ts';
import type {
  AdminRecords,
  CollectionRow,
  NewBinding,
  NewCollection,
  OrganizationRow,
  ServerRow,
} from '#admin/records.ts';
import { GatehouseError } from '#core/error.ts';
import { asCollectionId } from '#core/ids.ts';
import { Secret } from '#core/secret.ts';
import { removeCollection } from '#records/collections.ts';
import { checkName } from './servers.ts';

type Names = 'listCollections' | 'getCollection' | 'createCollection' | 'updateCollection' | 'removeCollection';

export function collectionHandlers({ records }: AdminDeps): Pick<Handlers, Names> {
  return {
    async listCollections(input, actor) {
      const organization = await getOrganization(records, actor, input.organization);
      const rows = await records.listCollections(organization.id);
      return { items: rows.map((row) => shown(row, organization)) };
    },
    async getCollection(input, actor) {
      const organization = await getOrganization(records, actor, input.organization);
      return shown(await getByName(records, organization, input.name), organization);
    },
    async createCollection(input, actor) {
      checkName(input.name);
      const organization = await getOrganization(records, actor, input.organization);
      const servers = await findServers(records, organization, input.bindings);
      for (const server of servers.values()) await checkEnabled(records, { organization, server, actor });
      const row = await records.insertCollection(organization.id, newCollection(input, servers));
      return shown(row, organization);
    },
    async updateCollection(input, actor) {
      const organization = await getOrganization(records, actor, input.organization);
      const { id } = await getOwn(records, organization, input.name);
      const servers = await findServers(records, organization, input.bindings);
      for (const server of servers.values()) await checkEnabled(records, { organization, server, actor });
      await records.replaceCollection(organization.id, id, newCollection(input, servers));
      return shown(await getOwn(records, organization, input.name), organization);
    },
    async removeCollection(input, actor) {
      const organization = await getOrganization(records, actor, input.organization);
      const row = await getOwn(records, organization, input.name);
      await records.within(organization.id, (scope) => removeCollection(scope, asCollectionId(row.id)));
      return shown(row, organization);
    },
  };
}

async function getByName(records: AdminRecords, { id }: OrganizationRow, name: string): Promise<CollectionRow> {
  const found = (await records.listCollections(id)).find((row) => row.name === name);
  if (!found) {
    throw new GatehouseError('not_found', {
      message: 'There is no such collection: list them with `gatehouse collection list`',
    });
  }
  return found;
}

/** Throws `not_found`; `conflict` for what the file has. */
async function getOwn(records: AdminRecords, organization: OrganizationRow, name: string): Promise<CollectionRow> {
  const found = await getByName(records, organization, name);
  if (found.managedBy === 'file')
    throw new GatehouseError('conflict', { message: 'gatehouse.yaml has this collection: change it there' });
  return found;
}

function newCollection(
  input: Omit<ParsedInput<'createCollection'>, 'bindings'> & { readonly bindings: readonly BindingInput[] },
  servers: ReadonlyMap<string, ServerRow>,
): NewCollection {
  return {
    name: input.name,
    allowedRoles: input.allowedRoles,
    listing: { names: input.names, mode: input.mode, tokenBudget: input.tokenBudget },
    bindings: input.bindings.map((binding) => newBinding(binding, servers)),
    managedBy: 'api',
  };
}

type BindingInput = ParsedInput<'createCollection'>['bindings'][number] & { readonly keepCredential?: boolean };

async function findServers(
  records: AdminRecords,
  { id: org }: OrganizationRow,
  bindings: readonly BindingInput[],
): Promise<ReadonlyMap<string, ServerRow>> {
  const byKey = new Map((await records.listServersOf(org)).map((row) => [row.key, row]));
  const missing = bindings.find(({ server }) => !byKey.has(server));
  if (missing) throw unknownServer(missing.server);
  return new Map(bindings.flatMap(({ server }) => entryOf(byKey, server)));
}

function entryOf(byKey: ReadonlyMap<string, ServerRow>, key: string): [string, ServerRow][] {
  const row = byKey.get(key);
  return row ? [[key, row]] : [];
}

interface Enabling {
  readonly organization: OrganizationRow;
  readonly server: ServerRow;
  readonly actor: Actor;
}

/** The platform's own hand enables what it binds; an organization's key binds only what is enabled already. */
async function checkEnabled(records: AdminRecords, { organization, server, actor }: Enabling): Promise<void> {
  const enablement = await records.findEnablement(organization.id, server.id);
  if (enablement?.enabled) return;
  if (actor.kind !== 'platform' || enablement) throw unknownServer(server.key);
  await records.putEnablement(organization.id, server.id, { enabled: true, allMembers: false, allowedRoles: [] });
}

const unknownServer = (key: string) =>
  new GatehouseError('bad_request', {
    message: `There is no server "${key}" enabled for this organization: list servers with \`gatehouse server list\``,
  });

function newBinding(input: BindingInput, servers: ReadonlyMap<string, ServerRow>): NewBinding {
  const server = servers.get(input.server);
  if (!server) throw unknownServer(input.server);
  return {
    server: server.id,
    partition: input.partition,
    credential: input.credential === undefined ? undefined : new Secret(input.credential),
    header: input.header,
    keepCredential: input.keepCredential ?? false,
    enforced: input.enforced,
    prefix: input.prefix,
    tools: input.tools,
  };
}

function shown({ id, name, allowedRoles, listing, bindings }: CollectionRow, { slug }: OrganizationRow): Collection {
  return {
    id,
    organization: slug,
    name,
    allowedRoles: allowedRoles === '*' ? '*' : [...allowedRoles],
    ...listing,
    bindings: bindings.map(({ server, partition, hasCredential, enforced, prefix, tools }) => ({
      server,
      partition: partition ?? null,
      hasCredential,
      enforced: structuredClone(enforced),
      prefix: prefix ?? null,
      tools: { ...tools },
    })),
  };
}
