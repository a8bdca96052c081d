/**
 * `tools/call` as the organization wants it, in this order: the tools that stand for others are unwrapped (`meta-tools.ts`),
 * the published name becomes the server's, rules and enforced values go over the arguments, the person is asked where the
 * binding says so, and what must not be seen is taken out of everything that comes back. Whatever decides about tools
 * belongs between the name and the arguments: here every way to a tool comes by, whoever it was called through.
 */
import { type Json, type JsonObject, objectIn, stringIn } from '#core/json.ts';
import { type Found, findTool, isMissing, unknownTool } from '#gateway/catalog/find.ts';
import { checkRight, notePolicy } from '#gateway/rights/check.ts';
import { templateValues } from '#gateway/template-values.ts';
import { checkParamHeaders } from '#mcp/bridge/mirror-headers.ts';
import { declaresTasks } from '#mcp/bridge/tasks.ts';
import { applyRules } from '#mcp/shape/rules.ts';
import { type Asking, routeTo } from './asking.ts';
import { checkEnabled, checkLimits, checkServed, converse, type MethodDeps } from './converse.ts';
import { answerMeta, findMetaCall } from './meta-tools.ts';
import { redacting } from './redacting.ts';
import { publishTask, taskWish } from './tasks.ts';

export async function callTool(asking: Asking, params: JsonObject, deps: MethodDeps): Promise<JsonObject> {
  checkServed(asking, 'tools/call');
  const meta = await findMetaCall(asking, params, deps.lists);
  if (!meta) return callNamed(asking, params, { deps, hasMirrors: true });
  return answerMeta(asking, meta, { params, call: (inner) => callNamed(asking, inner, { deps, hasMirrors: false }) });
}

interface Calling {
  readonly deps: MethodDeps;
  /** Headers that mirror arguments are of this very tool. */
  readonly hasMirrors: boolean;
}

/** Throws RpcError -32602 for tools that aren't published, GatehouseError `enforcement_failed` for arguments that break rules. */
async function callNamed(asking: Asking, params: JsonObject, { deps, hasMirrors }: Calling): Promise<JsonObject> {
  const named = await findTool(asking, stringIn(params, 'name') ?? '', deps.lists);
  asking.call.server = named.part.binding.server.key;
  checkEnabled(named);
  const found = await defined(asking, named, deps);
  const { part, name, definition } = found;
  // Headers mirror the one message of an HTTP request: what comes by another door has none of its own.
  if (hasMirrors && asking.era === 'modern' && definition && !asking.call.door)
    checkParamHeaders(asking.call.req.headers, definition, objectIn(params, 'arguments'));
  const sent = { ...params, name, arguments: ruledArguments(asking, found, params.arguments) };
  checkTool(asking, found, { args: sent.arguments, told: params, deps });
  await checkLimits(asking, { found, tool: name }, deps);
  const consent = await deps.confirmations.check(asking, { found, sent, told: params });
  if ('answer' in consent) return consent.answer;
  const task = taskWish(asking, definition);
  const errand = { found, method: 'tools/call', params: consent.params, told: params, task };
  const result = await redacting(asking, found, (seen) => converse(seen, errand, deps));
  const called = { part, tool: name, result, asksTask: asking.asksTask === true };
  return consent.wrap(publishTask(asking, called, deps));
}

interface Checking {
  readonly args: JsonObject;
  readonly told: JsonObject;
  readonly deps: MethodDeps;
}

/** A tool that its server does not have is unknown, and not forbidden: the two must be told apart (X2.4). */
function checkTool(asking: Asking, found: Found, { args, told, deps }: Checking): void {
  const { part, name, definition } = found;
  const { endpoint } = asking.view;
  // Whatever policies permit of such a name: a careless server might take it for another tool's.
  if (endpoint.rights?.hasPolicy && !definition && isMissing(asking, found, deps.lists))
    throw unknownTool(stringIn(told, 'name') ?? '');
  checkRight(endpoint, {
    ...{ action: 'call_tool', binding: part.binding, name, definition, args },
    tell: notePolicy(asking.call),
  });
}

/** What the organization decided wins over what the caller sent. */
function ruledArguments(
  { principal, organization, reach }: Asking,
  { part: { binding }, name }: Found,
  args: Json | undefined,
): JsonObject {
  const { shaping, enforced } = binding;
  return applyRules(args, {
    tool: name,
    shaping,
    enforced,
    claims: templateValues(
      principal,
      organization,
      reach.groups.map((group) => group.name),
    ),
  });
}

/** What a call must know of its tool beforehand: whether it is a task, and which arguments headers mirror. */
async function defined(asking: Asking, found: Found, { lists }: MethodDeps): Promise<Found> {
  if (found.definition) return found;
  const route = routeTo(asking, found.part.binding);
  const [hello] = await lists.readHello([route]);
  const mirrors = Object.keys(asking.call.req.headers).some((name) => name.startsWith('mcp-param-'));
  if (!mirrors && !declaresTasks(objectIn(hello, 'capabilities'))) return found;
  const [got] = await lists.read([route], 'tools');
  return { ...found, definition: got?.held?.byKey.get(found.name) };
}
