/**
 * Clients of the legacy era: sessions, questions on the stream of their own request, cancelling by a message. A session is
 * sealed in its id; what changes in it is a row, so that any replica serves any request.
 */
import { randomUUID } from 'node:crypto';
import { GatehouseError } from '#core/error.ts';
import { type Json, type JsonObject, objectIn, stringIn } from '#core/json.ts';
import type { Session, SessionClient, Sessions } from '#gateway/session.ts';
import { checkAnswer } from '#mcp/bridge/answers.ts';
import { toCanonicalClientCapabilities, toInitializeResult } from '#mcp/bridge/capabilities.ts';
import { RpcError, toLegacyError } from '#mcp/bridge/errors.ts';
import { toLegacyNotification } from '#mcp/bridge/notifications.ts';
import { toLegacyQuestion } from '#mcp/bridge/questions.ts';
import { toLegacyResult } from '#mcp/bridge/results.ts';
import { legacyVersions } from '#mcp/versions.ts';
import { type EngineAsked, ownerOf } from './asked.ts';
import type { Asking } from './asking.ts';
import { type MethodDeps, methods } from './methods.ts';
import { notificationFor } from './modern-front.ts';
import type { Questions } from './questions.ts';

export interface LegacyDeps extends MethodDeps {
  readonly sessions: Sessions;
  readonly questions: Questions;
  readonly running: Running;
}

/** Requests of legacy clients that are being worked on, by session and id. */
export type Running = Map<string, AbortController>;

const [NEWEST = ''] = legacyVersions;

export async function handleLegacy(asked: EngineAsked, deps: LegacyDeps): Promise<void> {
  const { call, reply, message, session } = asked;
  if (call.message?.kind === 'request' && call.message.method === 'initialize') return initialize(asked, deps);
  if (!session) throw new GatehouseError('session_required');
  if (call.req.method === 'DELETE') return endSession(asked, session, deps);
  if (call.req.method === 'GET') return reply.openStream(() => reply.finish('', 200));
  if (!message) throw new GatehouseError('bad_request');
  if (call.message?.kind === 'response') {
    deps.questions.answer(session.digest, message);
    return reply.finish('', 202);
  }
  if (call.message?.kind === 'notification') {
    if (message.method === 'notifications/cancelled') cancel(session, objectIn(message, 'params'), deps);
    return reply.finish('', 202);
  }
  return request(asked, session, deps);
}

async function initialize(asked: EngineAsked, deps: LegacyDeps): Promise<void> {
  const { reply, message } = asked;
  const params = objectIn(message, 'params');
  const wanted = stringIn(params, 'protocolVersion') ?? '';
  const version = legacyVersions.includes(wanted) ? wanted : NEWEST;
  const client: SessionClient = {
    version,
    capabilities: objectIn(params, 'capabilities') ?? {},
    info: objectIn(params, 'clientInfo'),
  };
  const hello = await discover(asked, client, deps);
  reply.headers['Mcp-Session-Id'] = deps.sessions.seal(ownerOf(asked), '', client);
  reply.result(JSON.stringify(toInitializeResult(hello, version, {})));
}

function discover(asked: EngineAsked, client: SessionClient, deps: LegacyDeps): Promise<JsonObject> {
  const run = methods['server/discover'];
  if (!run) throw new GatehouseError('internal');
  return run(askingOf(asked, { client, lane: '', signal: asked.reply.signal, params: {} }, deps), {}, deps);
}

async function endSession({ reply }: EngineAsked, session: Session, deps: LegacyDeps): Promise<void> {
  await deps.sessions.end(session);
  reply.finish('', 200);
}

function cancel({ digest }: Session, params: JsonObject | undefined, { running }: LegacyDeps): void {
  running.get(runningKey(digest, params?.requestId ?? null))?.abort('cancelled');
}

const runningKey = (digest: string, id: Json) => `${digest} ${JSON.stringify(id)}`;

async function request(asked: EngineAsked, session: Session, deps: LegacyDeps): Promise<void> {
  const { reply, message, call } = asked;
  const method = call.message?.method ?? '';
  const params = objectIn(message, 'params') ?? {};
  if (method === 'ping') return reply.result('{}');
  if (method === 'logging/setLevel') return reply.result('{}');
  const run = methods[method];
  if (!run || method === 'server/discover') throw new RpcError(-32601, 'Method not found');
  const key = runningKey(session.digest, message?.id ?? null);
  const abort = new AbortController();
  // Hanging up is no cancelling in this era; being cut off by the gateway is.
  reply.signal.addEventListener('abort', () => {
    if (reply.signal.reason !== 'client_gone') abort.abort(reply.signal.reason);
  });
  deps.running.set(key, abort);
  const { client } = session;
  try {
    const { _meta, ...rest } = params;
    const { progressToken: _token, ...meta } = objectIn(params, '_meta') ?? {};
    const canonical = Object.keys(meta).length > 0 ? { ...rest, _meta: meta } : rest;
    const asking = askingOf(asked, { client, lane: session.digest, signal: abort.signal, params }, deps);
    const result = await run(asking, canonical, deps);
    reply.result(JSON.stringify(toLegacyResult(method, result, { version: client.version })));
  } catch (thrown) {
    if (abort.signal.aborted && abort.signal.reason === 'cancelled') return reply.finish('', 202);
    if (!(thrown instanceof RpcError)) throw thrown;
    const told = toLegacyError(thrown, { method, version: client.version });
    if ('result' in told) reply.result(JSON.stringify(told.result));
    else reply.error(told.error, 200);
  } finally {
    deps.running.delete(key);
  }
}

interface As {
  readonly client: SessionClient;
  readonly lane: string;
  readonly signal: AbortSignal;
  /** Of the request, with its `_meta`. */
  readonly params: JsonObject;
}

function askingOf(asked: EngineAsked, { client, lane, signal, params }: As, { questions }: LegacyDeps): Asking {
  const { reply } = asked;
  const { version } = client;
  const progressToken = objectIn(params, '_meta')?.progressToken;
  return {
    ...asked,
    client: {
      capabilities: toCanonicalClientCapabilities(client.capabilities, version),
      info: client.info,
      logLevel: undefined,
    },
    era: 'legacy',
    version,
    lane,
    signal,
    notify(name, said) {
      const wanted = notificationFor(name, said, { progressToken, logLevel: undefined });
      const told = wanted && toLegacyNotification({ method: name, params: wanted }, version);
      if (told) reply.event({ jsonrpc: '2.0', method: told.method, params: told.params ?? {} });
    },
    async ask(name, said) {
      const question = toLegacyQuestion({ method: name, params: said }, { version, newElicitationId: randomUUID });
      if (!question) throw new RpcError(-32601, `Revision ${version} has no ${name} of this kind`);
      const answer = await questions.ask({ lane, reply, signal }, question.method, question.params);
      return checkAnswer({ method: name, params: said }, answer);
    },
  };
}
