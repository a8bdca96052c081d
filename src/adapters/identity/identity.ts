/** The port to an identity provider: verify for all; memberships for those that know more than their token says. */
import type { Clock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';

export interface VerifiedToken {
  readonly issuer: string;
  readonly subject: string;
  /** Unix milliseconds. */
  readonly expiresAt: number;
  readonly organization?: string;
  readonly roles?: readonly string[];
  readonly email?: string;
  readonly name?: string;
  readonly scopes?: readonly string[];
  readonly claims: Readonly<Record<string, unknown>>;
}

export interface Membership {
  /** Role slugs of the caller's active memberships in the organization asked for; empty: an active member without roles. */
  readonly roles: readonly string[];
}

export interface IdentityProvider {
  readonly kind: string;
  /** Every `iss` whose tokens this one verifies; empty: tokens without `iss` (shared secret). */
  readonly issuers: readonly string[];
  /** What RFC 9728 `authorization_servers` names for endpoints behind this identity provider. */
  readonly authorizationServer?: string;
  /** Throws GatehouseError `invalid_token` (bad in itself) or `identity_unavailable` (no keys to judge by: 503, never 401). */
  verify(token: string): Promise<VerifiedToken>;
  /**
   * The caller's active membership in the organization with this identity-provider id, or undefined if there is none.
   * Answers at most 60 s old, one request in flight per question. Throws `identity_unavailable`.
   */
  memberships?(subject: string, organizationExternalId: string): Promise<Membership | undefined>;
  /**
   * The authorization server's own metadata document (RFC 8414), checked to be its own and cached: relayed where this
   * gateway runs no authorization server. Throws `identity_unavailable`.
   */
  metadata?(): Promise<Readonly<Record<string, unknown>>>;
  /** Drops what is cached of this subject: called by webhooks and by deactivation. */
  forget?(subject: string): void;
  close(): Promise<void>;
}

export interface IdentityDeps {
  /** The one egress: honours proxy variables, refuses private addresses; tests map host names in it. */
  readonly fetch: typeof globalThis.fetch;
  readonly clock: Clock;
  readonly log: Log;
}
