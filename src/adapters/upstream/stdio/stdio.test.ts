import { describe, expect, test } from 'vitest';
import { upstreamContract } from '#adapters/upstream/upstream.contract.ts';
import type { UpstreamCall } from '#adapters/upstream/upstream.ts';
import { principalKey } from '#core/principal.ts';
import { Secret } from '#core/secret.ts';
import { drive, notification, openSession, plainCall, textOf, toolCall } from '#kit/drive.ts';
import { bob, openStdioSubject, openStdioSubjects, otherOrg, until } from '#kit/stdio-upstream.ts';

const open = openStdioSubjects();

upstreamContract('the stdio adapter', async () => openStdioSubject());

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
    const { upstream, spawned } = open({ transport: { state: 'stateless' } });
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
    const { upstream } = open({ transport: { state: 'stateless' } });
    const pidOf = async (who: Partial<UpstreamCall>) => {
      const { send } = await openSession(upstream, who);
      return textOf(await send(toolCall(1, 'pid')).done);
    };
    const [alice, bobs, foreign] = [await pidOf({}), await pidOf(bob), await pidOf(otherOrg)];
    expect(bobs).toBe(alice);
    expect(foreign).not.toBe(alice);
  });

  test('each credential has its own child, which sees only its own [C10]', async () => {
    const { upstream } = open({ transport: { state: 'stateless', credentialEnv: 'API_KEY' } });
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
    const { upstream, runner, spawned } = open({ options: { idleMs: 60, sweepMs: 20 } });
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
    const { upstream, spawned } = open({ options: { maxLifeMs: 150, sweepMs: 20 } });
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

  test('a limit on children is met by stopping the longest idle one, else the call is refused', async () => {
    const { upstream, runner } = open({ limits: { maxChildrenPerOwner: 2 } });
    const people = ['p', 'q', 'r'].map((name) => ({ principal: principalKey('test', name) }));
    const sessions = [];
    for (const who of people) sessions.push(await openSession(upstream, who));
    expect(sessions.map(({ opened }) => opened.status)).toEqual([200, 200, 200]);
    expect(runner.size).toBe(2);
    const busy = sessions.slice(1).map(({ send }) => send(toolCall(1, 'hang')));
    const refused = await sessions[0]?.send(toolCall(1, 'pid')).done;
    expect(refused?.error?.code).toBe('upstream_busy');
    expect((await openSession(upstream, otherOrg)).opened.status).toBe(200);
    for (const { exchange } of busy) exchange.abort();
  });
});
