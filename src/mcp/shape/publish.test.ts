import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Json, type JsonObject, parseJson } from '#core/json.ts';
import type { EnforcedArguments } from '#mcp/enforce.ts';
import type { ArgumentRule, PublishedAs, ToolShaping } from '#mcp/shape.ts';
import { realToolName } from './names.ts';
import { publishTool } from './publish.ts';

interface Wanted {
  readonly choose?: readonly string[];
  readonly hide?: readonly string[];
  readonly rename?: Record<string, PublishedAs>;
  readonly rules?: Record<string, ArgumentRule>;
  readonly redact?: readonly string[];
}

function shapingOf({ choose, hide = [], rename = {}, rules = {}, redact = [] }: Wanted): ToolShaping {
  return {
    choose: choose && new Set(choose),
    hide: new Set(hide),
    rename: new Map(Object.entries(rename)),
    rules: new Map([['find', new Map(Object.entries(rules))]]),
    redact: new Map([['*', redact]]),
    confirm: 'never',
    pins: 'off',
  };
}

const none: ReadonlyMap<string, EnforcedArguments> = new Map();
const toolOf = (name: string, inputSchema: Json = { type: 'object' }) => ({ name, inputSchema });
const publish = (tool: JsonObject, wanted: Wanted, enforced = none) =>
  publishTool(tool, { shaping: shapingOf(wanted), enforced });
const schemaOf = (inputSchema: Json, rules: Record<string, ArgumentRule>) =>
  publish(toolOf('find', inputSchema), { rules })?.inputSchema;

describe('names', () => {
  test('chosen tools are published unless hidden, under their new names and words', () => {
    const wanted = {
      choose: ['a', 'b'],
      hide: ['b'],
      rename: { a: { name: 'search', title: 'Search', description: 'Finds.' } },
    };
    const tool = { ...toolOf('a'), description: 'old', annotations: { title: 'Old', readOnlyHint: true } };
    expect(publish(tool, wanted)).toEqual({
      name: 'search',
      inputSchema: { type: 'object' },
      title: 'Search',
      description: 'Finds.',
      annotations: { title: 'Search', readOnlyHint: true },
    });
    for (const name of ['b', 'c']) expect(publish(toolOf(name), wanted)).toBeUndefined();
    const shaping = shapingOf(wanted);
    expect(['search', 'a', 'b', 'c'].map((name) => realToolName(name, shaping))).toEqual(['a', ...Array(3)]);
  });

  test('a tool whose name a renamed one has taken is neither listed nor called', () => {
    const wanted = { rename: { a: { name: 'b' } } };
    expect(publish(toolOf('b'), wanted)).toBeUndefined();
    expect(realToolName('b', shapingOf(wanted))).toBe('a');
  });

  test('two that swap their names are told apart', () => {
    const shaping = shapingOf({ rename: { a: { name: 'b' }, b: { name: 'a' } } });
    expect([realToolName('a', shaping), realToolName('b', shaping)]).toEqual(['b', 'a']);
  });

  test('what a careless server could take for a hidden, renamed or ruled tool is nobody [D6]', () => {
    const shaping = shapingOf({ hide: ['drop'], rename: { a: { name: 'search' } }, rules: { x: { fixed: 1 } } });
    for (const name of ['Drop', 'drop\0', 'drop ', 'dr\u200bop', 'ｄrop', 'A', 'FIND', `a${'\u0300'.repeat(500)}`]) {
      expect(realToolName(name, shaping)).toBeUndefined();
      expect(publishTool(toolOf(name), { shaping, enforced: none })).toBeUndefined();
    }
    const enforced = new Map([['read', new Map([['filter', {}]])]]);
    expect(publishTool(toolOf('Read'), { shaping: undefined, enforced })).toBeUndefined();
  });

  test('a tool is listed under a name exactly when that name is called as it [D6]', () => {
    const name = fc.constantFrom('a', 'b', 'c', 'A', 'b\u200b', 'find');
    const names = fc.uniqueArray(name);
    const rename = fc.dictionary(name, fc.record({ name }));
    fc.assert(
      fc.property(names, names, rename, fc.boolean(), (choose, hide, anew, all) => {
        const shaping = shapingOf({ ...(all ? {} : { choose }), hide, rename: anew });
        for (const real of ['a', 'b', 'c', 'A', 'b\u200b', 'find', 'other']) {
          const published = publishTool(toolOf(real), { shaping, enforced: none })?.name;
          if (typeof published === 'string') expect(realToolName(published, shaping)).toBe(real);
          const called = realToolName(real, shaping);
          if (called === undefined) continue;
          expect(publishTool(toolOf(called), { shaping, enforced: none })?.name).toBe(real);
        }
      }),
    );
  });
});

describe('schemas', () => {
  test('a fixed argument is gone from properties and required, also where they are composed', () => {
    const tenant: JsonObject = { type: 'string' };
    const schema: JsonObject = {
      type: 'object',
      properties: { q: { type: 'string' }, tenant, child: { $ref: '#/$defs/Node' } },
      required: ['q', 'tenant'],
      dependentRequired: { q: ['tenant'], tenant: ['q'] },
      allOf: [{ properties: { tenant }, required: ['tenant'] }, { $ref: '#/$defs/Base' }],
      anyOf: [
        { properties: { tenant: { const: 'a' } }, required: ['tenant'] },
        { properties: { tenant: { const: 'b' }, other: {} }, required: ['tenant', 'other'] },
      ],
      not: { required: ['tenant'] },
      if: { properties: { tenant: { const: 'x' } } },
      // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON schema
      then: { required: ['q'] },
      $defs: {
        Base: { properties: { tenant, page: {} }, required: ['tenant'], allOf: [{ $ref: '#/$defs/Base' }] },
        Node: { properties: { tenant, next: { $ref: '#/$defs/Node' } } },
        Unused: { properties: { tenant } },
      },
    };
    expect(schemaOf(schema, { tenant: { fixed: 'a' } })).toEqual({
      type: 'object',
      properties: { q: { type: 'string' }, child: { $ref: '#/$defs/Node' } },
      required: ['q'],
      dependentRequired: { q: [] },
      anyOf: [{ properties: {}, required: [] }],
      allOf: [{ properties: {}, required: [] }, { allOf: [{ properties: { page: {} }, required: [], allOf: [{}] }] }],
      $defs: { Node: { properties: { tenant, next: { $ref: '#/$defs/Node' } } } },
    });
  });

  test('branches that are told apart by a fixed argument only may hold together', () => {
    const schema = { type: 'object', oneOf: [{ required: ['tenant'] }, { required: ['q'] }] };
    expect(schemaOf(schema, { tenant: { fixed: 1 } })).toEqual({
      type: 'object',
      allOf: [{ anyOf: [{ required: [] }, { required: ['q'] }] }],
    });
  });

  test('allowed values and maxima narrow what the server offers; defaults are shown', () => {
    const schema = {
      type: 'object',
      properties: {
        team: { enum: ['a', 'b', 'c'], default: 'c' },
        n: { type: 'integer', maximum: 5 },
        ref: { $ref: '#/$defs/T' },
      },
      required: ['n'],
      $defs: { T: { type: 'string' } },
    };
    const rules = {
      team: { allowed: ['b', 'x'] },
      n: { maximum: 100, default: 3 },
      ref: { allowed: ['u', 'v'], default: 'u' },
    };
    expect(schemaOf(schema, rules)).toEqual({
      ...schema,
      properties: {
        team: { enum: ['b'] },
        n: { type: 'integer', maximum: 5, default: 3 },
        ref: { allOf: [{ $ref: '#/$defs/T' }], enum: ['u', 'v'], default: 'u' },
      },
      required: ['team'],
    });
  });

  test('what differs from caller to caller is not shown', () => {
    const mine = `\${user.email}`;
    const rules = { who: { allowed: [mine], default: mine } };
    expect(schemaOf({ type: 'object', properties: { who: { default: 'all' } } }, rules)).toEqual({
      type: 'object',
      properties: { who: {} },
    });
  });

  test('keys of an enforced object are gone from its schema, and the object is not required', () => {
    const schema = {
      type: 'object',
      properties: { filter: { type: 'object', properties: { tenant: {}, year: {} }, required: ['tenant', 'year'] } },
      required: ['filter'],
    };
    const enforced = new Map([['find', new Map([['filter', { tenant: 'acme' }]])]]);
    expect(publish(toolOf('find', schema), {}, enforced)?.inputSchema).toEqual({
      type: 'object',
      properties: { filter: { type: 'object', properties: { year: {} }, required: ['year'] } },
      required: [],
    });
  });

  test.each([null, [], 'x', true, parseJson(`${'{"not":'.repeat(100)}{}${'}'.repeat(100)}`)])(
    'of a schema that is none (%#) a closed one is left',
    (schema) => {
      expect(schemaOf(schema, { tenant: { fixed: 1 } })).toEqual({
        type: 'object',
        properties: {},
        additionalProperties: false,
      });
    },
  );

  test('references that multiply end', () => {
    const names = Array.from({ length: 40 }, (_, i) => `D${i}`);
    const $defs = Object.fromEntries(
      names.map((name, i) => [name, { allOf: Array(4).fill({ $ref: `#/$defs/D${i + 1}` }) }]),
    );
    const before = performance.now();
    expect(schemaOf({ type: 'object', $ref: '#/$defs/D0', $defs }, { tenant: { fixed: 1 } })).toMatchObject({
      additionalProperties: false,
    });
    expect(performance.now() - before).toBeLessThan(1000);
  });

  test('whatever the server sends as a tool, nothing is thrown and no fixed argument is left', () => {
    const key = fc.constantFrom(
      ...['properties', 'required', 'allOf', 'anyOf', 'oneOf', 'not', 'if', 'then', '$ref', '$defs', 'items'],
      ...['tenant', 'q', 'dependentRequired', 'patternProperties', 'enum', 'default', 'type', 'additionalProperties'],
    );
    const { schema } = fc.letrec<{ schema: unknown }>((tie) => ({
      schema: fc.oneof(
        { maxDepth: 6 },
        fc.constantFrom<unknown>('tenant', '#', '#/$defs/q', '#tenant', '#/properties/tenant', 1, true, null),
        fc.dictionary(key, tie('schema'), { maxKeys: 4 }),
        fc.array(tie('schema'), { maxLength: 3 }),
      ),
    }));
    const withoutValues = (value: unknown): boolean =>
      typeof value !== 'object' || value === null || Array.isArray(value) || !('tenant' in value);
    fc.assert(
      fc.property(schema, (value) => {
        const inputSchema = schemaOf(parseJson(JSON.stringify(value)), { tenant: { fixed: 't' }, q: { allowed: [1] } });
        if (typeof inputSchema !== 'object' || inputSchema === null) throw new Error('no schema');
        const { properties, required, allOf } = JSON.parse(JSON.stringify(inputSchema));
        expect(withoutValues(properties)).toBe(true);
        expect(required ?? []).not.toContain('tenant');
        expect(required).toContain('q');
        for (const part of allOf ?? []) {
          expect(withoutValues(part.properties)).toBe(true);
          expect(part.required ?? []).not.toContain('tenant');
        }
      }),
      { numRuns: 500 },
    );
  });

  test('a tool whose results are redacted promises no output schema', () => {
    const tool = { ...toolOf('find'), outputSchema: { type: 'object' } };
    expect(publish(tool, { redact: ['structuredContent.ssn'] })).not.toHaveProperty('outputSchema');
    expect(publish(tool, { redact: ['content[*].text'] })).toHaveProperty('outputSchema');
  });
});
