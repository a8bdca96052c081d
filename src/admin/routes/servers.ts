import { givenAuth } from '#admin/account-nouns.ts';
import { getOrganization } from '#admin/actor.ts';
import { checkDefinition } from '#admin/commands.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import type { Server } from '#admin/nouns.ts';
import type { ServerRow } from '#admin/records.ts';
import { GatehouseError } from '#core/error.ts';
import { reservedNames } from '#core/reserved.ts';
import type { GivenAuth, ServerAuth } from '#records/server-auth.ts';

export function serverHandlers({ records }: AdminDeps): Pick<Handlers, 'listServers' | 'createServer'> {
  return {
    async listServers() {
      return { items: (await records.listServers()).map(shownServer) };
    },
    async createServer({ key, title, transport, auth, trusted, enableFor }, actor) {
      checkName(key);
      checkDefinition(actor, transport);
      const organization = enableFor === undefined ? undefined : await getOrganization(records, actor, enableFor);
      const row = await records.insertServer({
        ...{ key, title: title ?? key, transport, trusted, managedBy: 'api' },
        auth: auth && givenAuth(auth),
      });
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

type ServerLike = Omit<ServerRow, 'managedBy' | 'auth'> & { readonly auth: GivenAuth | ServerAuth | undefined };

export function shownServer(row: ServerLike): Server {
  const { id, key, title, transport, org, trusted, active, blockedTools, auth } = row;
  const accounts = auth ? ('auth' in auth ? auth.auth.kind : auth.kind) : null;
  const more = { active, blockedTools: [...blockedTools], accounts };
  return { id, key, title, kind: transport.kind, organization: org ?? null, trusted, ...more };
}
