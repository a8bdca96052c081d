/** Asks servers for administrators, as the gateway asks them for callers: the same opener, egress and eras. Nothing is kept. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Upstream, UpstreamTarget } from '#adapters/upstream/upstream.ts';
import type { GreetNew, GreetSaved, ServerAsking } from '#admin/asking.ts';
import type { Greeting } from '#admin/contract/server-tests.ts';
import type { Config } from '#config/load.ts';
import type { Clock } from '#core/clock.ts';
import { asGatehouseError, GatehouseError } from '#core/error.ts';
import { asBindingId, asCredentialId, asKeyId, asOrgId, asServerId, uuidv7 } from '#core/ids.ts';
import { type JsonObject, objectIn, stringIn } from '#core/json.ts';
import type { Log } from '#core/log.ts';
import { type Principal, principalKey } from '#core/principal.ts';
import type { Secret } from '#core/secret.ts';
import type { Breakers } from '#gateway/breakers.ts';
import { listLimits } from '#gateway/catalog/items.ts';
import { fetchList } from '#gateway/catalog/load.ts';
import { estimateTokens } from '#gateway/catalog/meta/tokens.ts';
import { openEras } from '#gateway/peers/eras.ts';
import { openLegacyPeer } from '#gateway/peers/legacy-peer.ts';
import { type LinkDeps, openLink, type Route } from '#gateway/peers/link.ts';
import { openModernPeer } from '#gateway/peers/modern-peer.ts';
import { asGateway, type Peer, type PeerEvents } from '#gateway/peers/peer.ts';
import { openPeers } from '#gateway/peers/peers.ts';
import { openUpstreamSessions } from '#gateway/peers/upstream-sessions.ts';
import { WireError } from '#gateway/peers/wire.ts';
import { routed } from '#gateway/rights/routes.ts';
import { RpcError } from '#mcp/bridge/errors.ts';
import {
  type Binding,
  type CredentialOpener,
  lineOf,
  type OrganizationSnapshot,
  plainListing,
  type SnapshotStore,
} from '#records/snapshot.ts';
import type { UpstreamAccounts } from '#records/upstream-accounts.ts';
import { timeoutSettings } from './gateway-settings.ts';

export interface ServerAskingDeps {
  readonly openUpstream: (target: UpstreamTarget) => Upstream;
  readonly upstreams: LinkDeps['upstreams'];
  readonly credentials: CredentialOpener;
  readonly accounts: UpstreamAccounts;
  readonly snapshots: SnapshotStore;
  readonly breakers: Pick<Breakers, 'mark'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** All of it together: an image may have to be started first. */
const PATIENCE_MS = 30_000;
const RETRY_MS = 50;
const MOST_TRIES = 20;

export function openServerAsking(config: Config, deps: ServerAskingDeps): ServerAsking {
  const timeouts = timeoutSettings(config);
  const ask = (link: Pick<LinkDeps, 'upstreams' | 'credentials' | 'accounts'>, route: Route) =>
    greet({ ...link, timeouts }, route, deps);

  async function greetNew({ transport, org, key, credential, header, partition }: GreetNew): Promise<Greeting> {
    const id = asServerId(uuidv7(deps.clock.now()));
    const target = { id, key, transport, org };
    const secret = (): Secret => {
      if (credential) return credential;
      throw new GatehouseError('credential_unavailable');
    };
    const owner = org ?? asOrgId('platform');
    const server = {
      ...{ ...target, title: key, trusted: false, enabled: true, totalTimeoutMs: undefined },
      blockedTools: new Set<string>(),
    };
    const binding: Binding = {
      ...{ id: asBindingId(id), server, partition, enforced: new Map(), prefix: undefined, shaping: undefined },
      credential: credential && {
        ...{ id: asCredentialId(id), org: owner, version: 1 },
        header: header ?? { name: 'authorization', template: 'Bearer {}' },
      },
    };
    const upstream = deps.openUpstream(target);
    try {
      const credentials = { find: secret, open: async () => secret() };
      const route = routeOf(nowhere(owner), binding);
      return await ask({ upstreams: { get: () => upstream }, credentials, accounts: undefined }, route);
    } finally {
      await upstream.close();
    }
  }

  async function greetSaved({ org, server, collection, userId }: GreetSaved): Promise<Greeting> {
    const { organization, binding } = await findSoon({ org, server, collection });
    if (!organization || !binding)
      throw new GatehouseError('not_found', {
        message: `"${server}" is not on for this organization: enable it first`,
      });
    const greeting = await ask(deps, { ...routeOf(organization, binding), userId });
    if (greeting.state === 'well') deps.breakers.mark(organization.id, lineOf(binding.server), true);
    return greeting;
  }

  /** Whoever just made it asks at once: other replicas' changes are heard of as ours are, a moment after they are kept. */
  async function findSoon({ org, server, collection }: Omit<GreetSaved, 'userId'>) {
    for (let tries = 1; ; tries++) {
      const organization = await deps.snapshots.load(org);
      const binding = organization && bindingOf(organization, server, collection);
      if (binding || tries === MOST_TRIES) return { organization, binding };
      await pause(RETRY_MS);
    }
  }

  return { greetNew, greetSaved, estimateTokens };
}

const nowhere = (id: OrganizationSnapshot['id']): OrganizationSnapshot => ({
  ...{ id, slug: 'platform', externalId: undefined, name: 'platform', version: 0, listing: plainListing },
  ...{ endpoints: new Map(), groups: new Map(), policies: [], routes: [], limits: [] },
});

/** As for somebody in no group. */
function bindingOf(organization: OrganizationSnapshot, server: string, collection: string | undefined) {
  const endpoints = [...organization.endpoints.values()];
  const has = (endpoint: (typeof endpoints)[number]) => endpoint.bindings.some((one) => one.server.key === server);
  const endpoint =
    collection === undefined
      ? (endpoints.find((one) => one.kind === 'server' && has(one)) ?? endpoints.find(has))
      : endpoints.find((one) => one.kind === 'collection' && one.name === collection && has(one));
  if (!endpoint) return undefined;
  const { bindings } = routed(organization, endpoint, { groups: [] })?.make() ?? endpoint;
  return bindings.find((one) => one.server.key === server);
}

function routeOf(organization: OrganizationSnapshot, binding: Binding): Route {
  const principal: Principal = {
    kind: 'api-key',
    ...{ key: principalKey('gatehouse', 'admin'), keyId: asKeyId('admin'), name: 'admin' },
    ...{ org: organization.id, roles: [] },
  };
  // Nobody calls: a trusted server hears no name.
  const asked = { ...binding, server: { ...binding.server, trusted: false } };
  return { organization, binding: asked, principal, requestId: 'admin', traceparent: undefined };
}

type Way = Pick<LinkDeps, 'upstreams' | 'credentials' | 'accounts' | 'timeouts'>;

async function greet(way: Way, route: Route, { clock, log }: Pick<ServerAskingDeps, 'clock' | 'log'>) {
  const link = openLink({
    ...way,
    breakers: { admit: () => 'usual', report: () => undefined },
    bulkheads: { enter: () => () => undefined },
  });
  const sessions = openUpstreamSessions({ link, clock, log, idleMs: PATIENCE_MS, max: 4 });
  const peers = openPeers({
    ...{ eras: openEras({ clock, ttlMs: PATIENCE_MS }), log },
    modern: openModernPeer({ link }),
    legacy: openLegacyPeer({ link, sessions, log }),
  });
  const startedAt = clock.monotonic();
  const spent = () => Math.round(clock.monotonic() - startedAt);
  const signal = AbortSignal.timeout(PATIENCE_MS);
  try {
    const peer = await peers.find(route);
    return { ...(await readAll(peer, route, { signal, notify: () => undefined, ask: undefined })), ms: spent() };
  } catch (thrown) {
    return { ...nothing, ...problemOf(thrown, signal), ms: spent() };
  } finally {
    sessions.close();
  }
}

const nothing = {
  ...{ era: null, protocolVersion: null, name: null, version: null, instructions: null },
  ...{ capabilities: [], tools: [], cut: null },
};

async function readAll(peer: Peer, route: Route, events: PeerEvents): Promise<Omit<Greeting, 'ms'>> {
  const asked = { client: asGateway, lane: '' };
  const hello = await peer.request(route, { method: 'server/discover', params: {}, ...asked }, events);
  const capabilities = objectIn(hello, 'capabilities') ?? {};
  const info = infoIn(hello);
  const said = {
    ...({ state: 'well', era: peer.era, protocolVersion: versionIn(hello), problem: null } as const),
    name: stringIn(info, 'name')?.slice(0, 256) ?? null,
    version: stringIn(info, 'version')?.slice(0, 128) ?? null,
    instructions: stringIn(hello, 'instructions')?.slice(0, 8192) ?? null,
    capabilities: Object.keys(capabilities).slice(0, 50),
  };
  if (!('tools' in capabilities)) return { ...said, tools: [], cut: null };
  const page = (cursor: string | undefined) =>
    peer.request(route, { method: 'tools/list', params: cursor === undefined ? {} : { cursor }, ...asked }, events);
  const { byKey, left } = await fetchList('tools', page, listLimits);
  const unfit = left.unfit > 0 ? `${left.unfit} that cannot be shown` : null;
  return { ...said, tools: [...byKey.values()].map((tool) => ({ ...tool })), cut: left.cut ?? unfit };
}

function infoIn(hello: JsonObject): JsonObject {
  const meta = objectIn(hello, '_meta');
  const said = objectIn(hello, 'serverInfo') ?? (meta && objectIn(meta, 'io.modelcontextprotocol/serverInfo'));
  return said ?? {};
}

function versionIn(hello: JsonObject): string | null {
  const { supportedVersions: versions } = hello;
  const newest = Array.isArray(versions)
    ? versions
        .filter((one) => typeof one === 'string')
        .sort()
        .at(-1)
    : undefined;
  return stringIn(hello, 'protocolVersion') ?? newest ?? null;
}

/** What an administrator can act on. The server's own words are shown: they are whose server it is. */
function problemOf(thrown: unknown, signal: AbortSignal): Pick<Greeting, 'state' | 'problem'> {
  if (thrown instanceof RpcError)
    return { state: 'failed', problem: { code: String(thrown.code), message: thrown.message.slice(0, 512) } };
  if (signal.aborted) return failed(new GatehouseError('upstream_timeout'));
  const error = asGatehouseError(thrown instanceof WireError ? thrown.error : thrown);
  const wantsSomebody = ['upstream_refused', 'credential_unavailable', 'connect_account'].includes(error.code);
  return wantsSomebody ? { ...failed(error), state: 'sign-in' } : failed(error);
}

function failed(error: GatehouseError): Pick<Greeting, 'state' | 'problem'> & { readonly state: 'failed' } {
  const why = error.cause instanceof Error && isPlain(error.cause.message) ? ` (${error.cause.message})` : '';
  return { state: 'failed', problem: { code: error.code, message: `${error.message}${why}` } };
}

/** A status says what to do; anything else could tell of the inside. */
const isPlain = (message: string): boolean => /^status \d{3}/.test(message);
