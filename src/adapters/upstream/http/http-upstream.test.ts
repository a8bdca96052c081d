import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Upstream, UpstreamCall } from '#adapters/upstream/upstream.ts';
import { drive, rpc } from '#kit/drive.ts';
import { answerMcp, hang, type RecordingUpstream, rawBytes, startRecordingUpstream } from '#kit/recording-upstream.ts';
import { openHttpUpstream } from './http-upstream.ts';

describe('upstream servers over HTTP', () => {
  let server: RecordingUpstream;
  let upstream: Upstream;
  const open = (connections: number, queue: number, path = '/mcp') => {
    const transport = { kind: 'http', url: server.url + path } as const;
    upstream = openHttpUpstream({ transport, connections, queue, connectTimeoutMs: 1000 });
    return upstream;
  };
  beforeEach(async () => {
    server = await startRecordingUpstream();
  });
  afterEach(async () => {
    await upstream?.close();
    await server.close();
  });
  const ping = (more: Partial<UpstreamCall> = {}) => drive(upstream, { ...rpc(1, 'ping'), ...more });

  test('calls that were given up while they waited keep their place until the pool lets go of them', async () => {
    open(1, 2);
    server.script(hang);
    const first = ping();
    await server.waitFor(() => true);
    for (const waiting of [ping(), ping()]) waiting.exchange.abort();
    // Their bodies are still in the pool's queue: a third one would be one too many.
    expect((await ping().done).error?.code).toBe('upstream_busy');
    server.script(answerMcp);
    first.exchange.abort();
    await expect.poll(async () => (await ping().done).status).toBe(200);
    expect(server.requests.length).toBeLessThan(10);
  });

  test('no mixture of endings loses a place', async () => {
    open(4, 4);
    const endings = [
      answerMcp,
      rawBytes('', 'reset'),
      rawBytes('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{', 'end'),
      rawBytes('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n', 'stay'),
      rawBytes('garbage\r\n\r\n', 'end'),
      hang,
    ];
    let i = 0;
    server.script((request, res) => endings[i++ % endings.length]?.(request, res));
    const timeouts = { headersMs: 5000, idleMs: 5000, totalMs: 60 };
    for (let round = 0; round < 40; round++) {
      const calls = Array.from({ length: 8 }, () => ping({ timeouts }));
      for (const [at, one] of calls.entries()) {
        if (at % 3 === 0) one.exchange.abort();
        if (at % 5 === 0) one.exchange.resume();
      }
      await Promise.all(calls.flatMap((one, at) => (at % 3 === 0 ? [] : [one.done])));
    }
    // An invalid header never gets as far as a connection.
    await ping({ headers: { 'x-broken': 'a\r\nb' } }).done;
    server.script(answerMcp);
    await expect
      .poll(async () => (await Promise.all(Array.from({ length: 8 }, () => ping().done))).map(({ status }) => status), {
        timeout: 5000,
      })
      .toEqual(Array(8).fill(200));
  });

  test('a partition is one segment of the path, whatever is in it', async () => {
    open(1, 1, '/mcp/{partition}/');
    const targets: Record<string, string> = {
      'a/b': '/mcp/a%2Fb/',
      'a?b#c': '/mcp/a%3Fb%23c/',
      '..%2f': '/mcp/..%252f/',
      'a\\b': '/mcp/a%5Cb/',
      'a b\r\n': '/mcp/a%20b%0D%0A/',
      '%2e%2e': '/mcp/%252e%252e/',
    };
    for (const [partition, target] of Object.entries(targets)) {
      await ping({ partition }).done;
      expect(server.requests.at(-1)?.target).toBe(target);
    }
    for (const partition of ['.', '..'])
      expect(() => ping({ partition })).toThrow(expect.objectContaining({ code: 'upstream_unreachable' }));
  });
});
