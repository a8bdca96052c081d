/**
 * People's own accounts at upstream servers: one row per organization, person and server, tokens sealed. Sealing and
 * opening is the vault's. Who renews tokens is decided here: refresh tokens are good once, so one replica at a time may
 * use one (`takeLease`), by the database's clock.
 */
import { randomUUID } from 'node:crypto';
import { type Selectable, sql, type UpdateObject } from 'kysely';
import { asOrgId, asServerId, type OrgId, type ServerId, uuidv7 } from '#core/ids.ts';
import type { Db, GatewaySchema, Tx } from '#db/schema.ts';
import type { ConnectedAccountsTable } from '#db/schema-accounts.ts';
import { type PlatformScope, withOrganization, withPlatform } from '#db/scope.ts';
import type { Place } from './vault.ts';

/** Whose account where. */
export interface AccountPlace {
  readonly org: OrgId;
  /** The row's id. */
  readonly user: string;
  readonly server: ServerId;
}

export type AccountState = 'ok' | 'expiring' | 'failed';

export interface ConnectedAccount extends AccountPlace {
  readonly id: string;
  readonly issuer: string;
  readonly clientId: string;
  readonly sealed: string;
  readonly scopes: readonly string[];
  /** What the server asked for since, and was not given. */
  readonly missingScopes: readonly string[];
  /** Unix milliseconds; undefined: not said. */
  readonly expiresAt: number | undefined;
  readonly issuedAt: number;
  readonly refreshable: boolean;
  readonly state: AccountState;
  readonly failedReason: string | undefined;
  /** Grows with every new token. */
  readonly version: number;
  /** Unix milliseconds; undefined: at once. */
  readonly retryAt: number | undefined;
  readonly failures: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface IssuedTokens {
  /** Of the access token and what renews it. */
  readonly sealed: string;
  readonly scopes: readonly string[];
  readonly expiresAt: number | undefined;
  readonly issuedAt: number;
  readonly refreshable: boolean;
}

export interface NewAccount extends AccountPlace, IssuedTokens {
  /** Part of what the seal is bound to, hence chosen before (`newAccountId`). */
  readonly id: string;
  readonly issuer: string;
  readonly clientId: string;
}

export const newAccountId = (nowMs: number): string => uuidv7(nowMs);

/** What its sealed text is bound to, beside its organization. */
export const accountPlace = (id: string): Place => ({ table: 'connected_accounts', column: 'sealed', rowId: id });

export function findConnectedAccount(
  db: Db,
  { org, user, server }: AccountPlace,
): Promise<ConnectedAccount | undefined> {
  return withOrganization(db, org, async ({ tx }) => {
    const row = await tx
      .selectFrom('connected_accounts')
      .selectAll()
      .where('user_id', '=', user)
      .where('server_id', '=', server)
      .executeTakeFirst();
    return row && asAccount(row);
  });
}

/** In the place of whatever the person had there. Throws `not_found` where person or server is gone. */
export function putConnectedAccount(db: Db, account: NewAccount): Promise<void> {
  const { org, user, server, id, issuer, clientId } = account;
  return withOrganization(db, org, async ({ tx }) => {
    await tx.deleteFrom('connected_accounts').where('user_id', '=', user).where('server_id', '=', server).execute();
    await tx
      .insertInto('connected_accounts')
      .values({ id, org_id: org, user_id: user, server_id: server, issuer, client_id: clientId, ...columnsOf(account) })
      .execute();
  });
}

/** The account that went, for what is left to be done with its tokens; undefined: there was none. */
export function removeConnectedAccount(
  db: Db,
  { org, user, server }: AccountPlace,
): Promise<ConnectedAccount | undefined> {
  return withOrganization(db, org, async ({ tx }) => {
    const row = await tx
      .deleteFrom('connected_accounts')
      .where('user_id', '=', user)
      .where('server_id', '=', server)
      .returningAll()
      .executeTakeFirst();
    return row && asAccount(row);
  });
}

/** Milliseconds: longer than any exchange with an authorization server may take. */
const leaseMs = 30_000;

/** The right to renew this version of it, for 30 s; undefined: somebody else has it, or it is no more what it was. */
export function takeLease(
  db: Db,
  { org, id, version, failures }: Pick<ConnectedAccount, 'org' | 'id' | 'version' | 'failures'>,
): Promise<string | undefined> {
  const lease = randomUUID();
  return withOrganization(db, org, async ({ tx }) => {
    const { numUpdatedRows } = await tx
      .updateTable('connected_accounts')
      .set({ lease, lease_until: sql<Date>`now() + ${leaseMs} * interval '1 millisecond'` })
      .where('id', '=', id)
      .where('version', '=', version)
      .where('failures', '=', failures)
      .where('state', '<>', 'failed')
      .where((is) => is.or([is('lease_until', 'is', null), is('lease_until', '<', sql<Date>`now()`)]))
      .executeTakeFirst();
    return numUpdatedRows === 0n ? undefined : lease;
  });
}

export interface Leased {
  readonly org: OrgId;
  readonly id: string;
  readonly lease: string;
}

const freed = { lease: null, lease_until: null } as const;

/** False: the lease was over, and somebody else went on. */
export async function saveRenewed(db: Db, leased: Leased, tokens: IssuedTokens): Promise<boolean> {
  return update(db, leased, {
    ...columnsOf(tokens),
    ...freed,
    state: 'ok',
    failed_reason: null,
    failures: 0,
    retry_at: null,
    checked_at: new Date(tokens.issuedAt),
    version: sql<number>`version + 1`,
  });
}

/** It will not be tried again: the person has to link the account anew. */
export async function saveFailed(db: Db, leased: Leased, reason: string): Promise<boolean> {
  return update(db, leased, { ...freed, state: 'failed', failed_reason: reason.slice(0, 256) });
}

/** It may go better then. */
export async function saveDelayed(db: Db, leased: Leased, retryAt: number, failures: number): Promise<boolean> {
  return update(db, leased, { ...freed, state: 'expiring', retry_at: new Date(retryAt), failures });
}

type Change = Partial<UpdateObject<GatewaySchema, 'connected_accounts'>>;

function update(db: Db, { org, id, lease }: Leased, change: Change): Promise<boolean> {
  return withOrganization(db, org, async ({ tx }) => {
    const { numUpdatedRows } = await tx
      .updateTable('connected_accounts')
      .set({ ...change, updated_at: new Date() })
      .where('id', '=', id)
      .where('lease', '=', lease)
      .executeTakeFirst();
    return numUpdatedRows > 0n;
  });
}

/** Whatever is known of it is no use any more. Of this version only: a newer token may be good. */
export function failAccount(
  db: Db,
  { org, id, version }: Pick<ConnectedAccount, 'org' | 'id' | 'version'>,
  reason: string,
): Promise<void> {
  return withOrganization(db, org, async ({ tx }) => {
    await tx
      .updateTable('connected_accounts')
      .set({ ...freed, state: 'failed', failed_reason: reason.slice(0, 256), updated_at: new Date() })
      .where('id', '=', id)
      .where('version', '=', version)
      .execute();
  });
}

export function saveMissingScopes(
  db: Db,
  { org, id }: Pick<ConnectedAccount, 'org' | 'id'>,
  scopes: readonly string[],
): Promise<void> {
  return withOrganization(db, org, async ({ tx }) => {
    await tx
      .updateTable('connected_accounts')
      .set({ missing_scopes: scopes.join(' ').slice(0, 8192), updated_at: new Date() })
      .where('id', '=', id)
      .execute();
  });
}

export interface ShownAccount extends ConnectedAccount {
  readonly subject: string;
  readonly email: string | undefined;
  readonly name: string | undefined;
}

/** Of one person in one organization. */
export const listMyAccounts = ({ tx }: PlatformScope, org: OrgId, user: string): Promise<readonly ShownAccount[]> =>
  accountsIn(tx, org, { user });

/** Of one server, or of one person, in one organization. */
export function listConnectedAccounts(
  db: Db,
  org: OrgId,
  of: { readonly server: ServerId } | { readonly user: string },
): Promise<readonly ShownAccount[]> {
  // People are the platform's.
  return withPlatform(db, ({ tx }) => accountsIn(tx, org, of));
}

async function accountsIn(
  tx: Tx,
  org: OrgId,
  of: { readonly server: ServerId } | { readonly user: string },
): Promise<readonly ShownAccount[]> {
  const all = tx
    .selectFrom('connected_accounts as a')
    .innerJoin('users as u', 'u.id', 'a.user_id')
    .selectAll('a')
    .select(['u.subject', 'u.email', 'u.name'])
    .where('a.org_id', '=', org);
  const some = 'server' in of ? all.where('a.server_id', '=', of.server) : all.where('a.user_id', '=', of.user);
  const rows = await some.orderBy('a.created_at').execute();
  return rows.map((row) => ({
    ...asAccount(row),
    subject: row.subject,
    email: row.email ?? undefined,
    name: row.name ?? undefined,
  }));
}

/** Those that nobody used to renew for so long, the longest first. */
export function listIdleAccounts(
  db: Db,
  { beforeMs, limit }: { readonly beforeMs: number; readonly limit: number },
): Promise<readonly ConnectedAccount[]> {
  return withPlatform(db, async ({ tx }) => {
    const rows = await tx
      .selectFrom('connected_accounts')
      .selectAll()
      .where('refreshable', '=', true)
      .where('state', '<>', 'failed')
      .where('checked_at', '<', new Date(beforeMs))
      .orderBy('checked_at')
      .limit(limit)
      .execute();
    return rows.map(asAccount);
  });
}

export function countAccountStates(db: Db): Promise<Readonly<Record<AccountState, number>>> {
  return withPlatform(db, async ({ tx }) => {
    const rows = await tx
      .selectFrom('connected_accounts')
      .select(['state', sql<string>`count(*)`.as('count')])
      .groupBy('state')
      .execute();
    const count = (state: AccountState) => Number(rows.find((row) => row.state === state)?.count ?? 0);
    return { ok: count('ok'), expiring: count('expiring'), failed: count('failed') };
  });
}

function columnsOf({ sealed, scopes, expiresAt, issuedAt, refreshable }: IssuedTokens) {
  return {
    sealed,
    scopes: scopes.join(' ').slice(0, 8192),
    expires_at: expiresAt === undefined ? null : new Date(expiresAt),
    issued_at: new Date(issuedAt),
    refreshable,
  };
}

const words = (text: string | null) => (text ?? '').split(' ').filter(Boolean);

function asAccount(row: Selectable<ConnectedAccountsTable>): ConnectedAccount {
  return {
    id: row.id,
    org: asOrgId(row.org_id),
    user: row.user_id,
    server: asServerId(row.server_id),
    issuer: row.issuer,
    clientId: row.client_id,
    sealed: row.sealed,
    scopes: words(row.scopes),
    missingScopes: words(row.missing_scopes),
    expiresAt: row.expires_at?.getTime(),
    issuedAt: row.issued_at.getTime(),
    refreshable: row.refreshable,
    state: row.state === 'failed' || row.state === 'expiring' ? row.state : 'ok',
    failedReason: row.failed_reason ?? undefined,
    version: row.version,
    retryAt: row.retry_at?.getTime(),
    failures: row.failures,
    createdAt: row.created_at.getTime(),
    updatedAt: row.updated_at.getTime(),
  };
}
