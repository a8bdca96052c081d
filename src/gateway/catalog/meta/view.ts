/** What the meta tools see: the tools of one endpoint, and which of them this caller may use. */
import { isJsonObject, type JsonObject, objectIn, stringIn } from '#core/json.ts';
import { openToolIndex, type ToolIndex } from './tool-index.ts';

export interface ViewedTool {
  /** The definition as published to callers. */
  readonly published: JsonObject;
  /** Key of its server. */
  readonly server: string;
}

export interface ToolView {
  /** The index hangs on the identity of this list: keep one list for as long as the catalog does not change. */
  readonly tools: readonly ViewedTool[];
  /** What this caller may use; all where undefined. The other tools do not exist for it. */
  readonly allow?: ((tool: ViewedTool) => boolean) | undefined;
}

export const nameOfTool = (tool: ViewedTool): string => stringIn(tool.published, 'name') ?? '';

const indexes = new WeakMap<readonly ViewedTool[], ToolIndex>();

/** Built at the first search of a list, then kept as long as the list lives. */
export function indexOf(tools: readonly ViewedTool[]): ToolIndex {
  const known = indexes.get(tools);
  if (known !== undefined) return known;
  const index = openToolIndex(
    tools.map(({ published, server }) => ({
      name: stringIn(published, 'name') ?? '',
      title: stringIn(published, 'title') ?? stringIn(objectIn(published, 'annotations'), 'title'),
      description: stringIn(published, 'description'),
      inputSchema: isJsonObject(published.inputSchema) ? published.inputSchema : undefined,
      server,
    })),
  );
  indexes.set(tools, index);
  return index;
}

export const mayUse = (view: ToolView, tool: ViewedTool): boolean => view.allow?.(tool) ?? true;

/** By the exact published name, among what the caller may use. */
export const findTool = (view: ToolView, name: string): ViewedTool | undefined =>
  view.tools.find((tool) => nameOfTool(tool) === name && mayUse(view, tool));

const suggestionLimit = 3;

/** Up to three names of tools that the caller may use, nearest first. */
export function suggestNames(view: ToolView, name: string): readonly string[] {
  const wanted = name.slice(0, 128);
  const hits = indexOf(view.tools).search(wanted, { limit: 20, allow: (at) => isAllowedAt(view, at) });
  return hits
    .map((hit) => ({ name: hit.tool.name, likeness: likenessOf(wanted, hit.tool.name) }))
    .toSorted((a, b) => b.likeness - a.likeness || (a.name < b.name ? -1 : 1))
    .slice(0, suggestionLimit)
    .map((hit) => hit.name);
}

export function isAllowedAt(view: ToolView, at: number): boolean {
  const tool = view.tools[at];
  return tool !== undefined && mayUse(view, tool);
}

const pairsOf = (text: string): ReadonlySet<string> =>
  new Set(Array.from({ length: Math.max(0, text.length - 1) }, (_, at) => text.slice(at, at + 2)));

/** Dice coefficient of letter pairs, 0 to 1. */
export function likenessOf(left: string, right: string): number {
  const a = pairsOf(left.toLowerCase());
  const b = pairsOf(right.toLowerCase());
  const total = a.size + b.size;
  return total === 0 ? 0 : (2 * a.intersection(b).size) / total;
}
