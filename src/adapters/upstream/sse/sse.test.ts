import { afterEach, describe, expect, test } from 'vitest';
import { upstreamContract } from '#adapters/upstream/upstream.contract.ts';
import type { Upstream, UpstreamCall } from '#adapters/upstream/upstream.ts';
import { type Clock, systemClock } from '#core/clock.ts';
import { asOrgId } from '#core/ids.ts';
import { silentLog } from '#core/log.ts';
import { principalKey } from '#core/principal.ts';
import { drive, notification, openSession, plainCall, rpc, textOf, toolCall } from '#kit/drive.ts';
import { type SseServer, startSseServer } from '#kit/sse-server.ts';
import { openSseUpstream, type SseLimits } from './sse.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

function openAt(url: string, limits: Partial<SseLimits> = {}, clock: Clock = systemClock): Upstream {
  const parts = { clock, log: silentLog, connections: 32, queue: 64, connectTimeoutMs: 1000 };
  const upstream = openSseUpstream({ ...parts, transport: { kind: 'sse', url }, limits });
  closers.push(() => upstream.close());
  return upstream;
}

async function open(limits?: Partial<SseLimits>, clock?: Clock): Promise<{ server: SseServer; upstream: Upstream }> {
  const server = await startSseServer();
  const upstream = openAt(server.url, limits, clock);
  closers.push(server.close);
  return { server, upstream };
}

/** Waits for what happens at the other end of a socket. */
const until = (what: () => unknown) => expect.poll(what, { interval: 2, timeout: 2000 });

upstreamContract('the HTTP+SSE adapter', async () => {
  const server = await startSseServer();
  const upstream = openSseUpstream({
    transport: { kind: 'sse', url: server.url },
    ...{ clock: systemClock, log: silentLog, connections: 32, queue: 64, connectTimeoutMs: 1000 },
  });
  return {
    upstream,
    async close() {
      await upstream.close();
      await server.close();
    },
  };
});

describe('a session', () => {
  const strangers: [string, Partial<UpstreamCall>][] = [
    ['principal', { principal: principalKey('test', 'bob') }],
    ['organization', { org: asOrgId('00000000-0000-7000-8000-000000000002') }],
    ['credential', { credentialKey: 'other' }],
    ['partition', { partition: 'other' }],
  ];
  test.each(strangers)('of another %s is unknown [C7]', async (_what, who) => {
    const { server, upstream } = await open();
    const { send } = await openSession(upstream);
    const posts = server.requests.length;
    for (const call of [rpc(1, 'tools/list'), { method: 'GET' } as const, { method: 'DELETE' } as const]) {
      const outcome = await send({ ...call, ...who }).done;
      expect(outcome.status).toBe(404);
      expect(outcome.body).toContain('"Session not found"');
    }
    expect(server.requests).toHaveLength(posts);
    expect((await send(rpc(1, 'tools/list')).done).status).toBe(200);
  });

  test('that the client ends closes the event stream of the server', async () => {
    const { server, upstream } = await open();
    const { send } = await openSession(upstream);
    expect(server.sessions()).toBe(1);
    await send({ method: 'DELETE' }).done;
    await until(server.sessions).toBe(0);
  });

  test('whose stream is lost breaks its calls off and is forgotten; nothing is sent twice [R11]', async () => {
    const { server, upstream } = await open();
    const { send } = await openSession(upstream);
    const pending = send(toolCall(1, 'echo', { message: 'x', delayMs: 5000 }));
    await until(() => server.requests.at(-1)?.method === 'POST' && pending.exchange.sent).toBe(true);
    const listening = send({ method: 'GET' });
    await listening.head;
    server.dropAll();
    expect((await pending.done).error?.code).toBe('upstream_broken');
    expect((await listening.done).error).toBeUndefined();
    const next = await send(toolCall(2, 'count')).done;
    expect(next.status).toBe(404);
    expect(server.counted()).toBe(0);
    const again = await openSession(upstream);
    expect(textOf(await again.send(toolCall(3, 'count')).done)).toBe('1');
  });

  test('without calls and stream ends after a while; one that listens stays', async () => {
    let now = 0;
    const { server, upstream } = await open({ idleMs: 1000, sweepMs: 10 }, { ...systemClock, monotonic: () => now });
    const [idle, listening] = [await openSession(upstream), await openSession(upstream)];
    const stream = listening.send({ method: 'GET' });
    await stream.head;
    now += 1000;
    await until(server.sessions).toBe(1);
    expect((await idle.send(rpc(1, 'tools/list')).done).status).toBe(404);
    expect((await listening.send(rpc(1, 'tools/list')).done).status).toBe(200);
  });

  test('too many: the idle one of the same caller that was used longest ago gives way', async () => {
    const { server, upstream } = await open({ sessionsPerOwner: 2 });
    const [first, second] = [await openSession(upstream), await openSession(upstream)];
    const other = await openSession(upstream, { principal: principalKey('test', 'bob') });
    await first.send(rpc(1, 'tools/list')).done;
    const third = await openSession(upstream);
    expect((await second.send(rpc(1, 'tools/list')).done).status).toBe(404);
    for (const { send } of [first, third, other]) expect((await send(rpc(1, 'tools/list')).done).status).toBe(200);
    await until(server.sessions).toBe(3);
    for (const { send } of [first, third]) await send({ method: 'GET' }).head;
    const refused = await drive(upstream, rpc(0, 'initialize', { protocolVersion: '2025-11-25', capabilities: {} }))
      .done;
    expect(refused.error?.code).toBe('upstream_busy');
  });
});

describe('messages', () => {
  test('a question of the server is asked on the stream of its call, and its answer finds the way back [D18]', async () => {
    const { upstream } = await open();
    const { send } = await openSession(upstream, {}, { capabilities: { elicitation: {} } });
    const call = send(toolCall('q', 'ask'));
    const question = JSON.parse(await call.next());
    expect(question.method).toBe('elicitation/create');
    const result = { action: 'accept', content: { name: 'Ada' } };
    const answer = await send({ body: Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: question.id, result })) }).done;
    expect(answer).toMatchObject({ status: 202, body: '' });
    expect(textOf(await call.done)).toBe('accept Ada');
  });

  test('log messages come on the stream of the call', async () => {
    const { upstream } = await open();
    const { send } = await openSession(upstream);
    const outcome = await send(toolCall(1, 'log')).done;
    expect(outcome.messages.map((message) => JSON.parse(message).method ?? 'result')).toEqual([
      'notifications/message',
      'result',
    ]);
  });

  test('the credential goes with the stream and with each post; what belongs to streamable HTTP stays here', async () => {
    const { server, upstream } = await open();
    const headers = { ...plainCall.headers, authorization: 'Bearer upstream', 'mcp-protocol-version': '2025-11-25' };
    const { send } = await openSession(upstream, { headers });
    await send({ ...rpc(1, 'tools/list'), headers: { authorization: 'Bearer upstream' } }).done;
    expect(server.requests.map(({ method }) => method)).toEqual(['GET', 'POST', 'POST', 'POST']);
    const [stream, , , list] = server.requests;
    expect(stream?.headers).toMatchObject({ accept: 'text/event-stream', authorization: 'Bearer upstream' });
    expect(list?.headers).toMatchObject({ 'content-type': 'application/json', authorization: 'Bearer upstream' });
    for (const request of server.requests) expect(request.headers).not.toHaveProperty('mcp-session-id');
  });

  test('a cancellation reaches the server under its own number', async () => {
    const { server, upstream } = await open();
    const { send } = await openSession(upstream);
    const call = send(toolCall('mine', 'echo', { message: 'x', delayMs: 10_000 }));
    await until(() => call.exchange.sent).toBe(true);
    const cancelled = await send(notification('notifications/cancelled', { requestId: 'mine' })).done;
    expect(cancelled.status).toBe(202);
    await until(() => server.requests.length).toBe(5);
    expect(textOf(await send(toolCall(2, 'echo', { message: 'on' })).done)).toBe('on');
  });

  test('modern requests are refused as by a legacy server', async () => {
    const { server, upstream } = await open();
    const _meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' };
    const discover = await drive(upstream, { ...rpc(1, 'server/discover', { _meta }), era: 'modern' }).done;
    expect(discover.status).toBe(404);
    const list = await drive(upstream, { ...rpc(2, 'tools/list', { _meta }), era: 'modern' }).done;
    expect(list.status).toBe(400);
    expect(JSON.parse(list.body).error).toMatchObject({ code: -32022, data: { requested: '2026-07-28' } });
    expect((await drive(upstream, { method: 'GET', era: 'modern' }).done).status).toBe(405);
    expect(server.requests).toHaveLength(0);
  });
});
