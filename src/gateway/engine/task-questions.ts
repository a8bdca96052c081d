/**
 * What legacy servers ask about their tasks. They do so on the answer to `tasks/result` only, so that is held open for a
 * task that waits for input, on the one replica that the task's id names.
 */

import { LRUCache } from 'lru-cache';
import { GatehouseError } from '#core/error.ts';
import { isJsonObject, type JsonObject, objectIn } from '#core/json.ts';
import type { Log } from '#core/log.ts';
import type { Route } from '#gateway/peers/link.ts';
import type { ClientFacts, Peer } from '#gateway/peers/peer.ts';
import { WireError } from '#gateway/peers/wire.ts';
import type { Replicas } from '#gateway/replicas/replicas.ts';
import { checkAnswer } from '#mcp/bridge/answers.ts';
import { RpcError } from '#mcp/bridge/errors.ts';
import { mayAsk, toInputRequest } from '#mcp/bridge/questions.ts';
import { wayOf } from '#records/snapshot.ts';

export interface WatchedTask {
  readonly route: Route;
  readonly taskId: string;
  readonly client: ClientFacts;
  readonly lane: string;
  /** Whose memory of the task counts. */
  readonly replica: string;
}

export interface TaskQuestions {
  /** A task that was made here: whichever replica is asked about it, this one hears its questions. */
  remember(task: WatchedTask): void;
  /** What is asked and not answered: a map of input requests. */
  find(task: WatchedTask): Promise<JsonObject>;
  /** Answers to what nobody asked are ignored. Throws RpcError -32602 for one that doesn't fit. */
  answer(task: WatchedTask, responses: JsonObject): Promise<void>;
  close(): void;
}

export interface TaskQuestionsDeps {
  readonly legacy: Peer;
  readonly replicas: Pick<Replicas, 'id' | 'call' | 'handle'>;
  readonly log: Log;
  readonly max: number;
}

interface Question {
  readonly method: string;
  readonly params: JsonObject;
  readonly resolve: (answer: JsonObject) => void;
}

interface Watch {
  readonly questions: Map<string, Question>;
  readonly abort: AbortController;
  asked: number;
  /** Resolves with the next question, or the end. */
  news: PromiseWithResolvers<void>;
}

const KIND = 'task.questions';
/** A question comes this soon after the server is asked, or the client asks again. Milliseconds. */
const PATIENCE_MS = 500;
const MAX_REOPENED = 60;

export function openTaskQuestions(deps: TaskQuestionsDeps): TaskQuestions {
  const { legacy, replicas, log } = deps;
  const known = new LRUCache<string, WatchedTask>({ max: deps.max });
  const watches = new LRUCache<string, Watch>({ max: deps.max, dispose: ({ abort }) => abort.abort() });

  /** Until the task is over: a wait that was cut is taken up again. */
  async function listen(task: WatchedTask, watch: Watch): Promise<void> {
    const { route, taskId, client, lane } = task;
    const ask = (method: string, params: JsonObject) => hold(watch, { method, params }, client);
    for (let n = 0; n < MAX_REOPENED && !watch.abort.signal.aborted; n++) {
      try {
        const request = { method: 'tasks/result', params: { taskId }, client, lane };
        await legacy.request(route, request, { signal: watch.abort.signal, notify: () => undefined, ask });
        return;
      } catch (thrown) {
        if (!(thrown instanceof WireError) || thrown.error.code !== 'upstream_timeout') throw thrown;
      }
    }
  }

  function watchOf(task: WatchedTask): Watch {
    const key = keyOf(task);
    const open = watches.get(key);
    if (open) return open;
    const watch: Watch = {
      questions: new Map(),
      abort: new AbortController(),
      asked: 0,
      news: Promise.withResolvers(),
    };
    watches.set(key, watch);
    listen(task, watch)
      .catch((error) => log.debug({ err: error }, 'the questions of a task are not heard'))
      .finally(() => {
        if (watches.peek(key) === watch) watches.delete(key);
        watch.news.resolve();
      });
    return watch;
  }

  async function look(task: WatchedTask): Promise<JsonObject> {
    const watch = watchOf(task);
    if (watch.questions.size === 0) await within(watch.news.promise, PATIENCE_MS);
    const asked = [...watch.questions].map(
      ([key, { method, params }]) => [key, toInputRequest(method, params)] as const,
    );
    return Object.fromEntries(asked);
  }

  function take(task: WatchedTask, responses: JsonObject): void {
    const { questions } = watchOf(task);
    for (const [key, { method, params, resolve }] of [...questions]) {
      const response = responses[key];
      if (response === undefined) continue;
      const answer = checkAnswer({ method, params }, response);
      questions.delete(key);
      resolve(answer);
    }
  }

  /** At the task's own replica; here where that one is gone. */
  async function at(task: WatchedTask, responses: JsonObject | undefined): Promise<JsonObject> {
    if (task.replica !== replicas.id) {
      const body = { key: keyOf(task), responses: responses ?? null };
      const options = { signal: AbortSignal.timeout(10_000) };
      const said = await replicas.call(task.replica, { kind: KIND, body }, options).catch(nobodyThere);
      if (said?.known === true) return objectIn(said, 'inputRequests') ?? {};
    }
    if (!responses) return look(task);
    take(task, responses);
    return {};
  }

  replicas.handle(KIND, async ({ key, responses }): Promise<JsonObject> => {
    const task = known.get(String(key));
    if (!task) return { known: false };
    if (isJsonObject(responses)) take(task, responses);
    return { known: true, inputRequests: isJsonObject(responses) ? {} : await look(task) };
  });

  return {
    remember: (task) => void known.set(keyOf(task), task),
    find: (task) => at(task, undefined),
    answer: async (task, responses) => void (await at(task, responses)),
    close: () => watches.clear(),
  };
}

function hold(watch: Watch, asked: Pick<Question, 'method' | 'params'>, client: ClientFacts): Promise<JsonObject> {
  const { method, params } = asked;
  if (!mayAsk(method, params, client.capabilities)) throw new RpcError(-32601, `The client does not support ${method}`);
  return new Promise((resolve, reject) => {
    watch.questions.set(`q${++watch.asked}`, { method, params, resolve });
    watch.abort.signal.addEventListener('abort', () => reject(new RpcError(-32603, 'The task is over')), {
      once: true,
    });
    watch.news.resolve();
    watch.news = Promise.withResolvers();
  });
}

function nobodyThere(thrown: unknown): undefined {
  if (thrown instanceof GatehouseError && thrown.code === 'owner_gone') return undefined;
  throw thrown;
}

function keyOf({ route, taskId, lane }: WatchedTask): string {
  const { organization, binding, principal } = route;
  return JSON.stringify([organization.id, wayOf(binding), principal.key, lane, taskId]);
}

function within(work: Promise<unknown>, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    const done = () => {
      clearTimeout(timer);
      resolve();
    };
    work.then(done, done);
  });
}
