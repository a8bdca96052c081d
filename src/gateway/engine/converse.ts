import type { JsonObject } from '#core/json.ts';
import type { Found } from '#gateway/catalog/find.ts';
import type { Limits } from '#gateway/limits.ts';
import { notEnabled } from '#gateway/not-enabled.ts';
import type { PeerRequest } from '#gateway/peers/peer.ts';
import { noServerFor } from '#gateway/render.ts';
import { countOnce } from '#gateway/take-place.ts';
import { RpcError } from '#mcp/bridge/errors.ts';
import { type Asking, routeTo } from './asking.ts';
import type { Confirmations } from './confirmations.ts';
import type { Conversations } from './conversations.ts';
import { fromServer } from './mapping.ts';
import type { TaskDeps } from './tasks.ts';

export interface MethodDeps extends TaskDeps {
  readonly conversations: Conversations;
  readonly confirmations: Confirmations;
  readonly limits: Pick<Limits, 'takeServer'>;
}

export type Method = (asking: Asking, params: JsonObject, deps: MethodDeps) => Promise<JsonObject>;

export interface Errand {
  readonly found: Found;
  readonly method: string;
  readonly task?: PeerRequest['task'];
  /** In the server's words, and as the client said it. */
  readonly params: JsonObject;
  readonly told: JsonObject;
}

export function checkEnabled({ part: { binding } }: Pick<Found, 'part'>): void {
  if (binding.server.enabled) return;
  throw notEnabled(binding.server);
}

/** After it is known to be theirs, before anything is done for it. Rejects `rate_limited`, `too_many_calls`. */
export async function checkLimits(
  asking: Asking,
  { found, tool }: { readonly found: Found; readonly tool?: string },
  { limits }: Pick<MethodDeps, 'limits'>,
): Promise<void> {
  await countOnce(asking.call, { asker: asking, server: found.part.binding.server.id, tool }, limits);
}

/** Nothing that the caller may use could answer. */
export function checkServed({ view }: Asking, method: string): void {
  if (view.parts.some(({ binding }) => binding.server.enabled) || view.endpoint.kind !== 'everything') return;
  throw new RpcError(-32601, 'Method not found', noServerFor(method));
}

/** The server's answer, in the endpoint's names. */
export async function converse(asking: Asking, errand: Errand, { conversations }: MethodDeps): Promise<JsonObject> {
  const { found, method } = errand;
  asking.call.server = found.part.binding.server.key;
  checkEnabled(found);
  const result = await conversations.hold(asking, { ...errand, route: routeTo(asking, found.part.binding) });
  return fromServer(method, result, found.part);
}
