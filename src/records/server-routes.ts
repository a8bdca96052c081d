/**
 * Rows of routes: where a group's members (or whoever no group decides for) reach a server, and with what. What decides
 * among them is gateway/rights/routes.ts.
 */
import { GatehouseError } from '#core/error.ts';
import { asCredentialId, asGroupId, type CredentialId, type GroupId, type ServerId } from '#core/ids.ts';
import type { OrganizationScope } from '#db/scope.ts';
import { insertCredential, type NewCredential, removeCredential } from './credentials.ts';

export interface ServerRouteRecord {
  readonly id: string;
  /** Name of the group; undefined: of whoever no group decides for. */
  readonly group: string | undefined;
  /** Key of the server. */
  readonly server: string;
  /** Which of several credentials of the group it is. */
  readonly keyName: string;
  readonly credential: CredentialId | undefined;
  readonly header: { readonly name: string; readonly template: string } | undefined;
  readonly url: string | undefined;
  readonly updatedAt: number;
}

export interface RoutePlace {
  readonly group: GroupId | undefined;
  readonly server: ServerId;
  readonly keyName: string;
}

export interface NewServerRoute extends RoutePlace {
  /** `keep`: the one that it has stays. */
  readonly credential: NewCredential | 'keep' | undefined;
  readonly url: string | undefined;
}

const selectRoutes = ({ tx, org }: OrganizationScope) =>
  tx
    .selectFrom('server_routes as r')
    .innerJoin('servers as s', 's.id', 'r.server_id')
    .leftJoin('groups as g', 'g.id', 'r.group_id')
    .leftJoin('credentials as k', 'k.id', 'r.credential_id')
    .select([
      'r.id',
      'r.key_name',
      'r.credential_id',
      'r.url',
      'r.updated_at',
      's.key',
      'g.name',
      'k.header_name',
      'k.header_template',
    ])
    .where('r.org_id', '=', org);

type Row = Awaited<ReturnType<ReturnType<typeof selectRoutes>['execute']>>[number];

const asRecord = (row: Row): ServerRouteRecord => ({
  id: row.id,
  group: row.name ?? undefined,
  server: row.key,
  keyName: row.key_name,
  credential: row.credential_id === null ? undefined : asCredentialId(row.credential_id),
  header:
    row.header_name === null || row.header_template === null
      ? undefined
      : { name: row.header_name, template: row.header_template },
  url: row.url ?? undefined,
  updatedAt: row.updated_at.getTime(),
});

/** By server, then in the order in which groups decide. */
export async function listServerRoutes(scope: OrganizationScope): Promise<readonly ServerRouteRecord[]> {
  const rows = await selectRoutes(scope)
    .orderBy('s.key')
    .orderBy('g.priority', (order) => order.asc().nullsLast())
    .orderBy('g.name')
    .orderBy('r.key_name')
    .execute();
  return rows.map(asRecord);
}

export async function findServerRoute(
  scope: OrganizationScope,
  place: RoutePlace,
): Promise<ServerRouteRecord | undefined> {
  const row = await selectRoutes(scope)
    .where('r.server_id', '=', place.server)
    .where('r.group_id', 'is not distinct from', place.group ?? null)
    .where('r.key_name', '=', place.keyName)
    .executeTakeFirst();
  return row && asRecord(row);
}

/** Inserts or replaces; a credential that is replaced is gone. Throws `bad_request` for a route that says nothing. */
export async function putServerRoute(scope: OrganizationScope, route: NewServerRoute): Promise<ServerRouteRecord> {
  const { tx, org } = scope;
  const { group, server, keyName, credential, url } = route;
  const found = await findServerRoute(scope, route);
  if (credential && credential !== 'keep') await insertCredential(scope, credential);
  const credentialId = credential === 'keep' ? found?.credential : credential?.id;
  if (credentialId === undefined && url === undefined)
    throw new GatehouseError('bad_request', { message: 'A route needs a credential, a URL or both' });
  const values = { credential_id: credentialId ?? null, url: url ?? null, updated_at: new Date() };
  if (found) await tx.updateTable('server_routes').set(values).where('id', '=', found.id).execute();
  else
    await tx
      .insertInto('server_routes')
      .values({ org_id: org, group_id: group ?? null, server_id: server, key_name: keyName, ...values })
      .execute();
  if (found?.credential && found.credential !== credentialId) await removeCredential(scope, found.credential);
  const put = await findServerRoute(scope, route);
  if (!put) throw new GatehouseError('not_found');
  return put;
}

/** With its credential. Throws `not_found`. */
export async function removeServerRoute(scope: OrganizationScope, place: RoutePlace): Promise<ServerRouteRecord> {
  const found = await findServerRoute(scope, place);
  if (!found) throw new GatehouseError('not_found', { message: 'There is no such credential or address' });
  await scope.tx.deleteFrom('server_routes').where('id', '=', found.id).execute();
  if (found.credential) await removeCredential(scope, found.credential);
  return found;
}

/** By name, without case. */
export async function findGroupId({ tx }: OrganizationScope, name: string): Promise<GroupId | undefined> {
  const rows = await tx.selectFrom('groups').select(['id', 'name']).execute();
  const row = rows.find((one) => one.name.toLowerCase() === name.toLowerCase());
  return row && asGroupId(row.id);
}
