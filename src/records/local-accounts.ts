/** Local accounts: people who sign in with a password kept here. For the demo, and for when the identity provider is away. */
import { GatehouseError } from '#core/error.ts';
import type { PlatformScope } from '#db/scope.ts';
import { findUser, type User, upsertIdentity } from './users.ts';

/** Names the identities of local accounts: there is one set of them in a gateway. */
export const localProvider = 'local';

export interface LocalAccount {
  readonly user: User;
  /** Lower case. */
  readonly username: string;
  readonly digest: string;
}

export interface NewLocalAccount {
  readonly username: string;
  /** Becomes `sub`: never reused. */
  readonly subject: string;
  readonly digest: string;
  readonly email: string | undefined;
  readonly name: string | undefined;
}

/** Without a name it has its username's: nobody is listed as an id. Throws `conflict` when the username is taken. */
export async function insertLocalAccount(scope: PlatformScope, account: NewLocalAccount, nowMs: number): Promise<User> {
  const username = account.username.toLowerCase();
  const { subject, email, name, digest } = account;
  const user = await upsertIdentity(
    scope,
    { provider: localProvider, subject, email, emailVerified: email !== undefined, name: name ?? username, username },
    nowMs,
  );
  // Made here, not signed in.
  await scope.tx.updateTable('users').set({ last_sign_in_at: null }).where('id', '=', user.id).execute();
  await scope.tx.insertInto('local_accounts').values({ user_id: user.id, username, digest }).execute();
  return user;
}

export async function findLocalAccount(scope: PlatformScope, username: string): Promise<LocalAccount | undefined> {
  const row = await scope.tx
    .selectFrom('local_accounts')
    .select(['user_id', 'username', 'digest'])
    .where('username', '=', username.toLowerCase())
    .executeTakeFirst();
  const user = row && (await findUser(scope, { column: 'id', value: row.user_id }));
  return row && user && { user, username: row.username, digest: row.digest };
}

/** By username. */
export async function listLocalAccounts({ tx }: PlatformScope): Promise<
  readonly {
    readonly id: string;
    readonly username: string;
    readonly name: string | undefined;
    readonly email: string | undefined;
    readonly active: boolean;
    readonly createdAt: number;
    readonly lastSignInAt: number | undefined;
  }[]
> {
  const rows = await tx
    .selectFrom('local_accounts as a')
    .innerJoin('users as u', 'u.id', 'a.user_id')
    .select(['u.id', 'a.username', 'u.name', 'u.email', 'u.deactivated_at', 'a.created_at', 'u.last_sign_in_at'])
    .orderBy('a.username')
    .execute();
  return rows.map((row) => ({
    id: row.id,
    username: row.username,
    name: row.name ?? undefined,
    email: row.email ?? undefined,
    active: row.deactivated_at === null,
    createdAt: row.created_at.getTime(),
    lastSignInAt: row.last_sign_in_at?.getTime(),
  }));
}

/** Throws `not_found`. */
export async function updateLocalPassword(
  { tx }: PlatformScope,
  { userId, digest, nowMs }: { readonly userId: string; readonly digest: string; readonly nowMs: number },
): Promise<void> {
  const { numUpdatedRows } = await tx
    .updateTable('local_accounts')
    .set({ digest, updated_at: new Date(nowMs) })
    .where('user_id', '=', userId)
    .executeTakeFirst();
  if (numUpdatedRows === 0n) throw new GatehouseError('not_found');
}
