/** What an upstream may answer to hurt the caller, the gateway or another call. */
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { call, send } from '#kit/http-client.ts';
import { sendRaw } from '#kit/raw-client.ts';
import { event, json, openSse, rawBytes, type Script } from '#kit/recording-upstream.ts';
import { startWorld, upstreamSecret, type World } from '#kit/world.ts';

const extraYaml = `
limits:
  breaker: { consecutiveFailures: 100000, minimumCalls: 100000 }
  principal: { requestsPerMinute: 100000, concurrentCalls: 4, streams: 4 }
  timeouts: { toolCallMs: 4000, toolCallHeadersMs: 3000 }
`;

describe('answers of a hostile upstream', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld({ extraYaml });
  });
  afterAll(() => world?.close());
  beforeEach(() => {
    world.upstream.script();
    world.upstream.clear();
  });

  const initialize = {
    jsonrpc: '2.0',
    id: 0,
    method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } },
  };
  const callOn = (name: string, body: unknown = call('echo', {}, 'c-1')) =>
    send(world.url(name), { headers: world.auth, body });
  const initResult = { jsonrpc: '2.0', id: 0, result: { protocolVersion: '2025-11-25', capabilities: {} } };

  test('an error that comes as an event stream is redacted like any other [F9]', async () => {
    world.upstream.script((_request, res) => {
      res.writeHead(403, { 'content-type': 'text/event-stream' });
      res.end(event({ jsonrpc: '2.0', id: 'c-1', error: { code: -1, message: `your key ${upstreamSecret} is old` } }));
    });
    const answer = await callOn('filtered', call('other', {}, 'c-1'));
    expect(answer.status).toBe(403);
    expect(answer.text).not.toContain(upstreamSecret);
    expect(answer.text).toContain('[redacted]');
    expect(Number(answer.headers['content-length'])).toBe(answer.bytes.length);
  });

  test('the secret is found in an error in Base64 too [F9]', async () => {
    const text = `{"error":"${upstreamSecret} ${Buffer.from(upstreamSecret).toString('base64url')}"}`;
    world.upstream.script(json(text, 400));
    const answer = await callOn('filtered', call('other', {}, 'c-1'));
    expect(answer.text).toBe('{"error":"[redacted] [redacted]"}');
  });

  test('a coding that nobody asked for is refused: nothing could be redacted in it and no event told apart', async () => {
    const packed = gzipSync(JSON.stringify({ jsonrpc: '2.0', id: 'c-1', error: { code: 1, message: upstreamSecret } }));
    for (const status of [200, 400]) {
      world.upstream.script((_request, res) => {
        res.writeHead(status, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
        res.end(packed);
      });
      const answer = await callOn('filtered', call('other', {}, 'c-1'));
      expect([answer.status, answer.headers['content-encoding']]).toEqual([502, undefined]);
      expect(answer.json).toMatchObject({ id: 'c-1', error: { code: -32603 } });
    }
  });

  test('session ids that are none break the handshake instead of the calls after it', async () => {
    for (const id of ['', 'with space', 'tab\there', 'umlaut-\xe4', 'x'.repeat(5000)]) {
      world.upstream.script(json(initResult, 200, { 'mcp-session-id': id }));
      const answer = await callOn('open', initialize);
      expect([id.slice(0, 20), answer.status, answer.headers['mcp-session-id']]).toEqual([
        id.slice(0, 20),
        502,
        undefined,
      ]);
    }
    world.upstream.script((_request, res) => {
      res.writeHead(200, ['Content-Type', 'application/json', 'Mcp-Session-Id', 'one', 'Mcp-Session-Id', 'two']);
      res.end(JSON.stringify(initResult));
    });
    expect((await callOn('open', initialize)).status).toBe(502);
  });

  test('the longest session id that is taken still fits into the head of the next request', async () => {
    const longest = 'x'.repeat(4096);
    world.upstream.script(json(initResult, 200, { 'mcp-session-id': longest }));
    const id = String((await callOn('open', initialize)).headers['mcp-session-id']);
    world.upstream.script();
    const next = await send(world.url('open'), {
      headers: { ...world.auth, 'mcp-session-id': id },
      body: call('echo'),
    });
    expect(next.status).toBe(200);
    expect(world.upstream.requests.at(-1)?.headers['mcp-session-id']).toBe(longest);
  });

  test('a DELETE that the upstream does not support leaves the session as it is', async () => {
    world.upstream.script((request, res) => {
      if (request.method === 'DELETE') return void res.writeHead(405).end();
      return json(initResult, 200, { 'mcp-session-id': 'up-1' })(request, res);
    });
    const id = String((await callOn('open', initialize)).headers['mcp-session-id']);
    const headers = { ...world.auth, 'mcp-session-id': id };
    expect((await send(world.url('open'), { method: 'DELETE', headers })).status).toBe(405);
    expect((await send(world.url('open'), { headers, body: call('echo') })).status).toBe(200);
  });

  test('an event stream that breaks off right after its head is an error under the id of the call', async () => {
    world.upstream.script(
      rawBytes('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 50\r\n\r\n', 'end'),
    );
    for (let i = 0; i < 5; i++) {
      const answer = await callOn('open');
      const text = answer.text.replace(/^event: message\ndata: /, '');
      expect(JSON.parse(text)).toMatchObject({ id: 'c-1', error: { code: -32603 } });
    }
  });

  const framings: readonly (readonly [string, string, readonly number[]])[] = [
    ['a body behind 204', 'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello', [204, 502]],
    ['a body behind 304', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello', [502]],
    [
      'length and chunks',
      'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n2\r\n1}\r\n0\r\n\r\n',
      [502, 200],
    ],
    [
      'two lengths',
      'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nContent-Length: 7\r\n\r\n{"a":1}',
      [502],
    ],
    [
      'more than its length',
      'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\n"ev"',
      [200, 502],
    ],
    ['an upgrade', 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n{}', [502]],
    [
      'interim answers',
      'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}',
      [200],
    ],
    [
      'a line break in a header',
      'HTTP/1.1 200 OK\r\nContent-Type: application/json\rX-Evil: 1\r\nContent-Length: 2\r\n\r\n{}',
      [502],
    ],
    ['HTTP/0.9', '{"jsonrpc":"2.0"}', [502]],
    ['status 999', 'HTTP/1.1 999 Odd\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\n{}', [502]],
    ['a proxy page', 'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\n{}', [502]],
    ['an upper-case type', 'HTTP/1.1 200 OK\r\nContent-Type: Application/JSON\r\nContent-Length: 2\r\n\r\n{}', [200]],
  ];
  for (const [what, bytes, allowed] of framings) {
    test(`${what}: one answer in good order, and the connection goes on`, async () => {
      world.upstream.script(rawBytes(bytes, 'stay'));
      const text = JSON.stringify(call('echo', {}, 1));
      const list = JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'ping' });
      const head = (length: number) =>
        `POST /demo/mcp/open HTTP/1.1\r\nHost: 127.0.0.1:${world.port}\r\nAuthorization: Bearer ${world.key}\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`;
      let served = 0;
      world.upstream.script((request, res) =>
        served++ === 0
          ? rawBytes(bytes, 'end')(request, res)
          : json({ jsonrpc: '2.0', id: 2, result: {} })(request, res),
      );
      const { answers } = await sendRaw(world.port, head(text.length) + text + head(list.length) + list, {
        answers: 2,
        timeoutMs: 8000,
      });
      expect(allowed).toContain(answers[0]?.status);
      expect(answers[1]?.status).toBe(200);
      expect(JSON.parse(answers[1]?.body ?? '')).toMatchObject({ id: 2, result: {} });
    });
  }

  test('a 202 that claims a length but has no body leaves no caller waiting', async () => {
    world.upstream.script(rawBytes('HTTP/1.1 202 Accepted\r\nContent-Length: 4\r\n\r\n', 'end'));
    const answer = await callOn('open', { jsonrpc: '2.0', method: 'notifications/initialized' });
    expect([202, 502]).toContain(answer.status);
  });

  test('an error page of 64 KiB is passed on whole, a larger one is an error of ours', async () => {
    const page = (size: number): Script => json('x'.repeat(size), 404);
    world.upstream.script(page(65_536));
    expect((await callOn('open')).bytes).toHaveLength(65_536);
    world.upstream.script(page(200_000));
    const answer = await callOn('open');
    expect([answer.status, answer.json]).toEqual([502, expect.objectContaining({ id: 'c-1' })]);
  });

  test('places are given back exactly once, whatever the answer', async () => {
    const scripts: Script[] = [
      rawBytes('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n', 'reset'),
      rawBytes('', 'reset'),
      json('{}', 500),
      json('x'.repeat(100_000), 404),
      (_request, res) => {
        openSse(res);
        res.write('data: half');
        setTimeout(() => res.destroy(), 5);
      },
      (_request, res) => {
        openSse(res);
        res.end(event({ jsonrpc: '2.0', id: 'c-1', result: {} }));
      },
    ];
    for (let round = 0; round < 12; round++) {
      for (const script of scripts) {
        world.upstream.script(script);
        await callOn('open').catch(() => undefined);
      }
    }
    world.upstream.script();
    const four = await Promise.all(Array.from({ length: 4 }, () => callOn('open')));
    expect(four.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    const { text } = await send(`${world.gateway.url}/metrics`, { method: 'GET' });
    expect(text).toMatch(/active_calls\S* 0\b/);
  });
});
