import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GatehouseError } from '#core/error.ts';
import { enforceArguments, findEnforced } from './enforce.ts';
import { parseMessage } from './message.ts';

const filter = { tenant: 'acme', level: 3 };
const enforced = new Map([['filter', filter]]);

function enforce(args: string | undefined, name = 'retrieve'): string {
  const params = args === undefined ? `{"name":"${name}"}` : `{"name":"${name}","arguments":${args}}`;
  return enforceArguments(
    parseMessage(Buffer.from(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${params}}`)),
    enforced,
  ).toString();
}

const sentArguments = (args: string | undefined): unknown => JSON.parse(enforce(args)).params.arguments;

describe('enforced arguments', () => {
  test('no name takes long to be looked at: a megabyte of combining marks is refused [D15] [R29]', () => {
    const marks = `a${'\u0315\u0300'.repeat(200_000)}`;
    const before = performance.now();
    expect(() => findEnforced(marks, new Map([['retrieve', enforced]]))).toThrow(GatehouseError);
    expect(() => enforce(`{"filter":{"${marks}":1}}`)).toThrow(GatehouseError);
    expect(() => enforce(`{"${marks}":1}`)).toThrow(GatehouseError);
    const many = Array.from({ length: 2000 }, (_, i) => `"${'\u0315\u0300'.repeat(50)}${i}":0`);
    enforce(`{${many.join(',')}}`);
    expect(performance.now() - before).toBeLessThan(1000);
  });

  test.each([
    ['no arguments at all', undefined],
    ['null arguments', 'null'],
    ['empty arguments', '{}'],
    ['a null filter', '{"filter":null}'],
    ['an empty filter', '{"filter":{}}'],
    ['a filter that wants another tenant', '{"filter":{"tenant":"evil","level":0}}'],
    ['a filter with escaped keys', '{"filt\\u0065r":{"t\\u0065nant":"evil"}}'],
  ])('%s becomes the enforced filter [S0.8] [X0.1]', (_name, args) => {
    expect(sentArguments(args)).toEqual({ filter });
  });

  test('what the caller adds beside the enforced keys stays, digit for digit', () => {
    const text = enforce('{"query":"q","filter":{"year":9007199254740993,"tenant":"evil","x": 1e400 },"n":1.50}');
    expect(text).toContain('"year":9007199254740993');
    expect(text).toContain('"x": 1e400');
    expect(text).toContain('"n":1.50');
    expect(text).not.toContain('evil');
    expect(JSON.parse(text).params.arguments.filter).toMatchObject({ tenant: 'acme', level: 3 });
  });

  test.each([
    ['a list as filter', '{"filter":[]}'],
    ['a list with an object as filter', '{"filter":[{"tenant":"evil"}]}'],
    ['a text as filter', '{"filter":"x"}'],
    ['a number as filter', '{"filter":1}'],
    ['false as filter', '{"filter":false}'],
    ['a list as arguments', '[]'],
    ['a text as arguments', '"x"'],
    ['a filter key in other case', '{"Filter":{"tenant":"evil"}}'],
    ['an enforced key in other case', '{"filter":{"TENANT":"evil"}}'],
    ['a key with a letter that folds', '{"filter":{"tenant":"a","lеvel":1,"\\uff4cevel":1}}'],
  ])('%s is refused with -32602, never let through [S0.8] [X0.1]', (_name, args) => {
    expect(() => enforce(args)).toThrow(GatehouseError);
    try {
      enforce(args);
    } catch (error) {
      expect((error as GatehouseError).row.rpc).toBe(-32602);
    }
  });

  test('whatever JSON the caller sends as arguments, the upstream sees the enforced values or nothing [X0.1]', () => {
    const value = fc.oneof(
      fc.jsonValue(),
      fc.record({ filter: fc.jsonValue(), query: fc.string() }),
      fc.record({ filter: fc.dictionary(fc.constantFrom('tenant', 'level', 'Tenant', 'x'), fc.jsonValue()) }),
    );
    fc.assert(
      fc.property(value, (args) => {
        const text = JSON.stringify(args);
        if (text.includes('__proto__')) return;
        let sent: { filter: unknown };
        try {
          sent = sentArguments(text) as { filter: unknown };
        } catch (error) {
          expect(error).toBeInstanceOf(GatehouseError);
          return;
        }
        expect(sent.filter).toMatchObject(filter);
      }),
      { numRuns: 2000 },
    );
  });
});

test('a tool name that is nearly a filtered one is refused: an upstream that folds names would run it unfiltered', () => {
  const all = new Map([['retrieve', enforced]]);
  expect(findEnforced('retrieve', all)).toBe(enforced);
  expect(findEnforced('other', all)).toBeUndefined();
  for (const name of ['Retrieve', ' retrieve', 'retrieve ', 'RETRIEVE', 'ｒetrieve'])
    expect(() => findEnforced(name, all)).toThrow();
});
