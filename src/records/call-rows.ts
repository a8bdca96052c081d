/**
 * Batches of call records as rows of the audit trail and of usage: one statement per table and batch, idempotent by id.
 * A record that is written while its stream is open is completed by the closed record of the same id, never the other
 * way round. The batch travels as one JSON parameter, so its size meets no limit on parameters.
 */
import { type RawBuilder, sql } from 'kysely';
import type { Db } from '#db/schema.ts';
import { type PlatformScope, withPlatform } from '#db/scope.ts';
import type { CallRecord } from './call-record.ts';

type Value = string | number | boolean | null;

interface Column {
  readonly type: 'uuid' | 'text' | 'timestamptz' | 'integer' | 'bigint' | 'double precision' | 'boolean';
  readonly of: (record: CallRecord) => Value;
}

type Columns = Readonly<Record<string, Column>>;

const auditColumns: Columns = {
  id: { type: 'uuid', of: (call) => call.id },
  org_id: { type: 'uuid', of: (call) => call.org },
  at: { type: 'timestamptz', of: (call) => timeOf(call.at) },
  request_id: { type: 'text', of: (call) => call.requestId },
  principal_kind: { type: 'text', of: (call) => call.principalKind },
  issuer: { type: 'text', of: (call) => call.issuer },
  subject: { type: 'text', of: (call) => call.subject },
  email: { type: 'text', of: (call) => call.email },
  client_address: { type: 'text', of: (call) => call.clientAddress },
  user_agent: { type: 'text', of: (call) => call.userAgent },
  http_method: { type: 'text', of: (call) => call.httpMethod },
  path: { type: 'text', of: (call) => call.path },
  endpoint: { type: 'text', of: (call) => call.endpoint },
  server: { type: 'text', of: (call) => call.server },
  rpc_method: { type: 'text', of: (call) => call.rpcMethod },
  name: { type: 'text', of: (call) => call.name },
  decision: { type: 'text', of: (call) => call.decision },
  reason: { type: 'text', of: (call) => call.reason },
  status: { type: 'integer', of: (call) => call.status },
  open: { type: 'boolean', of: (call) => call.open },
  duration_ms: { type: 'double precision', of: (call) => call.durationMs },
  upstream_ms: { type: 'double precision', of: (call) => call.upstreamMs },
  bytes_in: { type: 'bigint', of: (call) => call.bytesIn },
  bytes_out: { type: 'bigint', of: (call) => call.bytesOut },
};

const usageColumns: Columns = {
  id: { type: 'uuid', of: (call) => call.id },
  org_id: { type: 'uuid', of: (call) => call.org },
  timestamp: { type: 'timestamptz', of: (call) => timeOf(call.at) },
  user_email: { type: 'text', of: (call) => call.email },
  principal_kind: { type: 'text', of: (call) => call.principalKind },
  issuer: { type: 'text', of: (call) => call.issuer },
  subject: { type: 'text', of: (call) => call.subject },
  method: { type: 'text', of: (call) => call.httpMethod },
  endpoint: { type: 'text', of: (call) => call.path },
  endpoint_name: { type: 'text', of: (call) => call.endpoint },
  server: { type: 'text', of: (call) => call.server },
  rpc_method: { type: 'text', of: (call) => call.rpcMethod },
  tool: { type: 'text', of: (call) => call.name },
  status_code: { type: 'integer', of: (call) => call.status },
  response_time_ms: { type: 'double precision', of: (call) => call.durationMs },
  upstream_ms: { type: 'double precision', of: (call) => call.upstreamMs },
  bytes_in: { type: 'bigint', of: (call) => call.bytesIn },
  bytes_out: { type: 'bigint', of: (call) => call.bytesOut },
  user_agent: { type: 'text', of: (call) => call.userAgent },
  client_ip: { type: 'text', of: (call) => call.clientAddress },
  open: { type: 'boolean', of: (call) => call.open },
};

/** Both tables in one transaction. Throws `storage_unavailable`, or the database's error when it refuses a value. */
export async function insertCallRecords(db: Db, records: readonly CallRecord[]): Promise<void> {
  if (records.length === 0) return;
  await withPlatform(db, async (scope) => {
    await insertAuditRows(scope, records);
    await insertUsageRows(scope, records);
  });
}

export async function insertAuditRows(scope: PlatformScope, records: readonly CallRecord[]): Promise<void> {
  if (records.length > 0) await auditStatement(records).execute(scope.tx);
}

export async function insertUsageRows(scope: PlatformScope, records: readonly CallRecord[]): Promise<void> {
  if (records.length > 0) await usageStatement(records).execute(scope.tx);
}

const auditStatement = statementFor('audit', auditColumns);
const usageStatement = statementFor('usage', usageColumns);

function statementFor(table: string, columns: Columns): (records: readonly CallRecord[]) => RawBuilder<unknown> {
  const names = Object.keys(columns);
  const list = names.join(', ');
  const typed = names.map((name) => `${name} ${columns[name]?.type}`).join(', ');
  const taken = names
    .filter((name) => name !== 'id')
    .map((name) => `${name} = excluded.${name}`)
    .join(', ');
  const head = sql.raw(`insert into gateway.${table} as kept (${list}) select ${list} from jsonb_to_recordset(`);
  const tail = sql.raw(`::jsonb) as batch(${typed}) on conflict (id) do update set ${taken}
    where kept.open and not excluded.open`);
  return (records) => {
    const rows = finalOfEach(records).map((record) => names.map((name) => [name, clean(columns[name]?.of(record))]));
    return sql`${head}${JSON.stringify(rows.map((row) => Object.fromEntries(row)))}::text${tail}`;
  };
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
function clean(value: Value | undefined): Value {
  if (typeof value === 'string') return value.toWellFormed().replaceAll('\0', '\uFFFD');
  return value ?? null;
}

const timeOf = (atMs: number): string => new Date(atMs).toISOString();
