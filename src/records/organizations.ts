/** Organizations: the tenants. Made and looked up as the platform; a removed one keeps its row and its names. */
import { sql } from 'kysely';
import { GatehouseError } from '#core/error.ts';
import { asOrgId, type OrgId } from '#core/ids.ts';
import type { Tx } from '#db/schema.ts';
import type { PlatformScope } from '#db/scope.ts';

export interface Organization {
  readonly id: OrgId;
  readonly slug: string;
  /** The identity provider's id (`org_123`). */
  readonly externalId: string | undefined;
  readonly name: string;
  /** Host name whose `/mcp` is this organization's. */
  readonly domain: string | undefined;
}

export interface NewOrganization {
  readonly slug: string;
  readonly externalId?: string | undefined;
  readonly name: string;
  readonly domain?: string | undefined;
}

/** null: none from now on. */
export interface OrganizationChange {
  readonly slug?: string | undefined;
  readonly externalId?: string | null | undefined;
  readonly name?: string | undefined;
  readonly domain?: string | null | undefined;
}

const columns = ['id', 'slug', 'external_id', 'name', 'domain'] as const;

/** Throws `conflict` when the slug or external id already names an organization in any way, a removed one included. */
export async function insertOrganization(scope: PlatformScope, input: NewOrganization): Promise<Organization> {
  const row = await scope.tx
    .insertInto('organizations')
    .values({ slug: input.slug, external_id: input.externalId ?? null, name: input.name, domain: input.domain ?? null })
    .returning(columns)
    .executeTakeFirstOrThrow();
  return asOrganization(row);
}

const named = (tx: Tx, name: string) =>
  tx
    .selectFrom('organizations')
    .where('deleted_at', 'is', null)
    .where((is) =>
      is.or([is('slug', '=', name), is('external_id', '=', name), is(sql`id::text`, '=', name.toLowerCase())]),
    )
    .orderBy(sql`id::text = ${name.toLowerCase()}`, 'desc')
    .orderBy(sql`slug = ${name}`, 'desc')
    .limit(1);

/** By slug, external id or UUID; removed ones are not found. */
export async function findOrganization(scope: PlatformScope, name: string): Promise<Organization | undefined> {
  const row = await named(scope.tx, name).select(columns).executeTakeFirst();
  return row && asOrganization(row);
}

/** As a part of another statement. */
export const idOfNamed = (tx: Tx, name: string) => named(tx, name).select('id');

/**
 * The organization of that name, made with a slug of its own when there is none (the identity provider's ids appear
 * before anybody has configured them). Throws `not_found` when it was removed.
 */
export async function ensureOrganization(scope: PlatformScope, name: string): Promise<OrgId> {
  const { rows } = await sql<{ id: string }>`select gateway.organization_named(${name}::text) as id`.execute(scope.tx);
  const id = rows[0]?.id;
  if (!id) throw new GatehouseError('internal');
  return asOrgId(id);
}

/** By slug; removed ones are left out. */
export async function listOrganizations(scope: PlatformScope): Promise<readonly Organization[]> {
  const rows = await scope.tx
    .selectFrom('organizations')
    .select(columns)
    .where('deleted_at', 'is', null)
    .orderBy('slug')
    .execute();
  return rows.map(asOrganization);
}

/** Throws `not_found`, `conflict`. */
export async function updateOrganization(
  scope: PlatformScope,
  id: OrgId,
  change: OrganizationChange,
): Promise<Organization> {
  const row = await scope.tx
    .updateTable('organizations')
    .set({
      ...(change.slug === undefined ? {} : { slug: change.slug }),
      ...(change.externalId === undefined ? {} : { external_id: change.externalId }),
      ...(change.name === undefined ? {} : { name: change.name }),
      ...(change.domain === undefined ? {} : { domain: change.domain }),
      updated_at: new Date(),
    })
    .where('id', '=', id)
    .where('deleted_at', 'is', null)
    .returning(columns)
    .executeTakeFirst();
  if (!row) throw new GatehouseError('not_found');
  return asOrganization(row);
}

/** Of organizations that still exist, by host name in lower case. */
export async function listDomains({ tx }: PlatformScope): Promise<ReadonlyMap<string, string>> {
  const rows = await tx
    .selectFrom('organizations')
    .select(['domain', 'slug'])
    .where('domain', 'is not', null)
    .where('deleted_at', 'is', null)
    .execute();
  return new Map(rows.map(({ domain, slug }) => [domain ?? '', slug]));
}

/** From now on it gives no access to anything; its rows stay for the audit trail. Throws `not_found`. */
export async function removeOrganization(scope: PlatformScope, id: OrgId): Promise<void> {
  const { numUpdatedRows } = await scope.tx
    .updateTable('organizations')
    .set({ deleted_at: new Date(), domain: null })
    .where('id', '=', id)
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  if (numUpdatedRows === 0n) throw new GatehouseError('not_found');
}

interface OrganizationRow {
  readonly id: string;
  readonly slug: string;
  readonly external_id: string | null;
  readonly name: string;
  readonly domain: string | null;
}

function asOrganization(row: OrganizationRow): Organization {
  const { id, slug, external_id: externalId, name, domain } = row;
  return { id: asOrgId(id), slug, externalId: externalId ?? undefined, name, domain: domain ?? undefined };
}
