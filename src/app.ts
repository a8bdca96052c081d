/** The composition root: configuration → adapters → rooms → listening; closed in reverse. */

import type { FastifyPluginAsync } from 'fastify';
import type { IdentityProvider } from '#adapters/identity/identity.ts';
import type { Limiter } from '#adapters/limiter/limiter.ts';
import type { PolicyEngine } from '#adapters/policy/policy.ts';
import type { Upstream, UpstreamTarget } from '#adapters/upstream/upstream.ts';
import { writeAdminToken } from '#admin/admin-token.ts';
import { ensureDemo, type FirstAccount } from '#admin/demo.ts';
import { removeGatewayFile, writeGatewayFile } from '#admin/gateway-file.ts';
import { type AdminRunner, openAdmin } from '#admin/handlers.ts';
import { publicPlugin } from '#admin/public.ts';
import type { Configuration } from '#admin/routes/configuration.ts';
import type { ProgramsHere } from '#admin/run-storage.ts';
import type { SelfRooms } from '#admin/self.ts';
import { type AccountRooms, openAccountRooms } from '#app/accounts.ts';
import { type AdminAudit, adminAudit } from '#app/admin-audit.ts';
import { openAdminPeople } from '#app/admin-people.ts';
import { adminPlugins } from '#app/admin-plugins.ts';
import { applyAll } from '#app/apply-all.ts';
import { openChannels } from '#app/channels.ts';
import { type Closers, openClosers } from '#app/closers.ts';
import { compatPlugins } from '#app/compat-admin.ts';
import { openConfiguration } from '#app/configuration.ts';
import { type ControlPlane, openControlPlane } from '#app/control-plane.ts';
import { type DataPlane, openDataPlane } from '#app/data-plane.ts';
import { directoryPlugins } from '#app/directories.ts';
import { type Domains, openDomains } from '#app/domains.ts';
import { type Entrances, openEntrances } from '#app/entrances.ts';
import { explainFilter } from '#app/filters.ts';
import { type Front, openFront } from '#app/front.ts';
import { openGatewayHealth } from '#app/gateway-health.ts';
import { localUrl, receiveOptions } from '#app/gateway-settings.ts';
import { discovery, isSameOrganization, openConfiguredEgress } from '#app/identities.ts';
import { documentFetcher } from '#app/imports.ts';
import { openLimiter } from '#app/limiter.ts';
import { listen } from '#app/listeners.ts';
import { applyNamed } from '#app/named-servers.ts';
import { type Notifications, startNotifications } from '#app/notifications.ts';
import { openApiImport } from '#app/openapi-opener.ts';
import type { OperatorServer } from '#app/operator-keys.ts';
import { openPolicyEngine } from '#app/policy-engine.ts';
import { openPortalRooms, type PortalRooms } from '#app/portal.ts';
import { registryPlugin } from '#app/registry.ts';
import { openReloading, type Reloading } from '#app/reload.ts';
import { openRestFacade } from '#app/rest.ts';
import { openRunServers, type RunServers } from '#app/run-servers.ts';
import { openSecretsAdmin } from '#app/secrets.ts';
import { openSelf } from '#app/self.ts';
import { openServerAsking } from '#app/server-asking.ts';
import { openServerHealth } from '#app/server-health.ts';
import type { ServerPorts } from '#app/server-ports.ts';
import { openShedding, readiness } from '#app/shedding.ts';
import { openSignIn, signingKeyRotation } from '#app/sign-in.ts';
import { openStorage, type Storage } from '#app/storage.ts';
import { type OpenTrail, openTrail } from '#app/trail.ts';
import { openUpstreamOpener } from '#app/upstream-openers.ts';
import { verifyDeps } from '#app/verify.ts';
import { productRoot } from '#app/version.ts';
import type { Config } from '#config/load.ts';
import { type Clock, systemClock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import { Secret } from '#core/secret.ts';
import { type OpenChangeFeed, openChangeFeed } from '#db/notified-change-feed.ts';
import { type Metrics, openMetrics } from '#gateway/metrics.ts';
import type { ReceiveOptions } from '#gateway/receive.ts';
import { addressGuard } from '#http/address-guard.ts';
import type { Egress } from '#http/egress.ts';
import { openLog, type RootLog } from '#http/log.ts';
import type { AuthorizationServer } from '#oauth/authorization-server.ts';
import { verifyPlugin } from '#oauth/verify.ts';
import { looksLikeApiKey } from '#records/api-key.ts';
import { openAuditReader } from '#records/audit/reader.ts';
import type { UpstreamAccounts } from '#records/upstream-accounts.ts';

export interface AppDeps {
  readonly version: string;
  /** Of this process: children get an allow-list of it. */
  readonly env?: NodeJS.ProcessEnv;
  readonly clock?: Clock;
  /** The caller says itself where the gateway listens: the log mentions it at debug level only. */
  readonly quiet?: boolean;
  /** Of another build of the portal. */
  readonly portalFolder?: string;
  /** Called as each step of the start begins: for the terminal. */
  readonly onStep?: (what: string) => void;
  /** Hears every SQL statement of the gateway: tests count them. */
  readonly onStatement?: (sql: string) => void;
}

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

type OpenDeps = AppDeps & { readonly log: RootLog; readonly clock: Clock; readonly closers: Closers };

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
  const url = localUrl(config, listeners.port);
  const baseUrl = config.baseUrlGiven ? config.http.baseUrl : `http://localhost:${listeners.port}`;
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

interface PlaneDeps extends OpenDeps {
  readonly policies: PolicyEngine;
  readonly limiter: Limiter;
  readonly storage: Storage;
  readonly operatorServers: readonly OperatorServer[];
  readonly url: string;
  readonly baseUrl: string;
  readonly entrances: Entrances;
  readonly domains: Domains;
  readonly state: { readonly ready: boolean };
  readonly metrics: Metrics;
  readonly ports: ServerPorts;
  readonly configuration: Configuration;
  readonly reloading: Reloading;
}

async function openFeed({ storage, log, closers, domains }: PlaneDeps): Promise<OpenChangeFeed> {
  const feed = await openChangeFeed({ db: storage.db, notifications: storage.database, log });
  closers.add('change feed', () => feed.close());
  closers.add('domains', domains.follow(feed));
  return feed;
}

function openAdminRunner(
  config: Config,
  deps: Omit<ControlDeps, 'plugins' | 'found' | 'receive' | 'server' | 'connections'> &
    PlaneDeps & { readonly adminTrail: AdminAudit; readonly portal: PortalRooms; readonly self: SelfRooms },
): AdminRunner {
  const { storage, limiter, clock, version, url, policies, audit, providers, baseUrl } = deps;
  return openAdmin({
    policies,
    records: storage.records,
    clock,
    status: () => ({
      ...{ status: 'healthy', version, url, demo: config.demo },
      ...(config.file !== undefined && { configuration: deps.reloading.status() }),
    }),
    ...deps.adminTrail,
    notifier: deps.notifications,
    health: openGatewayHealth(config, { ...deps, spool: audit.spool }),
    serverFigures: deps.plane.figures.list,
    self: deps.self,
    asking: openServerAsking(config, { ...deps, ...deps.plane }),
    reader: openAuditReader({ db: storage.db, keys: audit.keys, vault: storage.vault }),
    guard: addressGuard(config.egress),
    catalog: config.settledCatalog.entries,
    fetchDocument: documentFetcher(deps.egress),
    registryUrl: config.catalog.registryUrl,
    secrets: openSecretsAdmin(storage, clock),
    configuration: deps.configuration,
    running: deps.servers.running,
    programs: deps.programs,
    issuersOf: (name) =>
      name === undefined ? [baseUrl] : (providers.find((provider) => provider.name === name)?.issuers ?? []),
    explainFilter,
    openApi: openApiImport(config),
    readLimit: limiter.read,
    newPortalLink: deps.portal.newLink,
    rotateSigningKeys: signingKeyRotation(config, { storage, clock }),
  });
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

interface ControlDeps extends PlaneDeps {
  readonly openUpstream: (target: UpstreamTarget) => Upstream;
  readonly accounts: UpstreamAccounts;
  readonly notifications: Notifications;
  readonly audit: OpenTrail;
  readonly egress: Egress;
  readonly plane: DataPlane;
  readonly servers: RunServers;
  readonly programs: ProgramsHere;
  readonly found: ReturnType<typeof discovery>;
  readonly receive: ReceiveOptions;
  readonly providers: readonly IdentityProvider[];
  readonly server: AuthorizationServer | undefined;
  readonly connections: AccountRooms['connections'];
  /** Of sign-in and the like. */
  readonly plugins: readonly FastifyPluginAsync[];
}

/** Everything that isn't MCP. */
async function openControl(
  config: Config,
  deps: ControlDeps,
): Promise<{ readonly plane: ControlPlane; readonly portal: PortalRooms }> {
  const { baseUrl, entrances, state, log, clock, closers, version, metrics, plane, found, receive } = deps;
  const takeStranger = (address: string, forwardedFor: string | undefined) =>
    plane.takeStranger(receive.readAddress(address, forwardedFor));
  const token = await writeAdminToken(config.dataDir);
  const adminTrail = adminAudit(deps, deps.audit.trail);
  const { storage, providers, server } = deps;
  const people = openAdminPeople(config, { ...plane, db: storage.db, providers, own: server?.tokens, baseUrl });
  const { readAddress } = receive;
  const portal = openPortalRooms(config, { ...deps, people, audit: adminTrail, takeStranger, readAddress });
  const run = openAdminRunner(config, { ...deps, adminTrail, portal, self: openSelf(config, deps) });
  const common = { audit: adminTrail, takeStranger, readAddress: receive.readAddress };
  const maxBodyBytes = config.limits.request.adminBytes;
  const control = await openControlPlane({
    log,
    plugins: [
      publicPlugin({
        clock,
        ready: () => state.ready,
        baseUrl: () => baseUrl,
        version,
        demo: config.demo,
        signIn: found.hasSignIn,
        servers: openServerHealth({ ...plane, takeStranger, baseUrl }),
      }),
      ...adminPlugins({
        baseUrl,
        run,
        token,
        following: deps.servers.following,
        verifyKey: (key) => plane.keys.verify(key),
        verifyPerson: people.verify,
        findSession: portal.findSession,
        takeStranger,
        readAddress: receive.readAddress,
        looksLikeApiKey,
        log,
        maxBodyBytes,
        version,
      }),
      portal.plugin,
      ...compatPlugins(config, { ...deps, ...common, plane, sendPage: portal.sendPage }),
      ...directoryPlugins({ ...deps, ...common, db: deps.storage.db, keys: plane.keys }),
      registryPlugin({ ...plane, takeStranger, baseUrl }),
      verifyPlugin(verifyDeps(config, { identifier: plane.identifier, takeStranger })),
      ...deps.plugins,
    ],
    metadata: { ...found, baseUrl, external: config.oauth.resources, nameHosts: entrances.nameHosts, log },
    metrics: config.telemetry.metrics ? { ...metrics, key: config.telemetry.metricsKey } : undefined,
    maxBodyBytes,
    readAddress: receive.readAddress,
    takeSignIn: plane.takeSignIn,
  });
  closers.add('control plane', () => control.close());
  return { plane: control, portal };
}
