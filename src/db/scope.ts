/**
 * The only two ways to rows: as one organization, or as the platform. Each is a transaction that takes a role without
 * the right to bypass row-level security and names its scope for that transaction only (`set_config(…, true)`), so
 * nothing leaks through the pool. The role is asserted by PostgreSQL, not by us.
 */
import { CompiledQuery } from 'kysely';
import { GatehouseError } from '#core/error.ts';
import type { OrgId } from '#core/ids.ts';
import { asStorageError, isConnectionLost } from './errors.ts';
import type { Db, Tx } from './schema.ts';

export interface OrganizationScope {
  readonly kind: 'organization';
  readonly org: OrgId;
  readonly tx: Tx;
}

export interface PlatformScope {
  readonly kind: 'platform';
  readonly tx: Tx;
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * Runs `work` in a transaction that sees one organization (and the platform's servers, read only).
 * `work` may run twice: when the connection breaks before the commit, it is tried once more. It must use `scope.tx`
 * only: PGlite has one connection, and a second scope inside it would wait for ever.
 * Throws `storage_unavailable`, `conflict` (a unique name is taken), `not_found` (a reference to nothing).
 */
export function withOrganization<T>(db: Db, org: OrgId, work: (scope: OrganizationScope) => Promise<T>): Promise<T> {
  if (!uuid.test(org)) throw new GatehouseError('internal', { cause: new Error('an OrgId must be a UUID') });
  return inTransaction(db, async (tx) => {
    await enter(tx, { role: 'gatehouse_app', org, scope: '' });
    return work({ kind: 'organization', org, tx });
  });
}

/** As `withOrganization`, seeing every organization: for sign-in, batches that mix organizations, the command line. */
export function withPlatform<T>(db: Db, work: (scope: PlatformScope) => Promise<T>): Promise<T> {
  return inTransaction(db, (tx) => asPlatform(tx, work));
}

/** As `withPlatform`, reading only, all of it as of one moment: what is cached together belongs together. */
export function withPlatformSnapshot<T>(db: Db, work: (scope: PlatformScope) => Promise<T>): Promise<T> {
  return inTransaction(db, (tx) => asPlatform(tx, work), {
    isolationLevel: 'repeatable read',
    accessMode: 'read only',
  });
}

async function asPlatform<T>(tx: Tx, work: (scope: PlatformScope) => Promise<T>): Promise<T> {
  await enter(tx, { role: 'gatehouse_platform', org: '', scope: 'platform' });
  return work({ kind: 'platform', tx });
}

/** `keep` false: nothing of it stays. */
export interface Outcome<T> {
  readonly result: T;
  readonly keep: boolean;
}

/**
 * One transaction of many scopes: whatever `work` does through the `Db` that it is handed takes place in it, one scope
 * after the other, and stays only if `keep` says so. What is done through another `Db` meanwhile may wait for ever.
 * Throws what `work` throws, and what scopes do.
 */
export async function withOneTransaction<T>(db: Db, work: (joined: Db) => Promise<Outcome<T>>): Promise<T> {
  const undone = Promise.withResolvers<T>();
  const isUndone = new Error('undone on purpose');
  try {
    return await db
      .transaction()
      .setIsolationLevel(writing.isolationLevel)
      .execute(async (tx) => {
        joined.set(tx, { tx, last: Promise.resolve() });
        const { result, keep } = await work(tx);
        if (keep) return result;
        undone.resolve(result);
        throw isUndone;
      });
  } catch (error) {
    if (error === isUndone) return undone.promise;
    throw asStorageError(error);
  }
}

interface Joined {
  readonly tx: Tx;
  /** The scope that is under way: roles are the transaction's, so two at once would mix them up. */
  last: Promise<unknown>;
}

const joined = new WeakMap<Db, Joined>();

function join<T>(outer: Joined, work: (tx: Tx) => Promise<T>): Promise<T> {
  const mine = outer.last.then(() => work(outer.tx));
  outer.last = mine.catch(() => undefined);
  return mine.catch((error) => {
    throw asStorageError(error);
  });
}

interface Place {
  readonly role: 'gatehouse_app' | 'gatehouse_platform';
  /** A UUID, or nothing. */
  readonly org: OrgId | '';
  readonly scope: 'platform' | '';
}

/**
 * The first statement of every transaction. All values are literals, the organization's a UUID by the check above:
 * without parameters it travels with BEGIN (adapters/database/postgres/begin.ts).
 */
async function enter(tx: Tx, { role, org, scope }: Place): Promise<void> {
  const statement = `select set_config('role', '${role}', true), set_config('app.org', '${org}', true), set_config('app.scope', '${scope}', true)`;
  await tx.executeQuery(CompiledQuery.raw(statement));
}

interface TransactionSettings {
  readonly isolationLevel: 'read committed' | 'repeatable read';
  readonly accessMode: 'read write' | 'read only';
}

// Read committed for writers: under anything stricter, two of them would fail each other on the change counter.
const writing: TransactionSettings = { isolationLevel: 'read committed', accessMode: 'read write' };

async function inTransaction<T>(db: Db, work: (tx: Tx) => Promise<T>, settings = writing): Promise<T> {
  const outer = joined.get(db);
  if (outer) return join(outer, work);
  for (let attempt = 1; ; attempt++) {
    let committing = false;
    try {
      return await db
        .transaction()
        .setIsolationLevel(settings.isolationLevel)
        .setAccessMode(settings.accessMode)
        .execute(async (tx) => {
          const result = await work(tx);
          committing = true;
          return result;
        });
    } catch (error) {
      if (attempt === 1 && !committing && isConnectionLost(error)) continue;
      throw asStorageError(error);
    }
  }
}
