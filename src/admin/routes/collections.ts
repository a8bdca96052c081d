import { type Actor, getOrganization } from '#admin/actor.ts';
import type { ParsedInput } from '#admin/contract.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import type { Collection } from '#admin/nouns.ts';
import type { AdminRecords, CollectionRow, NewBinding, OrganizationRow, ServerRow } from '#admin/records.ts';
import { GatehouseError } from '#core/error.ts';
import { Secret } from '#core/secret.ts';
import { checkName } from './servers.ts';

export function collectionHandlers({ records }: AdminDeps): Pick<Handlers, 'listCollections' | 'createCollection'> {
  return {
    async listCollections(input, actor) {
      const organization = await getOrganization(records, actor, input.organization);
      const rows = await records.listCollections(organization.id);
      return { items: rows.map((row) => shown(row, organization)) };
    },
    async createCollection(input, actor) {
      checkName(input.name);
      const organization = await getOrganization(records, actor, input.organization);
      const servers = await findServers(records, organization, input.bindings);
      for (const server of servers.values()) await checkEnabled(records, { organization, server, actor });
      const row = await records.insertCollection(organization.id, {
        name: input.name,
        allowedRoles: input.allowedRoles,
        listing: { names: input.names, mode: input.mode, tokenBudget: input.tokenBudget },
        bindings: input.bindings.map((binding) => newBinding(binding, servers)),
        managedBy: 'api',
      });
      return shown(row, organization);
    },
  };
}

type BindingInput = ParsedInput<'createCollection'>['bindings'][number];

async function findServers(
  records: AdminRecords,
  { id: org }: OrganizationRow,
  bindings: readonly BindingInput[],
): Promise<ReadonlyMap<string, ServerRow>> {
  const visible = (await records.listServers()).filter((row) => row.org === undefined || row.org === org);
  const byKey = new Map(visible.map((row) => [row.key, row]));
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
  if (actor.kind === 'key' || enablement) throw unknownServer(server.key);
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
