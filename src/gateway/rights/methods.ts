/**
 * Which methods policies let through (REQUIREMENTS S2.25): what names a thing is judged where it is known, lists are
 * filtered, and of the rest only these pass. What a policy has no word for is denied where one is attached.
 */
import { GatehouseError } from '#core/error.ts';
import type { Endpoint } from '#records/snapshot.ts';

const judged = [
  ...['tools/call', 'prompts/get', 'resources/read', 'resources/subscribe', 'resources/unsubscribe'],
  ...['resources/directory/read', 'skills/get', 'subscriptions/listen'],
];
const filtered = ['tools/list', 'prompts/list', 'resources/list', 'resources/templates/list', 'skills/list'];
const passing = ['initialize', 'ping', 'server/discover', 'completion/complete', 'logging/setLevel', 'roots/list'];
const known: ReadonlySet<string> = new Set([...judged, ...filtered, ...passing]);

/** Of a request. Throws `policy_denied`. */
export function checkMethod({ rights }: Endpoint, method: string): void {
  if (rights?.hasPolicy && !known.has(method)) throw new GatehouseError('policy_denied');
}
