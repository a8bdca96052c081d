import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GatehouseError } from '#core/error.ts';
import { type JsonObject, parseJsonObject } from '#core/json.ts';
import { decodeHeaderValue } from '#mcp/param-headers.ts';
import { modernEnvelope, splitEnvelope, splitServerInfo, withEnvelope, withServerInfo } from './envelope.ts';
import { checkParamHeaders, encodeHeaderValue, invalidParamHeaders, mirrorHeaders } from './mirror-headers.ts';

function toolOf(properties: JsonObject, more: JsonObject = {}): JsonObject {
  return { name: 't', inputSchema: { type: 'object', properties, ...more } };
}

const declared = (header: string, type = 'string') => ({ type, 'x-mcp-header': header });

describe('the envelope', () => {
  const params = {
    name: 't',
    _meta: {
      progressToken: 5,
      traceparent: '00-x',
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': { roots: {} },
      'io.modelcontextprotocol/clientInfo': { name: 'c', version: '1' },
      'io.modelcontextprotocol/logLevel': 'info',
    },
  };

  test('is taken out whole, and put back the same', () => {
    const split = splitEnvelope(params);
    expect(split).toEqual({
      params: { name: 't', _meta: { traceparent: '00-x' } },
      envelope: {
        version: '2026-07-28',
        capabilities: { roots: {} },
        clientInfo: { name: 'c', version: '1' },
        logLevel: 'info',
        progressToken: 5,
      },
    });
    expect(withEnvelope(split.params, split.envelope)).toEqual(params);
  });

  test('leaves no empty _meta, and a legacy request without any unchanged', () => {
    expect(splitEnvelope({ _meta: { progressToken: 1 } }).params).toEqual({});
    expect(withEnvelope({ a: 1 }, {})).toEqual({ a: 1 });
    expect(splitEnvelope(undefined).params).toEqual({});
  });

  test('of a modern request always has version and capabilities', () => {
    expect(modernEnvelope({})).toEqual({ version: '2026-07-28', capabilities: {} });
  });

  test('of a result is the name of the server', () => {
    const info = { name: 's', version: '1' };
    expect(splitServerInfo(withServerInfo({ a: 1 }, info))).toEqual({ result: { a: 1 }, serverInfo: info });
  });
});

describe('mirrored headers', () => {
  test('name the method and what it is about', () => {
    expect(mirrorHeaders('tools/call', { name: 'a' })).toEqual({ 'Mcp-Method': 'tools/call', 'Mcp-Name': 'a' });
    expect(mirrorHeaders('resources/read', { uri: 'file:///ä' })).toEqual({
      'Mcp-Method': 'resources/read',
      'Mcp-Name': `=?base64?${Buffer.from('file:///ä').toString('base64')}?=`,
    });
    expect(mirrorHeaders('tasks/cancel', { taskId: '7' })['Mcp-Name']).toBe('7');
    expect(mirrorHeaders('tools/list', {})).toEqual({ 'Mcp-Method': 'tools/list' });
  });

  test('carry any text, and no line break', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const value = encodeHeaderValue(text);
        expect(value).toMatch(/^[\t\x20-\x7e]+$/);
        expect(decodeHeaderValue(value)).toBe(text);
      }),
    );
    for (const text of ['=?base64?YQ==?=', ' a', 'a\n', '']) expect(encodeHeaderValue(text)).toMatch(/^=\?base64\?/);
  });

  test('mirror declared arguments by their kind, and omit absent ones', () => {
    const tool = toolOf({
      region: declared('Region'),
      deep: { type: 'object', properties: { count: declared('Count', 'integer') } },
      flag: declared('Flag', 'boolean'),
      none: declared('None'),
      toString: declared('Inherited'),
    });
    const args = parseJsonObject('{"region":"eu","deep":{"count":42.0},"flag":false,"none":null}');
    expect(mirrorHeaders('tools/call', { name: 't', arguments: args }, tool)).toEqual({
      'Mcp-Method': 'tools/call',
      'Mcp-Name': 't',
      'Mcp-Param-Region': 'eu',
      'Mcp-Param-Count': '42',
      'Mcp-Param-Flag': 'false',
    });
  });

  test.each<[string, JsonObject]>([
    ['an empty name', toolOf({ a: declared('') })],
    ['a name with a line break', toolOf({ a: declared('A\r\nX: y') })],
    ['the kind number', toolOf({ a: declared('A', 'number') })],
    ['the kind object', toolOf({ a: declared('A', 'object') })],
    ['two names that differ in case only', toolOf({ a: declared('A'), b: declared('a') })],
    ['a place inside items', toolOf({ a: { type: 'array', items: declared('A') } })],
    ['a place inside oneOf', toolOf({}, { oneOf: [{ properties: { a: declared('A') } }] })],
    ['a place inside $defs', toolOf({}, { $defs: { a: declared('A') } })],
    ['the root', toolOf({}, { 'x-mcp-header': 'A' })],
  ])('a tool that declares a header with %s must be dropped', (_reason, tool) => {
    expect(invalidParamHeaders(tool)).toBe(true);
  });

  test('a tool that declares well, or nothing, or an argument of that very name, is kept', () => {
    expect(invalidParamHeaders(toolOf({ a: declared('A'), b: declared('B', 'integer') }))).toBe(false);
    expect(invalidParamHeaders(toolOf({ 'x-mcp-header': { type: 'string' } }))).toBe(false);
    expect(invalidParamHeaders({ name: 't' })).toBe(false);
  });
});

describe('mirrored arguments of a caller', () => {
  const tool = toolOf({ region: declared('Region'), count: declared('Count', 'integer') });
  const check = (headers: Record<string, string>, args: JsonObject) => () => checkParamHeaders(headers, tool, args);

  test('pass where they equal the body', () => {
    expect(check({ 'mcp-param-region': '=?base64?w6Q=?=' }, { region: 'ä' })).not.toThrow();
    expect(check({ 'mcp-param-count': '42.0' }, { count: 42 })).not.toThrow();
    expect(check({ 'mcp-param-region': 'left over' }, { region: null })).not.toThrow();
  });

  test.each<[string, Record<string, string>, JsonObject]>([
    ['missing', {}, { region: 'eu' }],
    ['different', { 'mcp-param-region': 'us' }, { region: 'eu' }],
    ['not base64', { 'mcp-param-region': '=?base64?!?=' }, { region: 'eu' }],
    ['another number', { 'mcp-param-count': '43' }, { count: 42 }],
    ['a word for a number', { 'mcp-param-count': '0x2a' }, { count: 42 }],
  ])('are refused where the header is %s', (_reason, headers, args) => {
    expect(check(headers, args)).toThrow(GatehouseError);
    expect(check(headers, args)).toThrow(/Header mismatch/);
  });
});
