/** The REST façade from outside: every address and alias, its refusals, and that it decides as MCP does. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createKey } from '#kit/gateway.ts';
import { call, send } from '#kit/http-client.ts';
import { json } from '#kit/recording-upstream.ts';
import { answerRest, type RestWorld, startRestWorld } from '#kit/rest-world.ts';

let world: RestWorld;
beforeAll(async () => {
  world = await startRestWorld();
}, 60_000);
afterAll(() => world?.close());
beforeEach(() => {
  world.upstream.script(answerRest);
  world.upstream.clear();
});

const called = () => world.upstream.requests.filter(({ rpc }) => rpc.method === 'tools/call');
const argumentsSent = () => called().map(({ rpc }) => rpc.params?.arguments);
const untouched = () => expect(world.upstream.requests).toHaveLength(0);

describe('lists', () => {
  test('servers are those that the caller may use, at every address alike [S3.18] [S3.12] [S4.13]', async () => {
    for (const path of ['/api/servers', '/servers', '/mcp/servers', '/servers/', '/default/mcp/servers']) {
      const answer = await world.get(path);
      expect(answer.status, path).toBe(200);
      expect(answer.json).toMatchObject({ total_servers: 3, by_tier: { mcp_http: 3 }, usage: expect.anything() });
      const { servers } = answer.json as { servers: { id: string; endpoint: string }[] };
      expect(servers.map(({ id }) => id)).toEqual(['fixed', 'my_docs', 'plain']);
      expect(servers[2]).toMatchObject({
        ...{ id: 'plain', name: 'Plain Tools', tier: 'mcp_http', enabled: true },
        description: expect.any(String),
        endpoint: expect.stringContaining('/mcp/plain'),
        tools_endpoint: expect.any(String),
      });
    }
    const ofAnn = (await world.get('/servers', world.ann)).json as { servers: { id: string }[] };
    expect(ofAnn.servers.map(({ id }) => id)).toEqual(['admins', 'fixed', 'gone', 'my_docs', 'plain', 'short']);
    untouched();
  });

  test('a stranger gets no server, no tool and a word about it, and 401 anywhere else [S3.18] [S3.19] [X3.1]', async () => {
    for (const path of ['/api/servers', '/servers', '/mcp/servers']) {
      const answer = await world.get(path, {});
      expect([path, answer.status, answer.json]).toEqual([
        path,
        200,
        expect.objectContaining({ total_servers: 0, servers: [], message: expect.any(String) }),
      ]);
    }
    for (const path of ['/openapi.json', '/mcp/openapi.json', '/mcp/plain/openapi.json', '/mcp/no-such/openapi.json']) {
      const answer = await world.get(path, {});
      expect([path, answer.status, answer.json]).toEqual([
        path,
        200,
        expect.objectContaining({ openapi: '3.1.0', paths: {} }),
      ]);
    }
    for (const path of [
      '/tools',
      '/tenants',
      '/mcp/tools',
      '/meta/stats',
      '/api/servers/plain/tools',
      '/mcp/plain',
      '/mcp/nope',
    ]) {
      const answer = await world.get(path, {});
      expect([path, answer.status]).toEqual([path, 401]);
    }
    for (const path of [
      '/refresh',
      '/meta/search_tools',
      '/meta/call_tool',
      '/mcp/plain/echo',
      '/api/servers/nope/tools/x',
    ]) {
      const answer = await world.post(path, { query: 'x' }, {});
      expect([path, answer.status, answer.json]).toEqual([path, 401, { detail: 'Authentication required' }]);
      expect(answer.headers['www-authenticate']).toMatch(/^Bearer/);
    }
    const forged = { 'x-user-email': 'ann@example.com', 'x-user-admin': 'true', 'x-gateway-validated': 'true' };
    expect((await world.get('/servers?user_email=ann@example.com', forged)).json).toMatchObject({ total_servers: 0 });
    expect((await world.get('/servers', { authorization: 'Bearer nonsense' })).status).toBe(401);
    untouched();
  });

  test('tools of one server, of all, and tenants [S3.20] [S3.21]', async () => {
    for (const path of ['/api/servers/plain/tools', '/mcp/plain', '/mcp/plain/', '/default/mcp/plain']) {
      const answer = await world.get(path);
      expect(answer.status, path).toBe(200);
      expect(answer.json).toMatchObject({ server_id: 'plain', name: 'Plain Tools', total_tools: 5 });
      const { tools } = answer.json as { tools: { name: string; endpoint: string }[] };
      expect(tools.map(({ name }) => name)).toEqual(['echo', 'fail', 'ping', 'tree.grow', 'wrap']);
    }
    for (const path of ['/tools', '/mcp/tools']) {
      const { count, tools } = (await world.get(path)).json as { count: number; tools: { tool_name: string }[] };
      expect(count).toBe(15);
      expect(tools.map(({ tool_name }) => tool_name)).toContain('plain_echo');
      expect(new Set(tools.map(({ tool_name }) => tool_name)).size).toBe(15);
    }
    expect((await world.get('/tenants')).json).toMatchObject({ count: 3 });
  });

  test('POST /refresh has lists fetched anew, and not twice in a moment [S3.21]', async () => {
    const lists = () => world.upstream.requests.filter(({ rpc }) => rpc.method === 'tools/list').length;
    expect((await world.post('/refresh')).json).toEqual({ status: 'refreshed', servers: 3, tools_cached: 15 });
    const asked = lists();
    expect(asked).toBeGreaterThan(0);
    world.upstream.clear();
    for (let i = 0; i < 5; i++) expect((await world.post('/refresh', {})).status).toBe(200);
    expect(lists()).toBeLessThanOrEqual(asked);
    expect((await world.get('/refresh')).status).toBe(405);
  });
});

describe('calls', () => {
  const echo = { n: 1 };
  const forms = [
    '/api/servers/plain/tools/echo',
    '/api/servers/plain/tools/echo/',
    '/mcp/plain/echo',
    '/mcp/plain_echo',
    '/default/mcp/plain/echo',
    '/mcp/my_docs/echo',
  ];
  test.each(forms)('%s calls, with arguments plain or wrapped [S3.20]', async (path) => {
    for (const body of [echo, { arguments: echo }]) {
      const answer = await world.post(path, body);
      expect([answer.status, answer.json]).toEqual([200, echo]);
      expect(answer.headers['content-type']).toMatch(/^application\/json/);
    }
    expect(argumentsSent()).toEqual([echo, echo]);
  });

  test('a tool that has an argument called arguments gets it [S3.20]', async () => {
    await world.post('/mcp/plain/wrap', { arguments: { a: 1 } });
    expect(argumentsSent()).toEqual([{ arguments: { a: 1 } }]);
  });

  test('no body is no arguments, and digits survive', async () => {
    expect((await world.post('/mcp/plain/ping', undefined)).status).toBe(200);
    await world.post('/mcp/plain/echo', '{"n":12345678901234567890.10}');
    expect(called().map(({ text }) => /"arguments":(\{[^}]*\})/.exec(text)?.[1])).toEqual([
      '{}',
      '{"n":12345678901234567890.10}',
    ]);
  });

  test('arguments that headers mirror between MCP and the server need no header here', async () => {
    expect((await world.post('/mcp/plain/echo', { region: 'eu' })).json).toEqual({ region: 'eu' });
  });

  test('where a collection shows three tools for all, those are listed and every tool can be called [S3.22]', async () => {
    const as = (path: string, body: unknown) => world.post(`/mcp/short/${path}`, body, world.ann);
    const { tools } = (await world.get('/mcp/short', world.ann)).json as { tools: { name: string }[] };
    expect(tools.map(({ name }) => name)).toEqual(['search_tools', 'describe_tools', 'call_tool']);
    const { paths } = (await world.get('/mcp/short/openapi.json', world.ann)).json as { paths: object };
    expect(Object.keys(paths)).toEqual(['/search_tools', '/describe_tools', '/call_tool']);
    expect((await as('search_tools', { query: 'tree' })).json).toMatchObject({
      query: 'tree',
      results: expect.anything(),
    });
    expect((await as('call_tool', { tool_name: 'echo', arguments: { n: 1 } })).json).toEqual({ n: 1 });
    expect((await as('echo', { n: 2 })).json).toEqual({ n: 2 });
    expect((await as('fail', {})).status).toBe(500);
    expect((await as('call_tool', { tool_name: 7 })).status).toBe(500);
    expect((await as('nope', {})).status).toBe(404);
    const all = (await world.get('/tools', world.ann)).json as { tools: { tool_name: string }[] };
    expect(all.tools.map(({ tool_name }) => tool_name)).toContain('short_echo');
  });

  test('what a tool structured comes as it is, else its texts, as mcpo gives them', async () => {
    expect((await world.post('/mcp/plain/tree.grow', { root: {} })).json).toEqual({ leaves: 3 });
    expect((await world.post('/mcp/plain/tree%2Egrow', { root: {} })).json).toEqual({ leaves: 3 });
    expect((await world.post('/mcp/plain/words')).text).toBe('"plain words"');
    expect((await world.post('/mcp/plain/many')).text).toBe(
      '[12345678901234567890,"data:image/png;base64,AAAA","inside"]',
    );
  });

  test('JSON-RPC at a name with an underscore is MCP, also of a client that says little of itself', async () => {
    const initialize = { jsonrpc: '2.0', id: 7, method: 'tools/list', params: {} };
    const answer = await world.post('/mcp/my_docs', initialize);
    expect(answer.json).toMatchObject({ jsonrpc: '2.0', id: 7 });
    expect((await world.post('/mcp/my_docs', { n: 1 })).json).toEqual({ detail: "Server 'my' not found" });
  });

  test("a collection's enforced arguments hold [S3.20] [X0.1]", async () => {
    for (const path of ['/mcp/fixed/echo', '/api/servers/fixed/tools/echo', '/mcp/fixed_echo'])
      await world.post(path, { filter: { team: 'blue' }, n: 1 });
    await world.post('/meta/call_tool', { tool_name: 'fixed_echo', arguments: { filter: { team: 'blue' }, n: 1 } });
    expect(argumentsSent()).toEqual(Array(4).fill({ filter: { team: 'red' }, n: 1 }));
  });
});

describe('refusals', () => {
  const refused = async (path: string, headers = world.bob, body: unknown = {}) => {
    const { status, json } = await world.post(path, body, headers);
    return [status, json];
  };

  test('no access is 403, unknown 404, switched off 503, with their texts [S3.20] [S3.12]', async () => {
    const denied = { detail: "User bob@example.com does not have access to server 'admins'" };
    for (const path of [
      '/mcp/admins/echo',
      '/api/servers/admins/tools/echo',
      '/mcp/admins_echo',
      '/default/mcp/admins/echo',
    ])
      expect([path, await refused(path)]).toEqual([path, [403, denied]]);
    expect((await world.get('/mcp/admins/openapi.json')).json).toEqual(denied);
    expect((await world.get('/api/servers/admins/tools')).status).toBe(403);
    expect(await refused('/mcp/nope/echo')).toEqual([404, { detail: "Server 'nope' not found" }]);
    expect(await refused('/mcp/plain/nope')).toEqual([404, { detail: "Tool 'nope' not found on server 'plain'" }]);
    const off = { detail: "Server 'extra' is disabled" };
    expect(await refused('/mcp/extra/echo')).toEqual([503, off]);
    expect((await world.get('/mcp/extra')).json).toEqual(off);
    expect(await refused('/elsewhere/mcp/plain/echo')).toEqual([403, expect.anything()]);
    expect(called().map(({ rpc }) => rpc.params?.name)).toEqual(['nope']);
  });

  test('a tool that fails is 500 with its text, a server away 502, its own status comes through [S3.9] [S3.20]', async () => {
    expect(await refused('/mcp/plain/fail')).toEqual([500, { detail: 'The tool is tired' }]);
    expect(await refused('/mcp/gone/x', world.ann)).toEqual([
      502,
      { detail: expect.stringMatching(/^Backend error: /) },
    ]);
    for (const status of [404, 418, 500, 503]) {
      world.upstream.script((request, res) =>
        request.rpc.method === 'tools/call'
          ? json('secret words of a server', status)(request, res)
          : answerRest(request, res),
      );
      const answer = await world.post('/mcp/plain/echo', {});
      expect([status, answer.status]).toEqual([status, status]);
      expect(answer.text).not.toContain('secret words');
    }
  });

  test.each([
    ['an array', '[1]', 400],
    ['a batch', '[{"jsonrpc":"2.0","id":1,"method":"tools/list"}]', 400],
    ['text', '"x"', 400],
    ['broken JSON', '{"a":', 400],
    ['more than one value', '{},"name":"fail"', 400],
    ['a way out of its place', '{}},"method":"tools/list"', 400],
    ['the same key twice', '{"a":1,"a":2}', 400],
    ['no UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]).toString('latin1'), 200],
    ['deep nesting', `{"a":${'['.repeat(2000)}${']'.repeat(2000)}}`, 400],
    ['deep nesting of numbers', `{"a":${'['.repeat(50_000)}1e5`, 400],
  ])('%s as a body', async (_what, body, status) => {
    const answer = await world.post('/mcp/plain/echo', body);
    expect(answer.status).toBe(status);
    if (status !== 200) {
      expect(answer.json).toEqual({ detail: expect.any(String) });
      untouched();
    }
  });

  test('a JSON-RPC message at an address of a tool is no arguments', async () => {
    expect(await refused('/mcp/plain/echo', world.bob, call('echo'))).toEqual([404, { detail: 'Not found' }]);
    untouched();
    expect(await refused('/mcp/plain/echo', world.bob, { arguments: { jsonrpc: '2.0', method: 'x' } })).toEqual([
      200,
      { jsonrpc: '2.0', method: 'x' },
    ]);
  });

  test('other content types, methods and names reach nothing [S3.20]', async () => {
    const form = { ...world.bob, 'content-type': 'application/x-www-form-urlencoded' };
    expect((await world.post('/mcp/plain/echo', 'a=1', form)).status).toBe(415);
    const put = await send(`${world.gateway.url}/api/servers/plain/tools/echo`, { method: 'PUT', headers: world.bob });
    expect([put.status, put.headers.allow]).toEqual([405, 'POST']);
    for (const path of [
      '/mcp/plain/..%2fadmins%2fecho',
      '/mcp/plain/%00',
      '/mcp/plain/a%',
      '/mcp/servers/echo',
      '/mcp/meta/nope',
    ])
      expect([path, (await world.post(path, {})).status >= 400]).toEqual([path, true]);
    for (const path of [
      '/mcpfoo/plain/echo',
      '/mcp//echo',
      '/mcp/plain/echo/more',
      '/api/servers//tools',
      '/api/servers/plain',
    ])
      expect([path, (await world.post(path, {})).status]).toEqual([path, expect.toBeOneOf([400, 404])]);
    expect(
      called().every(
        ({ rpc }) => !String(rpc.params?.name).includes('admins') || rpc.params?.name === '../admins/echo',
      ),
    ).toBe(true);
  });
});

test('a call by REST leaves the record that a call by MCP leaves [S3.7] [S3.24] [S3.33]', async () => {
  await world.post('/api/servers/plain/tools/echo', { n: 1 });
  await send(`${world.gateway.url}/mcp/plain`, { headers: world.bob, body: call('echo', { n: 1 }) });
  await world.post('/mcp/admins/echo', {});
  await send(`${world.gateway.url}/mcp/admins`, { headers: world.bob, body: call('echo', {}) });
  await world.post('/meta/call_tool', { tool_name: 'plain_echo', arguments: {} });
  const columns = 'http_method, path, endpoint, server, rpc_method, name, decision, reason, status, email';
  const rows = () =>
    world.database.sql(
      `select ${columns} from gateway.audit where rpc_method = 'tools/call' or reason = 'role_denied' order by id desc limit 5`,
    );
  await expect.poll(async () => (await rows())[0]?.name, { timeout: 5000 }).toBe('plain_echo');
  const [meta, deniedMcp, deniedRest, mcp, rest] = await rows();
  expect(rest).toMatchObject({
    path: '/mcp/plain',
    endpoint: 'plain',
    server: 'plain',
    name: 'echo',
    decision: 'allow',
    email: 'bob@example.com',
  });
  expect(rest).toEqual(mcp);
  expect(deniedRest).toEqual(deniedMcp);
  expect(meta).toMatchObject({ path: '/mcp', server: 'plain', decision: 'allow' });
});

test('an API key signs in as well, and reaches what it is for [S4.22]', async () => {
  const key = await createKey(world.gateway, 'default', '--endpoints', 'plain').catch(() => undefined);
  if (key === undefined) return;
  const headers = { 'x-api-key': key };
  expect((await world.get('/servers', headers)).json).toMatchObject({ total_servers: 1 });
  expect((await world.post('/mcp/plain/echo', { n: 2 }, headers)).json).toEqual({ n: 2 });
  expect((await world.post('/mcp/my_docs/echo', {}, headers)).status).toBe(403);
});
