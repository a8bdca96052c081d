/** What stands around every answer, and against floods, with the figures that nobody had to set (REQUIREMENTS S1.43, DESIGN ruling 13). */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bearer, call, send } from '#kit/http-client.ts';
import { type SignedInWorld, startSignedInWorld } from '#kit/signed-in-world.ts';

const service = 'https://echo.example/mcp';
let world: SignedInWorld;
beforeAll(async () => {
  world = await startSignedInWorld({
    resources: [service],
    passToken: true,
    env: { TRUSTED_PROXIES: '127.0.0.1' },
  });
}, 120_000);
afterAll(() => world?.close());

const get = (path: string, headers: Readonly<Record<string, string>> = {}) =>
  send(`${world.gateways[0]?.url}${path}`, { method: 'GET', headers: { accept: 'text/html', ...headers } });

test('every answer says nosniff, pages may not be framed and load nothing, what is personal is not kept [S1.43] [S1.28]', async () => {
  const pages = ['/welcome', '/success', '/error', '/interaction/x', '/authorize?client_id=none', '/acme/mcp/docs'];
  for (const path of pages) {
    const { headers } = await get(path);
    expect([path, headers['x-content-type-options']]).toEqual([path, 'nosniff']);
    expect([path, headers['x-frame-options']]).toEqual([path, 'DENY']);
    expect([path, headers['referrer-policy']]).toEqual([path, 'no-referrer']);
    expect(headers['content-security-policy'], path).toContain("default-src 'none'");
    expect(headers['content-security-policy'], path).toContain("frame-ancestors 'none'");
    expect([path, headers['cache-control']]).toEqual([path, 'no-store']);
  }
  for (const path of ['/token', '/register', '/nowhere', '/health', '/.well-known/oauth-authorization-server']) {
    const { headers } = await get(path, { accept: 'application/json' });
    expect([path, headers['x-content-type-options']]).toEqual([path, 'nosniff']);
    expect(headers, path).not.toHaveProperty('server');
    expect(headers, path).not.toHaveProperty('x-powered-by');
  }
});

test('https is asked for in every later request, on pages and at endpoints [S1.43] [S1.44]', async () => {
  for (const path of ['/welcome', '/error', '/token', '/.well-known/oauth-protected-resource/acme/mcp/docs']) {
    const { headers } = await get(path);
    expect([path, headers['strict-transport-security']]).toEqual([path, 'max-age=31536000']);
  }
});

test('somebody signed in has 600 calls a minute, then 429 with the time to wait; others go on [S1.43]', async () => {
  const [busy, other] = [await world.signIn(), await world.signIn()];
  const statuses = new Map<number, number>();
  let refused: Awaited<ReturnType<typeof send>> | undefined;
  const post = (headers: Readonly<Record<string, string>>) =>
    send(`${world.gateways[0]?.url}/acme/mcp/docs`, { headers, body: { jsonrpc: '2.0', id: 1, method: 'ping' } });
  for (let round = 0; round < 62; round++) {
    const answers = await Promise.all(Array.from({ length: 10 }, () => post(busy.auth)));
    for (const answer of answers) {
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      if (answer.status === 429) refused = answer;
    }
  }
  expect(Object.fromEntries(statuses)).toEqual({ 200: 600, 429: 20 });
  expect(refused?.json).toEqual({ error: 'Rate limit exceeded' });
  expect(Number(refused?.headers['retry-after'])).toBeGreaterThanOrEqual(1);
  expect((await post(other.auth)).status).toBe(200);
});

test('strangers have 300 a minute and address [S1.43]', async () => {
  const from = { 'x-forwarded-for': '203.0.113.5', ...bearer('wrong') };
  const post = (headers: Readonly<Record<string, string>>) =>
    send(`${world.gateways[0]?.url}/acme/mcp/docs`, { headers, body: call('echo') });
  const statuses: number[] = [];
  for (let round = 0; round < 31; round++) {
    const answers = await Promise.all(Array.from({ length: 10 }, () => post(from)));
    statuses.push(...answers.map(({ status }) => status));
  }
  expect(statuses.filter((status) => status === 401)).toHaveLength(300);
  expect(statuses.filter((status) => status === 429)).toHaveLength(10);
  expect((await post({ ...from, 'x-forwarded-for': '203.0.113.6' })).status).toBe(401);
});

test('the OAuth endpoints take 3000 a minute from one address, an office signing in at nine, and then say when to come back [S1.43] [H5]', async () => {
  const ask = (address: string, path = '/token') =>
    send(`${world.gateways[0]?.url}${path}`, {
      headers: { 'x-forwarded-for': address, 'content-type': 'application/x-www-form-urlencoded' },
      body: 'grant_type=nonsense',
    });
  const statuses = new Map<number, number>();
  let refused: Awaited<ReturnType<typeof send>> | undefined;
  for (let round = 0; round < 76; round++) {
    const answers = await Promise.all(Array.from({ length: 40 }, () => ask('198.51.100.7')));
    for (const answer of answers) {
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      if (answer.status === 429) refused = answer;
    }
  }
  expect(Object.fromEntries(statuses)).toEqual({ 400: 3000, 429: 40 });
  expect(refused?.json).toMatchObject({ error: 'temporarily_unavailable' });
  expect(Number(refused?.headers['retry-after'])).toBeGreaterThanOrEqual(1);
  expect((await ask('198.51.100.7', '/register')).status).toBe(429);
  expect((await ask('198.51.100.8')).status).toBe(400);
  // Neither documents nor questions of servers count.
  for (const path of ['/.well-known/oauth-authorization-server', '/jwks'])
    expect((await get(path, { 'x-forwarded-for': '198.51.100.7' })).status).toBe(200);
  expect((await ask('198.51.100.7', '/introspect')).status).toBe(400);
}, 60_000);

test('/verify hands the token on as X-Auth-Token where that is set [S1.24]', async () => {
  const caller = await world.signIn({ resource: service });
  const { status, headers } = await get('/verify', {
    ...caller.auth,
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'echo.example',
    'x-forwarded-uri': '/mcp',
  });
  expect([status, headers['x-auth-token'], headers['x-user-id'], headers['x-user-name']]).toEqual([
    200,
    caller.accessToken,
    caller.user.subject,
    'Ada Lovelace',
  ]);
});
