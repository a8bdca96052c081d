/** The trail and usage as files, written as they are read: neither side holds them whole. */
import { type Cell, csvLine } from '#core/csv.ts';
import type { TrailRow } from '#records/audit/canonical.ts';
import { maxExportRows } from '#records/audit/export-lines.ts';
import type { AuditReader } from '#records/audit/reader.ts';
import type { AuditFilter } from '#records/audit/rows.ts';
import type { UsageLine } from '#records/usage.ts';
import type { Following } from './actor.ts';

const pageRows = 1000;

const columns: Readonly<Record<string, (row: TrailRow) => Cell>> = {
  ...{ id: ({ id }) => id, at: ({ at }) => at, organization: ({ org }) => org, kind: ({ kind }) => kind },
  ...{ action: ({ action }) => action, target: ({ target }) => target, decision: ({ decision }) => decision },
  ...{ reason: ({ reason }) => reason, status: ({ status }) => status },
  ...{
    principal: ({ principalKind }) => principalKind,
    email: ({ email }) => email,
    subject: ({ subject }) => subject,
  },
  ...{ issuer: ({ issuer }) => issuer, person: ({ person }) => person, endpoint: ({ endpoint }) => endpoint },
  ...{ server: ({ server }) => server, method: ({ rpcMethod }) => rpcMethod, name: ({ name }) => name },
  ...{ duration_ms: ({ durationMs }) => durationMs, upstream_ms: ({ upstreamMs }) => upstreamMs },
  ...{ bytes_in: ({ bytesIn }) => bytesIn, bytes_out: ({ bytesOut }) => bytesOut },
  ...{ client_address: ({ clientAddress }) => clientAddress, user_agent: ({ userAgent }) => userAgent },
  ...{
    http_method: ({ httpMethod }) => httpMethod,
    path: ({ path }) => path,
    request_id: ({ requestId }) => requestId,
  },
  ...{ policy_version: ({ policyVersion }) => policyVersion, argument_digest: ({ argumentDigest }) => argumentDigest },
  ...{ detail: ({ detail }) => (detail === null ? null : JSON.stringify(detail)), hash: ({ link }) => link?.hash },
};

interface Written extends Pick<Following, 'write' | 'signal'> {
  readonly format: 'csv' | 'jsonl';
}

/** Throws `storage_unavailable`: before the first page nothing is written. */
export async function writeTrail(
  reader: Pick<AuditReader, 'list'>,
  filter: AuditFilter,
  { format, write, signal }: Written,
): Promise<void> {
  const lineOf = (row: TrailRow) =>
    format === 'csv'
      ? csvLine(Object.values(columns).map((cell) => cell(row)))
      : `${JSON.stringify({ type: 'row', ...row })}\n`;
  const { since, until } = filter;
  const head =
    format === 'csv'
      ? csvLine(Object.keys(columns))
      : // Whoever checks it against the chain knows that there may be more.
        `${JSON.stringify({ type: 'export', partial: true, since: since ?? null, until: until ?? null })}\n`;
  let after = filter.after;
  for (let left = maxExportRows; left > 0 && !signal.aborted; ) {
    const limit = Math.min(pageRows, left);
    const rows = await reader.list({ ...filter, limit, after });
    await write((left === maxExportRows ? head : '') + rows.map(lineOf).join(''));
    left -= rows.length;
    const last = rows.at(-1);
    if (!last || rows.length < limit) return;
    after = { at: last.at, id: last.id };
  }
}

const figures = [
  'calls',
  'failures',
  'tokensSaved',
  'bytesIn',
  'bytesOut',
  'meanMs',
  'p50Ms',
  'p95Ms',
  'p99Ms',
] as const;

export async function writeUsage(
  lines: readonly UsageLine[],
  by: readonly string[],
  { write }: Pick<Following, 'write'>,
): Promise<void> {
  const rows = lines.map((line) =>
    csvLine([line.at, ...by.map((name) => line.group[name]), ...figures.map((name) => line[name])]),
  );
  await write(csvLine(['at', ...by, ...figures]) + rows.join(''));
}
