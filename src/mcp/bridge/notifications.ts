/** Which notifications each revision has, in which direction, and how they read there. */
import { type Json, type JsonObject, objectIn } from '#core/json.ts';
import { MODERN_VERSION } from '#mcp/versions.ts';
import { isSince, omit, omitMeta, putMeta } from './objects.ts';
import { toCoreTask, toExtensionTask } from './tasks.ts';

export interface Notification {
  readonly method: string;
  readonly params: JsonObject | undefined;
}

type Party = 'client' | 'server';

interface Life {
  readonly from: readonly Party[];
  /** First revision that has it. */
  readonly since?: string;
  /** First revision that has it no more. */
  readonly until?: string;
}

const both: readonly Party[] = ['client', 'server'];
const server: readonly Party[] = ['server'];
const client: readonly Party[] = ['client'];

/** Of progress and cancellation see `notificationExists` too. */
const lives: ReadonlyMap<string, Life> = new Map<string, Life>([
  ['notifications/initialized', { from: client, until: MODERN_VERSION }],
  ['notifications/roots/list_changed', { from: client, until: MODERN_VERSION }],
  ['notifications/cancelled', { from: both }],
  ['notifications/progress', { from: both }],
  ['notifications/message', { from: server }],
  ['notifications/tools/list_changed', { from: server }],
  ['notifications/prompts/list_changed', { from: server }],
  ['notifications/resources/list_changed', { from: server }],
  ['notifications/resources/updated', { from: server }],
  ['notifications/elicitation/complete', { from: server, since: '2025-11-25', until: MODERN_VERSION }],
  ['notifications/tasks/status', { from: both, since: '2025-11-25', until: MODERN_VERSION }],
  ['notifications/tasks', { from: server, since: MODERN_VERSION }],
  ['notifications/subscriptions/acknowledged', { from: server, since: MODERN_VERSION }],
]);

/** Ones of extensions, unknown here, exist everywhere. A modern client cancels by `notifications/cancelled` on stdio only. */
export function notificationExists(method: string, from: Party, version: string): boolean {
  const life = lives.get(method);
  if (!life) return true;
  if (method === 'notifications/progress' && isSince(version, MODERN_VERSION)) return from === 'server';
  if (!life.from.includes(from) || !isSince(version, life.since ?? '')) return false;
  return life.until === undefined || !isSince(version, life.until);
}

/** A canonical notification of a server for a legacy client; undefined: its revision has none such. */
export function toLegacyNotification({ method, params }: Notification, version: string): Notification | undefined {
  if (method === 'notifications/tasks') {
    const renamed = { method: 'notifications/tasks/status', params: toCoreTask(params ?? {}) };
    return notificationExists(renamed.method, 'server', version) ? withoutId(renamed) : undefined;
  }
  if (!notificationExists(method, 'server', version)) return undefined;
  const isOld = method === 'notifications/progress' && !isSince(version, '2025-03-26');
  return withoutId({ method, params: isOld && params ? omit(params, ['message']) : params });
}

/** A legacy server's notification in the canonical form; undefined: the modern revision has none such. */
export function toCanonicalNotification({ method, params }: Notification): Notification | undefined {
  if (method === 'notifications/tasks/status') {
    const task = toExtensionTask(omitMeta(params ?? {}, ['io.modelcontextprotocol/related-task']));
    return { method: 'notifications/tasks', params: task };
  }
  return notificationExists(method, 'server', MODERN_VERSION) ? { method, params } : undefined;
}

const SUBSCRIPTION_KEY = 'io.modelcontextprotocol/subscriptionId';

function withoutId({ method, params }: Notification): Notification {
  return { method, params: params && withoutSubscriptionId(params) };
}

/** `id`: the JSON-RPC id of the `subscriptions/listen` request, also on its result. */
export function withSubscriptionId(params: JsonObject | undefined, id: Json): JsonObject {
  return putMeta(params ?? {}, { [SUBSCRIPTION_KEY]: id });
}

export function withoutSubscriptionId(params: JsonObject): JsonObject {
  return omitMeta(params, [SUBSCRIPTION_KEY]);
}

export function subscriptionIdOf(params: JsonObject | undefined): Json | undefined {
  return objectIn(params, '_meta')?.[SUBSCRIPTION_KEY];
}

/** RFC 5424, from the least severe. */
export const logLevels: readonly string[] = [
  'debug',
  'info',
  'notice',
  'warning',
  'error',
  'critical',
  'alert',
  'emergency',
];

/** Does a `notifications/message` of `level` reach a client that asked for `threshold`? Undefined: it asked for none. */
export function isLogged(level: string | undefined, threshold: string | undefined): boolean {
  if (level === undefined || threshold === undefined) return false;
  const [rank, least] = [logLevels.indexOf(level), logLevels.indexOf(threshold)];
  return least >= 0 && rank >= least;
}
