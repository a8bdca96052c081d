/** Items of lists as they come from servers that may be careless or hostile: what cannot be shown is left out, the rest stays. */

import { isJsonObject, type Json, type JsonObject, ownIn, stringIn } from '#core/json.ts';
import type { RightsAction } from '#records/rights.ts';

export type ListKind = 'tools' | 'prompts' | 'resources' | 'templates' | 'skills';

export interface KindFacts {
  readonly method: string;
  readonly member: string;
  /** What an item is known by, and sorted by. */
  readonly key: string;
  /** What one asks leave for who is shown it. */
  readonly action: RightsAction;
}

export const kindFacts: Readonly<Record<ListKind, KindFacts>> = {
  tools: { method: 'tools/list', member: 'tools', key: 'name', action: 'call_tool' },
  prompts: { method: 'prompts/list', member: 'prompts', key: 'name', action: 'get_prompt' },
  resources: { method: 'resources/list', member: 'resources', key: 'uri', action: 'read_resource' },
  templates: {
    method: 'resources/templates/list',
    member: 'resourceTemplates',
    key: 'uriTemplate',
    action: 'read_resource',
  },
  skills: { method: 'skills/list', member: 'skills', key: 'uri', action: 'read_resource' },
};

const changes: Readonly<Record<string, readonly ListKind[]>> = {
  'notifications/tools/list_changed': ['tools'],
  'notifications/prompts/list_changed': ['prompts'],
  'notifications/resources/list_changed': ['resources', 'templates'],
};

/** What a notification says to be different from now on. */
export const changedKinds = (notification: string): readonly ListKind[] => ownIn(changes, notification) ?? [];

/** SECURITY 3.3 and F6; of one list of one server. */
export interface ListLimits {
  readonly items: number;
  readonly pages: number;
  readonly itemBytes: number;
  readonly listBytes: number;
  readonly descriptionCharacters: number;
  readonly keyCharacters: number;
  readonly depth: number;
}

export const listLimits: ListLimits = {
  items: 2000,
  pages: 50,
  itemBytes: 147_456,
  listBytes: 4_194_304,
  descriptionCharacters: 16_384,
  keyCharacters: 2048,
  depth: 32,
};

type Check = (value: Json) => boolean;
const isText: Check = (value) => typeof value === 'string';
const isObject: Check = (value) => isJsonObject(value);
const isSchema: Check = (value) => isJsonObject(value) && value.type === 'object';
const areObjects: Check = (value) => Array.isArray(value) && value.every(isJsonObject);
const areNamed: Check = (value) =>
  Array.isArray(value) && value.every((one) => isJsonObject(one) && typeof one.name === 'string');
const hasSource: Check = (value) =>
  Array.isArray(value) && value.every((one) => isJsonObject(one) && typeof one.src === 'string');

/** What a client would refuse the whole list for, where it is of another kind. */
const common = { title: isText, description: isText, _meta: isObject, icons: hasSource, annotations: isObject };
const optional: Readonly<Record<ListKind, Readonly<Record<string, Check>>>> = {
  tools: { ...common, outputSchema: isObject, execution: isObject },
  prompts: { ...common, arguments: areNamed },
  resources: { ...common, mimeType: isText, size: (value) => typeof value === 'number' || JSON.isRawJSON(value) },
  templates: { ...common, mimeType: isText },
  skills: { ...common, resources: areObjects },
};

/** Undefined: it cannot be shown. */
export function readItem(item: Json, kind: ListKind, limits: ListLimits): JsonObject | undefined {
  if (!isJsonObject(item) || isDeeper(item, limits.depth)) return undefined;
  const key = stringIn(item, kindFacts[kind].key);
  if (key === undefined || key === '' || key.length > limits.keyCharacters || hasControls(key)) return undefined;
  const named = kind === 'tools' || kind === 'prompts' || typeof item.name === 'string' ? item : { ...item, name: key };
  return cutDescription(withSchema(withoutWrong(named, kind), kind), limits.descriptionCharacters);
}

function withoutWrong(item: JsonObject, kind: ListKind): JsonObject {
  const wrong = Object.entries(optional[kind]).filter(([name, isRight]) => {
    const value = item[name];
    return value !== undefined && !isRight(value);
  });
  if (wrong.length === 0) return item;
  const names = new Set(wrong.map(([name]) => name));
  return Object.fromEntries(Object.entries(item).filter(([name]) => !names.has(name)));
}

function withSchema(item: JsonObject, kind: ListKind): JsonObject {
  if (kind !== 'tools' || isSchema(item.inputSchema ?? null)) return item;
  return { ...item, inputSchema: { type: 'object' } };
}

function cutDescription(item: JsonObject, max: number): JsonObject {
  const text = stringIn(item, 'description');
  return text === undefined || text.length <= max
    ? item
    : { ...item, description: `${text.slice(0, max - 1).replace(/[\ud800-\udbff]$/, '')}…` };
}

const controls = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;
const hasControls = (text: string) => controls.test(text);

/** Of brackets inside of one another. Looks no deeper than that itself. */
function isDeeper(value: Json, depth: number): boolean {
  if (typeof value !== 'object' || value === null || JSON.isRawJSON(value)) return false;
  if (depth === 0) return true;
  const members: readonly Json[] = Array.isArray(value) ? value : Object.values(value);
  return members.some((member) => isDeeper(member, depth - 1));
}
