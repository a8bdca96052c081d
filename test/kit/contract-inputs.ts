/** Inputs of the admin API that are made from its contract, by fast-check: right ones, and some that are not. */
import fc from 'fast-check';
import { exampleOf, type Schema } from '#admin/openapi-examples.ts';

/** Texts that have broken something somewhere. */
export const nasty = [
  ...["'", "' or '1'='1", "'; drop table gateway.users; --", '1; select pg_sleep(5)', '\\', '%', '_', '%00', '\u0000'],
  ...['" or ""="', "') or ('1'='1", '1 union select null,null--', '$$; --', '{{7*7}}', '../../etc/passwd', '#{x}'],
  ...["admin'--", '1 or 1=1', "' and 1=(select count(*) from pg_tables)--", "'||(select version())||'", '\ud800', '🙂'],
  ...[
    '-1',
    '0',
    '1e308',
    'NaN',
    'null',
    'undefined',
    '[]',
    '{}',
    '__proto__',
    'constructor',
    '\u202e',
    'x'.repeat(600),
  ],
] as const;

/** Mostly what the schema wants, now and then what it doesn't. */
function arbitraryOf(schema: Schema, name = '', depth = 0): fc.Arbitrary<unknown> {
  const right = fc.constant(exampleOf(schema, name));
  const wrong = fc.oneof(
    fc.constantFrom<unknown>(...nasty),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.constant([]),
  );
  return fc.oneof(
    { arbitrary: depth > 3 ? right : madeOf(schema, name, depth), weight: 6 },
    { arbitrary: right, weight: 3 },
    { arbitrary: wrong, weight: 1 },
  );
}

function madeOf(schema: Schema, name: string, depth: number): fc.Arbitrary<unknown> {
  if (schema.enum) return fc.constantFrom(...schema.enum);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return fc.oneof(...choices.map((each) => arbitraryOf(each, name, depth + 1)));
  if (schema.type === 'object') return objectOf(schema, depth);
  if (schema.type === 'array')
    return fc.array(arbitraryOf(schema.items ?? {}, name.replace(/s$/, ''), depth + 1), { maxLength: 2 });
  if (schema.type === 'integer') return fc.integer({ min: schema.minimum ?? 0, max: (schema.minimum ?? 0) + 1000 });
  if (schema.type === 'boolean') return fc.boolean();
  return schema.type === 'string' && schema.pattern === undefined
    ? fc.string({ maxLength: 12 })
    : fc.constant(exampleOf(schema, name));
}

/** Fields of a schema: those that are required, and some of the others. */
export function objectOf(
  { properties = {}, required = [] }: Schema,
  depth: number,
): fc.Arbitrary<Record<string, unknown>> {
  const fields = Object.fromEntries(
    Object.entries(properties).map(([field, each]) => [field, arbitraryOf(each, field, depth + 1)]),
  );
  return fc.record(fields, { requiredKeys: Object.keys(fields).filter((field) => required.includes(field)) });
}
