/**
 * What goes to the server as arguments of a call: what the caller sent, with the enforced objects merged in and the rules
 * of the binding applied. Every shape that a rule cannot be applied to is refused, never let through.
 */
import { GatehouseError } from '#core/error.ts';
import { isJsonObject, type Json, type JsonObject } from '#core/json.ts';
import { type EnforcedArguments, findEnforced, looseName, looseNames } from '#mcp/enforce.ts';
import type { ArgumentRule, Shape, TemplateValues } from '#mcp/shape.ts';
import { asJson, canonicalJson } from './canonical-json.ts';
import { fillTemplates } from './template.ts';

export interface RuleContext extends Shape {
  /** The server's own name of the tool. */
  readonly tool: string;
  readonly claims: TemplateValues;
}

/** Throws GatehouseError `enforcement_failed`. Arguments that are absent or null are an empty object. */
export function applyRules(args: Json | undefined, { tool, shaping, enforced, claims }: RuleContext): JsonObject {
  const merged: EnforcedArguments = findEnforced(tool, enforced) ?? new Map();
  const rules: ReadonlyMap<string, ArgumentRule> = (shaping && findEnforced(tool, shaping.rules)) ?? new Map();
  const sent = args ?? {};
  if (!isJsonObject(sent)) refuse('arguments must be an object');
  refuseLookalikes(sent, [...merged.keys(), ...rules.keys()]);
  const result = new Map<string, Json>(Object.entries(sent));
  for (const [name, rule] of rules) {
    const value = applyRule(result.get(name), { name, rule, claims });
    if (value !== undefined) result.set(name, value);
  }
  for (const [name, value] of merged) result.set(name, mergeObject(name, result.get(name), value));
  return Object.fromEntries(result);
}

function refuse(message: string): never {
  throw new GatehouseError('enforcement_failed', { message });
}

interface Ruling {
  readonly name: string;
  readonly rule: ArgumentRule;
  readonly claims: TemplateValues;
}

function applyRule(sent: Json | undefined, { name, rule, claims }: Ruling): Json | undefined {
  if (rule.fixed !== undefined) return fillTemplates(rule.fixed, claims);
  const allowed = rule.allowed && listAllowed(rule.allowed, claims);
  const isBound = allowed !== undefined || rule.maximum !== undefined;
  const isAbsent = sent === undefined || (isBound && sent === null && !allowed?.has('null'));
  const value = isAbsent && rule.default !== undefined ? fillTemplates(rule.default, claims) : sent;
  if (!isBound) return value;
  if (value === undefined || value === null) {
    if (value === null && allowed?.has('null')) return value;
    refuse(`arguments.${name} is required`);
  }
  if (allowed && !allowed.has(canonicalJson(value))) refuse(`arguments.${name} has a value that is not allowed`);
  if (rule.maximum !== undefined) checkMaximum(name, value, rule.maximum);
  return value;
}

function listAllowed(allowed: readonly Json[], claims: TemplateValues): ReadonlySet<string> {
  const values = allowed.flatMap((item): readonly Json[] => {
    const filled = fillTemplates(item, claims);
    return typeof item === 'string' && Array.isArray(filled) ? filled : [filled];
  });
  return new Set(values.map(canonicalJson));
}

/** A number whose digits a double cannot keep means one thing here and another at the server. */
function checkMaximum(name: string, value: Json, maximum: number): void {
  const isSafe = typeof value === 'number' && Number.isFinite(value) && Math.abs(value) <= Number.MAX_SAFE_INTEGER;
  if (!isSafe) refuse(`arguments.${name} must be a plain number`);
  if (value > maximum) refuse(`arguments.${name} must be at most ${maximum}`);
}

function mergeObject(name: string, sent: Json | undefined, value: Readonly<Record<string, unknown>>): JsonObject {
  const own = sent ?? {};
  if (!isJsonObject(own)) refuse(`arguments.${name} must be an object`);
  refuseLookalikes(own, Object.keys(value));
  return Object.fromEntries([
    ...Object.entries(own).filter(([key]) => !Object.hasOwn(value, key)),
    ...Object.entries(value).map(([key, item]) => [key, asJson(item)] as const),
  ]);
}

/** A key that a careless parser upstream would take for a ruled one could undo the rule. */
function refuseLookalikes(sent: JsonObject, names: readonly string[]): void {
  if (names.length === 0) return;
  const folded = Map.groupBy(names, looseName);
  for (const key of Object.keys(sent)) {
    const meant = looseNames(key).flatMap((fold) => folded.get(fold) ?? []);
    if (meant.length > 0 && !meant.includes(key))
      refuse(`${JSON.stringify(key.slice(0, 32))} is too like the ruled "${meant.join('", "')}"`);
  }
}
