/** Who comes in by the façade: cookies of this very origin, the limits of MCP, and what the setting for few tokens changes. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { call, initialize, send } from '#kit/http-client.ts';
import { type RestWorld, startRestWorld } from '#kit/rest-world.ts';

let world: RestWorld;
beforeAll(async () => {
  world = await startRestWorld({
    env: { META_TOOLS_MODE: 'true', RATE_LIMIT_PER_MINUTE: '60' },
  });
}, 60_000);
afterAll(() => world?.close());
beforeEach(() => world.upstream.clear());

describe("Open WebUI's cookie", () => {
  const own = () => world.gateway.url.replace('127.0.0.1', 'localhost');
  const withCookie = async (headers: Record<string, string>) => ({
    cookie: `a=b; token=${await world.token('bob')}`,
    ...headers,
  });
  const count = async (headers: Record<string, string>) =>
    ((await world.get('/servers', await withCookie(headers))).json as { total_servers: number }).total_servers;

  test('counts for pages of this very origin [S3.3]', async () => {
    expect(await count({ 'sec-fetch-site': 'same-origin' })).toBe(3);
    expect(await count({ origin: own() })).toBe(3);
    const answer = await world.post(
      '/mcp/plain/echo',
      { n: 1 },
      await withCookie({ 'sec-fetch-site': 'same-origin', origin: own() }),
    );
    expect([answer.status, answer.json]).toEqual([200, { n: 1 }]);
    expect(JSON.stringify(world.upstream.requests.map(({ headers }) => headers))).not.toMatch(/cookie|authorization/i);
  });

  test('signs nobody in from elsewhere, beside a key, twice over, or at an MCP endpoint [S3.3] [X3.1]', async () => {
    const elsewhere: Record<string, string>[] = [
      {},
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'none' },
      { origin: 'http://localhost:1' },
      { 'sec-fetch-site': 'same-origin', origin: 'http://localhost:1' },
    ];
    for (const headers of elsewhere) {
      expect([headers, await count(headers)]).toEqual([headers, 0]);
      expect((await world.post('/mcp/plain/echo', {}, await withCookie(headers))).status).toBe(401);
    }
    const same = await withCookie({ 'sec-fetch-site': 'same-origin' });
    expect((await world.get('/servers', { ...same, authorization: 'Bearer x' })).status).toBe(401);
    const mcp = await send(`${world.gateway.url}/mcp/plain`, { headers: same, body: call('echo') });
    expect(mcp.status).toBe(401);
    expect((await world.post('/mcp/my_docs', call('echo'), same)).status).toBe(401);
    expect(world.upstream.requests).toHaveLength(0);
  });
});

test('in meta mode a document of everything names three tools, which work [S3.22]', async () => {
  for (const base of ['', '/mcp']) {
    const { paths } = (await world.get(`${base}/openapi.json`)).json as { paths: Record<string, unknown> };
    expect(Object.keys(paths)).toEqual(['/meta/search_tools', '/meta/describe_tools', '/meta/call_tool']);
    const answer = await world.post(`${base}/meta/call_tool`, { tool_name: 'plain_echo', arguments: { n: 5 } });
    expect(answer.json).toEqual({ n: 5 });
  }
  const ofOne = (await world.get('/mcp/plain/openapi.json')).json as { paths: Record<string, unknown> };
  expect(Object.keys(ofOne.paths)).toEqual(['/search_tools', '/describe_tools', '/call_tool']);
  const inner = await world.post('/mcp/plain/call_tool', { tool_name: 'echo', arguments: { n: 6 } });
  expect(inner.json).toEqual({ n: 6 });
});

test('the setting for few tokens is for MCP, too: three tools stand for all [S3.11] [S3.22]', async () => {
  const bob = { authorization: `Bearer ${await world.token('bob')}` };
  for (const path of ['/mcp', '/mcp/plain']) {
    const url = `${world.gateway.url}${path}`;
    const hello = await send(url, { headers: bob, body: initialize() });
    const headers = { ...bob, 'mcp-session-id': String(hello.headers['mcp-session-id']) };
    const answer = await send(url, { headers, body: { jsonrpc: '2.0', id: 2, method: 'tools/list' } });
    expect((answer.json as { result: { tools: { name: string }[] } }).result.tools.map(({ name }) => name)).toEqual([
      'search_tools',
      'describe_tools',
      'call_tool',
    ]);
  }
});

test('REST and MCP count towards one limit, and 429 is in the words of each [S3.6]', async () => {
  const headers = world.ann;
  const statuses: number[] = [];
  const url = `${world.gateway.url}/mcp/plain`;
  const hello = await send(url, { headers, body: initialize() });
  const session = { ...headers, 'mcp-session-id': String(hello.headers['mcp-session-id']) };
  for (let n = 0; n < 31; n++) {
    statuses.push((await world.post('/mcp/plain/echo', {}, headers)).status);
    statuses.push((await send(url, { headers: session, body: call('echo') })).status);
  }
  expect(statuses.filter((status) => status === 200)).toHaveLength(59);
  const refused = await world.post('/mcp/plain/echo', {}, headers);
  expect([refused.status, refused.json]).toEqual([429, { detail: 'Rate limit exceeded' }]);
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
});
