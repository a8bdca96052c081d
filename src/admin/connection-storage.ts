/** Accounts that people have at servers, for administrators: who has one and how it is. */
import { GatehouseError } from '#core/error.ts';
import type { Db } from '#db/schema.ts';
import { type OrganizationScope, withOrganization } from '#db/scope.ts';
import { listConnectedAccounts, removeConnectedAccount } from '#records/connected-accounts.ts';
import { findServer } from '#records/servers.ts';
import type { AdminRecords } from './records.ts';

export function connectionRecords(db: Db): Pick<AdminRecords, 'listConnections' | 'removeConnection'> {
  const list = async (scope: OrganizationScope, key: string) => {
    const server = await findServer(scope, key);
    if (!server) throw new GatehouseError('not_found');
    return listConnectedAccounts(scope, { server: server.id });
  };
  return {
    listConnections: (org, key) => withOrganization(db, org, (scope) => list(scope, key)),
    async removeConnection(org, key, user) {
      const all = await withOrganization(db, org, (scope) => list(scope, key));
      const account = all.find((one) => one.user === user);
      if (!account) throw new GatehouseError('not_found');
      await removeConnectedAccount(db, account);
      return account;
    },
  };
}
