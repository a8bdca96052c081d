/**
 * The trail on its way to receivers outside, as it grows. How far each receiver has got stands in the database, chain by
 * chain, and moves only after the receiver has it: whatever was missed while it was away is sent when it is back, at least
 * once. One replica sends to a receiver at a time.
 */
import { sql } from 'kysely';
import type { Clock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import type { Db, Tx } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';
import type { Checkpoint, TrailRow } from './canonical.ts';
import { type ChainHead, listCheckpoints, listHeads, readChain } from './rows.ts';

export type ExportItem = ({ readonly type: 'row' } & TrailRow) | ({ readonly type: 'checkpoint' } & Checkpoint);

export interface AuditSink {
  /** Of its own among all: its place is kept under it. */
  readonly name: string;
  /** Resolves once the receiver has them all; rejects when it is not sure. */
  send(items: readonly ExportItem[]): Promise<void>;
}

export interface ExporterDeps {
  readonly db: Db;
  readonly clock: Clock;
  readonly log: Log;
  /** Of this process. */
  readonly holder: string;
  readonly sinks: readonly AuditSink[];
}

export interface Exporter {
  /** Sends what there is to every receiver that can be reached. Never rejects. */
  run(): Promise<void>;
}

const batchRows = 500;
const leaseMs = 60_000;
const retryMs = { first: 1000, most: 60_000 } as const;

export function openExporter(deps: ExporterDeps): Exporter {
  const states = deps.sinks.map((sink) => ({ sink, failures: 0, retryAt: 0 }));
  let running: Promise<void> | undefined;
  const runAll = async () => {
    for (const state of states) {
      if (deps.clock.monotonic() < state.retryAt) continue;
      try {
        await drain(deps, state.sink);
        if (state.failures > 0) deps.log.info({ sink: state.sink.name }, 'a receiver of the trail is back');
        state.failures = 0;
      } catch (error) {
        state.failures += 1;
        const waitMs = Math.min(retryMs.first * 2 ** (state.failures - 1), retryMs.most);
        state.retryAt = deps.clock.monotonic() + waitMs;
        if (state.failures === 1)
          deps.log.warn({ err: error, sink: state.sink.name }, 'a receiver of the trail is away: it is sent to later');
      }
    }
  };
  return {
    run() {
      running ??= runAll().finally(() => {
        running = undefined;
      });
      return running;
    },
  };
}

async function drain(deps: ExporterDeps, sink: AuditSink): Promise<void> {
  const { db } = deps;
  const behind = await withPlatform(db, async ({ tx }) =>
    (await takeLease(tx, deps, sink.name)) ? listBehind(tx, sink.name) : [],
  );
  for (const chain of behind) {
    let after = chain.sent;
    while (after < chain.seq) {
      const links = await withPlatform(db, ({ tx }) => readChain(tx, chain, { after, limit: batchRows }));
      const last = links.at(-1);
      // Rows that retention took first are sent no more.
      const reached = last?.seq ?? chain.seq;
      const points = chain.checkpoints.filter(({ seq }) => seq >= after && seq <= reached);
      const rows = links.map(({ row }): ExportItem => ({ type: 'row', ...row }));
      await sink.send([...rows, ...points.map((point): ExportItem => ({ type: 'checkpoint', ...point }))]);
      const kept = await withPlatform(db, async ({ tx }) => {
        await putCursor(tx, sink.name, { ...chain, seq: reached });
        return takeLease(tx, deps, sink.name);
      });
      if (!kept) return;
      after = reached;
    }
  }
}

async function takeLease(tx: Tx, { clock, holder }: ExporterDeps, sink: string): Promise<boolean> {
  const until = new Date(clock.now() + leaseMs);
  const { rows } = await sql<{ sink: string }>`
    insert into gateway.audit_exports as held (sink, holder, leased_until) values (${sink}, ${holder}::uuid, ${until})
    on conflict (sink) do update set holder = excluded.holder, leased_until = excluded.leased_until
      where held.holder is not distinct from excluded.holder or held.leased_until < ${new Date(clock.now())}
    returning sink`.execute(tx);
  return rows.length > 0;
}

interface Behind extends ChainHead {
  readonly sent: number;
  readonly checkpoints: readonly Checkpoint[];
}

async function listBehind(tx: Tx, sink: string): Promise<readonly Behind[]> {
  const cursors = await tx.selectFrom('audit_export_cursors').selectAll().where('sink', '=', sink).execute();
  const sent = new Map(cursors.map(({ writer, org_id, seq }) => [`${writer} ${org_id ?? ''}`, Number(seq)]));
  const behind = (await listHeads(tx, undefined))
    .map((head) => ({ ...head, sent: sent.get(`${head.writer} ${head.org ?? ''}`) ?? 0 }))
    .filter((head) => head.seq > head.sent);
  const points = behind.length > 0 ? await listCheckpoints(tx, undefined) : [];
  return behind.map((head) => ({
    ...head,
    checkpoints: points.filter(({ writer, org }) => writer === head.writer && org === head.org),
  }));
}

async function putCursor(tx: Tx, sink: string, { writer, org, seq }: ChainHead): Promise<void> {
  await sql`insert into gateway.audit_export_cursors (sink, writer, org_id, seq)
    values (${sink}, ${writer}::uuid, ${org}::uuid, ${seq})
    on conflict (sink, writer, org_id) do update set seq = excluded.seq`.execute(tx);
}
