/** What the authorization server remembers between requests: grants, codes, refresh tokens, token shadows, interactions. */
import { sql } from 'kysely';
import type { Db } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';

export interface OauthRecord {
  readonly model: string;
  /** Where it is a bearer value, its digest. */
  readonly id: string;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly clientId?: string | undefined;
  readonly accountId?: string | undefined;
  readonly grantId?: string | undefined;
  readonly uid?: string | undefined;
  readonly userCode?: string | undefined;
  /** Unix milliseconds; undefined: until removed. */
  readonly expiresAt?: number | undefined;
}

export interface FoundOauthRecord {
  readonly id: string;
  readonly grantId: string | undefined;
  readonly payload: Readonly<Record<string, unknown>>;
  /** Unix milliseconds. */
  readonly consumedAt: number | undefined;
}

const date = (ms: number | undefined) => (ms === undefined ? null : new Date(ms));

export async function upsertOauthRecord(db: Db, record: OauthRecord): Promise<void> {
  const values = {
    payload: JSON.stringify(record.payload),
    client_id: record.clientId ?? null,
    account_id: record.accountId ?? null,
    grant_id: record.grantId ?? null,
    uid: record.uid ?? null,
    user_code: record.userCode ?? null,
    expires_at: date(record.expiresAt),
  };
  await withPlatform(db, ({ tx }) =>
    tx
      .insertInto('oauth_records')
      .values({ model: record.model, id: record.id, ...values })
      .onConflict((conflict) => conflict.columns(['model', 'id']).doUpdateSet(values))
      .execute(),
  );
}

/** Expired ones are not found. */
export function findOauthRecord(
  db: Db,
  model: string,
  by: { readonly column: 'id' | 'uid' | 'user_code'; readonly value: string; readonly nowMs: number },
): Promise<FoundOauthRecord | undefined> {
  return withPlatform(db, async ({ tx }) => {
    const row = await tx
      .selectFrom('oauth_records')
      .select(['id', 'grant_id', 'payload', 'consumed_at'])
      .where('model', '=', model)
      .where(by.column, '=', by.value)
      .where((is) => is.or([is('expires_at', 'is', null), is('expires_at', '>', new Date(by.nowMs))]))
      .executeTakeFirst();
    if (!row || typeof row.payload !== 'object' || row.payload === null) return undefined;
    const { id, grant_id: grantId, consumed_at: consumedAt } = row;
    return { id, grantId: grantId ?? undefined, payload: { ...row.payload }, consumedAt: consumedAt?.getTime() };
  });
}

/** False: it was consumed before, or is gone. One of any number of callers at once gets true. */
export function consumeOauthRecord(db: Db, model: string, id: string): Promise<boolean> {
  return withPlatform(db, async ({ tx }) => {
    const row = await tx
      .updateTable('oauth_records')
      .set({ consumed_at: sql<Date>`now()` })
      .where('model', '=', model)
      .where('id', '=', id)
      .where('consumed_at', 'is', null)
      .returning('id')
      .executeTakeFirst();
    return row !== undefined;
  });
}

export async function removeOauthRecord(db: Db, model: string, id: string): Promise<void> {
  await withPlatform(db, ({ tx }) =>
    tx.deleteFrom('oauth_records').where('model', '=', model).where('id', '=', id).execute(),
  );
}

/** Everything that hangs on one of these: codes, refresh tokens, live access tokens. */
export async function removeOauthRecordsOf(
  db: Db,
  column: 'grant_id' | 'client_id' | 'account_id',
  value: string,
): Promise<void> {
  await withPlatform(db, ({ tx }) => tx.deleteFrom('oauth_records').where(column, '=', value).execute());
}

/** How many were swept. */
export function removeExpiredOauthRecords(db: Db, nowMs: number): Promise<number> {
  return withPlatform(db, async ({ tx }) => {
    const result = await tx.deleteFrom('oauth_records').where('expires_at', '<=', new Date(nowMs)).executeTakeFirst();
    return Number(result.numDeletedRows);
  });
}

/** Marks something as used, for all time until `expiresAt`. False: it was marked before. One of any number at once gets true. */
export function markOauthRecord(
  db: Db,
  mark: { readonly model: string; readonly id: string; readonly expiresAt: number },
  nowMs: number,
): Promise<boolean> {
  return withPlatform(db, async ({ tx }) => {
    const row = await tx
      .insertInto('oauth_records')
      .values({ model: mark.model, id: mark.id, payload: '{}', expires_at: new Date(mark.expiresAt) })
      .onConflict((conflict) =>
        conflict
          .columns(['model', 'id'])
          .doUpdateSet({ expires_at: new Date(mark.expiresAt) })
          .where('oauth_records.expires_at', '<=', new Date(nowMs)),
      )
      .returning('id')
      .executeTakeFirst();
    return row !== undefined;
  });
}
