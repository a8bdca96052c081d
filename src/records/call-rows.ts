/**
 * Batches of records as rows of the audit trail and of usage, idempotent by id, each with its place in the chain. A record
 * that is written while its stream is open is completed by the closed record of the same id, never the other way round. A
 * batch travels as one JSON parameter, so its size meets no limit on parameters and costs one stringify.
 */
import { sql } from 'kysely';
import type { Tx } from '#db/schema.ts';
import type { CallRecord } from './call-record.ts';

/** A record with its place in the chain. */
export interface LinkedRecord extends CallRecord {
  readonly person: string;
  readonly circumstances: string;
  readonly writer: string;
  readonly seq: number;
  readonly prevHash: string;
  readonly hash: string;
}

/** The record as PostgreSQL reads it from JSON. */
const fields: Readonly<Record<keyof LinkedRecord, string>> = {
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
  kind: 'text',
  action: 'text',
  target: 'text',
  policyVersion: 'text',
  argumentDigest: 'text',
  content: 'text',
  detail: 'jsonb',
  tokensSaved: 'integer',
  person: 'text',
  circumstances: 'text',
  writer: 'uuid',
  seq: 'bigint',
  prevHash: 'text',
  hash: 'text',
  policy: 'jsonb',
};

type Columns = Readonly<Record<string, keyof LinkedRecord>>;

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
  kind: 'kind',
  action: 'action',
  target: 'target',
  policy_version: 'policyVersion',
  argument_digest: 'argumentDigest',
  content: 'content',
  detail: 'detail',
  person: 'person',
  circumstances: 'circumstances',
  writer: 'writer',
  seq: 'seq',
  prev_hash: 'prevHash',
  hash: 'hash',
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
  tokens_saved: 'tokensSaved',
  reason: 'reason',
};

/** What a record may leave out. */
const defaults: Readonly<Partial<Record<keyof LinkedRecord, string>>> = { kind: `'call'`, tokensSaved: '0' };

const recordset = Object.entries(fields)
  .map(([name, type]) => `"${name}" ${type}`)
  .join(', ');
const batchOf = `select * from jsonb_to_recordset(`;
const beforeBatch = sql.raw(`with batch as materialized (${batchOf}`);
const asRecords = `::text::jsonb) as batch(${recordset})`;
const insertAudit = sql.raw(`${asRecords}), inserted as (
  ${insertInto('audit', auditColumns)} on conflict (id) do nothing returning 1) select count(*) as n from inserted`);
const putUsage = `${insertInto('usage', usageColumns)} where coalesce(kind, 'call') = 'call'
  ${onConflict(usageColumns)}`;
const insertUsage = sql.raw(`${asRecords}) ${putUsage}`);
const insertBoth = sql.raw(`${asRecords}), used as (${putUsage}), inserted as (
  ${insertInto('audit', auditColumns)} on conflict (id) do nothing returning 1) select count(*) as n from inserted`);

function insertInto(table: string, columns: Columns): string {
  const values = Object.values(columns).map(selected);
  return `insert into gateway.${table} as kept (${Object.keys(columns).join(', ')}) select ${values.join(', ')} from batch`;
}

function selected(field: keyof LinkedRecord): string {
  if (field === 'at') return 'to_timestamp("at" / 1000.0)';
  const fallback = defaults[field];
  return fallback === undefined ? `"${field}"` : `coalesce("${field}", ${fallback})`;
}

function onConflict(columns: Columns): string {
  const taken = Object.keys(columns).filter((name) => name !== 'id');
  const sets = taken.map((name) => `${name} = excluded.${name}`);
  return `on conflict (id) do update set ${sets.join(', ')} where kept.open and not excluded.open`;
}

/** Rows that are new, with their usage, in one statement: the batch travels once. How many were inserted. */
export async function insertNewRows(tx: Tx, records: readonly LinkedRecord[]): Promise<number> {
  if (records.length === 0) return 0;
  const { rows } = await sql<{ n: string | number }>`${beforeBatch}${JSON.stringify(records)}${insertBoth}`.execute(tx);
  return Number(rows[0]?.n ?? 0);
}

/** How many were inserted: those that are there already are not. */
export async function insertAuditRows(tx: Tx, records: readonly LinkedRecord[]): Promise<number> {
  if (records.length === 0) return 0;
  const { rows } = await sql<{ n: string | number }>`${beforeBatch}${JSON.stringify(records)}${insertAudit}`.execute(
    tx,
  );
  return Number(rows[0]?.n ?? 0);
}

/** How many were open until now. */
export async function closeAuditRows(tx: Tx, records: readonly LinkedRecord[]): Promise<number> {
  if (records.length === 0) return 0;
  const { rows } = await sql<{
    closed: string | number;
  }>`select gateway.close_audit(${JSON.stringify(records)}::text::jsonb) as closed`.execute(tx);
  return Number(rows[0]?.closed ?? 0);
}

/** Events leave no usage. */
export async function putUsageRows(tx: Tx, records: readonly CallRecord[]): Promise<void> {
  const calls = records.filter(({ kind = 'call' }) => kind === 'call');
  if (calls.length === 0) return;
  await sql`${beforeBatch}${JSON.stringify(calls)}${insertUsage}`.execute(tx);
}

/** A statement cannot write one row twice: of each id the closed record stands, else the last. */
export function finalOfEach(records: readonly CallRecord[]): readonly CallRecord[] {
  const byId = new Map<string, CallRecord>();
  for (const record of records) {
    if (byId.get(record.id)?.open !== false) byId.set(record.id, record);
  }
  return [...byId.values()];
}

/** PostgreSQL's text holds neither NUL nor half a surrogate pair; a stranger's header must not spoil the batch. */
export function storable(records: readonly CallRecord[]): readonly CallRecord[] {
  return records.every((record) => isStorable(record)) ? records : JSON.parse(JSON.stringify(records, cleaned));
}

function isStorable(value: object): boolean {
  // Of every record: no list of its values is made.
  for (const key in value) {
    const held: unknown = Reflect.get(value, key);
    if (typeof held === 'string' && !(held.isWellFormed() && !held.includes('\0'))) return false;
    if (typeof held === 'object' && held !== null && !isStorable(held)) return false;
  }
  return true;
}

function cleaned(_key: string, value: unknown): unknown {
  return typeof value === 'string' ? value.toWellFormed().replaceAll('\0', '\uFFFD') : value;
}
