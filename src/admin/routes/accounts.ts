import { getOrganization } from '#admin/actor.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import type { Account } from '#admin/nouns.ts';
import type { AccountRow } from '#admin/records.ts';
import { GatehouseError } from '#core/error.ts';
import { hashPassword, makePassword } from '#core/password.ts';

type Names = 'listAccounts' | 'createAccount' | 'deactivateAccount' | 'setAccountPassword';

export function accountHandlers({ records }: AdminDeps): Pick<Handlers, Names> {
  return {
    async listAccounts() {
      return { items: (await records.listAccounts()).map(shown) };
    },
    async createAccount({ username, name, email, organization: ref, roles, password }, actor) {
      if (ref === undefined && roles.length > 0) {
        throw new GatehouseError('bad_request', { message: 'Roles are of an organization: say which' });
      }
      const organization = ref === undefined ? undefined : await getOrganization(records, actor, ref);
      const membership = organization && { org: organization.id, roles };
      const made = password ?? makePassword();
      const digest = await hashPassword(made);
      const row = await records.insertAccount({ username, name, email, digest, membership });
      return { ...fields(row), password: password === undefined ? made : null };
    },
    async deactivateAccount({ username }) {
      return shown(existing(await records.changeAccount(username, undefined)));
    },
    async setAccountPassword({ username, password }) {
      const made = password ?? makePassword();
      const row = existing(await records.changeAccount(username, await hashPassword(made)));
      return { ...fields(row), password: password === undefined ? made : null };
    },
  };
}

function existing(row: AccountRow | undefined): AccountRow {
  if (row) return row;
  throw new GatehouseError('not_found', { message: 'There is no such account: list them with `gatehouse user list`' });
}

function fields({ id, username, name, email, active }: AccountRow) {
  return { id, username, name: name ?? null, email: email ?? null, active };
}

function shown(row: AccountRow): Account {
  const time = (ms: number) => new Date(ms).toISOString();
  const { createdAt, lastSignInAt } = row;
  return {
    ...fields(row),
    createdAt: time(createdAt),
    lastSignInAt: lastSignInAt === undefined ? null : time(lastSignInAt),
  };
}
