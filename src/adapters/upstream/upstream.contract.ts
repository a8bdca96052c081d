/**
 * What every upstream adapter must do, whatever the server behind it. The server offers three tools: `echo` {message,
 * delayMs?}, `slow` (two progress notifications, then its result) and `big` {bytes}. Legacy era.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { drive, notification, openSession, plainCall, rpc, textOf, toolCall } from '#kit/drive.ts';
import type { Upstream, UpstreamCall } from './upstream.ts';

export interface ContractSubject {
  readonly upstream: Upstream;
  close(): Promise<void>;
}

export function upstreamContract(name: string, open: () => Promise<ContractSubject>): void {
  describe(`${name} keeps the contract of an upstream`, () => {
    let subject: ContractSubject;
    beforeAll(async () => {
      subject = await open();
    });
    afterAll(() => subject.close());

    handshakeTests(() => subject.upstream);
    streamTests(() => subject.upstream);
  });
}

function handshakeTests(upstream: () => Upstream): void {
  test('initialize answers with the client id and a session', async () => {
    const { opened, sessionId } = await openSession(upstream());
    expect(opened.status).toBe(200);
    expect(sessionId).toMatch(/^[\x21-\x7e]{16,2048}$/);
    const message = JSON.parse(opened.messages.at(-1) ?? '');
    expect(message).toMatchObject({ jsonrpc: '2.0', id: 0, result: { serverInfo: {} } });
  });

  test('a call without session is 400, with an unknown one 404', async () => {
    expect((await drive(upstream(), rpc(1, 'tools/list')).done).status).toBe(400);
    const sessionId = 'no-such-session';
    const headers = { ...plainCall.headers, 'mcp-session-id': sessionId };
    expect((await drive(upstream(), { ...rpc(1, 'tools/list'), sessionId, headers }).done).status).toBe(404);
  });

  test('a notification is 202 without a body', async () => {
    const { send } = await openSession(upstream());
    const outcome = await send(notification('notifications/roots/list_changed')).done;
    expect(outcome).toMatchObject({ status: 202, body: '', error: undefined });
  });

  test('ids come back as they were sent, string or number', async () => {
    const { send } = await openSession(upstream());
    const ids: (string | number)[] = [1, '1', 'ü"\\', 0, -5];
    const outcomes = await Promise.all(
      ids.map((id, i) => send(toolCall(id, 'echo', { message: `m${i}`, delayMs: 5 * (5 - i) })).done),
    );
    for (const [i, outcome] of outcomes.entries()) {
      expect(JSON.parse(outcome.messages.at(-1) ?? '').id).toBe(ids[i]);
      expect(textOf(outcome)).toBe(`m${i}`);
    }
  });

  test('a deleted session is gone', async () => {
    const { send } = await openSession(upstream());
    expect((await send({ method: 'DELETE' }).done).status).toBeLessThan(300);
    expect((await send(rpc(1, 'tools/list')).done).status).toBe(404);
  });
}

function streamTests(upstream: () => Upstream): void {
  test('progress arrives before the result, under the client token', async () => {
    const { send } = await openSession(upstream());
    const outcome = await send(toolCall('s', 'slow', {}, { progressToken: 'mine' })).done;
    expect(outcome.headers['content-type']).toContain('text/event-stream');
    const messages = outcome.messages.map((message) => JSON.parse(message));
    expect(messages.map((m) => m.method ?? 'result')).toEqual([
      'notifications/progress',
      'notifications/progress',
      'result',
    ]);
    expect(messages[0].params.progressToken).toBe('mine');
    expect(messages[2].id).toBe('s');
  });

  test('an answer of a megabyte arrives whole, also through a sink that stalls', async () => {
    const { send } = await openSession(upstream());
    const driven = send(toolCall(1, 'big', { bytes: 1_000_000 }));
    driven.stall();
    const timer = setInterval(() => driven.exchange.resume(), 5);
    const outcome = await driven.done;
    clearInterval(timer);
    expect(textOf(outcome).length).toBe(1_000_000);
  });

  test('nothing is heard after an abort, and the upstream goes on', async () => {
    const { send } = await openSession(upstream());
    const driven = send(toolCall(1, 'echo', { message: 'unheard', delayMs: 30 }));
    driven.exchange.abort();
    let heard = false;
    driven.done.then(
      () => {
        heard = true;
      },
      () => {},
    );
    expect(textOf(await send(toolCall(2, 'echo', { message: 'heard', delayMs: 60 })).done)).toBe('heard');
    expect(heard).toBe(false);
  });

  test('a call that takes too long ends with upstream_timeout', async () => {
    const { send } = await openSession(upstream());
    const timeouts: UpstreamCall['timeouts'] = { headersMs: 40, idleMs: 0, totalMs: 0 };
    const late = await send({ ...toolCall(1, 'echo', { message: 'late', delayMs: 400 }), timeouts }).done;
    expect(late.error?.code).toBe('upstream_timeout');
    const total = { headersMs: 0, idleMs: 0, totalMs: 40 };
    const cut = await send({ ...toolCall(2, 'echo', { message: 'late', delayMs: 400 }), timeouts: total }).done;
    expect(cut.error?.code).toBe('upstream_timeout');
  });

  test('the exchange says whether the request may have been executed', async () => {
    const { send } = await openSession(upstream());
    const driven = send(toolCall(1, 'echo', { message: 'x' }));
    await driven.done;
    expect(driven.exchange.sent).toBe(true);
  });
}
