/**
 * What operators see of the gateway, in Prometheus' text format. Every label has a fixed list of values and whatever is not
 * on it becomes `other`: no caller and no upstream can make series (I7). Observing is a few additions in arrays; the
 * library formats them when it is asked.
 */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { errorTable } from '#core/error.ts';
import { type Suspicion, suspicions } from '#records/audit/suspicion.ts';
import type { CallRecord } from '#records/call-record.ts';
import { openAccessMetrics } from './access-metrics.ts';
import { ArrayCounter, ArrayHistogram, indexOf } from './metric-arrays.ts';

const endpointKinds = ['none', 'collection', 'server', 'organization'] as const;
const eras = ['none', 'legacy', 'modern'] as const;
const statusClasses = ['1xx', '2xx', '3xx', '4xx', '5xx'] as const;
const principals = ['none', 'user', 'api-key'] as const;
const eventKinds = ['call', 'sign_in', 'admin', 'credential', 'security'] as const;
const authResults = ['success', 'failure'] as const;
const rpcMethods = [
  ...[
    'none',
    'other',
    'initialize',
    'server/discover',
    'ping',
    'tools/list',
    'tools/call',
    'prompts/list',
    'prompts/get',
  ],
  ...['resources/list', 'resources/read', 'resources/templates/list', 'subscriptions/listen', 'completion/complete'],
  ...['resources/subscribe', 'resources/unsubscribe', 'logging/setLevel', 'notifications/initialized'],
  ...[
    'notifications/cancelled',
    'notifications/progress',
    'notifications/roots/list_changed',
    'tasks/get',
    'tasks/cancel',
  ],
] as const;
/** Methods with a latency distribution of their own. */
const timedMethods = ['other', 'initialize', 'tools/list', 'tools/call', 'resources/read', 'prompts/get'] as const;
const reasons = ['other', 'client_gone', ...Object.keys(errorTable)] as const;

/** Seconds: from a warm call on one machine to the longest tool. */
const callSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];
const checkSeconds = [0.000_01, 0.000_1, 0.000_5, 0.001, 0.005, 0.025, 0.1, 0.5, 2.5];

/** What the record of a call does not say. */
export interface CallShape {
  readonly endpointKind: (typeof endpointKinds)[number];
  readonly era: (typeof eras)[number];
}

const gauges = {
  active_calls: 'Calls under way',
  streams: 'Open event streams to callers',
  sessions: 'Sessions of legacy callers',
  children: 'Processes of stdio servers',
  open_breakers: 'Upstreams, per organization, whose calls are refused for a while because they failed',
  refusing_servers: 'Servers whose calls are refused for at least one organization because they failed',
  endpoints: 'Addresses of servers that have several',
  endpoints_ejected: 'Such addresses that fail: calls go to the others',
  connected_accounts_ok: 'Accounts of people at upstream servers that work, as of the last look',
  connected_accounts_expiring: 'Such accounts whose tokens could not be renewed yet',
  connected_accounts_failed: 'Such accounts that their people have to connect again',
  spool_bytes: 'Call records on disk that are not yet in the database, in bytes',
} as const;
export type GaugeName = keyof typeof gauges;

const totals = {
  spool_dropped: 'Call records dropped because the spool was full',
  spool_refused: 'Call records that the database refused',
  endpoint_ejections: 'How often an address of a server failed and was left out for a while',
  accounts_renewed: 'Tokens of accounts of people that were renewed',
  accounts_delayed: 'Tokens of such accounts that could not be renewed at the time',
  accounts_failed: 'Such accounts that were given up',
  limiter_fallbacks: 'Limits that this replica counted alone because the shared limiter was away',
} as const;
export type TotalName = keyof typeof totals;

export interface Metrics {
  /** At the end of a call. Never throws. */
  observe(record: CallRecord, shape?: CallShape): void;
  /** Of sign-ins, administration and the like. Never throws. */
  observeEvent(record: CallRecord): void;
  observeSuspicion(what: Suspicion): void;
  /** How long a bearer token took to check, in milliseconds. */
  observeTokenCheck(durationMs: number): void;
  /** How long a database statement took, in milliseconds. */
  observeQuery(durationMs: number): void;
  /** Where the figure is read when somebody asks. */
  watch(name: GaugeName, read: () => number): void;
  /** The same for what only grows. */
  watchTotal(name: TotalName, read: () => number): void;
  /** The whole registry as text. */
  text(): Promise<string>;
  readonly contentType: string;
}

export function openMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const calls = openCallMetrics(registry);
  const access = openAccessMetrics(registry);
  const tokenChecks = histogram(registry, 'token_check_seconds', 'Time to check a bearer token', checkSeconds);
  const queries = histogram(registry, 'query_seconds', 'Time of a database statement', checkSeconds);
  const events = new ArrayCounter({
    ...{ name: 'gatehouse_audit_events_total', help: 'Events of the audit trail beside calls', registers: [registry] },
    labels: { kind: eventKinds, result: authResults },
  });
  const suspicious = new ArrayCounter({
    ...{ name: 'gatehouse_suspicious_total', help: 'What looked like an attack', registers: [registry] },
    labels: { what: suspicions },
  });
  const [eventAt, suspicionAt] = [indexOf(eventKinds), indexOf(suspicions)];
  const gaugeReads = openReads(registry, gauges);
  const totalReads = openTotals(registry);
  return {
    observe(record, shape) {
      calls(record, shape);
      access(record);
    },
    observeEvent: ({ kind = 'call', decision }) =>
      events.add((eventAt.get(kind) ?? 0) * 2 + (decision === 'allow' ? 0 : 1), 1),
    observeSuspicion: (what) => suspicious.add(suspicionAt.get(what) ?? 0, 1),
    observeTokenCheck: (durationMs) => tokenChecks.add(0, durationMs / 1000),
    observeQuery: (durationMs) => queries.add(0, durationMs / 1000),
    watch: (name, read) => gaugeReads.set(name, read),
    watchTotal: (name, read) => totalReads.set(name, read),
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

function openCallMetrics(registry: Registry): Metrics['observe'] {
  const registers = [registry];
  const total = new ArrayCounter({
    ...{ name: 'gatehouse_calls_total', help: 'Calls that ended', registers },
    labels: { endpoint: endpointKinds, era: eras, status: statusClasses },
  });
  const methods = new ArrayCounter({
    ...{ name: 'gatehouse_rpc_calls_total', help: 'Calls that ended, by JSON-RPC method', registers },
    labels: { method: rpcMethods, status: statusClasses },
  });
  const failures = new ArrayCounter({
    ...{ name: 'gatehouse_call_failures_total', help: 'Calls that were refused or failed', registers },
    labels: { reason: reasons },
  });
  const signIns = new ArrayCounter({
    ...{ name: 'gatehouse_authentications_total', help: 'Callers that were, or were not, who they said', registers },
    labels: { principal: principals, result: authResults },
  });
  const bytes = new ArrayCounter({
    ...{ name: 'gatehouse_call_bytes_total', help: 'Bytes of bodies', registers },
    labels: { direction: ['in', 'out'] },
  });
  const durations = histogram(registry, 'call_seconds', 'Time from arrival to the last byte', callSeconds, {
    method: timedMethods,
  });
  const upstream = histogram(registry, 'upstream_seconds', 'Time spent waiting for upstream servers', callSeconds, {
    method: timedMethods,
  });
  const [methodAt, timedAt, reasonAt] = [indexOf(rpcMethods), indexOf(timedMethods), indexOf(reasons)];
  const [kindAt, eraAt] = [indexOf(endpointKinds), indexOf(eras)];

  return (record, shape) => {
    // The first record of a stream is not its end.
    if (record.open) return;
    const status = Math.min(Math.max(Math.floor(record.status / 100), 1), 5) - 1;
    const method = record.rpcMethod === null ? 0 : (methodAt.get(record.rpcMethod) ?? 1);
    const timed = timedAt.get(record.rpcMethod ?? '') ?? 0;
    const kind = kindAt.get(shape?.endpointKind ?? 'none') ?? 0;
    const era = eraAt.get(shape?.era ?? 'none') ?? 0;
    total.add((kind * eras.length + era) * statusClasses.length + status, 1);
    methods.add(method * statusClasses.length + status, 1);
    if (record.reason !== null) failures.add(reasonAt.get(record.reason) ?? 0, 1);
    const principal = record.principalKind === 'user' ? 1 : record.principalKind === 'api-key' ? 2 : 0;
    if (principal !== 0) signIns.add(principal * 2, 1);
    else if (record.reason === 'invalid_token') signIns.add(1, 1);
    bytes.add(0, record.bytesIn);
    bytes.add(1, record.bytesOut);
    durations.add(timed, record.durationMs / 1000);
    if (record.upstreamMs !== null) upstream.add(timed, record.upstreamMs / 1000);
  };
}

function histogram(
  registry: Registry,
  name: string,
  help: string,
  buckets: readonly number[],
  labels: Readonly<Record<string, readonly string[]>> = {},
): ArrayHistogram {
  return new ArrayHistogram({ name: `gatehouse_${name}`, help, registers: [registry], labels, buckets });
}

function openReads(registry: Registry, named: Readonly<Record<string, string>>): Map<string, () => number> {
  const reads = new Map<string, () => number>();
  for (const [name, help] of Object.entries(named)) {
    new Gauge({
      name: `gatehouse_${name}`,
      help,
      registers: [registry],
      collect() {
        this.set(reads.get(name)?.() ?? 0);
      },
    });
  }
  return reads;
}

function openTotals(registry: Registry): Map<string, () => number> {
  const reads = new Map<string, () => number>();
  for (const [name, help] of Object.entries(totals)) {
    new Counter({
      name: `gatehouse_${name}_total`,
      help,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(reads.get(name)?.() ?? 0);
      },
    });
  }
  return reads;
}
