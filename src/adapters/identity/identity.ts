/**
 * The port to an identity provider. What each can do is optional: verify its tokens (direct), sign people in (broker),
 * answer who belongs to which organization.
 */
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
  /** Only true where the identity provider says so itself. */
  readonly emailVerified?: boolean;
  readonly name?: string;
  readonly scopes?: readonly string[];
  readonly claims: Readonly<Record<string, unknown>>;
  /** Of tokens issued here: what the change feed names when this one ends before its time, */
  readonly tokenId?: string;
  /** and the row of the user, named when their rights or state change. */
  readonly userId?: string;
}

/** A person whom the identity provider just signed in (broker mode): what it says of them. */
export interface SignedIn {
  /** Stable and unique at this identity provider, never an e-mail address. */
  readonly subject: string;
  readonly email?: string;
  /** Only true where the identity provider says so itself. */
  readonly emailVerified?: boolean;
  readonly name?: string;
  readonly username?: string;
  /**
   * Organizations it names (their id there, slug or UUID) with the roles in each; undefined: it knows none, and the
   * configuration's `organization` counts with the roles below.
   */
  readonly organizations?: readonly { readonly id: string; readonly roles: readonly string[] }[];
  readonly roles: readonly string[];
  /** Names or ids of groups, as it has them. */
  readonly groups: readonly string[];
  readonly claims: Readonly<Record<string, unknown>>;
}

export interface SignInRequest {
  /** Our `/callback`, absolute. */
  readonly redirectUri: string;
  /** Opaque, unguessable; comes back unchanged. */
  readonly state: string;
  /** The organization whose endpoint is being signed in for, as the identity provider names it: a hint. */
  readonly organization?: string;
  readonly loginHint?: string;
}

/** Sign-in by redirect: `start` says where to send the browser, `finish` redeems what it came back with. */
export interface RedirectSignIn {
  readonly method: 'redirect';
  /** `memory`: a small text kept sealed on our side until `finish` (PKCE verifier, nonce). Throws `identity_unavailable`. */
  start(request: SignInRequest): Promise<{ readonly url: string; readonly memory: string }>;
  /**
   * `callback`: the full URL of our callback as requested, with the query the browser brought; `state` is checked already.
   * Throws `sign_in_denied` (the person may not, or did not want to), `identity_unavailable`, `invalid_token`.
   */
  finish(callback: URL, request: SignInRequest & { readonly memory: string }): Promise<SignedIn>;
}

/** Sign-in on a page of ours: local accounts. */
export interface PasswordSignIn {
  readonly method: 'password';
  /** undefined: no such account, or a wrong password; takes the same time for both. Throws `rate_limited`. */
  check(username: string, password: string, address: string): Promise<SignedIn | undefined>;
}

export interface Membership {
  /** Role slugs of the caller's active memberships in the organization asked for; empty: an active member without roles. */
  readonly roles: readonly string[];
}

/** `broker`: signs people in, the tokens are ours. `direct`: its own tokens are accepted. `bridge`: REQUIREMENTS S2. */
export type IdentityMode = 'broker' | 'direct' | 'bridge';

/** Bridge mode: the endpoints of its own that ours stand in front of. */
export interface BridgedServer {
  readonly clientId: string;
  readonly authorizationEndpoint: string;
  readonly tokenEndpoint: string;
  readonly jwksUri: string;
  /** The way there: as the adapter itself goes. */
  readonly fetch: typeof globalThis.fetch;
}

/** Something that changed at an identity provider, as its webhook tells it. */
export interface DirectoryEvent {
  /** The same when it is sent again. */
  readonly id: string;
  /** As it is called there. */
  readonly type: string;
  /** When the thing got into this state there, Unix milliseconds: an older state never replaces a newer one. */
  readonly at: number;
  /** undefined: about nothing that is kept here. */
  readonly change: DirectoryChange | undefined;
}

interface Removable {
  readonly id: string;
  readonly removed: boolean;
}

export interface PersonWords {
  readonly email?: string;
  readonly emailVerified?: boolean;
  readonly name?: string;
  readonly username?: string;
}

export type DirectoryChange =
  /** `id`: the subject of their tokens. `active`: not banned. */
  | (Removable & PersonWords & { readonly kind: 'user'; readonly active: boolean })
  | (Removable & { readonly kind: 'organization'; readonly name?: string; readonly slug?: string })
  /** `id`: the organization's and the user's. */
  | (Removable & {
      readonly kind: 'membership';
      readonly organization: string;
      readonly user: string;
      readonly active: boolean;
      readonly roles: readonly string[];
    })
  /** Somebody in the directory of an organization, who may never have signed in. */
  | (Removable & PersonWords & { readonly kind: 'person'; readonly organization: string; readonly active: boolean })
  | (Removable & { readonly kind: 'group'; readonly organization: string; readonly name: string })
  | (Removable & {
      readonly kind: 'group-member';
      readonly organization: string;
      readonly group: string;
      readonly person: string;
      /** What is said of both besides: they may be told of later. */
      readonly groupName: string;
      readonly who: PersonWords & { readonly active: boolean };
    });

export interface WebhookReader {
  /** `body`: its very bytes. Throws `bad_request`: not signed with our secret, or not now. */
  read(headers: Readonly<Record<string, string | undefined>>, body: Buffer): DirectoryEvent;
}

export interface IdentityProvider {
  readonly kind: string;
  /** Names it in the database and in URLs: unique in one gateway, never reused for another. Default: its preset or kind. */
  readonly name: string;
  /** For people: on the button of the sign-in page. */
  readonly title: string;
  readonly mode: IdentityMode;
  /** Only in broker mode. */
  readonly signIn?: RedirectSignIn | PasswordSignIn;
  /** Only in bridge mode. */
  readonly bridge?: BridgedServer;
  /** Broker mode: the organization (slug, external id or UUID) that everybody who signs in here belongs to, if it is one. */
  readonly organization?: string;
  /** Every `iss` whose tokens this one verifies; empty: tokens without `iss` (shared secret). */
  readonly issuers: readonly string[];
  /** What its tokens that aren't JWTs start with: they go to nobody else. */
  readonly tokenPrefixes?: readonly string[];
  /** What RFC 9728 `authorization_servers` names for endpoints behind this identity provider. */
  readonly authorizationServer?: string;
  /**
   * Throws GatehouseError `invalid_token` (bad in itself), `identity_unavailable` (no keys to judge by: 503, never 401) or
   * `forbidden` (good, but what its holder may do can't be told, and signing in again would change nothing).
   */
  verify(token: string): Promise<VerifiedToken>;
  /**
   * The caller's active membership in the organization with this identity-provider id, or undefined if there is none.
   * Answers at most 60 s old, one request in flight per question. Throws `identity_unavailable`.
   */
  memberships?(subject: string, organizationExternalId: string): Promise<Membership | undefined>;
  /** Organizations the subject is an active member of, named as `memberships` wants them. Throws `identity_unavailable`. */
  organizations?(subject: string): Promise<readonly string[]>;
  /** What `memberships` wants an organization named by; its external id unless said. */
  readonly namesOrganizationsBy?: 'external-id' | 'id';
  /**
   * The authorization server's own metadata document (RFC 8414), checked to be its own and cached: relayed where this
   * gateway runs no authorization server. Throws `identity_unavailable`.
   */
  metadata?(): Promise<Readonly<Record<string, unknown>>>;
  /** Where the secret of its webhooks is known. */
  readonly webhook?: WebhookReader;
  /** Drops what is cached of this subject: called by webhooks and by deactivation. */
  forget?(subject: string): void;
  close(): Promise<void>;
}

/** Another application's table of users, in the same database. Names only: letters, digits and underscores. */
export interface ForeignUserTable {
  /** `schema.table`. */
  readonly table: string;
  readonly idColumn: string;
  readonly emailColumn: string;
  readonly nameColumn?: string | undefined;
  readonly roleColumn?: string | undefined;
}

export interface ForeignUser {
  readonly email: string | undefined;
  readonly name: string | undefined;
  readonly role: string | undefined;
}

/** People of whom their identity provider says nothing beyond a token: what our own records know of them. */
export interface IdentityAccounts {
  /** Throws `identity_unavailable` where the table can't be read. */
  findForeignUser(table: ForeignUserTable, id: string): Promise<ForeignUser | undefined>;
  /**
   * Their row, made with their first token, as a member without roles of `organization` (slug, external id or UUID).
   * undefined: deactivated here, or there is no such organization. Throws `storage_unavailable`.
   */
  ensure(
    person: BoundPerson & {
      readonly email: string | undefined;
      /** The address is theirs by the word of whoever keeps it. */
      readonly emailVerified?: boolean;
      readonly name: string | undefined;
    },
  ): Promise<{ readonly userId: string; readonly organizationId: string } | undefined>;
  /** Roles given here, in the organization with this id of ours, and whether it is the one named; undefined: no member. */
  findMember(
    person: BoundPerson,
    organizationId: string,
  ): Promise<(Membership & { readonly inBound: boolean }) | undefined>;
}

export interface BoundPerson {
  /** The identity provider's name. */
  readonly provider: string;
  readonly subject: string;
  /** Slug, external id or UUID. */
  readonly organization: string;
}

export interface IdentityDeps {
  /** The one egress: honours proxy variables and the entry's `tls`, refuses private addresses; tests map host names in it. */
  readonly fetch: typeof globalThis.fetch;
  readonly clock: Clock;
  readonly log: Log;
  /** Where there is a database: for identity providers that have no API to ask. */
  readonly accounts?: IdentityAccounts;
  /** For accounts that are kept here. */
  readonly localAccounts?: LocalAccountStore;
}

/** What the local accounts' adapter needs of this gateway. */
export interface LocalAccountStore {
  /** `username` in lower case; deactivated ones are found too. */
  find(username: string): Promise<
    | {
        readonly subject: string;
        readonly username: string;
        /** As `core/password.ts` makes them. */
        readonly digest: string;
        readonly active: boolean;
        readonly email: string | undefined;
        readonly name: string | undefined;
      }
    | undefined
  >;
  /** Counts an attempt. Throws `rate_limited` once there were too many for this account or from this address. */
  takeAttempt(attempt: { readonly username: string; readonly address: string }): Promise<void>;
}
