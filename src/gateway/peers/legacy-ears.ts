/** What a server of the legacy era says unasked: on the GET stream of a session, of resources that the session subscribes to. */

import type { JsonObject } from '#core/json.ts';
import type { Log } from '#core/log.ts';
import { pause } from '#core/pause.ts';
import { hearUnasked, legacyClient, outgoing } from './legacy-messages.ts';
import type { Link, Route } from './link.ts';
import type { ListenEnd, ListenFilter, Peer, PeerEvents } from './peer.ts';
import { type UpstreamSession, type UpstreamSessions, versionHeader } from './upstream-sessions.ts';
import type { Answered } from './wire.ts';

const MAX_PAUSE_MS = 10_000;

/** Subscriptions that are asked for at once. */
const AT_ONCE = 8;
const SUBSCRIBE_MS = 15_000;

type Events = Pick<PeerEvents, 'signal' | 'notify'>;
type LegacyEars = Required<Pick<Peer, 'listen' | 'adjust' | 'leave'>>;

export interface LegacyEarsDeps {
  readonly link: Link;
  readonly sessions: UpstreamSessions;
  readonly log: Log;
}

export function openLegacyEars({ link, sessions, log }: LegacyEarsDeps): LegacyEars {
  let count = 0;

  async function tell(session: UpstreamSession, route: Route, message: JsonObject): Promise<void> {
    const signal = AbortSignal.timeout(SUBSCRIBE_MS);
    await link.send(route, outgoing(session, { jsonrpc: '2.0', ...message }), { signal, onMessage: () => undefined });
  }

  /** What the server refuses to subscribe to is not heard of; the others are. */
  async function subscribe(session: UpstreamSession, route: Route, change: Change): Promise<void> {
    const asked = [
      ...change.gone.map((uri) => ({ method: 'resources/unsubscribe', uri })),
      ...change.come.map((uri) => ({ method: 'resources/subscribe', uri })),
    ];
    for (let i = 0; i < asked.length; i += AT_ONCE)
      await Promise.all(
        asked
          .slice(i, i + AT_ONCE)
          .map(({ method, uri }) => tell(session, route, { id: `ear${++count}`, method, params: { uri } })),
      );
  }

  function hearMessage(received: JsonObject, session: UpstreamSession, { route, events }: Hearing): void {
    const { id, method } = received;
    if (typeof method !== 'string') return;
    if (id === undefined) {
      hearUnasked(method, received, events);
      return;
    }
    // Unasked, nobody is asked anything (SECURITY D18); that the gateway is there may be asked.
    if (method !== 'ping')
      log.info({ server: route.binding.server.key, method }, 'a question outside a call is dropped');
    const rest: JsonObject =
      method === 'ping' ? { result: {} } : { error: { code: -32601, message: 'Asked outside a request' } };
    tell(session, route, { id, ...rest }).catch((error) => ignore(log, error));
  }

  /** One stream, taken up where it was when the server ends it and says how (2025-11-25, resumability). */
  async function stream(session: UpstreamSession, hearing: Hearing, onHead: () => void): Promise<Answered> {
    const { route, events } = hearing;
    let answered: Answered | undefined;
    for (;;) {
      const headers = {
        ...versionHeader(session.version),
        ...(answered?.lastEventId === undefined ? {} : { 'last-event-id': answered.lastEventId }),
      };
      answered = await link.send(
        route,
        { method: 'GET', era: 'legacy', sessionId: session.id, headers },
        {
          signal: events.signal,
          onHead: (status) => {
            if (status < 300) onHead();
          },
          onMessage: (received) => hearMessage(received, session, hearing),
        },
      );
      if (answered.status >= 300 || answered.lastEventId === undefined) return answered;
      await pause(Math.min(answered.retryMs ?? 1000, MAX_PAUSE_MS), events.signal);
    }
  }

  async function once(session: UpstreamSession, hearing: Hearing, started: () => void): Promise<Answered> {
    const { route, filter } = hearing;
    const come = filter.resourceSubscriptions ?? [];
    const opened = Promise.withResolvers<void>();
    const streaming = stream(session, hearing, opened.resolve);
    const subscribing = subscribe(session, route, { come, gone: [] });
    Promise.all([opened.promise, subscribing]).then(started, (error) => ignore(log, error));
    return streaming;
  }

  return {
    async listen(route, { filter, client, lane, started }, events): Promise<ListenEnd> {
      for (let attempt = 0; ; attempt++) {
        const session = await sessions.open(route, legacyClient(client), lane);
        const release = sessions.hold(session);
        try {
          const { status } = await once(
            session,
            { route: { ...route, account: session.route.account }, filter, events },
            started,
          );
          const isLost = session.id !== undefined && (status === 404 || status === 400);
          if (isLost) await sessions.forget(session);
          if (!isLost || attempt > 0) return status === 405 || status === 404 || status === 501 ? 'refused' : 'ended';
        } finally {
          release();
        }
      }
    },
    async adjust(route, before, { filter, client, lane }) {
      const session = await sessions.open(route, legacyClient(client), lane);
      await subscribe(session, route, changeOf(before, filter));
    },
    leave(route, { client, lane }) {
      sessions.end(route, legacyClient(client), lane);
    },
  };
}

interface Hearing {
  readonly route: Route;
  readonly filter: ListenFilter;
  readonly events: Events;
}

interface Change {
  readonly come: readonly string[];
  readonly gone: readonly string[];
}

function changeOf(before: ListenFilter, after: ListenFilter): Change {
  const [old, now] = [new Set(before.resourceSubscriptions), new Set(after.resourceSubscriptions)];
  return { come: [...now.difference(old)], gone: [...old.difference(now)] };
}

function ignore(log: Log, error: unknown): void {
  log.debug({ err: error }, 'a server could not be told something beside its stream');
}
