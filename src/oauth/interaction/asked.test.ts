import { describe, expect, test } from 'vitest';
import { describeRedirect, plainName } from './asked.ts';
import { isFromHere, openFormGuard } from './form-guard.ts';
import { describeResource, describeScopes } from './words.ts';

describe('a name', () => {
  test('loses what steers a reader, folds look-alike forms, and is 64 letters at most [A17]', () => {
    expect(plainName('\u202eexe.\u2066txt\u200b\u0000\n  Notes ')).toBe('exe.txt Notes');
    expect(plainName('\uff27\uff49\uff54\uff28\uff55\uff42')).toBe('GitHub');
    expect([...(plainName('\u{1f600}'.repeat(10_000)) ?? '')]).toHaveLength(64);
    expect(plainName('a\u0301\u0301\u0301\u0301\u0301b')).toBe('\u00e1b');
    for (const empty of [undefined, '', ' \u200b\u202e ']) expect(plainName(empty)).toBeUndefined();
  });
});

describe('a redirect', () => {
  test('is on this machine exactly where it is loopback [A16]', () => {
    for (const url of [
      'http://localhost:3000/cb',
      'http://127.0.0.1/cb',
      'http://[::1]:9/cb',
      'https://localhost/cb',
    ]) {
      expect(describeRedirect(url).redirectKind, url).toBe('loopback');
    }
    for (const url of ['https://localhost.evil.example/cb', 'https://127.0.0.1.evil.example/', 'https://10.0.0.1/cb']) {
      expect(describeRedirect(url).redirectKind, url).toBe('web');
    }
  });

  test('shows host and port as they are compared, not as they look', () => {
    expect(describeRedirect('https://CLIENT.example:8443/cb')).toEqual({
      redirectKind: 'web',
      redirectHost: 'client.example:8443',
    });
    expect(describeRedirect('https://\u0430pple.example/').redirectHost).toMatch(/^xn--/);
    expect(describeRedirect('com.example.app:/cb')).toEqual({ redirectKind: 'app', redirectHost: 'com.example.app:' });
    expect(describeRedirect('urn:ietf:wg:oauth:2.0:oob').redirectKind).toBe('out-of-band');
    expect(describeRedirect(undefined).redirectKind).toBe('device');
  });
});

test('what is asked for is said in words, what matters most first', () => {
  const rules = { baseUrl: 'https://gw.example', external: ['https://other.example'] };
  expect(describeResource('https://gw.example', rules)).toBe('Everything you can use at gw.example');
  expect(describeResource('https://gw.example/mcp', rules)).toBe('Everything you can use in your organization');
  expect(describeResource('https://gw.example/acme/mcp/files', rules)).toBe('files in the organization acme');
  expect(describeResource('https://other.example', rules)).toBe('https://other.example');
  expect(describeScopes(['email', 'mcp:session', 'custom', 'mcp:write'])).toEqual([
    'Run tools for you',
    'See your e-mail address',
    'custom',
  ]);
});

describe('a form', () => {
  const https = openFormGuard(Buffer.alloc(32, 7), 'https://gw.example/base');

  test('belongs to one interaction and one browser [A19]', () => {
    const { csrf, cookie = '' } = https.issue({}, 'one');
    expect(cookie).toMatch(/^__Host-gw_b=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Secure$/);
    const headers = { cookie: cookie.split(';')[0] ?? '', origin: 'https://gw.example' };
    expect(https.issue(headers, 'one')).toEqual({ csrf });
    expect(https.isGood(headers, 'one', csrf)).toBe(true);
    expect(https.isGood(headers, 'two', csrf)).toBe(false);
    expect(https.isGood({ origin: 'https://gw.example' }, 'one', csrf)).toBe(false);
    const other = https.issue({}, 'one');
    expect(https.isGood(headers, 'one', other.csrf)).toBe(false);
    expect(openFormGuard(Buffer.alloc(32, 8), 'https://gw.example').isGood(headers, 'one', csrf)).toBe(false);
  });

  test('comes from our own origin, by every header that says so [A19]', () => {
    const from = (headers: Record<string, string>) => isFromHere(headers, 'https://gw.example/base');
    expect(from({ origin: 'https://gw.example', 'sec-fetch-site': 'same-origin' })).toBe(true);
    expect(from({ origin: 'https://gw.example' })).toBe(true);
    for (const origin of ['null', 'https://evil.example', 'http://gw.example', 'https://gw.example.evil.example', '']) {
      expect(from({ origin }), origin).toBe(false);
    }
    for (const site of ['cross-site', 'same-site', 'none']) expect(from({ 'sec-fetch-site': site }), site).toBe(false);
  });
});
