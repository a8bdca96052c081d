/**
 * The tables of the schema `gateway` as types: DESIGN's words, one interface per table. Columns are snake_case because
 * operators read them in psql; records translate. JSON columns are written as text (both drivers take that) and read as
 * `unknown`: whoever reads one parses it.
 */
import type { Generated, Kysely, Transaction } from 'kysely';
import type { Int8, Json, JsonDefault, NullableJson, NullableTime, Time, TimeDefault } from './column-types.ts';
import type { AccessSchema } from './schema-access.ts';
import type { AccountsSchema } from './schema-accounts.ts';
import type { AdminRequestsSchema } from './schema-admin-requests.ts';
import type { AuditSchema } from './schema-audit.ts';
import type { FiltersSchema } from './schema-filters.ts';
import type { NotificationsSchema } from './schema-notifications.ts';
import type { OpenApiSchema } from './schema-openapi.ts';
import type { PeopleSchema } from './schema-people.ts';
import type { PortalSchema } from './schema-portal.ts';
import type { RequestsSchema } from './schema-requests.ts';
import type { RunsSchema } from './schema-runs.ts';
import type { SyncSchema } from './schema-sync.ts';

export interface OrganizationsTable {
  id: Generated<string>;
  slug: string;
  external_id: string | null;
  name: string;
  audit_content: Generated<'none' | 'digest' | 'redacted'>;
  /** Host name whose `/mcp` is this organization's. */
  domain: string | null;
  created_at: TimeDefault;
  updated_at: TimeDefault;
  deleted_at: NullableTime;
}

export interface ServersTable {
  id: Generated<string>;
  /** Null: the platform's, offered to every organization that enables it. */
  org_id: string | null;
  key: string;
  title: string;
  transport: Json;
  trusted: Generated<boolean>;
  active: Generated<boolean>;
  total_timeout_ms: number | null;
  /** Whose word a call is there (records/server-auth.ts); null: the binding's credential. */
  auth: NullableJson;
  /** JSON list of tools that are switched off for everybody. */
  blocked_tools: JsonDefault;
  /** Which of several credentials of a group is meant for it. */
  key_name: Generated<string>;
  /** Counts up: what runs under another one is ended. */
  generation: Generated<number>;
  /** Where it answers on a port of its own. */
  port: number | null;
  /** `api` or `file`: who may change it. */
  managed_by: Generated<string>;
  created_at: TimeDefault;
  updated_at: TimeDefault;
}

export interface EnablementsTable {
  org_id: string;
  server_id: string;
  enabled: Generated<boolean>;
  all_members: Generated<boolean>;
  /** JSON list of role slugs; `[]` admits nobody. */
  allowed_roles: JsonDefault;
  /** JSON list of tools that are switched off in this organization. */
  blocked_tools: JsonDefault;
  created_at: TimeDefault;
  updated_at: TimeDefault;
}

export interface CollectionsTable {
  id: Generated<string>;
  org_id: string;
  name: string;
  /** JSON list of role slugs, or the JSON string "*". */
  allowed_roles: Json;
  managed_by: Generated<string>;
  /** `prefixed` or `plain` */
  names: Generated<string>;
  /** `full`, `meta` or `auto` */
  mode: Generated<string>;
  token_budget: Generated<number>;
  created_at: TimeDefault;
  updated_at: TimeDefault;
}

export interface BindingsTable {
  id: Generated<string>;
  org_id: string;
  collection_id: string;
  server_id: string;
  partition: string | null;
  credential_id: string | null;
  /** `{tool: {argument: object}}` */
  enforced: JsonDefault;
  position: Generated<number>;
  /** Null: the server's key. */
  prefix: string | null;
  /** How its tools are published (records/tool-shaping.ts). */
  tools: JsonDefault;
  created_at: TimeDefault;
  updated_at: TimeDefault;
}

export interface CredentialsTable {
  id: Generated<string>;
  org_id: string;
  sealed: string;
  /** A trigger counts it up whenever `sealed` changes. */
  version: Generated<number>;
  header_name: Generated<string>;
  header_template: Generated<string>;
  created_at: TimeDefault;
  updated_at: TimeDefault;
}

export interface ApiKeysTable {
  /** The public part of the key, unique in the whole installation: keys are found before their organization is known. */
  id: string;
  org_id: string;
  name: string;
  digest: Uint8Array;
  last4: string;
  roles: Json;
  /** JSON list of endpoint names; null: all of the organization. */
  endpoints: NullableJson;
  expires_at: NullableTime;
  revoked_at: NullableTime;
  last_used_at: NullableTime;
  /** The service account that it acts as. */
  user_id: string | null;
  created_at: TimeDefault;
}

export interface OrganizationKeysTable {
  org_id: string;
  dek_id: string;
  kek_id: string;
  wrapped: string;
  /** `active` (one per organization) or `retired` (still opens). */
  state: string;
  created_at: TimeDefault;
}

export interface SessionRevocationsTable {
  digest: string;
  expires_at: Time;
}

export interface SettingsTable {
  key: string;
  value: Json;
}

/** One row: counts every committed change that caches must hear of, in commit order. */
export interface ChangeCounterTable {
  single: boolean;
  value: Int8;
}

export interface UsersTable {
  id: Generated<string>;
  /** `sub` of the tokens issued here. */
  subject: string;
  email: string | null;
  email_verified: Generated<boolean>;
  /** The only organization where the address counts: its own identity provider says it; null: everywhere. */
  email_org: Generated<string | null>;
  name: string | null;
  username: string | null;
  deactivated_at: NullableTime;
  /** The directory whose word that is; null: an administrator's. */
  deactivated_by: string | null;
  signed_out_at: NullableTime;
  last_sign_in_at: NullableTime;
  /** `person` or `service` */
  kind: Generated<string>;
  created_at: TimeDefault;
  updated_at: TimeDefault;
}

export interface IdentitiesTable {
  identity_provider: string;
  subject: string;
  user_id: string;
  created_at: TimeDefault;
  last_sign_in_at: NullableTime;
}

export interface MembersTable {
  org_id: string;
  user_id: string;
  /** JSON list of role slugs. */
  roles: JsonDefault;
  /** JSON list of group names. */
  groups: JsonDefault;
  /** Whose word it is; null: made here. */
  identity_provider: string | null;
  /** False: kept out of this organization. */
  active: Generated<boolean>;
  created_at: TimeDefault;
  updated_at: TimeDefault;
}

export interface LocalAccountsTable {
  user_id: string;
  username: string;
  digest: string;
  created_at: TimeDefault;
  updated_at: TimeDefault;
}

export interface OauthClientsTable {
  id: string;
  metadata: Json;
  secret_sealed: string | null;
  registration_digest: string | null;
  registered_from: string | null;
  created_at: TimeDefault;
  updated_at: TimeDefault;
  signed_in_at: NullableTime;
  expires_at: NullableTime;
}

export interface OauthRecordsTable {
  model: string;
  id: string;
  payload: Json;
  client_id: string | null;
  account_id: string | null;
  grant_id: string | null;
  uid: string | null;
  user_code: string | null;
  consumed_at: NullableTime;
  expires_at: NullableTime;
}

export interface ConsentsTable {
  user_id: string;
  client_id: string;
  redirect_host: string;
  resource: string;
  scopes: string;
  fingerprint: string;
  created_at: TimeDefault;
}

export interface SignInAttemptsTable {
  digest: string;
  sealed: string;
  expires_at: Time;
}

export interface SigningKeysTable {
  kid: string;
  algorithm: string;
  sealed: string;
  public_jwk: Json;
  state: string;
  created_at: TimeDefault;
  changed_at: TimeDefault;
}

export interface ProgramClientsTable {
  id: string;
  org_id: string;
  name: string;
  secret_digest: string | null;
  jwks: NullableJson;
  grants: JsonDefault;
  scopes: JsonDefault;
  roles: JsonDefault;
  redirect_uris: JsonDefault;
  introspects: JsonDefault;
  assertion_audiences: JsonDefault;
  created_at: TimeDefault;
}

export interface ReplicasTable {
  id: string;
  url: string;
  started_at: TimeDefault;
  expires_at: Time;
}

export interface SessionStatesTable {
  digest: string;
  org_id: string;
  log_level: string | null;
  /** JSON list of resource URIs, at most 1000. */
  subscriptions: JsonDefault;
  expires_at: Time;
}

export interface UpstreamSessionsTable {
  org_id: string;
  digest: string;
  sealed: string;
  expires_at: Time;
}

export interface ToolPinsTable {
  org_id: string;
  server_id: string;
  partition: Generated<string>;
  tool: string;
  approved_hash: string | null;
  /** JSON, as the server sent it. */
  approved: string | null;
  approved_at: NullableTime;
  held_hash: string | null;
  held: string | null;
  held_at: NullableTime;
  rejected_hash: string | null;
  flags: JsonDefault;
  created_at: TimeDefault;
}

export interface GatewaySchema
  extends AccessSchema,
    AccountsSchema,
    AdminRequestsSchema,
    AuditSchema,
    FiltersSchema,
    NotificationsSchema,
    OpenApiSchema,
    PeopleSchema,
    PortalSchema,
    RequestsSchema,
    RunsSchema,
    SyncSchema {
  organizations: OrganizationsTable;
  servers: ServersTable;
  enablements: EnablementsTable;
  collections: CollectionsTable;
  bindings: BindingsTable;
  credentials: CredentialsTable;
  api_keys: ApiKeysTable;
  organization_keys: OrganizationKeysTable;
  session_revocations: SessionRevocationsTable;
  settings: SettingsTable;
  users: UsersTable;
  identities: IdentitiesTable;
  members: MembersTable;
  local_accounts: LocalAccountsTable;
  oauth_clients: OauthClientsTable;
  oauth_records: OauthRecordsTable;
  consents: ConsentsTable;
  sign_in_attempts: SignInAttemptsTable;
  signing_keys: SigningKeysTable;
  program_clients: ProgramClientsTable;
  replicas: ReplicasTable;
  session_states: SessionStatesTable;
  upstream_sessions: UpstreamSessionsTable;
  tool_pins: ToolPinsTable;
  change_counter: ChangeCounterTable;
}

export type Db = Kysely<GatewaySchema>;
export type Tx = Transaction<GatewaySchema>;
