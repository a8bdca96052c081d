/** The peer of the right era for every server. */
import { GatehouseError } from '#core/error.ts';
import type { JsonObject } from '#core/json.ts';
import { RpcError } from '#mcp/bridge/errors.ts';
import { MODERN_VERSION } from '#mcp/versions.ts';
import type { Eras } from './eras.ts';
import type { Route } from './link.ts';
import type { Peer, PeerEvents, PeerRequest } from './peer.ts';

export interface Peers {
  /** Asks the server if it isn't known. Rejects as a request does. */
  find(route: Route): Promise<Peer>;
  request(route: Route, request: PeerRequest, events: PeerEvents): Promise<JsonObject>;
}

const PROBE_MS = 5000;
const nobody = { capabilities: {}, info: { name: 'gatehouse', version: '1' }, logLevel: undefined };

export function openPeers(deps: { readonly eras: Eras; readonly modern: Peer; readonly legacy: Peer }): Peers {
  const { eras, modern, legacy } = deps;
  const probing = new Map<string, Promise<Peer>>();

  async function discover(route: Route, peer: Peer): Promise<JsonObject> {
    const request = { method: 'server/discover', params: {}, client: nobody, lane: '' };
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
      return modern;
    }
    await discover(route, legacy);
    eras.note(server, 'modern', false);
    eras.note(server, 'legacy', true);
    return legacy;
  }

  /** Rejects where the answer says nothing of eras. */
  async function speaksModern(route: Route): Promise<boolean> {
    try {
      const { supportedVersions } = await discover(route, modern);
      return Array.isArray(supportedVersions) && supportedVersions.includes(MODERN_VERSION);
    } catch (thrown) {
      if (thrown instanceof RpcError) return isModernError(thrown);
      if (thrown instanceof GatehouseError && /^status 4(?!0[13]|29)/.test(causeOf(thrown))) return false;
      throw thrown;
    }
  }

  const self: Peers = {
    async find(route) {
      const { server, id } = route.binding;
      if (eras.speaks(server, 'modern') === true) return modern;
      if (eras.speaks(server, 'modern') === false) return legacy;
      const key = `${route.organization.id} ${id} ${JSON.stringify(server.transport)}`;
      const started = probing.get(key);
      if (started) return started;
      const promise = probe(route).finally(() => probing.delete(key));
      probing.set(key, promise);
      return promise;
    },
    async request(route, request, events) {
      const peer = await self.find(route);
      return peer.request(route, request, events);
    },
  };
  return self;
}

const causeOf = ({ cause }: GatehouseError): string => (cause instanceof Error ? cause.message : '');

/** Errors that only servers of the modern era have. */
function isModernError({ code, data }: RpcError): boolean {
  if (code === -32020 || code === -32021) return true;
  if (code !== -32022 || typeof data !== 'object' || data === null || !('supported' in data)) return false;
  return Array.isArray(data.supported) && data.supported.includes(MODERN_VERSION);
}
