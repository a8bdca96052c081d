/** `subscriptions/listen` (2026-07-28): which notifications a filter lets through, and what of it a server honours. */
import { type JsonObject, objectIn, stringIn } from '#core/json.ts';
import type { Notification } from './notifications.ts';
import { compact, listIn } from './objects.ts';

const flags: ReadonlyMap<string, string> = new Map([
  ['notifications/tools/list_changed', 'toolsListChanged'],
  ['notifications/prompts/list_changed', 'promptsListChanged'],
  ['notifications/resources/list_changed', 'resourcesListChanged'],
]);

/** Never what wasn't asked for; progress and log messages belong to their requests. */
export function passesFilter({ method, params }: Notification, filter: JsonObject): boolean {
  const flag = flags.get(method);
  if (flag !== undefined) return filter[flag] === true;
  if (method === 'notifications/resources/updated') return lists(filter, 'resourceSubscriptions', params, 'uri');
  if (method === 'notifications/tasks') return lists(filter, 'taskIds', params, 'taskId');
  return false;
}

function lists(filter: JsonObject, key: string, params: JsonObject | undefined, member: string): boolean {
  const value = stringIn(params, member);
  return value !== undefined && (listIn(filter, key)?.includes(value) ?? false);
}

/** The part of a filter that a server with these capabilities can honour: what the acknowledgement says. */
export function honouredFilter(filter: JsonObject, capabilities: JsonObject | undefined): JsonObject {
  const changes = (noun: string, flag: string) =>
    filter[flag] === true && objectIn(capabilities, noun)?.listChanged === true ? true : undefined;
  const uris = objectIn(capabilities, 'resources')?.subscribe === true ? filter.resourceSubscriptions : undefined;
  const tasks = objectIn(objectIn(capabilities, 'extensions'), 'io.modelcontextprotocol/tasks');
  return compact({
    toolsListChanged: changes('tools', 'toolsListChanged'),
    promptsListChanged: changes('prompts', 'promptsListChanged'),
    resourcesListChanged: changes('resources', 'resourcesListChanged'),
    resourceSubscriptions: uris,
    taskIds: tasks ? filter.taskIds : undefined,
  });
}
