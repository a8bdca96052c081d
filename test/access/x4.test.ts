/** Defects of the older Clerk gateway, each of which must stay away (REQUIREMENTS X4), and its words (S4.3, S4.7, S4.19, S4.21). */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AccessWorld, signWebui, startAccessWorld } from '#kit/access-world.ts';
import { bearer, call, initialize, send } from '#kit/http-client.ts';

let world: AccessWorld;
beforeAll(async () => {
  world = await startAccessWorld({ people: ['ann', 'bob'], servers: ['files'], hasShort: false, yaml: '' });
}, 60_000);
afterAll(() => world?.close());

const at = (path: string) => world.app.url + path;
const as = async (id: string) => bearer(await signWebui(id));

test('an organization with no server enabled has none, also under its external id [X4.1] [S4.20] [S4.1]', async () => {
  await world.database.sql(`update gateway.organizations set external_id = 'org_2abc' where slug = 'acme'`);
  const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' };
  for (const org of ['acme', 'org_2abc', world.org]) {
    await expect
      .poll(async () => (await send(at(`/${org}/mcp/files`), { headers: await as('ann'), body: initialize() })).json)
      .toMatchObject({ error: { code: -32000, message: 'Access Denied' } });
    const all = await send(at(`/${org}/mcp`), { headers: await as('ann'), body: initialize() });
    const headers = {
      ...(await as('ann')),
      'mcp-session-id': String(all.headers['mcp-session-id']),
      'mcp-protocol-version': '2025-11-25',
    };
    expect((await send(at(`/${org}/mcp`), { headers, body: list })).json).toMatchObject({ result: { tools: [] } });
  }
  expect(world.upstream.upstream.requests).toEqual([]);
});

test('/health is open, with a query, too; at /mcp the two 401 have their words [S4.3] [S4.7] [X4.3]', async () => {
  for (const path of ['/health', '/health?probe=1', '/health/']) {
    const { status, json } = await send(at(path), { method: 'GET' });
    expect([status, json]).toMatchObject([200, { status: 'healthy', servers: {} }]);
  }
  const without = await send(at('/mcp'), { body: call('x') });
  expect([without.status, without.json]).toEqual([
    401,
    { error: 'Unauthorized', message: 'JWT token required in Authorization header' },
  ]);
  const basic = await send(at('/mcp'), { body: call('x'), headers: { authorization: 'Basic YTpi' } });
  expect([basic.status, basic.json]).toEqual([without.status, without.json]);
  const invalid = await send(at('/mcp'), { body: call('x'), headers: bearer('not.a.jwt') });
  expect([invalid.status, invalid.json]).toEqual([401, { error: 'Unauthorized', message: 'Invalid JWT token' }]);
});

test('a token that was only written, by nobody or with another secret, is refused [X4.3] [S4.16]', async () => {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const exp = Math.floor(Date.now() / 1000) + 3600;
  const unsigned = `${part({ alg: 'none', typ: 'JWT' })}.${part({ id: 'ann', exp })}.`;
  const [head, body] = (await signWebui('ann')).split('.');
  const cut = `${head}.${body}.`;
  const other = await signWebui('ann', 'another-secret-of-at-least-32-characters');
  for (const token of [unsigned, cut, other])
    expect((await send(at('/mcp'), { body: call('x'), headers: bearer(token) })).status).toBe(401);
});

test('sessions have random ids, each is its own, and nobody else can use one [X4.3] [S4.23]', async () => {
  const open = async (id: string) =>
    String((await send(at('/acme/mcp'), { headers: await as(id), body: initialize() })).headers['mcp-session-id']);
  const [first, second] = [await open('ann'), await open('ann')];
  expect(first).not.toBe(second);
  const stolen = { ...(await as('bob')), 'mcp-session-id': first, 'mcp-protocol-version': '2025-11-25' };
  const answer = await send(at('/acme/mcp'), {
    headers: stolen,
    body: { jsonrpc: '2.0', id: 1, method: 'tools/list' },
  });
  expect([answer.status, answer.json]).toMatchObject([404, { error: { code: -32001 } }]);
});

test('a failure is a failure: its status says so, its text says nothing, its id leads to the log [X4.3] [S4.5] [S4.11] [S4.21]', async () => {
  await world.database.sql(`insert into gateway.enablements (org_id, server_id, all_members) values ($1, $2, true)`, [
    world.org,
    await world.serverId('files'),
  ]);
  const use = async () => {
    const headers = { ...(await as('ann')), accept: '*/*', 'x-request-id': 'planted-id-4711' };
    return send(at('/api/servers/files/tools/retrieve'), { headers, body: {} });
  };
  await expect.poll(async () => (await use()).status).toBe(200);
  const { upstream } = world.upstream;
  upstream.script((_request, res) => void res.writeHead(500).end('planted: relation "users" does not exist'));
  const failed = await use();
  expect(failed.status).toBe(500);
  expect(failed.text).not.toContain('planted');
  expect(failed.headers['x-request-id']).toBe('planted-id-4711');
});

test('a notification is answered with nothing, and no page from elsewhere reads an answer [X4.3]', async () => {
  const note = await send(at('/acme/mcp'), {
    headers: await as('ann'),
    body: { jsonrpc: '2.0', method: 'notifications/initialized' },
  });
  expect(note.text).not.toContain('result');
  const page = await send(at('/health'), { method: 'GET', headers: { origin: 'https://evil.example' } });
  expect(page.headers['access-control-allow-origin']).toBeUndefined();
});

test('initialize answers in the revision that was asked for [X4.3]', async () => {
  for (const protocolVersion of ['2024-11-05', '2025-06-18', '2025-11-25']) {
    const body = { ...initialize(), params: { ...initialize().params, protocolVersion } };
    const { json } = await send(at('/acme/mcp'), { headers: await as('ann'), body });
    expect(json).toMatchObject({ result: { protocolVersion } });
  }
});

test('/gateway/health and /gateway/stats as probes know them, for everybody [S3.8]', async () => {
  const health = await send(at('/gateway/health'), { method: 'GET' });
  expect([health.status, health.json]).toEqual([
    200,
    { status: 'healthy', service: 'api-gateway', database: 'connected', rate_limiting: true, analytics: true },
  ]);
  const stats = await send(at('/gateway/stats'), { method: 'GET' });
  expect([stats.status, stats.json]).toEqual([
    200,
    { rate_limiter_keys: expect.any(Number), rate_limit_per_minute: 100_000, rate_limit_per_ip: 100_000 },
  ]);
});
