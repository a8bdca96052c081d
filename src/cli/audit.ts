/** `audit`: what happened, whether it is as it was written, and a copy of it to keep elsewhere. `usage`: how much of it. */
import { createReadStream, existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { RouteInput, RouteOutput } from '#admin/contract.ts';
import { GatehouseError } from '#core/error.ts';
import { maxExportRows } from '#records/audit/export-lines.ts';
import type { AuditSink, ExportItem } from '#records/audit/exporter.ts';
import { openSyslogSink, syslogMessage } from '#records/audit/sinks.ts';
import type { TrailReport } from '#records/audit/verify.ts';
import { verifyLines } from '#records/audit/verify-file.ts';
import { type Connection, type ConnectOptions, connect } from './connection.ts';
import { type Io, UsageError } from './io.ts';
import { printJson } from './output.ts';
import { openProgress, watched } from './progress.ts';
import { printTable } from './table.ts';

interface AuditOptions extends ConnectOptions {
  readonly org?: string;
  readonly json?: boolean;
}

interface VerifyOptions extends AuditOptions {
  readonly file?: string;
  readonly publicKey?: string;
}

/** Throws UsageError where something was changed: the exit code says it too. */
export async function verifyAudit(io: Io, options: VerifyOptions): Promise<void> {
  const report = await watched(io, 'Verifying', () =>
    options.file === undefined ? verifyThere(io, options) : verifyFile(io, options),
  );
  if (options.json) printJson(io, report);
  else {
    const { rows, chains, checkpoints, erased, problems } = report;
    const lines = problems.map(
      ({ seq, kind, message, org, writer, row }) =>
        `${kind} at ${seq} of chain ${writer || '(none)'} of ${org ?? 'no organization'}: ${message}${row ? ` (${row})` : ''}`,
    );
    io.out(`${rows} rows in ${chains} chains, ${checkpoints} checkpoints, ${erased} of erased people\n`);
    for (const line of lines) io.out(`${line}\n`);
  }
  if (report.problems.length > 0) throw new UsageError('The trail is not as it was written');
  if (!options.json) io.err('The trail is as it was written.\n');
}

async function verifyThere(io: Io, options: VerifyOptions): Promise<TrailReport> {
  const connection = await connect(io, options);
  try {
    return options.org === undefined
      ? await connection.call('verifyPlatformAudit', {})
      : await connection.call('verifyAudit', { organization: options.org });
  } finally {
    await connection.close();
  }
}

async function verifyFile({ cwd }: Io, { file = '', publicKey }: VerifyOptions): Promise<TrailReport> {
  if (!existsSync(resolve(cwd, file)))
    throw new UsageError(`${file} does not exist: make an export with \`gatehouse audit export\``);
  const lines = createInterface({
    input: createReadStream(resolve(cwd, file), 'utf8'),
    crlfDelay: Number.POSITIVE_INFINITY,
  });
  try {
    return await verifyLines(lines, publicKey);
  } catch (cause) {
    throw new UsageError(
      `${file} is no export of the trail: make one with \`gatehouse audit export\` (${String(cause)})`,
    );
  }
}

interface ExportOptions extends AuditOptions {
  readonly format: 'jsonl' | 'otlp' | 'syslog';
  readonly to?: string;
  readonly since?: string;
  readonly until?: string;
}

/** At most a million rows: more in several files, by `--since` and `--until`. */
export async function exportAudit(io: Io, options: ExportOptions, version: string): Promise<void> {
  const write = await openWriter(io, options, version);
  const connection = await connect(io, options);
  // Rows that run over a terminal would be torn by it.
  const progress = openProgress({ err: io.err, errIsTerminal: io.errIsTerminal && !io.outIsTerminal }, 'Exporting');
  try {
    const { since, until, format } = options;
    if (format === 'jsonl') {
      const partial = since !== undefined || until !== undefined;
      io.out(`${JSON.stringify({ type: 'export', partial, since: since ?? null, until: until ?? null })}\n`);
    }
    const anchors = await findAnchors(connection, options);
    let rows = 0;
    for (let cursor: string | undefined; rows < maxExportRows; ) {
      const page = await readPage(connection, options, cursor);
      await write(page.items.map((row): ExportItem => ({ type: 'row', ...row, detail: plain(row.detail) })));
      rows += page.items.length;
      progress.report({ progress: rows, message: 'rows' });
      if (page.next === null) break;
      cursor = page.next;
    }
    if (rows >= maxExportRows) io.err(`Stopped after ${maxExportRows} rows: go on with --since\n`);
    if (format === 'jsonl') for (const head of anchors.heads) io.out(`${JSON.stringify({ type: 'head', ...head })}\n`);
    await write(anchors.checkpoints.map((point): ExportItem => ({ type: 'checkpoint', ...point })));
  } finally {
    progress.close();
    await connection.close();
  }
}

/** As JSON has it. */
const plain = (value: unknown) => JSON.parse(JSON.stringify(value ?? null));

function readPage(connection: Connection, { org, since, until }: ExportOptions, cursor: string | undefined) {
  const filter: RouteInput<'listPlatformAudit'> = {
    ...{ order: 'oldest', limit: 1000 },
    ...(since !== undefined && { since }),
    ...(until !== undefined && { until }),
    ...(cursor !== undefined && { cursor }),
  };
  return org === undefined
    ? connection.call('listPlatformAudit', filter)
    : connection.call('listAudit', { organization: org, ...filter });
}

const findAnchors = (connection: Connection, { org }: ExportOptions): Promise<RouteOutput<'listAuditAnchors'>> =>
  org === undefined
    ? connection.call('listPlatformAuditAnchors', {})
    : connection.call('listAuditAnchors', { organization: org });

async function openWriter(
  io: Io,
  { format, to }: ExportOptions,
  version: string,
): Promise<(items: readonly ExportItem[]) => Promise<void> | void> {
  const sending = (sink: AuditSink) => (items: readonly ExportItem[]) =>
    items.length > 0 ? sink.send(items).catch((cause: unknown) => failed(to, cause)) : undefined;
  if (format === 'otlp') {
    if (to === undefined) throw new UsageError('--format otlp needs --to: the URL of the logs of a collector');
    return sending((await import('#records/audit/otlp-sink.ts')).openOtlpSink({ url: to, version }));
  }
  if (format === 'syslog' && to !== undefined) return sending(openSyslogSink(to));
  const shown = format === 'syslog' ? syslogMessage : (item: ExportItem) => JSON.stringify(item);
  return (items) => io.out(items.map((item) => `${shown(item)}\n`).join(''));
}

function failed(to: string | undefined, cause: unknown): never {
  const reason = cause instanceof Error ? cause.message : 'no reason given';
  throw new GatehouseError('upstream_unreachable', {
    message: `${to} did not take the records (${reason}): check --to, and export again`,
    cause,
  });
}

interface ListOptions extends AuditOptions {
  readonly person?: string;
  readonly server?: string;
  readonly tool?: string;
  readonly kind?: 'call' | 'sign_in' | 'admin' | 'credential' | 'security';
  readonly decision?: 'allow' | 'deny';
  readonly since?: string;
  readonly limit: string;
}

export async function listAudit(io: Io, { org, json, url: _url, key: _key, ...options }: ListOptions): Promise<void> {
  const connection = await connect(io, { url: _url, key: _key });
  try {
    const { items } =
      org === undefined
        ? await connection.call('listPlatformAudit', options)
        : await connection.call('listAudit', { organization: org, ...options });
    if (json) return printJson(io, items);
    const rows = items.map((row) => [
      // Seconds are enough for people; --json has it all.
      row.at.replace(/\.\d+Z$/, 'Z'),
      row.kind,
      row.email ?? row.subject ?? (isPlatform(row.detail) ? 'operator' : row.person?.slice(0, 8)) ?? '',
      row.action ?? row.rpcMethod ?? row.httpMethod,
      [row.server, row.name ?? row.target].filter(Boolean).join(' '),
      row.reason ?? row.decision,
    ]);
    printTable(io, ['TIME', 'KIND', 'WHO', 'WHAT', 'WHERE', 'OUTCOME'], rows);
  } finally {
    await connection.close();
  }
}

/** The key of the data directory: whoever may read it. */
const isPlatform = (detail: unknown) =>
  typeof detail === 'object' && detail !== null && 'by' in detail && detail.by === 'platform';
