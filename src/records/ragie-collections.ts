/** Collections of the S0 kind, over the platform server `ragie`: the command `db:create-collection` and the mapping-file import. */
import { z } from 'zod';
import { GatehouseError } from '#core/error.ts';
import type { CredentialId, ServerId } from '#core/ids.ts';
import type { Db } from '#db/schema.ts';
import { type OrganizationScope, withOrganization, withPlatform } from '#db/scope.ts';
import { insertBinding } from './bindings.ts';
import { insertCollection } from './collections.ts';
import { credentialPlace, insertCredential, newCredentialId } from './credentials.ts';
import { ensureOrganization } from './organizations.ts';
import { ensureRagieServer } from './servers.ts';
import type { Vault } from './vault-port.ts';

const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'must be letters, digits, ".", "_" or "-"');
const organizationId = z.string().regex(/^[A-Za-z0-9_-]{1,128}$/, 'must be letters, digits, "_" or "-"');
const allowedRoles = z.union([z.literal('*'), z.array(z.string().min(1)).min(1)]);

const collectionInput = z.strictObject({
  name,
  organizationId,
  partition: z.string().min(1),
  ragieApiKey: z.string().min(1),
  allowedRoles,
  filters: z.record(z.string(), z.unknown()).nullish(),
});

export type CollectionInput = z.input<typeof collectionInput>;

/** What the command prints. */
export interface CreatedCollection {
  readonly id: string;
  readonly name: string;
  readonly organizationId: string;
  readonly partition: string;
  readonly allowedRoles: readonly string[] | '*';
  readonly filters: Readonly<Record<string, unknown>> | null;
  /** `POST /<org>/mcp/<name>` */
  readonly endpoint: string;
}

/**
 * Makes the organization when its id is new, and the platform server `ragie`; enables it there unless somebody switched
 * it off. Throws `bad_request` (what is wrong is named), `conflict` when the organization has a collection of that name.
 */
export async function createCollection(db: Db, input: CollectionInput, vault: Vault): Promise<CreatedCollection> {
  const parsed = collectionInput.safeParse(input);
  if (!parsed.success) throw new GatehouseError('bad_request', { message: z.prettifyError(parsed.error) });
  const wanted = parsed.data;
  const place = await withPlatform(db, async (scope) => ({
    org: await ensureOrganization(scope, wanted.organizationId),
    server: await ensureRagieServer(scope),
  }));
  // Outside of any scope: the vault reads and makes the organization's data key in its own.
  const credential = newCredentialId(Date.now());
  const sealed = await vault.seal(place.org, credentialPlace(credential), wanted.ragieApiKey);
  return withOrganization(db, place.org, (scope) =>
    insertSealed(scope, wanted, { server: place.server, credential, sealed }),
  );
}

const mappingFile = z.record(
  organizationId,
  z.record(name, z.strictObject({ partition: z.string().min(1), apiKey: z.string().min(1), allowedRoles })),
);

export interface MappingReport {
  readonly created: readonly CreatedCollection[];
  /** `<org>/<collection>` that were there already: left as they are. */
  readonly skipped: readonly string[];
}

/**
 * Imports the file of the oldest gateways, `{org: {collection: {partition, apiKey, allowedRoles}}}` (S0.24). Strict: a
 * key too many or too few refuses all of it with `bad_request`. May be run again: what is there stays.
 */
export async function importMappingFile(db: Db, json: string, vault: Vault): Promise<MappingReport> {
  const entries = Object.entries(parseMappingFile(json)).flatMap(([org, collections]) =>
    Object.entries(collections).map(([title, { apiKey, ...rest }]) => ({
      name: title,
      organizationId: org,
      ragieApiKey: apiKey,
      ...rest,
    })),
  );
  const created: CreatedCollection[] = [];
  const skipped: string[] = [];
  for (const entry of entries) {
    try {
      created.push(await createCollection(db, entry, vault));
    } catch (error) {
      if (!(error instanceof GatehouseError) || error.code !== 'conflict') throw error;
      skipped.push(`${entry.organizationId}/${entry.name}`);
    }
  }
  return { created, skipped };
}

function parseMappingFile(json: string): z.output<typeof mappingFile> {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new GatehouseError('bad_request', { message: 'The mapping file must be valid JSON', cause });
  }
  const parsed = mappingFile.safeParse(value);
  if (!parsed.success) throw new GatehouseError('bad_request', { message: z.prettifyError(parsed.error) });
  return parsed.data;
}

type Wanted = z.output<typeof collectionInput>;

interface Sealed {
  readonly server: ServerId;
  readonly credential: CredentialId;
  readonly sealed: string;
}

async function insertSealed(scope: OrganizationScope, wanted: Wanted, made: Sealed): Promise<CreatedCollection> {
  const { server, credential, sealed } = made;
  const collection = await insertCollection(scope, wanted);
  await insertCredential(scope, { id: credential, sealed });
  const filters = wanted.filters ?? null;
  await insertBinding(scope, collection.id, {
    server,
    partition: wanted.partition,
    credential,
    enforced: filters ? { retrieve: { filter: filters } } : {},
  });
  await scope.tx
    .insertInto('enablements')
    .values({ org_id: scope.org, server_id: server })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  return {
    id: collection.id,
    name: wanted.name,
    organizationId: wanted.organizationId,
    partition: wanted.partition,
    allowedRoles: wanted.allowedRoles,
    filters,
    endpoint: `POST /${wanted.organizationId}/mcp/${wanted.name}`,
  };
}
