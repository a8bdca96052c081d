/** The verified caller of one request. Roles and groups are read live elsewhere, never from our own tokens. */
import type { KeyId, OrgId, PrincipalKey } from './ids.ts';

export interface UserPrincipal {
  readonly kind: 'user';
  readonly key: PrincipalKey;
  readonly issuer: string;
  readonly subject: string;
  readonly email?: string;
  readonly name?: string;
  /** The organization the token names (identity provider's id or slug), not yet checked for membership. */
  readonly organization?: string;
  /** Roles that the token itself grants in `organization`; undefined when the identity provider must be asked. */
  readonly roles?: readonly string[];
  /** undefined: the token carries no scope and is not limited by one. */
  readonly scopes?: readonly string[];
  readonly claims: Readonly<Record<string, unknown>>;
  /** Unix milliseconds. */
  readonly expiresAt: number;
}

export interface ApiKeyPrincipal {
  readonly kind: 'api-key';
  readonly key: PrincipalKey;
  readonly keyId: KeyId;
  readonly name: string;
  readonly org: OrgId;
  readonly roles: readonly string[];
  /** Endpoint names the key is good for; undefined: all of its organization. */
  readonly endpoints?: readonly string[];
  /** The service account that it acts as. */
  readonly userId?: string;
  /** Unix milliseconds; undefined: until revoked. */
  readonly expiresAt?: number;
}

export type Principal = UserPrincipal | ApiKeyPrincipal;

/** Injective: the length prefix keeps ("a","bc") and ("ab","c") apart. */
export function principalKey(issuer: string, subject: string): PrincipalKey {
  return `${issuer.length}:${issuer}${subject}` as PrincipalKey;
}
