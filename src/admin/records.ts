/** What the admin API needs of storage: composed in storage.ts from src/records, so that routes stay plain functions. */
import type { KeyId, OrgId, ServerId } from '#core/ids.ts';
import type { Secret } from '#core/secret.ts';
import type { ServerTransport } from '#core/transport.ts';
import type { OrganizationScope, PlatformScope } from '#db/scope.ts';
import type { EnforcedInput } from '#records/bindings.ts';
import type { ShownAccount } from '#records/connected-accounts.ts';
import type { ContentFilterRecord } from '#records/content-filters.ts';
import type { OrganizationChange } from '#records/organizations.ts';
import type { NewProgramClient, ProgramClient } from '#records/program-clients.ts';
import type { OrganizationSecrets, RotationLevel, RotationReport } from '#records/rotation.ts';
import type { GivenAuth } from '#records/server-auth.ts';
import type { ServerRouteRecord } from '#records/server-routes.ts';
import type { Listing } from '#records/snapshot.ts';
import type { PinDecision, ToolPin } from '#records/tool-pins.ts';
import type { ToolsInput } from '#records/tool-shaping.ts';
import type { LimitRecords } from './limit-storage.ts';
import type { PolicyRecords } from './policy-records.ts';
import type { RunRecords } from './run-storage.ts';

/** catalog: on by its variable; catalog-off: the catalogue switched it off when that was gone (apply-catalog.ts). */
export type ManagedBy = 'api' | 'file' | 'catalog' | 'catalog-off';

export interface OrganizationRow {
  readonly id: OrgId;
  readonly slug: string;
  readonly externalId: string | undefined;
  readonly name: string;
  readonly domain?: string | undefined;
}

export interface ServerRow {
  readonly id: ServerId;
  readonly key: string;
  readonly title: string;
  readonly org: OrgId | undefined;
  readonly transport: ServerTransport;
  readonly auth: GivenAuth | undefined;
  readonly trusted: boolean;
  /** Which of several credentials of a group is meant for it. */
  readonly keyName?: string | undefined;
  readonly active: boolean;
  readonly blockedTools: readonly string[];
  readonly managedBy: ManagedBy;
  /** Where it answers on a port of its own. */
  readonly port?: number | undefined;
  readonly totalTimeoutMs?: number | undefined;
  readonly createdAt?: Date;
}

export interface NewServer {
  readonly key: string;
  readonly title: string;
  readonly transport: ServerTransport;
  /** undefined: a binding's credential, or none. */
  readonly auth?: GivenAuth | undefined;
  readonly trusted: boolean;
  /** Which of several credentials of a group is meant for it. */
  readonly keyName?: string | undefined;
  readonly port?: number | undefined;
  /** Left out: as it was. */
  readonly totalTimeoutMs?: number;
  readonly managedBy: ManagedBy;
  /** undefined: as it was, and on when it is made. */
  readonly active?: boolean;
}

export interface EnablementRow {
  readonly enabled: boolean;
  readonly allMembers: boolean;
  readonly allowedRoles: readonly string[];
  /** Undefined when written: as they were. */
  readonly blockedTools?: readonly string[] | undefined;
}

export interface NewBinding {
  readonly server: ServerId;
  readonly partition: string | undefined;
  readonly credential: Secret | undefined;
  /** Of a replaced collection: what the same server has in it stays, where none is given. */
  readonly keepCredential?: boolean;
  /** Default: `authorization`, `Bearer {}`. */
  readonly header: { readonly name: string; readonly template: string } | undefined;
  readonly enforced: EnforcedInput;
  /** Undefined: the server's key. */
  readonly prefix?: string | undefined;
  readonly tools?: ToolsInput | undefined;
}

export interface NewCollection {
  readonly name: string;
  readonly allowedRoles: readonly string[] | '*';
  /** Undefined: the defaults. */
  readonly listing?: Listing | undefined;
  readonly bindings: readonly NewBinding[];
  readonly managedBy: ManagedBy;
}

export interface CollectionRow {
  readonly id: string;
  readonly name: string;
  readonly allowedRoles: readonly string[] | '*';
  readonly managedBy: ManagedBy;
  readonly listing: Listing;
  readonly bindings: readonly {
    readonly server: string;
    readonly partition: string | undefined;
    readonly hasCredential: boolean;
    /** How the credential goes out; undefined: there is none. */
    readonly header?: { readonly name: string; readonly template: string } | undefined;
    readonly enforced: EnforcedInput;
    readonly prefix: string | undefined;
    readonly tools: ToolsInput;
  }[];
}

export interface NewKey {
  readonly name: string;
  readonly roles: readonly string[];
  readonly endpoints: readonly string[] | undefined;
  /** Unix milliseconds; undefined: until revoked. */
  readonly expiresAt: number | undefined;
  /** The service account that it acts as. */
  readonly userId?: string | undefined;
}

export interface KeyRow extends NewKey {
  readonly id: KeyId;
  readonly last4: string;
  readonly createdAt: number;
  readonly revokedAt: number | undefined;
}

export interface AccountRow {
  readonly id: string;
  readonly username: string;
  readonly name: string | undefined;
  readonly email: string | undefined;
  readonly active: boolean;
  readonly createdAt: number;
  readonly lastSignInAt: number | undefined;
}

export interface NewAccount {
  readonly username: string;
  readonly name: string | undefined;
  readonly email: string | undefined;
  /** Of the password. */
  readonly digest: string;
  readonly membership: { readonly org: OrgId; readonly roles: readonly string[] } | undefined;
}

/** Of a server, for a group (undefined: whoever no group decides for). */
export interface CredentialTarget {
  /** Name of the group. */
  readonly group?: string | undefined;
  /** Key of the server. */
  readonly server: string;
  readonly keyName: string;
}

export interface NewCredentialRoute extends CredentialTarget {
  readonly credential: Secret | undefined;
  readonly header?: { readonly name: string; readonly template: string } | undefined;
  readonly url: string | undefined;
  readonly keepCredential: boolean;
}

export interface CredentialRecords {
  listCredentials(org: OrgId): Promise<readonly ServerRouteRecord[]>;
  /** Whether it is there and the same, its value included. Throws `not_found` for a server or group that isn't. */
  hasCredential(org: OrgId, route: NewCredentialRoute): Promise<boolean>;
  /** Inserts or replaces. Throws `not_found`, `bad_request`. */
  putCredential(org: OrgId, route: NewCredentialRoute): Promise<ServerRouteRecord>;
  /** Throws `not_found`. */
  removeCredential(org: OrgId, target: CredentialTarget): Promise<ServerRouteRecord>;
}

/** Of the keys that seal. Throws `credential_unavailable` where key management does not answer. */
export interface SecretsAdmin {
  /** Wraps data keys now. */
  kekId(): string;
  read(org: OrgId | undefined): Promise<readonly OrganizationSecrets[]>;
  /** Of the gateway itself, sealed by the root secret. */
  readOwn(): Promise<{ readonly fields: number; readonly staleFields: number }>;
  rotate(wish: { readonly level: RotationLevel; readonly org: OrgId | undefined }): Promise<RotationReport>;
  shred(org: OrgId): Promise<void>;
}

/** Inserts throw GatehouseError `conflict` for a name that is taken; everything may throw `storage_unavailable`. */
export interface FilterRecords {
  listFilters(org: OrgId): Promise<readonly ContentFilterRecord[]>;
  /** By name: inserts or replaces. Throws `not_found` for a server or collection that isn't the organization's. */
  putFilter(org: OrgId, filter: NewFilter): Promise<ContentFilterRecord>;
  /** Throws `not_found`. */
  removeFilter(org: OrgId, name: string): Promise<ContentFilterRecord>;
}

/** Ids. */
export interface NewFilter extends Omit<ContentFilterRecord, 'id' | 'server'> {
  readonly server: string | undefined;
}

export interface RequestSealing {
  /** null: nothing seals here, so that nothing is kept. `id`: of the request. */
  sealRequest(id: string, text: string): string | null;
  /** undefined: not sealed here. */
  openRequest(id: string, sealed: string): string | undefined;
}

export interface AdminRecords
  extends RequestSealing,
    PolicyRecords,
    LimitRecords,
    CredentialRecords,
    FilterRecords,
    RunRecords {
  /** One transaction of one organization: for what src/records does in it. */
  within<T>(org: OrgId, work: (scope: OrganizationScope) => Promise<T>): Promise<T>;
  /** One transaction of the platform. Whoever works in it names the organization in every statement. */
  asPlatform<T>(work: (scope: PlatformScope) => Promise<T>): Promise<T>;

  listOrganizations(): Promise<readonly OrganizationRow[]>;
  /** By slug, external id or UUID. */
  findOrganization(ref: string): Promise<OrganizationRow | undefined>;
  insertOrganization(values: Omit<OrganizationRow, 'id'>): Promise<OrganizationRow>;
  /** By slug, external id or UUID; an unknown one is made, with a slug of its own. Throws `not_found` for a removed one. */
  ensureOrganization(ref: string): Promise<OrgId>;
  updateOrganization(id: OrgId, values: Omit<OrganizationChange, 'slug'>): Promise<void>;

  /** Of the platform. */
  listServers(): Promise<readonly ServerRow[]>;
  /** What the organization may bind: of each key its own before the platform's. */
  listServersOf(org: OrgId): Promise<readonly ServerRow[]>;
  insertServer(values: NewServer): Promise<ServerRow>;
  updateServer(id: ServerId, values: NewServer): Promise<void>;

  /** Accounts that members have at a server, by its key. Throws `not_found`. */
  listConnections(org: OrgId, server: string): Promise<readonly ShownAccount[]>;
  /** Without asking the person. Throws `not_found`. */
  removeConnection(org: OrgId, server: string, user: string): Promise<ShownAccount>;

  findEnablement(org: OrgId, server: ServerId): Promise<EnablementRow | undefined>;
  /** Inserts or replaces. */
  putEnablement(org: OrgId, server: ServerId, values: EnablementRow): Promise<void>;

  listCollections(org: OrgId): Promise<readonly CollectionRow[]>;
  /** In one transaction, credentials sealed. */
  insertCollection(org: OrgId, values: NewCollection): Promise<CollectionRow>;
  /** Bindings become exactly `values.bindings`; a credential that is equal is left as it is sealed. */
  replaceCollection(org: OrgId, id: string, values: NewCollection): Promise<{ readonly changed: boolean }>;

  listPins(org: OrgId): Promise<readonly ToolPin[]>;
  /** These two throw `not_found`; `conflict` where something else waits by now. */
  approvePin(org: OrgId, decision: PinDecision): Promise<ToolPin>;
  rejectPin(org: OrgId, decision: PinDecision): Promise<ToolPin>;

  listKeys(org: OrgId): Promise<readonly KeyRow[]>;
  insertKey(org: OrgId, values: NewKey): Promise<{ readonly row: KeyRow; readonly text: Secret }>;
  /** undefined: no such key in this organization. Revoking twice changes nothing. */
  revokeKey(org: OrgId, id: KeyId): Promise<KeyRow | undefined>;

  listClients(org: OrgId): Promise<readonly ProgramClient[]>;
  /** `secret`: undefined for a client with keys of its own. */
  insertClient(
    org: OrgId,
    values: NewProgramClient,
  ): Promise<{ readonly client: ProgramClient; readonly secret: Secret | undefined }>;
  /** Throws `not_found`. */
  removeClient(org: OrgId, id: string): Promise<ProgramClient>;

  listAccounts(): Promise<readonly AccountRow[]>;
  insertAccount(values: NewAccount): Promise<AccountRow>;
  /** Sessions and tokens end; undefined as digest: so does the right to sign in. undefined: no such account. */
  changeAccount(username: string, digest: string | undefined): Promise<AccountRow | undefined>;
}
