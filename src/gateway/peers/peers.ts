/** The peer of the right era for every server. */

import { GatehouseError } from '#core/error.ts';
import type { JsonObject } from '#core/json.ts';
import type { Log } from '#core/log.ts';
import { RpcError } from '#mcp/bridge/errors.ts';
import { MODERN_VERSION } from '#mcp/versions.ts';
import { wayOf } from '#records/snapshot.ts';
import type { Eras } from './eras.ts';
import type { Route } from './link.ts';
import { EraRefused } from './modern-peer.ts';
import { asGateway, type Peer, type PeerEvents, type PeerRequest } from './peer.ts';
import { SessionRefused } from './upstream-sessions.ts';

export interface Peers {
  /** Asks the server if it isn't known. Rejects as a request does. */
  find(route: Route): Promise<Peer>;
  request(route: Route, request: PeerRequest, events: PeerEvents): Promise<JsonObject>;
}

const PROBE_MS = 5000;

export interface PeersDeps {
  readonly eras: Eras;
  readonly modern: Peer;
  readonly legacy: Peer;
  readonly log: Log;
}

export function openPeers({ eras, modern, legacy, log }: PeersDeps): Peers {
  const probing = new Map<string, Promise<Peer>>();

  async function discover(route: Route, peer: Peer): Promise<JsonObject> {
    const request = { method: 'server/discover', params: {}, client: asGateway, lane: '' };
    return peer.request(route, request, {
      signal: AbortSignal.timeout(PROBE_MS),
      notify: () => undefined,
      ask: undefined,
    });
  }

  async function probe(route: Route): Promise<Peer> {
    const { server } = route.binding;
    if (await speaksModern(route)) {
      eras.note(server, 'modern', true);
      return modernPeer;
    }
    await discover(route, legacy);
    eras.note(server, 'modern', false);
    eras.note(server, 'legacy', true);
    return legacyPeer;
  }

  /** Rejects where the answer says nothing of eras. */
  async function speaksModern(route: Route): Promise<boolean> {
    try {
      const { supportedVersions } = await discover(route, modern);
      return Array.isArray(supportedVersions) && supportedVersions.includes(MODERN_VERSION);
    } catch (thrown) {
      if (thrown instanceof EraRefused) return thrown.error instanceof RpcError && isModernError(thrown.error);
      if (thrown instanceof RpcError) return isModernError(thrown);
      throw thrown;
    }
  }

  /** One at a time for each server and organization, whoever asks. */
  function probeOnce(route: Route): Promise<Peer> {
    const { server } = route.binding;
    const key = `${route.organization.id} ${wayOf(route.binding)} ${JSON.stringify(server.transport)}`;
    const started = probing.get(key);
    if (started) return started;
    const promise = probe(route).finally(() => probing.delete(key));
    probing.set(key, promise);
    return promise;
  }

  /** The server is asked anew what it speaks; undefined: the same as before. Rejects with what it said first. */
  async function another(route: Route, was: Peer, said: Error): Promise<Peer> {
    // Pinned: no other revision will do.
    if (route.binding.server.transport.protocolVersion !== undefined) throw said;
    eras.doubt(route.binding.server);
    const now = await probeOnce(route).catch(() => was);
    if (now.era === was.era) throw said;
    return now.era === 'modern' ? modern : legacy;
  }

  /** Servers are replaced by newer and older ones: what was refused for its era goes out in the other one. */
  const following = (peer: Peer): Peer => ({
    ...peer,
    async request(route, request, events) {
      try {
        return await peer.request(route, request, events);
      } catch (thrown) {
        const said = refusalOf(thrown);
        if (!said) throw thrown;
        return (await another(route, peer, said)).request(route, request, events);
      }
    },
    async listen(route, wanted, events) {
      try {
        return await peer.listen(route, wanted, events);
      } catch (thrown) {
        const said = refusalOf(thrown);
        if (!said) throw thrown;
        return (await another(route, peer, said)).listen(route, wanted, events);
      }
    },
  });
  const modernPeer = following(modern);
  const legacyPeer = following(legacy);

  const self: Peers = {
    async find(route) {
      const { server } = route.binding;
      const isModern = eras.speaks(server, 'modern');
      if (isModern === true) return modernPeer;
      if (isModern === undefined) return probeOnce(route);
      // Nobody waits for that: what was so an hour ago is most likely so.
      if (eras.takeDue(server))
        probeOnce(route).catch((error) =>
          log.debug({ err: error, server: server.key }, 'a server did not say its era'),
        );
      return legacyPeer;
    },
    async request(route, request, events) {
      const peer = await self.find(route);
      return peer.request(route, request, events);
    },
  };
  return self;
}

/** What the server said, where it refused the era and did nothing. */
function refusalOf(thrown: unknown): Error | undefined {
  if (thrown instanceof EraRefused) return thrown.error;
  const isRefused =
    thrown instanceof GatehouseError && thrown.cause instanceof SessionRefused && thrown.cause.isEvidence;
  return isRefused ? thrown : undefined;
}

/** Errors that only servers of the modern era have. */
function isModernError({ code, data }: RpcError): boolean {
  if (code === -32020 || code === -32021) return true;
  if (code !== -32022 || typeof data !== 'object' || data === null || !('supported' in data)) return false;
  return Array.isArray(data.supported) && data.supported.includes(MODERN_VERSION);
}
