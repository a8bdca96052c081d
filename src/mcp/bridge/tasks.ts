/** Tasks: part of the protocol in 2025-11-25 (experimental), the extension `io.modelcontextprotocol/tasks` since (SEP-2663). */
import { isJsonObject, type Json, type JsonObject, objectIn, stringIn } from '#core/json.ts';
import { parseRpcError, type RpcError } from './errors.ts';
import { compact, listIn, mapListIn, mapObjectIn, mapStringIn, omit, omitMeta, putMeta } from './objects.ts';

export const TASKS_EXTENSION = 'io.modelcontextprotocol/tasks';
const RELATED_TASK_KEY = 'io.modelcontextprotocol/related-task';

/** A 2025-11-25 task with the extension's names. The five statuses are the same in both. */
export function toExtensionTask(task: JsonObject): JsonObject {
  const { ttl, pollInterval } = task;
  return { ...omit(task, ['ttl', 'pollInterval']), ...compact({ ttlMs: ttl ?? null, pollIntervalMs: pollInterval }) };
}

export function toCoreTask(task: JsonObject): JsonObject {
  const own = ['ttlMs', 'pollIntervalMs', 'resultType', 'result', 'error', 'inputRequests'];
  return { ...omit(task, own), ...compact({ ttl: task.ttlMs ?? null, pollInterval: task.pollIntervalMs }) };
}

/** 2025-11-25 CreateTaskResult → the result of type `task`. */
export function toTaskResult(created: JsonObject): JsonObject {
  const task = objectIn(created, 'task') ?? {};
  return { ...omitMeta(omit(created, ['task']), [RELATED_TASK_KEY]), ...toExtensionTask(task), resultType: 'task' };
}

const taskFields = ['taskId', 'status', 'statusMessage', 'createdAt', 'lastUpdatedAt', 'ttlMs', 'pollIntervalMs'];

export function toCreateTaskResult(result: JsonObject): JsonObject {
  const task = Object.fromEntries(Object.entries(result).filter(([key]) => taskFields.includes(key)));
  return { ...omit(result, [...taskFields, 'resultType']), task: toCoreTask(task) };
}

export interface TaskOutcome {
  /** What `tasks/result` answered, where the status is `completed` (or `failed`, as the tool's own error). */
  readonly result?: JsonObject;
  /** Where `tasks/result` answered with an error. */
  readonly error?: RpcError;
  /** What the server asks meanwhile. */
  readonly inputRequests?: JsonObject;
}

/** A legacy `tasks/get` with what the extension tells beside it. `failed` needs an error there, so a tool's own failure completes. */
export function toTaskDetails(task: JsonObject, outcome: TaskOutcome): JsonObject {
  const base = { ...toExtensionTask(omitMeta(task, [RELATED_TASK_KEY])), resultType: 'complete' };
  if (outcome.result) {
    return { ...base, status: 'completed', result: omitMeta(omit(outcome.result, ['resultType']), [RELATED_TASK_KEY]) };
  }
  if (outcome.error) return { ...base, status: 'failed', error: outcome.error.toJson() };
  return outcome.inputRequests ? { ...base, inputRequests: outcome.inputRequests } : base;
}

/** Does the status still change? */
export function isTaskOpen(task: JsonObject): boolean {
  return task.status === 'working' || task.status === 'input_required';
}

export type TaskPayload =
  | { readonly kind: 'open'; readonly inputRequests: JsonObject | undefined }
  | { readonly kind: 'result'; readonly result: JsonObject }
  | { readonly kind: 'error'; readonly error: RpcError };

/** What a legacy client's `tasks/result` gets from the extension's `tasks/get`; a cancelled task is an error. */
export function taskPayload(details: JsonObject): TaskPayload {
  if (isTaskOpen(details)) return { kind: 'open', inputRequests: objectIn(details, 'inputRequests') };
  const result = objectIn(details, 'result');
  if (details.status === 'completed' && result) {
    const related = putMeta(result, { [RELATED_TASK_KEY]: { taskId: stringIn(details, 'taskId') ?? '' } });
    return { kind: 'result', result: omit(related, ['resultType']) };
  }
  const fallback = { code: -32603, message: `The task is ${stringIn(details, 'status') ?? 'lost'}` };
  return { kind: 'error', error: parseRpcError(details.error ?? fallback) };
}

export type TaskSupport = 'forbidden' | 'optional' | 'required';

/** A 2025-11-25 tool: may a call of it ask for a task? */
export function taskSupport(tool: JsonObject | undefined): TaskSupport {
  const declared = objectIn(tool, 'execution')?.taskSupport;
  return declared === 'optional' || declared === 'required' ? declared : 'forbidden';
}

/** The task that a legacy message belongs to. */
export function relatedTask(value: JsonObject | undefined): string | undefined {
  return stringIn(objectIn(objectIn(value, '_meta'), RELATED_TASK_KEY), 'taskId');
}

/** Rewrites the id of a task wherever params or a result of either revision carry one. */
export function mapTaskIds(value: JsonObject, map: (id: string) => string): JsonObject {
  const idOf = (task: JsonObject) => mapStringIn(task, 'taskId', map);
  const meta = mapObjectIn(value, '_meta', (inner) => mapObjectIn(inner, RELATED_TASK_KEY, idOf));
  const listed = mapListIn(mapObjectIn(idOf(meta), 'task', idOf), 'tasks', idOf);
  return mapObjectIn(listed, 'notifications', (filter) => {
    const ids = listIn(filter, 'taskIds');
    return ids ? { ...filter, taskIds: ids.map((id) => (typeof id === 'string' ? map(id) : id)) } : filter;
  });
}

/** Capabilities with the extension declared: what makes a modern server free to answer by a task. */
export function withTasks(capabilities: JsonObject): JsonObject {
  const extensions = objectIn(capabilities, 'extensions');
  return { ...capabilities, extensions: { ...extensions, [TASKS_EXTENSION]: {} } };
}

export function declaresTasks(capabilities: JsonObject | undefined): boolean {
  const settings: Json | undefined = objectIn(capabilities, 'extensions')?.[TASKS_EXTENSION];
  return isJsonObject(settings);
}
