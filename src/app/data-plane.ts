/** The rooms of the data plane, given what they work with. */
import type { Identities } from '#adapters/identity/identities.ts';
import type { Limiter } from '#adapters/limiter/limiter.ts';
import type { PolicyEngine } from '#adapters/policy/policy.ts';
import type { Upstream, UpstreamTarget } from '#adapters/upstream/upstream.ts';
import type { Config } from '#config/load.ts';
import type { Clock } from '#core/clock.ts';
import type { NameHosts } from '#core/name-hosts.ts';
import type { ChangeFeed } from '#db/change-feed.ts';
import type { AuthorizeDeps } from '#gateway/authorize.ts';
import { type Breakers, openBreakers } from '#gateway/breakers.ts';
import { openBulkheads } from '#gateway/bulkheads.ts';
import { openEvidence } from '#gateway/evidence.ts';
import { type McpHandler, openGateway } from '#gateway/gateway.ts';
import { type Figures, openFigures } from '#gateway/health/figures.ts';
import { type Health, openHealth } from '#gateway/health/health.ts';
import { openProbe } from '#gateway/health/probe.ts';
import { type Heartbeat, openHeartbeat } from '#gateway/heartbeat.ts';
import { type Identifier, openIdentifier } from '#gateway/identify.ts';
import { type Limits, openLimits } from '#gateway/limits.ts';
import { type LiveCalls, openLiveCalls } from '#gateway/live-calls.ts';
import type { Metrics } from '#gateway/metrics.ts';
import type { ReceiveOptions } from '#gateway/receive.ts';
import { openRepeats } from '#gateway/repeat.ts';
import { openPolicies } from '#gateway/rights/open-policies.ts';
import { openSessions, type Sessions } from '#gateway/session.ts';
import { openUpstreams, type Upstreams } from '#gateway/upstreams.ts';
import { addressKey } from '#http/client-address.ts';
import type { RootLog } from '#http/log.ts';
import { proxyEnvOf } from '#http/proxied-connect.ts';
import { openDirectAccounts } from '#records/direct-accounts.ts';
import type { HoldingStore } from '#records/holding-store.ts';
import type { KeyVerifier } from '#records/key-verifier.ts';
import type { CredentialOpener, SnapshotStore } from '#records/snapshot.ts';
import type { Spool } from '#records/spool.ts';
import type { UpstreamAccounts } from '#records/upstream-accounts.ts';
import { openBridgeRooms } from './bridge-rooms.ts';
import type { Closers } from './closers.ts';
import { bulkheadSettings, callLimits, jsonLimits, listingOf, timeoutSettings } from './gateway-settings.ts';
import { type LiveRecords, openLiveRecords } from './live-records.ts';
import type { OperatorServer } from './operator-keys.ts';
import { configuredProxy } from './proxy.ts';
import { openShared } from './replicas.ts';
import { rootKeys } from './root-keys.ts';
import type { Storage } from './storage.ts';
import type { OpenTrail } from './trail.ts';

export interface DataPlaneDeps {
  readonly storage: Storage;
  /** The platform's, with the operator's own keys for them. */
  readonly operatorServers: readonly OperatorServer[];
  readonly feed: ChangeFeed;
  readonly identities: Identities;
  readonly accounts: UpstreamAccounts;
  readonly openUpstream: (target: UpstreamTarget) => Upstream;
  readonly metrics: Metrics;
  readonly audit: OpenTrail;
  readonly policies: PolicyEngine;
  readonly clock: Clock;
  readonly log: RootLog;
  readonly closers: Closers;
  readonly limiter: Limiter;
  /** True with an identity provider: challenges then name the metadata. */
  readonly oauth: boolean;
  /** The built-in authorization server is on. */
  readonly builtIn: boolean;
  readonly receive: ReceiveOptions;
  /** Known once the port is. */
  readonly baseUrl: string;
  readonly nameHosts: NameHosts | undefined;
  readonly version: string;
}

export interface DataPlane {
  readonly handle: McpHandler;
  readonly keys: KeyVerifier;
  readonly heartbeat: Heartbeat;
  readonly identifier: Identifier;
  readonly snapshots: SnapshotStore;
  /** What decides who may use what. */
  readonly judging: AuthorizeDeps;
  readonly holdings: HoldingStore;
  readonly health: Health;
  readonly figures: Figures;
  /** Counts a failed sign-in at another door. Throws or rejects `rate_limited`. */
  readonly takeStranger: (address: string) => void | Promise<void>;
  /** Counts a request to the OAuth endpoints. Throws or rejects `rate_limited`. */
  readonly takeSignIn: (address: string) => void | Promise<void>;
  readonly limitStats: Limits['stats'];
  /** What is open here. */
  readonly calls: Pick<LiveCalls, 'list' | 'end'>;
  readonly upstreams: Upstreams;
  readonly credentials: CredentialOpener;
  readonly breakers: Breakers;
}

export async function openDataPlane(config: Config, deps: DataPlaneDeps): Promise<DataPlane> {
  const { storage, clock, log, closers, metrics, baseUrl, oauth, builtIn } = deps;
  const live = await openLiveRecords({ ...deps, listing: listingOf(config) });
  const limits = openLimits(callLimits(config), deps.limiter);
  const { spool, detector } = deps.audit;
  const upstreams = openUpstreams(deps.openUpstream);
  closers.add('upstreams', () => upstreams.close());
  closeUnused(upstreams, live.snapshots);
  const heartbeat = openHeartbeat(clock, config.limits.timeouts.streamHeartbeatMs);
  closers.add('streams', () => heartbeat.close());
  const identifier = openCallers(config, live, deps);
  const calls = openCalls(identifier, live.snapshots, deps);
  const { health, figures, ...rooms } = openCare(config, upstreams, deps);
  watch(metrics, { limits, limiter: deps.limiter, spool, breakers: rooms.breakers, figures });
  const sessions = openCallSessions(config, live, deps);
  const { eras, openEngine } = openBridgeRooms(config, {
    ...(await openShared(config, deps)),
    ...{ upstreams, ...rooms, limits, sessions, clock, log, closers, health, accounts: deps.accounts },
    ...{ feed: deps.feed, credentials: live.credentials, snapshots: live.snapshots, db: storage.db },
    secrets: storage,
  });
  const probe = openProbe({ eras, upstreams, credentials: live.credentials, timeouts: timeoutSettings(config) });
  health.start({ probe, breakers: rooms.breakers });
  const policies = openPolicies({ engine: deps.policies, log });
  const handle = openGateway({
    ...live,
    policies,
    eras,
    openEngine,
    identifier,
    live: calls,
    ...{ ...rooms, sessions, limits, heartbeat, upstreams, health },
    recorder: spool,
    evidence: openEvidence({ keys: deps.audit.keys, vault: storage.vault, log }),
    tracing: await openConfiguredTracing(config, deps),
    observe(record) {
      metrics.observe(record);
      detector.hear(record);
    },
    logRequest: ({ httpMethod, path, status, durationMs }, fields) =>
      log.request({ method: httpMethod, path, status, durationMs }, fields),
    clock,
    log,
    receive: deps.receive,
    render: {
      ...{ baseUrl, oauth, scopes: builtIn, allowedMethods: 'POST, GET, DELETE' },
      openWebui: config.limits.openWebui,
    },
    ...{ timeouts: timeoutSettings(config), streamMaxAgeMs: config.limits.timeouts.streamMaxAgeMs },
    ...{ json: jsonLimits(config), maxBodyBytes: config.limits.request.mcpBytes },
  });
  return {
    ...{ handle, keys: live.keys, heartbeat, identifier, snapshots: live.snapshots, holdings: live.holdings },
    judging: { ...live, policies },
    ...{ health, figures },
    takeStranger: (address) => limits.takeStranger(addressKey(address)),
    takeSignIn: (address) => limits.takeSignIn(addressKey(address)),
    limitStats: limits.stats,
    ...{ upstreams, calls },
    ...{ credentials: live.credentials, breakers: rooms.breakers },
  };
}

function openCallSessions(
  { limits }: Config,
  { revocations }: LiveRecords,
  { storage, clock }: DataPlaneDeps,
): Sessions {
  return openSessions({
    ...rootKeys(storage, 'mcp-session'),
    clock,
    ttlSeconds: limits.sessionTtlSeconds,
    revocations,
  });
}

/** How long the check of a token takes that is not known yet. */
const timed = (tokens: Identities, metrics: Metrics): Pick<Identities, 'verify'> => ({
  async verify(token) {
    const startedAt = performance.now();
    try {
      return await tokens.verify(token);
    } finally {
      metrics.observeTokenCheck(performance.now() - startedAt);
    }
  },
});

async function openConfiguredTracing(config: Config, { closers, version }: DataPlaneDeps) {
  const { otlp: url, sampling } = config.telemetry;
  if (url === undefined) return undefined;
  const proxyEnv = proxyEnvOf(configuredProxy(config), url);
  const { openOtlpTracing } = await import('#gateway/otlp-spans.ts');
  const tracing = openOtlpTracing({ url, sampling, version, proxyEnv });
  closers.add('spans', () => tracing.close());
  return tracing;
}

const resourcesOf = ({ oauth }: Config, { baseUrl, nameHosts }: DataPlaneDeps) => ({
  baseUrl,
  external: oauth.resources,
  nameHosts,
});

function openCallers(config: Config, { keys }: LiveRecords, deps: DataPlaneDeps): Identifier {
  const { clock, storage } = deps;
  const tokens = timed(deps.identities, deps.metrics);
  const accounts = openDirectAccounts({ db: storage.db, clock });
  return openIdentifier({ tokens, keys, clock, accounts, resources: resourcesOf(config, deps) });
}

/** After the key verifier and the authorization server, and in this order: nobody is judged by what is outdated. */
function openCalls(identifier: Identifier, snapshots: SnapshotStore, { feed, log, clock, closers }: DataPlaneDeps) {
  const calls = openLiveCalls({ log, clock });
  closers.add('live calls', () => calls.close());
  const unsubscribe = feed.subscribe((change) => {
    identifier.forget(change);
    calls.hear(change);
  });
  closers.add('live calls', unsubscribe);
  snapshots.onRenewed(calls.renewed);
  return calls;
}

/** What keeps servers well, and what is known of that. */
function openCare(config: Config, upstreams: Upstreams, { clock, log, closers }: DataPlaneDeps) {
  const health = openHealth({ clock, log, endpointsOf: (server) => upstreams.find(server)?.endpoints?.() });
  closers.add('health checks', async () => health.close());
  const bulkheads = openBulkheads(bulkheadSettings(config));
  const figures = openFigures({ clock, upstreams, breakers: () => breakers, bulkheads, health });
  const breakers: Breakers = openBreakers({
    ...{ settings: config.limits.breaker, clock, log },
    onReport(org, line, verdict, reason) {
      health.heard(org, line, verdict);
      figures.heard(org, line, verdict, reason);
    },
  });
  return { health, bulkheads, figures, breakers, repeats: openRepeats({ clock }) };
}

/** A server that was removed or switched off ends its programs and connections. */
function closeUnused(upstreams: Upstreams, snapshots: SnapshotStore): void {
  snapshots.onRenewed((org) => {
    const organization = snapshots.find(org);
    // It is only not in memory, or gone: nobody of it calls then.
    if (!organization) return;
    const bindings = [...organization.endpoints.values()].flatMap((endpoint) => endpoint.bindings);
    const open = new Set<string>(bindings.flatMap(({ server }) => (server.enabled ? [server.id] : [])));
    upstreams.renewed(org, (id) => open.has(id));
  });
}

interface Watched {
  readonly limits: Limits;
  readonly limiter: Limiter;
  readonly spool: Spool;
  readonly breakers: Breakers;
  readonly figures: Figures;
}

function watch(metrics: Metrics, { limits, limiter, spool, breakers, figures }: Watched): void {
  metrics.watch('refusing_servers', () => figures.totals.refusing);
  metrics.watch('endpoints', () => figures.totals.endpoints);
  metrics.watch('endpoints_ejected', () => figures.totals.ejected);
  metrics.watchTotal('endpoint_ejections', () => figures.totals.ejections);
  metrics.watchTotal('limiter_fallbacks', () => limiter.fallbacks);
  metrics.watch('open_breakers', () => breakers.open);
  metrics.watch('active_calls', () => limits.active.calls);
  metrics.watch('streams', () => limits.active.streams);
  metrics.watch('spool_bytes', () => spool.bytes);
  metrics.watchTotal('spool_dropped', () => spool.dropped);
  metrics.watchTotal('spool_refused', () => spool.refused);
}
