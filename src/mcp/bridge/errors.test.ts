import { describe, expect, test } from 'vitest';
import type { JsonObject } from '#core/json.ts';
import {
  modernStatus,
  parseRpcError,
  RpcError,
  toCanonicalError,
  toLegacyError,
  toModernError,
  urlElicitations,
} from './errors.ts';

const urls = {
  elicitations: [{ mode: 'url', elicitationId: 'e', url: 'https://example.com/sign-in', message: 'Sign in' }],
};
const needsUrl = new RpcError(-32042, 'Sign in first', urls);

describe('errors of a modern server for a legacy client', () => {
  const legacyCode = (code: number, method = 'prompts/get', data?: JsonObject) => {
    const answer = toLegacyError(new RpcError(code, 'text', data), { method, version: '2025-11-25' });
    return 'error' in answer ? answer.error.code : answer.result;
  };

  test('a resource that is not found has its old code where resources are read, nowhere else', () => {
    expect(legacyCode(-32602, 'resources/read')).toBe(-32002);
    expect(legacyCode(-32602, 'tools/call')).toBe(-32602);
  });

  test('the codes of mirrored headers and revisions stay between the gateway and the server', () => {
    expect([legacyCode(-32020), legacyCode(-32022), legacyCode(-32021)]).toEqual([-32603, -32603, -32603]);
  });

  test('a capability that a tool misses is told to the model', () => {
    const data = { requiredCapabilities: { elicitation: { form: {} } } };
    expect(legacyCode(-32021, 'tools/call', data)).toEqual({
      content: [{ type: 'text', text: 'This needs a client that supports elicitation.' }],
      isError: true,
    });
  });

  test('URLs to open exist in 2025-11-25 only; before, a model reads them', () => {
    const asked = (version: string) => toLegacyError(needsUrl, { method: 'tools/call', version });
    expect(asked('2025-11-25')).toEqual({ error: needsUrl });
    expect(JSON.stringify(asked('2025-06-18'))).toContain('Sign in: https://example.com/sign-in');
  });

  test("a server's own codes pass with their data", () => {
    const own = new RpcError(4711, 'own', { a: 1 });
    expect(toLegacyError(own, { method: 'tools/call', version: '2025-11-25' })).toEqual({ error: own });
    expect(own.toJson()).toEqual({ code: 4711, message: 'own', data: { a: 1 } });
  });
});

describe('errors of a legacy server for a modern client', () => {
  test('a resource that is not found has the modern code', () => {
    expect(toCanonicalError(new RpcError(-32002, 'no', { uri: 'x:' }))).toMatchObject({
      code: -32602,
      data: { uri: 'x:' },
    });
  });

  test.each([-32020, -32021, -32022, -32042, -32099])('%d means nothing in its mouth', (code) => {
    expect(toCanonicalError(new RpcError(code, 'x')).code).toBe(-32603);
  });

  test.each([-32000, -32001, -32019, -32601, -1])('%d stays', (code) => {
    expect(toCanonicalError(new RpcError(code, 'x')).code).toBe(code);
  });

  test('URLs that it needs opened become questions without their ids', () => {
    expect(urlElicitations(needsUrl)).toEqual({
      resultType: 'input_required',
      inputRequests: {
        'url-1': {
          method: 'elicitation/create',
          params: { mode: 'url', url: 'https://example.com/sign-in', message: 'Sign in' },
        },
      },
    });
    expect(urlElicitations(new RpcError(-32042, 'x', { elicitations: [] }))).toBeUndefined();
    expect(urlElicitations(new RpcError(-32602, 'x', urls))).toBeUndefined();
  });
});

test('a modern client learns which capability is missing, and nothing of headers and revisions between servers', () => {
  expect(toModernError(new RpcError(-32021, 'x')).code).toBe(-32021);
  expect([-32020, -32022, -32042].map((code) => toModernError(new RpcError(code, 'x')).code)).toEqual([
    -32603, -32603, -32603,
  ]);
});

test.each([
  [-32601, 404],
  [-32020, 400],
  [-32021, 400],
  [-32022, 400],
  [-32600, 400],
  [-32602, 200],
  [-32603, 200],
  [-32000, 200],
])('the HTTP status of %d is %d', (code, status) => {
  expect(modernStatus(new RpcError(code, 'x'))).toBe(status);
});

test('an error without form is an internal one', () => {
  expect(parseRpcError('broken').code).toBe(-32603);
  expect(parseRpcError({ code: '5' })).toMatchObject({ code: -32603, message: 'Error' });
  expect(parseRpcError({ code: 5, message: 'x', data: null })).toMatchObject({ code: 5, data: null });
});
