/**
 * Clients of the legacy era: sessions, questions on the stream of their own request, cancelling by a message. A session is
 * sealed in its id; what changes in it is a row, so that any replica serves any request.
 */
import { hash, randomUUID } from 'node:crypto';
import { asGatehouseError, GatehouseError } from '#core/error.ts';
import { type Json, type JsonObject, objectIn, ownIn, stringIn } from '#core/json.ts';
import { findResource } from '#gateway/catalog/find.ts';
import type { ListKind } from '#gateway/catalog/lists.ts';
import { textOf } from '#gateway/catalog/ready.ts';
import { noServerFor } from '#gateway/render.ts';
import type { Cancellations } from '#gateway/replicas/cancellations.ts';
import type { Replicas } from '#gateway/replicas/replicas.ts';
import type { Session, SessionClient, Sessions } from '#gateway/session.ts';
import { checkAnswer } from '#mcp/bridge/answers.ts';
import { toCanonicalClientCapabilities, toInitializeResult } from '#mcp/bridge/capabilities.ts';
import { RpcError, toLegacyError } from '#mcp/bridge/errors.ts';
import { toLegacyNotification } from '#mcp/bridge/notifications.ts';
import { toLegacyQuestion } from '#mcp/bridge/questions.ts';
import { legacyVersions } from '#mcp/versions.ts';
import { logLevels, type SessionStateChange, type SessionStates } from '#records/session-states.ts';
import { type EngineAsked, ownerOf } from './asked.ts';
import type { Asking } from './asking.ts';
import { type ClientStreamDeps, hearFor } from './client-streams.ts';
import { type MethodDeps, methods } from './methods.ts';
import { notificationFor } from './modern-front.ts';
import type { Questions } from './questions.ts';

export interface LegacyDeps extends MethodDeps, ClientStreamDeps {
  readonly states: SessionStates;
  readonly replicas: Pick<Replicas, 'id' | 'call'>;
  readonly cancellations: Cancellations;
  readonly sessions: Sessions;
  readonly questions: Questions;
  readonly running: Running;
  /** Sessions with servers that were its own. */
  readonly endLane: (lane: string) => void;
}

/** Requests of legacy clients that are being worked on, by session and id. */
export type Running = Map<string, AbortController>;

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
  deps.endLane(session.digest);
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

/** What servers say unasked. What the session subscribes to may change on any replica while the stream is open. */
async function openStream(asked: EngineAsked, session: Session, deps: LegacyDeps): Promise<void> {
  const { reply, organization } = asked;
  const { digest } = session;
  let hearing = new AbortController();
  const hear = async () => {
    const { subscriptions } =
      deps.states.find(organization.id, digest) ?? (await deps.states.load(organization.id, digest));
    const before = hearing;
    hearing = new AbortController();
    const signal = AbortSignal.any([hearing.signal, reply.signal]);
    const asking = askingOf(
      asked,
      { client: session.client, lane: digest, signal, params: {}, logLevel: undefined },
      deps,
    );
    const wish = { kinds: allKinds, uris: [...subscriptions] };
    await hearFor({ ...asking, notify: tellUnasked(asked, session) }, wish, deps);
    before.abort();
  };
  reply.openStream(() => reply.finish('', 200));
  await hear();
  if (reply.signal.aborted) return;
  const stop = deps.states.onChanged((changed) => {
    if (changed === undefined || changed === digest) hear().catch((thrown) => reply.fail(asGatehouseError(thrown)));
  });
  reply.signal.addEventListener('abort', stop, { once: true });
}

const allKinds: ReadonlySet<ListKind> = new Set(['tools', 'prompts', 'resources', 'templates']);

function tellUnasked({ reply }: EngineAsked, { client }: Session): Asking['notify'] {
  return (method, params) => {
    const told = toLegacyNotification({ method, params }, client.version);
    if (told) reply.event({ jsonrpc: '2.0', method: told.method, ...(told.params ? { params: told.params } : {}) });
  };
}

/** What changes in a session. */
const changesOf: Readonly<Record<string, (params: JsonObject, expiresAt: number) => SessionStateChange | undefined>> = {
  'logging/setLevel': ({ level }, expiresAt) => {
    const logLevel = logLevels.find((known) => known === level);
    return logLevel === undefined ? undefined : { logLevel, expiresAt };
  },
  'resources/subscribe': ({ uri }, expiresAt) => (typeof uri === 'string' ? { subscribe: uri, expiresAt } : undefined),
  'resources/unsubscribe': ({ uri }, expiresAt) =>
    typeof uri === 'string' ? { unsubscribe: uri, expiresAt } : undefined,
};

async function changeSession(asked: EngineAsked, session: Session, { method, params, deps }: Changing): Promise<void> {
  const change = ownIn(changesOf, method)?.(params, session.expiresAt);
  if (!change) throw new RpcError(-32602, 'Invalid params');
  if ('subscribe' in change) {
    const as = {
      client: session.client,
      lane: session.digest,
      signal: asked.reply.signal,
      params,
      logLevel: undefined,
    };
    await findResource(askingOf(asked, as, deps), String(params.uri), deps.lists);
  }
  await deps.states.update(asked.organization.id, session.digest, change);
  asked.reply.result('{}');
}

interface Changing {
  readonly method: string;
  readonly params: JsonObject;
  readonly deps: LegacyDeps;
}

/** Only these can say something meanwhile. */
const talkative: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read']);

async function logLevelOf(
  { organization }: EngineAsked,
  { digest }: Session,
  { states }: LegacyDeps,
): Promise<string | undefined> {
  return (states.find(organization.id, digest) ?? (await states.load(organization.id, digest))).logLevel;
}

async function request(asked: EngineAsked, session: Session, deps: LegacyDeps): Promise<void> {
  const { reply, message, call } = asked;
  const method = call.message?.method ?? '';
  const params = objectIn(message, 'params') ?? {};
  if (method === 'ping') return reply.result('{}');
  if (ownIn(changesOf, method)) return changeSession(asked, session, { method, params, deps });
  const run = ownIn(methods, method);
  if (!run || method === 'server/discover') throw new RpcError(-32601, 'Method not found', noServerFor(method));
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
    const canonical = Object.keys(meta).length > 0 ? { ...rest, _meta: meta } : rest;
    const logLevel = talkative.has(method) ? await logLevelOf(asked, session, deps) : undefined;
    const asking = askingOf(asked, { client, lane: session.digest, signal: abort.signal, params, logLevel }, deps);
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

interface As {
  readonly client: SessionClient;
  readonly lane: string;
  readonly signal: AbortSignal;
  /** Of the request, with its `_meta`. */
  readonly params: JsonObject;
  readonly logLevel: string | undefined;
}

function askingOf(
  asked: EngineAsked,
  { client, lane, signal, params, logLevel }: As,
  { questions }: LegacyDeps,
): Asking {
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
      const wanted = notificationFor(name, said, { progressToken, logLevel });
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
