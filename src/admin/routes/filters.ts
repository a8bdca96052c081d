import { getOrganization } from '#admin/actor.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import type { AdminRecords } from '#admin/records.ts';
import { GatehouseError } from '#core/error.ts';
import type { OrgId } from '#core/ids.ts';
import type { ContentFilterRecord } from '#records/content-filters.ts';

export function filterHandlers({
  records,
  explainFilter,
}: AdminDeps): Pick<Handlers, 'listFilters' | 'setFilter' | 'removeFilter'> {
  return {
    async listFilters({ organization: ref }, actor) {
      const organization = await getOrganization(records, actor, ref);
      const names = await namesOf(records, organization.id);
      return { items: (await records.listFilters(organization.id)).map((filter) => shown(filter, names)) };
    },
    async setFilter({ organization: ref, server, collection, ...filter }, actor) {
      const organization = await getOrganization(records, actor, ref);
      const wrong = explainFilter?.(filter.kind, filter.config);
      if (wrong !== undefined) throw new GatehouseError('bad_request', { message: `The filter is wrong: ${wrong}` });
      const names = await namesOf(records, organization.id);
      const idOf = (known: ReadonlyMap<string, string>, wanted: string | undefined) => {
        const found = [...known].find(([, name]) => name === wanted)?.[0];
        if (wanted === undefined || found !== undefined) return found;
        throw new GatehouseError('not_found', { message: `There is no "${wanted}" in this organization` });
      };
      const target = { server: idOf(names.servers, server), collection: idOf(names.collections, collection) };
      return shown(await records.putFilter(organization.id, { ...filter, ...target }), names);
    },
    async removeFilter({ organization: ref, name }, actor) {
      const organization = await getOrganization(records, actor, ref);
      const names = await namesOf(records, organization.id);
      return shown(await records.removeFilter(organization.id, name), names);
    },
  };
}

interface Names {
  readonly servers: ReadonlyMap<string, string>;
  readonly collections: ReadonlyMap<string, string>;
}

async function namesOf(records: AdminRecords, org: OrgId): Promise<Names> {
  const servers = (await records.listServers()).filter((row) => row.org === undefined || row.org === org);
  const collections = await records.listCollections(org);
  return {
    servers: new Map(servers.map(({ id, key }) => [id, key])),
    collections: new Map(collections.map(({ id, name }) => [id, name])),
  };
}

function shown({ name, kind, config, looksAt, action, server, collection }: ContentFilterRecord, names: Names) {
  return {
    ...{ name, kind, looksAt, action },
    config: typeof config === 'object' && config !== null ? { ...config } : {},
    server: server === undefined ? null : (names.servers.get(server) ?? server),
    collection: collection === undefined ? null : (names.collections.get(collection) ?? collection),
  };
}
