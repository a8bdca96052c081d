// biome-ignore-all lint/suspicious/noTemplateCurlyInString: templates of rules look like that
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GatehouseError } from '#core/error.ts';
import { isJsonObject, type Json, parseJson } from '#core/json.ts';
import type { ArgumentRule, TemplateValues, ToolShaping } from '#mcp/shape.ts';
import { canonicalJson } from './canonical-json.ts';
import { applyRules } from './rules.ts';

const claims: TemplateValues = {
  user: { id: 'u1', email: 'ada@acme.example', name: 'Ada', groups: ['dev', 'ops'] },
  org: { slug: 'acme' },
  claims: { tenant: 't-1', level: 3, nested: { a: 1 }, empty: '', lines: 'a\nb', evil: ['${user.id}', '","x":"'] },
};

function shapingOf(rules: Record<string, ArgumentRule>): ToolShaping {
  return {
    choose: undefined,
    hide: new Set(),
    rename: new Map(),
    rules: new Map([['find', new Map(Object.entries(rules))]]),
    redact: new Map(),
    confirm: 'never',
    pins: 'off',
  };
}

const enforced = new Map([['find', new Map([['filter', { tenant: 'acme', level: 3 }]])]]);

function apply(args: Json | undefined, rules: Record<string, ArgumentRule> = {}, tool = 'find') {
  return applyRules(args, { tool, shaping: shapingOf(rules), enforced: new Map(), claims });
}
const refused = { code: 'enforcement_failed' };

function outcome(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    if (error instanceof GatehouseError && error.row.rpc === -32602) return undefined;
    throw error;
  }
}

describe('enforced objects', () => {
  const merge = (args: Json | undefined) => applyRules(args, { tool: 'find', shaping: undefined, enforced, claims });

  test.each([
    ['no arguments', undefined],
    ['null', null],
    ['a null filter', { filter: null }],
    ['another tenant', { filter: { tenant: 'evil', level: 0 } }],
  ])('%s becomes the enforced filter [S0.8] [X0.1]', (_name, args) => {
    expect(merge(args)).toEqual({ filter: { tenant: 'acme', level: 3 } });
  });

  test.each([
    ['a list', []],
    ['a text', 'x'],
    ['a number with digits that a double loses', parseJson('1e400')],
    ['a list as filter', { filter: [] }],
    ['a list with an object as filter', { filter: [{ tenant: 'evil' }] }],
    ['a text as filter', { filter: 'x' }],
    ['a raw number as filter', { filter: parseJson('10000000000000000001') }],
    ['another case', { Filter: {} }],
    ['another case inside', { filter: { TENANT: 'evil' } }],
    ['an invisible character', { 'fil\u200bter': {} }],
    ['a name that ends at a NUL', { 'filter\0x': {} }],
  ])('%s is refused [S0.8] [X0.1]', (_name, args) => {
    expect(() => merge(args)).toThrow(expect.objectContaining(refused));
  });

  test('what stands beside stays, digit for digit', () => {
    const sent = parseJson('{"q":1.50,"filter":{"year":9007199254740993,"tenant":"evil"}}');
    expect(JSON.stringify(merge(sent))).toBe('{"q":1.50,"filter":{"year":9007199254740993,"tenant":"acme","level":3}}');
  });
});

describe('rules', () => {
  test('a fixed value is sent whatever the caller sends, filled in from claims', () => {
    const rules = { tenant: { fixed: 'org/${org.slug}/${claims.level}' }, who: { fixed: { in: ['${user.groups}'] } } };
    const all: readonly (Json | undefined)[] = [undefined, {}, { tenant: 'evil' }, { tenant: { a: 1 }, who: null }];
    for (const args of all) {
      expect(apply(args, rules)).toEqual({ tenant: 'org/acme/3', who: { in: [['dev', 'ops']] } });
    }
    expect(apply({}, { who: { fixed: '${user.groups}' } })).toEqual({ who: ['dev', 'ops'] });
    expect(apply({}, { who: { fixed: '$${user.id}' } })).toEqual({ who: '${user.id}' });
  });

  test('values of claims are values only: never filled in again, never structure', () => {
    const who: Json = apply({}, { who: { fixed: '${claims.evil}' } });
    expect(who).toEqual({ who: ['${user.id}', '","x":"'] });
  });

  test.each(['nothing', 'constructor', '__proto__', 'empty', 'nested'])(
    'a claim that is missing, empty or no plain value (%s) refuses the call',
    (name) => {
      expect(() => apply({ who: 'me' }, { who: { fixed: `\${claims.${name}}` } })).toThrow(
        expect.objectContaining(refused),
      );
    },
  );

  test.each(['a ${claims.lines}', 'a ${user.groups}', '${user.phone}', 'x ${org.id}', '${}'])(
    '%s is refused: it fits no text, or nobody knows it',
    (fixed) => {
      expect(() => apply({}, { who: { fixed } })).toThrow(expect.objectContaining(refused));
    },
  );

  test('a value must be one of the allowed ones, equal in meaning', () => {
    const rules = { team: { allowed: ['a', { x: 1, y: [2] }, '${user.groups}'] } };
    expect(apply({ team: { y: [2], x: 1 } }, rules)).toEqual({ team: { x: 1, y: [2] } });
    expect(apply({ team: 'ops' }, rules)).toEqual({ team: 'ops' });
    for (const team of ['A', 'b', ['a'], null, { x: 1 }, '${user.groups}', ['dev', 'ops']]) {
      expect(() => apply({ team }, rules)).toThrow(expect.objectContaining(refused));
    }
  });

  test('who leaves out an allowed or bounded value gets the default, or is refused', () => {
    expect(apply({}, { team: { allowed: ['a', 'b'], default: 'b' } })).toEqual({ team: 'b' });
    expect(apply({ n: null }, { n: { maximum: 10, default: 5 } })).toEqual({ n: 5 });
    expect(() => apply({}, { team: { allowed: ['a'] } })).toThrow('arguments.team is required');
    expect(() => apply({}, { n: { maximum: 10 } })).toThrow('arguments.n is required');
  });

  test('a default stands in for what is absent, and for nothing else', () => {
    expect(apply({}, { n: { default: 5 } })).toEqual({ n: 5 });
    expect(apply({ n: null }, { n: { default: 5 } })).toEqual({ n: null });
    expect(apply({ n: 'x' }, { n: { default: 5 } })).toEqual({ n: 'x' });
  });

  test.each([
    '100.5',
    '101',
    '1e400',
    '1e2',
    '99.9999999999999999',
    '10000000000000000001',
    '"50"',
    '[50]',
    '{}',
    'true',
  ])('%s is refused where 100 is the maximum [D10] [X0.1]', (text) => {
    const args = { n: parseJson(text) };
    expect(() => apply(args, { n: { maximum: 100 } })).toThrow(expect.objectContaining(refused));
  });

  test('a name that is nearly that of a tool with rules is refused', () => {
    for (const tool of ['Find', 'find\0x', 'fi\u200bnd', 'ｆind']) {
      expect(() => apply({}, { a: { fixed: 1 } }, tool)).toThrow(expect.objectContaining(refused));
    }
    expect(apply({ a: 2 }, { a: { fixed: 1 } }, 'other')).toEqual({ a: 2 });
  });
});

describe('whatever JSON the caller sends', () => {
  const key = fc.oneof(
    fc.constantFrom('tenant', 'Tenant', 'TENANT', 'tenant\u200b', 'ｔenant', 'team', 'n', 'N', 'filter', '__proto__'),
    fc.string({ unit: 'binary', maxLength: 8 }),
  );
  const json = fc.oneof(
    fc.jsonValue(),
    fc.dictionary(key, fc.oneof(fc.jsonValue(), fc.dictionary(key, fc.jsonValue()))),
  );
  const number = fc.oneof(fc.double(), fc.bigInt()).map((value) => parseJson(JSON.stringify(Number(value)) ?? '0'));
  const parsed = (value: unknown): Json => parseJson(JSON.stringify(value) ?? 'null');

  test('the server gets the ruled values or nothing [S0.8] [X0.1]', () => {
    const rules = {
      tenant: { fixed: 't' },
      team: { allowed: ['a', 'b'], default: 'a' },
      n: { maximum: 10, default: 1 },
    };
    const arg = fc.oneof(
      json,
      fc.record({ n: number, tenant: json, team: fc.constantFrom('a', 'b', 'c') }, { requiredKeys: [] }),
    );
    fc.assert(
      fc.property(arg, (value) => {
        const args = parsed(value);
        const context = { tool: 'find', shaping: shapingOf(rules), enforced, claims };
        const sent = outcome(() => applyRules(args, context));
        if (sent === undefined) return;
        if (!isJsonObject(sent)) throw new Error('no object was sent');
        // As a server reads it, whatever its parser does with case.
        const seen: Record<string, unknown> = JSON.parse(JSON.stringify(sent));
        expect(seen.tenant).toBe('t');
        expect(['a', 'b']).toContain(seen.team);
        expect(seen.n).toBeLessThanOrEqual(10);
        expect(seen.filter).toMatchObject({ tenant: 'acme', level: 3 });
        const folded = Object.keys(seen).map((name) =>
          name
            .normalize('NFKC')
            .replace(/\u200b/g, '')
            .toLowerCase(),
        );
        for (const name of ['tenant', 'team', 'n', 'filter']) {
          expect(folded.filter((other) => other === name)).toHaveLength(1);
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('what no rule speaks of reaches the server as it came', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const args = parsed(value);
        const sent = outcome(() => apply(args, { tenant: { fixed: 't' } }));
        if (!isJsonObject(sent) || !isJsonObject(args)) return;
        const rest = (all: object) => Object.entries(all).filter(([name]) => name !== 'tenant');
        expect(canonicalJson(Object.fromEntries(rest(sent)))).toBe(canonicalJson(Object.fromEntries(rest(args))));
      }),
    );
  });
});
