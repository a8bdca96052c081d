import { expect, test } from 'vitest';
import type { JsonObject } from '#core/json.ts';
import { inlineSchema, takesArguments } from './schemas.ts';

test('definitions stand where they are referred to, wherever a schema may stand', () => {
  const schema: JsonObject = {
    $id: 'https://x.example/s',
    type: 'object',
    properties: {
      $ref: { $ref: '#/definitions/Text' },
      deep: { allOf: [{ not: { items: { $ref: '#/$defs/a~1b' } } }] },
    },
    patternProperties: { '^x': { $ref: '#/properties/$ref' } },
    additionalProperties: false,
    default: { $ref: '#/kept' },
    definitions: { Text: { type: 'string', enum: ['$ref'] } },
    $defs: { 'a/b': { maximum: 3 } },
  };
  const text = { type: 'string', enum: ['$ref'] };
  expect(inlineSchema(schema)).toEqual({
    type: 'object',
    properties: { $ref: text, deep: { allOf: [{ not: { items: { maximum: 3 } } }] } },
    patternProperties: { '^x': text },
    additionalProperties: false,
    default: { $ref: '#/kept' },
  });
});

test('what is beside a reference is kept', () => {
  const $defs = { N: { type: 'number', description: 'n' } };
  const beside = (more: JsonObject) => inlineSchema({ $defs, items: { $ref: '#/$defs/N', ...more } }).items;
  expect(beside({ description: 'mine' })).toEqual({ type: 'number', description: 'mine' });
  expect(beside({ maximum: 3 })).toEqual({ allOf: [{ type: 'number', description: 'n' }, { maximum: 3 }] });
});

test('schemas that lead into themselves, to nothing or elsewhere end', () => {
  const any = (schema: JsonObject) => JSON.stringify(inlineSchema(schema));
  expect(any({ items: { $ref: '#' } })).toBe('{"items":{"items":{}}}');
  expect(any({ $ref: '#' })).toBe('{}');
  expect(any({ $ref: '#/$defs/A', $defs: { A: { $ref: '#/$defs/B' }, B: { $ref: '#/$defs/A' } } })).toBe('{}');
  for (const $ref of ['#/nowhere', 'other.json', 'file:///etc/passwd', '#anchor', '#/__proto__/x', '#/constructor'])
    expect(any({ items: { $ref } })).toBe('{"items":{}}');
  expect(any({ properties: { a: true, b: false } })).toBe('{"properties":{"a":{},"b":{"not":{}}}}');
});

test('a small schema cannot become a large one', () => {
  const $defs: Record<string, JsonObject> = { n0: { type: 'string' } };
  for (let n = 1; n <= 30; n++) {
    const $ref = `#/$defs/n${n - 1}`;
    $defs[`n${n}`] = { type: 'object', properties: { a: { $ref }, b: { $ref }, c: { $ref } } };
  }
  const text = JSON.stringify(inlineSchema({ $ref: '#/$defs/n30', $defs }));
  expect(text.length).toBeLessThan(1_000_000);
  let deep: JsonObject = {};
  for (let n = 0; n < 1000; n++) deep = { items: deep };
  expect(JSON.stringify(inlineSchema(deep)).length).toBeLessThan(1000);
});

test('only a tool that takes something has a body', () => {
  const without: JsonObject[] = [
    {},
    { type: 'object' },
    { properties: {} },
    { properties: {}, additionalProperties: false },
  ];
  const taking: JsonObject[] = [{ properties: { a: {} } }, { additionalProperties: true }, { anyOf: [{}] }];
  for (const schema of without) expect(takesArguments(schema)).toBe(false);
  for (const schema of taking) expect(takesArguments(schema)).toBe(true);
});
