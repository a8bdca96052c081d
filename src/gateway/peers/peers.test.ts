import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { legacyServer, modernServer } from '#kit/era-scripts.ts';
import { openTestPeers, type TestPeers } from '#kit/peers.ts';
import {
  hang,
  json,
  type RecordingUpstream,
  rawBytes,
  type Script,
  startRecordingUpstream,
} from '#kit/recording-upstream.ts';

const HOUR_MS = 3_600_000;
let upstream: RecordingUpstream;
let subject: TestPeers;
beforeEach(async () => {
  upstream = await startRecordingUpstream();
  subject = openTestPeers(upstream.url);
});
afterEach(async () => {
  await subject.close();
  await upstream.close();
});

const call = () => subject.request('tools/call', { name: 'act', arguments: {} });
const methods = () => upstream.requests.map(({ rpc }) => String(rpc.method));
const speaksModern = () => subject.eras.speaks(subject.route().binding.server, 'modern');
/** The first `times` answers are `script`'s, then `next`'s. */
const first = (times: number, script: Script, next: Script): Script => {
  let n = 0;
  return (request, res) => (n++ < times ? script : next)(request, res);
};

describe('which era a server speaks', () => {
  test('a hundred first requests at once are one probe [R25]', async () => {
    upstream.script(modernServer().script);
    await Promise.all(Array.from({ length: 100 }, () => subject.request('tools/list')));
    expect(methods().filter((method) => method === 'server/discover')).toHaveLength(1);
    upstream.clear();
    await subject.request('tools/list');
    expect(methods()).toEqual(['tools/list']);
  });

  const silent: readonly (readonly [string, Script])[] = [
    ['401', json({}, 401)],
    ['403', json({}, 403)],
    ['429', json({}, 429)],
    ['500', json({ jsonrpc: '2.0', id: null, error: { code: -32000, message: 'no' } }, 500)],
    ['503 in HTML', (_q, res) => void res.writeHead(503, { 'content-type': 'text/html' }).end('<h1>')],
    ['a reset', rawBytes('', 'reset')],
    ['silence', hang],
  ];
  test.each(silent)('%s says nothing of it: the next request finds out', async (_what, script) => {
    upstream.script(script);
    await expect(subject.request('tools/list')).rejects.toThrow();
    expect(speaksModern()).toBeUndefined();
    upstream.script(modernServer().script);
    expect(await subject.request('tools/list')).toMatchObject({ tools: [{ name: 'act' }] });
    expect(speaksModern()).toBe(true);
  });

  test('a legacy server that learnt the modern era is found out after an hour, while nobody waits', async () => {
    const [legacy, modern] = [legacyServer(), modernServer()];
    upstream.script(legacy.script);
    await call();
    expect(speaksModern()).toBe(false);
    // Both eras at one address from now on.
    upstream.script((request, res) =>
      (request.text.includes('2026-07-28') ? modern.script : legacy.script)(request, res),
    );
    await subject.time.advance(HOUR_MS - 1);
    await call();
    expect(speaksModern()).toBe(false);
    await subject.time.advance(2);
    await call();
    await expect.poll(speaksModern).toBe(true);
    await call();
    expect([legacy.calls(), modern.calls()]).toEqual([3, 1]);
  });

  test('a server that does not tell is asked again once a minute, not with each call', async () => {
    const legacy = legacyServer();
    upstream.script(legacy.script);
    await call();
    await subject.time.advance(HOUR_MS + 1);
    upstream.script((request, res) =>
      (request.rpc.method === 'server/discover' ? json({}, 503) : legacy.script)(request, res),
    );
    upstream.clear();
    for (let i = 0; i < 20; i++) await call();
    expect(methods().filter((method) => method === 'server/discover')).toHaveLength(1);
    expect(legacy.calls()).toBe(21);
    await subject.time.advance(60_001);
    await call();
    await expect.poll(() => methods().filter((method) => method === 'server/discover').length).toBe(2);
  });

  test('a server that is modern only from one moment to the next, and legacy only again, fails no call and runs none twice', async () => {
    const [before, modern, after] = [legacyServer(), modernServer(), legacyServer()];
    upstream.script(before.script);
    await call();
    upstream.script(modern.script);
    expect(await call()).toMatchObject({ _meta: { era: 'modern' } });
    await call();
    upstream.script(after.script);
    await call();
    await call();
    expect([before.calls(), modern.calls(), after.calls()]).toEqual([1, 2, 2]);
  });

  test("a modern server's own errors don't put its era in doubt", async () => {
    const modern = modernServer();
    upstream.script(modern.script);
    await call();
    for (const [status, code] of [
      [400, -32602],
      [404, -32601],
      [200, -32000],
      [400, -32021],
    ] as const) {
      upstream.clear();
      upstream.script((request, res) =>
        json({ jsonrpc: '2.0', id: request.rpc.id, error: { code, message: 'no' } }, status)(request, res),
      );
      await expect(call()).rejects.toMatchObject({ code });
      expect(methods()).toEqual(['tools/call']);
    }
  });
});

describe('a server that forgets its sessions', () => {
  const refusals: readonly (readonly [string, Script])[] = [
    ['404', json({ jsonrpc: '2.0', id: null, error: { code: -32001, message: 'Session not found' } }, 404)],
    ['404 without a body', (_q, res) => void res.writeHead(404).end()],
    [
      '400',
      json(
        {
          jsonrpc: '2.0',
          id: 'server-error',
          error: { code: -32600, message: 'Bad Request: No valid session ID provided' },
        },
        400,
      ),
    ],
  ];
  test.each(refusals)(
    'and says so by %s heals without an error, also of a call; none runs twice',
    async (_what, refusal) => {
      const server = legacyServer(refusal);
      upstream.script(server.script);
      await call();
      for (let i = 0; i < 3; i++) {
        server.forget();
        await call();
        server.forget();
        await subject.request('tools/list');
      }
      expect(server.calls()).toBe(4);
    },
  );

  test('a hundred calls that find their session gone make one new session', async () => {
    const server = legacyServer();
    upstream.script(server.script);
    await call();
    server.forget();
    await Promise.all(Array.from({ length: 100 }, call));
    expect(server.calls()).toBe(101);
    expect(server.sessions()).toBeLessThanOrEqual(3);
  });

  test('a server that never keeps one is an error, not a loop', async () => {
    const server = legacyServer();
    upstream.script(server.script);
    await call();
    upstream.script((request, res) => {
      const done = server.script(request, res);
      if (request.rpc.method === 'initialize') server.forget();
      return done;
    });
    server.forget();
    upstream.clear();
    await expect(call()).rejects.toMatchObject({ code: 'upstream_broken' });
    expect(methods().filter((method) => method === 'tools/call')).toHaveLength(2);
  });
});

describe('a connection that is cut', () => {
  const cuts: readonly (readonly [string, Script])[] = [
    ['before the head', rawBytes('', 'reset')],
    ['in the head', rawBytes('HTTP/1.1 200 OK\r\nContent-Ty', 'reset')],
    [
      'after the head',
      rawBytes('HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"jsonrpc"', 'reset'),
    ],
  ];
  describe.each(['legacy', 'modern'] as const)('by a %s server', (era) => {
    const open = () => (era === 'legacy' ? legacyServer() : modernServer());

    test.each(cuts)('%s: a list is asked for once more, a call never', async (_what, cut) => {
      const server = open();
      upstream.script(server.script);
      await call();
      upstream.clear();
      upstream.script(first(1, cut, server.script));
      expect(await subject.request('tools/list')).toMatchObject({ tools: [{ name: 'act' }] });
      expect(methods()).toEqual(['tools/list', 'tools/list']);
      upstream.clear();
      upstream.script(first(1, cut, server.script));
      await expect(call()).rejects.toThrow();
      expect(methods()).toEqual(['tools/call']);
      expect(server.calls()).toBe(1);
    });

    test('twice in a row: even a list is not asked for a third time', async () => {
      const server = open();
      upstream.script(server.script);
      await call();
      upstream.clear();
      upstream.script(rawBytes('', 'reset'));
      await expect(subject.request('tools/list')).rejects.toThrow();
      expect(methods()).toEqual(['tools/list', 'tools/list']);
    });
  });

  test('while the session was being opened: the call had not been sent, and is', async () => {
    const server = legacyServer();
    upstream.script(server.script);
    await subject.request('tools/list');
    server.forget();
    let cutOnce = false;
    upstream.script((request, res) => {
      if (request.rpc.method === 'initialize' && !cutOnce) {
        cutOnce = true;
        return rawBytes('', 'reset')(request, res);
      }
      return server.script(request, res);
    });
    await call();
    expect(server.calls()).toBe(1);
  });

  test('and a session that is gone afterwards: a list heals of both', async () => {
    const server = legacyServer();
    upstream.script(server.script);
    await call();
    server.forget();
    upstream.script(first(1, rawBytes('', 'reset'), server.script));
    expect(await subject.request('tools/list')).toMatchObject({ tools: [{ name: 'act' }] });
  });
});

describe('a dead server', () => {
  test('is not asked any more after five failures, whoever asks in that organization; then one asks for all [R10]', async () => {
    const server = modernServer();
    upstream.script(server.script);
    await call();
    upstream.script(rawBytes('', 'reset'));
    for (let i = 0; i < 5; i++) await expect(call()).rejects.toThrow();
    upstream.clear();
    await expect(call()).rejects.toMatchObject({ code: 'upstream_unreachable', retryAfterSeconds: 5 });
    await expect(subject.request('tools/list')).rejects.toMatchObject({ code: 'upstream_unreachable' });
    expect(upstream.requests).toHaveLength(0);
    upstream.script(server.script);
    await subject.request('tools/list', {}, subject.route({ organization: 2 }));
    await subject.time.advance(5001);
    await call();
    expect(server.calls()).toBe(2);
  });

  test('that only hangs counts as failing, also where the gateway itself gives up [R10]', async () => {
    upstream.script(modernServer().script);
    await call();
    upstream.script(hang);
    const { peers, route } = subject;
    for (let i = 0; i < 5; i++) {
      const asking = {
        method: 'tools/list',
        params: {},
        client: { capabilities: {}, info: undefined, logLevel: undefined },
        lane: '',
      };
      const events = { signal: AbortSignal.timeout(50), notify: () => undefined, ask: undefined };
      await expect(peers.request(route(), asking, events)).rejects.toMatchObject({
        error: { code: 'upstream_timeout' },
      });
    }
    await expect(call()).rejects.toMatchObject({ code: 'upstream_unreachable' });
  });
});
