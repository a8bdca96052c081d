import type { ServerResponse } from 'node:http';
import { afterEach, expect, test } from 'vitest';
import { openHttpUpstream } from '#adapters/upstream/http/http-upstream.ts';
import { openSseUpstream } from '#adapters/upstream/sse/sse.ts';
import type { Upstream } from '#adapters/upstream/upstream.ts';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { drive, openSession, rpc, textOf, toolCall } from '#kit/drive.ts';
import { answerMcp, startRecordingUpstream } from '#kit/recording-upstream.ts';
import { beginStream, greets, startRawSse, startSseServer } from '#kit/sse-server.ts';
import { openSseFallback } from './sse-fallback.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

let now = 0;
function openAt(url: string): Upstream {
  const clock = { ...systemClock, monotonic: () => now };
  const parts = { connections: 4, queue: 4, connectTimeoutMs: 1000 };
  const upstream = openSseFallback({
    http: openHttpUpstream({ ...parts, transport: { kind: 'http', url } }),
    openSse: () => openSseUpstream({ ...parts, transport: { kind: 'sse', url }, clock: systemClock, log: silentLog }),
    ...{ label: 'given', clock, log: silentLog },
  });
  closers.push(() => upstream.close());
  return upstream;
}

const initialize = rpc(0, 'initialize', { protocolVersion: '2025-11-25', capabilities: {} });

test('a server that refuses posts is reached over HTTP+SSE; the verdict saves the detour, for a while', async () => {
  const server = await startSseServer();
  closers.push(server.close);
  const upstream = openAt(server.url);
  const posts = () => server.requests.filter(({ url, method }) => method === 'POST' && url === '/sse').length;
  const first = await openSession(upstream);
  expect(first.sessionId).toMatch(/^sse\./);
  expect(textOf(await first.send(toolCall(1, 'count')).done)).toBe('1');
  expect(posts()).toBe(1);
  await openSession(upstream);
  const modern = await drive(upstream, { ...rpc(1, 'server/discover'), era: 'modern' }).done;
  expect(modern).toMatchObject({ status: 404 });
  expect(posts()).toBe(1);
  now += 3_600_001;
  expect(textOf(await first.send(toolCall(2, 'count')).done)).toBe('2');
  await openSession(upstream);
  expect(posts()).toBe(2);
  expect((await drive(upstream, { ...rpc(3, 'tools/list'), sessionId: `sse.${'x'.repeat(32)}` }).done).status).toBe(
    404,
  );
});

test('a lost session is 404, whatever the server says to posts', async () => {
  const server = await startSseServer();
  closers.push(server.close);
  const { send } = await openSession(openAt(server.url));
  server.dropAll();
  await expect.poll(server.sessions).toBe(0);
  now += 3_600_001;
  await expect.poll(async () => (await send(rpc(1, 'tools/list')).done).status).toBe(404);
});

test('a server that speaks streamable HTTP is asked nothing more', async () => {
  const server = await startRecordingUpstream();
  closers.push(server.close);
  const upstream = openAt(`${server.url}/mcp`);
  server.script(answerMcp);
  expect((await openSession(upstream)).opened.status).toBe(200);
  expect(server.requests.every(({ method }) => method === 'POST')).toBe(true);
});

test.each([
  ['JSON-RPC', { jsonrpc: '2.0', id: 0, error: { code: -32022, message: 'no' } }, 0],
  ['a page', 'nothing here', 1],
])(
  'a refusal in %s stands when HTTP+SSE is in vain, and is not looked into again at once',
  async (_what, body, gets) => {
    let asked = 0;
    const text = JSON.stringify(body);
    const refuse = (res: ServerResponse) => res.writeHead(404, { 'content-type': 'application/json' }).end(text);
    const server = await startRawSse({
      stream(res) {
        asked++;
        refuse(res);
      },
      post: (_message, res) => void refuse(res),
      refusePosts: refuse,
    });
    closers.push(server.close);
    const upstream = openAt(server.url);
    for (let i = 0; i < 2; i++) {
      const outcome = await drive(upstream, initialize).done;
      expect(outcome).toMatchObject({ status: 404, body: text });
    }
    expect(asked).toBe(gets);
  },
);

test('a caller that leaves during the detour leaves no stream behind', async () => {
  let open = 0;
  const server = await startRawSse({
    stream(res) {
      open++;
      beginStream(res);
      res.on('close', () => open--);
    },
    post: (message, res, stream) => void greets({ ...message, method: 'none' }, res, stream),
    refusePosts: (res) => res.writeHead(405).end(),
  });
  closers.push(server.close);
  const driven = drive(openAt(server.url), initialize);
  await expect.poll(() => server.posts.length, { interval: 2 }).toBe(2);
  driven.exchange.abort();
  await expect.poll(() => open, { interval: 2 }).toBe(0);
});
