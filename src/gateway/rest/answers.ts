/** What each wish is answered with: the methods of MCP do the work, here it becomes plain JSON. */
import { type Json, type JsonObject, objectIn, stringIn } from '#core/json.ts';
import type { RestWish } from '#core/rest-path.ts';
import { viewOf } from '#gateway/catalog/view.ts';
import type { Asking } from '#gateway/engine/asking.ts';
import { checkEnabled, type Method, type MethodDeps, methods } from '#gateway/engine/methods.ts';
import { RpcError, rpcCodes } from '#mcp/bridge/errors.ts';
import type { Endpoint } from '#records/snapshot.ts';
import type { Cooldown } from './cooldown.ts';
import { listTools, type ServerTools } from './listing.ts';
import { findByFullName, metaBody, unknownName } from './meta.ts';
import { metaDocument } from './meta-document.ts';
import { refresh } from './refresh.ts';
import { bodyOf, failureOf } from './result.ts';
import { endpointsIn, serverList, tenantList } from './server-list.ts';
import { allToolsOf, documentFor, toolsOf } from './tool-lists.ts';

export interface Said {
  readonly status: number;
  /** JSON. */
  readonly text: string;
}

export interface AnswerContext {
  /** As the caller came in, no trailing slash. */
  readonly baseUrl: string;
  readonly cooldown: Cooldown;
  readonly metaTools: boolean;
  readonly say: (said: Said) => void;
}

interface Body {
  readonly status?: number;
  readonly body: Json;
}

type Answer = (asking: Asking, params: JsonObject, deps: MethodDeps) => Promise<Body>;

export function answersTo(wish: RestWish, context: AnswerContext): Readonly<Record<string, Method>> {
  const answer = answerTo(wish, context);
  const run: Method = async (asking, params, deps) => {
    const { status = 200, body } = await answer(asking, params, deps);
    const text = JSON.stringify(body);
    asking.call.bytesOut += Buffer.byteLength(text);
    context.say({ status, text });
    return { resultType: 'complete' };
  };
  return { 'server/discover': run, 'tools/list': run, 'tools/call': run };
}

function answerTo(wish: RestWish, { baseUrl, cooldown, metaTools }: AnswerContext): Answer {
  const { organization } = wish.path;
  // What a client is to choose from is as short as the endpoint wants it.
  const which = wish.kind === 'tools' || wish.kind === 'document' ? 'shown' : 'all';
  const listAll = (asking: Asking, deps: MethodDeps) => {
    const endpoints = open(asking);
    return Promise.all(endpoints.map((endpoint) => listTools(asking, { endpoint, which }, deps)));
  };
  const ofAll = (make: (lists: readonly ServerTools[]) => JsonObject): Answer => {
    return async (asking, _params, deps) => ({ body: make(await listAll(asking, deps)) });
  };
  switch (wish.kind) {
    case 'servers':
      return async (asking) => ({ body: serverList(open(asking), organization) });
    case 'tenants':
      return async (asking) => ({ body: tenantList(open(asking)) });
    case 'all-tools':
      return ofAll((lists) => allToolsOf(lists, wish.path));
    case 'tools':
      return ofAll(([list]) => toolsOf(list, wish.path));
    case 'document':
      if (metaTools && wish.path.name === undefined)
        return async () => ({ body: metaDocument({ url: baseUrl + wish.base, folder: '/meta' }) });
      return ofAll((lists) => documentFor(lists, { wish, baseUrl }));
    case 'refresh':
      return async (asking, _params, deps) => {
        await refresh(asking, deps, cooldown);
        return ofAll((lists) => ({
          status: 'refreshed',
          servers: lists.length,
          tools_cached: lists.reduce((sum, { tools }) => sum + tools.length, 0),
        }))(asking, {}, deps);
      };
    case 'call':
      return async (asking, params, deps) => {
        const name = stringIn(params, 'name') ?? '';
        const args = await argumentsFor(params, { name, asking, deps });
        return callTool(asking, { ...params, arguments: args }, deps);
      };
    case 'meta': {
      const { tool } = wish;
      return async (asking, params, deps) => {
        const lists = await listAll(asking, deps);
        if (tool === 'call_tool') return callByName(asking, params, { deps, lists });
        return { body: metaBody(tool, objectIn(params, 'arguments') ?? {}, { lists, organization }) };
      };
    }
  }
}

/** A server that is switched off is not one without tools. */
function open({ view }: Asking): readonly Endpoint[] {
  const endpoints = endpointsIn(view);
  const [part, ...others] = view.parts;
  if (view.endpoint.kind !== 'everything' && part && others.length === 0) checkEnabled({ part });
  return endpoints;
}

async function callTool(asking: Asking, params: JsonObject, deps: MethodDeps): Promise<Body> {
  const name = stringIn(params, 'name') ?? '';
  const call = methods['tools/call'];
  if (!call) throw new RpcError(rpcCodes.unknownMethod, 'Method not found');
  const named = { name, asking, deps };
  try {
    const result = await call(asking, params, deps);
    if (result.resultType !== 'complete') return failed(422, cannotAnswer);
    if (result.isError !== true) return { body: bodyOf(result) };
    return (await isUnknown(named)) ? notFound(named) : failed(500, failureOf(result));
  } catch (thrown) {
    if (!(thrown instanceof RpcError)) throw thrown;
    if (thrown.code === rpcCodes.missingCapability) return failed(422, cannotAnswer);
    return (await isUnknown(named)) ? notFound(named) : failed(statusFor(thrown.code), thrown.message);
  }
}

/** As if it had been called at its server's own address. */
async function callByName(
  asking: Asking,
  params: JsonObject,
  { deps, lists }: { readonly deps: MethodDeps; readonly lists: readonly ServerTools[] },
): Promise<Body> {
  const name = stringIn(params, 'name') ?? '';
  const found = findByFullName(lists, name);
  if (!found) return failed(404, unknownName(lists, name));
  const { endpoint } = found.list;
  return callTool({ ...asking, view: viewOf(endpoint) }, { ...params, name: found.name }, deps);
}

const cannotAnswer = 'This tool asks its caller something, which only an MCP client can answer';

interface Named {
  readonly name: string;
  readonly asking: Asking;
  readonly deps: MethodDeps;
}

const failed = (status: number, detail: string): Body => ({ status, body: { detail } });

function notFound({ name, asking: { view } }: Named): Body {
  const where = view.endpoint.kind === 'everything' ? '' : ` on server '${view.endpoint.name}'`;
  return failed(404, `Tool '${name}' not found${where}`);
}

/** `{"arguments":{…}}` means what is in it, unless the tool has an argument of that name. */
async function argumentsFor(params: JsonObject, named: Named): Promise<JsonObject> {
  const said = objectIn(params, 'arguments') ?? {};
  const inner = objectIn(said, 'arguments');
  if (!inner || Object.keys(said).length > 1) return said;
  const tool = (await toolsIn(named, 'all')).tools.find(({ name }) => name === named.name);
  const properties = objectIn(objectIn(tool, 'inputSchema'), 'properties');
  return properties && Object.hasOwn(properties, 'arguments') ? said : inner;
}

/** Asked of the list once a call failed: servers say it each in their own way. */
async function isUnknown(named: Named): Promise<boolean> {
  for (const which of ['shown', 'all'] as const) {
    const { tools, missing } = await toolsIn(named, which);
    if (missing.length > 0 || tools.some(({ name }) => name === named.name)) return false;
  }
  return true;
}

function toolsIn({ asking, deps }: Named, which: 'shown' | 'all'): Promise<ServerTools> {
  return listTools(asking, { endpoint: asking.view.endpoint, which }, deps);
}

/** As mcpo. */
function statusFor(code: number): number {
  if (code === rpcCodes.parse || code === rpcCodes.invalidRequest) return 400;
  if (code === rpcCodes.unknownMethod) return 404;
  return code === rpcCodes.invalidParams ? 422 : 500;
}
