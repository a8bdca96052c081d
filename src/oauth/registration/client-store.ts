/** oidc-provider's view of clients: registered ones from the database, documents from where they lie. It only ever reads. */
import type { Adapter } from 'oidc-provider';
import type { Clock } from '#core/clock.ts';
import type { Sealer } from '#core/sealer.ts';
import type { Db } from '#db/schema.ts';
import { houseClient, houseClientId } from '#oauth/connect/house-client.ts';
import { type Client, findClient, removeClient } from '#records/clients.ts';
import { type ClientDocuments, isDocumentUrl } from './client-documents.ts';
import { forLibrary } from './client-metadata.ts';

export interface ClientStoreDeps {
  /** No trailing slash. */
  readonly issuer: string;
  readonly db: Db;
  readonly clock: Clock;
  readonly sealer: Sealer;
  /** undefined: metadata documents are switched off. */
  readonly documents: ClientDocuments | undefined;
}

export const secretPlace = (clientId: string): string => `oauth-client:${clientId}`;

export function openClientStore({ issuer, db, clock, sealer, documents }: ClientStoreDeps): Adapter {
  const notHere = async () => undefined;
  return {
    async find(id) {
      if (id === houseClientId) return houseClient(issuer);
      if (isDocumentUrl(id)) return documents?.find(id);
      const client = await findClient(db, id, clock.now());
      return client && asProperties(client, sealer);
    },
    async upsert() {
      throw new Error('clients are registered by registration.ts');
    },
    async destroy(id) {
      await removeClient(db, id);
    },
    findByUid: notHere,
    findByUserCode: notHere,
    consume: notHere,
    revokeByGrantId: notHere,
  };
}

/** When its secret ends the row says, by our clock: the library is told "never". */
function asProperties(client: Client, sealer: Sealer) {
  const secret =
    client.secretSealed === undefined ? undefined : sealer.open(secretPlace(client.id), client.secretSealed);
  return {
    ...forLibrary(client.metadata),
    client_id: client.id,
    client_id_issued_at: Math.floor(client.createdAt / 1000),
    ...(secret !== undefined && { client_secret: secret, client_secret_expires_at: 0 }),
  };
}
