/**
 * What a binding takes out of results. Paths: names joined by dots, `[*]` or `[3]` for items, `*` for any name, `**` for any
 * depth, `["a.b"]` for a name with dots: `structuredContent.user.ssn`, `content[*].text`, `**.password`.
 */
import { isJsonObject, type Json, type JsonObject, parseJson } from '#core/json.ts';

type Step =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'item'; readonly index: number }
  | { readonly kind: 'any-name' | 'any-item' | 'any-depth' };

type Path = readonly Step[];

const step = /^(?:(\*\*)|(\*)|([^.*[\]"]+)|\[(?:(\*)|(\d{1,6})|("(?:[^"\\]|\\.)*"))\])/;
const maxDepth = 256;
/** Shorter values occur in texts by chance. */
const minTraceLength = 6;
const redacted = '[redacted]';

/** Undefined: not a path. */
export function parseRedactPath(text: string): Path | undefined {
  const steps: Step[] = [];
  let rest = text;
  while (rest !== '') {
    const isFirst = steps.length === 0;
    if (rest.startsWith('.')) {
      if (isFirst) return undefined;
      rest = rest.slice(1);
      if (rest.startsWith('[')) return undefined;
    } else if (!isFirst && !rest.startsWith('[')) return undefined;
    const [whole, deep, star, name, items, index, quoted] = step.exec(rest) ?? [];
    if (whole === undefined) return undefined;
    if (deep) steps.push({ kind: 'any-depth' });
    else if (star) steps.push({ kind: 'any-name' });
    else if (items) steps.push({ kind: 'any-item' });
    else if (index !== undefined) steps.push({ kind: 'item', index: Number(index) });
    else steps.push({ kind: 'name', name: name ?? unquoted(quoted ?? '""') });
    rest = rest.slice(whole.length);
  }
  return steps.length > 0 && steps.at(-1)?.kind !== 'any-depth' ? steps : undefined;
}

function unquoted(text: string): string {
  try {
    return String(JSON.parse(text));
  } catch {
    return text.slice(1, -1);
  }
}

/** Whether a path may reach into `structuredContent`. */
export function redactsStructure(path: string): boolean {
  const [first] = parseRedactPath(path) ?? [];
  return first?.kind !== 'name' || first.name === 'structuredContent';
}

/**
 * The result without what the paths name: members and items go, texts of content blocks become `[redacted]`. A text that is
 * JSON is read as the structured content's twin; in other texts the values that were taken out are blackened.
 * A path that cannot be read takes out everything.
 */
export function redactResult(result: JsonObject, paths: readonly string[]): JsonObject {
  if (paths.length === 0) return result;
  const parsed = paths.map(parseRedactPath);
  if (!parsed.every((path) => path !== undefined))
    return { content: [{ type: 'text', text: redacted }], isError: true };
  const taken = new Set<string>();
  const { resultType, ...rest } = result;
  const inside = parsed.flatMap(withinStructure);
  const left = take(rest, parsed, { taken, depth: 0, inBlock: false });
  const kept: JsonObject = isJsonObject(left) ? left : {};
  const blocks = Array.isArray(kept.content) ? kept.content : [];
  return {
    ...(resultType !== undefined && { resultType }),
    ...kept,
    ...(Array.isArray(result.content) && { content: blocks.map((block: Json) => cleanBlock(block, inside, taken)) }),
  };
}

/** What a path says of the structured content itself. */
function withinStructure(path: Path): readonly Path[] {
  const [first, ...rest] = path;
  if (first?.kind === 'any-depth') return [path];
  const isInside = first?.kind === 'any-name' || (first?.kind === 'name' && first.name === 'structuredContent');
  return isInside && rest.length > 0 ? [rest] : [];
}

interface Taking {
  readonly taken: Set<string>;
  readonly depth: number;
  /** In the result's `content`, whose members the protocol demands. */
  readonly inBlock: boolean;
}

function take(value: Json, paths: readonly Path[], taking: Taking): Json {
  if (paths.length === 0 || typeof value !== 'object' || value === null || JSON.isRawJSON(value)) return value;
  if (taking.depth > maxDepth) return null;
  const deeper = { ...taking, depth: taking.depth + 1 };
  if (Array.isArray(value)) {
    return value.flatMap((item: Json, index): Json[] => {
      const next = stepInto(paths, { index });
      if (!next.some((path) => path.length === 0)) return [take(item, next, deeper)];
      remember(item, taking.taken);
      return [];
    });
  }
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, item]: [string, Json]): [string, Json][] => {
      const next = stepInto(paths, { name });
      const inBlock = taking.inBlock || (taking.depth === 0 && name === 'content');
      if (!next.some((path) => path.length === 0)) return [[name, take(item, next, { ...deeper, inBlock })]];
      remember(item, taking.taken);
      const isDemanded = taking.inBlock && typeof item === 'string' && name !== '_meta';
      return isDemanded ? [[name, name === 'data' || name === 'blob' ? '' : redacted]] : [];
    }),
  );
}

type Place = { readonly name: string } | { readonly index: number };

/** What is left of the paths one step on; an empty one has arrived. */
function stepInto(paths: readonly Path[], place: Place): readonly Path[] {
  return paths.flatMap((path): readonly Path[] => {
    const [first, ...rest] = path;
    if (!first) return [];
    if (first.kind === 'any-depth') return [path, ...stepInto([rest], place)];
    return fits(first, place) ? [rest] : [];
  });
}

function fits(first: Step, place: Place): boolean {
  if ('name' in place) return first.kind === 'any-name' || (first.kind === 'name' && first.name === place.name);
  return first.kind === 'any-item' || (first.kind === 'item' && first.index === place.index);
}

function remember(value: Json, taken: Set<string>): void {
  if (typeof value === 'object' && value !== null && !JSON.isRawJSON(value)) {
    for (const item of Object.values(value)) remember(item, taken);
    return;
  }
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  if (typeof value !== 'boolean' && text.length >= minTraceLength) taken.add(text);
}

function cleanBlock(block: Json, inside: readonly Path[], taken: Set<string>): Json {
  if (!isJsonObject(block)) return block;
  const { resource } = block;
  return {
    ...block,
    ...(typeof block.text === 'string' && { text: cleanText(block.text, inside, taken) }),
    ...(isJsonObject(resource) &&
      typeof resource.text === 'string' && {
        resource: { ...resource, text: cleanText(resource.text, inside, taken) },
      }),
  };
}

function cleanText(text: string, inside: readonly Path[], taken: Set<string>): string {
  const twin = parsedStructure(text);
  if (twin === undefined) return blacken(text, taken);
  const left = take(twin, inside, { taken, depth: 3, inBlock: false });
  const isSame = JSON.stringify(left) === JSON.stringify(twin);
  return isSame ? text : JSON.stringify(left, null, text.includes('\n') ? 2 : undefined);
}

function parsedStructure(text: string): Json | undefined {
  if (!/^\s*[[{]/.test(text)) return undefined;
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}

function blacken(text: string, taken: ReadonlySet<string>): string {
  // Longest first: one value may be part of another.
  const traces = [...taken].sort((a, b) => b.length - a.length);
  return traces.reduce((left, trace) => left.replaceAll(trace, () => redacted), text);
}
