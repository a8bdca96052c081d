/** The tools of one endpoint, all pages: as its MCP clients see them, or all that three of them may stand for. */
import { isJsonObject, type Json, type JsonObject, objectIn } from '#core/json.ts';
import { MISSING_KEY, STALE_KEY } from '#gateway/catalog/merge.ts';
import { type View, viewOf } from '#gateway/catalog/view.ts';
import type { Asking } from '#gateway/engine/asking.ts';
import { type MethodDeps, methods } from '#gateway/engine/methods.ts';
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

export interface Wanted {
  readonly endpoint: Endpoint;
  readonly which: 'shown' | 'all';
}

const fullViews = new WeakMap<Endpoint, View>();

/** Merged lists are kept by view: one for each endpoint. */
function fullViewOf(view: View): View {
  const { endpoint } = view;
  if (endpoint.listing.mode === 'full') return view;
  const known = fullViews.get(endpoint);
  if (known) return known;
  const whole = view.whole && fullViewOf(view.whole);
  const made: View = { ...view, whole, endpoint: { ...endpoint, listing: { ...endpoint.listing, mode: 'full' } } };
  fullViews.set(endpoint, made);
  return made;
}

export async function listTools(asking: Asking, { endpoint, which }: Wanted, deps: MethodDeps): Promise<ServerTools> {
  const list = methods['tools/list'];
  const shown = asking.view.endpoint === endpoint ? asking.view : viewOf(endpoint);
  const view = which === 'all' ? fullViewOf(shown) : shown;
  const tools: JsonObject[] = [];
  const sources: object[] = [];
  let meta: JsonObject | undefined;
  let cursor: Json | undefined;
  for (let page = 0; list && page < MAX_PAGES; page++) {
    const result = await list({ ...asking, view }, cursor === undefined ? {} : { cursor }, deps);
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
