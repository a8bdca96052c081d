import { describe, expect, test } from 'vitest';
import { drive, openSession, textOf } from '#kit/drive.ts';
import { modernCall, openStdioSubjects } from '#kit/stdio-upstream.ts';

const open = openStdioSubjects();

describe('the modern era', () => {
  test('requests are relayed without a handshake, and the server is probed once', async () => {
    const { upstream, spawned } = open({ flags: ['modern'] });
    const discover = await drive(upstream, modernCall('d', 'server/discover')).done;
    expect(JSON.parse(discover.body)).toMatchObject({ id: 'd', result: { supportedVersions: ['2026-07-28'] } });
    const echo = await drive(upstream, modernCall(1, 'tools/call', { name: 'echo', arguments: { message: 'm' } })).done;
    expect(textOf(echo)).toBe('m');
    expect(echo.headers['mcp-session-id']).toBeUndefined();
    expect(spawned()).toBe(1);
    expect((await drive(upstream, { method: 'GET', era: 'modern' }).done).status).toBe(405);
  });

  test('an unknown method is 404', async () => {
    const { upstream } = open({ flags: ['modern'] });
    expect((await drive(upstream, modernCall(1, 'no/such')).done).status).toBe(404);
  });

  test('leaving cancels', async () => {
    const { upstream } = open({ flags: ['modern'] });
    await drive(upstream, modernCall(1, 'tools/list')).done;
    drive(upstream, modernCall('h', 'tools/call', { name: 'hang' })).exchange.abort();
    const heard = await drive(upstream, modernCall(2, 'tools/call', { name: 'heard' })).done;
    expect(JSON.parse(textOf(heard)).cancelled).toHaveLength(1);
  });

  test('a subscription carries the id of the client that opened it', async () => {
    const { upstream } = open({ flags: ['modern'] });
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
