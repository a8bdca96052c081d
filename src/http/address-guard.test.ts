import { describe, expect, test } from 'vitest';
import { addressGuard, allowEntry, TargetRefused } from './address-guard.ts';
import { isSpecialAddress } from './special-addresses.ts';

const literals = [
  '127.0.0.1',
  '127.1',
  '0177.0.0.1',
  '0x7f000001',
  '2130706433',
  '0',
  '0.0.0.0',
  '[::]',
  '[::1]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[::ffff:a9fe:a9fe]',
  '[::127.0.0.1]',
  '[64:ff9b::7f00:1]',
  '[64:ff9b:1::7f00:1]',
  '[2002:7f00:1::]',
  '[2001::1]',
  '[fec0::1]',
  '[fd00::1]',
  '[fe80::1]',
  '[ff02::1]',
  '[fd00:ec2::254]',
  '10.0.0.1',
  '172.16.0.1',
  '192.168.1.1',
  '100.64.0.1',
  '169.254.169.254',
  '168.63.129.16',
  '198.18.0.1',
  '224.0.0.1',
  '255.255.255.255',
  '①②⑦.⓪.⓪.①',
  '127。0。0。1',
];

const schemes = [
  'file:///etc/passwd',
  'ftp://example.com/',
  'gopher://example.com/',
  'dict://example.com:11211/',
].concat([
  'ws://example.com/',
  'data:text/plain,x',
  'javascript:alert(1)',
  'unix:/var/run/docker.sock',
  'http+unix://%2fx',
]);

const tricks = [
  'https://user@example.com/',
  'https://user:pass@example.com/',
  'https://example.com@127.0.0.1/',
  'https://exa\tmple.com/',
  'https://example.com/\n',
  ' https://example.com/',
  'https:\\\\example.com/',
  'https://example.com\\@127.0.0.1/',
  'https://',
  'https:///',
  'not a url',
  '',
  '//example.com/',
];

/** Answers in turn: what a resolver under the attacker's hand does. */
function answering(...answers: readonly string[][]) {
  let turn = 0;
  return async () => {
    const answer = answers[Math.min(turn++, answers.length - 1)] ?? [];
    return answer.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  };
}

const site = { protocol: 'https:', hostname: 'site.example', port: 443 };

describe('a URL as written', () => {
  const guard = addressGuard();
  test.each(literals)('%s is refused over http and https [S1] [S3]', (host) => {
    expect(() => guard.checkUrl(`https://${host}/x`)).toThrow(TargetRefused);
    expect(() => guard.checkUrl(`http://${host}/x`)).toThrow(TargetRefused);
    expect(() => guard.checkProxied(`https://${host}/x`)).toThrow(TargetRefused);
  });

  test.each(['localhost', 'localhost.', 'LOCALHOST', 'a.localhost', 'metadata.google.internal', 'printer.local'])(
    'the name %s is refused before any lookup [S1]',
    (host) => expect(() => guard.checkUrl(`https://${host}/x`)).toThrow(TargetRefused),
  );

  test.each([22, 25, 53, 80, 2375, 5432, 6379, 10_250])('port %i of a public host is refused [S1]', (port) => {
    expect(() => guard.checkUrl(`https://example.com:${port}/`)).toThrow(TargetRefused);
  });

  test.each(schemes)('%s is refused [S1]', (url) => expect(() => guard.checkUrl(url)).toThrow(TargetRefused));

  test.each(tricks)('%j is refused [S6]', (url) => expect(() => guard.checkUrl(url)).toThrow(TargetRefused));

  test('plain HTTP is refused for a public host', () => {
    expect(() => guard.checkUrl('http://example.com/')).toThrow(TargetRefused);
  });

  test('a public HTTPS URL passes and comes back in its one written form [S6]', () => {
    expect(guard.checkUrl('https://EXAMPLE.com:443/a/../b').href).toBe('https://example.com/b');
    expect(guard.checkUrl('https://example.com:8443/').port).toBe('8443');
    expect(guard.checkUrl('https://1.1.1.1/').hostname).toBe('1.1.1.1');
  });
});

describe('what a name resolves to', () => {
  test('one private address among public ones refuses the name [S2]', async () => {
    const guard = addressGuard({ resolve: answering(['93.184.216.34', '127.0.0.1']) });
    await expect(guard.resolve(site)).rejects.toThrow(TargetRefused);
  });

  test('a name for a private address is refused [S1]', async () => {
    for (const address of ['127.0.0.1', '10.1.2.3', '::1', 'fd00::1', '::ffff:10.0.0.1', 'fe80::1%eth0']) {
      await expect(addressGuard({ resolve: answering([address]) }).resolve(site)).rejects.toThrow(TargetRefused);
    }
  });

  test('a name without addresses is refused', async () => {
    await expect(addressGuard({ resolve: answering([]) }).resolve(site)).rejects.toThrow(TargetRefused);
  });

  test('public addresses are what will be connected to, all of them', async () => {
    const guard = addressGuard({ resolve: answering(['93.184.216.34', '2606:2800:220:1::1']) });
    expect(await guard.resolve(site)).toHaveLength(2);
  });

  test('the address of the connected socket is judged again [S3]', () => {
    const guard = addressGuard();
    expect(() => guard.checkConnected(site, '127.0.0.1')).toThrow(TargetRefused);
    expect(() => guard.checkConnected(site, undefined)).toThrow(TargetRefused);
    expect(() => guard.checkConnected(site, '93.184.216.34')).not.toThrow();
  });
});

describe('what the operator opens', () => {
  test('an address allows plain HTTP and any port there, and nowhere else', () => {
    const guard = addressGuard({ allow: ['127.0.0.1'] });
    expect(guard.checkUrl('http://127.0.0.1:4010/x').port).toBe('4010');
    expect(guard.checkUrl('http://[::ffff:127.0.0.1]:4010/x').port).toBe('4010');
    expect(() => guard.checkUrl('http://127.0.0.2:4010/x')).toThrow(TargetRefused);
    expect(() => guard.checkUrl('http://[::1]:4010/x')).toThrow(TargetRefused);
  });

  test('a range opens private addresses also behind a name, but no public one over plain HTTP', async () => {
    const plain = { protocol: 'http:', hostname: 'mcp.corp.example', port: 8000 };
    const inside = addressGuard({ allow: ['10.0.0.0/8'], resolve: answering(['10.2.3.4']) });
    expect(inside.checkUrl('http://mcp.corp.example:8000/').port).toBe('8000');
    expect(await inside.resolve(plain)).toHaveLength(1);
    const outside = addressGuard({ allow: ['10.0.0.0/8'], resolve: answering(['93.184.216.34']) });
    await expect(outside.resolve(plain)).rejects.toThrow(TargetRefused);
  });

  test('a host name opens that host, a wildcard every host below', async () => {
    const guard = addressGuard({ allow: ['mcp.corp.example', '*.lab.example'], resolve: answering(['10.2.3.4']) });
    expect(guard.checkUrl('http://mcp.corp.example:9000/').port).toBe('9000');
    expect(guard.checkUrl('http://a.lab.example/').hostname).toBe('a.lab.example');
    expect(() => guard.checkUrl('http://lab.example/')).toThrow(TargetRefused);
    expect(() => guard.checkUrl('http://evilmcp.corp.example/')).toThrow(TargetRefused);
    expect(await guard.resolve({ protocol: 'http:', hostname: 'a.lab.example', port: 80 })).toHaveLength(1);
  });

  test('an entry with a port opens that port only', async () => {
    const allow = ['127.0.0.1:4010', '[::1]:4011', 'mcp.corp.example:9000', '10.0.0.0/8:8000'];
    const guard = addressGuard({ allow, resolve: answering(['10.2.3.4']) });
    for (const open of [
      '127.0.0.1:4010',
      '[::1]:4011',
      'mcp.corp.example:9000',
      '10.9.9.9:8000',
      'name.example:8000',
    ]) {
      expect(guard.checkUrl(`http://${open}/`).host).toBe(open);
    }
    for (const shut of [
      '127.0.0.1:4011',
      '[::1]:4010',
      'mcp.corp.example:9001',
      '10.9.9.9:8001',
      'name.example:8001',
    ]) {
      expect(() => guard.checkUrl(`http://${shut}/`)).toThrow(TargetRefused);
    }
    const target = { protocol: 'http:', hostname: 'name.example' };
    expect(await guard.resolve({ ...target, port: 8000 })).toHaveLength(1);
    await expect(guard.resolve({ ...target, port: 8001 })).rejects.toThrow(TargetRefused);
  });

  test('a URL of the operator’s own opens its host and port, whatever they are', () => {
    for (const url of [
      'http://127.0.0.1:4010/auth/v1',
      'http://[::1]:4011/',
      'https://idp.internal/x',
      'http://idp/',
    ]) {
      expect(addressGuard({ allow: [allowEntry(url)] }).checkUrl(url).href).toBe(url);
    }
    expect(() =>
      addressGuard({ allow: [allowEntry('http://127.0.0.1:4010/')] }).checkUrl('http://127.0.0.1/'),
    ).toThrow();
  });

  test('"localhost" needs one of its two addresses on the list, and only that one is used', async () => {
    const guard = addressGuard({ allow: ['127.0.0.1'], resolve: answering(['::1', '127.0.0.1']) });
    const found = await guard.resolve({ protocol: 'http:', hostname: 'localhost', port: 3000 });
    expect(found).toEqual([{ address: '127.0.0.1', family: 4 }]);
  });

  test('behind a forward proxy, which looks names up itself, plain HTTP needs a listed host', () => {
    const guard = addressGuard({ allow: ['10.0.0.0/8', 'mcp.corp.example'] });
    expect(guard.checkProxied('http://mcp.corp.example/').hostname).toBe('mcp.corp.example');
    expect(guard.checkProxied('https://api.example.com/').hostname).toBe('api.example.com');
    expect(() => guard.checkProxied('http://other.example/')).toThrow(TargetRefused);
    expect(() => guard.checkProxied('https://metadata.google.internal/')).toThrow(TargetRefused);
  });

  test('an entry that is no address, range or host refuses to boot', () => {
    for (const entry of ['10.0.0.0/99', 'http://x', 'a b', '', '*', 'a:b', ':80', '::1:80x']) {
      expect(() => addressGuard({ allow: [entry] })).toThrow(/to allow/);
    }
  });
});

test('public addresses of both families are not special', () => {
  for (const address of [
    '1.1.1.1',
    '93.184.216.34',
    '172.32.0.1',
    '100.128.0.1',
    '2606:4700::1111',
    '::ffff:1.1.1.1',
  ]) {
    expect(isSpecialAddress(address)).toBe(false);
  }
});
