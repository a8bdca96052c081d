/** What an endpoint can be asked, by method: each takes canonical params and gives a canonical result, in the endpoint's own names. */
import { type JsonObject, objectIn, stringIn } from '#core/json.ts';
import { findPrompt, findResource } from '#gateway/catalog/find.ts';
import { mergeHello, mergeList } from '#gateway/catalog/merge.ts';
import { RpcError } from '#mcp/bridge/errors.ts';
import type { Asking } from './asking.ts';
import { callTool } from './call-tool.ts';
import { checkServed, converse, type Method, type MethodDeps } from './converse.ts';
import { listTools } from './meta-tools.ts';
import { taskMethods } from './tasks.ts';

export { checkEnabled, type Method, type MethodDeps } from './converse.ts';

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

async function getPrompt(asking: Asking, params: JsonObject, deps: MethodDeps): Promise<JsonObject> {
  checkServed(asking, 'prompts/get');
  const found = await findPrompt(asking, stringIn(params, 'name') ?? '', deps.lists);
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
  const mapped = { ...params, ref: { ...ref, [isPrompt ? 'name' : 'uri']: found.name } };
  return converse(asking, { found, method: 'completion/complete', params: mapped, told: params }, deps);
}

/** Resources and skills: what is told apart by server and URI (SEP-2640 for skills). */
function readByUri(method: string): Method {
  return async (asking, params, deps) => {
    checkServed(asking, method);
    const found = await findResource(asking, stringIn(params, 'uri') ?? '', deps.lists);
    return converse(asking, { found, method, params: { ...params, uri: found.name }, told: params }, deps);
  };
}
