/**
 * Batches of call records as rows of the audit trail and of usage: one statement a batch, idempotent by id. A record that
 * is written while its stream is open is completed by the closed record of the same id, never the other way round. The
 * batch travels as one JSON parameter, so its size meets no limit on parameters and costs one stringify.
 */
import { sql } from 'kysely';
import type { Db } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';
import type { CallRecord } from './call-record.ts';

/** The record as PostgreSQL reads it from JSON. */
const fields: Readonly<Record<keyof CallRecord, string>> = {
  id: 'uuid',
  at: 'double precision',
  requestId: 'text',
  org: 'uuid',
  principalKind: 'text',
  issuer: 'text',
  subject: 'text',
  email: 'text',
  clientAddress: 'text',
  userAgent: 'text',
  httpMethod: 'text',
  path: 'text',
  endpoint: 'text',
  server: 'text',
  rpcMethod: 'text',
  name: 'text',
  decision: 'text',
  reason: 'text',
  status: 'integer',
  open: 'boolean',
  durationMs: 'double precision',
  upstreamMs: 'double precision',
  bytesIn: 'bigint',
  bytesOut: 'bigint',
  policy: 'jsonb',
};

type Columns = Readonly<Record<string, keyof CallRecord>>;

const auditColumns: Columns = {
  id: 'id',
  org_id: 'org',
  at: 'at',
  request_id: 'requestId',
  principal_kind: 'principalKind',
  issuer: 'issuer',
  subject: 'subject',
  email: 'email',
  client_address: 'clientAddress',
  user_agent: 'userAgent',
  http_method: 'httpMethod',
  path: 'path',
  endpoint: 'endpoint',
  server: 'server',
  rpc_method: 'rpcMethod',
  name: 'name',
  decision: 'decision',
  reason: 'reason',
  status: 'status',
  open: 'open',
  duration_ms: 'durationMs',
  upstream_ms: 'upstreamMs',
  bytes_in: 'bytesIn',
  bytes_out: 'bytesOut',
};

const usageColumns: Columns = {
  id: 'id',
  org_id: 'org',
  timestamp: 'at',
  user_email: 'email',
  principal_kind: 'principalKind',
  issuer: 'issuer',
  subject: 'subject',
  method: 'httpMethod',
  endpoint: 'path',
  endpoint_name: 'endpoint',
  server: 'server',
  rpc_method: 'rpcMethod',
  tool: 'name',
  status_code: 'status',
  response_time_ms: 'durationMs',
  upstream_ms: 'upstreamMs',
  bytes_in: 'bytesIn',
  bytes_out: 'bytesOut',
  user_agent: 'userAgent',
  client_ip: 'clientAddress',
  open: 'open',
};

const recordset = Object.entries(fields)
  .map(([name, type]) => `"${name}" ${type}`)
  .join(', ');
const beforeBatch = sql.raw('with batch as materialized (select * from jsonb_to_recordset(');
const afterBatch = sql.raw(`::text::jsonb) as batch(${recordset})),
  audited as (${insertInto('audit', auditColumns)})
  ${insertInto('usage', usageColumns)}`);

function insertInto(table: string, columns: Columns): string {
  const names = Object.keys(columns);
  const values = Object.values(columns).map((field) => (field === 'at' ? 'to_timestamp("at" / 1000.0)' : `"${field}"`));
  const taken = names.filter((name) => name !== 'id').map((name) => `${name} = excluded.${name}`);
  return `insert into gateway.${table} as kept (${names.join(', ')}) select ${values.join(', ')} from batch
    on conflict (id) do update set ${taken.join(', ')} where kept.open and not excluded.open`;
}

/** Both tables at once. Throws `storage_unavailable`, or the database's error when it refuses a value. */
export async function insertCallRecords(db: Db, records: readonly CallRecord[]): Promise<void> {
  if (records.length === 0) return;
  const batch = asJson(finalOfEach(records));
  await withPlatform(db, ({ tx }) => sql`${beforeBatch}${batch}${afterBatch}`.execute(tx));
}

/** A statement cannot write one row twice: of each id the closed record stands, else the last. */
function finalOfEach(records: readonly CallRecord[]): readonly CallRecord[] {
  const byId = new Map<string, CallRecord>();
  for (const record of records) {
    if (byId.get(record.id)?.open !== false) byId.set(record.id, record);
  }
  return [...byId.values()];
}

/** PostgreSQL's text holds neither NUL nor half a surrogate pair; a stranger's header must not spoil the batch. */
function asJson(records: readonly CallRecord[]): string {
  const text = JSON.stringify(records);
  return /\\u(?:0000|d[89a-f])/i.test(text) ? JSON.stringify(records, cleaned) : text;
}

function cleaned(_key: string, value: unknown): unknown {
  return typeof value === 'string' ? value.toWellFormed().replaceAll('\0', '\uFFFD') : value;
}
