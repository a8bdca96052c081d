/** Many servers behind one address: who is asked for what, what is shown of whom, and what is said of those that are closed. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createKey, type RunningGateway, startGateway } from '#kit/gateway.ts';
import { bearer, initialize, openStream, send } from '#kit/http-client.ts';
import { json, type RecordingUpstream, result, type Script, startRecordingUpstream } from '#kit/recording-upstream.ts';
import { openSocket } from '#kit/web-socket-client.ts';
import { encodeUri } from '#mcp/bridge/uris.ts';

let upstream: RecordingUpstream;
let gateway: RunningGateway;
let key: string;
let staffKey: string;
let narrowKey: string;

/** `/docs` has prompts and resources and no tools, all others have everything. */
const serve: Script = (request, res) => {
  const { rpc, target } = request;
  if (request.method !== 'POST') return void res.writeHead(405).end();
  if (request.headers['mcp-protocol-version'] === '2026-07-28')
    return json({ jsonrpc: '2.0', id: null, error: { code: -32000, message: 'Bad Request' } }, 400)(request, res);
  if (rpc.id === undefined || rpc.method === undefined) return void res.writeHead(202).end();
  const tools = target === '/docs' ? {} : { tools: {} };
  const capabilities = { ...tools, prompts: {}, resources: {}, completions: {} };
  const answers: Record<string, unknown> = {
    initialize: { protocolVersion: '2025-11-25', capabilities, serverInfo: { name: target, version: '1' } },
    'tools/list': { tools: [{ name: 'run', inputSchema: { type: 'object' } }] },
    'prompts/list': { prompts: [{ name: 'ask' }] },
    'resources/list': { resources: [{ uri: 'test://one', name: 'one' }] },
    'resources/templates/list': { resourceTemplates: [{ uriTemplate: 'test://{x}', name: 'any' }] },
    'tools/call': { content: [{ type: 'text', text: target }] },
    'prompts/get': { messages: [{ role: 'user', content: { type: 'text', text: target } }] },
    'resources/read': { contents: [{ uri: 'test://one', text: target }] },
    'completion/complete': { completion: { values: [target] } },
  };
  const answer = answers[String(rpc.method)];
  if (answer === undefined || (target === '/docs' && String(rpc.method).startsWith('tools/')))
    return json({ jsonrpc: '2.0', id: rpc.id, error: { code: -32601, message: 'Method not found' } })(request, res);
  return result(answer)(request, res);
};

const servers = ['docs', 'work', 'secret', 'closed'];
const yaml = (url: string) => `
organizations: [{ slug: acme, name: Acme }]
servers:
${servers.map((name) => `  - { key: ${name}, title: ${name}, transport: { kind: http, url: '${url}/${name}' } }`).join('\n')}
collections:
  - { organization: acme, name: mixed, allowedRoles: '*', bindings: [{ server: work }, { server: docs }] }
enablements:
  - { organization: acme, server: docs, allMembers: true }
  - { organization: acme, server: work, allMembers: true }
  - { organization: acme, server: secret, allowedRoles: [staff] }
limits: { principal: { requestsPerMinute: 100000 }, organization: { requestsPerMinute: 100000 } }
egress: { allow: ['127.0.0.1'] }
`;

beforeAll(async () => {
  upstream = await startRecordingUpstream();
  upstream.script(serve);
  gateway = await startGateway({ configYaml: yaml(upstream.url) });
  key = await createKey(gateway, 'acme');
  staffKey = await createKey(gateway, 'acme', '--roles', 'staff');
  narrowKey = await createKey(gateway, 'acme', '--endpoints', 'work,docs');
});
afterAll(async () => {
  await gateway?.stop();
  await upstream?.close();
});
beforeEach(() => upstream.clear());

type Params = Record<string, unknown>;
const message = (method: string, params: Params = {}) => ({ jsonrpc: '2.0', id: 1, method, params });
const sessions = new Map<string, string>();
async function post(method: string, params: Params = {}, { as = key, path = '/mcp' } = {}) {
  const url = gateway.url + path;
  const opened =
    sessions.get(as + path) ?? (await send(url, { headers: bearer(as), body: initialize() })).headers['mcp-session-id'];
  if (opened !== undefined) sessions.set(as + path, String(opened));
  const headers = { ...bearer(as), ...(opened !== undefined && { 'mcp-session-id': String(opened) }) };
  return send(url, { headers, body: message(method, params) });
}

/** Who was asked to do something, and what. */
const asked = () =>
  upstream.requests
    .filter(({ rpc }) => /\/(?:call|get|read|complete)$/.test(String(rpc.method)))
    .map(({ target, rpc }) => `${target} ${rpc.method}`);

test('each request goes to the one server that can answer it, under its own names [S4.26] [S4.4]', async () => {
  const uri = encodeUri('docs', 'test://one');
  const requests: readonly (readonly [string, Params, string])[] = [
    ['tools/call', { name: 'work_run', arguments: {} }, '/work'],
    ['prompts/get', { name: 'docs_ask' }, '/docs'],
    ['prompts/get', { name: 'work_ask' }, '/work'],
    ['resources/read', { uri }, '/docs'],
    [
      'completion/complete',
      { ref: { type: 'ref/prompt', name: 'docs_ask' }, argument: { name: 'a', value: '' } },
      '/docs',
    ],
  ];
  for (const [method, params, server] of requests) {
    upstream.clear();
    const answer = await post(method, params);
    expect([method, answer.text.includes(server), asked()]).toEqual([method, true, [`${server} ${method}`]]);
  }
  upstream.clear();
  expect((await post('tools/list')).json).toMatchObject({
    result: { tools: [{ name: 'mixed-work_run' }, { name: 'work_run' }] },
  });
  expect((await post('movies/watch')).json).toMatchObject({
    error: { code: -32601, data: 'No server found for capability: movies/watch' },
  });
  expect(asked()).toEqual([]);
});

const denied = {
  jsonrpc: '2.0',
  id: 1,
  error: { code: -32000, message: 'Access Denied', data: "Service 'closed' is not enabled for your organization" },
};

test.each([
  ['among everything', '/mcp', 'tools/call', { name: 'closed_run' }],
  ['among everything of the organization', '/acme/mcp', 'prompts/get', { name: 'closed_ask' }],
  ['by its own address', '/mcp/closed', 'tools/call', { name: 'run' }],
])(
  'a server that is not enabled answers %s with 200 and -32000, and the log says who asked for what [S4.4]',
  async (_what, path, method, params) => {
    const answer = await post(method, params, { path });
    expect([answer.status, answer.json]).toEqual([200, denied]);
    expect(upstream.requests.filter(({ target }) => target === '/closed')).toEqual([]);
    const line = () => gateway.logs().findLast(({ msg }) => msg === 'Access denied for service: closed');
    await expect.poll(() => line()?.requestId).toBe(answer.headers['x-request-id'] ?? line()?.requestId);
    expect(line()).toMatchObject({
      level: 'warn',
      requestedService: 'closed',
      enabledServices: expect.arrayContaining(['docs', 'work']),
    });
    expect(line()?.enabledServices).not.toContain('closed');
  },
);

test('whoever may not use a server anyway does not hear whether it is enabled', async () => {
  const answer = await post('tools/call', { name: 'closed_run' }, { as: narrowKey });
  expect(answer.json).toMatchObject({ error: { code: -32602 } });
});

/** One request by each transport that a client may come by. */
const transports: Readonly<Record<string, (method: string, as: string) => Promise<unknown>>> = {
  POST: async (method, as) => (await post(method, {}, { as })).json,
  WebSocket: async (method, as) => {
    const socket = await openSocket(`${gateway.url}/mcp`, { headers: bearer(as) });
    socket.send(initialize());
    await socket.next();
    socket.send(message(method));
    const answer = await socket.next();
    await socket.close();
    return answer;
  },
  'HTTP+SSE': async (method, as) => {
    const stream = await openStream(`${gateway.url}/sse`, { method: 'GET', headers: bearer(as) });
    const endpoint = await stream.next();
    for (const body of [initialize(), message(method)]) {
      await send(gateway.url + endpoint?.data, { headers: bearer(as), body });
      if (body.method === 'initialize') await stream.nextJson();
    }
    const answer = await stream.nextJson();
    stream.close();
    return answer;
  },
};
const lists = [
  ['tools/list', ['work']],
  ['prompts/list', ['docs', 'work']],
  ['resources/list', ['docs', 'work']],
  ['resources/templates/list', ['docs', 'work']],
] as const;

test.each(Object.entries(transports))(
  'by %s every list over all servers has what the caller may use and nothing else [X4.2] [S4.13] [D6]',
  async (_name, ask) => {
    for (const [method, having] of lists) {
      const shown = JSON.stringify(await ask(method, key));
      for (const server of having) expect([method, server, shown.includes(server)]).toEqual([method, server, true]);
      expect([method, /secret|closed/.test(shown)]).toEqual([method, false]);
      expect(JSON.stringify(await ask(method, staffKey))).toContain('secret');
    }
    expect(upstream.requests.filter(({ target }) => target === '/closed')).toEqual([]);
  },
);

test('what is listed is what can be called, for each caller [D6] [S4.13]', async () => {
  for (const as of [key, staffKey, narrowKey]) {
    const listed = JSON.stringify((await post('tools/list', {}, { as })).json);
    for (const name of ['work_run', 'secret_run', 'closed_run', 'docs_run', 'mixed-work_run']) {
      const answer = await post('tools/call', { name, arguments: {} }, { as });
      expect([name, answer.text.includes('"result"')]).toEqual([name, listed.includes(`"${name}"`)]);
    }
  }
});
