import type { Secret } from '#core/secret.ts';

/** Of the identity provider that accepts the tokens issued here. */
export const ownKind = 'gatehouse';

/** What the authorization server is told; config/schema.ts has the defaults. */
export interface OauthSettings {
  readonly signingAlgorithm: 'RS256' | 'ES256';
  /** The private key that signs, in PEM or the base64 of it; undefined: made here. */
  readonly signingKey?: Secret | undefined;
  readonly accessTokenSeconds: number;
  readonly refreshTokenSeconds: number;
  /** A registered client's lifetime after it was used for a sign-in; 0: for ever. Others live for a day. */
  readonly clientSeconds: number;
  /** How long a browser stays signed in here: idle, and at most. */
  readonly sessionIdleSeconds: number;
  readonly sessionMaxSeconds: number;
  readonly registration: {
    readonly enabled: boolean;
    readonly perAddressPerHour: number;
    /** Clients that nobody completed a sign-in through, all together: beyond it registration answers 429. */
    readonly pending: number;
  };
  readonly clientMetadataDocuments: boolean;
  /** Resources behind another proxy that asks `/verify` (RFC 8707 resource URLs, no trailing slash). */
  readonly resources: readonly string[];
  /** Issuers whose ID-JAGs (identity assertions) are accepted for users of one organization. */
  readonly assertionIssuers: readonly {
    readonly issuer: string;
    readonly jwksUrl?: string | undefined;
    readonly organization: string;
    /** Of the identity provider whose subjects the assertions name. */
    readonly identityProvider: string;
  }[];
}

/** The admin API: as far as its holder's roles reach. Only for the gateway as a whole. */
export const adminScope = 'admin:*';

/** What tokens let their holders do here (DESIGN 2). */
export const mcpScopes: readonly string[] = ['mcp:read', 'mcp:write', 'mcp:session'];
