/** OAuth clients that registered themselves (RFC 7591), or were made by an administrator. Secrets are sealed, registration tokens are digests. */
import { sql } from 'kysely';
import { z } from 'zod';
import type { Db, Tx } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';

export interface Client {
  readonly id: string;
  /** As registered, in the words of RFC 7591; no secrets. */
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly secretSealed: string | undefined;
  /** Of the token that manages the registration; undefined: an administrator's. */
  readonly registrationDigest: string | undefined;
  /** Unix milliseconds, as are all times here. */
  readonly createdAt: number;
  /** Of the registration or its last change. */
  readonly updatedAt: number;
  /** undefined: pending, nobody completed a sign-in through it. */
  readonly signedInAt: number | undefined;
  readonly expiresAt: number | undefined;
}

export type NewClient = Omit<Client, 'updatedAt' | 'signedInAt'> & {
  /** An administrator's client is never pending. */
  readonly signedInAt?: number | undefined;
  readonly registeredFrom?: string | undefined;
};

const metadata = z.record(z.string(), z.unknown());
const date = (ms: number | undefined) => (ms === undefined ? null : new Date(ms));

export async function insertClient(db: Db, client: NewClient): Promise<void> {
  const values = {
    id: client.id,
    metadata: JSON.stringify(client.metadata),
    secret_sealed: client.secretSealed ?? null,
    registration_digest: client.registrationDigest ?? null,
    registered_from: client.registeredFrom ?? null,
    created_at: new Date(client.createdAt),
    updated_at: new Date(client.createdAt),
    signed_in_at: date(client.signedInAt),
    expires_at: date(client.expiresAt),
  };
  await withPlatform(db, ({ tx }) => tx.insertInto('oauth_clients').values(values).execute());
}

/** What can be an id at all: anything else, such as a NUL, PostgreSQL would not even take. */
const idShape = /^[!-~]{1,256}$/;

/** An expired one is not found, swept or not. */
export async function findClient(db: Db, id: string, nowMs: number): Promise<Client | undefined> {
  if (!idShape.test(id)) return undefined;
  return withPlatform(db, async ({ tx }) => {
    const row = await tx
      .selectFrom('oauth_clients')
      .selectAll()
      .where('id', '=', id)
      .where((is) => is.or([is('expires_at', 'is', null), is('expires_at', '>', new Date(nowMs))]))
      .executeTakeFirst();
    if (!row) return undefined;
    return {
      id: row.id,
      metadata: metadata.parse(row.metadata),
      secretSealed: row.secret_sealed ?? undefined,
      registrationDigest: row.registration_digest ?? undefined,
      createdAt: row.created_at.getTime(),
      updatedAt: row.updated_at.getTime(),
      signedInAt: row.signed_in_at?.getTime(),
      expiresAt: row.expires_at?.getTime(),
    };
  });
}

/** False: it is gone. */
export function updateClient(
  db: Db,
  id: string,
  to: Pick<Client, 'metadata' | 'secretSealed' | 'updatedAt' | 'expiresAt'>,
): Promise<boolean> {
  return withPlatform(db, async ({ tx }) => {
    const row = await tx
      .updateTable('oauth_clients')
      .set({
        metadata: JSON.stringify(to.metadata),
        secret_sealed: to.secretSealed ?? null,
        updated_at: new Date(to.updatedAt),
        expires_at: date(to.expiresAt),
      })
      .where('id', '=', id)
      .returning('id')
      .executeTakeFirst();
    return row !== undefined;
  });
}

/**
 * Somebody completed a sign-in through it: from now on it lives `lifetimeSeconds` from its last change (0: for ever).
 * True the first time only.
 */
export function markClientSignedIn(
  db: Db,
  id: string,
  { nowMs, lifetimeSeconds }: { readonly nowMs: number; readonly lifetimeSeconds: number },
): Promise<boolean> {
  const expires =
    lifetimeSeconds === 0 ? null : sql<Date>`updated_at + make_interval(secs => ${sql.lit(lifetimeSeconds)})`;
  return withPlatform(db, async ({ tx }) => {
    const row = await tx
      .updateTable('oauth_clients')
      .set({ signed_in_at: new Date(nowMs), expires_at: expires })
      .where('id', '=', id)
      .where('signed_in_at', 'is', null)
      .returning('id')
      .executeTakeFirst();
    return row !== undefined;
  });
}

/** With everything that was issued to it. Its live access tokens are announced as dead. False: there was none. */
export function removeClient(db: Db, id: string): Promise<boolean> {
  return withPlatform(db, async ({ tx }) => {
    const row = await tx.deleteFrom('oauth_clients').where('id', '=', id).returning('id').executeTakeFirst();
    await removeIssued(tx, [id]);
    return row !== undefined;
  });
}

/** Clients nobody signed in through, counted up to `atMost`. */
export function countPendingClients(db: Db, atMost: number): Promise<number> {
  return withPlatform(db, async ({ tx }) => {
    const { count } = await tx
      .selectFrom((from) =>
        from.selectFrom('oauth_clients').select('id').where('signed_in_at', 'is', null).limit(atMost).as('pending'),
      )
      .select(({ fn }) => fn.countAll<string>().as('count'))
      .executeTakeFirstOrThrow();
    return Number(count);
  });
}

/** At most `limit` clients whose time is over, with what was issued to them. How many. */
export const removeExpiredClients = (db: Db, nowMs: number, limit: number): Promise<number> =>
  sweep(db, limit, (tx) =>
    tx.selectFrom('oauth_clients').where('expires_at', '<=', new Date(nowMs)).orderBy('expires_at'),
  );

/** At most `limit` pending clients registered before `beforeMs`. How many. */
export const removePendingClients = (db: Db, beforeMs: number, limit: number): Promise<number> =>
  sweep(db, limit, (tx) =>
    tx
      .selectFrom('oauth_clients')
      .where('signed_in_at', 'is', null)
      .where('created_at', '<=', new Date(beforeMs))
      .orderBy('created_at'),
  );

type ClientQuery = ReturnType<typeof clientQuery>;
const clientQuery = (tx: Tx) => tx.selectFrom('oauth_clients');

/** Replicas that sweep at once take different rows. */
function sweep(db: Db, limit: number, dead: (tx: Tx) => ClientQuery): Promise<number> {
  return withPlatform(db, async ({ tx }) => {
    const rows = await tx
      .deleteFrom('oauth_clients')
      .where('id', 'in', dead(tx).select('id').limit(limit).forUpdate().skipLocked())
      .returning('id')
      .execute();
    const ids = rows.map(({ id }) => id);
    if (ids.length > 0) await removeIssued(tx, ids);
    return ids.length;
  });
}

async function removeIssued(tx: Tx, ids: readonly string[]): Promise<void> {
  await tx.deleteFrom('oauth_records').where('client_id', 'in', ids).execute();
  await tx.deleteFrom('consents').where('client_id', 'in', ids).execute();
}
