/** Tasks of a server of 2025-11-25, asked for in the extension's words (SEP-2663). */
import type { JsonObject } from '#core/json.ts';
import { objectIn } from '#core/json.ts';
import { RpcError, rpcCodes } from '#mcp/bridge/errors.ts';
import { isTaskOpen, toTaskDetails } from '#mcp/bridge/tasks.ts';

/** One request in the server's own words. */
type Raw = (method: string, params: JsonObject) => Promise<JsonObject>;

export const legacyTaskMethods: ReadonlySet<string> = new Set(['tasks/get', 'tasks/cancel']);

export function hasTasks(hello: JsonObject): boolean {
  const requests = objectIn(objectIn(objectIn(hello, 'capabilities'), 'tasks'), 'requests');
  return objectIn(objectIn(requests, 'tools'), 'call') !== undefined;
}

export async function requestTask(method: string, { taskId = null }: JsonObject, raw: Raw): Promise<JsonObject> {
  const task = { taskId };
  if (method === 'tasks/get') return details(await raw('tasks/get', task), raw);
  try {
    await raw('tasks/cancel', task);
  } catch (thrown) {
    // What is over can't be cancelled here; in the extension that is no error, but an unknown task is.
    if (!(thrown instanceof RpcError) || thrown.code !== rpcCodes.invalidParams) throw thrown;
    if (isTaskOpen(await raw('tasks/get', task))) throw thrown;
  }
  return { resultType: 'complete' };
}

/** With the result inside, once there is one. */
async function details(task: JsonObject, raw: Raw): Promise<JsonObject> {
  if (isTaskOpen(task) || task.status === 'cancelled') return toTaskDetails(task, {});
  try {
    return toTaskDetails(task, { result: await raw('tasks/result', { taskId: task.taskId ?? null }) });
  } catch (thrown) {
    if (!(thrown instanceof RpcError)) throw thrown;
    return toTaskDetails(task, { error: thrown });
  }
}
