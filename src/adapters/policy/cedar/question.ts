/** What is called, as Cedar's resource (REQUIREMENTS S2.20, S2.21): only what the policies look at. */
import type { CedarValueJson, EntityJson, TypeAndId } from '@cedar-policy/cedar-wasm/nodejs';
import type { PolicyAction, PolicyQuestion } from '#adapters/policy/policy.ts';
import type { JsonObject } from '#core/json.ts';
import { looksAt, type Names, type Reads } from './reads.ts';
import { hints, typeOf } from './slices.ts';
import { readScalar, unreadable } from './values.ts';

type Attributes = Record<string, CedarValueJson>;

export interface ReadQuestion {
  readonly resource: { readonly uid: TypeAndId; readonly attrs: Attributes };
  readonly context: Attributes;
  /** What the policies look at and Cedar cannot be told. */
  readonly unreadable: readonly string[];
}

const operations: Readonly<Record<PolicyAction, string>> = {
  call_tool: 'call',
  get_prompt: 'get',
  read_resource: 'read',
  list_tools: 'list',
  list_prompts: 'list',
  list_resources: 'list',
};

const features: Readonly<Record<PolicyAction, string>> = {
  call_tool: 'tool',
  get_prompt: 'prompt',
  read_resource: 'resource',
  list_tools: 'tool',
  list_prompts: 'prompt',
  list_resources: 'resource',
};

export function readQuestion(question: PolicyQuestion, reads: Reads): ReadQuestion {
  const { action, name, args } = question;
  const broken = new Set<string>();
  if (!name.isWellFormed()) broken.add('name');
  const attrs: Attributes = {
    ...annotationsFor(question, reads.resource),
    ...argumentsFor(args, reads.resource, broken),
    ...standard(question),
  };
  return {
    resource: { uid: { type: typeOf[action], id: name }, attrs },
    context: argumentsFor(args, reads.context, broken),
    unreadable: [...broken],
  };
}

/** They stand over whatever an annotation or argument is called. */
function standard({ action, name }: PolicyQuestion): Attributes {
  const common = { operation: operations[action], feature: features[action] };
  if (typeOf[action] === 'FeatureType') return { ...common, type: features[action], name };
  return { ...common, name, ...(action === 'read_resource' ? { uri: name } : {}) };
}

function annotationsFor({ action, annotations }: PolicyQuestion, wanted: Names): Attributes {
  if (action !== 'call_tool' || !annotations) return {};
  return Object.fromEntries(
    hints.flatMap((hint) => {
      const value = Object.hasOwn(annotations, hint) ? annotations[hint] : undefined;
      return typeof value === 'boolean' && looksAt(wanted, hint) ? [[hint, value] as const] : [];
    }),
  );
}

function argumentsFor(args: JsonObject | undefined, wanted: Names, broken: Set<string>): Attributes {
  const read: Attributes = {};
  const present: Attributes = {};
  for (const [key, value] of Object.entries(args ?? {})) {
    const name = `arg_${key}`;
    const scalar = readScalar(value);
    if (scalar === undefined) {
      if (looksAt(wanted, `${name}_present`)) present[`${name}_present`] = true;
    } else if (looksAt(wanted, name)) {
      if (scalar === unreadable) broken.add(name);
      else read[name] = scalar;
    }
  }
  return { ...read, ...present };
}

export const actionEntity = (action: PolicyAction): EntityJson => ({
  uid: { type: 'Action', id: action },
  attrs: { operation: action },
  parents: [],
});
