/** Policies over the wire: what is denied, how it is said, what lists show, and how they are administered. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { type App, openApp } from '#app.ts';
import { loadConfig } from '#config/load.ts';
import { withPlatform } from '#db/scope.ts';
import { askModern, connectLegacy } from '#kit/engine-world.ts';
import { bearer, openStream, send } from '#kit/http-client.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { type RecordingUpstream, type Script, startRecordingUpstream } from '#kit/recording-upstream.ts';
import { cli } from '#kit/run-cli.ts';
import { openSocket } from '#kit/web-socket-client.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-policies-'));
let database: TestDatabase;
let upstream: RecordingUpstream;
let other: RecordingUpstream;
let app: App;
let env: Record<string, string>;
let key: string;

const gatehouseYaml = () => `
organizations: [{ slug: acme, name: Acme }]
servers:
  - { key: files, transport: { kind: http, url: '${upstream.url}/mcp' } }
  - { key: jira, transport: { kind: http, url: '${other.url}/mcp' } }
enablements:
  - { organization: acme, server: files, allMembers: true }
  - { organization: acme, server: jira, allMembers: true }
collections:
  - { organization: acme, name: both, allowedRoles: '*', bindings: [{ server: files }, { server: jira }] }
limits:
  principal: { requestsPerMinute: 100000 }
  organization: { requestsPerMinute: 100000 }
  breaker: { consecutiveFailures: 100000, minimumCalls: 100000 }
egress: { allow: ['127.0.0.1'] }
`;

const schema = { type: 'object' };
const tools = [
  { name: 'read', inputSchema: schema, annotations: { readOnlyHint: true } },
  { name: 'write', inputSchema: schema, annotations: { readOnlyHint: false } },
  { name: 'secret', inputSchema: schema },
];
const prompts = [{ name: 'hello' }, { name: 'hidden' }];
const resources = [
  { uri: 'file:///a', name: 'a' },
  { uri: 'file:///b', name: 'b' },
];

const answers: Readonly<Record<string, object>> = {
  initialize: {
    protocolVersion: '2025-11-25',
    capabilities: { tools: {}, prompts: {}, resources: { subscribe: true }, completions: {}, logging: {} },
    serverInfo: { name: 'files', version: '1' },
  },
  'tools/list': { tools },
  'prompts/list': { prompts },
  'resources/list': { resources },
  'resources/templates/list': { resourceTemplates: [] },
  'tools/call': { content: [{ type: 'text', text: 'done' }] },
  'prompts/get': { messages: [] },
  'resources/read': { contents: [] },
  'completion/complete': { completion: { values: [] } },
};

/** Of the legacy era, without sessions; `dress`: how a result is written. */
const serving =
  (dress: (message: string, res: Parameters<Script>[1]) => void): Script =>
  ({ method, rpc }, res) => {
    if (method !== 'POST') return void res.writeHead(405).end();
    if (rpc.id === undefined) return void res.writeHead(202).end();
    const answer = answers[String(rpc.method)];
    const isModern = JSON.stringify(rpc.params ?? {}).includes('io.modelcontextprotocol/protocolVersion');
    const error = { code: -32601, message: 'Method not found' };
    const body = answer && !isModern ? { result: answer } : { error };
    dress(JSON.stringify({ jsonrpc: '2.0', id: rpc.id, ...body }), res);
  };
const plainJson = serving(
  (message, res) => void res.writeHead(200, { 'content-type': 'application/json' }).end(message),
);

beforeAll(async () => {
  [database, upstream, other] = await Promise.all([
    createTestDatabase(),
    startRecordingUpstream(),
    startRecordingUpstream(),
  ]);
  upstream.script(plainJson);
  other.script(plainJson);
  env = {
    ...{ PORT: '0', DATA_DIR: dataDir, LOG_LEVEL: 'error', DATABASE_URL: database.url },
    ENCRYPTION_KEY: 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB',
  };
  const file = join(dataDir, 'gatehouse.yaml');
  const readFile = (path: string) => (path === file ? gatehouseYaml() : undefined);
  app = await openApp(loadConfig({ env, cwd: dataDir, readFile }), { version: '0.0.0' });
  const made = await cli(['key', 'create', '--org', 'acme', '--name', 't', '--json'], { env });
  key = z.object({ key: z.string() }).parse(JSON.parse(made.out)).key;
});
afterAll(async () => {
  await app?.close();
  await Promise.all([upstream?.close(), other?.close(), database?.close()]);
  rmSync(dataDir, { recursive: true, force: true });
});
beforeEach(() => {
  upstream.script(plainJson);
  upstream.clear();
});

const policy = (...args: readonly string[]) => cli(['policy', ...args, '--org', 'acme'], { env });

async function put(text: string, ...args: readonly string[]): Promise<void> {
  const file = join(dataDir, 'p.cedar');
  writeFileSync(file, text);
  const { code, err } = await policy('put', 'p', '--file', file, ...args);
  expect(err, err).toMatch(/Saved p/);
  expect(code).toBe(0);
}
const remove = () => policy('remove', 'p');
const sent = (method: string) => upstream.requests.filter(({ rpc }) => rpc.method === method);
const at = (name: string) => `${app.url}/acme/mcp/${name}`;
const denied = (id: unknown) => ({ jsonrpc: '2.0', id, error: { code: 403, message: 'Unauthorized' } });
const settled = { timeout: 3000, interval: 50 };

const callTool = async (name: string, args: object = {}, server = 'files') => {
  const answer = await askModern(at(server), 'tools/call', { name, arguments: args }, { key });
  return answer.status;
};

describe('a set on one server', () => {
  beforeAll(async () => {
    await put(
      `permit(principal, action == Action::"call_tool", resource) when { resource has readOnlyHint && resource.readOnlyHint };
       permit(principal, action == Action::"get_prompt", resource == Prompt::"hello");
       permit(principal, action == Action::"read_resource", resource == Resource::"file:///a");`,
      ...['--server', 'files'],
    );
    await vi.waitFor(async () => expect(await callTool('write')).toBe(403), settled);
  });
  afterAll(remove);

  test('a denial is HTTP 403 with the id and nothing of the policy, to clients of both eras [S2.26] [S2.9]', async () => {
    const modern = await askModern(at('files'), 'tools/call', { name: 'write', arguments: {} }, { key, id: 'x-7' });
    expect(modern).toMatchObject({ status: 403, json: denied('x-7') });
    expect(modern.headers['www-authenticate']).toBeUndefined();
    const legacy = await connectLegacy(at('files'), key);
    const body = { jsonrpc: '2.0', id: 41, method: 'tools/call', params: { name: 'write', arguments: {} } };
    expect(await legacy.request(body)).toMatchObject({ status: 403, json: denied(41) });
    expect(sent('tools/call')).toEqual([]);
    expect(await callTool('read')).toBe(200);
  });

  test('it is the same message in a WebSocket and on a stream of 2024-11-05 [S2.26]', async () => {
    const socket = await openSocket(at('files'), { headers: bearer(key) });
    const hello = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } };
    socket.send({ jsonrpc: '2.0', id: 1, method: 'initialize', params: hello });
    await socket.next();
    socket.send({ jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name: 'write', arguments: {} } });
    expect(await socket.next()).toEqual(denied(2));
    await socket.close();
    const stream = await openStream(`${at('files')}/sse`, { method: 'GET', headers: bearer(key) });
    const endpoint = await stream.next();
    const post = `${app.url}${endpoint?.data}`;
    const say = (body: object) => send(post, { headers: bearer(key), body });
    await say({ jsonrpc: '2.0', id: 1, method: 'initialize', params: hello });
    await stream.nextJson();
    await say({ jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name: 'secret', arguments: {} } });
    expect(await stream.nextJson()).toEqual(denied(2));
    stream.close();
    expect(sent('tools/call')).toEqual([]);
  });

  test('lists show what may be called, got and read, and only that [S2.25] [S2.27] [D6]', async () => {
    const legacy = await connectLegacy(at('files'), key);
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
    ['elicitation/create', { message: 'x', requestedSchema: schema }],
    ['sampling/createMessage', { messages: [], maxTokens: 1 }],
    ['tasks/get', { taskId: 'x' }],
    ['tasks/list', {}],
    ['tasks/cancel', { taskId: 'x' }],
    ['tasks/result', { taskId: 'x' }],
    ['no/such', {}],
  ])('%s is denied and reaches no server [S2.25] [D7]', async (method, params) => {
    const legacy = await connectLegacy(at('files'), key);
    upstream.clear();
    expect(await legacy.request({ jsonrpc: '2.0', id: 9, method, params })).toMatchObject({
      status: 403,
      json: denied(9),
    });
    expect(sent(method)).toEqual([]);
  });

  test.each([
    ['ping', {}],
    ['prompts/get', { name: 'hello' }],
    ['resources/read', { uri: 'file:///a' }],
    ['resources/subscribe', { uri: 'file:///a' }],
    ['logging/setLevel', { level: 'error' }],
    ['completion/complete', { ref: { type: 'ref/prompt', name: 'hello' }, argument: { name: 'a', value: 'b' } }],
  ])('%s passes [S2.25]', async (method, params) => {
    const legacy = await connectLegacy(at('files'), key);
    const answer = await legacy.request({ jsonrpc: '2.0', id: 9, method, params });
    expect(answer).toMatchObject({ status: 200, json: { id: 9, result: {} } });
  });

  test('notifications pass, and server/discover', async () => {
    const legacy = await connectLegacy(at('files'), key);
    expect((await legacy.request({ jsonrpc: '2.0', method: 'notifications/initialized' })).status).toBe(202);
    expect((await askModern(at('files'), 'server/discover', {}, { key })).status).toBe(200);
  });

  test('a batch, or a body that is no JSON, never slips by [S2.26] [X2.4] [D3]', async () => {
    const body = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'write', arguments: {} } };
    const permitted = { ...body, id: 2, params: { name: 'read', arguments: {} } };
    const batch = await send(at('files'), { headers: bearer(key), body: [permitted, body] });
    expect(batch).toMatchObject({ status: 400, json: { id: null, error: { code: -32600 } } });
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'text/json; charset=utf-16'])
      expect((await send(at('files'), { headers: { ...bearer(key), 'content-type': type }, body })).status).toBe(415);
    expect((await send(at('files'), { headers: bearer(key), body: '{"jsonrpc":' })).status).toBe(400);
    expect(sent('tools/call')).toEqual([]);
  });

  test('what is denied and what does not exist are told apart [X2.4]', async () => {
    const unknown = await askModern(at('files'), 'tools/call', { name: 'nowhere', arguments: {} }, { key });
    expect(unknown.json).toMatchObject({ error: { code: -32602, message: 'Unknown tool: nowhere' } });
    expect(sent('tools/call')).toEqual([]);
    expect(await callTool('write')).toBe(403);
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
    const legacy = await connectLegacy(at('files'), key);
    const answer = await legacy.request({ jsonrpc: '2.0', id: 9, method: 'resources/read', params: { uri } });
    expect(answer).toMatchObject({ status: 403, json: denied(9) });
    expect(sent('resources/read')).toEqual([]);
  });

  test('names are the server’s own, by whatever prefix they were called [S2.20]', async () => {
    const { json } = await askModern(at('both'), 'tools/list', {}, { key });
    const { tools: shown } = z
      .object({ result: z.object({ tools: z.array(z.object({ name: z.string() })) }) })
      .parse(json).result;
    expect(shown.map(({ name }) => name)).toEqual(['files_read', 'jira_read', 'jira_secret', 'jira_write']);
    expect(await callTool('files_write', {}, 'both')).toBe(403);
    expect(await callTool('files_read', {}, 'both')).toBe(200);
    expect(await callTool('jira_write', {}, 'both')).toBe(200);
  });

  test('another server is not concerned [S2.39]', async () => {
    expect(await callTool('write', {}, 'jira')).toBe(200);
  });

  test('the REST façade is denied what MCP is', async () => {
    const url = (tool: string) => `${app.url}/api/servers/files/tools/${tool}`;
    const headers = { ...bearer(key), 'content-type': 'application/json', accept: 'application/json' };
    expect((await send(url('write'), { headers, body: {} })).status).toBe(403);
    expect((await send(url('read'), { headers, body: {} })).status).toBe(200);
    expect(sent('tools/call')).toHaveLength(1);
  });
});

describe('lists are filtered however their server writes them', () => {
  const uniqueTool = () => `only-${Math.random().toString(36).slice(2)}`;
  beforeAll(async () => {
    await put('permit(principal, action == Action::"call_tool", resource == Tool::"read");', '--server', 'files');
    await vi.waitFor(async () => expect(await callTool('write')).toBe(403), settled);
  });
  afterAll(remove);

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
    upstream.script(serving((message, res) => dress(message.replace('"secret"', JSON.stringify(unique)), res)));
    const legacy = await connectLegacy(at('files'), key);
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
  await put(
    'permit(principal, action == Action::"call_tool", resource) when { context has arg_amount && context.arg_amount < 100 };',
    '--server',
    'files',
  );
  await expect.poll(() => callTool('read'), settled).toBe(403);
  upstream.clear();
  expect(await callTool('read', { amount: 99 })).toBe(200);
  for (const amount of [100, '50', [50], { __extn: { fn: 'decimal', arg: '1.0' } }, null, 1.5])
    expect(await callTool('read', { amount })).toBe(403);
  expect(sent('tools/call')).toHaveLength(1);
  await remove();
});

test('one set for the organization and one for a collection: every one of them must permit [S2.39] [S2.23]', async () => {
  await put('permit(principal, action, resource); forbid(principal, action, resource == Tool::"secret");');
  await expect.poll(() => callTool('secret', {}, 'jira'), settled).toBe(403);
  expect(await callTool('write', {}, 'jira')).toBe(200);
  const file = join(dataDir, 'q.cedar');
  writeFileSync(file, 'permit(principal, action, resource in MCP::"jira");');
  expect((await policy('put', 'q', '--file', file, '--collection', 'both')).code).toBe(0);
  await expect.poll(() => callTool('files_read', {}, 'both'), settled).toBe(403);
  expect(await callTool('jira_read', {}, 'both')).toBe(200);
  expect(await callTool('jira_secret', {}, 'both')).toBe(403);
  expect(await callTool('read')).toBe(200);
  await policy('remove', 'q');
  await remove();
  await expect.poll(() => callTool('secret'), settled).toBe(200);
});

test('a set that only logs refuses nothing, and becomes a refusal within a second of being enforced [D12]', async () => {
  const text = 'permit(principal, action, resource == Tool::"read");';
  await put(text, '--server', 'files', '--mode', 'log');
  expect(await callTool('write')).toBe(200);
  await put(text, '--server', 'files');
  await expect.poll(() => callTool('write'), { timeout: 1000, interval: 20 }).toBe(403);
  await remove();
  await expect.poll(() => callTool('write'), { timeout: 1000, interval: 20 }).toBe(200);
});

test('a set that cannot be compiled closes what it is attached to [D11]', async () => {
  await withPlatform(database.db, async ({ tx }) => {
    const org = await tx.selectFrom('organizations').select('id').where('slug', '=', 'acme').executeTakeFirstOrThrow();
    const server = await tx.selectFrom('servers').select('id').where('key', '=', 'files').executeTakeFirstOrThrow();
    const config = JSON.stringify({ version: '1.0', type: 'cedarv1', cedar: { policies: ['permit('] } });
    await tx.insertInto('policies').values({ org_id: org.id, name: 'broken', server_id: server.id, config }).execute();
  });
  await expect.poll(() => callTool('read'), settled).toBe(403);
  expect(await callTool('read', {}, 'jira')).toBe(200);
  expect((await askModern(at('files'), 'tools/list', {}, { key })).text).not.toContain('"read"');
  expect((await policy('remove', 'broken')).code).toBe(0);
});

describe('the command line', () => {
  const write = (name: string, text: string) => {
    const file = join(dataDir, name);
    writeFileSync(file, text);
    return file;
  };

  test('what is wrong is not saved, and the message says what was meant [S2.17]', async () => {
    const { code, err } = await policy(
      ...['put', 'bad', '--file', write('bad.cedar', 'permit(principal, action == Action::"call_tol", resource);')],
    );
    expect(code).toBe(1);
    expect(err).toMatch(/call_tol.*did you mean `Action::"call_tool"`/);
    const empty = JSON.stringify({ version: '1.0', type: 'cedarv1', cedar: { policies: [] } });
    expect((await policy('put', 'bad', '--file', write('bad.json', empty))).err).toMatch(/at least one policy/);
    expect((await policy('list', '--json')).out).toBe('[]\n');
  });

  test('the examples do what they say, as files and as cases of a test [S2.28] [S2.17]', async () => {
    const example = (name: string) => join(import.meta.dirname, '../../examples/authz', name);
    const cedar = example('example-policy.cedar');
    const cases = write(
      'cases.yaml',
      (await import('node:fs'))
        .readFileSync(example('cases.yaml'), 'utf8')
        .replaceAll('server: github', 'server: files'),
    );
    const passed = await policy('test', '--cases', cases, '--draft', cedar);
    expect(passed.err).not.toMatch(/otherwise/);
    expect(passed.code).toBe(0);
    expect(passed.out).toMatch(/analysts read: permit\n {2}draft@1: permit \(analysts-read\)/);
    const wrong = write(
      'wrong.json',
      JSON.stringify([{ claims: { roles: ['admin'] }, server: 'files', resource: 'x', expect: 'deny' }]),
    );
    const failed = await policy('test', '--cases', wrong, '--draft', cedar);
    expect(failed).toMatchObject({ code: 1, err: expect.stringContaining('1 of 1 cases') });
    expect((await policy('put', 'ex', '--file', example('example-authz.json'), '--server', 'files')).code).toBe(0);
    const ask = async (claims: object, ...more: readonly string[]) =>
      (await policy('test', '--server', 'files', '--claims', JSON.stringify(claims), ...more)).out.split('\n')[0];
    const group = '11111111-2222-3333-4444-555555555555';
    expect(await ask({ groups: [group] }, '--resource', 'search_code')).toBe('case 1: permit');
    expect(await ask({ groups: ['other'] }, '--resource', 'search_code')).toBe('case 1: deny');
    const read = ['--action', 'read_resource', '--resource', 'repo://x'];
    expect(await ask({ groups: ['leads'] }, ...read)).toBe('case 1: permit');
    expect(await ask({ groups: [] }, ...read)).toBe('case 1: deny');
    await policy('remove', 'ex');
  });

  test('a table says who can do what, by grants and policies together', async () => {
    await put(
      'permit(principal in THVGroup::"MCP-Admin", action, resource); permit(principal, action, resource == Tool::"read");',
      '--server',
      'files',
    );
    const { out } = await policy('matrix', '--server', 'files', '--json');
    const { groups, rows } = z
      .object({ groups: z.array(z.string()), rows: z.array(z.unknown()) })
      .parse(JSON.parse(out));
    expect(groups).toEqual(['everybody', 'MCP-Admin']);
    expect(rows).toContainEqual({ endpoint: 'files', server: 'files', tool: 'read', cells: ['yes', 'yes'] });
    expect(rows).toContainEqual({ endpoint: 'files', server: 'files', tool: '*', cells: ['policy', 'yes'] });
    await remove();
  });
});
