/**
 * Tasks, between the core protocol of 2025-11-25 and the extension of 2026-07-28 (SEP-2663): in the extension's words here,
 * whichever era client and server are of.
 */

import { GatehouseError } from '#core/error.ts';
import { isJsonObject, type Json, type JsonObject, objectIn, stringIn } from '#core/json.ts';
import type { Lists } from '#gateway/catalog/lists.ts';
import { publishedName } from '#gateway/catalog/names.ts';
import type { Route } from '#gateway/peers/link.ts';
import type { ClientFacts, Peer } from '#gateway/peers/peer.ts';
import type { Peers } from '#gateway/peers/peers.ts';
import { waitForTask } from '#gateway/peers/task-wait.ts';
import { noServerFor } from '#gateway/render.ts';
import { checkRight } from '#gateway/rights/check.ts';
import { RpcError, rpcCodes } from '#mcp/bridge/errors.ts';
import { isSince } from '#mcp/bridge/objects.ts';
import {
  declaresTasks,
  isTaskOpen,
  TASKS_EXTENSION,
  type TaskSupport,
  taskPayload,
  taskSupport,
  withTasks,
} from '#mcp/bridge/tasks.ts';
import { publishedToolName } from '#mcp/shape/names.ts';
import type { EndpointPart } from '#records/snapshot.ts';
import { wayOf } from '#records/snapshot.ts';
import { type Asking, routeTo } from './asking.ts';
import { fromServer } from './mapping.ts';
import { redactTask } from './redacting.ts';
import { type Filters, type Screen, screened } from './screen.ts';
import { type DoneTicket, MAX_SEALED_RESULT, type TaskIds } from './task-ids.ts';
import type { TaskQuestions, WatchedTask } from './task-questions.ts';

export interface TaskDeps {
  readonly filters: Filters;
  readonly peers: Peers;
  readonly lists: Lists;
  readonly taskIds: TaskIds;
  readonly taskQuestions: TaskQuestions;
  /** Of this process. */
  readonly replica: string;
  readonly now: () => number;
}

type TaskMethod = (asking: Asking, params: JsonObject, deps: TaskDeps) => Promise<JsonObject>;

export const taskMethods: Readonly<Record<string, TaskMethod>> = {
  'tasks/get': getTask,
  'tasks/update': updateTask,
  'tasks/cancel': cancelTask,
  'tasks/result': resultOfTask,
};

const unknownTask = () => new RpcError(rpcCodes.invalidParams, 'Unknown task');

interface Known {
  readonly id: string;
  readonly part: EndpointPart;
  readonly peer: Peer;
  readonly route: Route;
  readonly client: ClientFacts;
  readonly taskId: string;
  readonly tool: string;
  readonly watched: WatchedTask;
}

async function getTask(asking: Asking, params: JsonObject, deps: TaskDeps): Promise<JsonObject> {
  const known = await findTask(asking, params, deps);
  return 'result' in known ? doneDetails(String(params.taskId), known) : details(asking, known, deps);
}

async function details(asking: Asking, known: Known, deps: TaskDeps): Promise<JsonObject> {
  const { binding } = known.part;
  if (!binding.filters) return toldDetails(asking, known, deps);
  const work = (screen: Screen) => toldDetails(screen.asking, known, deps);
  return screened(asking, binding, { filters: deps.filters, work });
}

async function toldDetails(asking: Asking, known: Known, { taskQuestions }: TaskDeps): Promise<JsonObject> {
  const { peer, part, watched, tool } = known;
  const task = await tell(asking, known, { method: 'tasks/get' });
  const inputRequests =
    peer.era === 'legacy' && task.status === 'input_required' ? await taskQuestions.find(watched) : undefined;
  const whole = inputRequests ? { ...task, inputRequests } : task;
  const seen = redactTask(whole, part.binding, tool);
  return { ...fromServer('tasks/get', seen, part), taskId: known.id };
}

async function updateTask(asking: Asking, params: JsonObject, deps: TaskDeps): Promise<JsonObject> {
  const known = await findTask(asking, params, deps);
  const responses = objectIn(params, 'inputResponses');
  if (!responses) throw new RpcError(rpcCodes.invalidParams, 'params.inputResponses must be an object');
  if (!('result' in known)) {
    const { binding } = known.part;
    const send = async (given: JsonObject) => {
      await answer(asking, known, { responses: given, deps });
      return acknowledged;
    };
    if (!binding.filters) return send(responses);
    const work = async (screen: Screen) => send(screen.toServer(responses));
    return screened(asking, binding, { filters: deps.filters, work });
  }
  return acknowledged;
}

async function answer(
  asking: Asking,
  known: Known,
  { responses, deps }: { readonly responses: JsonObject; readonly deps: TaskDeps },
): Promise<void> {
  if (known.peer.era === 'legacy') await deps.taskQuestions.answer(known.watched, responses);
  else await tell(asking, known, { method: 'tasks/update', more: { inputResponses: responses } });
}

const acknowledged: JsonObject = { resultType: 'complete' };

/** In 2025-11-25 the answer is the task, and what is over can't be cancelled. */
async function cancelTask(asking: Asking, params: JsonObject, deps: TaskDeps): Promise<JsonObject> {
  const known = await findTask(asking, params, deps);
  const isOver = () => new RpcError(rpcCodes.invalidParams, 'Cannot cancel a task that is over');
  if ('result' in known) {
    if (asking.era === 'legacy') throw isOver();
    return acknowledged;
  }
  if (asking.era === 'legacy' && !isTaskOpen(await details(asking, known, deps))) throw isOver();
  await tell(asking, known, { method: 'tasks/cancel' });
  return asking.era === 'legacy' ? details(asking, known, deps) : acknowledged;
}

/** `tasks/result` of 2025-11-25: waits, and asks on its own stream meanwhile. */
async function resultOfTask(asking: Asking, params: JsonObject, deps: TaskDeps): Promise<JsonObject> {
  const known = await findTask(asking, params, deps);
  const over =
    'result' in known
      ? doneDetails(String(params.taskId), known)
      : await waitForTask({
          signal: asking.signal,
          ask: asking.ask,
          get: () => details(asking, known, deps),
          update: (responses) => answer(asking, known, { responses, deps }),
        });
  const payload = taskPayload(over);
  if (payload.kind === 'result') return { ...payload.result, resultType: 'complete' };
  throw payload.kind === 'error' ? payload.error : unknownTask();
}

function tell(
  { signal, notify }: Asking,
  { peer, route, client, taskId, watched: { lane } }: Known,
  { method, more = {} }: { readonly method: string; readonly more?: JsonObject },
): Promise<JsonObject> {
  return peer.request(route, { method, params: { taskId, ...more }, client, lane }, { signal, notify, ask: undefined });
}

/** Throws RpcError -32602 for whatever is no task of this caller here, -32021 where the client did not say that it knows tasks. */
async function findTask(asking: Asking, params: JsonObject, deps: TaskDeps): Promise<Known | DoneTicket> {
  await checkOffered(asking, deps.lists);
  if (asking.era === 'modern' && !declaresTasks(asking.client.capabilities)) {
    const required = { requiredCapabilities: { extensions: { [TASKS_EXTENSION]: {} } } };
    throw new RpcError(rpcCodes.missingCapability, 'Missing required client capability', required);
  }
  const id = stringIn(params, 'taskId') ?? '';
  const ticket = deps.taskIds.open(asking, id);
  if (!ticket) throw unknownTask();
  const part = asking.view.parts.find(({ binding }) => wayOf(binding) === ticket.binding);
  if (!part?.binding.server.enabled) throw unknownTask();
  asking.call.server = part.binding.server.key;
  // Begun with rights that may be gone.
  const wish = { action: 'call_tool', binding: part.binding, name: ticket.tool, definition: undefined } as const;
  checkRight(asking.view.endpoint, { ...wish, args: undefined });
  if ('result' in ticket) return ticket;
  const route = routeTo(asking, part.binding);
  const peer = await deps.peers.find(route);
  const { taskId, tool, lane, capabilities, logLevel, replica } = ticket;
  const client =
    peer.era === 'legacy'
      ? { capabilities, info: asking.client.info, logLevel }
      : { ...asking.client, capabilities: withTasks(asking.client.capabilities) };
  return { id, part, peer, route, client, taskId, tool, watched: { route, taskId, client, lane, replica } };
}

/** Throws RpcError -32601 where no server has tasks. */
async function checkOffered(asking: Asking, lists: Lists): Promise<void> {
  const parts = asking.view.parts.filter(({ binding }) => binding.server.enabled);
  const hellos = await lists.readHello(parts.map(({ binding }) => routeTo(asking, binding)));
  if (!hellos.some((hello) => hello === undefined || offersTasks(hello)))
    throw new RpcError(rpcCodes.unknownMethod, 'Method not found', noServerFor(asking.call.message?.method ?? ''));
}

const offersTasks = (hello: JsonObject | undefined): boolean => declaresTasks(objectIn(hello, 'capabilities'));

function doneDetails(taskId: string, { result, at }: DoneTicket): JsonObject {
  const times = { createdAt: at, lastUpdatedAt: at };
  return { resultType: 'complete', taskId, status: 'completed', ...times, ttlMs: null, result };
}

/** How a tool is called: as a task where both sides can, and waiting for one where only the server insists. */
export function taskWish(asking: Asking, definition: JsonObject | undefined): 'create' | 'wait' | undefined {
  const support: TaskSupport = taskSupport(definition);
  if (declaresTasks(asking.client.capabilities)) return support === 'forbidden' ? undefined : 'create';
  return support === 'required' || asking.era === 'legacy' ? 'wait' : undefined;
}

export interface Called {
  readonly part: EndpointPart;
  /** The server's own name of it. */
  readonly tool: string;
  readonly result: JsonObject;
  /** A client of 2025-11-25 asked for a task. */
  readonly asksTask: boolean;
}

/** What the client gets where the server made a task of its call, or didn't although the client asked for one. */
export function publishTask(asking: Asking, { part, tool, result, asksTask }: Called, deps: TaskDeps): JsonObject {
  const { taskIds, taskQuestions, replica, now } = deps;
  const { capabilities, logLevel } = asking.client;
  if (result.resultType === 'task') {
    const taskId = stringIn(result, 'taskId');
    if (taskId === undefined) throw new GatehouseError('upstream_broken', { cause: new Error('a task without id') });
    const ticket = { binding: wayOf(part.binding), taskId, tool, lane: asking.lane, capabilities, logLevel, replica };
    const route = routeTo(asking, part.binding);
    taskQuestions.remember({ route, taskId, client: asking.client, lane: asking.lane, replica });
    return { ...result, taskId: taskIds.seal(asking, ticket) };
  }
  if (!asksTask || result.resultType !== 'complete') return result;
  const { resultType: _type, ...rest } = result;
  if (JSON.stringify(rest).length > MAX_SEALED_RESULT) return result;
  const ticket: DoneTicket = { binding: wayOf(part.binding), tool, result: rest, at: new Date(now()).toISOString() };
  const { result: _result, ...task } = doneDetails(taskIds.seal(asking, ticket), ticket);
  return { ...task, resultType: 'task' };
}

/** Tools of modern servers say nothing of tasks; a legacy client asks for one only where the tool says that it may. */
export async function withTaskSupport(asking: Asking, result: JsonObject, deps: TaskDeps): Promise<JsonObject> {
  if (asking.era !== 'legacy' || !isSince(asking.version, '2025-11-25')) return result;
  const { tools } = result;
  if (!Array.isArray(tools)) return result;
  const names = await namesWithTasks(asking, deps);
  if (names.size === 0) return result;
  const told = (tool: Json) =>
    isJsonObject(tool) && tool.execution === undefined && names.has(stringIn(tool, 'name') ?? '')
      ? { ...tool, execution: { taskSupport: 'optional' } }
      : tool;
  return { ...result, tools: tools.map(told) };
}

async function namesWithTasks(asking: Asking, { peers, lists }: TaskDeps): Promise<ReadonlySet<string>> {
  const names = new Set<string>();
  const parts = asking.view.parts.filter(({ binding }) => binding.server.enabled);
  const hellos = await lists.readHello(parts.map(({ binding }) => routeTo(asking, binding)));
  for (const [i, part] of parts.entries()) {
    if (!offersTasks(hellos[i])) continue;
    const route = routeTo(asking, part.binding);
    if ((await peers.find(route)).era !== 'modern') continue;
    for (const { name } of lists.peek(route, 'tools')?.items ?? []) {
      const published = publishedToolName(String(name), part.binding.shaping);
      if (published !== undefined) names.add(publishedName(part, published));
    }
  }
  return names;
}
