/** `/meta/*` (REQUIREMENTS S3.22): search among all tools, read what they take, call one by its name. */
import { LRUCache } from 'lru-cache';
import { ZodError, z } from 'zod';
import { GatehouseError } from '#core/error.ts';
import { type JsonObject, objectIn, stringIn } from '#core/json.ts';
import type { MetaTool } from '#core/rest-path.ts';
import { describeBody, searchBody, statsBody, unknownToolMessage } from '#gateway/catalog/meta/answers.ts';
import { nameOfTool, type ToolView, type ViewedTool } from '#gateway/catalog/meta/view.ts';
import type { ServerTools } from './listing.ts';
import { callPath, fullName } from './tool-lists.ts';

export type ReadingTool = Exclude<MetaTool, 'call_tool'>;

export interface MetaContext {
  readonly lists: readonly ServerTools[];
  /** As the caller wrote it. */
  readonly organization: string | undefined;
}

/** Throws GatehouseError `invalid_params`. */
export function metaBody(tool: ReadingTool, args: JsonObject, { lists, organization }: MetaContext): JsonObject {
  const view = viewOf(lists);
  try {
    if (tool === 'stats') return statsBody(view);
    if (tool === 'search_tools') return searchBody(view, args);
    return describeBody(view, args, {
      endpointOf: (viewed) => callPath(organization, viewed.server, nameOfTool(viewed).slice(viewed.server.length + 1)),
    });
  } catch (thrown) {
    if (thrown instanceof ZodError) throw new GatehouseError('invalid_params', { message: z.prettifyError(thrown) });
    throw thrown;
  }
}

export interface NamedTool {
  readonly list: ServerTools;
  /** As its server's endpoint publishes it. */
  readonly name: string;
}

/** `{server}_{tool}`. A server that never said what it has may have it. */
export function findByFullName(lists: readonly ServerTools[], name: string): NamedTool | undefined {
  const possible = lists
    .filter(({ endpoint }) => name.startsWith(`${endpoint.name}_`))
    .map((list) => ({ list, name: name.slice(list.endpoint.name.length + 1) }));
  const known = possible.find((one) => one.list.tools.some((tool) => stringIn(tool, 'name') === one.name));
  return known ?? possible.find(({ list }) => list.missing.length > 0);
}

export const unknownName = (lists: readonly ServerTools[], name: string): string =>
  unknownToolMessage(viewOf(lists), name);

/** Who sees the same lists searches the same index. */
const views = new LRUCache<string, readonly ViewedTool[]>({ max: 200 });
const numbers = new WeakMap<object, number>();
let last = 0;

function numberOf(source: object): number {
  const known = numbers.get(source) ?? ++last;
  numbers.set(source, known);
  return known;
}

function viewOf(lists: readonly ServerTools[]): ToolView {
  const key = lists.map(({ endpoint, sources }) => `${endpoint.id} ${sources.map(numberOf).join(',')}`).join(' ');
  const known = views.get(key);
  if (known) return { tools: known };
  const tools = lists.flatMap((list) =>
    list.tools.map((tool) => ({ published: { ...tool, name: fullName(list, tool) }, server: list.endpoint.name })),
  );
  views.set(key, tools);
  return { tools };
}

/** Of `POST /meta/call_tool`. Throws GatehouseError `bad_request`. */
export function callIn(body: JsonObject): { readonly name: string; readonly args: JsonObject } {
  const name = stringIn(body, 'tool_name');
  const { arguments: args } = body;
  const isObject = args === undefined || args === null || objectIn(body, 'arguments') !== undefined;
  if (name === undefined || name.length > 512 || !isObject)
    throw new GatehouseError('bad_request', { message: 'The body must be {"tool_name":"…","arguments":{…}}' });
  return { name, args: objectIn(body, 'arguments') ?? {} };
}
