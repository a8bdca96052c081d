/** Tables of people's own accounts at upstream servers. */
import type { Generated } from 'kysely';
import type { NullableTime, Time, TimeDefault } from './column-types.ts';

export interface ConnectedAccountsTable {
  id: string;
  org_id: string;
  user_id: string;
  server_id: string;
  issuer: string;
  client_id: string;
  sealed: string;
  /** Space-separated. */
  scopes: Generated<string>;
  missing_scopes: string | null;
  expires_at: NullableTime;
  issued_at: TimeDefault;
  refreshable: Generated<boolean>;
  /** `ok`, `expiring` or `failed` */
  state: Generated<string>;
  failed_reason: string | null;
  version: Generated<number>;
  lease: string | null;
  lease_until: NullableTime;
  retry_at: NullableTime;
  failures: Generated<number>;
  checked_at: TimeDefault;
  created_at: TimeDefault;
  updated_at: TimeDefault;
}

export interface ConnectionAttemptsTable {
  digest: string;
  org_id: string;
  user_id: string;
  sealed: string;
  expires_at: Time;
}

export interface UpstreamClientsTable {
  id: string;
  org_id: string;
  issuer: string;
  client_id: string;
  sealed: string | null;
  auth_method: string;
  redirect_uri: string;
  expires_at: NullableTime;
  created_at: TimeDefault;
}

export interface AccountsSchema {
  connected_accounts: ConnectedAccountsTable;
  connection_attempts: ConnectionAttemptsTable;
  upstream_clients: UpstreamClientsTable;
}
