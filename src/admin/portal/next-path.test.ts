import { expect, test } from 'vitest';
import { parseNext } from './next-path.ts';

test('pages of the portal are kept, with their query [H4]', () => {
  for (const path of ['/admin', '/admin/servers?q=a%20b&page=2', '/mcp-admin/keys', '/me', '/me/keys'])
    expect(parseNext(path, '/x')).toBe(path);
});

test('whatever leads elsewhere, or back to the door, is replaced [H4]', () => {
  const bad = [
    ...[
      'https://evil.example',
      '//evil.example',
      '///evil.example',
      '/\\evil.example',
      '\\\\evil.example',
      'evil.example',
    ],
    ...[
      'javascript:alert(1)',
      'data:text/html,x',
      '/\tevil',
      '/%09/evil.example',
      '/admin//evil.example',
      '/admin/..//evil',
    ],
    ...['/admin/%2f%2fevil.example', '/admin/%5cevil', '/admin@evil.example', '/adminx', '/authorize?x=y', '/mcp', '/'],
    ...['/admin/sign-in', '/admin/link?code=x', '/mcp-admin/api/users', '/admin/api/v1/session', '/admin/../authorize'],
    ...['/admin\r\nSet-Cookie: a=b', '/admin\u0000', '/admin/\u2028', `/admin/${'x'.repeat(2000)}`, '', undefined, 7],
    ...[['/admin'], { a: 1 }, ' /admin', '/admin "onload', '/admin<script>', 'http:/admin', 'http:evil.example'],
  ];
  for (const next of bad) expect([next, parseNext(next, '/fallback')]).toEqual([next, '/fallback']);
});
