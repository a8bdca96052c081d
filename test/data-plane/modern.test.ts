import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openStream, send } from '#kit/http-client.ts';
import { answerMcp, event, openSse } from '#kit/recording-upstream.ts';
import { startWorld, type World } from '#kit/world.ts';

const version = '2026-07-28';
const meta = {
  'io.modelcontextprotocol/protocolVersion': version,
  'io.modelcontextprotocol/clientCapabilities': {},
};
const request = (method: string, params: Record<string, unknown> = {}, id: unknown = 1) => ({
  jsonrpc: '2.0',
  id,
  method,
  params: { ...params, _meta: meta },
});
const headersOf = (method: string, name?: string): Record<string, string> => ({
  'mcp-protocol-version': version,
  'mcp-method': method,
  ...(name !== undefined && { 'mcp-name': name }),
});

describe('the modern era at the door', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world?.close());
  beforeEach(() => {
    world.upstream.script();
    world.upstream.clear();
  });

  const post = (body: unknown, headers: Record<string, string>) =>
    send(world.url('open'), { headers: { ...world.auth, ...headers }, body });
  const untouched = () => expect(world.upstream.requests).toHaveLength(0);

  test('a call goes out byte for byte with its headers, and without a session', async () => {
    const body = JSON.stringify(request('tools/call', { name: 'echo', arguments: { n: 1 } }));
    const answer = await post(body, {
      ...headersOf('tools/call', 'echo'),
      'mcp-param-region': 'eu',
      'mcp-session-id': 'ignored',
      'last-event-id': 'ignored',
    });
    expect(answer.status).toBe(200);
    const sent = world.upstream.requests.at(-1);
    expect(sent?.text).toBe(body);
    expect(sent?.headers).toMatchObject({ ...headersOf('tools/call', 'echo'), 'mcp-param-region': 'eu' });
    expect(sent?.headers['mcp-session-id']).toBeUndefined();
    expect(sent?.headers['last-event-id']).toBeUndefined();
    expect(answer.headers['mcp-session-id']).toBeUndefined();
  });

  const callBody = request('tools/call', { name: 'echo', arguments: {} }, 'x');
  const good = headersOf('tools/call', 'echo');
  const mismatches: readonly (readonly [string, Record<string, string>])[] = [
    ['no version header', { 'mcp-method': 'tools/call', 'mcp-name': 'echo' }],
    ['another version', { ...good, 'mcp-protocol-version': '2025-11-25' }],
    ['no Mcp-Method', { 'mcp-protocol-version': version, 'mcp-name': 'echo' }],
    ['another Mcp-Method', { ...good, 'mcp-method': 'tools/list' }],
    ['Mcp-Method in capitals', { ...good, 'mcp-method': 'TOOLS/CALL' }],
    ['no Mcp-Name', headersOf('tools/call')],
    ['another Mcp-Name', { ...good, 'mcp-name': 'retrieve' }],
    ['Mcp-Name in capitals', { ...good, 'mcp-name': 'Echo' }],
    ['broken Base64', { ...good, 'mcp-name': '=?base64?%%%?=' }],
    ['another name in Base64', { ...good, 'mcp-name': '=?base64?cmV0cmlldmU=?=' }],
  ];
  test.each(mismatches)('%s is 400 -32020 and reaches nothing', async (_what, headers) => {
    const answer = await post(callBody, headers);
    expect(answer.status).toBe(400);
    expect(answer.json).toMatchObject({ jsonrpc: '2.0', id: 'x', error: { code: -32020 } });
    untouched();
  });

  test('a name in Base64 is compared decoded', async () => {
    const name = 'zöe tool';
    const encoded = `=?base64?${Buffer.from(name).toString('base64')}?=`;
    expect((await post(request('tools/call', { name }), headersOf('tools/call', encoded))).status).toBe(200);
    expect(world.upstream.requests.at(-1)?.headers['mcp-name']).toBe(encoded);
  });

  test('a filter is enforced on modern calls too [S0.8]', async () => {
    await send(world.url('filtered'), {
      headers: { ...world.auth, ...headersOf('tools/call', 'retrieve') },
      body: request('tools/call', { name: 'retrieve', arguments: { filter: null } }),
    });
    expect(world.upstream.requests.at(-1)?.rpc.params?.arguments).toEqual({ filter: { team: 'red', level: 3 } });
    expect(world.upstream.requests.at(-1)?.rpc.params?._meta).toEqual(meta);
  });

  test('a header that names another tool cannot smuggle a filtered one [S0.8]', async () => {
    const answer = await send(world.url('filtered'), {
      headers: { ...world.auth, ...headersOf('tools/call', 'echo') },
      body: request('tools/call', { name: 'retrieve', arguments: { filter: 'x' } }),
    });
    expect(answer.status).toBe(400);
    untouched();
  });

  test('unknown versions are -32022 with what is supported', async () => {
    const body = {
      ...callBody,
      params: { ...callBody.params, _meta: { ...meta, 'io.modelcontextprotocol/protocolVersion': '2030-01-01' } },
    };
    const answer = await post(body, { ...good, 'mcp-protocol-version': '2030-01-01' });
    expect(answer.status).toBe(400);
    expect(answer.json).toMatchObject({
      id: 'x',
      error: { code: -32022, data: { supported: [version], requested: '2030-01-01' } },
    });
    untouched();
  });

  test('a missing envelope or missing capabilities are 400 -32602', async () => {
    for (const params of [
      { name: 'echo' },
      { name: 'echo', _meta: { 'io.modelcontextprotocol/protocolVersion': version } },
      { name: 'echo', _meta: null },
    ]) {
      const answer = await post({ jsonrpc: '2.0', id: 4, method: 'tools/call', params }, good);
      expect(answer.status).toBe(400);
      expect(answer.json).toMatchObject({ id: 4, error: { code: -32602 } });
    }
    untouched();
  });

  test('initialize inside the modern envelope is 404 -32601', async () => {
    const answer = await post(request('initialize'), headersOf('initialize'));
    expect(answer.status).toBe(404);
    expect(answer.json).toMatchObject({ error: { code: -32601 } });
    untouched();
  });

  test('GET and DELETE of the modern era are 405', async () => {
    for (const method of ['GET', 'DELETE']) {
      const answer = await send(world.url('open'), {
        method,
        headers: { ...world.auth, 'mcp-protocol-version': version },
      });
      expect([method, answer.status]).toEqual([method, 405]);
    }
    untouched();
  });

  test('a hung-up call cancels the upstream call', async () => {
    world.upstream.script((sent, res) => {
      if (sent.rpc.method !== 'tools/call') return answerMcp(sent, res);
      openSse(res);
      res.write(event({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 1, progress: 1 } }));
    });
    const stream = await openStream(world.url('open'), { headers: { ...world.auth, ...good }, body: callBody });
    await stream.next();
    const sent = await world.upstream.waitFor(({ rpc }) => rpc.method === 'tools/call');
    stream.close();
    await expect.poll(() => sent.aborted(), { timeout: 3000 }).toBe(true);
  });

  test('input_required, requestState and caching hints pass untouched', async () => {
    const text =
      '{"jsonrpc":"2.0","id":"x","result":{"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create","params":{}}},"requestState":"opaque==\\u0041"}}';
    world.upstream.script((_sent, res) => {
      res.writeHead(200, { 'content-type': 'application/json' });
      res.end(text);
    });
    expect((await post(callBody, good)).text).toBe(text);
    const retry = JSON.stringify(
      request(
        'tools/call',
        { name: 'echo', inputResponses: { a: { action: 'accept' } }, requestState: 'opaque==A' },
        2,
      ),
    );
    await post(retry, good);
    expect(world.upstream.requests.at(-1)?.text).toBe(retry);
  });
});
