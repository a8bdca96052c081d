import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { drive, openSession, textOf, toolCall } from '#kit/drive.ts';
import { modernCall, openStdioSubjects, until } from '#kit/stdio-upstream.ts';

const open = openStdioSubjects();

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

  test('a crash in the middle of a stream ends it with the error [G12] [R13]', async () => {
    const { upstream } = open();
    const { send } = await openSession(upstream);
    const outcome = await send(toolCall('c', 'progressAndCrash', {}, { progressToken: 't' })).done;
    expect(outcome.headers['content-type']).toBe('text/event-stream');
    expect(outcome.messages).toHaveLength(2);
    expect(JSON.parse(outcome.messages[1] ?? '')).toMatchObject({ id: 'c', error: { code: -32603 } });
  });

  test('a crash loop waits twice as long each time: at most six children a minute; callers are refused at once [G12] [R13]', async () => {
    const backoffMs = 60;
    const { upstream, spawned, spawnedAt } = open({ flags: ['die'], options: { backoffMs, patienceMs: 0 } });
    const codes: (string | undefined)[] = [];
    while (spawned() < 5) {
      codes.push((await openSession(upstream)).opened.error?.code);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const gaps = spawnedAt.slice(1).map((at, i) => at - (spawnedAt[i] ?? 0));
    // With the real second: starts at 0, 1, 3, 7, 15 and 31 s.
    for (const [i, gap] of gaps.entries()) expect(gap).toBeGreaterThanOrEqual(backoffMs * 2 ** i - 1);
    expect(codes).toContain('upstream_busy');
    expect(codes[0]).toBe('upstream_unreachable');
  });

  test('a program that does not exist is upstream_unreachable', async () => {
    const { upstream } = open({ transport: { command: '/no/such/program' } });
    expect((await openSession(upstream)).opened.error?.code).toBe('upstream_unreachable');
    const modern = await drive(upstream, modernCall(1, 'tools/list')).done;
    expect(modern.error?.code).toBe('upstream_unreachable');
  });

  test('a child that is slow to start is given up', async () => {
    const { upstream, runner } = open({ flags: ['mute'], options: { startMs: 150 } });
    expect((await openSession(upstream)).opened.error?.code).toBe('upstream_timeout');
    await until(() => runner.size === 0);
  });

  test('a refused initialize is passed on with the id of the client and opens no session', async () => {
    const { upstream } = open({ flags: ['refuse'] });
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
