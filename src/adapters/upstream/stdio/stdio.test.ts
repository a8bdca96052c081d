import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { upstreamContract } from '#adapters/upstream/upstream.contract.ts';
import type { UpstreamCall } from '#adapters/upstream/upstream.ts';
import { systemClock } from '#core/clock.ts';
import { asOrgId, asServerId } from '#core/ids.ts';
import { silentLog } from '#core/log.ts';
import { principalKey } from '#core/principal.ts';
import { Secret } from '#core/secret.ts';
import type { StdioTransport } from '#core/transport.ts';
import { drive, notification, openSession, plainCall, rpc, textOf, toolCall } from '#kit/drive.ts';
import { openRunner } from '#runner/runner.ts';
import { openStdioUpstream, type StdioOptions } from './stdio.ts';

const script = fileURLToPath(new URL('../../../../test/kit/children/mcp.ts', import.meta.url));
const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

function start(
  flags: readonly string[] = [],
  transport: Partial<StdioTransport> = {},
  options: Partial<StdioOptions> = {},
) {
  const log = silentLog;
  const limits = { closeGraceMs: 500, termGraceMs: 500 };
  const runner = openRunner({ clock: systemClock, log, limits });
  let spawned = 0;
  const counted: Parameters<typeof openStdioUpstream>[1]['runner'] = {
    spawn(spec, events) {
      spawned++;
      return runner.spawn(spec, events);
    },
  };
  const upstream = openStdioUpstream(
    {
      id: asServerId('00000000-0000-7000-8000-0000000000aa'),
      key: 'scripted',
      org: undefined,
      transport: {
        kind: 'stdio',
        command: process.execPath,
        args: [script, ...flags],
        env: {},
        state: 'stateful',
        ...transport,
      },
    },
    { clock: systemClock, log, runner: counted, options: { backoffMs: 20, questionMs: 100, ...options } },
  );
  const close = async () => {
    await upstream.close();
    await runner.close();
  };
  return { upstream, runner, close, spawned: () => spawned };
}

function open(...args: Parameters<typeof start>) {
  const started = start(...args);
  closers.push(started.close);
  return started;
}

upstreamContract('the stdio adapter', async () => start());

const bob: Partial<UpstreamCall> = { principal: principalKey('test', 'bob') };
const otherOrg: Partial<UpstreamCall> = { org: asOrgId('00000000-0000-7000-8000-000000000002') };

async function until(check: () => boolean, ms = 4000): Promise<void> {
  const end = Date.now() + ms;
  while (!check() && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(check()).toBe(true);
}

describe('bytes', () => {
  test('unknown fields, unknown content and big integers survive digit for digit', async () => {
    const { upstream } = open();
    const { send } = await openSession(upstream);
    const body = Buffer.from(
      '{"jsonrpc":"2.0",\n "params":{"name":"initialize","arguments":{"n":9007199254740993}},\r\n"method":"tools/call","id":9007199254740993}',
    );
    const first = await send({ body, rpcMethod: 'tools/call' }).done;
    expect(first.body).toContain('"id":9007199254740993');
    const second = await send(toolCall('a', 'echo', { message: 'é\u2028' })).done;
    expect(second.body).toBe(
      '{"result":{"content":[{"type":"text","text":"é\u2028"},{"type":"x/new","n":9007199254740993}],"future":1e400}, "jsonrpc":"2.0","id":"a","extra":[1.0]}',
    );
  });

  test('a thousand concurrent callers with the same id each get their own answer [C5]', async () => {
    const { upstream, spawned } = open([], { state: 'stateless' });
    const sessions = await Promise.all([openSession(upstream), openSession(upstream, bob)]);
    const outcomes = await Promise.all(
      Array.from(
        { length: 1000 },
        (_, i) => sessions[i % 2]?.send(toolCall(1, 'echo', { message: `call ${i}`, delayMs: (i * 7919) % 97 })).done,
      ),
    );
    expect(outcomes.map((outcome) => outcome && textOf(outcome))).toEqual(outcomes.map((_, i) => `call ${i}`));
    expect(spawned()).toBe(1);
  });

  test('answers to ids nobody asked for, and second answers, are dropped [C5]', async () => {
    const { upstream } = open();
    const { send } = await openSession(upstream);
    const outcome = await send(toolCall(1, 'strangers')).done;
    expect(outcome.messages).toHaveLength(1);
    expect(textOf(outcome)).toBe('first');
    expect(textOf(await send(toolCall(2, 'count')).done)).toBe('1');
  });

  test('a client that takes only JSON gets only the result, one that takes only events gets an event', async () => {
    const { upstream } = open();
    const { send } = await openSession(upstream);
    const only = (accept: string) => ({ headers: { ...plainCall.headers, accept } });
    const json = await send({ ...toolCall(1, 'slow', {}, { progressToken: 1 }), ...only('application/json') }).done;
    expect(json.headers['content-type']).toBe('application/json');
    expect(json.messages).toHaveLength(1);
    const events = await send({ ...toolCall(2, 'echo', { message: 'x' }), ...only('text/event-stream') }).done;
    expect(events.headers['content-type']).toBe('text/event-stream');
    expect(textOf(events)).toBe('x');
    expect((await send({ ...toolCall(3, 'pid'), ...only('text/html') }).done).error?.code).toBe('not_acceptable');
  });
});

describe('children', () => {
  test('the client is introduced to the child as it introduced itself, and initialized is said once [S1.31]', async () => {
    const { upstream } = open();
    const { opened, send } = await openSession(upstream, {}, { capabilities: { roots: {}, x: { y: 1 } } });
    expect(JSON.parse(opened.body).result.protocolVersion).toBe('2025-11-25');
    expect(JSON.parse(textOf(await send(toolCall(1, 'initialize')).done))).toEqual({
      protocolVersion: '2025-11-25',
      capabilities: { roots: {}, x: { y: 1 } },
      clientInfo: { name: 'driver', version: '1' },
    });
    await send(notification('notifications/initialized')).done;
    const { heard } = JSON.parse(textOf(await send(toolCall(2, 'heard')).done));
    expect(heard).toEqual(['notifications/initialized']);
  });

  test('callers and organizations never share a stateful child, sessions of one caller do [C10] [S1.31] [X1.5]', async () => {
    const { upstream, spawned } = open();
    const pids = await Promise.all(
      [{}, {}, bob, otherOrg].map(async (who) => {
        const { send } = await openSession(upstream, who);
        return textOf(await send(toolCall(1, 'pid')).done);
      }),
    );
    expect(pids[0]).toBe(pids[1]);
    expect(new Set(pids).size).toBe(3);
    expect(spawned()).toBe(3);
  });

  test('a stateless child is shared in its organization only [C10]', async () => {
    const { upstream } = open([], { state: 'stateless' });
    const pidOf = async (who: Partial<UpstreamCall>) => {
      const { send } = await openSession(upstream, who);
      return textOf(await send(toolCall(1, 'pid')).done);
    };
    const [alice, bobs, foreign] = [await pidOf({}), await pidOf(bob), await pidOf(otherOrg)];
    expect(bobs).toBe(alice);
    expect(foreign).not.toBe(alice);
  });

  test('each credential has its own child, which sees only its own [C10]', async () => {
    const { upstream } = open([], { state: 'stateless', credentialEnv: 'API_KEY' });
    for (const name of ['one', 'two']) {
      const { send } = await openSession(upstream, { credential: new Secret(name), credentialKey: `${name}#1` });
      expect(textOf(await send(toolCall(1, 'env')).done)).toBe(name);
    }
  });

  test('other client capabilities get another child', async () => {
    const { upstream, spawned } = open();
    await openSession(upstream, {}, { capabilities: { b: {}, a: {} } });
    await openSession(upstream, {}, { capabilities: { a: {}, b: {} }, clientInfo: { name: 'other', version: '2' } });
    expect(spawned()).toBe(1);
    await openSession(upstream, {}, { capabilities: {} });
    expect(spawned()).toBe(2);
  });

  test('an idle child is stopped and comes back unnoticed under the same session [S1.31] [G14]', async () => {
    const { upstream, runner, spawned } = open([], {}, { idleMs: 60, sweepMs: 20 });
    const { send } = await openSession(upstream);
    expect(textOf(await send(toolCall(1, 'count')).done)).toBe('1');
    await until(() => runner.size === 0);
    expect(textOf(await send(toolCall(2, 'count')).done)).toBe('1');
    expect(spawned()).toBe(2);
  });

  test('a session is good on a replica that never saw it', async () => {
    const { sessionId } = await openSession(open().upstream);
    const other = open();
    const headers = { ...plainCall.headers, 'mcp-session-id': sessionId ?? '' };
    const outcome = await drive(other.upstream, { ...toolCall(1, 'initialize'), sessionId, headers }).done;
    expect(JSON.parse(textOf(outcome)).capabilities).toEqual({ roots: {}, sampling: {} });
  });

  test('a child past its life is replaced without breaking a call [G14]', async () => {
    const { upstream, spawned } = open([], {}, { maxLifeMs: 150, sweepMs: 20 });
    const { send } = await openSession(upstream);
    const old = textOf(await send(toolCall(1, 'pid')).done);
    const long = send(toolCall(2, 'echo', { message: 'whole', delayMs: 300 }));
    await new Promise((resolve) => setTimeout(resolve, 220));
    expect(textOf(await send(toolCall(3, 'pid')).done)).not.toBe(old);
    expect(textOf(await long.done)).toBe('whole');
    expect(spawned()).toBeGreaterThanOrEqual(2);
  });

  test('ending the last session ends the stateful child', async () => {
    const { upstream, runner } = open();
    const { send } = await openSession(upstream);
    await send({ method: 'DELETE' }).done;
    await until(() => runner.size === 0);
  });

  test('a limit on children is met by stopping an idle one, else the call is refused', async () => {
    const { upstream, runner } = open([], {}, {});
    const people = Array.from({ length: 22 }, (_, i) => ({ principal: principalKey('test', `p${i}`) }));
    for (const who of people.slice(0, 21)) expect((await openSession(upstream, who)).opened.status).toBe(200);
    expect(runner.size).toBe(20);
  }, 60_000);
});

describe('faults', () => {
  test('a crash fails the calls in flight with -32603, and the next call gets a new child [G12] [R13]', async () => {
    const { upstream, spawned } = open();
    const { send } = await openSession(upstream);
    const waiting = send(toolCall('w', 'hang'));
    const crashed = await send(toolCall('c', 'crash')).done;
    expect(JSON.parse(crashed.body)).toMatchObject({ id: 'c', error: { code: -32603, data: { retryable: false } } });
    expect(JSON.parse((await waiting.done).body)).toMatchObject({ id: 'w', error: { code: -32603 } });
    expect(textOf(await send(toolCall(1, 'echo', { message: 'again' })).done)).toBe('again');
    expect(spawned()).toBe(2);
  });

  test('a crash loop starts at most six children a minute and refuses at once [G12] [R13]', async () => {
    const { upstream, spawned } = open(['die'], {}, { backoffMs: 100, patienceMs: 10 });
    const codes: (string | undefined)[] = [];
    const end = Date.now() + 600;
    while (Date.now() < end) {
      codes.push((await openSession(upstream)).opened.error?.code);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    // At a tenth of the real pace: 0, 100, 300, (700) ms.
    expect(spawned()).toBeLessThanOrEqual(3);
    expect(codes).toContain('upstream_busy');
    expect(codes[0]).toBe('upstream_unreachable');
  });

  test('a program that does not exist is upstream_unreachable', async () => {
    const { upstream } = open([], { command: '/no/such/program' });
    expect((await openSession(upstream)).opened.error?.code).toBe('upstream_unreachable');
    const modern = await drive(upstream, modernCall(1, 'tools/list')).done;
    expect(modern.error?.code).toBe('upstream_unreachable');
  });

  test('a child that is slow to start is given up', async () => {
    const { upstream, runner } = open(['mute'], {}, { startMs: 150 });
    expect((await openSession(upstream)).opened.error?.code).toBe('upstream_timeout');
    await until(() => runner.size === 0);
  });

  test('a refused initialize is passed on with the id of the client and opens no session', async () => {
    const { upstream } = open(['refuse']);
    const { opened, sessionId } = await openSession(upstream);
    expect(JSON.parse(opened.body)).toEqual({ jsonrpc: '2.0', id: 0, error: { code: -32602, message: 'not you' } });
    expect(sessionId).toBeUndefined();
  });

  test('garbage lines are dropped, and twenty in a minute end the child [G10] [R13]', async () => {
    const { upstream } = open();
    const { send } = await openSession(upstream);
    expect(textOf(await send(toolCall(1, 'garbage', { lines: 5 })).done)).toBe('after garbage');
    const outcome = await send(toolCall(2, 'garbage', { lines: 30 })).done;
    expect(JSON.parse(outcome.body).error.code).toBe(-32603);
  });

  test('an answer that two parsers could read differently fails its call at once', async () => {
    const { upstream } = open();
    const { send } = await openSession(upstream);
    const outcome = await send(toolCall('b', 'broken')).done;
    expect(JSON.parse(outcome.body)).toMatchObject({ id: 'b', error: { code: -32603 } });
  });

  test('a flood ends the child, a burst on stderr does not [G10] [G11] [R13] [X1.5]', async () => {
    const { upstream } = open();
    const { send } = await openSession(upstream);
    expect(textOf(await send(toolCall(1, 'stderr')).done)).toBe('still here');
    const started = Date.now();
    expect(JSON.parse((await send(toolCall(2, 'flood')).done).body).error.code).toBe(-32603);
    expect(Date.now() - started).toBeLessThan(2000);
  });

  test('a reader that stalls for megabytes loses its stream, others of the child do not', async () => {
    const { upstream } = open();
    const { send } = await openSession(upstream);
    const stream = send({ method: 'GET' });
    await stream.head;
    stream.stall();
    const pad = 'x'.repeat(100_000);
    for (let i = 0; i < 15; i++) {
      const params = { method: 'notifications/tools/list_changed', params: { pad } };
      await send(toolCall(i, 'notify', params)).done;
    }
    expect((await stream.done).error?.code).toBe('upstream_broken');
    expect(textOf(await send(toolCall(99, 'count')).done)).toBe('1');
  });

  test('closing ends every child', async () => {
    const { upstream, runner } = open();
    const { send } = await openSession(upstream);
    const pid = textOf(await send(toolCall(1, 'pid')).done);
    await upstream.close();
    expect(runner.size).toBe(0);
    if (process.platform === 'linux') expect(existsSync(`/proc/${pid}`)).toBe(false);
    expect((await openSession(upstream)).opened.error?.code).toBe('shutting_down');
  });
});

describe('from the child to the client', () => {
  const answerTo = (question: string, result: object): Partial<UpstreamCall> => ({
    body: Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: JSON.parse(question).id, result })),
  });

  test('a question goes out on the call it belongs to, its answer back to the child [X1.5]', async () => {
    const { upstream } = open();
    const { send } = await openSession(upstream);
    const driven = send(toolCall(1, 'sample'));
    const question = await driven.next();
    expect(JSON.parse(question)).toMatchObject({ method: 'sampling/createMessage', params: { maxTokens: 1 } });
    expect((await send(answerTo(question, { model: 'm' })).done).status).toBe(202);
    expect(textOf(await driven.done)).toBe('{"model":"m"}');
  });

  test('an answer from another session reaches nobody [C7]', async () => {
    const { upstream } = open();
    const { send } = await openSession(upstream);
    const stranger = await openSession(upstream);
    const driven = send(toolCall(1, 'sample'));
    const question = await driven.next();
    expect((await stranger.send(answerTo(question, { model: 'evil' })).done).status).toBe(202);
    await send(answerTo(question, { model: 'good' })).done;
    expect(textOf(await driven.done)).toBe('{"model":"good"}');
  });

  test('without a call in flight a question goes to the GET stream, without one to nobody: -32601', async () => {
    const { upstream } = open();
    const { send } = await openSession(upstream);
    await send(toolCall(1, 'later', { ms: 1 })).done;
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(JSON.parse(textOf(await send(toolCall(2, 'heard')).done)).heard.at(-1)).toContain('-32601');
    const stream = send({ method: 'GET' });
    expect(await stream.head).toBe(200);
    await send(toolCall(3, 'later', { ms: 20 })).done;
    expect(JSON.parse(await stream.next()).method).toBe('sampling/createMessage');
    stream.exchange.abort();
  });

  test('a question asked right after the handshake waits for a stream', async () => {
    const { upstream } = open(['roots'], {}, { questionMs: 2000 });
    const { send } = await openSession(upstream);
    const stream = send({ method: 'GET' });
    const question = await stream.next();
    await send(answerTo(question, { roots: [{ uri: 'file:///r' }] })).done;
    expect(textOf(await send(toolCall(1, 'roots')).done)).toContain('file:///r');
    stream.exchange.abort();
  });

  test('callers who share a child never get its question while both have calls in flight [C6] [C11]', async () => {
    const { upstream } = open([], { state: 'stateless' });
    const alice = await openSession(upstream);
    const other = await openSession(upstream, bob);
    const bystander = other.send(toolCall(1, 'hang'));
    const outcome = await alice.send(toolCall(1, 'sample')).done;
    expect(outcome.messages).toHaveLength(1);
    expect(textOf(outcome)).toContain('-32601');
    // Also when the bystander has left: the child may still be working for it.
    bystander.exchange.abort();
    expect(textOf(await alice.send(toolCall(2, 'sample')).done)).toContain('-32601');
  });

  test('only subscribers of a shared child hear of a resource [C11]', async () => {
    const { upstream } = open([], { state: 'stateless' });
    const alice = await openSession(upstream);
    const other = await openSession(upstream, bob);
    const streams = [alice.send({ method: 'GET' }), other.send({ method: 'GET' })];
    await Promise.all(streams.map((stream) => stream.head));
    await alice.send(rpc(1, 'resources/subscribe', { uri: 'a://1' })).done;
    for (const params of [
      { method: 'notifications/resources/updated', params: { uri: 'a://1' } },
      { method: 'notifications/message', params: { level: 'info', data: 'about alice' } },
      { method: 'notifications/tools/list_changed' },
    ]) {
      await alice.send(toolCall(2, 'notify', params)).done;
    }
    expect(JSON.parse((await streams[0]?.next()) ?? '').method).toBe('notifications/resources/updated');
    expect(JSON.parse((await streams[1]?.next()) ?? '').method).toBe('notifications/tools/list_changed');
    for (const stream of streams) stream.exchange.abort();
  });

  test('progress reaches only the call whose token it was, whatever token another chose [C6]', async () => {
    const { upstream } = open([], { state: 'stateless' });
    const alice = await openSession(upstream);
    const other = await openSession(upstream, bob);
    const [mine, theirs] = await Promise.all([
      alice.send(toolCall(1, 'slow', {}, { progressToken: 7 })).done,
      other.send(toolCall(1, 'echo', { message: 'x', delayMs: 50 }, { progressToken: 7 })).done,
    ]);
    expect(mine.messages).toHaveLength(3);
    expect(theirs.messages).toHaveLength(1);
  });

  test('a cancellation reaches the child under the id it knows; leaving does not cancel', async () => {
    const { upstream } = open();
    const { send } = await openSession(upstream);
    const left = send(toolCall('left', 'hang'));
    left.exchange.abort();
    send(toolCall('x', 'hang'));
    await send(notification('notifications/cancelled', { requestId: 'unknown' })).done;
    await send(notification('notifications/cancelled', { requestId: 'x', reason: 'why' })).done;
    const { cancelled } = JSON.parse(textOf(await send(toolCall(1, 'heard')).done));
    expect(cancelled).toHaveLength(1);
    expect(cancelled[0]).not.toBe('x');
    await send(notification('notifications/cancelled', { requestId: 'left' })).done;
    expect(JSON.parse(textOf(await send(toolCall(2, 'heard')).done)).cancelled).toHaveLength(2);
  });
});

const meta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
};
const modernCall = (id: string | number, method: string, params: object = {}): Partial<UpstreamCall> => ({
  ...rpc(id, method, { ...params, _meta: meta }),
  era: 'modern',
});

describe('the modern era', () => {
  test('requests are relayed without a handshake, and the server is probed once', async () => {
    const { upstream, spawned } = open(['modern']);
    const discover = await drive(upstream, modernCall('d', 'server/discover')).done;
    expect(JSON.parse(discover.body)).toMatchObject({ id: 'd', result: { supportedVersions: ['2026-07-28'] } });
    const echo = await drive(upstream, modernCall(1, 'tools/call', { name: 'echo', arguments: { message: 'm' } })).done;
    expect(textOf(echo)).toBe('m');
    expect(echo.headers['mcp-session-id']).toBeUndefined();
    expect(spawned()).toBe(1);
    expect((await drive(upstream, { method: 'GET', era: 'modern' }).done).status).toBe(405);
  });

  test('an unknown method is 404', async () => {
    const { upstream } = open(['modern']);
    expect((await drive(upstream, modernCall(1, 'no/such')).done).status).toBe(404);
  });

  test('leaving cancels', async () => {
    const { upstream } = open(['modern']);
    await drive(upstream, modernCall(1, 'tools/list')).done;
    drive(upstream, modernCall('h', 'tools/call', { name: 'hang' })).exchange.abort();
    const heard = await drive(upstream, modernCall(2, 'tools/call', { name: 'heard' })).done;
    expect(JSON.parse(textOf(heard)).cancelled).toHaveLength(1);
  });

  test('a subscription carries the id of the client that opened it [C6]', async () => {
    const { upstream } = open(['modern']);
    const outcome = await drive(upstream, modernCall('sub', 'subscriptions/listen', { notifications: {} })).done;
    const ids = outcome.messages.map((message) => {
      const { params, result } = JSON.parse(message);
      return (params ?? result)._meta['io.modelcontextprotocol/subscriptionId'];
    });
    expect(ids).toEqual(['sub', 'sub', 'sub']);
  });

  test('a legacy child sends the client to initialize, and that verdict is remembered', async () => {
    const { upstream, spawned } = open();
    const discover = await drive(upstream, modernCall(1, 'server/discover')).done;
    expect(discover.status).toBe(404);
    expect(JSON.parse(discover.body)).toMatchObject({ id: 1, error: { code: -32601 } });
    const list = await drive(upstream, modernCall('l', 'tools/list')).done;
    expect(list.status).toBe(400);
    expect(JSON.parse(list.body)).toMatchObject({
      id: 'l',
      error: { code: -32022, data: { requested: '2026-07-28', supported: expect.arrayContaining(['2025-11-25']) } },
    });
    expect(spawned()).toBe(1);
    expect((await openSession(upstream)).opened.status).toBe(200);
  });
});
