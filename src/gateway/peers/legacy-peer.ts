/** A server of the legacy era: sessions, questions on the stream of a call, subscriptions (MCP 2024-11-05 to 2025-11-25). */
import { GatehouseError } from '#core/error.ts';
import { type JsonObject, objectIn, stringIn } from '#core/json.ts';
import type { Log } from '#core/log.ts';
import { fromInputResponse } from '#mcp/bridge/answers.ts';
import { clientCapabilitiesFor, toDiscoverResult } from '#mcp/bridge/capabilities.ts';
import { withEnvelope } from '#mcp/bridge/envelope.ts';
import { RpcError, rpcCodes, toCanonicalError } from '#mcp/bridge/errors.ts';
import { toCanonicalNotification } from '#mcp/bridge/notifications.ts';
import { toCanonicalResult } from '#mcp/bridge/results.ts';
import type { Link, Route } from './link.ts';
import { isAnswerTo, mayRepeat, resultOf } from './modern-peer.ts';
import type { ClientFacts, Peer, PeerEvents, PeerRequest } from './peer.ts';
import { type UpstreamSession, type UpstreamSessions, versionHeader } from './upstream-sessions.ts';
import { type Answered, WireError } from './wire.ts';

export interface LegacyPeerDeps {
  readonly link: Link;
  readonly sessions: UpstreamSessions;
  readonly log: Log;
}

/** How often a stream that a server cut before its answer is taken up again (2025-11-25, polling). */
const MAX_RESUMES = 100;
/** Pings too: each has to be answered by a request. */
const MAX_QUESTIONS = 1000;
const NEWEST = '2025-11-25';

/** The server no longer knows the session: the request was not carried out. */
class SessionLost extends Error {}

interface Exchange {
  readonly session: UpstreamSession;
  readonly request: PeerRequest;
  readonly events: PeerEvents;
  readonly id: number;
}

interface Hearing {
  readonly route: Route;
  readonly wanted: Parameters<Peer['listen']>[1];
  readonly events: Parameters<Peer['listen']>[2];
}

export function openLegacyPeer({ link, sessions, log }: LegacyPeerDeps): Peer {
  let count = 0;

  async function send(
    session: UpstreamSession,
    route: Route,
    message: JsonObject,
    signal: AbortSignal,
  ): Promise<Answered> {
    return link.send(route, outgoing(session, message), { signal, onMessage: () => undefined });
  }

  async function answerQuestion(received: JsonObject, { session, events }: Exchange, route: Route): Promise<void> {
    const { id = null, method } = received;
    const reply = (rest: JsonObject) => send(session, route, { jsonrpc: '2.0', id, ...rest }, events.signal);
    try {
      if (method === 'ping') return void (await reply({ result: {} }));
      if (!events.ask) throw new RpcError(-32601, 'No client is there to answer');
      const result = await events.ask(String(method), objectIn(received, 'params') ?? {});
      await reply({ result: fromInputResponse(String(method), result, session.version) });
    } catch (thrown) {
      if (events.signal.aborted) return;
      const { code, message } = thrown instanceof RpcError ? thrown : new RpcError(-32603, 'The client did not answer');
      await reply({ error: { code, message } });
    }
  }

  /** Leaving is no cancelling in this era: it has to be said. */
  function tellCancelled(route: Route, session: UpstreamSession, id: number): void {
    const message = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id } };
    send(session, route, message, AbortSignal.timeout(10_000)).catch((error) => {
      log.debug({ err: error }, 'a server could not be told that a request is cancelled');
    });
  }

  async function once(route: Route, request: PeerRequest, events: PeerEvents): Promise<JsonObject> {
    const session = await openSession(route, request);
    const leave = sessions.use(session);
    const exchange = { session, request, events, id: ++count };
    const cancel = () => tellCancelled(route, session, exchange.id);
    events.signal.addEventListener('abort', cancel, { once: true });
    try {
      const { answer, status } = await converse(route, exchange);
      const result = resultOf(answer, status);
      return toCanonicalResult(request.method, result);
    } catch (thrown) {
      throw thrown instanceof RpcError && thrown.code !== rpcCodes.urlElicitationRequired
        ? toCanonicalError(thrown)
        : thrown;
    } finally {
      events.signal.removeEventListener('abort', cancel);
      leave();
    }
  }

  /** Whatever becomes of the session: the request itself was not sent yet. */
  function openSession(route: Route, { client, lane }: PeerRequest): Promise<UpstreamSession> {
    return sessions.open(route, legacyClient(client), lane).catch((thrown) => {
      throw thrown instanceof WireError ? new WireError(thrown.error, false) : thrown;
    });
  }

  async function converse(
    route: Route,
    exchange: Exchange,
  ): Promise<{ answer: JsonObject | undefined; status: number }> {
    const { session, request, events, id } = exchange;
    const { signal } = events;
    let answer: JsonObject | undefined;
    let asked = 0;
    const onMessage = (received: JsonObject) => {
      if (typeof received.method === 'string' && received.id !== undefined) {
        if (++asked > MAX_QUESTIONS) throw new Error('the server asks without end');
        answerQuestion(received, exchange, route).catch((error) =>
          log.debug({ err: error }, 'an answer did not reach the server'),
        );
      } else if (typeof received.method === 'string') hear(received, exchange);
      else if (isAnswerTo(received, id, status)) answer ??= received;
    };
    let status = 0;
    const onHead = (code: number) => {
      status = code;
    };
    const { inputResponses: _answers, requestState: _state, ...params } = request.params;
    const message = { jsonrpc: '2.0', id, method: request.method, params: withEnvelope(params, { progressToken: id }) };
    let answered = await link.send(route, outgoing(session, message), { signal, onHead, onMessage });
    if (isSessionLost(session, answered, answer)) {
      sessions.forget(session);
      throw new SessionLost();
    }
    // The call's time is that of all its streams together.
    const until = performance.now() + link.totalMs(route, request.method);
    for (let i = 0; !answer && answered.status < 300 && answered.lastEventId !== undefined && i < MAX_RESUMES; i++) {
      await pause(answered.retryMs ?? 1000, signal);
      const totalMs = Math.ceil(until - performance.now());
      if (totalMs <= 0) throw new WireError(new GatehouseError('upstream_timeout'), true);
      const headers = { ...versionHeader(session.version), 'last-event-id': answered.lastEventId };
      const polling = { method: 'GET', era: 'legacy', sessionId: session.id, headers, totalMs } as const;
      answered = await link.send(route, polling, { signal, onMessage });
    }
    return { answer, status: answered.status };
  }

  /** A server that forgot its sessions has not done what it was asked in one: asking again is safe whatever it is. */
  async function healing(route: Route, request: PeerRequest, events: PeerEvents): Promise<JsonObject> {
    let isLost = false;
    let isRepeated = false;
    for (;;) {
      try {
        return await once(route, request, events);
      } catch (thrown) {
        if (thrown instanceof SessionLost) {
          if (isLost) throw new GatehouseError('upstream_broken', { cause: thrown });
          isLost = true;
        } else if (thrown instanceof WireError && !isRepeated && mayRepeat(request, thrown)) isRepeated = true;
        else throw thrown;
      }
    }
  }

  async function hearIn(session: UpstreamSession, { route, wanted, events }: Hearing): Promise<void> {
    for (const uri of wanted.filter.resourceSubscriptions ?? []) {
      const message = { jsonrpc: '2.0', id: ++count, method: 'resources/subscribe', params: { uri } };
      await send(session, route, message, events.signal);
    }
    const answered = await link.send(
      route,
      { method: 'GET', era: 'legacy', sessionId: session.id, headers: versionHeader(session.version) },
      {
        signal: events.signal,
        onHead: (status) => {
          if (status < 300) wanted.started();
        },
        onMessage(received) {
          // Unasked, nobody is asked anything (SECURITY D18).
          if (typeof received.method !== 'string' || received.id !== undefined) return;
          hearUnasked(received.method, received, events);
        },
      },
    );
    if (answered.status === 404 && session.id !== undefined) sessions.forget(session);
  }

  return {
    era: 'legacy',
    async request(route, request, events) {
      if (request.method === 'server/discover')
        return toDiscoverResult((await sessions.open(route, legacyClient(request.client), request.lane)).hello);
      return healing(route, request, events);
    },
    async listen(route, wanted, events) {
      const session = await sessions.open(route, legacyClient(wanted.client), wanted.lane);
      const leave = sessions.use(session);
      try {
        await hearIn(session, { route, wanted, events });
      } finally {
        leave();
      }
    },
  };
}

function outgoing(session: UpstreamSession, message: JsonObject) {
  return {
    method: 'POST',
    era: 'legacy',
    message,
    sessionId: session.id,
    headers: versionHeader(session.version),
  } as const;
}

function legacyClient(client: ClientFacts): ClientFacts {
  return { ...client, capabilities: clientCapabilitiesFor(client.capabilities, NEWEST) };
}

function isSessionLost({ id }: UpstreamSession, { status }: Answered, answer: JsonObject | undefined): boolean {
  const error = objectIn(answer, 'error');
  // No server of this era any more.
  if (error?.code === rpcCodes.unsupportedVersion) return true;
  if (id === undefined) return false;
  return status === 404 || (status === 400 && /session/i.test(stringIn(error, 'message') ?? ''));
}

function hear(received: JsonObject, { id, events }: Exchange): void {
  const params = objectIn(received, 'params') ?? {};
  if (received.method === 'notifications/progress') {
    const { progressToken, ...rest } = params;
    if (progressToken === id) events.notify('notifications/progress', rest);
    return;
  }
  hearUnasked(String(received.method), received, events);
}

function hearUnasked(method: string, received: JsonObject, events: Pick<PeerEvents, 'notify'>): void {
  const said = toCanonicalNotification({ method, params: objectIn(received, 'params') });
  if (said) events.notify(said.method, said.params ?? {});
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(
      () => {
        signal.removeEventListener('abort', stop);
        resolve();
      },
      Math.min(ms, 10_000),
    );
    signal.addEventListener('abort', stop, { once: true });
  });
}
