/**
 * Arguments of calls, where an organization keeps them: sealed with its own data key, so that they end with the
 * organization's secrets (crypto-shredding), and open in their own row only.
 */
import type { OrgId } from '#core/ids.ts';
import type { Place, Vault } from '#records/vault.ts';

const contentPlace = (id: string): Place => ({ table: 'audit', column: 'content', rowId: id });

/** Throws `credential_unavailable`. */
export const sealContent = (vault: Pick<Vault, 'seal'>, { org, id }: RowOf, text: string): Promise<string> =>
  vault.seal(org, contentPlace(id), text);

/** Throws `credential_unavailable`, also where the organization's keys were destroyed. */
export const openContent = async (vault: Pick<Vault, 'open'>, { org, id }: RowOf, sealed: string): Promise<string> =>
  (await vault.open(org, contentPlace(id), sealed)).reveal();

interface RowOf {
  readonly org: OrgId;
  /** Of the record. */
  readonly id: string;
}
