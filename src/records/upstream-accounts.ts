/**
 * Credentials that are somebody's own: what the data plane asks of whoever keeps them. Keyed by organization, person and
 * server, all three of them: nobody's token is ever another's (SECURITY C3, C9).
 */
import type { OrgId } from '#core/ids.ts';
import type { Principal } from '#core/principal.ts';
import type { Secret } from '#core/secret.ts';
import type { CredentialRef, OrganizationSnapshot, ServerDefinition } from './snapshot.ts';

/** Who asks to be somebody at a server. */
export interface AccountHolder {
  readonly organization: Pick<OrganizationSnapshot, 'id' | 'slug'>;
  readonly principal: Principal;
  /** The person's row; undefined: an API key or a program, which acts for nobody. */
  readonly userId: string | undefined;
  readonly server: ServerDefinition;
  /** What they brought: for their own identity provider alone (on-behalf-of), never for a server. */
  readonly presented?: Secret | undefined;
}

export interface AccountToken {
  /** How it goes upstream; its version is another one after every renewal. */
  readonly ref: CredentialRef;
  readonly secret: Secret;
}

/** `data` of the error `account_required`. */
export interface AccountNeeded {
  readonly org: OrgId;
  readonly server: string;
  readonly title: string;
  /** Where the person links it; undefined: nowhere, whoever calls is no person. */
  readonly url: string | undefined;
  readonly reason: 'missing' | 'failed' | 'scopes' | 'nobody' | 'refused';
}

export interface UpstreamAccounts {
  /** Throws GatehouseError `account_required` (`accountNeeded` tells more) or `credential_unavailable`. */
  open(holder: AccountHolder): Promise<AccountToken>;
  /** The server refused the token: another one, newer than it. Throws as `open`. */
  renew(holder: AccountHolder, refused: AccountToken): Promise<AccountToken>;
  /** The server wants more than the token is good for (RFC 6750 3.1). The error to be thrown; undefined: it has all that. */
  stepUp(holder: AccountHolder, scopes: readonly string[]): Promise<Error | undefined>;
  /** The person was sent to link the account: whether they did, within a while. */
  awaitLinked(holder: AccountHolder, signal: AbortSignal): Promise<boolean>;
}
