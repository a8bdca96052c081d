import { existsSync, readFileSync } from 'node:fs';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { WebSocketClientTransport } from '@modelcontextprotocol/sdk/client/websocket.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { createKey } from '#kit/gateway.ts';
import { bearer, call, initialize, send } from '#kit/http-client.ts';
import { createTestDatabase } from '#kit/postgres.ts';
import { answerMcp, bigResult, event, hang, openSse, type Script } from '#kit/recording-upstream.ts';
import { openSocket, refusedUpgrade } from '#kit/web-socket-client.ts';
import { startWorld, type World } from '#kit/world.ts';

const extraYaml = `
limits:
  principal: { requestsPerMinute: 100000, concurrentCalls: 3, streams: 2 }
  organization: { requestsPerMinute: 100000 }
  request: { mcpBytes: 20000 }
`;

const initialized = { jsonrpc: '2.0', method: 'notifications/initialized' };
const list = (id: unknown) => ({ jsonrpc: '2.0', id, method: 'tools/list' });
const done = (id: unknown) => ({ jsonrpc: '2.0', id, result: { content: [] } });

/** A server with sessions; `onStream` has the streams that it may say something by itself on. */
const sessionful =
  (onStream: (request: Parameters<Script>[0], res: Parameters<Script>[1]) => void = () => {}): Script =>
  (request, res) => {
    if (request.method === 'DELETE') return void res.writeHead(200).end();
    if (request.method === 'GET') {
      openSse(res);
      return onStream(request, res);
    }
    if (request.rpc.method === 'initialize') res.setHeader('mcp-session-id', 'upstream-session');
    return answerMcp(request, res);
  };

describe('WebSocket', () => {
  let world: World;
  let url = '';
  beforeAll(async () => {
    world = await startWorld({ extraYaml });
    url = world.url('open');
  });
  afterAll(() => world?.close());
  beforeEach(() => {
    world.upstream.script();
    world.upstream.clear();
  });
  const open = (path = '', protocols?: readonly string[]) =>
    openSocket(url + path, { headers: world.auth, ...(protocols && { protocols }) });

  test('the official client lists, calls and is asked in the middle of a call [S4.27]', async () => {
    const { authorization } = world.auth;
    class Authorized extends WebSocket {
      constructor(address: string | URL, protocols: string) {
        super(address, protocols, { headers: { authorization } });
      }
    }
    const before = globalThis.WebSocket;
    Object.assign(globalThis, { WebSocket: Authorized });
    let answered: (text: string) => void = () => {};
    const answer = new Promise<string>((resolve) => {
      answered = resolve;
    });
    world.upstream.script(async (request, res) => {
      if (request.rpc.id === 'q-1') {
        answered(request.text);
        return void res.writeHead(202).end();
      }
      if (request.rpc.params?.name !== 'ask') return sessionful()(request, res);
      openSse(res);
      const params = { message: 'who?', requestedSchema: { type: 'object', properties: {} } };
      res.write(event({ jsonrpc: '2.0', id: 'q-1', method: 'elicitation/create', params }));
      const text = JSON.stringify(JSON.parse(await answer).result);
      res.end(event({ jsonrpc: '2.0', id: request.rpc.id, result: { content: [{ type: 'text', text }] } }));
    });
    const client = new Client({ name: 'old', version: '1' }, { capabilities: { elicitation: {} } });
    client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept', content: { name: 'Ada' } }));
    // Its own types differ under exactOptionalPropertyTypes.
    await client.connect(new WebSocketClientTransport(new URL(url.replace('http:', 'ws:'))) as never);
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(['retrieve', 'echo']);
    const asked = await client.callTool({ name: 'ask', arguments: {} });
    expect(asked.content).toEqual([{ type: 'text', text: '{"action":"accept","content":{"name":"Ada"}}' }]);
    await client.close();
    Object.assign(globalThis, { WebSocket: before });
  });

  test('whoever is refused hears before the upgrade what a POST would tell them [S4.9] [E13]', async () => {
    const stranger = { authorization: `Bearer gw_${'x'.repeat(43)}` };
    const cases = [
      { what: {}, at: url },
      { what: stranger, at: url },
      { what: { authorization: 'Bearer not-a-token' }, at: url },
      { what: { ...world.auth, origin: 'https://evil.example' }, at: url },
      { what: { ...world.auth, origin: 'null' }, at: url },
      { what: { ...world.auth, host: 'evil.example' }, at: url },
      { what: world.auth, at: world.url('missing') },
      { what: world.auth, at: world.url('staff') },
      { what: world.auth, at: `${world.gateway.url}/other/mcp/secret` },
    ];
    for (const { what, at } of cases) {
      const headers: Record<string, string> = { ...what };
      const posted = await send(at, { headers, body: list(1) });
      const refused = await refusedUpgrade(at, { headers });
      expect(refused).toMatchObject({ status: posted.status, text: posted.text });
      expect(refused.headers['www-authenticate']).toBe(posted.headers['www-authenticate']);
      expect(posted.status).toBeGreaterThanOrEqual(400);
    }
    expect(world.upstream.requests.filter(({ method }) => method === 'POST')).toHaveLength(0);
  });

  test('a refused upgrade is a call in the log like any other', async () => {
    await refusedUpgrade(world.url('staff'), { headers: world.auth });
    const lines = () =>
      world.gateway.logs().filter(({ method, path }) => method === 'GET' && path === '/demo/mcp/staff');
    await expect.poll(() => lines().at(-1)).toMatchObject({ status: 403, reason: 'role_denied' });
  });

  test('what a message leaves in the log is what a POST leaves', async () => {
    const lines = () => world.gateway.logs().filter(({ method }) => method === 'POST');
    await send(url, { headers: world.auth, body: call('echo', { a: 1 }) });
    await expect.poll(() => lines().at(-1)?.name).toBe('echo');
    const before = lines().length;
    const socket = await open();
    socket.send(call('echo', { a: 1 }));
    await socket.next();
    await expect.poll(() => lines().length).toBe(before + 1);
    const [posted, sent] = lines().slice(-2);
    const same = ['method', 'path', 'status', 'org', 'subject', 'endpoint', 'server', 'rpcMethod', 'name', 'reason'];
    for (const field of same) expect(sent?.[field], field).toEqual(posted?.[field]);
    await socket.close();
  });

  test('only a client of no subprotocol is greeted, and only at an address for sockets [S4.9]', async () => {
    const greeted = await open('/ws', []);
    expect(await greeted.next()).toEqual({
      type: 'connection',
      sessionId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      capabilities: expect.any(Object),
    });
    await greeted.close();
    for (const silent of [await open('/ws'), await open('', [])]) {
      silent.send(list(7));
      expect(await silent.next()).toMatchObject({ id: 7, result: { tools: expect.any(Array) } });
      await silent.close();
    }
  });

  test('the subprotocol is mcp or none, and nothing is compressed [E16]', async () => {
    const socket = await open('', ['other', 'mcp']);
    expect(socket.socket.protocol).toBe('mcp');
    expect(socket.socket.extensions).toBe('');
    await socket.close();
  });

  test.each([
    ['a binary frame', 1003, (socket: WebSocket) => socket.send(Buffer.from('{}'))],
    ['a frame above the limit of a body', 1009, (socket: WebSocket) => socket.send(`"${'x'.repeat(20_000)}"`)],
    [
      'a flood of pings',
      1008,
      (socket: WebSocket) => {
        for (let i = 0; i < 50; i++) socket.ping();
      },
    ],
  ])('%s closes the socket with %i [E16]', async (_what, code, act) => {
    const { socket, closed } = await open();
    act(socket);
    expect((await closed).code).toBe(code);
  });

  test('batches and what is no message are refused, and the socket goes on', async () => {
    const socket = await open();
    socket.send([list(1), list(2)]);
    expect(await socket.next()).toEqual({
      jsonrpc: '2.0',
      id: null,
      error: { code: -32600, message: 'Batch requests are not supported' },
    });
    socket.send('{"jsonrpc":');
    expect(await socket.next()).toMatchObject({ id: null, error: { code: -32700 } });
    socket.send('{"jsonrpc":"2.0","id":3,"id":4,"method":"tools/list"}');
    expect(await socket.next()).toMatchObject({ id: null, error: { code: expect.any(Number) } });
    socket.send(list(5));
    expect(await socket.next()).toMatchObject({ id: 5, result: expect.any(Object) });
    await socket.close();
  });

  test('a session is kept for the client, hears what the server says by itself, and ends with the socket', async () => {
    const changed = { jsonrpc: '2.0', method: 'notifications/tools/list_changed' };
    world.upstream.script(sessionful((_request, res) => void res.write(event(changed))));
    const socket = await open();
    socket.send(initialize());
    expect(await socket.next()).toMatchObject({ result: { protocolVersion: '2025-11-25' } });
    socket.send(initialized);
    socket.send(list('l'));
    const said = [await socket.next(), await socket.next()];
    expect(said).toContainEqual(changed);
    expect(said).toContainEqual(expect.objectContaining({ id: 'l' }));
    const order = world.upstream.requests.map(({ method, rpc }) => rpc.method ?? method);
    expect(order.indexOf('tools/list')).toBeGreaterThan(order.indexOf('notifications/initialized'));
    const listed = world.upstream.requests.find(({ rpc }) => rpc.method === 'tools/list');
    expect(listed?.headers).toMatchObject({
      'mcp-session-id': 'upstream-session',
      'mcp-protocol-version': '2025-11-25',
    });
    const streamed = await world.upstream.waitFor(({ method }) => method === 'GET');
    await socket.close();
    const ended = await world.upstream.waitFor(({ method }) => method === 'DELETE');
    expect(ended.headers['mcp-session-id']).toBe('upstream-session');
    await expect.poll(() => streamed.aborted()).toBe(true);
  });

  test('a request of the modern era gets the headers that mirror it, and is cancelled by a word', async () => {
    const meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': {},
    };
    world.upstream.script(hang);
    const socket = await open();
    const params = { name: 'größe', arguments: {}, _meta: meta };
    socket.send({ jsonrpc: '2.0', id: 9, method: 'tools/call', params });
    const request = await world.upstream.waitFor(({ rpc }) => rpc.id === 9);
    expect(request.headers).toMatchObject({
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': `=?base64?${Buffer.from('größe').toString('base64')}?=`,
    });
    socket.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 9 } });
    await expect.poll(() => request.aborted()).toBe(true);
    expect(world.upstream.requests).toHaveLength(1);
    world.upstream.script();
    socket.send(list(10));
    expect(await socket.next()).toMatchObject({ id: 10 });
    await socket.close();
  });

  test('hanging up frees what the server was doing', async () => {
    world.upstream.script(hang);
    const socket = await open();
    socket.send(call('echo', {}, 1));
    const request = await world.upstream.waitFor(({ rpc }) => rpc.method === 'tools/call');
    socket.socket.terminate();
    await expect.poll(() => request.aborted()).toBe(true);
  });

  test('an answer that the server breaks off is an error under its id', async () => {
    world.upstream.script((request, res) => {
      openSse(res);
      res.write(event({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 1, progress: 1 } }));
      if (request.rpc.id === 'cut') setTimeout(() => res.destroy(), 20);
      else res.end();
    });
    const socket = await open();
    for (const id of ['cut', 'forgotten']) {
      socket.send(call('echo', {}, id));
      expect(await socket.next()).toMatchObject({ method: 'notifications/progress' });
      expect(await socket.next()).toMatchObject({ id, error: { code: -32603 } });
    }
    await socket.close();
  });

  test('an answer too large to be one frame is an error under its id, and the server is let go', async () => {
    world.upstream.script(bigResult(40_000_000));
    const socket = await open();
    socket.send(call('echo', {}, 'big'));
    expect(await socket.next()).toMatchObject({ id: 'big', error: { code: -32603 } });
    const request = await world.upstream.waitFor(({ rpc }) => rpc.id === 'big');
    await expect.poll(() => request.aborted()).toBe(true);
    await socket.close();
  });

  test('a socket is one of its principal’s streams, and its calls are counted as all others', async () => {
    const headers = bearer(await createKey(world.gateway));
    const one = await openSocket(url, { headers });
    const two = await openSocket(url, { headers });
    expect(await refusedUpgrade(url, { headers })).toMatchObject({ status: 429 });
    await two.close();
    world.upstream.script(hang);
    for (let id = 1; id <= 4; id++) one.send(call('echo', {}, id));
    expect(await one.next()).toEqual({
      jsonrpc: '2.0',
      id: 4,
      error: { code: -32000, message: 'Too many concurrent calls', data: { retryAfterSeconds: 1 } },
    });
    await one.close();
    world.upstream.script();
    await expect.poll(async () => (await send(url, { headers, body: list(1) })).status).toBe(200);
  });

  test('a flood is answered message by message', async () => {
    const socket = await open();
    for (let id = 0; id < 2000; id++) socket.send(list(id));
    const ids = new Set<unknown>();
    while (ids.size < 2000) ids.add((await socket.next()).id);
    expect(ids.size).toBe(2000);
    await socket.close();
  });

  test('whoever loses the right to come in is cut off within a second [B11]', async () => {
    const created = await world.gateway.cli('key', 'create', '--org', 'demo', '--name', 'short-lived');
    const { id, key } = created as { readonly id: string; readonly key: string };
    world.upstream.script(hang);
    const socket = await openSocket(url, { headers: bearer(key) });
    socket.send(call('echo', {}, 1));
    const request = await world.upstream.waitFor(({ rpc }) => rpc.method === 'tools/call');
    await world.gateway.cli('key', 'revoke', id);
    const since = performance.now();
    expect((await socket.closed).code).toBe(1008);
    expect(performance.now() - since).toBeLessThan(1000);
    await expect.poll(() => request.aborted()).toBe(true);
  });
});

/** Bytes that the process has in memory, as the kernel counts them. */
const residentBytes = (pid: number) =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;

test.runIf(existsSync('/proc/self/status'))(
  '2,000 sockets that came and went leave nothing behind',
  async () => {
    // An embedded database keeps the audit trail in the process that is measured.
    const database = await createTestDatabase();
    const world = await startWorld({
      extraYaml: extraYaml.replace('concurrentCalls: 3, streams: 2', 'concurrentCalls: 100, streams: 50'),
      env: { DATABASE_URL: database.url, ENCRYPTION_KEY: 'a-root-secret-of-this-very-test-alone' },
    });
    world.upstream.script(sessionful());
    const visit = async (_: unknown, nth: number) => {
      const socket = await openSocket(world.url('open'), { headers: world.auth });
      socket.send(initialize());
      await socket.next();
      socket.send(initialized);
      socket.send(list(1));
      await socket.next();
      if (nth % 2 === 0) await socket.close();
      else socket.socket.terminate();
    };
    const visits = async (count: number) => {
      for (let done = 0; done < count; done += 20) await Promise.all(Array.from({ length: 20 }, visit));
    };
    // Until the heap and the caches of what is still good have their size.
    await visits(2000);
    // What stays behind stays behind each time; a heap that grows for once is none of it.
    const growths: number[] = [];
    while (growths.length < 3 && !growths.some((growth) => growth < 40_000_000)) {
      const before = residentBytes(world.gateway.pid);
      await visits(2000);
      growths.push(residentBytes(world.gateway.pid) - before);
    }
    expect(Math.min(...growths)).toBeLessThan(40_000_000);
    const ended = () => world.upstream.requests.filter(({ method }) => method === 'DELETE').length;
    await expect.poll(ended, { timeout: 10_000 }).toBe(2000 * (1 + growths.length));
    // Nobody's place is taken any more.
    await Promise.all(Array.from({ length: 50 }, visit));
    await world.close();
    await database.close();
  },
  240_000,
);

test('a gateway that stops answers what is under way, then closes with 1001', async () => {
  const world = await startWorld();
  let release: () => void = () => {};
  world.upstream.script((request, res) => {
    release = () => res.end(JSON.stringify(done(request.rpc.id)));
    res.writeHead(200, { 'content-type': 'application/json' });
  });
  const idle = await openSocket(world.url('open'), { headers: world.auth });
  const busy = await openSocket(world.url('open'), { headers: world.auth });
  busy.send(call('echo', {}, 'last'));
  await world.upstream.waitFor(({ rpc }) => rpc.id === 'last');
  const stopped = world.gateway.stop();
  expect((await idle.closed).code).toBe(1001);
  release();
  expect(await busy.next()).toEqual(done('last'));
  expect((await busy.closed).code).toBe(1001);
  expect(await stopped).toBe(0);
  await world.upstream.close();
});
