/**
 * Clients of the legacy era: sessions, questions on the stream of their own request, cancelling by a message. A session is
 * sealed in its id; what changes in it is a row, so that any replica serves any request.
 */
import { hash } from 'node:crypto';
import { GatehouseError } from '#core/error.ts';
import { type Json, type JsonObject, objectIn, ownIn, stringIn } from '#core/json.ts';
import { textOf } from '#gateway/catalog/ready.ts';
import { noServerFor } from '#gateway/render.ts';
import { checkMethod } from '#gateway/rights/methods.ts';
import type { Session, SessionClient } from '#gateway/session.ts';
import { toInitializeResult } from '#mcp/bridge/capabilities.ts';
import { RpcError, toLegacyError } from '#mcp/bridge/errors.ts';
import { requestExists, toCanonicalParams } from '#mcp/bridge/requests.ts';
import { legacyVersions } from '#mcp/versions.ts';
import { type EngineAsked, ownerOf } from './asked.ts';
import { askingOf, type LegacyDeps } from './legacy-asking.ts';
import { methods } from './methods.ts';
import { changeSession, changesOf, stateOf } from './session-changes.ts';
import { openStream } from './session-stream.ts';

const [NEWEST = ''] = legacyVersions;

export async function handleLegacy(asked: EngineAsked, deps: LegacyDeps): Promise<void> {
  const { call, reply, message, session } = asked;
  if (call.message?.kind === 'request' && call.message.method === 'initialize') return initialize(asked, deps);
  if (!session) throw new GatehouseError('session_required');
  if (call.req.method === 'DELETE') return endSession(asked, session, deps);
  if (call.req.method === 'GET') return openStream(asked, session, deps);
  if (!message) throw new GatehouseError('bad_request');
  if (call.message?.kind === 'response') {
    await takeAnswer(session, message, deps);
    return reply.finish('', 202);
  }
  if (call.message?.kind === 'notification') {
    if (message.method === 'notifications/cancelled') await cancel(session, objectIn(message, 'params'), deps);
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
  return run(
    askingOf(asked, { client, lane: '', signal: asked.reply.signal, params: {}, logLevel: undefined }, deps),
    {},
    deps,
  );
}

async function endSession({ reply }: EngineAsked, session: Session, deps: LegacyDeps): Promise<void> {
  await deps.sessions.end(session);
  reply.finish('', 200);
}

/** Whichever replica works on it. */
async function cancel(
  { digest }: Session,
  params: JsonObject | undefined,
  { running, cancellations }: LegacyDeps,
): Promise<void> {
  const key = runningKey(digest, params?.requestId ?? null);
  const here = running.get(key);
  if (here) here.abort('cancelled');
  else await cancellations.publish(key);
}

/** Short, and of no use to whoever reads it. */
const runningKey = (digest: string, id: Json) => hash('sha256', `${digest} ${JSON.stringify(id)}`, 'base64url');

/** To the replica that asked. A question that nobody has any more wants no answer. */
async function takeAnswer(session: Session, message: JsonObject, { questions, replicas }: LegacyDeps): Promise<void> {
  if (questions.answer(session.digest, message)) return;
  const owner = questions.ownerOf(stringIn(message, 'id') ?? '');
  if (owner === undefined || owner === replicas.id) return;
  const hop = { kind: ANSWER, body: { lane: session.digest, message } };
  await replicas.call(owner, hop, { signal: AbortSignal.timeout(10_000) });
}

export const ANSWER = 'question.answer';

/** Only these can say something meanwhile. */
const talkative: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read']);

async function request(asked: EngineAsked, session: Session, deps: LegacyDeps): Promise<void> {
  const { reply, message, call } = asked;
  const method = call.message?.method ?? '';
  const params = objectIn(message, 'params') ?? {};
  checkMethod(asked.view.endpoint, method);
  if (method === 'ping') return reply.result('{}');
  if (ownIn(changesOf, method)) return changeSession(asked, session, { method, params, deps });
  const run = ownIn(methods, method);
  if (!run || !requestExists(method, session.client.version))
    throw new RpcError(-32601, 'Method not found', noServerFor(method));
  const key = runningKey(session.digest, message?.id ?? null);
  const abort = new AbortController();
  // Hanging up is no cancelling in this era; being cut off by the gateway is.
  const heed = () => {
    if (reply.signal.reason instanceof GatehouseError) abort.abort(reply.signal.reason);
  };
  if (reply.signal.aborted) heed();
  reply.signal.addEventListener('abort', heed);
  deps.running.set(key, abort);
  // What goes on after its client hung up takes its place until it is over.
  const { release } = call;
  call.release = undefined;
  const { client } = session;
  try {
    const { _meta, ...rest } = params;
    const { progressToken: _token, ...meta } = objectIn(params, '_meta') ?? {};
    const told = Object.keys(meta).length > 0 ? { ...rest, _meta: meta } : rest;
    const { params: canonical, asksTask } = toCanonicalParams(method, told, client.version);
    const logLevel = talkative.has(method) ? (await stateOf(asked, session, deps)).logLevel : undefined;
    const as = { client, lane: session.digest, signal: abort.signal, params, logLevel, asksTask };
    const asking = askingOf(asked, as, deps);
    const result = await run(asking, canonical, deps);
    reply.result(textOf(result, { method, version: client.version }));
  } catch (thrown) {
    if (abort.signal.aborted && abort.signal.reason === 'cancelled') return reply.finish('', 202);
    if (!(thrown instanceof RpcError)) throw thrown;
    const told = toLegacyError(thrown, { method, version: client.version });
    if ('result' in told) reply.result(JSON.stringify(told.result));
    else reply.error(told.error, 200);
  } finally {
    if (release) reply.whenRead(release);
    if (deps.running.get(key) === abort) deps.running.delete(key);
    // Questions that nobody waits for any more are nobody's.
    abort.abort('ended');
  }
}
