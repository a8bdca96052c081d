/** The trail, composed: spool → chain → database → receivers; what is signed, sent and removed from time to time. */
import type { Config } from '#config/load.ts';
import { type Clock, systemClock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import type { Db } from '#db/schema.ts';
import type { Metrics } from '#gateway/metrics.ts';
import { proxyEnvOf } from '#http/proxied-connect.ts';
import { type Chain, openChain } from '#records/audit/chain.ts';
import { type AuditTrail, openAuditTrail } from '#records/audit/event.ts';
import { type AuditSink, openExporter } from '#records/audit/exporter.ts';
import { type AuditKeys, openAuditKeys } from '#records/audit/keys.ts';
import { noteLostWriters } from '#records/audit/lost-writers.ts';
import { openAuditReader } from '#records/audit/reader.ts';
import { pruneAudit, pruneUsage } from '#records/audit/retention.ts';
import { openFileSink, openStreamSink, openSyslogSink } from '#records/audit/sinks.ts';
import { type Detector, openDetector } from '#records/audit/suspicion.ts';
import { openSpool, type Spool } from '#records/spool.ts';
import type { Closers } from './closers.ts';
import { configuredProxy } from './proxy.ts';
import { type Storage, spoolFolder } from './storage.ts';

export interface TrailDeps {
  readonly storage: Pick<Storage, 'db' | 'rootSecret'>;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Log;
  readonly closers: Closers;
  readonly version: string;
}

export interface OpenTrail {
  readonly spool: Spool;
  readonly trail: AuditTrail;
  readonly keys: AuditKeys;
  readonly detector: Detector;
}

const dayMs = 86_400_000;
const checkpointMs = 60_000;
const exportMs = 2000;
const retentionMs = 3_600_000;

export async function openTrail(config: Config, deps: TrailDeps): Promise<OpenTrail> {
  const { storage, clock, log, closers, metrics } = deps;
  const keys = openAuditKeys(storage.rootSecret.reveal());
  const chain = openChain({ db: storage.db, keys, clock });
  closers.add('audit chain', () => chain.close());
  const spool = openSpool({
    directory: spoolFolder(config.dataDir),
    insert: (records) => chain.insert(records),
    clock,
    log,
    maxBytes: config.audit.spoolBytes,
    maxAgeMs: config.audit.spoolMaxAgeMs,
    whenFull: config.audit.calls,
  });
  closers.add('spool', async () => {
    await spool.flush(5000);
    await spool.close();
  });
  const detector = openDetector({
    thresholds: config.audit.suspicion,
    clock,
    report(what, event) {
      metrics.observeSuspicion(what);
      const { org, clientAddress, requestId, detail } = event;
      log.warn({ event: 'suspicious', what, org, clientAddress, requestId, ...detail }, `suspicious: ${what}`);
      void trail.record(event);
    },
  });
  const trail: AuditTrail = openAuditTrail(spool, clock, (record) => {
    metrics.observeEvent(record);
    detector.hear(record);
  });
  await startDuties(config, { ...deps, keys, chain, trail });
  return { spool, trail, keys, detector };
}

interface Duties extends TrailDeps {
  readonly keys: AuditKeys;
  readonly chain: Chain;
  readonly trail: AuditTrail;
}

/** What nobody waits for: timers that hold no process. */
async function startDuties(config: Config, { storage: { db }, keys, chain, trail, ...deps }: Duties): Promise<void> {
  const { clock, log, closers } = deps;
  const every = (what: string, ms: number, work: () => Promise<unknown>) => {
    let running: Promise<unknown> = Promise.resolve();
    let isBusy = false;
    const timer = setInterval(() => {
      if (isBusy) return;
      isBusy = true;
      running = work()
        .catch((err: unknown) => log.warn({ err }, `the ${what} of the audit trail has to wait`))
        .finally(() => {
          isBusy = false;
        });
    }, ms).unref();
    closers.add(`${what} of the audit trail`, async () => {
      clearInterval(timer);
      await running;
    });
  };
  every('checkpoint', checkpointMs, async () => {
    await chain.checkpoint();
    await noteLostWriters({ db, clock, trail });
  });
  every('retention', retentionMs, () => prune(config, { db, keys, clock }));
  const sinks = await openSinks(config, deps);
  if (sinks.length === 0) return;
  const exporter = openExporter({ db, clock, log, holder: chain.writer, sinks });
  every('export', exportMs, () => exporter.run());
}

async function prune(
  { audit, usage }: Config,
  deps: { readonly db: Db; readonly keys: AuditKeys; readonly clock: Clock },
): Promise<void> {
  const now = deps.clock.now();
  if (audit.retentionDays > 0) await pruneAudit(deps, now - audit.retentionDays * dayMs);
  if (usage.retentionDays > 0) await pruneUsage(deps.db, now - usage.retentionDays * dayMs);
}

function openSinks(config: Config, { version }: Pick<TrailDeps, 'version'>): Promise<AuditSink[]> {
  return Promise.all(
    config.audit.export.map(async (sink) => {
      if (sink.kind === 'syslog') return openSyslogSink(sink.url);
      if (sink.kind === 'jsonl') return sink.file ? openFileSink(sink.file) : openStreamSink(process.stdout);
      return (await import('#records/audit/otlp-sink.ts')).openOtlpSink({
        ...{ ...sink, version },
        proxyEnv: proxyEnvOf(configuredProxy(config), sink.url),
      });
    }),
  );
}

/** For a command that changes the database itself: no spool, each event is inserted before the command goes on. */
export function openDirectTrail({ db, rootSecret, vault }: Pick<Storage, 'db' | 'rootSecret' | 'vault'>, log: Log) {
  const keys = openAuditKeys(rootSecret.reveal());
  const chain = openChain({ db, keys, clock: systemClock });
  const trail = openAuditTrail(
    {
      accepting: true,
      record(record, done) {
        chain.insert([record]).then(done, (err: unknown) => {
          log.error({ err }, 'an event could not be kept');
          done();
        });
      },
    },
    systemClock,
  );
  return { trail, reader: openAuditReader({ db, keys, vault }), close: () => chain.close() };
}
