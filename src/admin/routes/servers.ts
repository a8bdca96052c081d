import { givenAuth } from '#admin/account-nouns.ts';
import { getOrganization } from '#admin/actor.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import type { Server } from '#admin/nouns.ts';
import type { ServerRow } from '#admin/records.ts';
import { GatehouseError } from '#core/error.ts';
import { reservedNames } from '#core/reserved.ts';

export function serverHandlers({ records }: AdminDeps): Pick<Handlers, 'listServers' | 'createServer'> {
  return {
    async listServers() {
      return { items: (await records.listServers()).map(shown) };
    },
    async createServer({ key, title, transport, auth, trusted, enableFor }, actor) {
      checkName(key);
      const organization = enableFor === undefined ? undefined : await getOrganization(records, actor, enableFor);
      const row = await records.insertServer({
        ...{ key, title: title ?? key, transport, trusted, managedBy: 'api' },
        auth: auth && givenAuth(auth),
      });
      if (organization) {
        await records.putEnablement(organization.id, row.id, { enabled: true, allMembers: true, allowedRoles: [] });
      }
      return shown(row);
    },
  };
}

/** Throws `bad_request` for a name that is a path of ours. */
export function checkName(name: string): void {
  if (!reservedNames.has(name.toLowerCase())) return;
  throw new GatehouseError('bad_request', { message: `"${name}" is reserved: choose another name` });
}

function shown({ id, key, title, transport, org, trusted, auth }: ServerRow): Server {
  const accounts = auth?.auth.kind ?? null;
  return { id, key, title, kind: transport.kind, organization: org ?? null, trusted, accounts };
}
