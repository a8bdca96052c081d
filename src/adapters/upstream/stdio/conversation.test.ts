import { describe, expect, test } from 'vitest';
import type { UpstreamCall } from '#adapters/upstream/upstream.ts';
import { notification, openSession, rpc, textOf, toolCall } from '#kit/drive.ts';
import { bob, openStdioSubjects } from '#kit/stdio-upstream.ts';

const open = openStdioSubjects();

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

  test('an answer from another session reaches nobody', async () => {
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
    const { upstream } = open({ flags: ['roots'], options: { questionMs: 2000 } });
    const { send } = await openSession(upstream);
    const stream = send({ method: 'GET' });
    const question = await stream.next();
    await send(answerTo(question, { roots: [{ uri: 'file:///r' }] })).done;
    expect(textOf(await send(toolCall(1, 'roots')).done)).toContain('file:///r');
    stream.exchange.abort();
  });

  test('callers who share a child never get its question while both have calls in flight [C11]', async () => {
    const { upstream } = open({ transport: { state: 'stateless' } });
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

  test('what a shared child asks after its answer to one caller is not asked of the next [C11] [D18]', async () => {
    const { upstream } = open({ transport: { state: 'stateless' } });
    const alice = await openSession(upstream);
    const other = await openSession(upstream, bob);
    await alice.send(toolCall(1, 'later', { ms: 50 })).done;
    const next = other.send(toolCall(1, 'echo', { message: 'x', delayMs: 400 }));
    expect((await next.done).messages).toHaveLength(1);
    expect(JSON.parse(textOf(await other.send(toolCall(2, 'heard')).done)).heard.at(-1)).toContain('-32601');
  });

  test('a call that timed out still counts as in flight on a shared child: the child may be at it', async () => {
    const { upstream } = open({ transport: { state: 'stateless' } });
    const alice = await openSession(upstream);
    const other = await openSession(upstream, bob);
    const timeouts = { headersMs: 0, idleMs: 0, totalMs: 20 };
    expect((await other.send({ ...toolCall(1, 'hang'), timeouts }).done).error?.code).toBe('upstream_timeout');
    expect(textOf(await alice.send(toolCall(2, 'sample')).done)).toContain('-32601');
  });

  test('only subscribers of a shared child hear of a resource [C11]', async () => {
    const { upstream } = open({ transport: { state: 'stateless' } });
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

  test('progress reaches only the call whose token it was, whatever token another chose', async () => {
    const { upstream } = open({ transport: { state: 'stateless' } });
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

  test('a question to a session that is ended is refused to the child', async () => {
    const { upstream } = open();
    const { send } = await openSession(upstream);
    const driven = send(toolCall(1, 'sample'));
    await driven.next();
    await send({ method: 'DELETE' }).done;
    expect(textOf(await driven.done)).toContain('-32601');
  });

  test('a caller that left does not keep a question from one who is there', async () => {
    const { upstream } = open();
    const { send } = await openSession(upstream);
    const asking = send(toolCall(1, 'sample'));
    const left = send(toolCall(2, 'hang'));
    left.exchange.abort();
    expect(JSON.parse(await asking.next()).method).toBe('sampling/createMessage');
  });
});
