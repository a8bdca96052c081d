import { describe, expect, test } from 'vitest';
import { GatehouseError } from '#core/error.ts';
import { classifyMessage } from './classify.ts';
import { parseMessage } from './message.ts';

const parse = (text: string) => parseMessage(Buffer.from(text));

function failure(act: () => unknown): { readonly code: string; readonly rpc: number; readonly http: number } {
  try {
    act();
  } catch (error) {
    if (error instanceof GatehouseError) return { code: error.code, rpc: error.row.rpc, http: error.row.http };
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('messages', () => {
  test('a request, a notification and a response are told apart, ids kept byte for byte', () => {
    expect(parse('{"jsonrpc":"2.0","id":9007199254740993,"method":"ping"}')).toMatchObject({
      kind: 'request',
      method: 'ping',
    });
    expect(parse('{"jsonrpc":"2.0","id":9007199254740993,"method":"ping"}').id?.toString()).toBe('9007199254740993');
    expect(parse('{"jsonrpc":"2.0","method":"notifications/initialized"}').kind).toBe('notification');
    expect(parse('{"jsonrpc":"2.0","id":"a","result":{}}').kind).toBe('response');
  });

  test.each([
    ['"jsonrpc":2.0,"id":1,"method":"ping"', 'invalid_request'],
    ['"id":1,"method":"ping"', 'invalid_request'],
    ['"jsonrpc":"2.0","id":null,"method":"ping"', 'invalid_request'],
    ['"jsonrpc":"2.0","id":[1],"method":"ping"', 'invalid_request'],
    ['"jsonrpc":"2.0","id":1,"method":7', 'invalid_request'],
    ['"jsonrpc":"2.0","id":1,"method":"x","result":{}', 'invalid_request'],
    ['"jsonrpc":"2.0","id":1,"result":{},"error":{}', 'invalid_request'],
    ['"jsonrpc":"2.0","result":{}', 'invalid_request'],
    ['"jsonrpc":"2.0","id":1', 'invalid_request'],
    ['"jsonrpc":"2.0","id":1,"method":"x","params":[1]', 'invalid_request'],
    ['"jsonrpc":"2.0","id":1,"method":"x","Method":"y"', 'invalid_request'],
    ['"jsonrpc":"2.0","id":1,"method":"x","param\\u017f":{}', 'invalid_request'],
    ['"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","NAME":"b"}', 'invalid_request'],
    ['"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":["retrieve"]}', 'invalid_params'],
    ['"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}', 'invalid_params'],
  ])('{%s} is refused [D1]', (members, code) => {
    expect(failure(() => parse(`{${members}}`)).code).toBe(code);
  });
});

const meta = (version: string, more = ',"io.modelcontextprotocol/clientCapabilities":{}') =>
  `"_meta":{"io.modelcontextprotocol/protocolVersion":"${version}"${more}}`;
const request = (method: string, params: string) =>
  parse(`{"jsonrpc":"2.0","id":1,"method":"${method}","params":{${params}}}`);
const headers = (protocolVersion?: string, method?: string, name?: string) => ({ protocolVersion, method, name });
const modern = '2026-07-28';

describe('the era of a message, by its body', () => {
  test('an envelope with equal headers is modern; no envelope is legacy', () => {
    expect(classifyMessage(request('tools/list', meta(modern)), headers(modern, 'tools/list'))).toBe('modern');
    expect(classifyMessage(request('tools/list', ''), headers())).toBe('legacy');
    expect(classifyMessage(request('tools/list', ''), headers('2025-06-18'))).toBe('legacy');
    expect(classifyMessage(request('initialize', '"protocolVersion":"2026-07-28"'), headers())).toBe('legacy');
  });

  test.each([
    ['header absent', request('tools/list', meta(modern)), headers(undefined, 'tools/list'), -32020, 400],
    ['header differs', request('tools/list', meta(modern)), headers('2025-11-25', 'tools/list'), -32020, 400],
    [
      'unknown envelope version',
      request('tools/list', meta('2099-01-01')),
      headers('2099-01-01', 'tools/list'),
      -32022,
      400,
    ],
    [
      'legacy version in an envelope',
      request('tools/list', meta('2025-11-25')),
      headers('2025-11-25', 'tools/list'),
      -32022,
      400,
    ],
    ['no capabilities', request('tools/list', meta(modern, '')), headers(modern, 'tools/list'), -32602, 400],
    ['modern header without envelope', request('tools/list', ''), headers(modern, 'tools/list'), -32602, 400],
    ['initialize with an envelope', request('initialize', meta(modern)), headers(modern, 'initialize'), -32601, 404],
    ['Mcp-Method absent', request('tools/list', meta(modern)), headers(modern), -32020, 400],
    ['Mcp-Method differs', request('tools/list', meta(modern)), headers(modern, 'tools/call'), -32020, 400],
    [
      'Mcp-Name absent',
      request('tools/call', `"name":"a",${meta(modern)}`),
      headers(modern, 'tools/call'),
      -32020,
      400,
    ],
    [
      'Mcp-Name differs',
      request('tools/call', `"name":"evil",${meta(modern)}`),
      headers(modern, 'tools/call', 'safe'),
      -32020,
      400,
    ],
    [
      'Mcp-Name broken base64',
      request('tools/call', `"name":"é",${meta(modern)}`),
      headers(modern, 'tools/call', '=?base64?w6k?='),
      -32020,
      400,
    ],
  ])('%s is refused as the table says [D4]', (_name, message, sent, rpc, http) => {
    expect(failure(() => classifyMessage(message, sent))).toMatchObject({ rpc, http });
  });

  test('a name that needs base64 is compared decoded', () => {
    expect(
      classifyMessage(
        request('tools/call', `"name":"é",${meta(modern)}`),
        headers(modern, 'tools/call', '=?base64?w6k=?='),
      ),
    ).toBe('modern');
  });
});
