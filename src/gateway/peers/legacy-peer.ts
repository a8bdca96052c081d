/** A server of the legacy era: sessions, questions on the stream of a call, subscriptions (MCP 2024-11-05 to 2025-11-25). */

import { GatehouseError } from '#core/error.ts';
import { type JsonObject, objectIn, stringIn } from '#core/json.ts';
import type { Log } from '#core/log.ts';
import { pause } from '#core/pause.ts';
import { fromInputResponse } from '#mcp/bridge/answers.ts';
import { toDiscoverResult } from '#mcp/bridge/capabilities.ts';
import { withEnvelope } from '#mcp/bridge/envelope.ts';
import { RpcError, rpcCodes, toCanonicalError } from '#mcp/bridge/errors.ts';
import { omitMeta } from '#mcp/bridge/objects.ts';
import { toLegacyParams } from '#mcp/bridge/requests.ts';
import { toCanonicalResult } from '#mcp/bridge/results.ts';
import { taskSupport } from '#mcp/bridge/tasks.ts';
import { openLegacyEars } from './legacy-ears.ts';
import { hearUnasked, legacyClient, outgoing } from './legacy-messages.ts';
import { hasTasks, legacyTaskMethods, requestTask } from './legacy-tasks.ts';
import type { Link, Route } from './link.ts';
import { isAnswerTo, mayRepeat, resultOf } from './modern-peer.ts';
import type { Peer, PeerEvents, PeerRequest } from './peer.ts';
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
const MAX_PAUSE_MS = 10_000;

/** The server no longer knows the session: the request was not carried out. */
class SessionLost extends Error {}

interface Exchange {
  readonly session: UpstreamSession;
  readonly request: PeerRequest;
  readonly events: PeerEvents;
  readonly id: number;
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

  function once(route: Route, request: PeerRequest, events: PeerEvents): Promise<JsonObject> {
    if (!legacyTaskMethods.has(request.method)) return ask(route, request, events);
    const raw = (method: string, params: JsonObject) => ask(route, { ...request, method, params }, events);
    return requestTask(request.method, request.params, raw);
  }

  async function ask(asked: Route, request: PeerRequest, events: PeerEvents): Promise<JsonObject> {
    const session = await openSession(asked, request);
    const route = { ...asked, account: session.route.account };
    const exchange = { session, request, events, id: ++count };
    const release = sessions.hold(session);
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
      release();
      events.signal.removeEventListener('abort', cancel);
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
    const isAsked = request.task === 'create' || taskSupport(request.tool) === 'required';
    const task = request.task && isAsked && hasTasks(session.hello) ? {} : undefined;
    const params = toLegacyParams(request.method, request.params, { version: session.version, task });
    const message = { jsonrpc: '2.0', id, method: request.method, params: withEnvelope(params, { progressToken: id }) };
    let answered = await link.send(route, outgoing(session, message), { signal, onHead, onMessage });
    if (isSessionLost(session, answered, answer)) {
      await sessions.forget(session);
      throw new SessionLost();
    }
    // The call's time is that of all its streams together.
    const until = performance.now() + link.totalMs(route, request.method, stringIn(request.params, 'name'));
    for (let i = 0; !answer && answered.status < 300 && answered.lastEventId !== undefined && i < MAX_RESUMES; i++) {
      await pause(Math.min(answered.retryMs ?? 1000, MAX_PAUSE_MS), signal);
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
    const startedAt = performance.now();
    for (;;) {
      try {
        return await once(route, request, events);
      } catch (thrown) {
        if (thrown instanceof SessionLost) {
          if (isLost) throw new GatehouseError('upstream_broken', { cause: thrown });
          isLost = true;
        } else if (thrown instanceof WireError && !isRepeated && mayRepeat(request, thrown)) {
          isRepeated = true;
          const waiting = { spentMs: performance.now() - startedAt, signal: events.signal };
          if (!(await link.awaitRepeat(route, request.method, waiting))) throw thrown;
        } else throw thrown;
      }
    }
  }

  /** Of a task that whoever called knows nothing of: with the call it is given up too. */
  async function waitForResult(route: Route, task: PeerRequest, events: PeerEvents): Promise<JsonObject> {
    const cancel = () => {
      const alone = { signal: AbortSignal.timeout(10_000), notify: () => undefined, ask: undefined };
      ask(route, { ...task, method: 'tasks/cancel' }, alone).catch((error) =>
        log.debug({ err: error }, 'a task could not be cancelled'),
      );
    };
    events.signal.addEventListener('abort', cancel, { once: true });
    try {
      const result = await healing(route, { ...task, method: 'tasks/result' }, events);
      return omitMeta(result, ['io.modelcontextprotocol/related-task']);
    } finally {
      events.signal.removeEventListener('abort', cancel);
    }
  }

  const ears = openLegacyEars({ link, sessions, log });
  return {
    era: 'legacy',
    async request(route, request, events) {
      if (request.method === 'server/discover')
        return toDiscoverResult((await sessions.open(route, legacyClient(request.client), request.lane)).hello);
      const result = await healing(route, request, events);
      if (result.resultType !== 'task' || request.task !== 'wait') return result;
      return waitForResult(route, { ...request, params: { taskId: result.taskId ?? null }, task: undefined }, events);
    },
    listen: ears.listen,
    adjust: ears.adjust,
    leave: ears.leave,
  };
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
