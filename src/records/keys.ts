/** Rows of API keys: the digest only, never the key. Found by their public id before their organization is known. */
import { sql } from 'kysely';
import { GatehouseError } from '#core/error.ts';
import { asKeyId, asOrgId, type KeyId, type OrgId } from '#core/ids.ts';
import type { Db } from '#db/schema.ts';
import { type OrganizationScope, withPlatform } from '#db/scope.ts';
import { parseRoles } from './columns.ts';
import { contains, type Page, type PageRule, type PageWish, pageOf } from './page.ts';

export interface KeyRow {
  readonly id: KeyId;
  readonly org: OrgId;
  readonly name: string;
  readonly digest: Uint8Array;
  readonly roles: readonly string[];
  /** Endpoint names the key is good for; undefined: all of its organization. */
  readonly endpoints: readonly string[] | undefined;
  /** Unix milliseconds. */
  readonly expiresAt: number | undefined;
  readonly revokedAt: number | undefined;
  /** The service account that it acts as, with that one's roles. */
  readonly userId?: string | undefined;
}

/** What may be shown of a key. */
export interface KeySummary extends Omit<KeyRow, 'digest'> {
  readonly last4: string;
  readonly createdAt: number;
  readonly lastUsedAt: number | undefined;
}

export interface NewKey {
  readonly id: KeyId;
  readonly name: string;
  readonly digest: Uint8Array;
  readonly last4: string;
  readonly roles: readonly string[];
  readonly endpoints?: readonly string[] | undefined;
  readonly expiresAt?: number | undefined;
  readonly userId?: string | undefined;
}

/** Throws `conflict` when a key of that name is in use. */
export async function insertKey({ tx, org }: OrganizationScope, input: NewKey): Promise<void> {
  await tx
    .insertInto('api_keys')
    .values({
      id: input.id,
      org_id: org,
      name: input.name,
      digest: input.digest,
      last4: input.last4,
      roles: JSON.stringify(input.roles),
      endpoints: input.endpoints ? JSON.stringify(input.endpoints) : null,
      expires_at: input.expiresAt === undefined ? null : new Date(input.expiresAt),
      user_id: input.userId ?? null,
    })
    .execute();
}

/** By primary key, across organizations. A key of a removed organization, or of a deactivated service account, is not found. */
export function findKey(db: Db, id: KeyId): Promise<KeyRow | undefined> {
  return withPlatform(db, async ({ tx }) => {
    const row = await tx
      .selectFrom('api_keys as k')
      .innerJoin('organizations as o', 'o.id', 'k.org_id')
      .where('k.id', '=', id)
      .leftJoin('users as u', 'u.id', 'k.user_id')
      .leftJoin('members as m', (join) => join.onRef('m.user_id', '=', 'k.user_id').onRef('m.org_id', '=', 'k.org_id'))
      .where('o.deleted_at', 'is', null)
      .where((is) =>
        is.or([is('k.user_id', 'is', null), is.and([is('m.active', '=', true), is('u.deactivated_at', 'is', null)])]),
      )
      .selectAll('k')
      .select('m.roles as account_roles')
      .executeTakeFirst();
    if (!row) return undefined;
    const key = asKey(row);
    const roles = row.user_id === null ? key.roles : [...new Set([...key.roles, ...parseRoles(row.account_roles)])];
    return { ...key, roles, digest: row.digest };
  });
}

/** By name, revoked ones included. */
export async function listKeys({ tx }: OrganizationScope): Promise<readonly KeySummary[]> {
  const rows = await tx.selectFrom('api_keys').selectAll().orderBy('name').orderBy('created_at').execute();
  return rows.map(asSummary);
}

const asSummary = (row: SummaryColumns): KeySummary => ({
  ...asKey(row),
  last4: row.last4,
  createdAt: row.created_at.getTime(),
  lastUsedAt: row.last_used_at?.getTime(),
});

interface SummaryColumns extends KeyColumns {
  readonly last4: string;
  readonly created_at: Date;
  readonly last_used_at: Date | null;
}

const rule: PageRule = {
  columns: {
    name: { kind: 'text', of: sql`lower(k.name)` },
    createdAt: { kind: 'time', of: sql`k.created_at` },
    // Those without an end come last.
    expiresAt: { kind: 'time', of: sql`coalesce(k.expires_at, '2999-01-01T00:00:00Z'::timestamptz)` },
  },
  sort: 'name',
  id: sql`k.id`,
  idKind: 'text',
};

export interface KeyWish extends PageWish {
  readonly state?: 'active' | 'expired' | 'revoked' | undefined;
  /** Unix milliseconds. */
  readonly nowMs: number;
}

/** One page of `listKeys`. Throws `bad_request`. */
export async function pageKeys({ tx }: OrganizationScope, wish: KeyWish): Promise<Page<KeySummary>> {
  const { search = '', state, nowMs } = wish;
  const isOver = sql<boolean>`coalesce(k.expires_at <= ${new Date(nowMs)}, false)`;
  const query = tx
    .selectFrom('api_keys as k')
    .selectAll('k')
    .$if(state === 'revoked', (found) => found.where('k.revoked_at', 'is not', null))
    .$if(state === 'expired', (found) => found.where('k.revoked_at', 'is', null).where(isOver))
    .$if(state === 'active', (found) => found.where('k.revoked_at', 'is', null).where(sql<boolean>`not ${isOver}`))
    .$if(search !== '', (found) => found.where(contains(search, [sql`k.name`, sql`k.last4`])));
  const { items, next } = await pageOf(query, wish, rule);
  return { items: items.map(asSummary), next };
}

/** Every replica refuses it within a second. A second time changes nothing. Throws `not_found`. */
export async function revokeKey({ tx }: OrganizationScope, id: KeyId, nowMs: number): Promise<void> {
  const { numUpdatedRows } = await tx
    .updateTable('api_keys')
    .set({ revoked_at: sql<Date>`coalesce(revoked_at, ${new Date(nowMs)})` })
    .where('id', '=', id)
    .executeTakeFirst();
  if (numUpdatedRows === 0n) throw new GatehouseError('not_found');
}

/** Notes when keys were last used; announces nothing. */
export async function touchKeys(db: Db, ids: readonly KeyId[], atMs: number): Promise<void> {
  if (ids.length === 0) return;
  await withPlatform(db, ({ tx }) =>
    tx
      .updateTable('api_keys')
      .set({ last_used_at: new Date(atMs) })
      .where('id', 'in', ids)
      .where((is) => is.or([is('last_used_at', 'is', null), is('last_used_at', '<', new Date(atMs))]))
      .execute(),
  );
}

interface KeyColumns {
  readonly id: string;
  readonly org_id: string;
  readonly name: string;
  readonly roles: unknown;
  readonly endpoints: unknown;
  readonly expires_at: Date | null;
  readonly revoked_at: Date | null;
  readonly user_id: string | null;
}

function asKey(row: KeyColumns): Omit<KeyRow, 'digest'> {
  return {
    id: asKeyId(row.id),
    org: asOrgId(row.org_id),
    name: row.name,
    roles: parseRoles(row.roles),
    endpoints: row.endpoints === null ? undefined : parseRoles(row.endpoints),
    expiresAt: row.expires_at?.getTime(),
    revokedAt: row.revoked_at?.getTime(),
    userId: row.user_id ?? undefined,
  };
}

/** The same key under the pepper that is in use. */
export async function renewKeyDigest(db: Db, id: KeyId, digest: Uint8Array): Promise<void> {
  await withPlatform(db, ({ tx }) => tx.updateTable('api_keys').set({ digest }).where('id', '=', id).execute());
}
