/** Tables of what people ask for, and of applications that are kept out. */
import type { Generated } from 'kysely';
import type { NullableJson, NullableTime, TimeDefault } from './column-types.ts';

export interface AccessRequestsTable {
  id: Generated<string>;
  org_id: string;
  user_id: string;
  /** Exactly one of these two. */
  server_id: string | null;
  collection_id: string | null;
  /** JSON list of the server's own tool names; null: all. */
  tools: NullableJson;
  reason: string;
  /** `open`, `approved`, `refused` or `withdrawn` */
  state: Generated<string>;
  word: string | null;
  decided_by: string | null;
  decided_at: NullableTime;
  grant_id: string | null;
  created_at: TimeDefault;
}

export interface BlockedClientsTable {
  org_id: string;
  client_id: string;
  reason: string | null;
  blocked_by: string;
  created_at: TimeDefault;
}

export interface RequestsSchema {
  access_requests: AccessRequestsTable;
  blocked_clients: BlockedClientsTable;
}
