/** Defects of the older multi-tenant gateway, each of which must stay away (REQUIREMENTS X3). */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AccessWorld, signWebui, startAccessWorld } from '#kit/access-world.ts';
import { bearer, call, openStream, send } from '#kit/http-client.ts';
import { openSocket, refusedUpgrade } from '#kit/web-socket-client.ts';

let world: AccessWorld;
beforeAll(async () => {
  world = await startAccessWorld({
    people: ['ann', 'bob', 'boss'],
    servers: ['files', 'secret'],
    hasShort: false,
    yaml: `enablements: [{ organization: acme, server: files, allowedRoles: [reader] }, { organization: acme, server: secret, allowedRoles: [] }]`,
  });
  await world.addGroup({ name: 'Files', server: 'files', people: ['ann'] });
}, 60_000);
afterAll(() => world?.close());

const at = (path: string) => world.app.url.replace('127.0.0.1', 'localhost') + path;
const json = { accept: 'application/json' };
const as = async (id: string) => bearer(await signWebui(id));
const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  send(at(path), { headers: { ...json, ...headers }, body });
const get = (path: string, headers: Record<string, string> = {}) =>
  send(at(path), { method: 'GET', headers: { ...json, ...headers } });

describe('whoever says who they are (X3.1)', () => {
  const forged: readonly Record<string, string>[] = [
    { 'x-auth-source': 'entra-token', 'x-entra-groups': 'MCP-Admin' },
    { 'x-user-email': 'boss@example.com', 'x-gateway-validated': 'true' },
    { 'x-user-email': 'boss@example.com', 'x-user-admin': 'true', 'x-user-groups': 'MCP-Admin' },
    { 'x-openwebui-user-email': 'boss@example.com', 'x-openwebui-user-role': 'admin' },
    { 'x-forwarded-user': 'boss@example.com', 'x-forwarded-email': 'boss@example.com' },
    { 'remote-user': 'boss@example.com', 'cf-access-authenticated-user-email': 'boss@example.com' },
  ];

  test('no header admits anybody or adds to what somebody may [X3.1] [A1]', async () => {
    const ann = await as('ann');
    for (const headers of forged) {
      expect([headers, (await post('/api/servers/files/tools/retrieve', {}, headers)).status]).toEqual([headers, 401]);
      const shown = (await get('/servers', headers)).json as { total_servers: number };
      expect(shown.total_servers).toBe(0);
      expect((await post('/api/servers/secret/tools/retrieve', {}, { ...headers, ...ann })).status).toBe(403);
    }
  });

  test('?user_email= makes nobody somebody, at any address [X3.1]', async () => {
    const query = '?user_email=boss@example.com&user=boss&api_key=boss';
    expect(((await get(`/servers${query}`)).json as { total_servers: number }).total_servers).toBe(0);
    expect((await post(`/api/servers/files/tools/retrieve${query}`, {})).status).toBe(401);
    expect((await post(`/meta/call_tool${query}`, { tool_name: 'files_retrieve' })).status).toBe(401);
    expect((await post(`/mcp/files${query}`, call('retrieve'))).status).toBe(401);
    expect((await get(`/admin/users${query}`)).status).toBe(401);
  });

  test('without a user nothing is searched, described or called; without a grant nothing is found [X3.1] [S3.22]', async () => {
    const bodies: readonly (readonly [string, object])[] = [
      ['/meta/search_tools', { query: 'retrieve' }],
      ['/meta/describe_tools', { tool_names: ['files_retrieve', 'secret_retrieve'] }],
      ['/meta/call_tool', { tool_name: 'files_retrieve', arguments: {} }],
    ];
    for (const [path, body] of bodies) expect([path, (await post(path, body)).status]).toEqual([path, 401]);
    const bob = await as('bob');
    const [searched, described, called] = await Promise.all(bodies.map(([path, body]) => post(path, body, bob)));
    expect(searched?.json).toMatchObject({ count: 0, results: [] });
    expect(described?.text).not.toMatch(/request_body|inputSchema/);
    expect(called?.status).toBe(404);
    expect(world.upstream.calls).toEqual([]);
  });
});

describe('secrets, cases and addresses (X3.2, X3.3)', () => {
  test('there is no debug address, and none says what it was sent [X3.2]', async () => {
    for (const path of ['/debug/headers', '/debug/config', '/debug', '/mcp/debug/headers'])
      for (const headers of [{}, await as('ann')]) {
        const { status, text } = await get(path, { ...headers, 'x-planted': 'planted-4711' });
        expect([path, status < 400]).toEqual([path, false]);
        expect(text).not.toContain('planted-4711');
      }
  });

  test('what a server says of its failure is not handed on [X3.2]', async () => {
    const before = world.upstream.run;
    world.upstream.run = () => {
      throw new Error('planted stack trace of 10.0.0.7');
    };
    const { text, status } = await post('/api/servers/files/tools/retrieve', {}, await as('ann'));
    world.upstream.run = before;
    expect(status).toBeGreaterThanOrEqual(400);
    expect(text).not.toMatch(/planted|10\.0\.0\.7/);
  });

  test('an address that only begins like one of ours is none [X3.3]', async () => {
    const ann = await as('ann');
    for (const path of [
      '/mcpfoo',
      '/mcpfoo/files',
      '/mcp-files',
      '/serversx',
      '/adminx/users',
      '/mcp-adminx/api/users',
      '/metax/search_tools',
    ])
      expect([path, (await post(path, call('retrieve'), ann)).status]).toEqual([path, 404]);
    expect(world.upstream.calls.filter(({ name }) => name === 'x')).toEqual([]);
  });

  test('a stream passes as it comes, and a WebSocket is judged like everything else [X3.3]', async () => {
    const stream = await openStream(at('/acme/mcp/files/sse'), { method: 'GET', headers: await as('ann') });
    expect((await stream.next())?.event).toBe('endpoint');
    stream.close();
    const refused = await refusedUpgrade(at('/acme/mcp/files'), { headers: await as('bob') });
    expect(refused.status).toBe(403);
    expect((await refusedUpgrade(at('/acme/mcp/files'))).status).toBe(401);
    const socket = await openSocket(at('/acme/mcp/files'), { headers: await as('ann') });
    await socket.close();
  });

  test('a stranger is limited no less than somebody who has signed in, and by the address of the connection [X3.3]', async () => {
    const stats = (await get('/gateway/stats', { 'x-forwarded-for': '203.0.113.9' })).json as Record<string, number>;
    expect(stats.rate_limit_per_ip).toBeLessThanOrEqual(stats.rate_limit_per_minute ?? 0);
  });
});
