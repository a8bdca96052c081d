/** The composition root: configuration → adapters → rooms → listening; closed in reverse. */
import type { FastifyPluginAsync } from 'fastify';
import { type Identities, openIdentities } from '#adapters/identity/identities.ts';
import { identityAdapters } from '#adapters/identity/index.ts';
import { writeAdminToken } from '#admin/admin-token.ts';
import { applyConfig } from '#admin/apply.ts';
import { ensureDemo } from '#admin/demo.ts';
import { removeGatewayFile, writeGatewayFile } from '#admin/gateway-file.ts';
import { openAdmin } from '#admin/handlers.ts';
import { adminPlugin } from '#admin/plugin.ts';
import { publicPlugin } from '#admin/public.ts';
import { mappingWanted } from '#admin/ragie.ts';
import { type Closers, openClosers } from '#app/closers.ts';
import { openControlPlane } from '#app/control-plane.ts';
import { openDataPlane, receiveOptions } from '#app/data-plane.ts';
import { openFront } from '#app/front.ts';
import { openStorage, type Storage } from '#app/storage.ts';
import { openUpstreamOpener } from '#app/upstream-openers.ts';
import { productRoot } from '#app/version.ts';
import { type Config, isLoopback } from '#config/load.ts';
import { type Clock, systemClock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import type { Secret } from '#core/secret.ts';
import { openMetrics } from '#gateway/metrics.ts';
import { allowEntry } from '#http/address-guard.ts';
import { type Egress, openEgress } from '#http/egress.ts';
import { openLog, type RootLog } from '#http/log.ts';
import { openListener } from '#http/server.ts';
import { looksLikeApiKey } from '#records/api-key.ts';

export interface AppDeps {
  readonly version: string;
  /** Of this process: children get an allow-list of it. */
  readonly env?: NodeJS.ProcessEnv;
  readonly clock?: Clock;
  /** Called as each step of the start begins: for the terminal. */
  readonly onStep?: (what: string) => void;
}

export interface App {
  /** As clients reach it, no trailing slash. */
  readonly url: string;
  /** MCP paths worth showing, best first. */
  readonly endpoints: readonly string[];
  /** Of a demo's first start only. */
  readonly firstKey: Secret | undefined;
  readonly log: Log;
  /** Finishes calls in flight within the drain time, then closes everything. Idempotent. */
  close(): Promise<void>;
}

/** Throws GatehouseError `setting` with one sentence for the operator; whatever was opened until then is closed again. */
export async function openApp(config: Config, deps: AppDeps): Promise<App> {
  const closers = openClosers();
  const log = openLog({ level: config.telemetry.logLevel, format: config.telemetry.logFormat, destination: 1 });
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
  const { log, clock, closers, onStep = () => undefined } = deps;
  for (const warning of config.warnings) log.warn({}, warning);
  onStep('Opening the database');
  const storage = await openStorage(config, { clock, log, closers });
  onStep('Applying the configuration');
  const demo = await prepareRecords(config, storage);
  const egress = openEgress(egressOptions(config));
  closers.add('egress', () => egress.close());
  const identities = await openConfiguredIdentities(config, { ...deps, egress });
  onStep('Starting servers and listening');
  const openUpstream = await openUpstreamOpener(config, { clock, log, egress, closers, env: deps.env ?? {} });
  const metrics = openMetrics();
  let handle: ReturnType<typeof openFront> | undefined;
  let ready = false;
  const listener = await openListener(listenerOptions(config), (req, res) => {
    if (handle) handle(req, res);
    else res.writeHead(503, { 'Retry-After': '1' }).end();
  });
  const loopback = isLoopback(config.http.host);
  const url = `http://${loopback ? listenHost(config.http.host) : 'localhost'}:${listener.port}`;
  const baseUrl = config.baseUrlGiven ? config.http.baseUrl : `http://localhost:${listener.port}`;
  const receive = receiveOptions(config, baseUrl, loopback || !config.baseUrlGiven);
  const authorizationServers = identities.providers.flatMap(({ authorizationServer: server }) =>
    server === undefined ? [] : [server],
  );
  const oauth = authorizationServers.length > 0;
  const plane = await openDataPlane(config, {
    storage,
    identities,
    openUpstream,
    metrics,
    clock,
    log,
    closers,
    oauth,
    receive,
    baseUrl,
  });
  const token = await writeAdminToken(config.dataDir);
  await writeGatewayFile(config.dataDir, url);
  closers.add('gateway file', () => removeGatewayFile(config.dataDir));
  const run = openAdmin({
    records: storage.records,
    clock,
    status: () => ({ status: 'healthy', version: deps.version, url, demo: config.demo }),
    audit: (event) => log.info({ audit: event }, `admin ${event.action}`),
  });
  const plugins: FastifyPluginAsync[] = [
    publicPlugin({ clock, ready: () => ready, baseUrl: () => baseUrl, version: deps.version, demo: config.demo }),
    adminPlugin({
      run,
      token,
      verifyKey: plane.keys.verify,
      looksLikeApiKey,
      log,
      maxBodyBytes: config.limits.request.adminBytes,
      version: deps.version,
    }),
  ];
  const control = await openControlPlane({
    log,
    readAddress: receive.readAddress,
    plugins,
    metadata: { baseUrl, authorizationServers, authorizationServerMetadata: relayedMetadata(identities), log },
    metrics: config.telemetry.metrics ? metrics : undefined,
    maxBodyBytes: config.limits.request.adminBytes,
  });
  closers.add('control plane', () => control.close());
  closers.add('listener', () => {
    ready = false;
    plane.heartbeat.close();
    return listener.close(config.http.timeouts.drainMs);
  });
  handle = openFront({ mcp: plane.handle, other: control.handle, receive });
  ready = true;
  log.info({ url, baseUrl, demo: config.demo }, 'listening');
  let closing: Promise<void> | undefined;
  return {
    url: baseUrl,
    endpoints: demo?.servers.map((key) => `/${demo.organization.slug}/mcp/${key}`) ?? [],
    firstKey: demo?.firstKey,
    log,
    close() {
      closing ??= closers.closeAll(log).then(() => log.close());
      return closing;
    },
  };
}

/** Identity providers are the operator's word, wherever they are: exactly their hosts are opened. */
function egressOptions({ egress, identity }: Config) {
  const urls = identity
    .flatMap((entry) => Object.values(entry.read()))
    .filter((value) => typeof value === 'string' && /^https?:/.test(value));
  return {
    allow: [...egress.allow, ...urls.map((value) => allowEntry(String(value)))],
    proxy: { http: egress.httpProxy, https: egress.httpsProxy, none: egress.noProxy.join(',') },
  };
}

async function prepareRecords(config: Config, { records }: Storage) {
  await applyConfig(records, mappingWanted(config.mapping, config.ragieBaseUrl));
  await applyConfig(records, config);
  return config.demo ? ensureDemo(records, { root: productRoot, dataDir: config.dataDir }) : undefined;
}

async function openConfiguredIdentities(
  config: Config,
  deps: OpenDeps & { readonly egress: Egress },
): Promise<Identities> {
  const { clock, log, egress, closers } = deps;
  const providers = await Promise.all(
    config.identity.map((entry) => identityAdapters.open(entry.read(), { fetch: egress.fetch, clock, log })),
  );
  const identities = openIdentities(providers);
  closers.add('identity providers', () => identities.close());
  return identities;
}

/** Only where there is exactly one authorization server to speak for (DESIGN ruling 15). */
function relayedMetadata({ providers }: Identities): (() => Promise<Readonly<Record<string, unknown>>>) | undefined {
  const able = providers.flatMap(({ metadata }) => (metadata ? [metadata] : []));
  return able.length === 1 ? able[0] : undefined;
}

function listenerOptions({ http, limits }: Config) {
  const { timeouts } = http;
  return {
    host: http.host,
    port: http.port,
    headersTimeoutMs: timeouts.headersMs,
    requestTimeoutMs: timeouts.bodyMs,
    keepAliveTimeoutMs: timeouts.keepAliveMs,
    maxHeaderBytes: limits.request.headerBytes,
    maxConnections: limits.replica.sockets,
  };
}

const listenHost = (host: string): string => (host.includes(':') && !host.startsWith('[') ? `[${host}]` : host);
