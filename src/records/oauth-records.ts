/** What the authorization server remembers between requests: grants, codes, refresh tokens, token shadows, interactions. */
import { sql } from 'kysely';
import type { Db } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';
import { asUser, type User } from './users.ts';

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

const asRow = (record: OauthRecord) => ({
  model: record.model,
  id: record.id,
  payload: JSON.stringify(record.payload),
  client_id: record.clientId ?? null,
  account_id: record.accountId ?? null,
  grant_id: record.grantId ?? null,
  uid: record.uid ?? null,
  user_code: record.userCode ?? null,
  expires_at: date(record.expiresAt),
});

export async function upsertOauthRecord(db: Db, record: OauthRecord): Promise<void> {
  const { model, id, ...values } = asRow(record);
  await withPlatform(db, ({ tx }) =>
    tx
      .insertInto('oauth_records')
      .values({ model, id, ...values })
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

/** As `findOauthRecord` by id, with the grant that it hangs on and the person it is for: one statement for three questions. */
export function findOauthRecordAndOthers(
  db: Db,
  { model, id, nowMs }: { readonly model: string; readonly id: string; readonly nowMs: number },
): Promise<(FoundOauthRecord & { readonly grant: Found | undefined; readonly user: User | undefined }) | undefined> {
  return withPlatform(db, async ({ tx }) => {
    const now = new Date(nowMs);
    const row = await tx
      .selectFrom('oauth_records as r')
      .leftJoin('oauth_records as g', (join) =>
        join.onRef('g.id', '=', 'r.grant_id').on('g.model', '=', 'Grant').on('g.expires_at', '>', now),
      )
      .leftJoin('users as u', 'u.subject', 'r.account_id')
      .select([
        'r.id as record_id',
        'r.payload',
        'r.consumed_at',
        'r.grant_id as on_grant',
        'g.id as grant_id',
        'g.payload as grant',
      ])
      .select(['u.id', 'u.subject', 'u.email', 'u.email_verified', 'u.email_org', 'u.name', 'u.username'])
      .select(['u.deactivated_at', 'u.signed_out_at'])
      .where('r.model', '=', model)
      .where('r.id', '=', id)
      .where((is) => is.or([is('r.expires_at', 'is', null), is('r.expires_at', '>', now)]))
      .executeTakeFirst();
    if (!row || typeof row.payload !== 'object' || row.payload === null) return undefined;
    const { grant_id: grantId, grant, id: userId, subject, email_verified } = row;
    const found = grantId !== null && typeof grant === 'object' && grant !== null;
    const isKnown = userId !== null && subject !== null && email_verified !== null;
    return {
      id: row.record_id,
      payload: { ...row.payload },
      consumedAt: row.consumed_at?.getTime(),
      grantId: row.on_grant ?? undefined,
      grant: found ? { id: grantId, payload: { ...grant } } : undefined,
      user: isKnown ? asUser({ ...row, id: userId, subject, email_verified }) : undefined,
    };
  });
}

type Found = Pick<FoundOauthRecord, 'id' | 'payload'>;

/** False: it was consumed before, or is gone. One of any number of callers at once gets true. */
export function consumeOauthRecord(
  db: Db,
  { model, id, nowMs }: { readonly model: string; readonly id: string; readonly nowMs: number },
): Promise<boolean> {
  return withPlatform(db, async ({ tx }) => {
    const row = await tx
      .updateTable('oauth_records')
      .set({ consumed_at: new Date(nowMs) })
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
  await withPlatform(db, async ({ tx }) => {
    // Whoever writes tokens holds its grant: it is waited for, and the second statement sees what it wrote.
    await tx.deleteFrom('oauth_records').where('model', '=', 'Grant').where(column, '=', value).execute();
    await tx.deleteFrom('oauth_records').where(column, '=', value).execute();
  });
}

export interface TokenWrite {
  /** Must still be there: what hangs on a grant that was taken back a moment ago is not written. */
  readonly grantIds: readonly string[];
  /** Each must be unused; `note` is kept beside it. */
  readonly consumed: readonly { readonly model: string; readonly id: string; readonly note?: object | undefined }[];
  readonly inserted: readonly OauthRecord[];
}

/** All of it or nothing, arbitrated by the database: of any number of writers that consume the same record one gets `written`. */
export function writeTokens(db: Db, write: TokenWrite, nowMs: number): Promise<'written' | 'used' | 'revoked'> {
  return withPlatform(db, async ({ tx }) => {
    // The grant first, as `removeOauthRecordsOf` has it: another order would be a deadlock.
    for (const grantId of write.grantIds) {
      const grant = await tx
        .selectFrom('oauth_records')
        .select('id')
        .where('model', '=', 'Grant')
        .where('id', '=', grantId)
        .forKeyShare()
        .executeTakeFirst();
      if (!grant) return 'revoked';
    }
    for (const { model, id, note } of write.consumed) {
      const row = await tx
        .updateTable('oauth_records')
        .set({
          consumed_at: new Date(nowMs),
          ...(note && { payload: sql<never>`payload || ${JSON.stringify({ note })}::jsonb` }),
        })
        .where('model', '=', model)
        .where('id', '=', id)
        .where('consumed_at', 'is', null)
        .returning('id')
        .executeTakeFirst();
      if (!row) return 'used';
    }
    if (write.inserted.length > 0) {
      await tx.insertInto('oauth_records').values(write.inserted.map(asRow)).execute();
    }
    return 'written';
  });
}

/** What was noted when a record was consumed no longer ago than `sinceMs`, while the record `note.next` is unused. */
export function findNote(
  db: Db,
  { model, id, sinceMs }: { readonly model: string; readonly id: string; readonly sinceMs: number },
): Promise<unknown> {
  return withPlatform(db, async ({ tx }) => {
    const row = await tx
      .selectFrom('oauth_records as used')
      .innerJoin('oauth_records as next', (join) =>
        join.onRef('next.model', '=', 'used.model').on('next.id', '=', sql<string>`used.payload->'note'->>'next'`),
      )
      .select(sql<unknown>`used.payload->'note'`.as('note'))
      .where('used.model', '=', model)
      .where('used.id', '=', id)
      .where('used.consumed_at', '>=', new Date(sinceMs))
      .where('next.consumed_at', 'is', null)
      .executeTakeFirst();
    return row?.note;
  });
}

/** The row of a live access token, and of the person it is for. */
export function findLiveToken(
  db: Db,
  { id, nowMs }: { readonly id: string; readonly nowMs: number },
): Promise<LiveToken | undefined> {
  return withPlatform(db, async ({ tx }) => {
    const row = await tx
      .selectFrom('oauth_records as token')
      .leftJoin('users', 'users.subject', 'token.account_id')
      .select(['token.account_id', 'users.id as user_id', 'users.email', 'users.name', 'users.deactivated_at'])
      .where('token.model', '=', 'AccessToken')
      .where('token.id', '=', id)
      .where('token.expires_at', '>', new Date(nowMs))
      .executeTakeFirst();
    if (!row) return undefined;
    const { account_id: subject, user_id: userId, email, name } = row;
    if (subject === null) return { user: undefined };
    // A person who is gone, or who may not come in any more, has no live token.
    if (userId === null || row.deactivated_at !== null) return undefined;
    return { user: { id: userId, subject, email: email ?? undefined, name: name ?? undefined } };
  });
}

export interface LiveToken {
  /** undefined: a client's own, which is nobody's. */
  readonly user:
    | {
        readonly id: string;
        readonly subject: string;
        readonly email: string | undefined;
        readonly name: string | undefined;
      }
    | undefined;
}

/** At most `limit` expired ones, and the notes of those consumed before `notesBeforeMs`; how many were removed. */
export function removeExpiredOauthRecords(
  db: Db,
  { nowMs, notesBeforeMs, limit }: { readonly nowMs: number; readonly notesBeforeMs: number; readonly limit: number },
): Promise<number> {
  return withPlatform(db, async ({ tx }) => {
    await sql`update gateway.oauth_records set payload = payload - 'note' where ctid = any(array(
      select ctid from gateway.oauth_records where consumed_at < ${new Date(notesBeforeMs)} and payload ? 'note'
      limit ${limit} for update skip locked))`.execute(tx);
    const result = await sql`delete from gateway.oauth_records where ctid = any(array(
      select ctid from gateway.oauth_records where expires_at <= ${new Date(nowMs)}
      limit ${limit} for update skip locked))`.execute(tx);
    return Number(result.numAffectedRows ?? 0);
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
