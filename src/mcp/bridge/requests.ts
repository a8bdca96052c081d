/** A client's requests: which each revision has, and what of their params belongs to one era only. */
import { isJsonObject, type JsonObject } from '#core/json.ts';
import { MODERN_VERSION } from '#mcp/versions.ts';
import { isSince, omit } from './objects.ts';

type Era = 'legacy' | 'modern';

const eras: ReadonlyMap<string, Era> = new Map<string, Era>([
  ['initialize', 'legacy'],
  ['ping', 'legacy'],
  ['logging/setLevel', 'legacy'],
  ['resources/subscribe', 'legacy'],
  ['resources/unsubscribe', 'legacy'],
  ['server/discover', 'modern'],
  ['subscriptions/listen', 'modern'],
  ['tasks/result', 'legacy'],
  ['tasks/list', 'legacy'],
  ['tasks/update', 'modern'],
]);

/** Ones of extensions, unknown here, exist everywhere. */
export function requestExists(method: string, version: string): boolean {
  if (method.startsWith('tasks/') && !isSince(version, '2025-11-25')) return false;
  const era = eras.get(method);
  return era === undefined || (era === 'modern') === isSince(version, MODERN_VERSION);
}

export interface CanonicalRequest {
  readonly params: JsonObject;
  /** The caller of 2025-11-25 asked for a task: declare the extension (`withTasks`) for this call. */
  readonly asksTask: boolean;
}

/** Params (without envelope) of a legacy client. What only a modern one may send is dropped: it would be answered as such. */
export function toCanonicalParams(method: string, params: JsonObject, version: string): CanonicalRequest {
  const asksTask = method === 'tools/call' && isSince(version, '2025-11-25') && isJsonObject(params.task);
  const modernOnly = ['inputResponses', 'requestState'];
  return { params: omit(params, method === 'tools/call' ? [...modernOnly, 'task'] : modernOnly), asksTask };
}

export interface LegacyCall {
  /** The server's revision. */
  readonly version: string;
  /** For a tool that may or must become a task: ask for one, kept for that long where given. */
  readonly task?: { readonly ttlMs?: number } | undefined;
}

/** Canonical params (without envelope) for a legacy server. */
export function toLegacyParams(method: string, params: JsonObject, { version, task }: LegacyCall): JsonObject {
  const modernOnly = ['inputResponses', 'requestState'];
  // A modern client's `task` is a word of the other era: it asks for nothing.
  const own = omit(params, method === 'tools/call' ? [...modernOnly, 'task'] : modernOnly);
  if (method === 'completion/complete' && !isSince(version, '2025-06-18')) return omit(own, ['context']);
  if (method !== 'tools/call' || !task || !isSince(version, '2025-11-25')) return own;
  return { ...own, task: task.ttlMs === undefined ? {} : { ttl: task.ttlMs } };
}
