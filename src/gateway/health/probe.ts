/** A server is well when it answers what every session begins with: `initialize`, or `server/discover` (REQUIREMENTS S1.35). */

import { GatehouseError } from '#core/error.ts';
import { asKeyId } from '#core/ids.ts';
import { isJsonObject, type JsonObject, objectIn } from '#core/json.ts';
import { type Principal, principalKey } from '#core/principal.ts';
import { verdictOf } from '#gateway/breakers.ts';
import type { Eras } from '#gateway/peers/eras.ts';
import { type Link, type LinkDeps, openLink, type Route } from '#gateway/peers/link.ts';
import { EraRefused, openModernPeer } from '#gateway/peers/modern-peer.ts';
import { asGateway, type Peer } from '#gateway/peers/peer.ts';
import { WireError } from '#gateway/peers/wire.ts';
import { RpcError } from '#mcp/bridge/errors.ts';
import type { Binding, OrganizationSnapshot } from '#records/snapshot.ts';
import type { Probe, Probed } from './health.ts';

export interface ProbeDeps extends Pick<LinkDeps, 'upstreams' | 'credentials' | 'timeouts'> {
  readonly eras: Eras;
  /** Milliseconds of patience. */
  readonly patienceMs?: number;
}

const PATIENCE_MS = 5000;

export function openProbe({ eras, patienceMs = PATIENCE_MS, ...deps }: ProbeDeps): Probe {
  const ask = async (organization: OrganizationSnapshot, binding: Binding, upstreams: ProbeDeps['upstreams']) => {
    // It asks also where calls are refused, and takes no call's place.
    const link = openLink({
      ...{ ...deps, upstreams },
      breakers: { admit: () => 'usual', report: () => undefined },
      bulkheads: { enter: () => () => undefined },
    });
    // Nobody calls: a trusted server hears no name.
    const asked = { ...binding, server: { ...binding.server, trusted: false } };
    const route = { organization, binding: asked, ...nobodyOf(organization) };
    const signal = AbortSignal.timeout(patienceMs);
    const isModern = eras.speaks(binding.server, 'modern') === true;
    try {
      return await (isModern ? discover(openModernPeer({ link }), route, signal) : greet(link, route, signal));
    } catch (thrown) {
      const said = judge(thrown, signal);
      // It answered, but not to what it is pinned to.
      const isRefused = thrown instanceof EraRefused && binding.server.transport.protocolVersion !== undefined;
      return isRefused ? ({ verdict: 'failed' } as const) : said;
    }
  };
  const endpointsOf = ({ server }: Binding) => {
    const { transport } = server;
    return transport.kind === 'http' && transport.urls ? deps.upstreams.get(server).endpoints?.() : undefined;
  };
  return async (organization, binding) => {
    const endpoints = endpointsOf(binding);
    if (!endpoints) return ask(organization, binding, deps.upstreams);
    const answers = await Promise.all(
      endpoints.map(async (endpoint) => {
        const at = { get: () => endpoint.upstream };
        const first = await ask(organization, binding, at);
        // One answer may get lost.
        return { endpoint, probed: first.verdict === 'failed' ? await ask(organization, binding, at) : first };
      }),
    );
    const silent = answers.flatMap(({ endpoint, probed }) => (probed.verdict === 'failed' ? [endpoint] : []));
    // The server is well as long as one of them is.
    const best = answers.find(({ probed }) => probed.verdict === 'answered') ?? answers[0];
    return { ...(best?.probed ?? ({ verdict: 'unknown' } as const)), silent };
  };
}

const nobodyOf = ({ id }: OrganizationSnapshot): Pick<Route, 'principal' | 'requestId' | 'traceparent'> => {
  const principal: Principal = {
    kind: 'api-key',
    key: principalKey('gatehouse', 'health'),
    keyId: asKeyId('health'),
    name: 'health',
    org: id,
    roles: [],
  };
  return { principal, requestId: 'health', traceparent: undefined };
};

async function discover(modern: Peer, route: Route, signal: AbortSignal): Promise<Probed> {
  const request = { method: 'server/discover', params: {}, client: asGateway, lane: '' };
  const said = await modern.request(route, request, { signal, notify: () => undefined, ask: undefined });
  const versions = Array.isArray(said.supportedVersions) ? said.supportedVersions : [];
  return judgeVersion(route, said, (pinned) => versions.includes(pinned));
}

/** A session is begun and ended. */
async function greet(link: Link, route: Route, signal: AbortSignal): Promise<Probed> {
  const { protocolVersion = '2025-11-25' } = route.binding.server.transport;
  const params = { protocolVersion, capabilities: {}, clientInfo: { name: 'gatehouse', version: '1' } };
  let answer: JsonObject | undefined;
  const message = { jsonrpc: '2.0', id: 1, method: 'initialize', params };
  const { status, headers } = await link.send(
    route,
    { method: 'POST', era: 'legacy', message },
    {
      signal,
      onMessage(received) {
        answer ??= received;
      },
    },
  );
  if (status >= 500) throw new GatehouseError('upstream_broken', { cause: new Error(`status ${status}`) });
  const sessionId = headers['mcp-session-id'];
  if (typeof sessionId === 'string') {
    const ending = { method: 'DELETE', era: 'legacy', sessionId } as const;
    await link.send(route, ending, { signal, onMessage: () => undefined }).catch(() => undefined);
  }
  // Refused credentials say nothing of revisions.
  if (status === 401 || status === 403) return { verdict: 'answered' };
  const said = objectIn(answer, 'result') ?? {};
  return judgeVersion(route, said, (pinned) => said.protocolVersion === pinned);
}

/** REQUIREMENTS S1.35: who answers with another revision than the one it is pinned to is not well. */
function judgeVersion({ binding }: Route, said: JsonObject, isMatch: (pinned: string) => boolean): Probed {
  const { protocolVersion } = binding.server.transport;
  if (protocolVersion !== undefined && !isMatch(protocolVersion)) return { verdict: 'failed' };
  return { verdict: 'answered', capabilities: capabilitiesIn(said) };
}

function capabilitiesIn({ capabilities }: JsonObject): readonly string[] | undefined {
  return isJsonObject(capabilities) ? Object.keys(capabilities).slice(0, 50) : undefined;
}

function judge(thrown: unknown, signal: AbortSignal): Probed {
  if (thrown instanceof RpcError || thrown instanceof EraRefused) return { verdict: 'answered' };
  if (signal.aborted) return { verdict: 'failed' };
  const error = thrown instanceof WireError ? thrown.error : thrown;
  if (!(error instanceof GatehouseError)) throw thrown;
  return { verdict: verdictOf({ status: 0, open: false, error }) };
}
