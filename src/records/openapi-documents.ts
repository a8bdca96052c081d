/** OpenAPI documents by digest: never changed, only added and, once no server uses them, removed. */
import { sql } from 'kysely';
import { GatehouseError } from '#core/error.ts';
import type { OrganizationScope, PlatformScope } from '#db/scope.ts';

export interface NewOpenApiDocument {
  /** SHA-256 of the text, hexadecimal. */
  readonly digest: string;
  readonly text: string;
  readonly title: string;
  readonly version: string;
}

export interface OpenApiDocumentRow extends Omit<NewOpenApiDocument, 'text'> {
  readonly bytes: number;
  /** Unix milliseconds. */
  readonly createdAt: number;
  /** Keys of the servers made from it, of the same owner's. */
  readonly servers: readonly string[];
}

type Scope = OrganizationScope | PlatformScope;

const ownerOf = (scope: Scope) => (scope.kind === 'organization' ? scope.org : null);

/** What one organization may keep: documents are compiled in memory, and its rows are everybody's database. */
export const openApiShare = { documents: 100, bytes: 50 * 1024 * 1024 } as const;

/** The same text twice is one document. Throws `conflict` where an organization keeps as much as it may. */
export async function putOpenApiDocument(scope: Scope, document: NewOpenApiDocument): Promise<void> {
  const { digest, text, title, version } = document;
  if (scope.kind === 'organization') await checkShare(scope, document);
  await scope.tx
    .insertInto('openapi_documents')
    .values({ org_id: ownerOf(scope), digest, text, title, version })
    .onConflict((conflict) => conflict.columns(['org_id', 'digest']).doNothing())
    .execute();
}

async function checkShare(scope: OrganizationScope, { digest, text }: NewOpenApiDocument): Promise<void> {
  const kept = await scope.tx
    .selectFrom('openapi_documents')
    .select([
      sql<number>`count(*)::int`.as('documents'),
      sql<number>`coalesce(sum(octet_length(text)), 0)::int`.as('bytes'),
    ])
    .where('org_id', '=', scope.org)
    .where('digest', '!=', digest)
    .executeTakeFirstOrThrow();
  const isOver = kept.documents >= openApiShare.documents || kept.bytes + Buffer.byteLength(text) > openApiShare.bytes;
  if (!isOver) return;
  throw new GatehouseError('conflict', {
    message: `An organization keeps at most ${openApiShare.documents} OpenAPI documents of ${openApiShare.bytes} bytes together: remove those that no server uses`,
  });
}

/** Its text: the scope's own, or the platform's. */
export async function findOpenApiDocument(scope: Scope, digest: string): Promise<string | undefined> {
  const row = await scope.tx
    .selectFrom('openapi_documents')
    .select('text')
    .where('digest', '=', digest)
    .$if(scope.kind === 'platform', (query) => query.where('org_id', 'is', null))
    .limit(1)
    .executeTakeFirst();
  return row?.text;
}

/** The scope's own, newest first. */
export async function listOpenApiDocuments(scope: Scope): Promise<readonly OpenApiDocumentRow[]> {
  const rows = await scope.tx
    .selectFrom('openapi_documents')
    .select(['digest', 'title', 'version', 'created_at', sql<number>`octet_length(text)`.as('bytes')])
    .where('org_id', 'is not distinct from', ownerOf(scope))
    .orderBy('id', 'desc')
    .execute();
  const users = await usersOf(scope);
  return rows.map(({ digest, title, version, created_at, bytes }) => ({
    ...{ digest, title, version, bytes },
    createdAt: created_at.getTime(),
    servers: users.filter((user) => user.digest === digest && user.own).map(({ key }) => key),
  }));
}

/** Throws `not_found`, and `conflict` while a server uses it. */
export async function removeOpenApiDocument(scope: Scope, digest: string): Promise<OpenApiDocumentRow> {
  const found = (await listOpenApiDocuments(scope)).find((row) => row.digest === digest);
  if (!found) throw new GatehouseError('not_found', { message: 'There is no such OpenAPI document' });
  const users = (await usersOf(scope)).filter((user) => user.digest === digest);
  if (users.length > 0) {
    const keys = users.map(({ key }) => key).join(', ');
    throw new GatehouseError('conflict', { message: `The document is used by the servers ${keys}: remove them first` });
  }
  await scope.tx
    .deleteFrom('openapi_documents')
    .where('digest', '=', digest)
    .where('org_id', 'is not distinct from', ownerOf(scope))
    .execute();
  return found;
}

/** Of the platform's documents, the servers of organizations as well. */
async function usersOf(scope: Scope) {
  const digest = sql<string>`transport ->> 'document'`;
  const rows = await scope.tx
    .selectFrom('servers')
    .select(['key', 'org_id', digest.as('digest')])
    .where(sql<string>`transport ->> 'kind'`, '=', 'openapi')
    .$if(scope.kind === 'organization', (query) => query.where('org_id', '=', ownerOf(scope)))
    .orderBy('key')
    .execute();
  return rows.map((row) => ({ key: row.key, digest: row.digest, own: row.org_id === ownerOf(scope) }));
}
