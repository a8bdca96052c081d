import { expect, test } from 'vitest';
import { GatehouseError } from '#core/error.ts';
import { formatMcpPath, parseMcpPath } from '#core/mcp-path.ts';
import { addressKey, addressReader } from '#http/client-address.ts';
import { readHeaders } from '#http/headers.ts';

test('both slash forms and every documented form are MCP paths; the canonical form has no trailing slash', () => {
  expect(parseMcpPath('/org_123/mcp/my-collection')).toEqual({ organization: 'org_123', name: 'my-collection' });
  expect(parseMcpPath('/org_123/mcp/my-collection/')).toEqual({ organization: 'org_123', name: 'my-collection' });
  expect(parseMcpPath('/mcp/echo?x=1')).toEqual({ organization: undefined, name: 'echo' });
  expect(parseMcpPath('/mcp')).toEqual({ organization: undefined, name: undefined });
  expect(formatMcpPath({ organization: 'acme', name: 'a' })).toBe('/acme/mcp/a');
});

test.each([
  ...[
    '/o/..%2fmcp/a',
    '/o/%2e%2e/mcp/a',
    '/o/..;/mcp/a',
    '/o%252e/mcp/a',
    '/o/mcp/%00',
    '/o/mcp/a%0d%0aX:y',
    '/o\\mcp/a',
    '/o%5cmcp/a',
  ],
  ...[
    '//mcp/a',
    '/o//mcp/a',
    '/./mcp/a',
    '/o/mcp/a;x=1',
    '/o/mcp/%61',
    '/o/mcp/a%3fb',
    'http://evil/o/mcp/a',
    '*',
    '/o/t1/../t2/mcp/a',
  ],
  ...[
    '/o/mcp/..',
    '/o/mcp/.',
    '/mcpfoo',
    '/o/mcpx/a',
    '/api/mcp/a',
    '/admin/mcp/a',
    '/.well-known/mcp/a',
    '/o/mcp/a/b',
    '/é/mcp/a',
  ],
])('%s is no MCP path [E20] [C13]', (target) => {
  expect(parseMcpPath(target)).toBeUndefined();
});

const refused = (raw: string[], version = '1.1') => {
  try {
    readHeaders(raw, version);
  } catch (error) {
    return error instanceof GatehouseError ? error.code : 'strange';
  }
  return undefined;
};

test.each([
  'Host',
  'Authorization',
  'Content-Type',
  'Content-Length',
  'Mcp-Name',
  'Mcp-Session-Id',
  'Origin',
  'MCP-Param-X',
])('a second %s is refused, whatever its case [E2]', (name) => {
  expect(refused([name, 'a', name.toUpperCase(), 'a'])).toBe('bad_request');
});

test('Transfer-Encoding is exactly chunked and never in HTTP/1.0 [E1]', () => {
  expect(refused(['Transfer-Encoding', 'chunked'])).toBeUndefined();
  expect(refused(['Transfer-Encoding', 'identity, chunked'])).toBe('bad_request');
  expect(refused(['Transfer-Encoding', 'chunked'], '1.0')).toBe('bad_request');
  expect(refused(Array.from({ length: 202 }, (_, i) => `x${i}`))).toBe('bad_request');
});

test('the client address is the right-most hop that no trusted proxy wrote; strangers are not believed [E17]', () => {
  const none = addressReader([]);
  expect(none('::ffff:203.0.113.9', '1.2.3.4')).toBe('203.0.113.9');
  const behind = addressReader(['10.0.0.0/8', '127.0.0.1']);
  expect(behind('10.1.1.1', 'spoofed, 9.9.9.9, 203.0.113.7, 10.2.2.2')).toBe('203.0.113.7');
  expect(behind('198.51.100.1', '203.0.113.7')).toBe('198.51.100.1');
  expect(addressKey('2001:db8:1:2:3::4')).toBe(addressKey('2001:db8:1:2:ffff::1'));
  expect(addressKey('2001:db8:1:2::')).not.toBe(addressKey('2001:db8:1:3::'));
});
