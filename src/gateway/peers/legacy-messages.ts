/** What is said to a server of the legacy era, and heard from it, in every exchange. */
import { type JsonObject, objectIn } from '#core/json.ts';
import { clientCapabilitiesFor } from '#mcp/bridge/capabilities.ts';
import { toCanonicalNotification } from '#mcp/bridge/notifications.ts';
import { legacyVersions } from '#mcp/versions.ts';
import type { ClientFacts, PeerEvents } from './peer.ts';
import { type UpstreamSession, versionHeader } from './upstream-sessions.ts';

const [NEWEST = ''] = legacyVersions;

export function outgoing(session: UpstreamSession, message: JsonObject) {
  return {
    method: 'POST',
    era: 'legacy',
    message,
    sessionId: session.id,
    headers: versionHeader(session.version),
  } as const;
}

export function legacyClient(client: ClientFacts): ClientFacts {
  return { ...client, capabilities: clientCapabilitiesFor(client.capabilities, NEWEST) };
}

export function hearUnasked(method: string, received: JsonObject, events: Pick<PeerEvents, 'notify'>): void {
  const said = toCanonicalNotification({ method, params: objectIn(received, 'params') });
  if (said) events.notify(said.method, said.params ?? {});
}
