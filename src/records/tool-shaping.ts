/** How a binding publishes its tools, as it is written in configuration and in `bindings.tools`. */
import { z } from 'zod';
import type { Json } from '#core/json.ts';
import type { ArgumentRule, PublishedAs, ToolShaping } from '#mcp/shape.ts';

/** By real tool names. Everything may be left out. */
export interface ToolsInput {
  readonly choose?: readonly string[] | undefined;
  readonly hide?: readonly string[] | undefined;
  readonly rename?: Readonly<Record<string, PublishedInput>> | undefined;
  readonly arguments?: Readonly<Record<string, Readonly<Record<string, RuleInput>>>> | undefined;
  readonly redact?: Readonly<Record<string, readonly string[]>> | undefined;
  readonly confirm?: 'never' | 'destructive' | readonly string[] | undefined;
  readonly pins?: 'off' | 'hold' | 'block' | undefined;
  readonly newTools?: 'approve' | 'hold' | undefined;
  readonly timeoutMs?: Readonly<Record<string, number>> | undefined;
}

export interface PublishedInput {
  readonly name?: string | undefined;
  readonly title?: string | undefined;
  readonly description?: string | undefined;
}

export interface RuleInput {
  readonly fixed?: Json | undefined;
  readonly allowed?: readonly Json[] | undefined;
  readonly maximum?: number | undefined;
  readonly default?: Json | undefined;
}

const names = z.array(z.string());
const json = z.json();
const published = z.strictObject({
  name: z.string().optional(),
  title: z.string().optional(),
  description: z.string().optional(),
});
const rule = z.strictObject({
  fixed: json.optional(),
  allowed: z.array(json).optional(),
  maximum: z.number().optional(),
  default: json.optional(),
});
const schema = z.strictObject({
  choose: names.optional(),
  hide: names.optional(),
  rename: z.record(z.string(), published).optional(),
  arguments: z.record(z.string(), z.record(z.string(), rule)).optional(),
  redact: z.record(z.string(), names).optional(),
  confirm: z.union([z.enum(['never', 'destructive']), names], 'write never, destructive or a list of tools').optional(),
  pins: z.enum(['off', 'hold', 'block']).optional(),
  newTools: z.enum(['approve', 'hold']).optional(),
  timeoutMs: z.record(z.string(), z.number()).optional(),
});

export const parseToolsInput = (value: unknown): ToolsInput => schema.parse(value);

/** Undefined: nothing is shaped. Throws for what it doesn't know: a rule that isn't understood must not be skipped. */
export function parseToolShaping(value: unknown): ToolShaping | undefined {
  const input = parseToolsInput(value);
  if (Object.keys(input).length === 0) return undefined;
  return {
    choose: input.choose && new Set(input.choose),
    hide: new Set(input.hide),
    rename: new Map(Object.entries(input.rename ?? {}).map(([tool, anew]) => [tool, asPublished(anew)])),
    rules: new Map(Object.entries(input.arguments ?? {}).map(([tool, byArgument]) => [tool, asRules(byArgument)])),
    redact: new Map(Object.entries(input.redact ?? {})),
    confirm: typeof input.confirm === 'object' ? new Set(input.confirm) : (input.confirm ?? 'never'),
    pins: input.pins ?? 'off',
    ...(input.newTools && { newTools: input.newTools }),
    ...(input.timeoutMs && { timeoutMs: new Map(Object.entries(input.timeoutMs)) }),
  };
}

function asPublished({ name, title, description }: PublishedInput): PublishedAs {
  return {
    ...(name !== undefined && { name }),
    ...(title !== undefined && { title }),
    ...(description !== undefined && { description }),
  };
}

function asRules(byArgument: Readonly<Record<string, RuleInput>>): ReadonlyMap<string, ArgumentRule> {
  return new Map(
    Object.entries(byArgument).map(([name, { fixed, allowed, maximum, default: fallback }]) => [
      name,
      {
        ...(fixed !== undefined && { fixed }),
        ...(allowed && { allowed }),
        ...(maximum !== undefined && { maximum }),
        ...(fallback !== undefined && { default: fallback }),
      },
    ]),
  );
}
