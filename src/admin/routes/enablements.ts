import { type Actor, getOrganization } from '#admin/actor.ts';
import { canonical } from '#admin/canonical.ts';
import { checkDefinition } from '#admin/commands.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import type { EnablementNoun } from '#admin/people-nouns.ts';
import type { OrganizationRow } from '#admin/records.ts';
import { ownFirst } from '#admin/storage.ts';
import { GatehouseError } from '#core/error.ts';
import type { OrganizationScope } from '#db/scope.ts';
import {
  blockEnabledTools,
  type Enablement,
  listEnablements,
  putEnablement,
  removeEnablement,
} from '#records/enablements.ts';
import {
  blockServerTools,
  findServer,
  insertServer,
  listServers,
  removeServer,
  type Server,
  updateServer,
} from '#records/servers.ts';
import { naming } from './naming.ts';
import { definitionOf } from './server-definition.ts';
import { checkName, shownServer } from './servers.ts';

type Names =
  | 'updateServer'
  | 'removeServer'
  | 'blockServerTools'
  | 'getServer'
  | 'getOrganizationServer'
  | 'listOrganizationServers'
  | 'createOrganizationServer'
  | 'updateOrganizationServer'
  | 'removeOrganizationServer'
  | 'putEnablement'
  | 'removeEnablement'
  | 'blockTools';

export function enablementHandlers(deps: AdminDeps): Pick<Handlers, Names> {
  return { ...platformHandlers(deps), ...ownServerHandlers(deps), ...enablingHandlers(deps) };
}

function platformHandlers({
  records,
}: AdminDeps): Pick<Handlers, 'getServer' | 'updateServer' | 'removeServer' | 'blockServerTools'> {
  return {
    getServer: ({ server: key }) =>
      records.asPlatform(async (scope) => {
        const found = existing(await findServer(scope, key));
        return { ...shownServer(found), ...definitionOf(found) };
      }),
    updateServer: ({ server: key, totalTimeoutMs, ...change }, actor) =>
      records.asPlatform(async (scope) => {
        // The switch of a server must be at hand, also of one that the file defines: the file says nothing of it.
        const isSwitch = totalTimeoutMs === undefined && Object.keys(given(change)).every((name) => name === 'active');
        const found = await findServer(scope, key);
        const { id, transport } = isSwitch ? existing(found) : changeable(found);
        // Whoever only gives it another title sends along what it runs.
        if (change.transport && canonical(change.transport) !== canonical(transport))
          checkDefinition(actor, change.transport);
        const timeout = totalTimeoutMs === undefined ? {} : { totalTimeoutMs: totalTimeoutMs ?? undefined };
        return shownServer(await updateServer(scope, id, { ...given(change), ...timeout }));
      }),
    removeServer: ({ server: key }) =>
      records.asPlatform(async (scope) => {
        const server = changeable(await findServer(scope, key));
        await removeServer(scope, server.id);
        return shownServer(server);
      }),
    // Also of a server that the file defines: a switch that must be at hand.
    blockServerTools: ({ server: key, tools, blocked }) =>
      records.asPlatform(async (scope) => {
        const { id } = existing(await findServer(scope, key));
        await blockServerTools(scope, id, { tools, blocked });
        return shownServer(existing(await findServer(scope, key)));
      }),
  };
}

type OwnNames = 'createOrganizationServer' | 'updateOrganizationServer' | 'removeOrganizationServer';

function ownServerHandlers({ records }: AdminDeps): Pick<Handlers, OwnNames> {
  return {
    async createOrganizationServer({ organization: ref, key, title, transport, allMembers, allowedRoles }, actor) {
      checkName(key);
      const organization = await getOrganization(records, actor, ref);
      return naming(`A server "${key}" exists already in this organization`, () =>
        records.within(organization.id, async (scope) => {
          const made = await insertServer(scope, { key, title: title ?? key, transport });
          await putEnablement(scope, { server: made.id, enabled: true, allMembers, allowedRoles });
          return shown(scope, organization, made);
        }),
      );
    },
    async updateOrganizationServer({ organization: ref, server: key, ...change }, actor) {
      const organization = await getOrganization(records, actor, ref);
      return records.within(organization.id, async (scope) => {
        const { id } = owned(await findServer(scope, key));
        return shown(scope, organization, await updateServer(scope, id, given(change)));
      });
    },
    async removeOrganizationServer({ organization: ref, server: key }, actor) {
      const organization = await getOrganization(records, actor, ref);
      return records.within(organization.id, async (scope) => {
        const found = owned(await findServer(scope, key));
        const before = await shown(scope, organization, found);
        await removeServer(scope, found.id);
        return before;
      });
    },
  };
}

type EnablingNames =
  | 'getOrganizationServer'
  | 'listOrganizationServers'
  | 'putEnablement'
  | 'removeEnablement'
  | 'blockTools';

function enablingHandlers({ records }: AdminDeps): Pick<Handlers, EnablingNames> {
  return {
    async getOrganizationServer({ organization: ref, server: key }, actor) {
      const organization = await getOrganization(records, actor, ref);
      return records.within(organization.id, async (scope) => {
        const { server, enablement } = await findOffered(scope, actor, key);
        const own = server.org === undefined ? undefined : definitionOf(server);
        const more = { keyName: own?.keyName ?? null, transport: own?.transport ?? null };
        return { ...noun(organization, server, enablement), ...more };
      });
    },
    async listOrganizationServers({ organization: ref, own, enabled: isOn }, actor) {
      const organization = await getOrganization(records, actor, ref);
      return records.within(organization.id, async (scope) => {
        const enabled = new Map((await listEnablements(scope)).map((row) => [row.server, row]));
        const visible = ownFirst(await listServers(scope)).filter(
          ({ id, org }) => org !== undefined || enabled.has(id) || actor.kind === 'platform',
        );
        const items = visible.map((server) => noun(organization, server, enabled.get(server.id)));
        const is = (wanted: 'true' | 'false' | undefined, value: boolean) =>
          wanted === undefined || value === (wanted === 'true');
        return {
          items: items.filter((item) => is(own, item.own) && is(isOn, item.enablement?.enabled === true)),
        };
      });
    },
    async putEnablement({ organization: ref, server: key, ...change }, actor) {
      const organization = await getOrganization(records, actor, ref);
      return records.within(organization.id, async (scope) => {
        const { server, enablement } = await findOffered(scope, actor, key);
        const {
          enabled = true,
          allMembers = false,
          allowedRoles = [],
          blockedTools,
        } = { ...enablement, ...given(change) };
        await putEnablement(scope, { server: server.id, enabled, allMembers, allowedRoles, blockedTools });
        return shown(scope, organization, server);
      });
    },
    async removeEnablement({ organization: ref, server: key }, actor) {
      const organization = await getOrganization(records, actor, ref);
      return records.within(organization.id, async (scope) => {
        const server = existing(await findServer(scope, key));
        await removeEnablement(scope, server.id);
        return shown(scope, organization, server);
      });
    },
    async blockTools({ organization: ref, server: key, tools, blocked }, actor) {
      const organization = await getOrganization(records, actor, ref);
      return records.within(organization.id, async (scope) => {
        const { server } = await findOffered(scope, actor, key);
        await blockEnabledTools(scope, server.id, { tools, blocked });
        return shown(scope, organization, server);
      });
    },
  };
}

/** Servers of the platform are offered to an organization by enabling them once: from then on they are its to switch. */
async function findOffered(
  scope: OrganizationScope,
  actor: Actor,
  key: string,
): Promise<{ readonly server: Server; readonly enablement: Enablement | undefined }> {
  const server = existing(await findServer(scope, key));
  const enablement = (await listEnablements(scope)).find((row) => row.server === server.id);
  if (!enablement && server.org === undefined && actor.kind !== 'platform') throw noServer();
  return { server, enablement };
}

const noServer = () =>
  new GatehouseError('not_found', { message: 'There is no such server: list them with `gatehouse server list`' });

function existing(server: Server | undefined): Server {
  if (server) return server;
  throw noServer();
}

function owned(server: Server | undefined): Server {
  if (server?.org !== undefined) return server;
  throw noServer();
}

/** What the file has is the file's; switching off is left to `block` and to enablements. */
function changeable(server: Server | undefined): Server {
  const found = existing(server);
  // Its key goes wherever it leads: nobody but the catalogue says where that is.
  if (found.managedBy === 'catalog')
    throw new GatehouseError('conflict', {
      message: 'The catalogue has this server: define it in gatehouse.yaml to change it, or unset its variable',
    });
  if (found.managedBy !== 'file') return found;
  throw new GatehouseError('conflict', { message: 'gatehouse.yaml has this server: change it there' });
}

/** What was said, without what wasn't. */
function given<T extends object>(change: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

async function shown(
  scope: OrganizationScope,
  organization: OrganizationRow,
  { key }: Server,
): Promise<EnablementNoun> {
  const server = existing(await findServer(scope, key));
  const enablement = (await listEnablements(scope)).find((row) => row.server === server.id);
  return noun(organization, server, enablement);
}

function noun(
  { slug }: OrganizationRow,
  { key, title, transport, org, active, blockedTools }: Server,
  enablement: Enablement | undefined,
): EnablementNoun {
  return {
    organization: slug,
    server: key,
    title,
    kind: transport.kind,
    own: org !== undefined,
    active,
    enablement: enablement
      ? {
          enabled: enablement.enabled,
          allMembers: enablement.allMembers,
          allowedRoles: [...enablement.allowedRoles],
          blockedTools: [...(enablement.blockedTools ?? [])],
        }
      : null,
    blockedTools: [...blockedTools],
  };
}
