/** A tool as callers see it, made of the server's own. */
import { isJsonObject, type Json, type JsonObject, objectIn, stringIn } from '#core/json.ts';
import { type EnforcedArguments, findEnforced } from '#mcp/enforce.ts';
import type { ArgumentRule, PublishedAs, Shape } from '#mcp/shape.ts';
import { asJson, canonicalJson } from './canonical-json.ts';
import { publishedToolName } from './names.ts';
import { redactsStructure } from './redact.ts';
import { type ArgumentsShape, type Narrow, shapeObject, shapeSchema } from './schema.ts';
import { hasTemplate } from './template.ts';

/** Undefined: hidden, not chosen, or nothing that could be called. Never throws, whatever the server sent. */
export function publishTool(tool: JsonObject, { shaping, enforced }: Shape): JsonObject | undefined {
  const real = stringIn(tool, 'name');
  const name = real && publishedToolName(real, shaping);
  if (real === undefined || name === undefined) return undefined;
  const found = findBoth(real, { shaping, enforced });
  if (!found) return undefined;
  const anew = described(tool, name, shaping?.rename.get(real));
  const { outputSchema, ...rest } = anew;
  const paths = shaping ? redactionsOf(real, shaping.redact) : [];
  // What is taken out of a result would break its promise.
  const shown = outputSchema !== undefined && !paths.some(redactsStructure) ? anew : rest;
  if (found.rules.size === 0 && found.merged.size === 0) return shown;
  return { ...shown, inputSchema: shapeSchema(tool.inputSchema, argumentsShape(found)) };
}

/** Paths that are taken out of this tool's results. */
export function redactionsOf(tool: string, redact: ReadonlyMap<string, readonly string[]>): readonly string[] {
  return [...(redact.get('*') ?? []), ...(redact.get(tool) ?? [])];
}

interface Found {
  readonly rules: ReadonlyMap<string, ArgumentRule>;
  readonly merged: EnforcedArguments;
}

/** Undefined: its name is too like that of a tool with rules, so calls are refused. */
function findBoth(real: string, { shaping, enforced }: Shape): Found | undefined {
  try {
    return {
      rules: (shaping && findEnforced(real, shaping.rules)) ?? new Map(),
      merged: findEnforced(real, enforced) ?? new Map(),
    };
  } catch {
    return undefined;
  }
}

function described(tool: JsonObject, name: string, anew: PublishedAs = {}): JsonObject {
  const annotations = objectIn(tool, 'annotations');
  const { title, description } = anew;
  return {
    ...tool,
    name,
    ...(description !== undefined && { description }),
    ...(title !== undefined && { title }),
    ...(title !== undefined && annotations?.title !== undefined && { annotations: { ...annotations, title } }),
  };
}

function argumentsShape({ rules, merged }: Found): ArgumentsShape {
  const fixed = new Map<string, Json | undefined>();
  const narrowed = new Map<string, Narrow>();
  const required = new Set<string>();
  const optional = new Set<string>(merged.keys());
  for (const [name, rule] of rules) {
    if (rule.fixed !== undefined) fixed.set(name, hasTemplate(rule.fixed) ? undefined : rule.fixed);
    else narrowed.set(name, (schema) => narrow(schema, rule));
    if (rule.default !== undefined) optional.add(name);
    else if (rule.allowed || rule.maximum !== undefined) required.add(name);
  }
  for (const [name, value] of merged) {
    const within = new Map(Object.entries(value).map(([key, item]) => [key, asJson(item)]));
    const shape = { fixed: within, narrowed: new Map(), required: new Set<string>(), optional: new Set<string>() };
    narrowed.set(name, (schema, walk) => shapeObject(schema, shape, walk));
  }
  return { fixed, narrowed, required, optional };
}

/** Values that differ from caller to caller are not shown: lists of tools are shared. */
function narrow(schema: Json, { allowed, maximum, default: fallback }: ArgumentRule): Json {
  if (schema === false) return schema;
  const own = isJsonObject(schema) ? schema : {};
  // Before 2019-09 nothing beside a reference counted.
  const base: JsonObject = '$ref' in own ? { allOf: [own] } : own;
  const result: Record<string, Json> = { ...base };
  if (maximum !== undefined) {
    result.maximum = typeof own.maximum === 'number' ? Math.min(own.maximum, maximum) : maximum;
    // The boolean of draft 4 would exclude the bound itself.
    if (typeof own.exclusiveMaximum === 'boolean' && result.maximum !== own.maximum) delete result.exclusiveMaximum;
  }
  if (allowed && !hasTemplate(allowed)) {
    const offered = new Set((Array.isArray(own.enum) ? own.enum : allowed).map(canonicalJson));
    const both = allowed.filter((value) => offered.has(canonicalJson(value)));
    if (both.length === 0) return { not: {} };
    result.enum = both;
  }
  if (fallback !== undefined) {
    delete result.default;
    if (!hasTemplate(fallback)) result.default = fallback;
  } else if (allowed || maximum !== undefined) delete result.default;
  return result;
}
