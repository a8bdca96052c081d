/** What a server of HTTP+SSE may do wrong, and what its callers hear of it. */
import { buildConnector } from 'undici';
import { afterEach, describe, expect, test } from 'vitest';
import type { Upstream } from '#adapters/upstream/upstream.ts';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { drive, notification, openSession, rpc, toolCall } from '#kit/drive.ts';
import { beginStream, greets, type RawSse, type RawSseScript, say, startRawSse } from '#kit/sse-server.ts';
import { openSseUpstream, type SseLimits, type SseUpstreamOptions } from './sse.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function open(
  script: RawSseScript,
  limits?: Partial<SseLimits>,
): Promise<{ server: RawSse; upstream: Upstream }> {
  const server = await startRawSse(script);
  closers.push(server.close);
  return { server, upstream: openAt(server.url, limits) };
}

type Room = Partial<Pick<SseUpstreamOptions, 'connections' | 'queue' | 'connect'>>;

function openAt(url: string, limits: Partial<SseLimits> = {}, room: Room = {}): Upstream {
  const defaults = { connections: 4, queue: 4, connectTimeoutMs: 1000 };
  const parts = { clock: systemClock, log: silentLog, ...defaults, ...room };
  const upstream = openSseUpstream({ ...parts, transport: { kind: 'sse', url }, limits });
  closers.push(() => upstream.close());
  return upstream;
}

const timeouts = { headersMs: 100, idleMs: 0, totalMs: 0 };
const initialize = rpc(0, 'initialize', { protocolVersion: '2025-11-25', capabilities: {} });
const until = (what: () => unknown) => expect.poll(what, { interval: 2, timeout: 2000 });
const idOf = (text: string | undefined): number => JSON.parse(text ?? '{}').id;

describe('the event stream', () => {
  test.each([
    ['another host', 'http://169.254.169.254/post'],
    ['another port', 'http://127.0.0.1:1/post'],
    ['another scheme', 'file:///etc/passwd'],
    ['another host, without scheme', '//evil.example/post'],
    ['credentials', 'http://me:secret@127.0.0.1:{port}/post'],
    ['nonsense', 'http://'],
  ])('that names %s for posts is left, and nothing is posted [S4]', async (_what, endpoint) => {
    const { server, upstream } = await open({
      stream: (res) => beginStream(res, endpoint.replace('{port}', String(res.socket?.localPort))),
      post: greets,
    });
    const outcome = await drive(upstream, initialize).done;
    expect(outcome.error?.code).toBe('upstream_broken');
    expect(server.posts).toHaveLength(0);
  });

  test.each([
    [401, 'status'],
    [403, 'status'],
    [503, 'status'],
    [404, 'upstream_broken'],
    [302, 'upstream_broken'],
  ])('that answers %i makes initialize end with %s', async (status, expected) => {
    const headers = { 'retry-after': '7', location: 'http://127.0.0.1:1/' };
    const { upstream } = await open({ stream: (res) => res.writeHead(status, headers).end('no'), post: greets });
    const outcome = await drive(upstream, initialize).done;
    if (expected === 'status') {
      expect(outcome).toMatchObject({ status, headers: { 'retry-after': '7' } });
      expect(outcome.body).not.toContain('"no"');
    } else expect(outcome.error?.code).toBe(expected);
  });

  test('that is a page, or packed, is none', async () => {
    for (const head of [
      { 'content-type': 'text/html' },
      { 'content-type': 'text/event-stream', 'content-encoding': 'br' },
    ]) {
      const { upstream } = await open({
        stream: (res) => res.writeHead(200, head).write('event: endpoint\n'),
        post: greets,
      });
      expect((await drive(upstream, initialize).done).error?.code).toBe('upstream_broken');
    }
  });

  test('that never names its address for posts ends by the timeout of the call [R11]', async () => {
    const { upstream } = await open({
      stream: (res) => void res.writeHead(200, { 'content-type': 'text/event-stream' }).write(': soon\n\n'),
      post: greets,
    });
    expect((await drive(upstream, { ...initialize, timeouts }).done).error?.code).toBe('upstream_timeout');
  });

  test('of a server that is not there: unreachable', async () => {
    const server = await startRawSse({ post: greets });
    await server.close();
    const driven = drive(openAt(server.url), initialize);
    expect((await driven.done).error?.code).toBe('upstream_unreachable');
    expect(driven.exchange.sent).toBe(false);
  });

  test('and the posts go through the connector that refuses private addresses [S3]', async () => {
    const server = await startRawSse({ post: greets });
    closers.push(server.close);
    let refused = false;
    const asked: string[] = [];
    const plain = buildConnector({});
    const connect: buildConnector.connector = (target, done) => {
      asked.push(target.hostname);
      if (refused) done(new Error('a private address'), null);
      else plain(target, done);
    };
    const upstream = openAt(server.url, {}, { connect });
    const { send } = await openSession(upstream);
    expect(asked.length).toBeGreaterThan(1);
    refused = true;
    expect((await drive(upstream, initialize).done).error?.code).toBe('upstream_unreachable');
    expect((await send(notification('notifications/initialized')).done).status).toBe(202);
  });

  test('closes with the caller that gives up its initialize', async () => {
    let closed = false;
    const { upstream, server } = await open({
      stream(res) {
        beginStream(res);
        res.on('close', () => {
          closed = true;
        });
      },
      post: (_message, res) => void res.writeHead(202).end(),
    });
    const driven = drive(upstream, { ...initialize, timeouts: { headersMs: 0, idleMs: 0, totalMs: 0 } });
    await until(() => server.posts.length).toBe(1);
    driven.exchange.abort();
    await until(() => closed).toBe(true);
  });

  test('with an event beyond the limit breaks the session off [R11]', async () => {
    const { upstream } = await open(
      {
        post(message, res, stream) {
          if (greets(message, res, stream)) return;
          res.writeHead(202).end();
          stream.write(`data: ${'x'.repeat(40_000)}`);
        },
      },
      { eventLength: 20_000 },
    );
    const { send } = await openSession(upstream);
    expect((await send(rpc(1, 'tools/list')).done).error?.code).toBe('upstream_broken');
    expect((await send(rpc(2, 'tools/list')).done).status).toBe(404);
  });

  test('may split characters and events as it likes, and repeat its endpoint', async () => {
    const { upstream, server } = await open({
      async post(message, res, stream) {
        if (greets(message, res, stream)) return;
        res.writeHead(202).end();
        const answer = { jsonrpc: '2.0', id: message.id, result: { text: 'ü😀' } };
        const bytes = Buffer.from(
          `event: endpoint\ndata: /elsewhere\n\n: hm\nid: 7\ndata: ${JSON.stringify(answer)}\r\n\r\n`,
        );
        for (const byte of bytes) stream.write(Buffer.from([byte]));
      },
    });
    const { send } = await openSession(upstream);
    for (const id of [1, 2]) {
      const outcome = await send(rpc(id, 'tools/list')).done;
      expect(JSON.parse(outcome.body)).toEqual({ jsonrpc: '2.0', id, result: { text: 'ü😀' } });
    }
    expect(server.posts).toHaveLength(4);
  });
});

describe('posts', () => {
  test('answers to ids nobody asked for, second answers and garbage are dropped [F7]', async () => {
    const { upstream } = await open({
      post(message, res, stream) {
        if (greets(message, res, stream)) return;
        res.writeHead(202).end();
        say(stream, '{"jsonrpc":"2.0",');
        say(stream, { jsonrpc: '2.0', id: 999, result: {} });
        say(stream, { jsonrpc: '2.0', id: String(message.id), result: { wrong: 'type' } });
        say(stream, { jsonrpc: '2.0', id: message.id });
        for (const text of ['first', 'second']) say(stream, { jsonrpc: '2.0', id: message.id, result: { text } });
      },
    });
    const { send } = await openSession(upstream);
    for (const id of ['a', 'b']) {
      expect(JSON.parse((await send(rpc(id, 'tools/list')).done).body)).toMatchObject({
        id,
        result: { text: 'first' },
      });
    }
  });

  test('a 404 is a session that the server forgot: the client is told so, and starts another', async () => {
    const { upstream } = await open({
      post(message, res, stream) {
        if (!greets(message, res, stream)) res.writeHead(404).end('no such session');
      },
    });
    const { send } = await openSession(upstream);
    const outcome = await send(rpc(1, 'tools/list')).done;
    expect(outcome.status).toBe(404);
    expect(JSON.parse(outcome.body)).toMatchObject({ id: 1, error: { code: -32001 } });
    expect((await openSession(upstream)).opened.status).toBe(200);
  });

  test('another refusal comes with its status, without its text [F9]', async () => {
    const { upstream } = await open({
      post(message, res, stream) {
        if (!greets(message, res, stream)) res.writeHead(429, { 'retry-after': '3' }).end('secret');
      },
    });
    const { send } = await openSession(upstream);
    const outcome = await send(rpc(1, 'tools/list')).done;
    expect(outcome).toMatchObject({ status: 429, headers: { 'retry-after': '3' } });
    expect(outcome.body).not.toContain('secret');
    expect((await send(notification('notifications/roots/list_changed')).done).status).toBe(429);
  });

  test('an answer may come before the post is answered, or without that', async () => {
    const { upstream } = await open({
      post(message, res, stream) {
        if (!greets(message, res, stream)) say(stream, { jsonrpc: '2.0', id: message.id, result: {} });
      },
    });
    const { send } = await openSession(upstream);
    expect((await send(rpc(1, 'tools/list')).done).status).toBe(200);
    const late = await send({ ...notification('notifications/roots/list_changed'), timeouts }).done;
    expect(late.error?.code).toBe('upstream_timeout');
  });

  test('beyond the room are refused at once, and a call that gave up in the queue is never sent', async () => {
    const held: (() => void)[] = [];
    const { upstream, server } = await open({
      post(message, res, stream) {
        if (!greets(message, res, stream)) held.push(() => res.writeHead(202).end());
      },
    });
    const { send } = await openSession(upstream);
    const calls = Array.from({ length: 9 }, (_, i) => send(toolCall(i, 'x')));
    expect((await calls[8]?.done)?.error?.code).toBe('upstream_busy');
    await until(() => server.posts.length).toBe(6);
    for (const call of calls.slice(4)) {
      expect(call.exchange.sent).toBe(false);
      call.exchange.abort();
    }
    for (const release of held) release();
    await until(async () => (await send(notification('notifications/initialized')).done).status).toBe(202);
    expect(server.posts.filter((post) => post.includes('tools/call'))).toHaveLength(4);
  });

  test('of a session that ended give back their room', async () => {
    const streams: { destroy(): void }[] = [];
    const { upstream } = await open({
      stream(res) {
        beginStream(res);
        streams.push(res);
      },
      post: (message, res, stream) => void greets(message, res, stream),
    });
    const { send } = await openSession(upstream);
    const calls = [notification('notifications/a'), ...Array.from({ length: 7 }, (_, i) => toolCall(i, 'x'))].map(send);
    await until(() => calls.filter(({ exchange }) => exchange.sent).length).toBe(4);
    for (const stream of streams) stream.destroy();
    for (const { done } of calls) expect((await done).error?.code).toBe('upstream_broken');
    expect((await openSession(upstream)).opened.status).toBe(200);
  });

  test('a server that asks without end takes only a few places: its other callers are served', async () => {
    const pongs: string[] = [];
    const server = await startRawSse({
      post(message, res, stream) {
        if (greets(message, res, stream)) return;
        if (message.method !== 'tools/list') {
          pongs.push('never taken');
          return;
        }
        res.writeHead(202).end();
        for (let id = 0; id < 2000; id++) say(stream, { jsonrpc: '2.0', id, method: 'ping' });
        say(stream, { jsonrpc: '2.0', id: message.id, result: {} });
      },
    });
    closers.push(server.close);
    const { send } = await openSession(openAt(server.url, {}, { connections: 32, queue: 64 }));
    for (const id of [1, 2]) expect((await send(rpc(id, 'tools/list')).done).status).toBe(200);
    await until(() => pongs.length).toBe(16);
  });

  test('a cancellation names the number that the server knows', async () => {
    const { upstream, server } = await open({
      post(message, res, stream) {
        if (!greets(message, res, stream)) res.writeHead(202).end();
      },
    });
    const { send } = await openSession(upstream);
    send(toolCall('mine', 'x', {}, { progressToken: 'mine too' }));
    await until(() => server.posts.length).toBe(3);
    await send(notification('notifications/cancelled', { requestId: 'mine' })).done;
    await until(() => server.posts.length).toBe(4);
    const call = JSON.parse(server.posts[2] ?? '');
    expect(call.params._meta.progressToken).toBe(idOf(server.posts[2]));
    expect(JSON.parse(server.posts[3] ?? '').params.requestId).toBe(call.id);
  });

  test('an initialize that the server refuses opens no session', async () => {
    const error = { code: -32602, message: 'Unsupported protocol version' };
    const { upstream } = await open({
      post(message, res, stream) {
        res.writeHead(202).end();
        say(stream, { jsonrpc: '2.0', id: message.id, error });
      },
    });
    const outcome = await drive(upstream, initialize).done;
    expect(JSON.parse(outcome.body)).toEqual({ jsonrpc: '2.0', id: 0, error });
    expect(outcome.headers).not.toHaveProperty('mcp-session-id');
  });
});
