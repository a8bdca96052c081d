import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { PolicyProblem } from '#adapters/policy/policy.ts';
import type { CedarConfig } from './config.ts';
import { cedar } from './wasm.ts';

export interface ParsedPolicy {
  readonly id: string;
  readonly text: string;
  readonly json: PolicyJson;
}

/** Ids are `policy0` and on, as ToolHive's, or what `@id` says. Throws PolicyProblem. */
export function parsePolicies({ policies }: Pick<CedarConfig, 'policies'>): readonly ParsedPolicy[] {
  const taken = new Set<string>();
  return policies.map((text, i) => {
    const answer = cedar().policyToJson(text);
    if (answer.type === 'failure') throw new PolicyProblem(`policy${i}: ${answer.errors[0]?.message}`);
    const named = answer.json.annotations?.id;
    const isUsable = named && /^(?!policy\d+$)[A-Za-z][\w .:-]{0,127}$/.test(named) && !taken.has(named);
    const id = isUsable ? named : `policy${i}`;
    taken.add(id);
    return { id, text, json: answer.json };
  });
}
