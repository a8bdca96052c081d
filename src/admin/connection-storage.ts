/** Accounts that people have at servers, for administrators: who has one and how it is. */
import { GatehouseError } from '#core/error.ts';
import type { OrgId } from '#core/ids.ts';
import type { Db } from '#db/schema.ts';
import { withOrganization } from '#db/scope.ts';
import { listConnectedAccounts, removeConnectedAccount } from '#records/connected-accounts.ts';
import { findServer } from '#records/servers.ts';
import type { AdminRecords } from './records.ts';

export function connectionRecords(db: Db): Pick<AdminRecords, 'listConnections' | 'removeConnection'> {
  const list = async (org: OrgId, key: string) => {
    const server = await withOrganization(db, org, (scope) => findServer(scope, key));
    if (!server) throw new GatehouseError('not_found');
    return listConnectedAccounts(db, org, { server: server.id });
  };
  return {
    listConnections: list,
    async removeConnection(org, key, user) {
      const account = (await list(org, key)).find((one) => one.user === user);
      if (!account) throw new GatehouseError('not_found');
      await removeConnectedAccount(db, account);
      return account;
    },
  };
}
