/**
 * What the older gateway's admin API reads and writes (REQUIREMENTS S3.27), in one organization: over the views in schema
 * `mcp_proxy` where they say it, since both have the same words.
 */
import { type RawBuilder, sql } from 'kysely';
import { GatehouseError } from '#core/error.ts';
import type { OrganizationScope } from '#db/scope.ts';
import type { NewCredential } from './credentials.ts';
import { insertCredential } from './credentials.ts';

export interface S3User {
  readonly email: string;
  readonly groups: readonly string[];
  readonly updated_at: Date | null;
}

export interface S3Group {
  readonly name: string;
  readonly servers: readonly string[];
  readonly users: readonly string[];
  readonly builtin: boolean;
}

export interface S3Key {
  readonly tenant_id: string;
  readonly server_id: string;
  readonly key_name: string;
  readonly updated_at: Date;
}

export interface S3Endpoint {
  readonly tenant_id: string;
  readonly server_id: string;
  readonly endpoint_url: string;
  readonly updated_at: Date;
}

async function rowsOf<T>({ tx }: OrganizationScope, query: RawBuilder<T>): Promise<readonly T[]> {
  return (await query.execute(tx)).rows;
}

/** Members with an address, and everybody who is in a group by theirs. */
export const listS3Users = (scope: OrganizationScope): Promise<readonly S3User[]> =>
  rowsOf(
    scope,
    sql<S3User>`select email, coalesce(array_agg(group_name order by group_name) filter (where group_name is not null), '{}') as groups,
        max(updated_at) as updated_at
      from (select user_email as email, group_name, updated_at from mcp_proxy.user_group_membership
        union all select lower(gateway.member_email(org_id, user_id)), null, updated_at from gateway.members) people
      where email is not null group by email order by email`,
  );

export const listS3Groups = (scope: OrganizationScope): Promise<readonly S3Group[]> =>
  rowsOf(
    scope,
    sql<S3Group>`select g.name, g.builtin,
        array(select t.tenant_id from mcp_proxy.group_tenant_mapping t where t.group_name = g.name order by 1) as servers,
        array(select m.user_email from mcp_proxy.user_group_membership m where m.group_name = g.name order by 1) as users
      from gateway.groups g order by g.name`,
  );

/** Throws `not_found`. */
export async function getS3Group(scope: OrganizationScope, name: string): Promise<S3Group> {
  const found = (await listS3Groups(scope)).find((group) => group.name === name);
  if (found) return found;
  throw new GatehouseError('not_found', { message: `Group '${name}' not found` });
}

export const listS3Keys = (scope: OrganizationScope): Promise<readonly S3Key[]> =>
  rowsOf(
    scope,
    sql<S3Key>`select tenant_id, server_id, key_name, updated_at from mcp_proxy.tenant_server_keys order by 1, 2, 3`,
  );

export const listS3Endpoints = (scope: OrganizationScope): Promise<readonly S3Endpoint[]> =>
  rowsOf(
    scope,
    sql<S3Endpoint>`select tenant_id, server_id, endpoint_url, updated_at from mcp_proxy.tenant_server_endpoints order by 1, 2`,
  );

export const listS3Servers = (scope: OrganizationScope) =>
  rowsOf(
    scope,
    sql<{ id: string; name: string; enabled: boolean }>`select distinct on (s.key) s.key as id, s.title as name,
        s.active and coalesce(e.enabled, false) as enabled
      from gateway.servers s left join gateway.enablements e on e.server_id = s.id
      order by s.key, s.org_id nulls last`,
  );

/** Newest first. */
export const listS3Analytics = (scope: OrganizationScope, limit: number) =>
  rowsOf(
    scope,
    sql<
      Record<string, unknown>
    >`select id::integer as id, user_email, method, endpoint, status_code, response_time_ms, user_agent, client_ip,
        timestamp from mcp_proxy.api_analytics order by id desc limit ${limit}`,
  );

/** Throws `conflict`. */
export async function insertS3Group(scope: OrganizationScope, name: string): Promise<void> {
  const { tx, org } = scope;
  await tx.insertInto('groups').values({ org_id: org, name, external_id: null }).execute();
}

/** How many members and servers went with it. Throws `not_found`, and `bad_request` for a builtin one. */
export async function removeS3Group(
  scope: OrganizationScope,
  name: string,
): Promise<{ users: number; servers: number }> {
  const group = await getS3Group(scope, name);
  if (group.builtin) throw new GatehouseError('bad_request', { message: `The ${name} group cannot be deleted` });
  await scope.tx.deleteFrom('groups').where('name', '=', name).execute();
  return { users: group.users.length, servers: group.servers.length };
}

/** Exactly these, all of each; a grant of single tools that stands is left as it is. Throws `not_found`. */
export async function setS3Servers(scope: OrganizationScope, group: string, keys: readonly string[]): Promise<void> {
  const { tx, org } = scope;
  const groupId = await groupIdOf(scope, group);
  const ids = await Promise.all([...new Set(keys)].map((key) => serverIdOf(scope, key)));
  await tx
    .deleteFrom('grants')
    .where('group_id', '=', groupId)
    .where('server_id', 'is not', null)
    .$if(ids.length > 0, (query) => query.where('server_id', 'not in', ids))
    .execute();
  for (const id of ids) {
    const none = { user_id: null, email: null, collection_id: null, tools: null };
    await tx
      .insertInto('grants')
      .values({ org_id: org, group_id: groupId, server_id: id, ...none })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    // A server of a group was open to it: no second switch. What somebody has switched off stays so.
    await tx
      .insertInto('enablements')
      .values({ org_id: org, server_id: id })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }
}

/** A group that isn't there is not made. Throws `not_found`. */
export async function insertS3Member(scope: OrganizationScope, group: string, email: string): Promise<void> {
  const { tx, org } = scope;
  await tx
    .insertInto('group_members')
    .values({
      org_id: org,
      group_id: await groupIdOf(scope, group),
      email: email.toLowerCase(),
      user_id: null,
      key_id: null,
      source: null,
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** By address or by person. Throws `not_found`. */
export async function removeS3Member(scope: OrganizationScope, group: string, email: string): Promise<void> {
  const wanted = email.toLowerCase();
  const { numDeletedRows } = await scope.tx
    .deleteFrom('group_members')
    .where('group_id', '=', await groupIdOf(scope, group))
    .where('key_id', 'is', null)
    .where(sql<string>`coalesce(email, lower(gateway.member_email(org_id, user_id)))`, '=', wanted)
    .executeTakeFirst();
  if (numDeletedRows === 0n)
    throw new GatehouseError('not_found', { message: `User ${email} is not in group '${group}'` });
}

export interface S3Place {
  readonly group: string;
  readonly server: string;
  readonly keyName: string;
}

/** In the place of the one before, which is removed. Throws `not_found`. */
export async function putS3Key(scope: OrganizationScope, place: S3Place, credential: NewCredential): Promise<void> {
  await insertCredential(scope, credential);
  const before = await upsertRoute(scope, place, { credential_id: credential.id });
  if (before) await scope.tx.deleteFrom('credentials').where('id', '=', before).execute();
}

export async function putS3Endpoint(scope: OrganizationScope, place: S3Place, url: string): Promise<void> {
  await upsertRoute(scope, place, { url });
}

/** The credential that was there before. */
async function upsertRoute(
  scope: OrganizationScope,
  { group, server, keyName }: S3Place,
  change: { readonly credential_id?: string; readonly url?: string },
): Promise<string | null | undefined> {
  const { tx, org } = scope;
  const at = { group_id: await groupIdOf(scope, group), server_id: await serverIdOf(scope, server), key_name: keyName };
  const before = await tx
    .selectFrom('server_routes')
    .select(['id', 'credential_id'])
    .where('group_id', '=', at.group_id)
    .where('server_id', '=', at.server_id)
    .where('key_name', '=', keyName)
    .executeTakeFirst();
  if (before) {
    await tx
      .updateTable('server_routes')
      .set({ ...change, updated_at: new Date() })
      .where('id', '=', before.id)
      .execute();
  } else {
    const values = { credential_id: null, url: null, ...change };
    await tx
      .insertInto('server_routes')
      .values({ org_id: org, ...at, ...values })
      .execute();
  }
  return change.credential_id === undefined ? undefined : before?.credential_id;
}

/** The route keeps what else it has. Throws `not_found`. */
export async function removeS3Route(scope: OrganizationScope, place: S3Place, part: 'key' | 'url'): Promise<void> {
  const { tx } = scope;
  const groupId = await groupIdOf(scope, place.group);
  const serverId = await serverIdOf(scope, place.server);
  const row = await tx
    .selectFrom('server_routes')
    .select(['id', 'credential_id', 'url'])
    .where('group_id', '=', groupId)
    .where('server_id', '=', serverId)
    .where('key_name', '=', place.keyName)
    .executeTakeFirst();
  const own = part === 'key' ? row?.credential_id : row?.url;
  if (!row || !own)
    throw new GatehouseError('not_found', { message: `Nothing is set for '${place.group}' at '${place.server}'` });
  const rest = part === 'key' ? row.url : row.credential_id;
  // An address goes with its group's credential or not at all: without it, it would get the key of everybody.
  if (rest && part === 'url')
    await tx.updateTable('server_routes').set({ url: null }).where('id', '=', row.id).execute();
  else await tx.deleteFrom('server_routes').where('id', '=', row.id).execute();
  if (part === 'key') await tx.deleteFrom('credentials').where('id', '=', own).execute();
}

async function groupIdOf({ tx }: OrganizationScope, name: string): Promise<string> {
  const row = await tx.selectFrom('groups').select('id').where('name', '=', name).executeTakeFirst();
  if (row) return row.id;
  throw new GatehouseError('not_found', { message: `Group '${name}' not found` });
}

async function serverIdOf({ tx }: OrganizationScope, key: string): Promise<string> {
  const row = await tx
    .selectFrom('servers')
    .select('id')
    .where('key', '=', key)
    .orderBy('org_id', (order) => order.asc().nullsLast())
    .limit(1)
    .executeTakeFirst();
  if (row) return row.id;
  throw new GatehouseError('not_found', { message: `Server '${key}' not found` });
}
