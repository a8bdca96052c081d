/**
 * The only two ways to rows: as one organization, or as the platform. Each is a transaction that takes a role without
 * the right to bypass row-level security and names its scope for that transaction only (`set_config(…, true)`), so
 * nothing leaks through the pool. The role is asserted by PostgreSQL, not by us.
 */
import { sql } from 'kysely';
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
    await sql`select set_config('role', 'gatehouse_app', true), set_config('app.org', ${org}::text, true),
      set_config('app.scope', '', true)`.execute(tx);
    return work({ kind: 'organization', org, tx });
  });
}

/** As `withOrganization`, seeing every organization: for loaders, sign-in, batches that mix organizations. */
export function withPlatform<T>(db: Db, work: (scope: PlatformScope) => Promise<T>): Promise<T> {
  return inTransaction(db, async (tx) => {
    await sql`select set_config('role', 'gatehouse_platform', true), set_config('app.org', '', true),
      set_config('app.scope', 'platform', true)`.execute(tx);
    return work({ kind: 'platform', tx });
  });
}

async function inTransaction<T>(db: Db, work: (tx: Tx) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    let committing = false;
    try {
      // Repeatable read: what is read together belongs together.
      return await db
        .transaction()
        .setIsolationLevel('repeatable read')
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
