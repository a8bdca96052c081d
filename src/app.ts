import { ensureDemo, type FirstAccount } from '#admin/demo.ts';
import { removeGatewayFile, writeGatewayFile } from '#admin/gateway-file.ts';
import { openAccountRooms } from '#app/accounts.ts';
import { applyAll } from '#app/apply-all.ts';
import { openChannels } from '#app/channels.ts';
import { openClosers } from '#app/closers.ts';
import { openConfiguration } from '#app/configuration.ts';
import { openControl } from '#app/control.ts';
import { openDataPlane } from '#app/data-plane.ts';
import type { AppDeps, OpenDeps, PlaneDeps } from '#app/deps.ts';
import { openDomains } from '#app/domains.ts';
import { openEntrances } from '#app/entrances.ts';
import { type Front, openFront } from '#app/front.ts';
import { receiveOptions } from '#app/gateway-settings.ts';
import { discovery, isSameOrganization, openConfiguredEgress } from '#app/identities.ts';
import { openLimiter } from '#app/limiter.ts';
import { listen } from '#app/listeners.ts';
import { applyNamed } from '#app/named-servers.ts';
import { startNotifications } from '#app/notifications.ts';
import { openPolicyEngine } from '#app/policy-engine.ts';
import type { PortalRooms } from '#app/portal.ts';
import { openReloading } from '#app/reload.ts';
import { openRestFacade } from '#app/rest.ts';
import { openRunServers } from '#app/run-servers.ts';
import { openShedding, readiness } from '#app/shedding.ts';
import { openSignIn } from '#app/sign-in.ts';
import { openStorage } from '#app/storage.ts';
import { openTrail } from '#app/trail.ts';
import { openUpstreamOpener } from '#app/upstream-openers.ts';
import { productRoot } from '#app/version.ts';
import type { Config } from '#config/load.ts';
import { systemClock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import { Secret } from '#core/secret.ts';
import { type OpenChangeFeed, openChangeFeed } from '#db/notified-change-feed.ts';
import { openMetrics } from '#gateway/metrics.ts';
import { openLog } from '#http/log.ts';

export interface App {
  /** As clients reach it, no trailing slash. */
  readonly url: string;
  /** Where API keys alone are accepted, no trailing slash; undefined: nowhere. */
  readonly keysUrl: string | undefined;
  /** MCP paths worth showing, best first. */
  readonly endpoints: readonly string[];
  /** Of a demo's first start only. */
  readonly firstKey: Secret | undefined;
  readonly firstAccount: FirstAccount | undefined;
  /** Of a demo: signs a browser in to the portal, once, for ten minutes. */
  readonly portalLink: Secret | undefined;
  /** Clients find a sign-in by themselves. */
  readonly signIn: boolean;
  readonly log: Log;
  /** Another gatehouse.yaml: what can change live does. Never rejects. */
  reload(read: () => Config): Promise<void>;
  /** Finishes calls in flight within the drain time, then closes everything. Idempotent. */
  close(): Promise<void>;
}

/** Throws GatehouseError `setting` with one sentence for the operator; whatever was opened until then is closed again. */
export async function openApp(config: Config, deps: AppDeps): Promise<App> {
  const closers = openClosers();
  const { logLevel: level, logFormat: format, color } = config.telemetry;
  const log = openLog({ level, format, color, destination: 1, buffered: true });
  try {
    return await open(config, { ...deps, log, clock: deps.clock ?? systemClock, closers });
  } catch (error) {
    await closers.closeAll(log);
    await log.close();
    throw error;
  }
}

async function open(config: Config, deps: OpenDeps): Promise<App> {
  const { log, closers, onStep = () => undefined } = deps;
  for (const warning of config.warnings) log.warn({}, warning);
  onStep('Opening the database');
  const metrics = openMetrics();
  const onStatement = (sql: string, durationMs: number) => {
    metrics.observeQuery(durationMs);
    deps.onStatement?.(sql);
  };
  const storage = await openStorage(config, { ...deps, onStatement });
  onStep('Applying the configuration');
  const policies = await openPolicyEngine();
  const operatorServers = await applyAll(config, { storage, policies, log });
  const places = { root: productRoot, dataDir: config.dataDir, signIn: config.demoSignIn };
  const demo = config.demo ? await ensureDemo(storage.records, places) : undefined;
  await applyNamed(config, { records: storage.records, log, env: deps.env ?? {} });
  onStep('Starting servers and listening');
  const listeners = await listen(config, deps);
  const { url } = listeners;
  const baseUrl = config.baseUrlGiven ? config.http.baseUrl : listeners.localhostUrl;
  const domains = await openDomains({ db: storage.db, log });
  const { ports } = listeners;
  const configuration = openConfiguration(config, { storage, policies, log });
  const reloading = openReloading(config, { ...deps, configuration });
  const entrances = openEntrances(config, { baseUrl, keysPort: listeners.keysPort, domains, ports });
  const shedding = openShedding({ percent: config.limits.replica.heapPercent, log });
  closers.add('shedding', async () => shedding.close());
  const state = readiness(() => shedding.full);
  const limiter = await openLimiter(config, { ...deps, rootSecret: storage.rootSecret });
  const planes = {
    ...{ ...deps, storage, operatorServers, policies, limiter },
    ...{ url, baseUrl, entrances, domains, state, metrics, ports, configuration, reloading },
  };
  const { front, signIn, stopStreams, portal } = await openPlanes(config, planes);
  await writeGatewayFile(config.dataDir, url);
  closers.add('gateway file', () => removeGatewayFile(config.dataDir));
  closers.add('calls in flight', () => {
    state.ready = false;
    stopStreams();
    return listeners.close(config.http.timeouts.drainMs);
  });
  listeners.serve({
    ...front,
    handle: shedding.wrap(front.handle),
    handleKeysOnly: shedding.wrap(front.handleKeysOnly),
    handleServer: (req, res, name) => shedding.wrap(() => front.handleServer(req, res, name))(req, res),
  });
  state.ready = true;
  log[deps.quiet ? 'debug' : 'info']({ url, baseUrl, keysUrl: entrances.keysUrl, demo: config.demo }, 'listening');
  let closing: Promise<void> | undefined;
  return {
    url: baseUrl,
    keysUrl: entrances.keysUrl,
    endpoints: demo ? ['/mcp', ...demo.servers.map((key) => `/${demo.organization.slug}/mcp/${key}`)] : [],
    firstKey: demo?.firstKey,
    firstAccount: demo?.firstAccount,
    portalLink: demo && new Secret((await portal.newLink()).url),
    signIn,
    log,
    reload: reloading.reload,
    close() {
      closing ??= closers.closeAll(log).then(() => log.close());
      return closing;
    },
  };
}

async function openFeed({ storage, log, closers, domains }: PlaneDeps): Promise<OpenChangeFeed> {
  const feed = await openChangeFeed({ db: storage.db, notifications: storage.database, log });
  closers.add('change feed', () => feed.close());
  closers.add('domains', domains.follow(feed));
  return feed;
}

interface Planes {
  readonly front: Front;
  readonly signIn: boolean;
  readonly portal: PortalRooms;
  readonly stopStreams: () => void;
}

async function openPlanes(config: Config, deps: PlaneDeps): Promise<Planes> {
  const { baseUrl, entrances, log, clock, closers, policies, metrics } = deps;
  const { nameHosts } = entrances;
  const egress = openConfiguredEgress(config, closers);
  const audit = await openTrail(config, deps);
  const feed = await openFeed(deps);
  const { identities, providers, plugins, server } = await openSignIn(config, {
    ...deps,
    ...{ nameHosts, egress, feed, trail: audit.trail },
  });
  const found = discovery(identities, (configured, called) => isSameOrganization(plane.snapshots, configured, called));
  const { openUpstream, runs, programs } = await openUpstreamOpener(config, {
    ...{ clock, log, egress, closers, env: deps.env ?? {}, db: deps.storage.db },
    variables: deps.storage.records.findVariables,
  });
  const receive = receiveOptions(config, { baseUrl, hosts: entrances });
  const { readAddress } = receive;
  const rooms = openAccountRooms({ ...deps, egress, feed, metrics, server, readAddress, trail: audit.trail });
  const plane = await openDataPlane(config, {
    ...deps,
    ...{ feed, identities, openUpstream, metrics, audit, receive, nameHosts, policies, accounts: rooms.accounts },
    oauth: found.hasSignIn,
    builtIn: found.builtIn,
  });
  const servers = await openRunServers({ ...deps, feed, runs, upstreams: plane.upstreams });
  const control = await openControl(config, {
    ...deps,
    ...{ audit, servers, programs, egress },
    notifications: startNotifications(config, { ...deps, egress, plane }),
    plane,
    found,
    receive,
    providers,
    ...{ server, connections: rooms.connections },
    ...{ openUpstream, accounts: rooms.accounts },
    plugins: [...plugins, ...rooms.plugins(plane.judging)],
  });
  const channels = openChannels(config, { mcp: plane.handle, clock });
  const rest = openRestFacade(config, { mcp: plane.handle, clock });
  const front = openFront({
    mcp: plane.handle,
    ...channels,
    rest,
    other: control.plane.handle,
    receive,
    baseUrl,
    entrances,
  });
  const stopStreams = () => {
    plane.heartbeat.close();
    servers.following.close();
  };
  return { front, signIn: found.hasSignIn, portal: control.portal, stopStreams };
}
