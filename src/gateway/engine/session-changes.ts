/** What changes in a session of a legacy client: its log level and its subscriptions. */
import { type JsonObject, ownIn } from '#core/json.ts';
import { findResource } from '#gateway/catalog/find.ts';
import { checkRight, notePolicy } from '#gateway/rights/check.ts';
import type { Session } from '#gateway/session.ts';
import { RpcError } from '#mcp/bridge/errors.ts';
import { logLevels, type SessionState, type SessionStateChange } from '#records/session-states.ts';
import type { EngineAsked } from './asked.ts';
import { tellsUpdates } from './client-streams.ts';
import { askingOf, type LegacyDeps } from './legacy-asking.ts';

/** By method. */
export const changesOf: Readonly<
  Record<string, (params: JsonObject, expiresAt: number) => SessionStateChange | undefined>
> = {
  'logging/setLevel': ({ level }, expiresAt) => {
    const logLevel = logLevels.find((known) => known === level);
    return logLevel === undefined ? undefined : { logLevel, expiresAt };
  },
  'resources/subscribe': ({ uri }, expiresAt) => (typeof uri === 'string' ? { subscribe: uri, expiresAt } : undefined),
  'resources/unsubscribe': ({ uri }, expiresAt) =>
    typeof uri === 'string' ? { unsubscribe: uri, expiresAt } : undefined,
};

export async function changeSession(
  asked: EngineAsked,
  session: Session,
  { method, params, deps }: Changing,
): Promise<void> {
  const change = ownIn(changesOf, method)?.(params, session.expiresAt);
  if (!change) throw new RpcError(-32602, 'Invalid params');
  const isJudged = 'unsubscribe' in change && asked.view.endpoint.rights?.hasPolicy === true;
  if ('subscribe' in change || isJudged) {
    const as = { client: session.client, lane: session.digest, signal: asked.reply.signal, logLevel: undefined };
    const asking = askingOf(asked, { ...as, params }, deps);
    const found = await findResource(asking, String(params.uri), deps.lists);
    const { part, name } = found;
    checkRight(asked.view.endpoint, {
      ...{ action: 'read_resource', binding: part.binding, name, definition: undefined, args: {} },
      tell: notePolicy(asked.call),
    });
    if ('subscribe' in change && !(await tellsUpdates(asking, found, deps.lists)))
      throw new RpcError(-32601, 'Its server tells of no updates');
  }
  await deps.states.update(asked.organization.id, session.digest, change);
  asked.reply.result('{}');
}

interface Changing {
  readonly method: string;
  readonly params: JsonObject;
  readonly deps: LegacyDeps;
}

export async function stateOf(
  { organization }: EngineAsked,
  { digest }: Session,
  { states }: LegacyDeps,
): Promise<SessionState> {
  return states.find(organization.id, digest) ?? states.load(organization.id, digest);
}
