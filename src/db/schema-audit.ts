/** The trail, what holds it together, and usage. */
import type { Generated, GeneratedAlways } from 'kysely';
import type { Int8, NullableJson, NullableTime, Time } from './column-types.ts';

export interface UsageTable {
  id: string;
  /** Counts up. */
  seq: GeneratedAlways<Int8>;
  org_id: string | null;
  timestamp: Time;
  user_email: string | null;
  principal_kind: string | null;
  issuer: string | null;
  subject: string | null;
  method: string;
  /** The path that was asked for. */
  endpoint: string;
  endpoint_name: string | null;
  server: string | null;
  rpc_method: string | null;
  tool: string | null;
  status_code: number;
  response_time_ms: number;
  upstream_ms: number | null;
  bytes_in: Int8;
  bytes_out: Int8;
  user_agent: string | null;
  client_ip: string;
  open: boolean;
  tokens_saved: Generated<number>;
  reason: string | null;
}

export interface AuditTable {
  id: string;
  org_id: string | null;
  at: Time;
  request_id: string;
  principal_kind: string | null;
  issuer: string | null;
  subject: string | null;
  email: string | null;
  client_address: string | null;
  user_agent: string | null;
  http_method: string;
  path: string;
  endpoint: string | null;
  server: string | null;
  rpc_method: string | null;
  name: string | null;
  decision: string;
  reason: string | null;
  status: number;
  open: boolean;
  duration_ms: number;
  upstream_ms: number | null;
  bytes_in: Int8;
  bytes_out: Int8;
  kind: Generated<'call' | 'sign_in' | 'admin' | 'credential' | 'security'>;
  action: string | null;
  target: string | null;
  policy_version: string | null;
  argument_digest: string | null;
  /** Sealed. */
  content: string | null;
  detail: NullableJson;
  /** Keyed digests. */
  person: string | null;
  circumstances: string | null;
  erased_at: NullableTime;
  writer: string | null;
  seq: Int8 | null;
  prev_hash: string | null;
  hash: string | null;
  close_writer: string | null;
  close_seq: Int8 | null;
  close_prev_hash: string | null;
  close_hash: string | null;
}

export interface AuditWritersTable {
  id: string;
  key_id: string;
  public_key: string;
  started_at: Time;
  seen_at: Time;
  closed_at: NullableTime;
  lost_at: NullableTime;
}

export interface AuditHeadsTable {
  writer: string;
  org_id: string | null;
  seq: Int8;
  hash: string;
  checkpoint_seq: Int8;
  checkpoint_at: Time;
}

export interface AuditCheckpointsTable {
  id: string;
  kind: 'checkpoint' | 'tombstone';
  writer: string;
  org_id: string | null;
  seq: Int8;
  hash: string;
  removed: Int8;
  at: Time;
  key_id: string;
  signature: string;
}

export interface AuditExportsTable {
  sink: string;
  holder: string | null;
  leased_until: Time;
}

export interface AuditExportCursorsTable {
  sink: string;
  writer: string;
  org_id: string | null;
  seq: Int8;
}

export interface AuditSchema {
  usage: UsageTable;
  audit: AuditTable;
  audit_writers: AuditWritersTable;
  audit_heads: AuditHeadsTable;
  audit_checkpoints: AuditCheckpointsTable;
  audit_exports: AuditExportsTable;
  audit_export_cursors: AuditExportCursorsTable;
}
