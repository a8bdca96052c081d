/** Local accounts as the admin API wants them: each change is one transaction. */
import { randomUUID } from 'node:crypto';
import type { Clock } from '#core/clock.ts';
import type { Db } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';
import {
  findLocalAccount,
  insertLocalAccount,
  listLocalAccounts,
  updateLocalPassword,
} from '#records/local-accounts.ts';
import { removeOauthRecordsOf } from '#records/oauth-records.ts';
import { putMember, setUserActive } from '#records/users.ts';
import type { AccountRow, AdminRecords, NewAccount } from './records.ts';

export interface AccountDeps {
  readonly db: Db;
  readonly clock: Clock;
}

type AccountRecords = Pick<AdminRecords, 'listAccounts' | 'insertAccount' | 'changeAccount'>;

export function accountRecords({ db, clock }: AccountDeps): AccountRecords {
  return {
    listAccounts: () => withPlatform(db, listLocalAccounts),
    insertAccount: (values) => withPlatform(db, (scope) => insertAccount(scope, values, clock.now())),
    async changeAccount(username, digest) {
      const nowMs = clock.now();
      const changed = await withPlatform(db, async (scope) => {
        const found = await findLocalAccount(scope, username);
        if (!found) return undefined;
        const userId = found.user.id;
        if (digest !== undefined) await updateLocalPassword(scope, { userId, digest, nowMs });
        await setUserActive(scope, { userId, active: digest !== undefined, nowMs });
        const row = (await listLocalAccounts(scope)).find(({ id }) => id === userId);
        return row && { row, subject: found.user.subject };
      });
      if (changed) await removeOauthRecordsOf(db, 'account_id', changed.subject);
      return changed?.row;
    },
  };
}

async function insertAccount(
  scope: Parameters<typeof insertLocalAccount>[0],
  { membership, ...account }: NewAccount,
  nowMs: number,
): Promise<AccountRow> {
  const user = await insertLocalAccount(scope, { ...account, subject: randomUUID() }, nowMs);
  if (membership) await putMember(scope, { userId: user.id, ...membership });
  const { id, name, email, active } = user;
  const username = account.username.toLowerCase();
  return { id, username, name, email, active, createdAt: nowMs, lastSignInAt: undefined };
}
