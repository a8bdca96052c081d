/** Clients of the authorization server that operators register for programs: the secret is stored as a digest only. */
import { createHash, randomBytes } from 'node:crypto';
import type { Selectable } from 'kysely';
import { z } from 'zod';
import { GatehouseError } from '#core/error.ts';
import { asOrgId, type OrgId } from '#core/ids.ts';
import { Secret } from '#core/secret.ts';
import type { ProgramClientsTable } from '#db/schema.ts';
import type { OrganizationScope, PlatformScope } from '#db/scope.ts';

/** `jwt-bearer`: it may bring identity assertions (ID-JAG) of trusted issuers. */
export const programGrants = ['client_credentials', 'token-exchange', 'jwt-bearer'] as const;
export type ProgramGrant = (typeof programGrants)[number];

export interface ProgramClient {
  /** `prg_…`; `sub` of the tokens it gets for itself, so no person's subject looks like it. */
  readonly id: string;
  readonly org: OrgId;
  readonly name: string;
  /** undefined: it authenticates by `private_key_jwt`. */
  readonly secretDigest: string | undefined;
  readonly jwks: { readonly keys: readonly Readonly<Record<string, unknown>>[] } | undefined;
  readonly grants: readonly ProgramGrant[];
  /** Most that its tokens can have. */
  readonly scopes: readonly string[];
  /** In its organization, for the tokens it gets for itself. */
  readonly roles: readonly string[];
  /** Empty: nobody signs in through it. */
  readonly redirectUris: readonly string[];
  /** Resources (RFC 8707) whose tokens it may introspect, its organization's only. */
  readonly introspects: readonly string[];
  /** Issuers it may get identity assertions for, with its client id there. */
  readonly assertionAudiences: Readonly<Record<string, string>>;
  /** Unix milliseconds. */
  readonly createdAt: number;
}

export type NewProgramClient = Omit<ProgramClient, 'id' | 'org' | 'secretDigest' | 'createdAt'>;

const prefix = 'prg_';
export const isProgramClientId = (id: string): boolean => id.startsWith(prefix);

export const digestOfSecret = (secret: string): string => createHash('sha256').update(secret).digest('base64url');

/** The secret is in this answer and nowhere else; none for a client with keys of its own. Throws `conflict`. */
export async function insertProgramClient(
  { tx, org }: OrganizationScope,
  input: NewProgramClient,
): Promise<{ readonly client: ProgramClient; readonly secret: Secret | undefined }> {
  const id = prefix + randomBytes(12).toString('hex');
  const secret = input.jwks ? undefined : new Secret(`prs_${randomBytes(32).toString('base64url')}`);
  const row = await tx
    .insertInto('program_clients')
    .values({
      id,
      org_id: org,
      name: input.name,
      secret_digest: secret ? digestOfSecret(secret.reveal()) : null,
      jwks: input.jwks ? JSON.stringify(input.jwks) : null,
      grants: JSON.stringify(input.grants),
      scopes: JSON.stringify(input.scopes),
      roles: JSON.stringify(input.roles),
      redirect_uris: JSON.stringify(input.redirectUris),
      introspects: JSON.stringify(input.introspects),
      assertion_audiences: JSON.stringify(input.assertionAudiences),
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  return { client: asProgramClient(row), secret };
}

/** By id, across organizations. One of a removed organization is not found. */
export async function findProgramClient({ tx }: PlatformScope, id: string): Promise<ProgramClient | undefined> {
  // Anything else, such as a NUL, PostgreSQL would not even take.
  if (!/^prg_[0-9a-z]{1,64}$/i.test(id)) return undefined;
  const row = await tx
    .selectFrom('program_clients as c')
    .innerJoin('organizations as o', 'o.id', 'c.org_id')
    .where('c.id', '=', id)
    .where('o.deleted_at', 'is', null)
    .selectAll('c')
    .executeTakeFirst();
  return row && asProgramClient(row);
}

/** By name. */
export async function listProgramClients({ tx }: OrganizationScope): Promise<readonly ProgramClient[]> {
  const rows = await tx.selectFrom('program_clients').selectAll().orderBy('name').execute();
  return rows.map(asProgramClient);
}

/** Its tokens end with it, on every replica. Throws `not_found`. */
export async function removeProgramClient({ tx }: OrganizationScope, id: string): Promise<ProgramClient> {
  const row = await tx.deleteFrom('program_clients').where('id', '=', id).returningAll().executeTakeFirst();
  if (!row) throw new GatehouseError('not_found');
  return asProgramClient(row);
}

const texts = z.array(z.string());
const grants = z.array(z.enum(programGrants));
const jwks = z.object({ keys: z.array(z.record(z.string(), z.unknown())) });
const audiences = z.record(z.string(), z.string());

function asProgramClient(row: Selectable<ProgramClientsTable>): ProgramClient {
  return {
    id: row.id,
    org: asOrgId(row.org_id),
    name: row.name,
    secretDigest: row.secret_digest ?? undefined,
    jwks: row.jwks === null ? undefined : jwks.parse(row.jwks),
    grants: grants.parse(row.grants),
    scopes: texts.parse(row.scopes),
    roles: texts.parse(row.roles),
    redirectUris: texts.parse(row.redirect_uris),
    introspects: texts.parse(row.introspects),
    assertionAudiences: audiences.parse(row.assertion_audiences),
    createdAt: row.created_at.getTime(),
  };
}
