/** Meta mode towards clients: three tools in place of a long list, and what they do (docs/guide/tools.md). */
import type { JsonObject } from '#core/json.ts';
import { stringIn } from '#core/json.ts';
import type { Lists } from '#gateway/catalog/lists.ts';
import { type Collected, collect, freshnessOf, type Merged, mergeList } from '#gateway/catalog/merge.ts';
import {
  callArguments,
  describeTools,
  errorResult,
  searchTools,
  unknownToolMessage,
} from '#gateway/catalog/meta/answers.ts';
import { metaToolNames, metaTools } from '#gateway/catalog/meta/meta-tools.ts';
import { estimateTokens } from '#gateway/catalog/meta/tokens.ts';
import { findTool, type ToolView, type ViewedTool } from '#gateway/catalog/meta/view.ts';
import { explainWrongCall } from '#gateway/catalog/meta/wrong-call.ts';
import { keepReady } from '#gateway/catalog/ready.ts';
import { RpcError, rpcCodes } from '#mcp/bridge/errors.ts';
import type { Listing } from '#records/snapshot.ts';
import type { Asking } from './asking.ts';
import { type TaskDeps, withTaskSupport } from './tasks.ts';

interface Known {
  readonly view: ToolView;
  /** Of the list as it would be sent. */
  tokens: number | undefined;
  readonly tools: readonly JsonObject[];
}

/** Once for each state of a list: the search index hangs on it. */
const known = new WeakMap<Merged, Known>();

function knownOf({ merged, parts }: Pick<Collected, 'merged' | 'parts'>): Known {
  const found = known.get(merged);
  if (found) return found;
  const tools = merged.items.map(
    (published, i): ViewedTool => ({
      published,
      server: parts[merged.places[i]?.part ?? -1]?.binding.server.key ?? '',
    }),
  );
  const made: Known = { view: { tools }, tokens: undefined, tools: metaTools({ count: tools.length }) };
  keepReady(made.tools);
  known.set(merged, made);
  return made;
}

export const toolViewOf = (collected: Collected): ToolView => knownOf(collected).view;

function isShort({ mode, tokenBudget }: Listing, collected: Collected): boolean {
  return mode === 'auto' ? tokensOf(collected) > tokenBudget : mode === 'meta';
}

function tokensOf(collected: Collected): number {
  const one = knownOf(collected);
  one.tokens ??= collected.merged.items.reduce((sum, tool) => sum + estimateTokens(tool), 0);
  return one.tokens;
}

const savedBy = (collected: Collected): number =>
  Math.max(0, tokensOf(collected) - estimateTokens(knownOf(collected).tools));

/** A page of all tools, whatever stands for them. */
export async function listAllTools(asking: Asking, params: JsonObject, deps: TaskDeps): Promise<JsonObject> {
  return withTaskSupport(asking, await mergeList(asking, { kind: 'tools', params }, deps.lists), deps);
}

/** `tools/list`: the tools, or the three that stand for them. */
export async function listTools(asking: Asking, params: JsonObject, deps: TaskDeps): Promise<JsonObject> {
  const { listing } = asking.view.endpoint;
  // A cursor is of the list as it was.
  if (listing.mode === 'full' || params.cursor !== undefined) return listAllTools(asking, params, deps);
  const collected = await collect(asking, 'tools', deps.lists);
  if (!isShort(listing, collected)) return listAllTools(asking, params, deps);
  asking.call.tokensSaved = savedBy(collected);
  return { resultType: 'complete', tools: knownOf(collected).tools, ...freshnessOf(collected) };
}

export interface MetaCall {
  readonly name: string;
  readonly view: ToolView;
}

const names: ReadonlySet<string> = new Set(Object.values(metaToolNames));

/** Undefined: it is no tool that stands for others, or this endpoint has none. */
export async function findMetaCall(asking: Asking, params: JsonObject, lists: Lists): Promise<MetaCall | undefined> {
  const name = stringIn(params, 'name') ?? '';
  const { listing } = asking.view.endpoint;
  if (listing.mode === 'full' || !names.has(name)) return undefined;
  const collected = await collect(asking, 'tools', lists);
  return isShort(listing, collected) ? { name, view: toolViewOf(collected) } : undefined;
}

interface MetaCalling {
  readonly params: JsonObject;
  /** Params of `tools/call` for the inner tool. */
  readonly call: (params: JsonObject) => Promise<JsonObject>;
}

export async function answerMeta(
  asking: Asking,
  { name, view }: MetaCall,
  { params, call }: MetaCalling,
): Promise<JsonObject> {
  const args = params.arguments ?? {};
  if (name === metaToolNames.search) return complete(searchTools(view, args));
  if (name === metaToolNames.describe) return complete(describeTools(view, args));
  const parsed = callArguments.safeParse(args);
  if (!parsed.success) return complete(errorResult('call_tool takes {tool_name: string, arguments?: object}.'));
  return callInner(asking, view, { params, call, name: parsed.data.tool_name });
}

const complete = (result: JsonObject): JsonObject => ({ resultType: 'complete', ...result });

/** From here on it is a call of that tool, for the record of it, too. */
async function callInner(
  { call: { message }, call: record }: Asking,
  view: ToolView,
  { params, call, name }: MetaCalling & { readonly name: string },
): Promise<JsonObject> {
  if (message) record.message = { ...message, name };
  const tool = findTool(view, name);
  if (!tool) return complete(errorResult(unknownToolMessage(view, name)));
  const { published } = tool;
  const args = argumentsIn(params) ?? {};
  const wrong = explainWrongCall(published, args);
  if (wrong) return complete(wrong);
  try {
    return withSchema(await call({ ...params, name, arguments: args }), published, args);
  } catch (thrown) {
    if (!(thrown instanceof RpcError) || thrown.code !== rpcCodes.invalidParams) throw thrown;
    return complete(explainWrongCall(published, args, thrown.message) ?? errorResult(thrown.message));
  }
}

function argumentsIn({ arguments: outer }: JsonObject) {
  const inner = typeof outer === 'object' && outer !== null && 'arguments' in outer ? outer.arguments : undefined;
  return inner ?? undefined;
}

/** Official SDKs say that arguments are wrong in a result. */
const invalid = /^(?:MCP error -32602|Input validation error|Invalid arguments for tool)/;

function withSchema(result: JsonObject, published: JsonObject, args: JsonObject[string]): JsonObject {
  if (result.isError !== true || !Array.isArray(result.content)) return result;
  const [first] = result.content;
  const text = stringIn(first, 'text') ?? '';
  const explained = invalid.test(text) ? explainWrongCall(published, args, '') : undefined;
  if (!explained || !Array.isArray(explained.content)) return result;
  return { ...result, content: [...result.content, ...explained.content] };
}
