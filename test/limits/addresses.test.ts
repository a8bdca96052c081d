/** Whose address it is, by every door: what a stranger writes in a header changes nothing (SECURITY E17). */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addressKey, addressReader } from '#http/client-address.ts';
import { type RunningGateway, startGateway } from '#kit/gateway.ts';
import { bearer, call, send } from '#kit/http-client.ts';
import { refusedUpgrade } from '#kit/web-socket-client.ts';

const LIMIT = 15;
const configYaml = `
organizations: [{ slug: acme, name: Acme }]
limits: { address: { requestsPerMinute: ${LIMIT}, authPerMinute: ${LIMIT} } }
`;
/** The headers in which somebody could say who they are. */
const spoofed = (i: number): Record<string, string> => {
  const address = `198.51.100.${i}`;
  return {
    'x-forwarded-for': `${address}, ${address}`,
    forwarded: `for=${address}`,
    'x-real-ip': address,
    'cf-connecting-ip': address,
    'true-client-ip': address,
    'x-client-ip': address,
  };
};

type Knock = (url: string, headers: Record<string, string>) => Promise<number>;
const wrong = bearer('gh_key_test_000000000000000000000000_wrong');
const status = async (answer: Promise<{ readonly status: number }>) => (await answer).status;
const doors: Readonly<Record<string, Knock>> = {
  MCP: (url, headers) =>
    status(send(`${url}/acme/mcp/files`, { headers: { ...wrong, ...headers }, body: call('echo') })),
  'the REST façade': (url, headers) =>
    status(send(`${url}/mcp/files/echo`, { headers: { ...wrong, ...headers }, body: {} })),
  'the admin API': (url, headers) =>
    status(send(`${url}/admin/api/v1/status`, { method: 'GET', headers: { ...wrong, ...headers } })),
  'a WebSocket': (url, headers) =>
    status(refusedUpgrade(`${url}/acme/mcp/files`, { headers: { ...wrong, ...headers } })),
  'HTTP+SSE': (url, headers) => status(send(`${url}/acme/sse`, { method: 'GET', headers: { ...wrong, ...headers } })),
};

describe('without trusted proxies', () => {
  test.each(Object.entries(doors))(
    'a stranger has one address at %s, whatever is written in headers [X3.3] [E17]',
    async (_name, knock) => {
      const gateway = await startGateway({ configYaml });
      try {
        const statuses: number[] = [];
        for (let i = 0; i < LIMIT + 3; i++) statuses.push(await knock(gateway.url, spoofed(i)));
        expect(statuses.slice(0, LIMIT)).not.toContain(429);
        expect(statuses.slice(LIMIT)).toEqual([429, 429, 429]);
      } finally {
        await gateway.stop();
      }
    },
  );
});

describe('behind a chain of trusted proxies', () => {
  let gateway: RunningGateway;
  beforeAll(async () => {
    gateway = await startGateway({ configYaml, env: { TRUSTED_PROXIES: '127.0.0.0/8,10.0.0.0/8' } });
  });
  afterAll(() => gateway?.stop());
  const ask = (forwardedFor: string) =>
    status(
      send(`${gateway.url}/acme/mcp/files`, {
        headers: { ...wrong, 'x-forwarded-for': forwardedFor },
        body: call('echo'),
      }),
    );
  const exhaust = async (say: (i: number) => string) => {
    const statuses: number[] = [];
    for (let i = 0; i < LIMIT + 2; i++) statuses.push(await ask(say(i)));
    return statuses.slice(-3);
  };

  test('each client is counted by the address that the outermost trusted proxy saw [X3.3] [E17]', async () => {
    expect(await exhaust((i) => `203.0.113.${i}, 192.0.2.1, 10.0.0.1`)).toEqual([401, 429, 429]);
    expect(await ask('192.0.2.2, 10.0.0.1')).toBe(401);
    expect(await ask('192.0.2.1')).toBe(429);
  });

  test.each(['/authorize', '/token', '/register', '/device'])(
    'and so at the door of the authorization server, %s [X3.3] [E17]',
    async (path) => {
      const last = path.length;
      const knock = (i: number) =>
        status(
          send(gateway.url + path, {
            method: 'GET',
            headers: { 'x-forwarded-for': `203.0.113.${i}, 192.0.2.${100 + last}, 10.0.0.1` },
          }),
        );
      const statuses: number[] = [];
      for (let i = 0; i < LIMIT + 2; i++) statuses.push(await knock(i));
      expect(statuses.slice(0, LIMIT)).not.toContain(429);
      expect(statuses.slice(LIMIT)).toEqual([429, 429]);
    },
  );

  test('all of one /64 is one client, and so are all spellings of it [E17]', async () => {
    expect(await exhaust((i) => (i % 2 ? `2001:db8:1:2:${i}::1` : `2001:0DB8:0001:0002::${i}`))).toEqual([
      401, 429, 429,
    ]);
    expect(await ask('2001:db8:1:3::1')).toBe(401);
  });

  test('rubbish is the address of whoever passed it on', async () => {
    const rubbish = ['', ' ', 'unknown', '999.1.1.1', '1.2.3.4:80', '<script>', '_hidden', '::ffff:', ',,,'];
    const read = addressReader(['10.0.0.0/8']);
    for (const junk of rubbish) expect(read('10.0.0.1', junk)).toBe('10.0.0.1');
    expect(read('10.0.0.1', 'unknown, 192.0.2.9')).toBe('192.0.2.9');
    expect(read('192.0.2.7', '192.0.2.9')).toBe('192.0.2.7');
    expect(addressKey('::ffff:192.0.2.9')).toBeTruthy();
  });
});
