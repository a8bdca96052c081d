/** How a binding publishes its tools, on the wire and in gatehouse.yaml: refused where it contradicts itself. */
import { z } from 'zod';
import type { Json } from '#core/json.ts';
import { asJson, canonicalJson } from '#mcp/shape/canonical-json.ts';
import { parseRedactPath } from '#mcp/shape/redact.ts';
import { findUnknownTemplate, hasTemplate } from '#mcp/shape/template.ts';
import type { RuleInput, ToolsInput } from '#records/tool-shaping.ts';

const toolName = z.string().min(1).max(256);
const argumentName = z.string().min(1).max(128);
/** What every client and server can take (SECURITY D9). */
const publishedName = z
  .string()
  .regex(/^[A-Za-z0-9_.-]{1,64}$/, 'must be letters, digits, "_", "." and "-", at most 64 characters');
const json = z.custom<Json>((value) => value !== undefined && canonicalJson(asJson(value)).length <= 65_536, {
  error: 'must be JSON of at most 64 KiB',
});
const names = z.array(toolName).max(1000);

const rule = z.strictObject({
  fixed: json.optional().describe('Sent whatever the caller sends; callers do not see the argument.'),
  allowed: z.array(json).min(1).max(1000).optional().describe('The value must be one of these.'),
  maximum: z.number().optional().describe('The value must be a number, and at most this.'),
  default: json.optional().describe('Sent where the caller sends nothing.'),
});

export const tools = z
  .strictObject({
    choose: names.optional().describe('Published tools. Default: all.'),
    hide: names.optional().describe('Tools that are not published.'),
    rename: z
      .record(
        toolName,
        z.strictObject({
          name: publishedName.optional(),
          title: z.string().max(512).optional(),
          description: z.string().max(16_384).optional(),
        }),
      )
      .optional()
      .describe('Tool → the `name`, `title` and `description` that callers see.'),
    arguments: z.record(toolName, z.record(argumentName, rule)).optional().describe(
      // biome-ignore lint/suspicious/noTemplateCurlyInString: as rules have them
      'Tool → argument → `fixed`, `allowed`, `maximum`, `default`. Texts may hold `${user.email}`, `${user.name}`, `${user.id}`, `${user.groups}`, `${org.slug}` and `${claims.NAME}`.',
    ),
    redact: z
      .record(toolName, z.array(z.string().min(1).max(512)).max(100))
      .optional()
      .describe('Tool or `*` → paths that are taken out of results, such as `structuredContent.user.ssn`.'),
    confirm: z
      .union([z.enum(['never', 'destructive']), names])
      .optional()
      .describe('Calls that ask the person first: `never`, `destructive`, or a list of tools. Default: `never`.'),
    pins: z
      .enum(['off', 'hold', 'block'])
      .optional()
      .describe(
        'A tool whose definition changed: `hold` publishes the approved one until somebody approves, `block` nothing. Default: `off`.',
      ),
    newTools: z
      .enum(['approve', 'hold'])
      .optional()
      .describe('With `pins`: whether a tool is approved at first sight. Default: `approve`.'),
    timeoutMs: z
      .record(toolName, z.int().min(100).max(86_400_000))
      .optional()
      .describe('Tool → how long a call of it may take, in milliseconds; at most `limits.timeouts.toolCallMaxMs`.'),
  })
  .superRefine((value, context) => {
    for (const { path, message } of problemsOf(value)) context.addIssue({ code: 'custom', path: [...path], message });
  });

interface Problem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

function problemsOf(value: ToolsInput): readonly Problem[] {
  return [...nameProblems(value), ...ruleProblems(value), ...redactProblems(value)];
}

function nameProblems({ choose, hide = [], rename = {} }: ToolsInput): readonly Problem[] {
  const problems: Problem[] = [];
  const both = choose?.find((tool) => hide.includes(tool));
  if (both !== undefined)
    problems.push({ path: ['hide'], message: `has "${both}", as choose has: remove it from one` });
  const takenBy = new Map<string, string>();
  for (const [tool, { name }] of Object.entries(rename)) {
    if (name === undefined) continue;
    const other = takenBy.get(name);
    takenBy.set(name, tool);
    const path = ['rename', tool, 'name'];
    if (other !== undefined) {
      problems.push({ path, message: `is the name of "${other}" too: give each tool a name of its own` });
    } else if (name !== tool && choose?.includes(name) && (rename[name]?.name ?? name) === name) {
      problems.push({ path, message: `is a chosen tool's own name: rename that one too, or choose another name` });
    }
  }
  return problems;
}

function ruleProblems({ arguments: byTool = {} }: ToolsInput): readonly Problem[] {
  return Object.entries(byTool).flatMap(([tool, byArgument]) =>
    Object.entries(byArgument).flatMap(([name, each]) => {
      const message = ruleProblem(each);
      return message === undefined ? [] : [{ path: ['arguments', tool, name], message }];
    }),
  );
}

function ruleProblem({ fixed, allowed, maximum, default: fallback }: RuleInput): string | undefined {
  const others = [allowed, maximum, fallback].filter((each) => each !== undefined).length;
  if (fixed === undefined && others === 0) return 'says nothing: give fixed, allowed, maximum or default';
  if (fixed !== undefined && others > 0) return 'has fixed beside others: a fixed value needs no other rule';
  const unknown = findUnknownTemplate([fixed ?? null, fallback ?? null, ...(allowed ?? [])]);
  if (unknown !== undefined) {
    return `has "\${${unknown}}", which nothing stands for: write user.email, user.name, user.id, user.groups, org.slug or claims.NAME`;
  }
  if (fallback === undefined || hasTemplate(fallback)) return undefined;
  const isListed = allowed?.some((each) => hasTemplate(each) || canonicalJson(each) === canonicalJson(fallback));
  if (isListed === false) return 'has a default that is not allowed: add it to allowed';
  if (maximum === undefined || (typeof fallback === 'number' && fallback <= maximum)) return undefined;
  return 'has a default above its maximum: lower it';
}

function redactProblems({ redact = {} }: ToolsInput): readonly Problem[] {
  return Object.entries(redact).flatMap(([tool, paths]) =>
    paths.flatMap((path, index) => {
      if (parseRedactPath(path)) return [];
      const message = 'is not a path: write names joined by dots, [*] for items, * for any name, ** for any depth';
      return [{ path: ['redact', tool, index], message }];
    }),
  );
}

export interface BindingLike {
  readonly server: string;
  readonly prefix?: string | undefined;
  readonly enforced: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly tools?: ToolsInput | undefined;
}

/** For the bindings of one collection. */
export function checkBindings(bindings: readonly BindingLike[], context: z.core.$RefinementCtx): void {
  const refuse = (path: (string | number)[], message: string) => context.addIssue({ code: 'custom', path, message });
  const places = new Map<string, string>();
  for (const [index, { server, prefix = server, enforced, tools: shaped }] of bindings.entries()) {
    const other = places.get(prefix);
    if (other === server) refuse([index, 'server'], `"${server}" is bound twice: remove one of the bindings`);
    else if (other !== undefined) {
      refuse([index, 'prefix'], `"${prefix}" is the prefix of "${other}" too: give each binding a prefix of its own`);
    }
    places.set(prefix, server);
    for (const [tool, byArgument] of Object.entries(shaped?.arguments ?? {})) {
      const both = Object.keys(byArgument).find((name) => Object.hasOwn(enforced[tool] ?? {}, name));
      if (both === undefined) continue;
      refuse([index, 'tools', 'arguments', tool, both], 'is in enforced too: keep one of the two');
    }
  }
}
