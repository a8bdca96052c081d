import { getOrganization } from '#admin/actor.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import type { Server } from '#admin/nouns.ts';
import type { ServerRow } from '#admin/records.ts';
import { GatehouseError } from '#core/error.ts';
import { reservedNames } from '#core/reserved.ts';

export function serverHandlers({ records }: AdminDeps): Pick<Handlers, 'listServers' | 'createServer'> {
  return {
    async listServers() {
      return { items: (await records.listServers()).map(shownServer) };
    },
    async createServer({ key, title, transport, trusted, enableFor }, actor) {
      checkName(key);
      const organization = enableFor === undefined ? undefined : await getOrganization(records, actor, enableFor);
      const row = await records.insertServer({ key, title: title ?? key, transport, trusted, managedBy: 'api' });
      if (organization) {
        await records.putEnablement(organization.id, row.id, { enabled: true, allMembers: true, allowedRoles: [] });
      }
      return shownServer(row);
    },
  };
}

/** Throws `bad_request` for a name that is a path of ours. */
export function checkName(name: string): void {
  if (!reservedNames.has(name.toLowerCase())) return;
  throw new GatehouseError('bad_request', { message: `"${name}" is reserved: choose another name` });
}

type ServerLike = Omit<ServerRow, 'managedBy'>;

export function shownServer({ id, key, title, transport, org, trusted, active, blockedTools }: ServerLike): Server {
  const blocked = { active, blockedTools: [...blockedTools] };
  return { id, key, title, kind: transport.kind, organization: org ?? null, trusted, ...blocked };
}
