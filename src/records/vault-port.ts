/** What writers and readers of sealed columns need of the vault (vault.ts implements it). */
import type { OrgId } from '#core/ids.ts';
import type { Secret } from '#core/secret.ts';

/** Where a sealed text lives: it opens nowhere else. */
export interface SealedPlace {
  readonly table: string;
  readonly column: string;
  readonly rowId: string;
}

export interface Vault {
  /** Throws `credential_unavailable`. Never call it inside a scope: it reads the organization's key in its own. */
  seal(org: OrgId, place: SealedPlace, plain: string): Promise<string>;
  /** Throws `credential_unavailable`. */
  open(org: OrgId, place: SealedPlace, sealed: string): Promise<Secret>;
}
