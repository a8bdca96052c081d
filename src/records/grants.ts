/** Grants: a group, a person or an address may use a server, single tools of it, or a collection. */
import { sql } from 'kysely';
import { GatehouseError } from '#core/error.ts';
import type { OrganizationScope, PlatformScope } from '#db/scope.ts';
import { parseRoles } from './columns.ts';

/** Exactly one of them. */
export interface Grantee {
  readonly groupId?: string | undefined;
  readonly userId?: string | undefined;
  readonly email?: string | undefined;
}

export interface GrantTarget {
  readonly serverId?: string | undefined;
  readonly collectionId?: string | undefined;
}

export interface GrantRow {
  readonly id: string;
  readonly group: string | undefined;
  readonly userId: string | undefined;
  readonly email: string | undefined;
  readonly server: string | undefined;
  readonly collection: string | undefined;
  /** The server's own names; undefined: all it has. */
  readonly tools: readonly string[] | undefined;
  readonly managedBy: string;
}

export interface NewGrant {
  readonly to: Grantee;
  readonly of: GrantTarget;
  readonly tools?: readonly string[] | undefined;
  readonly managedBy?: string | undefined;
}

const listed = ({ tx, org }: Pick<OrganizationScope, 'tx' | 'org'>) =>
  tx
    .selectFrom('grants as g')
    .leftJoin('groups as t', 't.id', 'g.group_id')
    .leftJoin('servers as s', 's.id', 'g.server_id')
    .leftJoin('collections as c', 'c.id', 'g.collection_id')
    .select(['g.id', 'g.user_id', 'g.email', 'g.tools', 'g.managed_by'])
    .select(['t.name as group', 's.key as server', 'c.name as collection'])
    .where('g.org_id', '=', org)
    .orderBy('g.created_at')
    .orderBy('g.id');

export async function listGrants(scope: OrganizationScope): Promise<readonly GrantRow[]> {
  return (await listed(scope).execute()).map(asGrant);
}

/** Inserts, or gives other tools to who has it already. Throws `not_found` for a server that isn't theirs to use. */
export async function putGrant(scope: OrganizationScope, { to, of, tools, managedBy }: NewGrant): Promise<GrantRow> {
  const { tx, org } = scope;
  const values = { tools: tools ? JSON.stringify(tools) : null, managed_by: managedBy ?? 'api' };
  const { id } = await tx
    .insertInto('grants')
    .values({
      org_id: org,
      group_id: to.groupId ?? null,
      user_id: to.userId ?? null,
      email: to.email?.trim().toLowerCase() ?? null,
      server_id: of.serverId ?? null,
      collection_id: of.collectionId ?? null,
      ...values,
    })
    .onConflict((conflict) =>
      conflict.columns(['org_id', 'group_id', 'user_id', 'email', 'server_id', 'collection_id']).doUpdateSet(values),
    )
    .returning('id')
    .executeTakeFirstOrThrow();
  return getGrant(scope, id);
}

/** Throws `not_found`. */
export async function removeGrant(scope: OrganizationScope, id: string): Promise<GrantRow> {
  const found = await getGrant(scope, id);
  await scope.tx.deleteFrom('grants').where('id', '=', found.id).execute();
  return found;
}

async function getGrant(scope: OrganizationScope, id: string): Promise<GrantRow> {
  const row = await listed(scope).where(sql`g.id::text`, '=', id.toLowerCase()).executeTakeFirst();
  if (row) return asGrant(row);
  throw new GatehouseError('not_found', { message: 'There is no such grant: list them with `gatehouse grant list`' });
}

/** Of one person, in every organization. */
export async function listGrantsOf({ tx }: PlatformScope, userId: string, email: string | undefined) {
  return tx
    .selectFrom('grants')
    .select(['org_id', 'server_id', 'collection_id', 'tools'])
    .where((is) => is.or([is('user_id', '=', userId), is('email', '=', email?.toLowerCase() ?? '')]))
    .execute();
}

type Row = Awaited<ReturnType<ReturnType<typeof listed>['execute']>>[number];

function asGrant(row: Row): GrantRow {
  return {
    id: row.id,
    group: row.group ?? undefined,
    userId: row.user_id ?? undefined,
    email: row.email ?? undefined,
    server: row.server ?? undefined,
    collection: row.collection ?? undefined,
    tools: row.tools === null ? undefined : parseRoles(row.tools),
    managedBy: row.managed_by,
  };
}
