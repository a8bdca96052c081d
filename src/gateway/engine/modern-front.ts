/** Clients of the modern era: each request stands alone, hanging up cancels, questions come back as `input_required`. */
import { GatehouseError } from '#core/error.ts';
import { type Json, type JsonObject, objectIn, ownIn, parseJson } from '#core/json.ts';
import { mergeHello } from '#gateway/catalog/merge.ts';
import { textOf } from '#gateway/catalog/ready.ts';
import { viewOf } from '#gateway/catalog/view.ts';
import { checkMethod } from '#gateway/rights/methods.ts';
import { splitEnvelope } from '#mcp/bridge/envelope.ts';
import { RpcError } from '#mcp/bridge/errors.ts';
import { isLogged, withSubscriptionId } from '#mcp/bridge/notifications.ts';
import { requestExists } from '#mcp/bridge/requests.ts';
import { MODERN_VERSION } from '#mcp/versions.ts';
import type { EngineAsked } from './asked.ts';
import type { Asking } from './asking.ts';
import { type ClientStreamDeps, filterOf, Hearing } from './client-streams.ts';
import { type MethodDeps, methods } from './methods.ts';
import type { Reply } from './reply.ts';

export async function handleModern(asked: EngineAsked, deps: MethodDeps & ClientStreamDeps): Promise<void> {
  const { call, reply, message } = asked;
  if (call.message?.kind !== 'request' || !message) return reply.finish('', 202);
  const method = call.message.method ?? '';
  const { params, envelope } = splitEnvelope(objectIn(message, 'params') ?? {});
  const own = ownIn(call.door?.facade?.answers ?? {}, method);
  if (!own) checkMethod(asked.view.endpoint, method);
  const run = own ?? ownIn(methods, method);
  const isKnown = run !== undefined && requestExists(method, MODERN_VERSION);
  if (!isKnown && method !== 'subscriptions/listen') throw new GatehouseError('unknown_method');
  const { progressToken, logLevel } = envelope;
  const asking: Asking = {
    ...asked,
    client: { capabilities: envelope.capabilities ?? {}, info: envelope.clientInfo, logLevel },
    era: 'modern',
    version: MODERN_VERSION,
    lane: '',
    signal: reply.signal,
    notify(name, said) {
      const told = notificationFor(name, said, { progressToken, logLevel });
      if (told) reply.event({ jsonrpc: '2.0', method: name, params: told });
    },
    ask: undefined,
  };
  if (!run) return listen(asking, params, { reply, deps });
  const result = await run(asking, params, deps);
  if (result.resultType === undefined) throw new RpcError(-32603, 'The server gave no result');
  reply.result(textOf(result, { method, version: undefined }));
}

/** Acknowledged first; ends with its result where the gateway ends it (MCP 2026-07-28, subscriptions). */
async function listen(
  asking: Asking,
  params: JsonObject,
  { reply, deps }: { readonly reply: Reply; readonly deps: ClientStreamDeps },
): Promise<void> {
  if (!reply.canStream) throw new GatehouseError('not_acceptable');
  const hello = await mergeHello(asking, deps.lists);
  const { wish, honoured } = filterOf(params, objectIn(hello, 'capabilities'));
  const id = parseJson(asking.call.message?.id?.toString('utf8') ?? 'null');
  const say = (method: string, said: JsonObject) =>
    reply.event({ jsonrpc: '2.0', method, params: withSubscriptionId(said, id) });
  /** What is heard before the acknowledgement. */
  let early: (() => void)[] | undefined = [];
  const tell = (method: string, said: JsonObject) => {
    if (early) early.push(() => say(method, said));
    else say(method, said);
  };
  reply.openStream(() => reply.result(JSON.stringify(withSubscriptionId({ resultType: 'complete' }, id))));
  const hearing = new Hearing(reply.signal, tell, deps);
  reply.onRenewed = ({ organization, endpoint, reach }) => {
    hearing.want({ ...asking, organization, reach, view: viewOf(endpoint) }, wish).catch(() => undefined);
  };
  // Once it is acknowledged nothing is missed.
  let heard: readonly string[] = [];
  await hearing.want(asking, wish, (uris) => {
    heard = uris;
  });
  say('notifications/subscriptions/acknowledged', { notifications: honoured(heard) });
  for (const sayNow of early) sayNow();
  early = undefined;
}

interface Wanted {
  readonly progressToken: Json | undefined;
  readonly logLevel: string | undefined;
}

/** Only what this request asked for (MCP 2026-07-28: no log messages without `logLevel`). */
export function notificationFor(
  method: string,
  params: JsonObject,
  { progressToken, logLevel }: Wanted,
): JsonObject | undefined {
  if (method === 'notifications/progress')
    return progressToken === undefined ? undefined : { ...params, progressToken };
  if (method === 'notifications/message')
    return logLevel !== undefined && isLogged(String(params.level), logLevel) ? params : undefined;
  return undefined;
}
