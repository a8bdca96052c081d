import type { Connection } from '#admin/account-nouns.ts';
import { getOrganization } from '#admin/actor.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import type { ShownAccount } from '#records/connected-accounts.ts';

export function connectionHandlers({ records }: AdminDeps): Pick<Handlers, 'listConnections' | 'removeConnection'> {
  return {
    async listConnections({ organization, server }, actor) {
      const { id } = await getOrganization(records, actor, organization);
      const items = (await records.listConnections(id, server)).map((account) => shown(account, server));
      const count = (state: Connection['state']) => items.filter((item) => item.state === state).length;
      return { items, counts: { ok: count('ok'), expiring: count('expiring'), failed: count('failed') } };
    },
    async removeConnection({ organization, server, user }, actor) {
      const { id } = await getOrganization(records, actor, organization);
      return shown(await records.removeConnection(id, server, user), server);
    },
  };
}

const time = (ms: number) => new Date(ms).toISOString();

function shown(account: ShownAccount, server: string): Connection {
  const { id, user, subject, email, issuer, scopes, missingScopes, state, failedReason, expiresAt } = account;
  return {
    ...{ id, user, subject, server, issuer, state },
    scopes: [...scopes],
    missingScopes: [...missingScopes],
    email: email ?? null,
    failedReason: failedReason ?? null,
    expiresAt: expiresAt === undefined ? null : time(expiresAt),
    renewable: account.refreshable,
    connectedAt: time(account.createdAt),
    updatedAt: time(account.updatedAt),
  };
}
