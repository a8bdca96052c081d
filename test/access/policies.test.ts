/** Policies over the wire: what is denied, how it is said, and what lists show. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { withPlatform } from '#db/scope.ts';
import { askModern, connectLegacy } from '#kit/engine-world.ts';
import { bearer, openStream, send } from '#kit/http-client.ts';
import { anySchema, type PolicyWorld, plainJson, serving, startPolicyWorld } from '#kit/policy-world.ts';
import type { Script } from '#kit/recording-upstream.ts';
import { openSocket } from '#kit/web-socket-client.ts';

let world: PolicyWorld;
beforeAll(async () => {
  world = await startPolicyWorld();
});
afterAll(() => world?.close());
beforeEach(() => {
  world.upstream.script(plainJson);
  world.upstream.clear();
});

const denied = (id: unknown) => ({ jsonrpc: '2.0', id, error: { code: 403, message: 'Unauthorized' } });
const settled = { timeout: 3000, interval: 50 };

describe('a set on one server', () => {
  beforeAll(async () => {
    await world.put(
      `permit(principal, action == Action::"call_tool", resource) when { resource has readOnlyHint && resource.readOnlyHint };
       permit(principal, action == Action::"get_prompt", resource == Prompt::"hello");
       permit(principal, action == Action::"read_resource", resource == Resource::"file:///a");`,
      ...['--server', 'files'],
    );
    await vi.waitFor(async () => expect(await world.callTool('write')).toBe(403), settled);
  });
  afterAll(() => world.remove());

  test('a denial is HTTP 403 with the id and nothing of the policy, to clients of both eras [S2.26] [S2.9]', async () => {
    const modern = await askModern(
      world.at('files'),
      'tools/call',
      { name: 'write', arguments: {} },
      { key: world.key, id: 'x-7' },
    );
    expect(modern).toMatchObject({ status: 403, json: denied('x-7') });
    expect(modern.headers['www-authenticate']).toBeUndefined();
    const legacy = await connectLegacy(world.at('files'), world.key);
    const body = { jsonrpc: '2.0', id: 41, method: 'tools/call', params: { name: 'write', arguments: {} } };
    expect(await legacy.request(body)).toMatchObject({ status: 403, json: denied(41) });
    expect(world.sent('tools/call')).toEqual([]);
    expect(await world.callTool('read')).toBe(200);
  });

  test('it is the same message in a WebSocket and on a stream of 2024-11-05 [S2.26]', async () => {
    const socket = await openSocket(world.at('files'), { headers: bearer(world.key) });
    const hello = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } };
    socket.send({ jsonrpc: '2.0', id: 1, method: 'initialize', params: hello });
    await socket.next();
    socket.send({ jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name: 'write', arguments: {} } });
    expect(await socket.next()).toEqual(denied(2));
    await socket.close();
    const stream = await openStream(`${world.at('files')}/sse`, { method: 'GET', headers: bearer(world.key) });
    const endpoint = await stream.next();
    const post = `${world.url}${endpoint?.data}`;
    const say = (body: object) => send(post, { headers: bearer(world.key), body });
    await say({ jsonrpc: '2.0', id: 1, method: 'initialize', params: hello });
    await stream.nextJson();
    await say({ jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name: 'secret', arguments: {} } });
    expect(await stream.nextJson()).toEqual(denied(2));
    stream.close();
    expect(world.sent('tools/call')).toEqual([]);
  });

  test('lists show what may be called, got and read, and only that [S2.25] [S2.27] [D6]', async () => {
    const legacy = await connectLegacy(world.at('files'), world.key);
    const list = async (method: string) => {
      const { json } = await legacy.request({ jsonrpc: '2.0', id: 1, method });
      return z.object({ result: z.record(z.string(), z.unknown()) }).parse(json).result;
    };
    expect(await list('tools/list')).toMatchObject({ tools: [{ name: 'read' }] });
    expect(await list('prompts/list')).toMatchObject({ prompts: [{ name: 'hello' }] });
    expect(await list('resources/list')).toMatchObject({ resources: [{ uri: 'file:///a' }] });
  });

  test.each([
    ['prompts/get', { name: 'hidden' }],
    ['resources/read', { uri: 'file:///b' }],
    ['resources/subscribe', { uri: 'file:///b' }],
    ['resources/unsubscribe', { uri: 'file:///b' }],
    ['elicitation/create', { message: 'x', requestedSchema: anySchema }],
    ['sampling/createMessage', { messages: [], maxTokens: 1 }],
    ['tasks/get', { taskId: 'x' }],
    ['tasks/list', {}],
    ['tasks/cancel', { taskId: 'x' }],
    ['tasks/result', { taskId: 'x' }],
    ['no/such', {}],
  ])('%s is denied and reaches no server [S2.25] [D7]', async (method, params) => {
    const legacy = await connectLegacy(world.at('files'), world.key);
    world.upstream.clear();
    expect(await legacy.request({ jsonrpc: '2.0', id: 9, method, params })).toMatchObject({
      status: 403,
      json: denied(9),
    });
    expect(world.sent(method)).toEqual([]);
  });

  test.each([
    ['ping', {}],
    ['prompts/get', { name: 'hello' }],
    ['resources/read', { uri: 'file:///a' }],
    ['resources/subscribe', { uri: 'file:///a' }],
    ['logging/setLevel', { level: 'error' }],
    ['completion/complete', { ref: { type: 'ref/prompt', name: 'hello' }, argument: { name: 'a', value: 'b' } }],
  ])('%s passes [S2.25]', async (method, params) => {
    const legacy = await connectLegacy(world.at('files'), world.key);
    const answer = await legacy.request({ jsonrpc: '2.0', id: 9, method, params });
    expect(answer).toMatchObject({ status: 200, json: { id: 9, result: {} } });
  });

  test('notifications pass, and server/discover', async () => {
    const legacy = await connectLegacy(world.at('files'), world.key);
    expect((await legacy.request({ jsonrpc: '2.0', method: 'notifications/initialized' })).status).toBe(202);
    expect((await askModern(world.at('files'), 'server/discover', {}, { key: world.key })).status).toBe(200);
  });

  test('a batch, or a body that is no JSON, never slips by [S2.26] [X2.4] [D3]', async () => {
    const body = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'write', arguments: {} } };
    const permitted = { ...body, id: 2, params: { name: 'read', arguments: {} } };
    const batch = await send(world.at('files'), { headers: bearer(world.key), body: [permitted, body] });
    expect(batch).toMatchObject({ status: 400, json: { id: null, error: { code: -32600 } } });
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'text/json; charset=utf-16'])
      expect(
        (await send(world.at('files'), { headers: { ...bearer(world.key), 'content-type': type }, body })).status,
      ).toBe(415);
    expect((await send(world.at('files'), { headers: bearer(world.key), body: '{"jsonrpc":' })).status).toBe(400);
    expect(world.sent('tools/call')).toEqual([]);
  });

  test('what is denied and what does not exist are told apart [X2.4]', async () => {
    const unknown = await askModern(
      world.at('files'),
      'tools/call',
      { name: 'nowhere', arguments: {} },
      { key: world.key },
    );
    expect(unknown.json).toMatchObject({ error: { code: -32602, message: 'Unknown tool: nowhere' } });
    expect(world.sent('tools/call')).toEqual([]);
    expect(await world.callTool('write')).toBe(403);
  });

  test.each([
    'file:///x/../b',
    'FILE:///a',
    'file:///%2e%2e/a',
    'file:///a/.',
    'file:///a%2f..%2fa',
    'file:///A',
    'file:///a/',
  ])('a URI is compared as it is written, and %s is not permitted by another spelling [D8]', async (uri) => {
    const legacy = await connectLegacy(world.at('files'), world.key);
    const answer = await legacy.request({ jsonrpc: '2.0', id: 9, method: 'resources/read', params: { uri } });
    expect(answer).toMatchObject({ status: 403, json: denied(9) });
    expect(world.sent('resources/read')).toEqual([]);
  });

  test('names are the server’s own, by whatever prefix they were called [S2.20]', async () => {
    const { json } = await askModern(world.at('both'), 'tools/list', {}, { key: world.key });
    const { tools: shown } = z
      .object({ result: z.object({ tools: z.array(z.object({ name: z.string() })) }) })
      .parse(json).result;
    expect(shown.map(({ name }) => name)).toEqual(['files_read', 'jira_read', 'jira_secret', 'jira_write']);
    expect(await world.callTool('files_write', {}, 'both')).toBe(403);
    expect(await world.callTool('files_read', {}, 'both')).toBe(200);
    expect(await world.callTool('jira_write', {}, 'both')).toBe(200);
  });

  test('another server is not concerned [S2.39]', async () => {
    expect(await world.callTool('write', {}, 'jira')).toBe(200);
  });

  test('the REST façade is denied what MCP is', async () => {
    const url = (tool: string) => `${world.url}/api/servers/files/tools/${tool}`;
    const headers = { ...bearer(world.key), 'content-type': 'application/json', accept: 'application/json' };
    expect((await send(url('write'), { headers, body: {} })).status).toBe(403);
    expect((await send(url('read'), { headers, body: {} })).status).toBe(200);
    expect(world.sent('tools/call')).toHaveLength(1);
  });
});

describe('lists are filtered however their server writes them', () => {
  const uniqueTool = () => `only-${Math.random().toString(36).slice(2)}`;
  beforeAll(async () => {
    await world.put('permit(principal, action == Action::"call_tool", resource == Tool::"read");', '--server', 'files');
    await vi.waitFor(async () => expect(await world.callTool('write')).toBe(403), settled);
  });
  afterAll(() => world.remove());

  test.each<[string, (message: string, res: Parameters<Script>[1]) => void]>([
    [
      'as a stream of events',
      (message, res) => void res.writeHead(200, { 'content-type': 'text/event-stream' }).end(`data: ${message}\n\n`),
    ],
    [
      'as a stream that says something else before',
      (message, res) => {
        const log = JSON.stringify({
          jsonrpc: '2.0',
          method: 'notifications/message',
          params: { level: 'info', data: 'x' },
        });
        res
          .writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
          .end(`: hi\n\ndata: ${log}\n\ndata: ${message}\n\n`);
      },
    ],
    [
      'with a byte order mark',
      (message, res) => void res.writeHead(200, { 'content-type': 'application/json' }).end(`\ufeff${message}`),
    ],
    ['as text', (message, res) => void res.writeHead(200, { 'content-type': 'text/plain' }).end(message)],
    [
      'with another status',
      (message, res) => void res.writeHead(201, { 'content-type': 'application/json' }).end(message),
    ],
    [
      'with a type of its own',
      (message, res) => void res.writeHead(203, { 'content-type': 'application/vnd.mcp+json' }).end(message),
    ],
    [
      'with a wrong length',
      (message, res) => {
        res.writeHead(200, { 'content-type': 'application/json', 'x-content-length': '3' });
        res.end(message);
      },
    ],
  ])('%s [S2.27] [X2.4]', async (_how, dress) => {
    const unique = uniqueTool();
    world.upstream.script(serving((message, res) => dress(message.replace('"secret"', JSON.stringify(unique)), res)));
    const legacy = await connectLegacy(world.at('files'), world.key);
    const answer = await legacy.request({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
    expect(answer.text).not.toContain('"write"');
    expect(answer.text).not.toContain(unique);
    expect(Number(answer.headers['content-length'] ?? answer.bytes.length)).toBe(answer.bytes.length);
    const names = [...answer.text.matchAll(/"name":"([^"]+)"/g)].map(([, name]) => name);
    // A body that cannot be read is no list: then nothing is shown, or what was good before.
    expect(['', 'read']).toContain(names.join());
  });
});

test('arguments decide as they go to the server, and a list shows what needs none [S2.21] [D10]', async () => {
  await world.put(
    'permit(principal, action == Action::"call_tool", resource) when { context has arg_amount && context.arg_amount < 100 };',
    '--server',
    'files',
  );
  await expect.poll(() => world.callTool('read'), settled).toBe(403);
  world.upstream.clear();
  expect(await world.callTool('read', { amount: 99 })).toBe(200);
  for (const amount of [100, '50', [50], { __extn: { fn: 'decimal', arg: '1.0' } }, null, 1.5])
    expect(await world.callTool('read', { amount })).toBe(403);
  expect(world.sent('tools/call')).toHaveLength(1);
  await world.remove();
});

test('one set for the organization and one for a collection: every one of them must permit [S2.39] [S2.23]', async () => {
  await world.put('permit(principal, action, resource); forbid(principal, action, resource == Tool::"secret");');
  await expect.poll(() => world.callTool('secret', {}, 'jira'), settled).toBe(403);
  expect(await world.callTool('write', {}, 'jira')).toBe(200);
  const file = join(world.dataDir, 'q.cedar');
  writeFileSync(file, 'permit(principal, action, resource in MCP::"jira");');
  expect((await world.policy('put', 'q', '--file', file, '--collection', 'both')).code).toBe(0);
  await expect.poll(() => world.callTool('files_read', {}, 'both'), settled).toBe(403);
  expect(await world.callTool('jira_read', {}, 'both')).toBe(200);
  expect(await world.callTool('jira_secret', {}, 'both')).toBe(403);
  expect(await world.callTool('read')).toBe(200);
  await world.policy('remove', 'q');
  await world.remove();
  await expect.poll(() => world.callTool('secret'), settled).toBe(200);
});

test('a set that only logs refuses nothing, and becomes a refusal within a second of being enforced [D12]', async () => {
  const text = 'permit(principal, action, resource == Tool::"read");';
  await world.put(text, '--server', 'files', '--mode', 'log');
  expect(await world.callTool('write')).toBe(200);
  await world.put(text, '--server', 'files');
  await expect.poll(() => world.callTool('write'), { timeout: 1000, interval: 20 }).toBe(403);
  await world.remove();
  await expect.poll(() => world.callTool('write'), { timeout: 1000, interval: 20 }).toBe(200);
});

test('a set that cannot be compiled closes what it is attached to [D11]', async () => {
  await withPlatform(world.database.db, async ({ tx }) => {
    const org = await tx.selectFrom('organizations').select('id').where('slug', '=', 'acme').executeTakeFirstOrThrow();
    const server = await tx.selectFrom('servers').select('id').where('key', '=', 'files').executeTakeFirstOrThrow();
    const config = JSON.stringify({ version: '1.0', type: 'cedarv1', cedar: { policies: ['permit('] } });
    await tx.insertInto('policies').values({ org_id: org.id, name: 'broken', server_id: server.id, config }).execute();
  });
  await expect.poll(() => world.callTool('read'), settled).toBe(403);
  expect(await world.callTool('read', {}, 'jira')).toBe(200);
  expect((await askModern(world.at('files'), 'tools/list', {}, { key: world.key })).text).not.toContain('"read"');
  expect((await world.policy('remove', 'broken')).code).toBe(0);
});
