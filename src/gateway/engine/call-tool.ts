/**
 * `tools/call` as the organization wants it, in this order: the tools that stand for others are unwrapped (`meta-tools.ts`),
 * the published name becomes the server's, rules and enforced values go over the arguments, the person is asked where the
 * binding says so, and what must not be seen is taken out of everything that comes back. Whatever decides about tools
 * belongs between the name and the arguments: here every way to a tool comes by, whoever it was called through.
 */
import { type JsonObject, objectIn, stringIn } from '#core/json.ts';
import { type Found, findTool } from '#gateway/catalog/find.ts';
import { templateValues } from '#gateway/template-values.ts';
import { RpcError } from '#mcp/bridge/errors.ts';
import { checkParamHeaders } from '#mcp/bridge/mirror-headers.ts';
import { declaresTasks } from '#mcp/bridge/tasks.ts';
import { redactionsOf } from '#mcp/shape/publish.ts';
import { redactResult } from '#mcp/shape/redact.ts';
import { applyRules } from '#mcp/shape/rules.ts';
import { type Asking, routeTo } from './asking.ts';
import { checkEnabled, checkServed, converse, type MethodDeps } from './converse.ts';
import { answerMeta, findMetaCall } from './meta-tools.ts';
import { publishTask, taskWish } from './tasks.ts';

export async function callTool(asking: Asking, params: JsonObject, deps: MethodDeps): Promise<JsonObject> {
  checkServed(asking, 'tools/call');
  const meta = await findMetaCall(asking, params, deps.lists);
  return meta
    ? answerMeta(asking, meta, { params, call: (inner) => callNamed(asking, inner, deps) })
    : callNamed(asking, params, deps);
}

/** Throws RpcError -32602 for tools that aren't published, GatehouseError `enforcement_failed` for arguments that break rules. */
async function callNamed(asking: Asking, params: JsonObject, deps: MethodDeps): Promise<JsonObject> {
  const named = await findTool(asking, stringIn(params, 'name') ?? '', deps.lists);
  asking.call.server = named.part.binding.server.key;
  checkEnabled(named);
  const found = await defined(asking, named, deps);
  // Headers mirror the one message of an HTTP request: what comes by another door has none of its own.
  if (asking.era === 'modern' && found.definition && !asking.call.door)
    checkParamHeaders(asking.call.req.headers, found.definition, objectIn(params, 'arguments'));
  const { shaping, enforced } = found.part.binding;
  const claims = templateValues(asking.principal, asking.organization);
  const args = applyRules(params.arguments, { tool: found.name, shaping, enforced, claims });
  const sent = { ...params, name: found.name, arguments: args };
  const verdict = await deps.confirmations.check(asking, { found, sent, told: params });
  if ('answer' in verdict) return verdict.answer;
  const task = taskWish(asking, found.definition);
  const errand = { found, method: 'tools/call', params: verdict.params, told: params, task };
  const result = await redacting(asking, found, (seen) => converse(seen, errand, deps));
  const asksTask = asking.asksTask === true;
  return verdict.wrap(publishTask(asking, { part: found.part, result, asksTask }, deps));
}

/** What a call must know of its tool beforehand: whether it is a task, and which arguments headers mirror. */
async function defined(asking: Asking, found: Found, { lists }: MethodDeps): Promise<Found> {
  if (found.definition) return found;
  const route = routeTo(asking, found.part.binding);
  const [hello] = await lists.readHello([route]);
  const mirrors = Object.keys(asking.call.req.headers).some((name) => name.startsWith('mcp-param-'));
  if (!mirrors && !declaresTasks(objectIn(hello, 'capabilities'))) return found;
  const [got] = await lists.read([route], 'tools');
  return { ...found, definition: got?.held?.items.find(({ name }) => name === found.name) };
}

/** Results, errors and what is said meanwhile, without what the binding takes out. */
async function redacting(
  asking: Asking,
  { part, name }: Found,
  work: (asking: Asking) => Promise<JsonObject>,
): Promise<JsonObject> {
  const { shaping } = part.binding;
  const paths = shaping ? redactionsOf(name, shaping.redact) : [];
  if (paths.length === 0) return work(asking);
  const seen: Asking = {
    ...asking,
    notify(method, params) {
      const isLog = method === 'notifications/message' && params.data !== undefined;
      asking.notify(method, isLog ? { ...params, data: within(params, 'data', paths) } : params);
    },
  };
  try {
    const result = await work(seen);
    return result.resultType === 'input_required' ? result : redactResult(result, paths);
  } catch (thrown) {
    throw thrown instanceof RpcError ? redactError(thrown, paths) : thrown;
  }
}

/** A value beside results is read as if it were a result's structured content. */
function within(holder: JsonObject, key: string, paths: readonly string[]) {
  return redactResult({ structuredContent: holder[key] ?? null }, paths).structuredContent ?? '[redacted]';
}

function redactError({ code, message, data }: RpcError, paths: readonly string[]): RpcError {
  const structured: JsonObject = data === undefined ? {} : { structuredContent: data };
  const left = redactResult({ ...structured, content: [{ type: 'text', text: message }] }, paths);
  const [block] = Array.isArray(left.content) ? left.content : [];
  const text = stringIn(objectIn({ block: block ?? null }, 'block'), 'text') ?? '[redacted]';
  return new RpcError(code, text, data === undefined ? undefined : (left.structuredContent ?? undefined));
}
