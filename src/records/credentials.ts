/** Rows of sealed secrets: sealed text in, sealed text out. Sealing and opening is the vault's (vault.ts). */
import { GatehouseError } from '#core/error.ts';
import { asCredentialId, type CredentialId, uuidv7 } from '#core/ids.ts';
import type { Db } from '#db/schema.ts';
import { type OrganizationScope, withOrganization } from '#db/scope.ts';
import type { CredentialRef } from './snapshot.ts';
import type { Place } from './vault.ts';

export interface SealedCredential {
  readonly sealed: string;
  readonly place: Place;
  /** Of the row as it is now. */
  readonly version: number;
}

export interface NewCredential {
  /** Part of what the seal is bound to, hence chosen before (`newCredentialId`). */
  readonly id: CredentialId;
  readonly sealed: string;
  readonly header?: { readonly name: string; readonly template: string };
}

export const newCredentialId = (nowMs: number): CredentialId => asCredentialId(uuidv7(nowMs));

/** What a credential's sealed text is bound to, beside its organization. */
export const credentialPlace = (id: CredentialId): Place => ({
  table: 'credentials',
  column: 'sealed',
  rowId: id,
});

export async function insertCredential({ tx, org }: OrganizationScope, input: NewCredential): Promise<void> {
  await tx
    .insertInto('credentials')
    .values({ id: input.id, org_id: org, sealed: input.sealed, ...headerColumns(input) })
    .execute();
}

/** In a scope of its own: what the credential opener asks. */
export function findSealedCredential(db: Db, { org, id }: CredentialRef): Promise<SealedCredential | undefined> {
  return withOrganization(db, org, (scope) => findCredential(scope, id));
}

export async function findCredential(
  { tx }: OrganizationScope,
  id: CredentialId,
): Promise<SealedCredential | undefined> {
  const row = await tx.selectFrom('credentials').select(['sealed', 'version']).where('id', '=', id).executeTakeFirst();
  return row && { ...row, place: credentialPlace(id) };
}

/** Counts up the version when anything changes. Throws `not_found`. */
export async function updateCredential(
  { tx }: OrganizationScope,
  id: CredentialId,
  change: Partial<Omit<NewCredential, 'id'>>,
): Promise<void> {
  const { numUpdatedRows } = await tx
    .updateTable('credentials')
    .set({
      ...(change.sealed === undefined ? {} : { sealed: change.sealed }),
      ...headerColumns(change),
      updated_at: new Date(),
    })
    .where('id', '=', id)
    .executeTakeFirst();
  if (numUpdatedRows === 0n) throw new GatehouseError('not_found');
}

/** Throws `not_found`; `not_found` too while a binding uses it. */
export async function removeCredential({ tx }: OrganizationScope, id: CredentialId): Promise<void> {
  const { numDeletedRows } = await tx.deleteFrom('credentials').where('id', '=', id).executeTakeFirst();
  if (numDeletedRows === 0n) throw new GatehouseError('not_found');
}

function headerColumns({ header }: Partial<NewCredential>) {
  return header === undefined ? {} : { header_name: header.name, header_template: header.template };
}
