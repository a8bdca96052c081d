/** Which operations of a document are imported. The choice is stored in the document: its digest names the very tools. */
import { isJsonObject, type Json, type JsonObject, objectIn, stringIn } from '#core/json.ts';
import { listIn } from '#mcp/bridge/objects.ts';
import { methods, pathsOf, wrong } from './document.ts';
import { matchesGlob } from './names.ts';
import { findPlace } from './references.ts';

export interface Selection {
  /** Operations with one of these; none given: all. */
  readonly tags?: readonly string[] | undefined;
  /** `get`, `post`. */
  readonly methods?: readonly string[] | undefined;
  /** Operation ids, paths (`/repos/*`) or both (`GET /repos/*`); `*` stands for anything. None given: all. */
  readonly include?: readonly string[] | undefined;
  readonly exclude?: readonly string[] | undefined;
  /** Those that the document calls deprecated as well. */
  readonly deprecated?: boolean | undefined;
}

const SELECTION_KEY = 'x-gatehouse-selection';

/** The choice that a stored document was imported with. */
export function selectionOf(document: JsonObject): Selection {
  const stored = objectIn(document, SELECTION_KEY);
  const strings = (key: string) => listIn(stored, key)?.filter((one): one is string => typeof one === 'string');
  const lists = { tags: strings('tags'), methods: strings('methods') };
  return {
    ...lists,
    include: strings('include'),
    exclude: strings('exclude'),
    deprecated: stored?.deprecated === true,
  };
}

/** Without the operations that aren't chosen and what only they refer to. Throws GatehouseError `bad_request` where nothing is left. */
export function selectOperations(document: JsonObject, selection: Selection): JsonObject {
  let count = 0;
  const paths = pathsOf(document).flatMap(([path, item]): [string, JsonObject][] => {
    const kept = Object.entries(item).filter(([method, operation]) => {
      if (!(methods as readonly string[]).includes(method)) return true;
      const isChosen = isJsonObject(operation) && chooses(selection, { path, method, operation });
      if (isChosen) count++;
      return isChosen;
    });
    const isEmpty = !kept.some(([key]) => (methods as readonly string[]).includes(key));
    return isEmpty ? [] : [[path, Object.fromEntries(kept)]];
  });
  if (count === 0) wrong('has no operation that is chosen');
  const { components = {}, [SELECTION_KEY]: _old, ...rest } = document;
  const chosen: JsonObject = { ...withoutExtras(rest), paths: Object.fromEntries(paths) };
  const stored = Object.entries(selection).filter(([, value]) =>
    Array.isArray(value) ? value.length > 0 : value === true,
  );
  return {
    ...chosen,
    components: isJsonObject(components) ? usedComponents(document, chosen, components) : {},
    ...(stored.length > 0 ? { [SELECTION_KEY]: Object.fromEntries(stored) } : {}),
  };
}

/** Hooks that the API calls are nothing to call. */
function withoutExtras({ webhooks: _webhooks, 'x-webhooks': _more, ...rest }: JsonObject): JsonObject {
  return rest;
}

interface Candidate {
  readonly path: string;
  readonly method: string;
  readonly operation: JsonObject;
}

function chooses(selection: Selection, { path, method, operation }: Candidate): boolean {
  const { tags, methods: wanted, include, exclude, deprecated } = selection;
  if (operation.deprecated === true && deprecated !== true) return false;
  const own = listIn(operation, 'tags') ?? [];
  if (tags && tags.length > 0 && !tags.some((tag) => own.includes(tag))) return false;
  if (wanted && wanted.length > 0 && !wanted.some((one) => one.toLowerCase() === method)) return false;
  const names = [stringIn(operation, 'operationId') ?? '', path, `${method.toUpperCase()} ${path}`];
  const matches = (pattern: string) => names.some((name) => matchesGlob(name, pattern));
  if (include && include.length > 0 && !include.some(matches)) return false;
  return !exclude?.some(matches);
}

/** What the chosen paths lead to, and the security schemes. */
function usedComponents(document: JsonObject, chosen: JsonObject, components: JsonObject): JsonObject {
  const used = new Set<string>();
  const walk = (value: Json): void => {
    if (Array.isArray(value)) value.forEach(walk);
    else if (isJsonObject(value))
      for (const [key, item] of Object.entries(value)) {
        if (key === '$ref' && typeof item === 'string') follow(item);
        else walk(item);
      }
  };
  const waiting: string[] = [];
  const follow = (ref: string): void => {
    const place = /^#\/components\/([^/]+)\/([^/]+)/.exec(ref)?.[0];
    if (place === undefined || used.has(place)) return;
    used.add(place);
    waiting.push(place);
  };
  walk(chosen);
  for (let place = waiting.pop(); place !== undefined; place = waiting.pop()) walk(findPlace(document, place) ?? null);
  const kinds = Object.entries(components).flatMap(([kind, entries]): [string, Json][] => {
    if (kind === 'securitySchemes' || !isJsonObject(entries)) return [[kind, entries]];
    const kept = Object.entries(entries).filter(([name]) => used.has(`#/components/${kind}/${pointerPart(name)}`));
    return kept.length > 0 ? [[kind, Object.fromEntries(kept)]] : [];
  });
  return Object.fromEntries(kinds);
}

/** RFC 6901. */
const pointerPart = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1');
