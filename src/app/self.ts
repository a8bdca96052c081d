/** People about themselves, composed: the data plane's decision and rooms, addresses, limits, accounts, what is open. */
import type { Limiter } from '#adapters/limiter/limiter.ts';
import type { MyEndpoint, MyLimit } from '#admin/me-nouns.ts';
import type { SelfRooms } from '#admin/self.ts';
import type { Config } from '#config/load.ts';
import type { Clock } from '#core/clock.ts';
import { formatMcpPath } from '#core/mcp-path.ts';
import { parseResource } from '#core/resource.ts';
import type { Db } from '#db/schema.ts';
import type { Access } from '#gateway/authorize.ts';
import { rulesHolding } from '#gateway/limit-rules.ts';
import { houseClientId } from '#oauth/connect/house-client.ts';
import type { ShownAccount } from '#records/connected-accounts.ts';
import { type Endpoint, isOfCaller, type OrganizationSnapshot, type ServerDefinition } from '#records/snapshot.ts';
import type { AccountRooms } from './accounts.ts';
import { openCaseJudge } from './case-access.ts';
import type { DataPlane } from './data-plane.ts';
import type { Domains } from './domains.ts';
import type { Entrances } from './entrances.ts';
import { callLimits } from './gateway-settings.ts';
import { openSelfAccess } from './self-access.ts';
import { openExchanges, openSelfCalls } from './self-call.ts';
import { openSelfCallers, type SelfCallerDeps } from './self-caller.ts';
import { listSelfTools } from './self-tools.ts';
import type { Storage } from './storage.ts';

export interface SelfRoomsDeps {
  readonly db: Db;
  readonly clock: Clock;
  readonly baseUrl: string;
  readonly external: readonly string[];
  readonly entrances: Pick<Entrances, 'nameHosts' | 'keysUrl'>;
  /** Of organizations that have one. */
  readonly domainOf: (organization: OrganizationSnapshot) => string | undefined;
  readonly server: SelfCallerDeps['server'];
  readonly plane: Pick<DataPlane, 'handle' | 'judging' | 'health' | 'calls'>;
  readonly limiter: Pick<Limiter, 'read'>;
  readonly perPrincipalPerMinute: number | undefined;
  readonly connections: AccountRooms['connections'];
}

/** As the gateway is configured. */
export function openSelf(
  config: Config,
  {
    storage,
    ...deps
  }: Omit<SelfRoomsDeps, 'db' | 'external' | 'domainOf' | 'perPrincipalPerMinute'> & {
    readonly storage: Pick<Storage, 'db'>;
    readonly domains: Pick<Domains, 'of'>;
  },
): SelfRooms {
  const { enabled, perPrincipalPerMinute } = callLimits(config);
  return openSelfRooms({
    ...{ ...deps, db: storage.db, external: config.oauth.resources },
    perPrincipalPerMinute: enabled ? perPrincipalPerMinute : undefined,
    domainOf({ slug }) {
      const host = deps.domains.of(slug);
      return host === undefined ? undefined : `${new URL(deps.baseUrl).protocol}//${host}`;
    },
  });
}

export function openSelfRooms(deps: SelfRoomsDeps): SelfRooms {
  const { baseUrl, clock, plane, limiter, entrances } = deps;
  const callers = openSelfCallers({ ...deps, judging: plane.judging });
  const asking = { callers, mcp: plane.handle, baseUrl, now: clock.now, monotonic: clock.monotonic };
  const exchange = openExchanges(asking);
  return {
    ...openSelfAccess(callers, plane.judging),
    judge: openCaseJudge({ callers, judging: plane.judging, limiter }),
    async endpoints(self) {
      const access = await callers.accessTo(self, undefined);
      const isAtHome = await callers.isAtHome(self);
      const accounts = await deps.connections?.list(self.userId, access);
      const connected = new Set((accounts ?? []).flatMap(({ state, server }) => (state === 'failed' ? [] : [server])));
      const shown = (endpoint: Endpoint) =>
        shownEndpoint(endpoint, { ...deps, organization: access.organization, isAtHome, connected });
      return [shown(access.endpoint), ...(access.endpoint.members ?? []).map(shown)];
    },
    tools: (self, endpoint) => listSelfTools(exchange, self, endpoint),
    async accounts(self, accounts) {
      const access = await callers.accessTo(self, undefined);
      const { slug } = access.organization;
      return linkable(access).map((server) => {
        const found = accounts.find((account) => account.server === server.id);
        return shownAccount(server, found, deps.connections && `${baseUrl}/connect/${slug}/${server.key}`);
      });
    },
    async limits(self) {
      const { organization, reach } = await callers.accessTo(self, undefined);
      const keys = new Map(
        [...organization.endpoints.values()].flatMap(({ bindings }) =>
          bindings.map(({ server }) => [String(server.id), server.key] as const),
        ),
      );
      const house = deps.perPrincipalPerMinute;
      const own: MyLimit[] =
        house === undefined
          ? []
          : [
              await shownLimit(
                { id: 'gateway', counts: 'principal', points: house, windowSeconds: 60 },
                limiter.read(`p:${reach.principal.key}`, { points: house, windowSeconds: 60 }),
              ),
            ];
      for (const { rule, key } of rulesHolding({ organization, reach })) {
        const { id, counts, server, tool, rate, concurrent } = rule;
        const about = { id, counts, concurrent, tool, server: server && keys.get(server) };
        const used = rate && limiter.read(key, rate);
        own.push(
          await shownLimit(
            { ...about, points: rate && rate.points + rate.burst, windowSeconds: rate?.windowSeconds },
            used,
          ),
        );
      }
      return own;
    },
    call: openSelfCalls(asking),
    async disconnect(self, account) {
      const access = await callers.accessTo(self, undefined);
      const server = linkable(access).find(({ id }) => id === account.server) ?? findServer(access, account);
      if (server) await deps.connections?.remove(self.userId, { organization: access.organization, server });
    },
    sessions: (org) => plane.calls.list(org),
    endSessions: (org, isMeant) => plane.calls.end(org, isMeant),
    isHouse: (client) => client === houseClientId || client.startsWith(`${houseClientId}-`),
    organizationIn(resource) {
      const parsed = parseResource(resource, { baseUrl, external: deps.external, nameHosts: entrances.nameHosts });
      if (!parsed || parsed.kind === 'external') return null;
      return parsed.kind === 'endpoint' ? parsed.path.organization : undefined;
    },
  };
}

/** Servers that they may use with an account of their own. */
function linkable({ endpoint }: Access): readonly ServerDefinition[] {
  const all = endpoint.bindings.filter(
    (binding) => isOfCaller(binding) && binding.server.auth?.kind === 'connected' && binding.server.enabled,
  );
  return [...new Map(all.map(({ server }) => [server.id, server])).values()];
}

/** What they may no longer use they may still disconnect. */
const findServer = ({ organization }: Access, account: ShownAccount): ServerDefinition | undefined =>
  [...organization.endpoints.values()]
    .flatMap(({ bindings }) => bindings.map(({ server }) => server))
    .find(({ id, auth }) => id === account.server && auth?.kind === 'connected');

interface Showing extends SelfRoomsDeps {
  readonly organization: OrganizationSnapshot;
  readonly isAtHome: boolean;
  readonly connected: ReadonlySet<string>;
}

function shownEndpoint(endpoint: Endpoint, showing: Showing): MyEndpoint {
  const { name, kind, listing, bindings } = endpoint;
  const { organization } = showing;
  const [only] = bindings;
  const servers = [...new Map(bindings.map((binding) => [binding.server.id, binding])).values()];
  return {
    ...{ name: kind === 'everything' ? '' : name, kind, mode: listing.mode },
    title: kind === 'everything' ? organization.name : kind === 'server' && only ? only.server.title : name,
    urls: urlsOf(kind === 'everything' ? undefined : name, showing),
    servers: servers.map((binding) => {
      const { server } = binding;
      const { lastCheck, healthy } = showing.plane.health.find(organization.id, binding);
      const isLinked = isOfCaller(binding) && server.auth?.kind === 'connected';
      const isMissing = isLinked && !showing.connected.has(server.id);
      const known = lastCheck === null && healthy > 0 ? 'unknown' : healthy > 0 ? 'well' : 'down';
      return {
        ...{ key: server.key, title: server.title, kind: server.transport.kind, checkedAt: lastCheck },
        state: !server.enabled
          ? ('off' as const)
          : isMissing
            ? ('sign-in' as const)
            : (known as 'well' | 'down' | 'unknown'),
        connectUrl:
          isLinked && showing.connections ? `${showing.baseUrl}/connect/${organization.slug}/${server.key}` : null,
      };
    }),
  };
}

/** Those that work for this person: without an organization in it only where they belong to one. */
function urlsOf(
  name: string | undefined,
  { baseUrl, entrances, organization, isAtHome, domainOf }: Showing,
): MyEndpoint['urls'] {
  const { nameHosts, keysUrl } = entrances;
  const full = formatMcpPath({ organization: organization.slug, name });
  const short = formatMcpPath({ organization: undefined, name });
  const host = name === undefined ? baseUrl : nameHosts.originOf(name);
  const domain = domainOf(organization);
  return [
    { form: 'organization' as const, url: baseUrl + full },
    ...(isAtHome ? [{ form: 'own' as const, url: baseUrl + short }] : []),
    ...(isAtHome && host !== new URL(baseUrl).origin && host !== baseUrl
      ? [{ form: 'host' as const, url: `${host}/mcp` }]
      : []),
    ...(domain === undefined ? [] : [{ form: 'domain' as const, url: domain + short }]),
    ...(keysUrl === undefined ? [] : [{ form: 'keys' as const, url: keysUrl + full }]),
  ];
}

const time = (ms: number | undefined) => (ms === undefined ? null : new Date(ms).toISOString());

function shownAccount(
  { key, title }: ServerDefinition,
  account: ShownAccount | undefined,
  connectUrl: string | undefined,
) {
  return {
    ...{ server: key, title, state: account?.state ?? ('none' as const), issuer: account?.issuer ?? null },
    scopes: [...(account?.scopes ?? [])],
    missingScopes: [...(account?.missingScopes ?? [])],
    ...{ failedReason: account?.failedReason ?? null, expiresAt: time(account?.expiresAt) },
    ...{ connectedAt: time(account?.createdAt), connectUrl: connectUrl ?? null },
  };
}

interface LimitAbout extends Pick<MyLimit, 'id' | 'counts'> {
  readonly server?: string | undefined;
  readonly tool?: string | undefined;
  readonly points: number | undefined;
  readonly windowSeconds: number | undefined;
  readonly concurrent?: number | undefined;
}

async function shownLimit(about: LimitAbout, reading: ReturnType<Limiter['read']> | undefined): Promise<MyLimit> {
  const { points } = about;
  const usage = await reading;
  return {
    ...{ id: about.id, counts: about.counts, server: about.server ?? null, tool: about.tool ?? null },
    ...{ points: points ?? null, windowSeconds: about.windowSeconds ?? null, concurrent: about.concurrent ?? null },
    used: usage?.used ?? null,
    remaining: usage && points !== undefined ? Math.max(0, points - usage.used) : null,
    resetSeconds: usage ? Math.ceil(usage.resetMs / 1000) : null,
  };
}
