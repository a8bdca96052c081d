import { describe, expect, test } from 'vitest';
import { type JsonObject, parseJsonObject } from '#core/json.ts';
import { toCanonicalResult, toLegacyResult } from './results.ts';

const complete = { resultType: 'complete' };

function outputSchemaOf(schema: JsonObject): unknown {
  const tools = { ...complete, tools: [{ name: 't', inputSchema: { type: 'object' }, outputSchema: schema }] };
  const result = toLegacyResult('tools/list', tools, { version: '2025-11-25' });
  return Array.isArray(result.tools) ? result.tools[0]?.outputSchema : undefined;
}

describe('structured content', () => {
  test('a list is wrapped as its schema is, and told as text', () => {
    expect(
      outputSchemaOf({ type: 'array', items: { $ref: '#/$defs/a' }, $defs: { a: { const: { $ref: '#' } } } }),
    ).toEqual({
      type: 'object',
      properties: {
        result: {
          type: 'array',
          items: { $ref: '#/properties/result/$defs/a' },
          $defs: { a: { const: { $ref: '#' } } },
        },
      },
      required: ['result'],
    });
    const call = { ...complete, content: [], structuredContent: [1] };
    expect(toLegacyResult('tools/call', call, { version: '2025-06-18' })).toEqual({
      content: [{ type: 'text', text: '[1]' }],
      structuredContent: { result: [1] },
    });
  });

  test('a schema of objects and more is left out, so that no client checks what it cannot know', () => {
    expect(outputSchemaOf({ type: ['object', 'null'] })).toBeUndefined();
    expect(outputSchemaOf({ anyOf: [] })).toBeUndefined();
    expect(outputSchemaOf({ type: 'object' })).toEqual({ type: 'object' });
  });

  test('older clients read it as text where there is no text', () => {
    const call = { ...complete, content: [], structuredContent: { a: 1 } };
    expect(toLegacyResult('tools/call', call, { version: '2025-03-26' })).toEqual({
      content: [{ type: 'text', text: '{"a":1}' }],
    });
  });

  test('a schema deeper than any reader needs is left out', () => {
    const deep = parseJsonObject(`{"type":"array","items":${'{"not":'.repeat(5000)}{}${'}'.repeat(5000)}}`);
    expect(outputSchemaOf(deep)).toBeUndefined();
  });

  test('a property named $ref is no reference', () => {
    const schema = { type: 'array', items: { properties: { $ref: { type: 'string' } } } };
    expect(outputSchemaOf(schema)).toMatchObject({ properties: { result: schema } });
  });

  test('digits that no double holds stay', () => {
    const call = parseJsonObject(
      '{"resultType":"complete","content":[],"structuredContent":{"n":12345678901234567890.10}}',
    );
    expect(JSON.stringify(toLegacyResult('tools/call', call, { version: '2025-06-18' }))).toContain(
      '12345678901234567890.10',
    );
    expect(JSON.stringify(toLegacyResult('tools/call', call, { version: '2024-11-05' }))).toContain(
      '12345678901234567890.10',
    );
  });
});

test('a question never reaches a legacy client as a result', () => {
  const asked = { resultType: 'input_required', requestState: 'x' };
  expect(() => toLegacyResult('tools/call', asked, { version: '2025-11-25' })).toThrow('no form');
  expect(() => toLegacyResult('tools/call', { resultType: 'new' }, { version: '2025-11-25' })).toThrow('no form');
});

test('a modern server of no result type counts as complete', () => {
  expect(toLegacyResult('tools/call', { content: [] }, { version: '2025-11-25' })).toEqual({ content: [] });
});

test('the result of 2024-10-07 and one of structure only get content', () => {
  expect(toCanonicalResult('tools/call', { toolResult: 5 })).toEqual({
    content: [{ type: 'text', text: '5' }],
    ...complete,
  });
  expect(toCanonicalResult('tools/call', { structuredContent: { a: 1 } })).toMatchObject({
    content: [{ type: 'text', text: '{"a":1}' }],
  });
});

test('a legacy server cannot say how long its lists may be kept', () => {
  const result = toCanonicalResult('tools/list', { tools: [], ttlMs: 9e9, cacheScope: 'public' });
  expect(result).toEqual({ tools: [], ...complete, ttlMs: 0, cacheScope: 'private' });
});

test('unknown methods lose the result type only', () => {
  const result = { ...complete, ttlMs: 3, x: 1 };
  expect(toLegacyResult('com.example/x', result, { version: '2025-11-25' })).toEqual({ ttlMs: 3, x: 1 });
});
