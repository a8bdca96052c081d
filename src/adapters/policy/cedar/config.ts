/** ToolHive's configuration file (REQUIREMENTS S2.17), parsed. */
import type { EntityJson, EntityUidJson, TypeAndId } from '@cedar-policy/cedar-wasm/nodejs';
import { z } from 'zod';
import { PolicyProblem } from '#adapters/policy/policy.ts';
import type { JsonObject } from '#core/json.ts';
import { cedar } from './wasm.ts';

export interface CedarConfig {
  readonly policies: readonly string[];
  /** Of `entities_json`. */
  readonly entities: readonly EntityJson[];
  readonly groupClaim: string | undefined;
  readonly roleClaim: string | undefined;
  readonly groupType: string;
  readonly multiValued: readonly string[];
}

const MAX_POLICIES = 2000;
const MAX_CHARACTERS = 1_048_576;

const optionalText = z
  .string()
  .max(512)
  .nullish()
  .transform((value) => value || undefined);

const schema = z.strictObject({
  version: z.string().max(16),
  type: z.literal('cedarv1', { error: 'must be "cedarv1"' }),
  cedar: z.strictObject({
    policies: z
      .array(z.string().min(1))
      .min(1, 'needs at least one policy: without one nothing would be permitted')
      .max(MAX_POLICIES),
    entities_json: z.string().max(MAX_CHARACTERS).nullish(),
    group_claim_name: optionalText,
    role_claim_name: optionalText,
    group_entity_type: optionalText,
    multi_valued_claims: z.array(z.string().min(1).max(512)).max(100).nullish(),
    // Whose token the claims are of: here they are always the caller's own.
    primary_upstream_provider: optionalText,
  }),
});

/** Throws PolicyProblem. */
export function parseCedarConfig(value: unknown): CedarConfig {
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const place = issue?.path.join('.') || 'The configuration';
    const unknown = issue?.code === 'unrecognized_keys' ? `has no field "${issue.keys[0]}"` : undefined;
    throw new PolicyProblem(`${place} ${unknown ?? `is wrong: ${issue?.message ?? 'correct it'}`}`);
  }
  const { policies, entities_json, ...options } = parsed.data.cedar;
  if (policies.reduce((sum, { length }) => sum + length, 0) > MAX_CHARACTERS)
    throw new PolicyProblem(`cedar.policies are longer than ${MAX_CHARACTERS} characters together`);
  return {
    policies,
    entities: parseEntities(entities_json ?? ''),
    groupClaim: options.group_claim_name,
    roleClaim: options.role_claim_name,
    groupType: checkGroupType(options.group_entity_type ?? 'THVGroup'),
    multiValued: options.multi_valued_claims ?? [],
  };
}

/** As ToolHive: an identifier without namespace. */
function checkGroupType(type: string): string {
  const isType = /^[A-Za-z_]\w*$/.test(type);
  const { type: answer } = isType
    ? cedar().checkParsePolicySet({ staticPolicies: { a: `permit(principal in ${type}::"x", action, resource);` } })
    : { type: 'failure' };
  if (answer === 'success') return type;
  throw new PolicyProblem('cedar.group_entity_type is not the name of an entity type such as THVGroup');
}

const uidObject = z.object({ type: z.string(), id: z.string() });
/** `Tool::weather` and `Tool::"weather"` are how ToolHive's examples write them. */
const uid = z.union([
  uidObject,
  z.object({ __entity: uidObject }).transform(({ __entity }) => __entity),
  z.string().transform((text, context): TypeAndId => {
    const [, type, quoted, bare] = /^([A-Za-z_]\w*(?:::[A-Za-z_]\w*)*)::(?:"(.*)"|([^"]*))$/s.exec(text) ?? [];
    const id = quoted ?? bare;
    if (type !== undefined && id !== undefined) return { type, id };
    context.addIssue({ code: 'custom', message: `"${text.slice(0, 80)}" names no entity: write Type::"id"` });
    return z.NEVER;
  }),
]);
const entity = z.looseObject({
  uid,
  attrs: z.record(z.string(), z.unknown()).default({}),
  parents: z.array(uid).default([]),
});

function parseEntities(text: string): readonly EntityJson[] {
  if (text.trim() === '') return [];
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new PolicyProblem('cedar.entities_json is not JSON', cause);
  }
  const parsed = z.array(entity).max(10_000).safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new PolicyProblem(`cedar.entities_json.${issue?.path.join('.')} is wrong: ${issue?.message ?? 'correct it'}`);
  }
  const entities = parsed.data as EntityJson[];
  const answer = cedar().checkParseEntities({ entities });
  if (answer.type === 'failure') throw new PolicyProblem(`cedar.entities_json: ${answer.errors[0]?.message}`);
  return entities;
}

/** `Type::id`, one text for one entity. */
export const uidText = (given: EntityUidJson): string => {
  const { type, id } = '__entity' in given ? given.__entity : given;
  return `${type}::${id}`;
};

/** One statement each, in their order. Throws PolicyProblem. */
export function splitPolicies(text: string): JsonObject {
  const answer = cedar().policySetTextToParts(text);
  if (answer.type === 'failure') throw new PolicyProblem(`The policies cannot be parsed: ${answer.errors[0]?.message}`);
  if (answer.policy_templates.length > 0)
    throw new PolicyProblem('Templates (?principal, ?resource) are not supported');
  if (answer.policies.length === 0) throw new PolicyProblem('There is no policy in it: nothing would be permitted');
  return { version: '1.0', type: 'cedarv1', cedar: { policies: answer.policies, entities_json: '[]' } };
}
