/** The control plane with everything it administers: sign-in pages, the admin API, the portal, health. */

import type { FastifyPluginAsync } from 'fastify';
import type { IdentityProvider } from '#adapters/identity/identity.ts';
import type { Upstream, UpstreamTarget } from '#adapters/upstream/upstream.ts';
import { writeAdminToken } from '#admin/admin-token.ts';
import { type AdminRunner, openAdmin } from '#admin/handlers.ts';
import { publicPlugin } from '#admin/public.ts';
import type { ProgramsHere } from '#admin/run-storage.ts';
import type { SelfRooms } from '#admin/self.ts';
import type { AccountRooms } from '#app/accounts.ts';
import { type AdminAudit, adminAudit } from '#app/admin-audit.ts';
import { openAdminPeople } from '#app/admin-people.ts';
import { adminPlugins } from '#app/admin-plugins.ts';
import { compatPlugins } from '#app/compat-admin.ts';
import { type ControlPlane, openControlPlane } from '#app/control-plane.ts';
import type { DataPlane } from '#app/data-plane.ts';
import type { PlaneDeps } from '#app/deps.ts';
import { directoryPlugins } from '#app/directories.ts';
import { explainFilter } from '#app/filters.ts';
import { openGatewayHealth } from '#app/gateway-health.ts';
import type { discovery } from '#app/identities.ts';
import { documentFetcher } from '#app/imports.ts';
import type { Notifications } from '#app/notifications.ts';
import { openApiImport } from '#app/openapi-opener.ts';
import { openPortalRooms, type PortalRooms } from '#app/portal.ts';
import { registryPlugin } from '#app/registry.ts';
import type { RunServers } from '#app/run-servers.ts';
import { openSecretsAdmin } from '#app/secrets.ts';
import { openSelf } from '#app/self.ts';
import { openServerAsking } from '#app/server-asking.ts';
import { openServerHealth } from '#app/server-health.ts';
import { signingKeyRotation } from '#app/sign-in.ts';
import type { OpenTrail } from '#app/trail.ts';
import { verifyDeps } from '#app/verify.ts';
import type { Config } from '#config/load.ts';
import type { ReceiveOptions } from '#gateway/receive.ts';
import { addressGuard } from '#http/address-guard.ts';
import type { Egress } from '#http/egress.ts';
import type { AuthorizationServer } from '#oauth/authorization-server.ts';
import { verifyPlugin } from '#oauth/verify.ts';
import { looksLikeApiKey } from '#records/api-key.ts';
import { openAuditReader } from '#records/audit/reader.ts';
import type { UpstreamAccounts } from '#records/upstream-accounts.ts';

export interface ControlDeps extends PlaneDeps {
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
export async function openControl(
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
        whoAmI: portal.whoAmI,
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
