import { expect, test } from 'vitest';
import { decodeTool, methodOf, parseFlatName, parseRestTarget } from './rest-path.ts';

const home = { organization: undefined, name: undefined };
const named = (name: string, organization?: string) => ({ organization, name });

test('every address of the façade, its aliases, and either form of its end [S3.10]', () => {
  const cases: readonly (readonly [string, string, unknown])[] = [
    ['GET', '/servers', { kind: 'servers', path: home }],
    ['GET', '/api/servers/', { kind: 'servers', path: home }],
    ['GET', '/mcp/servers?x=1', { kind: 'servers', path: home }],
    ['GET', '/acme/mcp/tools', { kind: 'all-tools', path: { organization: 'acme', name: undefined } }],
    ['GET', '/tenants', { kind: 'tenants', path: home }],
    ['POST', '/refresh', { kind: 'refresh', path: home }],
    ['GET', '/openapi.json', { kind: 'document', path: home, base: '' }],
    ['GET', '/mcp/openapi.json', { kind: 'document', path: home, base: '/mcp' }],
    ['GET', '/acme/mcp/docs/openapi.json', { kind: 'document', path: named('docs', 'acme'), base: '/acme/mcp/docs' }],
    ['GET', '/api/servers/docs/tools', { kind: 'tools', path: named('docs') }],
    ['POST', '/api/servers/docs/tools/a.b', { kind: 'call', path: named('docs'), tool: 'a.b' }],
    ['POST', '/mcp/docs/read%20all', { kind: 'call', path: named('docs'), tool: 'read all' }],
    ['POST', '/acme/mcp/docs/read', { kind: 'call', path: named('docs', 'acme'), tool: 'read' }],
    ['POST', '/mcp/docs/openapi.json', { kind: 'call', path: named('docs'), tool: 'openapi.json' }],
    ['POST', '/mcp/meta/call_tool', { kind: 'meta', path: home, tool: 'call_tool' }],
    ['GET', '/meta/stats', { kind: 'meta', path: home, tool: 'stats' }],
  ];
  for (const [method, target, wish] of cases) {
    const found = parseRestTarget(target, method);
    expect([target, found]).toEqual([target, wish]);
    expect(found && methodOf(found)).toBe(method);
  }
});

test('what is not exactly that is none of the façade', () => {
  const targets = [
    '/mcpfoo/docs/read',
    '/mcp/docs',
    '/mcp',
    '/mcp/docs/sse',
    '/mcp/docs/ws',
    '/mcp/docs/a/b',
    '/meta/x',
  ];
  const more = [
    '/mcp/docs/..',
    '/mcp/docs/%2e%2e',
    '/mcp/../x',
    '/admin/mcp/docs/x',
    '/mcp/servers/x',
    '/api/servers/ws/tools',
  ];
  const odd = [
    '//servers',
    '/api/servers//tools',
    '/mcp/docs/a%zz',
    '/mcp/docs/%ff',
    '/Servers',
    '/mcp/do%63s/x',
    '/servers/x',
  ];
  for (const target of [...targets, ...more, ...odd])
    expect([target, parseRestTarget(target, 'POST')]).toEqual([target, undefined]);
  expect(parseRestTarget('/mcp/docs/read', 'GET')).toBeUndefined();
  expect(decodeTool('a/b')).toBeUndefined();
  expect(decodeTool('a%2Fb')).toBe('a/b');
});

test('names in one piece divide at the first underscore', () => {
  expect(parseFlatName('git-hub_list_issues')).toEqual({ server: 'git-hub', tool: 'list_issues' });
  for (const name of ['docs', '_x', 'docs_', 'Docs_x', 'meta_stats', 'a.b_c'])
    expect(parseFlatName(name)).toBeUndefined();
});
