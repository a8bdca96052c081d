/** What an endpoint can be asked, by method: each takes canonical params and gives a canonical result, in the endpoint's own names. */
import { type JsonObject, objectIn, stringIn } from '#core/json.ts';
import { type Found, findPrompt, findResource } from '#gateway/catalog/find.ts';
import { mergeHello, mergeList } from '#gateway/catalog/merge.ts';
import { checkRight, notePolicy } from '#gateway/rights/check.ts';
import { RpcError } from '#mcp/bridge/errors.ts';
import type { RightsWish } from '#records/rights.ts';
import type { Asking } from './asking.ts';
import { callTool } from './call-tool.ts';
import { checkEnabled, checkLimits, checkServed, converse, type Method, type MethodDeps } from './converse.ts';
import { listTools } from './meta-tools.ts';
import { taskMethods } from './tasks.ts';

export { checkEnabled, type Method, type MethodDeps };

export const methods: Readonly<Record<string, Method>> = {
  'server/discover': (asking, _params, deps) => mergeHello(asking, deps.lists),
  'tools/list': listTools,
  'prompts/list': (asking, params, deps) => mergeList(asking, { kind: 'prompts', params }, deps.lists),
  'resources/list': (asking, params, deps) => mergeList(asking, { kind: 'resources', params }, deps.lists),
  'resources/templates/list': (asking, params, deps) => mergeList(asking, { kind: 'templates', params }, deps.lists),
  'tools/call': callTool,
  'prompts/get': getPrompt,
  'resources/read': readByUri('resources/read'),
  'completion/complete': complete,
  'skills/list': (asking, params, deps) => mergeList(asking, { kind: 'skills', params }, deps.lists),
  'skills/get': readByUri('skills/get'),
  'resources/directory/read': readByUri('resources/directory/read'),
  ...taskMethods,
};

interface Checking extends Pick<RightsWish, 'action' | 'args'> {
  readonly found: Found;
}

async function check(asking: Asking, { found, ...wish }: Checking, deps: MethodDeps): Promise<void> {
  const { part, name, definition } = found;
  const { view, call } = asking;
  checkEnabled({ part });
  call.server ??= part.binding.server.key;
  checkRight(view.endpoint, { ...wish, binding: part.binding, name, definition, tell: notePolicy(call) });
  await checkLimits(asking, { found }, deps);
}

async function getPrompt(asking: Asking, params: JsonObject, deps: MethodDeps): Promise<JsonObject> {
  checkServed(asking, 'prompts/get');
  const found = await findPrompt(asking, stringIn(params, 'name') ?? '', deps.lists);
  await check(asking, { found, action: 'get_prompt', args: objectIn(params, 'arguments') ?? {} }, deps);
  return converse(
    asking,
    { found, method: 'prompts/get', params: { ...params, name: found.name }, told: params },
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
  await check(asking, { found, action: 'complete', args: {} }, deps);
  const mapped = { ...params, ref: { ...ref, [isPrompt ? 'name' : 'uri']: found.name } };
  return converse(asking, { found, method: 'completion/complete', params: mapped, told: params }, deps);
}

/** Resources and skills: what is told apart by server and URI (SEP-2640 for skills). */
function readByUri(method: string): Method {
  return async (asking, params, deps) => {
    checkServed(asking, method);
    const found = await findResource(asking, stringIn(params, 'uri') ?? '', deps.lists);
    await check(asking, { found, action: 'read_resource', args: {} }, deps);
    return converse(asking, { found, method, params: { ...params, uri: found.name }, told: params }, deps);
  };
}
