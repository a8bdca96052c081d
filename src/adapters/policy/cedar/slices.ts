/** Of a set, the policies that can apply to one kind of action on one server: the cost of a decision is linear in them. */
import type { ActionConstraint, Policy, PolicyJson, ResourceConstraint } from '@cedar-policy/cedar-wasm/nodejs';
import type { PolicyAction } from '#adapters/policy/policy.ts';
import { uidText } from './config.ts';
import type { ParsedPolicy } from './parse.ts';
import { looksAt, type Reads, readsOf } from './reads.ts';
import type { Held } from './slots.ts';

export interface Slice extends Held {
  readonly reads: Reads;
  readonly readsArguments: boolean;
  readonly readsAnnotations: boolean;
}

export const typeOf: Readonly<Record<PolicyAction, string>> = {
  call_tool: 'Tool',
  get_prompt: 'Prompt',
  read_resource: 'Resource',
  list_tools: 'FeatureType',
  list_prompts: 'FeatureType',
  list_resources: 'FeatureType',
};

export interface Slices {
  readonly whole: Slice;
  of(about: { readonly action: PolicyAction; readonly server: string }): Slice;
}

/** `isOpen`: the configuration has entities of its own, which may lie in others: then only the whole set is sure. */
export function slicesOf(policies: readonly ParsedPolicy[], isOpen: boolean): Slices {
  const idsOf = (chosen: readonly ParsedPolicy[]) => JSON.stringify(chosen.map(({ id }) => id));
  const whole = make(policies);
  const byKey = new Map<string, Slice>();
  const byPolicies = new Map([[idsOf(policies), whole]]);
  const find = (action: PolicyAction, server: string): Slice => {
    const key = `${action} ${server}`;
    const known = byKey.get(key);
    if (known) return known;
    const chosen = policies.filter(({ json }) => canApply(json, action, server));
    const ids = idsOf(chosen);
    const slice = byPolicies.get(ids) ?? make(chosen);
    // Keys come from the organization's own servers.
    if (byKey.size >= MAX_KEYS) byKey.clear();
    byPolicies.set(ids, slice);
    byKey.set(key, slice);
    return slice;
  };
  return { whole, of: ({ action, server }) => (isOpen ? whole : find(action, server)) };
}

const MAX_KEYS = 10_000;

export const hints = ['readOnlyHint', 'destructiveHint', 'idempotentHint', 'openWorldHint'] as const;

function make(chosen: readonly ParsedPolicy[]): Slice {
  const reads = readsOf(chosen.map(({ json }) => json));
  return {
    policies: Object.fromEntries(chosen.map(({ id, text }): [string, Policy] => [id, text])),
    reads,
    readsArguments: [reads.resource, reads.context].some(
      ({ all, names }) => all || [...names].some((name) => name.startsWith('arg_')),
    ),
    readsAnnotations: hints.some((hint) => looksAt(reads.resource, hint)),
  };
}

function canApply({ action: wanted, resource }: PolicyJson, action: PolicyAction, server: string): boolean {
  return matchesAction(wanted, action) && matchesResource(resource, { type: typeOf[action], server });
}

function matchesAction(wanted: ActionConstraint, action: PolicyAction): boolean {
  if (wanted.op === 'All') return true;
  const named = 'entities' in wanted ? wanted.entities : 'entity' in wanted ? [wanted.entity] : undefined;
  return named?.some((uid) => uidText(uid) === `Action::${action}`) ?? true;
}

interface Place {
  readonly type: string;
  readonly server: string;
}

function matchesResource(wanted: ResourceConstraint, { type, server }: Place): boolean {
  if (wanted.op === 'All') return true;
  if (wanted.op === 'is') return wanted.entity_type === type && (!wanted.in || isWithin(wanted.in, { type, server }));
  if (wanted.op === 'in') return isWithin(wanted, { type, server });
  return !('entity' in wanted) || uidText(wanted.entity).startsWith(`${type}::`);
}

/** In the server, or the thing itself. */
function isWithin(wanted: object, { type, server }: Place): boolean {
  if (!('entity' in wanted)) return true;
  const uid = uidText(wanted.entity as Parameters<typeof uidText>[0]);
  return uid === `MCP::${server}` || uid.startsWith(`${type}::`);
}
