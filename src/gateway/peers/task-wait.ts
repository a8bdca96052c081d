/** Waiting for a task where whoever called can't: it is polled, its questions are asked, until it is over. */

import { isJsonObject, type JsonObject, objectIn, stringIn } from '#core/json.ts';
import { pause } from '#core/pause.ts';
import { RpcError, rpcCodes } from '#mcp/bridge/errors.ts';
import { numberOf } from '#mcp/bridge/objects.ts';
import { isTaskOpen, TASKS_EXTENSION } from '#mcp/bridge/tasks.ts';
import type { PeerEvents } from './peer.ts';

export interface TaskInQuestion extends Pick<PeerEvents, 'ask' | 'signal'> {
  /** `tasks/get` in its canonical form. */
  readonly get: () => Promise<JsonObject>;
  readonly update: (inputResponses: JsonObject) => Promise<unknown>;
}

/** How often a server is asked that doesn't say, and at most and least, milliseconds. */
const poll = { usual: 1000, least: 100, most: 5000 } as const;

/** The details of the task once it is over. Rejects with what `get` does, or the signal's reason. */
export async function waitForTask({ get, update, ask, signal }: TaskInQuestion): Promise<JsonObject> {
  const answered = new Set<string>();
  for (;;) {
    const details = await get();
    if (!isTaskOpen(details)) return details;
    const asked = Object.entries(objectIn(details, 'inputRequests') ?? {}).filter(([key]) => !answered.has(key));
    if (asked.length > 0) {
      if (!ask) throw new RpcError(rpcCodes.internal, 'The task asks something, and nobody can be asked');
      const answers = asked.map(async ([key, request]) => {
        const method = isJsonObject(request) ? stringIn(request, 'method') : undefined;
        const params = isJsonObject(request) ? objectIn(request, 'params') : undefined;
        answered.add(key);
        return [key, await ask(method ?? '', params ?? {})] as const;
      });
      await update(Object.fromEntries(await Promise.all(answers)));
    } else await pause(intervalOf(details), signal);
  }
}

function intervalOf({ pollIntervalMs }: JsonObject): number {
  return Math.max(poll.least, Math.min(poll.most, numberOf(pollIntervalMs) ?? poll.usual));
}

/** The server takes this call only from a client that can hold a task. */
export function needsTasks(thrown: unknown): boolean {
  if (!(thrown instanceof RpcError) || thrown.code !== rpcCodes.missingCapability || !isJsonObject(thrown.data))
    return false;
  const required = objectIn(objectIn(thrown.data, 'requiredCapabilities'), 'extensions');
  return required !== undefined && Object.keys(required).join() === TASKS_EXTENSION;
}
