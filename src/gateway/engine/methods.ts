/** What an endpoint can be asked, by method: each takes canonical params and gives a canonical result, in the endpoint's own names. */
import { GatehouseError } from '#core/error.ts';
import { type Json, type JsonObject, objectIn, stringIn } from '#core/json.ts';
import { type Found, findPrompt, findResource, findTool } from '#gateway/catalog/find.ts';
import type { Lists } from '#gateway/catalog/lists.ts';
import { mergeHello, mergeList } from '#gateway/catalog/merge.ts';
import type { Peers } from '#gateway/peers/peers.ts';
import { noServerFor } from '#gateway/render.ts';
import { templateValues } from '#gateway/template-values.ts';
import { RpcError } from '#mcp/bridge/errors.ts';
import { applyRules } from '#mcp/shape/rules.ts';
import { type Asking, routeTo } from './asking.ts';
import type { Conversations } from './conversations.ts';
import { fromServer } from './mapping.ts';

export interface MethodDeps {
  readonly peers: Peers;
  readonly lists: Lists;
  readonly conversations: Conversations;
}

export type Method = (asking: Asking, params: JsonObject, deps: MethodDeps) => Promise<JsonObject>;

export const methods: Readonly<Record<string, Method>> = {
  'server/discover': (asking, _params, deps) => mergeHello(asking, deps.lists),
  'tools/list': (asking, params, deps) => mergeList(asking, { kind: 'tools', params }, deps.lists),
  'prompts/list': (asking, params, deps) => mergeList(asking, { kind: 'prompts', params }, deps.lists),
  'resources/list': (asking, params, deps) => mergeList(asking, { kind: 'resources', params }, deps.lists),
  'resources/templates/list': (asking, params, deps) => mergeList(asking, { kind: 'templates', params }, deps.lists),
  'tools/call': callTool,
  'prompts/get': getPrompt,
  'resources/read': readResource,
  'completion/complete': complete,
};

export function checkEnabled({ part: { binding } }: Pick<Found, 'part'>): void {
  if (binding.server.enabled) return;
  throw new GatehouseError('not_enabled', {
    data: `Service '${binding.server.key}' is not enabled for your organization`,
  });
}

/** Nothing that the caller may use could answer. */
function checkServed({ view }: Asking, method: string): void {
  if (view.parts.some(({ binding }) => binding.server.enabled) || view.endpoint.kind !== 'everything') return;
  throw new RpcError(-32601, 'Method not found', noServerFor(method));
}

async function callTool(asking: Asking, params: JsonObject, deps: MethodDeps): Promise<JsonObject> {
  checkServed(asking, 'tools/call');
  const found = await findTool(asking, stringIn(params, 'name') ?? '', deps.lists);
  const args = ruledArguments(asking, found, params.arguments);
  const inner = { ...params, name: found.name, arguments: args };
  return converse(asking, { found, method: 'tools/call', params: inner, told: params }, deps);
}

/** What the organization decided wins over what the caller sent. Throws GatehouseError `enforcement_failed`. */
function ruledArguments(
  { principal, organization }: Asking,
  { part: { binding }, name }: Found,
  args: Json | undefined,
): JsonObject {
  const { shaping, enforced } = binding;
  return applyRules(args, { tool: name, shaping, enforced, claims: templateValues(principal, organization) });
}

async function getPrompt(asking: Asking, params: JsonObject, deps: MethodDeps): Promise<JsonObject> {
  checkServed(asking, 'prompts/get');
  const found = await findPrompt(asking, stringIn(params, 'name') ?? '', deps.lists);
  return converse(
    asking,
    { found, method: 'prompts/get', params: { ...params, name: found.name }, told: params },
    deps,
  );
}

async function readResource(asking: Asking, params: JsonObject, deps: MethodDeps): Promise<JsonObject> {
  checkServed(asking, 'resources/read');
  const found = await findResource(asking, stringIn(params, 'uri') ?? '', deps.lists);
  return converse(
    asking,
    { found, method: 'resources/read', params: { ...params, uri: found.name }, told: params },
    deps,
  );
}

async function complete(asking: Asking, params: JsonObject, deps: MethodDeps): Promise<JsonObject> {
  const ref = objectIn(params, 'ref');
  const isPrompt = ref?.type === 'ref/prompt';
  const wanted = stringIn(ref, isPrompt ? 'name' : 'uri');
  if (wanted === undefined) throw new RpcError(-32602, 'params.ref must name a prompt or a resource');
  const found = isPrompt
    ? await findPrompt(asking, wanted, deps.lists)
    : await findResource(asking, wanted, deps.lists);
  const mapped = { ...params, ref: { ...ref, [isPrompt ? 'name' : 'uri']: found.name } };
  return converse(asking, { found, method: 'completion/complete', params: mapped, told: params }, deps);
}

interface Errand {
  readonly found: Found;
  readonly method: string;
  /** In the server's words, and as the client said it. */
  readonly params: JsonObject;
  readonly told: JsonObject;
}

async function converse(asking: Asking, errand: Errand, { conversations }: MethodDeps): Promise<JsonObject> {
  const { found, method } = errand;
  asking.call.server = found.part.binding.server.key;
  checkEnabled(found);
  const result = await conversations.hold(asking, { ...errand, route: routeTo(asking, found.part.binding) });
  return fromServer(method, result, found.part);
}
