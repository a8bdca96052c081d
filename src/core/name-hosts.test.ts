import { describe, expect, test } from 'vitest';
import { openNameHosts } from './name-hosts.ts';
import { parseResource } from './resource.ts';

const others = new Set(['auth.gw.example', 'keys.gw.example', 'portal.gw.example']);
const hosts = openNameHosts({ domain: 'gw.example', baseUrl: 'https://auth.gw.example', others });

describe('host names below a domain', () => {
  test.each(['time.gw.example', 'mcp-fetch.gw.example', '0.gw.example'])('%s is a name', (host) => {
    expect(hosts.find(host)).toBe(host.replace('.gw.example', ''));
  });

  test.each([
    ...['gw.example', '.gw.example', 'a.b.gw.example', 'auth.gw.example', 'keys.gw.example', 'portal.gw.example'],
    ...['ws.gw.example', 'Time.gw.example', '-a.gw.example', 'a_b.gw.example', `${'a'.repeat(64)}.gw.example`],
    ...['timegw.example', 'time.gw.example.evil.example', 'time.gw.example:443', 'time.gw.example:8443', ''],
  ])('"%s" is none', (host) => {
    expect(hosts.find(host)).toBeUndefined();
  });

  test('scheme and port are those of the base URL', () => {
    const local = openNameHosts({ domain: 'localhost', baseUrl: 'http://auth.localhost:3000', others });
    expect([local.find('time.localhost:3000'), local.find('time.localhost')]).toEqual(['time', undefined]);
    expect(local.originOf('time')).toBe('http://time.localhost:3000');
  });
});

describe('as a resource', () => {
  const rules = { baseUrl: 'https://auth.gw.example', external: ['https://echo.gw.example/mcp'], nameHosts: hosts };

  test.each(['https://time.gw.example/mcp', 'https://time.gw.example/mcp/', 'https://time.gw.example/mcp?x=1'])(
    '%s is the endpoint /mcp/time',
    (url) => {
      expect(parseResource(url, rules)).toEqual({ kind: 'endpoint', path: { organization: undefined, name: 'time' } });
    },
  );

  test.each([
    ...['http://time.gw.example/mcp', 'https://time.gw.example', 'https://time.gw.example/', 'https://gw.example/mcp'],
    ...['https://time.gw.example/mcp/x', 'https://time.gw.example/acme/mcp', 'https://time.gw.example/mcp#x'],
    ...['https://time.gw.example:8443/mcp', 'https://a@time.gw.example/mcp', 'https://Time.gw.example/mcp'],
    ...['https://keys.gw.example/mcp', 'https://time.gw.example/mcp?x="', 'https://time.gw.example//mcp'],
    'https://time.gw.example/mcp//',
  ])('%s is none', (url) => {
    expect(parseResource(url, rules)).toBeUndefined();
  });

  test('what is protected behind another proxy stays that', () => {
    expect(parseResource('https://echo.gw.example/mcp', rules)).toMatchObject({ kind: 'external' });
  });
});
