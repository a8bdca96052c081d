/** Expressions that an organization writes: RE2 syntax, matched in linear time whatever they are. */
import { RE2JS } from 're2js';
import { z } from 'zod';
import type { ContentFilter, FilterDeps, Match } from '#adapters/filter/filter.ts';
import type { Adapter } from '#core/adapter.ts';

const config = z.strictObject({
  patterns: z
    .array(
      z.strictObject({
        name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be a-z, 0-9 and "-"'),
        expression: z
          .string()
          .min(1)
          .max(1000)
          .refine(compiles, 'is no regular expression of RE2 (no look-around, no back-references)'),
        ignoreCase: z.boolean().default(false),
      }),
    )
    .min(1)
    .max(100),
});

function compiles(expression: string): boolean {
  try {
    RE2JS.compile(expression);
    return true;
  } catch {
    return false;
  }
}

export const patternFilter: Adapter<'pattern', typeof config, FilterDeps, ContentFilter> = {
  kind: 'pattern',
  title: 'Regular expressions of your own',
  config,
  open({ patterns }) {
    const compiled = patterns.map(({ name, expression, ignoreCase }) => ({
      name,
      expression: RE2JS.compile(expression, ignoreCase ? RE2JS.CASE_INSENSITIVE : 0),
    }));
    return { inspect: (text) => compiled.flatMap((one) => matches(text, one)) };
  },
};

function matches(text: string, { name, expression }: { readonly name: string; readonly expression: RE2JS }): Match[] {
  const found: Match[] = [];
  const matcher = expression.matcher(text);
  while (matcher.find())
    if (matcher.end() > matcher.start()) found.push({ name, start: matcher.start(), end: matcher.end() });
  return found;
}
