import type { z } from 'zod';
import { getOrganization } from '#admin/actor.ts';
import { builtinCatalog } from '#admin/catalog/catalog.ts';
import { definitionOf } from '#admin/catalog/definition.ts';
import { type CatalogEntry, commandLine, isPinned, isProgram, urlOf } from '#admin/catalog/entry.ts';
import type { catalogNoun } from '#admin/contract/catalog.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import { checkServer, makeServer } from '#admin/make-server.ts';
import type { AdminRecords, OrganizationRow } from '#admin/records.ts';
import { GatehouseError } from '#core/error.ts';
import { addressGuard } from '#http/address-guard.ts';
import { listEnablements } from '#records/enablements.ts';

type Names = 'listCatalog' | 'getCatalogEntry' | 'addCatalogServer';

export function catalogHandlers({
  records,
  guard = addressGuard(),
  catalog = builtinCatalog,
}: AdminDeps): Pick<Handlers, Names> {
  const find = (key: string): CatalogEntry => {
    const found = catalog.find((entry) => entry.key === key);
    if (found) return found;
    throw new GatehouseError('not_found', {
      message: 'There is no such server in the catalogue: see `gatehouse catalog list`',
    });
  };
  return {
    async listCatalog({ organization: ref, tag }, actor) {
      const on = await enabledIn(records, await getOrganization(records, actor, ref));
      return {
        items: catalog.filter(({ tags }) => tag === undefined || tags.includes(tag)).map((entry) => shown(entry, on)),
      };
    },
    async getCatalogEntry({ organization: ref, key }, actor) {
      const on = await enabledIn(records, await getOrganization(records, actor, ref));
      return shown(find(key), on);
    },
    async addCatalogServer({ organization: ref, key, as = key, credential, url, consent, ...access }, actor) {
      const organization = await getOrganization(records, actor, ref);
      const entry = find(key);
      const { auth } = entry;
      if (auth.kind === 'connected' && actor.kind !== 'platform')
        throw new GatehouseError('forbidden', {
          message: `With "${key}" people link accounts of their own: an administrator of the gateway adds it`,
        });
      const definition = definitionOf(entry, { url });
      if (!definition) throw wrong(`"${key}" is somewhere else for everybody: give its address`);
      if (url !== undefined && isProgram(entry)) throw wrong(`"${key}" runs here: it has no address`);
      const isKeyed = auth.kind === 'key' || auth.kind === 'variable';
      if (isKeyed && credential === undefined) throw wrong(`"${key}" needs its key`);
      if (!isKeyed && credential !== undefined) throw wrong(`"${key}" takes no key`);
      const making = { records, guard, actor, organization, consent, access };
      const server = await checkServer({ ...definition, key: as, credential }, making);
      await makeServer(server, making);
      return { organization: organization.slug, server: as, kind: server.transport.kind };
    },
  };
}

const wrong = (message: string) => new GatehouseError('bad_request', { message });

async function enabledIn(records: AdminRecords, { id }: OrganizationRow): Promise<ReadonlySet<string>> {
  const rows = await records.within(id, listEnablements);
  const on = new Set(rows.filter(({ enabled }) => enabled).map(({ server }) => server));
  const servers = await records.listServersOf(id);
  return new Set(servers.filter((server) => server.active && on.has(server.id)).map(({ key }) => key));
}

function shown(entry: CatalogEntry, on: ReadonlySet<string>): z.output<typeof catalogNoun> {
  const { key, title, description, documentation, tags, transport, auth, variable, urlVariable } = entry;
  const isRun = transport.kind === 'stdio' || transport.kind === 'container';
  return {
    ...{ key, title, description, documentation, tags, kind: transport.kind, auth: auth.kind },
    url: urlOf(transport) ?? null,
    command: isRun ? commandLine(transport) : null,
    pinned: isPinned(entry),
    header: auth.kind === 'key' ? auth.header : null,
    variable: variable ?? null,
    urlVariable: urlVariable ?? null,
    verified: entry.verified,
    note: entry.note ?? null,
    enabled: on.has(key),
  };
}
