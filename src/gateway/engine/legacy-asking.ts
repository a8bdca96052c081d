/** A request of a legacy client as everybody's (`asking.ts`), and what serving one takes. */
import { randomUUID } from 'node:crypto';
import type { JsonObject } from '#core/json.ts';
import { objectIn } from '#core/json.ts';
import type { Cancellations } from '#gateway/replicas/cancellations.ts';
import type { Replicas } from '#gateway/replicas/replicas.ts';
import type { SessionClient, Sessions } from '#gateway/session.ts';
import { checkAnswer } from '#mcp/bridge/answers.ts';
import { toCanonicalClientCapabilities } from '#mcp/bridge/capabilities.ts';
import { RpcError } from '#mcp/bridge/errors.ts';
import { toLegacyNotification } from '#mcp/bridge/notifications.ts';
import { toLegacyQuestion } from '#mcp/bridge/questions.ts';
import { withTasks } from '#mcp/bridge/tasks.ts';
import type { SessionStates } from '#records/session-states.ts';
import type { EngineAsked } from './asked.ts';
import type { Asking } from './asking.ts';
import type { ClientStreamDeps } from './client-streams.ts';
import type { MethodDeps } from './methods.ts';
import { notificationFor } from './modern-front.ts';
import type { Questions } from './questions.ts';
import type { Reply } from './reply.ts';

export interface LegacyDeps extends MethodDeps, ClientStreamDeps {
  readonly states: SessionStates;
  readonly replicas: Pick<Replicas, 'id' | 'call'>;
  readonly cancellations: Cancellations;
  readonly sessions: Sessions;
  readonly questions: Questions;
  readonly running: Running;
  /** GET streams that are open here, by session. */
  readonly streams: Map<string, Reply>;
}

/** Requests of legacy clients that are being worked on, by session and id. */
export type Running = Map<string, AbortController>;

export interface As {
  readonly client: SessionClient;
  readonly lane: string;
  readonly signal: AbortSignal;
  /** Of the request, with its `_meta`. */
  readonly params: JsonObject;
  readonly logLevel: string | undefined;
  readonly asksTask?: boolean;
}

export function askingOf(
  asked: EngineAsked,
  { client, lane, signal, params, logLevel, asksTask }: As,
  { questions }: LegacyDeps,
): Asking {
  const { reply } = asked;
  const { version } = client;
  const progressToken = objectIn(params, '_meta')?.progressToken;
  const capabilities = toCanonicalClientCapabilities(client.capabilities, version);
  return {
    ...asked,
    asksTask,
    client: {
      capabilities: asksTask ? withTasks(capabilities) : capabilities,
      info: client.info,
      logLevel,
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
