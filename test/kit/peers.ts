/** The gateway's own clients of upstream servers, over real sockets, with a clock that stands still. */

import { openHttpUpstream } from '#adapters/upstream/http/http-upstream.ts';
import { systemClock } from '#core/clock.ts';
import { asBindingId, asOrgId, asServerId } from '#core/ids.ts';
import type { JsonObject } from '#core/json.ts';
import { silentLog } from '#core/log.ts';
import { type Principal, principalKey } from '#core/principal.ts';
import { type Breakers, openBreakers } from '#gateway/breakers.ts';
import { openBulkheads } from '#gateway/bulkheads.ts';
import { type Eras, openEras } from '#gateway/peers/eras.ts';
import { openLegacyPeer } from '#gateway/peers/legacy-peer.ts';
import { openLink, type Route } from '#gateway/peers/link.ts';
import { openModernPeer } from '#gateway/peers/modern-peer.ts';
import { openPeers, type Peers } from '#gateway/peers/peers.ts';
import { openUpstreamSessions, type UpstreamSessions } from '#gateway/peers/upstream-sessions.ts';
import { openRepeats } from '#gateway/repeat.ts';
import type { Binding, OrganizationSnapshot, ServerDefinition } from '#records/snapshot.ts';
import { type ManualTime, openManualTime } from './manual-time.ts';

export interface TestPeers {
  readonly peers: Peers;
  readonly eras: Eras;
  readonly breakers: Breakers;
  readonly sessions: UpstreamSessions;
  readonly time: ManualTime;
  /** Of one user, through one binding, in one organization, unless said otherwise. */
  route(more?: RouteOptions): Route;
  request(method: string, params?: JsonObject, route?: Route): Promise<JsonObject>;
  close(): Promise<void>;
}

export interface RouteOptions {
  readonly user?: string;
  readonly organization?: number;
  readonly binding?: number;
  readonly server?: Partial<ServerDefinition>;
}

const uuid = (n: number) => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`;
export const nobody = { capabilities: {}, info: { name: 'test', version: '1' }, logLevel: undefined };

/** `url`: of the server, without path. */
export function openTestPeers(url: string): TestPeers {
  const time = openManualTime();
  const { clock } = time;
  const log = silentLog;
  const upstream = openHttpUpstream({
    transport: { kind: 'http', url: `${url}/mcp` },
    connections: 32,
    queue: 200,
    connectTimeoutMs: 1000,
  });
  const breakers = openBreakers({
    clock,
    log,
    settings: {
      consecutiveFailures: 5,
      failurePercent: 50,
      minimumCalls: 20,
      windowMs: 10_000,
      openMs: 5000,
      openMaxMs: 60_000,
    },
  });
  const eras = openEras({ clock, ttlMs: 3_600_000 });
  const link = openLink({
    upstreams: { get: () => upstream },
    credentials: { find: () => undefined, open: () => Promise.reject(new Error('no credential')) },
    breakers,
    bulkheads: openBulkheads({ places: 1000, queue: 0, waitMs: 1 }),
    repeats: openRepeats({ clock: systemClock, random: () => 0 }),
    timeouts: {
      callHeadersMs: 2000,
      callTotalMs: 3000,
      listTotalMs: 3000,
      resourceReadTotalMs: 10_000,
      initializeTotalMs: 2000,
      idleMs: 2000,
    },
  });
  const sessions = openUpstreamSessions({ link, clock, log, idleMs: 300_000, max: 1000 });
  const peers = openPeers({
    eras,
    modern: openModernPeer({ link }),
    legacy: openLegacyPeer({ link, sessions, log }),
    log,
  });
  const server: ServerDefinition = {
    id: asServerId(uuid(1)),
    key: 'one',
    title: 'One',
    org: undefined,
    transport: { kind: 'http', url: `${url}/mcp` },
    trusted: false,
    enabled: true,
    totalTimeoutMs: undefined,
    blockedTools: new Set(),
  };

  function route({ user = 'alice', organization = 1, binding = 1, server: more = {} }: RouteOptions = {}): Route {
    return {
      organization: organizationOf(organization),
      binding: bindingOf(binding, { ...server, ...more }),
      principal: principalOf(user),
      requestId: 'r1',
      traceparent: undefined,
    };
  }

  const usual = route();
  return {
    ...{ peers, eras, breakers, sessions, time, route },
    request: (method, params = {}, to = usual) =>
      peers.request(
        to,
        { method, params, client: nobody, lane: '' },
        { signal: AbortSignal.timeout(5000), notify: () => undefined, ask: undefined },
      ),
    async close() {
      sessions.close();
      await upstream.close();
    },
  };
}

function organizationOf(n: number): OrganizationSnapshot {
  return {
    id: asOrgId(uuid(100 + n)),
    slug: `org-${n}`,
    externalId: undefined,
    name: `Organization ${n}`,
    version: 1,
    endpoints: new Map(),
    ...{ groups: new Map(), policies: [], routes: [], limits: [] },
  };
}

export function bindingOf(n: number, server: ServerDefinition): Binding {
  return {
    id: asBindingId(uuid(200 + n)),
    server,
    partition: undefined,
    credential: undefined,
    enforced: new Map(),
    prefix: undefined,
    shaping: undefined,
  };
}

const principalOf = (user: string): Principal => ({
  kind: 'user',
  key: principalKey('https://idp.test', user),
  issuer: 'https://idp.test',
  subject: user,
  claims: {},
  expiresAt: Number.MAX_SAFE_INTEGER,
});
