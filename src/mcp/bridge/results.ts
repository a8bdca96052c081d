/** Results of each method: from a legacy server to the canonical form, from there to a legacy client's revision. */
import { GatehouseError } from '#core/error.ts';
import { isJsonObject, type JsonObject, stringIn } from '#core/json.ts';
import { jsonText, toLegacyContent } from './content.ts';
import { isSince, listIn, mapListIn, mapObjectIn, omit, omitMeta } from './objects.ts';
import { toLegacyOutputSchema } from './output-schema.ts';
import { toCoreTask, toCreateTaskResult, toTaskResult } from './tasks.ts';

/** Their complete results must say how long they may be kept, and for whom (2026-07-28 server/utilities/caching). */
const cacheable: ReadonlySet<string> = new Set([
  'server/discover',
  'tools/list',
  'prompts/list',
  'resources/list',
  'resources/templates/list',
  'resources/read',
  'resources/directory/read',
  'skills/list',
  'skills/get',
]);

export function isCacheable(method: string): boolean {
  return cacheable.has(method);
}

/** A legacy server says nothing of caching: not at all, and for nobody else. */
export function toCanonicalResult(method: string, result: JsonObject): JsonObject {
  if (method === 'tools/call') return toCanonicalCall(result);
  if (method === 'tasks/get') return { ...result, resultType: 'complete' };
  const rest = omit(result, ['resultType']);
  if (!cacheable.has(method)) return { ...rest, resultType: 'complete' };
  return { ...rest, resultType: 'complete', ttlMs: 0, cacheScope: 'private' };
}

function toCanonicalCall(result: JsonObject): JsonObject {
  if (isJsonObject(result.task) && !Array.isArray(result.content)) return toTaskResult(result);
  if (Array.isArray(result.content)) return { ...result, resultType: 'complete' };
  // 2024-10-07 had `toolResult`; some servers leave out the content where all is structured.
  const value = result.toolResult ?? result.structuredContent;
  const content = value === undefined ? [] : [jsonText(value)];
  return { ...omit(result, ['toolResult']), content, resultType: 'complete' };
}

export interface LegacyRevision {
  /** The client's. */
  readonly version: string;
}

/**
 * What a legacy client may see of a canonical result. Throws GatehouseError `upstream_broken` where the result is of a
 * type that the revision has no words for (`input_required` must be answered before).
 */
export function toLegacyResult(method: string, canonical: JsonObject, { version }: LegacyRevision): JsonObject {
  const type = stringIn(canonical, 'resultType') ?? 'complete';
  if (type === 'task' && isSince(version, '2025-11-25')) return toCreateTaskResult(canonical);
  if (type !== 'complete') {
    throw new GatehouseError('upstream_broken', {
      message: 'The server answered in a way that this protocol revision has no form for',
    });
  }
  const own = cacheable.has(method) ? ['resultType', 'ttlMs', 'cacheScope'] : ['resultType'];
  const result = omitMeta(omit(canonical, own), ['io.modelcontextprotocol/serverInfo']);
  if (method === 'tools/call') return toLegacyCall(result, version);
  if (method === 'tasks/get' || method === 'tasks/cancel') return toCoreTask(result);
  if (method === 'tools/list') return mapListIn(result, 'tools', (tool) => toLegacyTool(tool, version));
  if (isSince(version, '2025-11-25')) return result;
  return toOlder(method, result, version);
}

function toOlder(method: string, result: JsonObject, version: string): JsonObject {
  const item = (value: JsonObject) => toLegacyItem(value, version);
  switch (method) {
    case 'prompts/list':
      return mapListIn(result, 'prompts', (prompt) => mapListIn(item(prompt), 'arguments', item));
    case 'prompts/get':
      return mapListIn(result, 'messages', (message) =>
        mapObjectIn(message, 'content', (block) => toLegacyContent(block, version)),
      );
    case 'resources/list':
      return mapListIn(result, 'resources', item);
    case 'resources/templates/list':
      return mapListIn(result, 'resourceTemplates', item);
    case 'resources/read':
      return mapListIn(result, 'contents', item);
    default:
      return result;
  }
}

/** Prompts, resources, templates and contents: icons since 2025-11-25, titles and `_meta` since 2025-06-18. */
function toLegacyItem(item: JsonObject, version: string): JsonObject {
  if (isSince(version, '2025-11-25')) return item;
  return omit(item, isSince(version, '2025-06-18') ? ['icons'] : ['icons', 'title', '_meta']);
}

function toLegacyTool(tool: JsonObject, version: string): JsonObject {
  if (!isSince(version, '2025-06-18')) {
    const names = ['icons', 'title', '_meta', 'outputSchema', 'execution'];
    return omit(tool, isSince(version, '2025-03-26') ? names : [...names, 'annotations']);
  }
  const own = isSince(version, '2025-11-25') ? tool : omit(tool, ['icons', 'execution']);
  if (!isJsonObject(own.outputSchema)) return own;
  const schema = toLegacyOutputSchema(own.outputSchema);
  return schema ? { ...own, outputSchema: schema } : omit(own, ['outputSchema']);
}

/** Whatever is structured and can't be shown so, is shown as text. */
function toLegacyCall(result: JsonObject, version: string): JsonObject {
  const older = mapListIn(result, 'content', (block) => toLegacyContent(block, version));
  const value = older.structuredContent;
  if (value === undefined) return older;
  const isShown = isSince(version, '2025-06-18');
  if (isShown && isJsonObject(value)) return older;
  const blocks = listIn(older, 'content') ?? [];
  const hasText = blocks.some((block) => isJsonObject(block) && block.type === 'text');
  const told = hasText ? older : { ...older, content: [...blocks, jsonText(value)] };
  return isShown ? { ...told, structuredContent: { result: value } } : omit(told, ['structuredContent']);
}
