/** Credentials and addresses of servers by group, in storage: sealed before the transaction begins. */
import { GatehouseError } from '#core/error.ts';
import type { OrgId } from '#core/ids.ts';
import { type OrganizationScope, withOrganization } from '#db/scope.ts';
import { credentialPlace, findCredential, newCredentialId } from '#records/credentials.ts';
import {
  findGroupId,
  findServerRoute,
  listServerRoutes,
  putServerRoute,
  type RoutePlace,
  removeServerRoute,
} from '#records/server-routes.ts';
import { findServer } from '#records/servers.ts';
import type { CredentialRecords, CredentialTarget, NewCredentialRoute } from './records.ts';
import type { AdminRecordsDeps } from './storage.ts';

export function credentialRecords(deps: AdminRecordsDeps): CredentialRecords {
  const { db } = deps;
  return {
    listCredentials: (org) => withOrganization(db, org, listServerRoutes),
    hasCredential: (org, route) => isSame(deps, org, route),
    putCredential: (org, route) => put(deps, org, route),
    removeCredential: (org, target) =>
      withOrganization(db, org, async (scope) => removeServerRoute(scope, await placeOf(scope, target))),
  };
}

async function put({ db, vault, clock }: AdminRecordsDeps, org: OrgId, route: NewCredentialRoute) {
  const { credential: secret, header, url, keepCredential } = route;
  const id = newCredentialId(clock.now());
  const sealed = secret && (await vault.seal(org, credentialPlace(id), secret.reveal()));
  return withOrganization(db, org, async (scope) => {
    const place = await placeOf(scope, route);
    const found = await findServerRoute(scope, place);
    if (keepCredential && (secret || !found?.credential || found.url !== url))
      throw new GatehouseError('bad_request', {
        message: 'A credential goes with the address that it was given for: give it again with another address',
      });
    const credential = keepCredential ? 'keep' : sealed && { id, sealed, ...(header && { header }) };
    return putServerRoute(scope, { ...place, credential: credential || undefined, url });
  });
}

async function isSame({ db, vault }: AdminRecordsDeps, org: OrgId, route: NewCredentialRoute): Promise<boolean> {
  const found = await withOrganization(db, org, async (scope) => {
    const row = await findServerRoute(scope, await placeOf(scope, route));
    return row && { row, kept: row.credential && (await findCredential(scope, row.credential)) };
  });
  if (!found || found.row.url !== route.url) return false;
  const { row, kept } = found;
  if (!kept) return route.credential === undefined;
  const { name = 'authorization', template = 'Bearer {}' } = route.header ?? {};
  const isHeader = row.header?.name === name && row.header.template === template;
  return isHeader && (await vault.open(org, kept.place, kept.sealed)).reveal() === route.credential?.reveal();
}

async function placeOf(scope: OrganizationScope, target: CredentialTarget): Promise<RoutePlace> {
  const server = await findServer(scope, target.server);
  if (!server)
    throw new GatehouseError('not_found', { message: `There is no server "${target.server}": see \`server list\`` });
  const group = target.group === undefined ? undefined : await findGroupId(scope, target.group);
  if (target.group !== undefined && group === undefined)
    throw new GatehouseError('not_found', { message: `There is no group "${target.group}" in this organization` });
  return { group, server: server.id, keyName: target.keyName };
}
