/** The servers that come along by name, switched on by a variable each (REQUIREMENTS S1.33 to S1.36). */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type RunningGateway, startGateway } from '#kit/gateway.ts';
import { bearer, call, send } from '#kit/http-client.ts';
import { freePort } from '#kit/listen.ts';
import { answerMcp, type RecordingUpstream, startRecordingUpstream } from '#kit/recording-upstream.ts';
import { cli } from '#kit/run-cli.ts';

const names = [
  ...['mcp-echo-stateful', 'mcp-echo-stateless', 'mcp-fetch', 'mcp-fetchs', 'mcp-time'],
  ...['mcp-filesystem', 'mcp-memory', 'mcp-sequentialthinking'],
];
const variable = (name: string) => `MCP_${name.slice(4).replaceAll('-', '_').toUpperCase()}_ENABLED`;
const signIn = { GITHUB_CLIENT_ID: 'id', GITHUB_CLIENT_SECRET: 'a-secret', ALLOWED_GITHUB_USERS: 'ada' };
const common = { ...signIn, ENCRYPTION_KEY: 'a-root-secret-of-the-named-servers-only' };

const keySchema = z.object({ key: z.string() });
const serversSchema = z.array(z.object({ key: z.string() }));

let gateway: RunningGateway;
let upstream: RecordingUpstream;
let dataDir: string;
let auth: Record<string, string>;

const yaml = () => `
organizations:
  - { slug: acme, name: Acme }
  - { slug: other, name: Other }
servers:
  - { key: notes, transport: { kind: http, url: '${upstream.url}/mcp', protocolVersion: '2024-11-05' } }
  - { key: time, transport: { kind: builtin, name: echo-stateless } }
runner: { sandbox: none }
`;

beforeAll(async () => {
  upstream = await startRecordingUpstream();
  dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-named-'));
  gateway = await startGateway({
    dataDir,
    configYaml: yaml(),
    env: {
      ...common,
      ...Object.fromEntries(names.map((name) => [variable(name), 'true'])),
      BASE_DOMAIN: 'gw.example',
      MCP_NOTES_ENABLED: 'true',
      MCP_NOBODY_ENABLED: 'true',
      MCP_EVERYTHING_ENABLED: 'false',
    },
  });
  auth = bearer(keySchema.parse(await gateway.cli('key', 'create', '--org', 'acme')).key);
});
afterAll(async () => {
  await gateway?.stop();
  await upstream?.close();
  rmSync(dataDir, { recursive: true, force: true });
});

async function connect(name: string): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' });
  const url = new URL(`${gateway.url}/acme/mcp/${name}`);
  await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers: auth } }));
  return client;
}

async function toolsOf(name: string): Promise<readonly string[]> {
  const client = await connect(name);
  try {
    return (await client.listTools()).tools.map((tool) => tool.name);
  } finally {
    await client.close();
  }
}

const textOf = (result: unknown) => JSON.stringify(result);

describe('each variable defines its server and switches it on', () => {
  test('for the first organization only [S1.33] [S1.34]', async () => {
    const servers = serversSchema.parse(await gateway.cli('server', 'list'));
    expect(servers.map(({ key }) => key).sort()).toEqual(
      [...names.filter((name) => name !== 'mcp-time'), 'notes', 'time'].sort(),
    );
    const other = bearer(keySchema.parse(await gateway.cli('key', 'create', '--org', 'other')).key);
    const refused = await send(`${gateway.url}/other/mcp/mcp-fetch`, { headers: other, body: call('fetch', {}) });
    expect(refused.text).toContain("Service 'mcp-fetch' is not enabled");
  });

  test('a variable that no server has is named at the start, one of gatehouse.yaml is meant first [S1.34]', async () => {
    const said = gateway.output();
    expect(said).toContain('MCP_NOBODY_ENABLED has no effect');
    // Its own `time` stands: it is an echo server.
    expect(await toolsOf('mcp-time')).toContain('whoIStheGOAT');
  });

  test.each([
    ['echo-stateful', 'replayLastEcho'],
    ['echo-stateless', 'whoIStheGOAT'],
    ['fetch', 'fetch'],
    ['fetchs', 'fetch'],
    ['filesystem', 'read_text_file'],
    ['memory', 'create_entities'],
    ['sequentialthinking', 'sequentialthinking'],
  ])('%s is the same with mcp- before it: by path, by host name and by REST [S1.33]', async (short, tool) => {
    for (const name of [short, `mcp-${short}`]) {
      expect(await toolsOf(name)).toContain(tool);
      const host = { host: `${name}.gw.example`, ...auth };
      const body = { jsonrpc: '2.0', id: 1, method: 'tools/list' };
      const init = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 't', version: '1' } };
      const opened = await send(`${gateway.url}/mcp`, {
        headers: host,
        body: { ...body, method: 'initialize', params: init },
      });
      const session = { 'mcp-session-id': String(opened.headers['mcp-session-id']) };
      expect((await send(`${gateway.url}/mcp`, { headers: { ...host, ...session }, body })).text).toContain(tool);
      const rest = await send(`${gateway.url}/api/servers/${name}/tools`, {
        method: 'GET',
        headers: { ...auth, accept: 'application/json' },
      });
      expect([rest.status, rest.text.includes(tool)]).toEqual([200, true]);
    }
  });
});

test('files and the knowledge graph are in folders of the data directory [S1.33]', async () => {
  const files = await connect('filesystem');
  const folder = join(dataDir, 'servers', 'mcp-filesystem');
  await files.callTool({ name: 'write_file', arguments: { path: join(folder, 'a.txt'), content: 'kept' } });
  expect(textOf(await files.callTool({ name: 'read_text_file', arguments: { path: '/etc/hostname' } }))).toMatch(
    /denied/i,
  );
  await files.close();
  const memory = await connect('memory');
  const entities = [{ name: 'ada', entityType: 'person', observations: ['counts'] }];
  await memory.callTool({ name: 'create_entities', arguments: { entities } });
  expect(textOf(await memory.callTool({ name: 'read_graph', arguments: {} }))).toContain('ada');
  await memory.close();
  expect(readdirSync(folder)).toEqual(['a.txt']);
  expect(readdirSync(join(dataDir, 'servers', 'mcp-memory'))).toEqual(['memory.json']);
});

test('a pinned server is spoken to in its revision, whatever the client speaks, and in no other [S1.33] [S1.35]', async () => {
  const ask = async () => {
    const client = await connect('notes');
    const listed = await client.listTools();
    await client.close();
    return listed.tools.length;
  };
  upstream.script((request, res) => answerMcp(request, res));
  expect(await ask()).toBeGreaterThan(0);
  const hellos = upstream.requests.filter(({ rpc }) => rpc.method === 'initialize');
  expect(hellos.map(({ rpc }) => z.object({ protocolVersion: z.string() }).parse(rpc.params).protocolVersion)).toEqual(
    hellos.map(() => '2024-11-05'),
  );
  expect(upstream.requests.some(({ rpc }) => rpc.method === 'server/discover')).toBe(false);
  upstream.script((request, res) => {
    if (request.rpc.method !== 'initialize') return answerMcp(request, res);
    const result = {
      protocolVersion: '2025-06-18',
      capabilities: { tools: {} },
      serverInfo: { name: 'n', version: '1' },
    };
    res.writeHead(200, { 'content-type': 'application/json' });
    res.end(JSON.stringify({ jsonrpc: '2.0', id: request.rpc.id, result }));
  });
  auth = bearer(keySchema.parse(await gateway.cli('key', 'create', '--org', 'acme')).key);
  const client = await connect('notes');
  await expect(client.callTool({ name: 'echo', arguments: {} })).rejects.toThrow();
  await client.close();
});

test('check greets those that the variables choose, at their addresses, and tells who is not well [S1.34]', async () => {
  await gateway.stop();
  const chosen = { MCP_FETCHS_TESTS_ENABLED: 'true', MCP_FETCH_TESTS_ENABLED: 'true', MCP_FETCHS_ENABLED: 'true' };
  const env = { ...common, ...chosen, MCP_FETCH_URLS: `${upstream.url}/mcp, http://127.0.0.1:1/mcp` };
  gateway = await startGateway({ dataDir, configYaml: yaml(), env });
  upstream.script((request, res) => answerMcp(request, res));
  const { code, out } = await cli(['check', '--org', 'acme', '--json'], { env: { ...env, DATA_DIR: dataDir } });
  expect(code).not.toBe(0);
  expect(JSON.parse(out)).toMatchObject([
    { server: 'mcp-fetch', state: 'well', url: `${upstream.url}/mcp`, protocolVersion: '2025-03-26' },
    { server: 'mcp-fetch', state: 'failed', url: 'http://127.0.0.1:1/mcp' },
    { server: 'mcp-fetchs', state: 'well', protocolVersion: '2025-06-18' },
  ]);
  // A key of the gateway goes to the gateway only.
  expect(upstream.requests.at(-1)?.headers.authorization).toBeUndefined();
  const well = await cli(['check', 'fetchs', '--org', 'acme'], { env: { ...env, DATA_DIR: dataDir } });
  expect([well.code, well.out.includes('well')]).toEqual([0, true]);
});

test('switched off by its variable, it is gone at the next start [S1.34]', async () => {
  await gateway.stop();
  gateway = await startGateway({
    dataDir,
    configYaml: yaml(),
    env: { ...common, MCP_FETCH_ENABLED: 'false', MCP_FETCHS_ENABLED: 'true' },
  });
  const refused = await send(`${gateway.url}/acme/mcp/fetch`, { headers: auth, body: call('fetch', {}) });
  expect(refused.text).toContain('is not enabled');
  expect(await toolsOf('fetchs')).toContain('fetch');
});

test('MCP_ECHO_PORT and MCP_ECHO_HOST are where the echo server that is on answers, beside its path [S1.36]', async () => {
  await gateway.stop();
  const port = String(await freePort());
  const env = { ...common, MCP_ECHO_STATELESS_ENABLED: 'true', MCP_ECHO_PORT: port, MCP_ECHO_HOST: '127.0.0.2' };
  gateway = await startGateway({ dataDir, configYaml: yaml(), env });
  const clientInfo = { name: 'by-hand', version: '1' };
  const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo };
  const body = { jsonrpc: '2.0', id: 1, method: 'initialize', params };
  const own = `http://127.0.0.2:${port}/mcp`;
  const hello = await send(own, { headers: { ...auth, host: `localhost:${port}` }, body });
  expect(hello.status).toBe(200);
  const session = { ...auth, host: `localhost:${port}`, 'mcp-session-id': String(hello.headers['mcp-session-id']) };
  const listed = await send(own, { headers: session, body: { jsonrpc: '2.0', id: 2, method: 'tools/list' } });
  expect(listed.text).toContain('"name":"whoIStheGOAT"');
  await expect(send(`http://127.0.0.1:${port}/mcp`, { headers: auth, body })).rejects.toThrow();
  await gateway.stop();
  gateway = await startGateway({ dataDir, configYaml: yaml(), env: common });
});
