/** What a person should hear of their policies before they are saved: judged against what the servers are known to have. */
import type { ValidationError } from '@cedar-policy/cedar-wasm/nodejs';
import { type KnownServers, PolicyProblem, type PolicyReport } from '#adapters/policy/policy.ts';
import { stringIn } from '#core/json.ts';
import { type CedarConfig, parseCedarConfig } from './config.ts';
import { nearest } from './nearest.ts';
import { type ParsedPolicy, parsePolicies } from './parse.ts';
import { type Reads, readsOf } from './reads.ts';
import { commonClaims, schemaFor } from './schema.ts';

import { cedar } from './wasm.ts';

export function checkConfig(value: unknown, known: KnownServers): PolicyReport {
  try {
    const config = parseCedarConfig(value);
    const policies = parsePolicies(config);
    const reads = readsOf(policies.map(({ json }) => json));
    const judged = validate(policies, { config, reads, known });
    return {
      errors: judged.errors,
      warnings: [
        ...judged.warnings,
        ...namesNobodyHas(reads, known),
        ...claimsMistaken(reads),
        ...openForbids(policies),
      ],
    };
  } catch (thrown) {
    if (thrown instanceof PolicyProblem) return { errors: [thrown.message], warnings: [] };
    throw thrown;
  }
}

interface Facts {
  readonly config: CedarConfig;
  readonly reads: Reads;
  readonly known: KnownServers;
}

/** Certain mistakes only: what claims and arguments are of, nobody knows before they come. */
const certain = /unrecognized (?:action|entity type)|attribute `[^`]*` on entity type .* not found/;

function validate(policies: readonly ParsedPolicy[], facts: Facts): PolicyReport {
  const staticPolicies = Object.fromEntries(policies.map(({ id, text }) => [id, text]));
  const answer = cedar().validate({ schema: schemaFor(policies, facts), policies: { staticPolicies } });
  if (answer.type === 'failure') return { errors: [], warnings: answer.errors.map(({ message }) => message) };
  const said = answer.validationErrors.map((error) => ({
    isCertain: certain.test(error.error.message),
    text: textOf(error),
  }));
  const unique = (isCertain: boolean) => [
    ...new Set(said.filter((one) => one.isCertain === isCertain).map(({ text }) => text)),
  ];
  return { errors: unique(true), warnings: [...unique(false), ...answer.validationWarnings.map(textOf)] };
}

/** `policy0: attribute `nmae` on entity type `Tool` not found (did you mean `name`?)` */
function textOf({ policyId, error: { message, help } }: ValidationError): string {
  const said = message.replace(/^for policy `[^`]*`, /, '');
  return `${policyId}: ${said}${help ? ` (${help})` : ''}`;
}

/** Tools and servers that are named and that nobody knows. */
function namesNobodyHas({ entities }: Reads, { servers }: KnownServers): readonly string[] {
  const isWhole = servers.length > 0 && servers.every(({ tools }) => tools !== undefined);
  const tools = servers.flatMap((server) => (server.tools ?? []).map((tool) => stringIn(tool, 'name') ?? ''));
  const keys = servers.map(({ key }) => key);
  return [...entities].flatMap((uid) => {
    const [, type, id = ''] = /^(Tool|MCP)::(.*)$/s.exec(uid) ?? [];
    if (type === 'Tool' && isWhole && !tools.includes(id))
      return [`No server has a tool "${id}"${suggestion(id, tools)}: Tool::"${id}" matches nothing`];
    if (type === 'MCP' && keys.length > 0 && !keys.includes(id))
      return [`There is no server "${id}"${suggestion(id, keys)}: MCP::"${id}" matches nothing`];
    return [];
  });
}

/** Claims are free, but one letter off a common one is hardly meant. */
function claimsMistaken({ principal, context }: Reads): readonly string[] {
  const names = new Set([...principal.names, ...context.names]);
  return [...names].flatMap((name) => {
    const [, claim] = /^claim_(.*)$/s.exec(name) ?? [];
    if (claim === undefined) {
      const isFree = /^(?:claimset|arg)_/.test(name);
      return isFree ? [] : [`"${name}" is never there: claims are claim_<name>, arguments arg_<name>`];
    }
    const meant = commonClaims.has(claim) ? undefined : nearest(claim, [...commonClaims.keys()]);
    return meant === undefined ? [] : [`claim_${claim} is no common claim: did you mean claim_${meant}?`];
  });
}

/** An argument that is no scalar is not there: a forbid that asks whether it is does not apply then. */
function openForbids(policies: readonly ParsedPolicy[]): readonly string[] {
  return policies.flatMap(({ id, json, text }) => {
    const [, name] = /\bhas\s+"?(arg_\w+)/.exec(text) ?? [];
    if (json.effect !== 'forbid' || name === undefined || name.endsWith('_present')) return [];
    return [
      `${id}: a list or object as ${name} is not seen by this forbid: permit what is wanted instead, or also forbid ${name}_present`,
    ];
  });
}

function suggestion(name: string, names: readonly string[]): string {
  const meant = nearest(name, names);
  return meant === undefined ? '' : ` (did you mean "${meant}"?)`;
}
