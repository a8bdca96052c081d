/** The tools of one endpoint as its MCP clients can call them, all pages; also where they see three that stand for them. */
import { isJsonObject, type Json, type JsonObject, objectIn } from '#core/json.ts';
import { MISSING_KEY, STALE_KEY } from '#gateway/catalog/merge.ts';
import { viewOf } from '#gateway/catalog/view.ts';
import type { Asking } from '#gateway/engine/asking.ts';
import { listAllTools } from '#gateway/engine/meta-tools.ts';
import type { MethodDeps } from '#gateway/engine/methods.ts';
import type { Endpoint } from '#records/snapshot.ts';

export interface ServerTools {
  readonly endpoint: Endpoint;
  readonly tools: readonly JsonObject[];
  /** The same objects for as long as the list is the same. */
  readonly sources: readonly object[];
  /** Parts that never said what they have, and those whose list is old. */
  readonly missing: readonly Json[];
  readonly stale: readonly Json[];
}

const MAX_PAGES = 100;

export async function listTools(asking: Asking, endpoint: Endpoint, deps: MethodDeps): Promise<ServerTools> {
  const view = asking.view.endpoint === endpoint ? asking.view : viewOf(endpoint);
  const tools: JsonObject[] = [];
  const sources: object[] = [];
  let meta: JsonObject | undefined;
  let cursor: Json | undefined;
  for (let page = 0; page < MAX_PAGES; page++) {
    const result = await listAllTools({ ...asking, view }, cursor === undefined ? {} : { cursor }, deps);
    meta = objectIn(result, '_meta');
    if (Array.isArray(result.tools)) {
      for (const tool of result.tools) if (isJsonObject(tool)) tools.push(tool);
      sources.push(result.tools);
    }
    cursor = result.nextCursor;
    if (typeof cursor !== 'string') break;
  }
  return { endpoint, tools, sources, missing: namesIn(meta, MISSING_KEY), stale: namesIn(meta, STALE_KEY) };
}

function namesIn(meta: JsonObject | undefined, key: string): readonly Json[] {
  const names = meta?.[key];
  return Array.isArray(names) ? names : [];
}
