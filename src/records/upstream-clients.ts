/** What the gateway was registered as at foreign authorization servers: per organization and issuer, never shared. */
import type { OrgId } from '#core/ids.ts';
import type { Db } from '#db/schema.ts';
import { withOrganization } from '#db/scope.ts';
import type { Place } from './vault.ts';

export interface UpstreamClient {
  readonly id: string;
  readonly org: OrgId;
  readonly issuer: string;
  readonly clientId: string;
  /** Of the client secret; undefined: it has none. */
  readonly sealed: string | undefined;
  /** RFC 7591 `token_endpoint_auth_method`. */
  readonly authMethod: string;
  readonly redirectUri: string;
  /** Of the secret, Unix milliseconds; undefined: it doesn't end. */
  readonly expiresAt: number | undefined;
}

export const upstreamClientPlace = (id: string): Place => ({ table: 'upstream_clients', column: 'sealed', rowId: id });

export function findUpstreamClient(db: Db, org: OrgId, issuer: string): Promise<UpstreamClient | undefined> {
  return withOrganization(db, org, async ({ tx }) => {
    const row = await tx.selectFrom('upstream_clients').selectAll().where('issuer', '=', issuer).executeTakeFirst();
    return (
      row && {
        id: row.id,
        org,
        issuer,
        clientId: row.client_id,
        sealed: row.sealed ?? undefined,
        authMethod: row.auth_method,
        redirectUri: row.redirect_uri,
        expiresAt: row.expires_at?.getTime(),
      }
    );
  });
}

/** In the place of an older one. Of two replicas that registered at once the later stays: both are good. */
export function putUpstreamClient(db: Db, client: UpstreamClient): Promise<void> {
  const values = {
    id: client.id,
    org_id: client.org,
    issuer: client.issuer,
    client_id: client.clientId,
    sealed: client.sealed ?? null,
    auth_method: client.authMethod,
    redirect_uri: client.redirectUri,
    expires_at: client.expiresAt === undefined ? null : new Date(client.expiresAt),
  };
  return withOrganization(db, client.org, async ({ tx }) => {
    await tx
      .insertInto('upstream_clients')
      .values(values)
      .onConflict((conflict) => conflict.columns(['org_id', 'issuer']).doUpdateSet(values))
      .execute();
  });
}

/** It is not known there any more. */
export function removeUpstreamClient(db: Db, { org, id }: Pick<UpstreamClient, 'org' | 'id'>): Promise<void> {
  return withOrganization(db, org, async ({ tx }) => {
    await tx.deleteFrom('upstream_clients').where('id', '=', id).execute();
  });
}
