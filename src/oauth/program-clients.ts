/**
 * Clients that operators register (records/program-clients.ts), as oidc-provider knows clients, and as principals: a
 * token that such a client got for itself names it as the subject, a member of its one organization with its own roles.
 */
import { timingSafeEqual } from 'node:crypto';
import type Provider from 'oidc-provider';
import type { Adapter, AdapterPayload } from 'oidc-provider';
import type { Db } from '#db/schema.ts';
import { type PlatformScope, withPlatform } from '#db/scope.ts';
import {
  digestOfSecret,
  findProgramClient,
  isProgramClientId,
  type ProgramClient,
  type ProgramGrant,
} from '#records/program-clients.ts';
import type { Standing } from '#records/standings.ts';
import { readsOf, requestReads } from './request-reads.ts';

export const tokenExchange = 'urn:ietf:params:oauth:grant-type:token-exchange';
export const jwtBearer = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

const grantTypes: Readonly<Record<ProgramGrant, string>> = {
  client_credentials: 'client_credentials',
  'token-exchange': tokenExchange,
  'jwt-bearer': jwtBearer,
};

/** The storage, answering for these clients too. They change through the admin API only. */
export function withProgramClients(open: (model: string) => Adapter, db: Db): (model: string) => Adapter {
  return (model) => {
    const inner = open(model);
    if (model !== 'Client') return inner;
    return {
      upsert: (id, payload, expiresIn) => inner.upsert(id, payload, expiresIn),
      findByUid: (uid) => inner.findByUid(uid),
      findByUserCode: (code) => inner.findByUserCode(code),
      consume: (id) => inner.consume(id),
      destroy: (id) => inner.destroy(id),
      revokeByGrantId: (id) => inner.revokeByGrantId(id),
      async find(id) {
        if (!isProgramClientId(id)) return inner.find(id);
        const client = await findOwnClient(db, id);
        return client && metadataOf(client);
      },
    };
  };
}

/** As `findProgramClient`, asked for once in a request. */
export async function findOwnClient(db: Db, id: string, ctx?: object): Promise<ProgramClient | undefined> {
  const reads = ctx ? readsOf(ctx) : requestReads();
  const known = reads?.clients.get(id);
  if (known || !isProgramClientId(id)) return known;
  const client = await withPlatform(db, (scope) => findProgramClient(scope, id));
  if (client) reads?.clients.set(id, client);
  return client;
}

function metadataOf(client: ProgramClient): AdapterPayload {
  const signsIn = client.redirectUris.length > 0;
  return {
    client_id: client.id,
    client_name: client.name,
    application_type: 'web',
    grant_types: [
      ...client.grants.map((grant) => grantTypes[grant]),
      ...(signsIn ? ['authorization_code', 'refresh_token'] : []),
    ],
    response_types: signsIn ? ['code'] : [],
    redirect_uris: [...client.redirectUris],
    scope: [...client.scopes, ...(signsIn ? ['openid', 'profile', 'email', 'offline_access'] : [])].join(' '),
    ...(client.secretDigest === undefined
      ? {
          token_endpoint_auth_method: 'private_key_jwt',
          jwks: { keys: client.jwks?.keys.map((key) => ({ ...key })) ?? [] },
        }
      : { token_endpoint_auth_method: 'client_secret_basic', client_secret: client.secretDigest }),
  };
}

/** Their secrets are here as digests: what a client presents is digested before it is compared. */
export function compareDigests(provider: Provider): void {
  const { compareClientSecret } = provider.Client.prototype;
  provider.Client.prototype.compareClientSecret = function (presented: string) {
    if (!isProgramClientId(this.clientId)) return compareClientSecret.call(this, presented);
    const expected = Buffer.from(this.clientSecret ?? '');
    const actual = Buffer.from(digestOfSecret(presented));
    return expected.length === actual.length && timingSafeEqual(expected, actual);
  };
}

/** As `findStanding`, for a client as the subject: a member of its one organization, by nobody's word but the operators'. */
export async function findProgramStanding(
  scope: PlatformScope,
  { subject, org }: { readonly subject: string; readonly org: string },
): Promise<Standing | undefined> {
  const client = await findProgramClient(scope, subject);
  if (client?.org !== org) return undefined;
  return {
    userId: client.id,
    identities: [],
    isBarred: false,
    externalId: undefined,
    member: { roles: client.roles, saidBy: undefined },
  };
}
