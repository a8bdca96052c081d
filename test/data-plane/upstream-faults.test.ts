import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { type Fault, type FaultProxy, startFaultProxy } from '#kit/fault-proxy.ts';
import { call, openStream, send } from '#kit/http-client.ts';
import { residentBytes } from '#kit/process.ts';
import { answerMcp, event, hang, json, openSse, rawBytes, result, type Script } from '#kit/recording-upstream.ts';
import { startWorld, type World } from '#kit/world.ts';

/** Milliseconds of the whole call in this file; undici's timers are coarse. */
const totalMs = 2500;
const idleMs = 1000;

const limits = `
limits:
  timeouts: { toolCallMs: ${totalMs}, idleMs: ${idleMs}, toolCallHeadersMs: 1500, connectMs: 1000 }
  breaker: { consecutiveFailures: 100000, minimumCalls: 100000 }
  principal: { requestsPerMinute: 100000, concurrentCalls: 1000 }
`;

describe('an upstream that misbehaves', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld({ extraYaml: limits });
  });
  afterAll(() => world?.close());
  beforeEach(() => {
    world.upstream.script();
    world.upstream.clear();
  });

  const callIt = (id: unknown = 'c-1') => send(world.url('open'), { headers: world.auth, body: call('echo', {}, id) });

  const badAnswers: readonly (readonly [string, Script])[] = [
    ['hangs before the head', hang],
    ['closes at once', rawBytes('')],
    ['resets at once', rawBytes('', 'reset')],
    ['answers garbage', rawBytes('\x00\xff garbage \r\n\r\n')],
    ['truncates the head', rawBytes('HTTP/1.1 200 OK\r\nContent-Ty')],
    [
      'truncates a sized body',
      rawBytes('HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"jsonrpc"'),
    ],
    [
      'truncates a chunked body',
      rawBytes('HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"jso'),
    ],
    [
      'resets in the body',
      rawBytes('HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"jsonrpc"', 'reset'),
    ],
    [
      'hangs in the body',
      rawBytes('HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"jsonrpc"', 'stay'),
    ],
    [
      'sends a broken chunk',
      rawBytes(
        'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n',
      ),
    ],
    [
      'sends two lengths',
      rawBytes('HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}'),
    ],
    ['answers 500 in HTML', (_q, res) => void res.writeHead(500, { 'content-type': 'text/html' }).end('<h1>boom</h1>')],
    [
      'answers 200 in HTML',
      (_q, res) => void res.writeHead(200, { 'content-type': 'text/html' }).end('<script>x</script>'),
    ],
    ['redirects', (_q, res) => void res.writeHead(307, { location: `${world.upstream.url}/evil` }).end()],
    ['asks for a sign-in', (_q, res) => void res.writeHead(401, { 'www-authenticate': 'Bearer evil="1"' }).end()],
    ['answers 101', rawBytes('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n')],
  ];

  test.each(badAnswers)(
    'that %s gives an error under the id of the call, in time and never a success [R11]',
    async (_what, script) => {
      world.upstream.script(script);
      const before = performance.now();
      const answer = await callIt().catch((error: Error) => error);
      expect(performance.now() - before).toBeLessThan(totalMs + 2000);
      // Once a part of the body is out, a cut connection is the only honest end.
      if (answer instanceof Error) return;
      expect(answer.status).toBeGreaterThanOrEqual(500);
      expect(answer.json).toMatchObject({ jsonrpc: '2.0', id: 'c-1', error: { code: -32603 } });
      expect(answer.headers['www-authenticate']).toBeUndefined();
      expect(answer.headers.location).toBeUndefined();
      expect(answer.text).not.toMatch(/boom|script|garbage|127\.0\.0\.1/);
    },
  );

  test('afterwards the next call works and no socket is left hanging [R11]', async () => {
    expect((await callIt()).status).toBe(200);
    await expect.poll(() => world.upstream.openSockets(), { timeout: 10_000 }).toBeLessThanOrEqual(2);
  });

  test('a redirect is not followed and carries no credential anywhere', async () => {
    world.upstream.script((_q, res) => void res.writeHead(302, { location: `${world.upstream.url}/evil` }).end());
    await send(world.url('filtered'), { headers: world.auth, body: call('retrieve', {}) });
    expect(world.upstream.requests.map(({ target }) => target)).toEqual(['/mcp/soc2/']);
  });

  test('429 and 503 with Retry-After are passed on and not retried [R12]', async () => {
    for (const status of [429, 503]) {
      world.upstream.clear();
      world.upstream.script(
        json({ jsonrpc: '2.0', id: 'c-1', error: { code: -32000, message: 'slow down' } }, status, {
          'retry-after': '7',
        }),
      );
      const answer = await callIt();
      expect([answer.status, answer.headers['retry-after']]).toEqual([status, '7']);
      expect(world.upstream.requests).toHaveLength(1);
    }
  });

  test('a Retry-After of years is capped at 300 s [R12]', async () => {
    world.upstream.script(json({ error: 'x' }, 503, { 'retry-after': '99999999' }));
    expect(Number((await callIt()).headers['retry-after'])).toBeLessThanOrEqual(300);
  });

  test('a call that reached the upstream is never sent twice', async () => {
    for (const script of [rawBytes('', 'reset'), rawBytes(''), hang]) {
      world.upstream.clear();
      world.upstream.script(script);
      await callIt().catch(() => {});
      expect(world.upstream.requests).toHaveLength(1);
    }
  });

  test('an event stream that falls silent ends with an error event [E7]', async () => {
    world.upstream.script((_q, res) => {
      openSse(res);
      res.write(event({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 1 } }));
    });
    const stream = await openStream(world.url('open'), { headers: world.auth, body: call('echo', {}, 5) });
    await stream.next();
    expect(await stream.nextJson()).toMatchObject({ id: 5, error: { code: -32603 } });
    expect(await stream.next()).toBeUndefined();
  });

  test('a stream of comments alone does not outlive the total time [E7]', async () => {
    world.upstream.script((_q, res) => {
      openSse(res);
      const timer = setInterval(() => res.write(': still here\n\n'), 100);
      res.on('close', () => clearInterval(timer));
    });
    const before = performance.now();
    const stream = await openStream(world.url('open'), { headers: world.auth, body: call('echo', {}, 6) });
    expect(await stream.nextJson()).toMatchObject({ id: 6, error: { code: -32603 } });
    expect(performance.now() - before).toBeLessThan(totalMs + 2000);
  });

  const heapBytes = async () => {
    const { text } = await send(`${world.gateway.url}/metrics`, { method: 'GET' });
    return Number(/^nodejs_heap_size_used_bytes (\S+)$/m.exec(text)?.[1]);
  };

  test('an event without end is cut at its limit and costs no memory [E7]', async () => {
    const oneEvent = async (blocks: number) => {
      world.upstream.script(async (_q, res) => {
        openSse(res);
        res.write('data: ');
        const block = Buffer.alloc(65_536, 'x');
        for (let i = 0; i < blocks && !res.destroyed; i++)
          if (!res.write(block)) await new Promise((resolve) => setTimeout(resolve, 1));
        res.end();
      });
      const stream = await openStream(world.url('open'), { headers: world.auth, body: call('echo', {}, 6) });
      while (await stream.next().catch(() => undefined));
      stream.close();
    };
    // What a fresh process takes for its first large answers is not what the event costs.
    for (let i = 0; i < 3; i++) await oneEvent(128);
    const before = { resident: residentBytes(world.gateway.pid), heap: await heapBytes() };
    await oneEvent(2000);
    await expect.poll(() => world.upstream.openSockets(), { timeout: 8000 }).toBeLessThanOrEqual(2);
    expect((await heapBytes()) - before.heap).toBeLessThan(20e6);
    // V8 lets up to 64 MB of spent buffers gather before it collects them; the event alone is 131 MB.
    expect(residentBytes(world.gateway.pid) - before.resident).toBeLessThan(64e6);
  });

  test('an answer compressed against our wish is not inflated [E12]', async () => {
    const before = residentBytes(world.gateway.pid);
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
    world.upstream.script((_q, res) => {
      res.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
      res.end(bomb);
    });
    await callIt().catch(() => {});
    expect(world.upstream.requests.at(-1)?.headers['accept-encoding']).toBe('identity');
    expect(residentBytes(world.gateway.pid) - before).toBeLessThan(30e6);
  });

  test('an upstream that answers late is waited for, and the answer is whole', async () => {
    world.upstream.script(async (request, res) => {
      await new Promise((resolve) => setTimeout(resolve, 700));
      return result({ late: true })(request, res);
    });
    expect((await callIt()).json).toMatchObject({ result: { late: true } });
  });
});

describe('a network that misbehaves', () => {
  let world: World;
  let proxy: FaultProxy;
  beforeAll(async () => {
    const { startRecordingUpstream } = await import('#kit/recording-upstream.ts');
    const target = await startRecordingUpstream();
    proxy = await startFaultProxy(target.port);
    world = await startWorld({ upstreamUrl: proxy.url, extraYaml: limits });
  });
  afterAll(async () => {
    await world?.close();
    await proxy?.close();
  });

  const faults: readonly (readonly [Fault, readonly number[]])[] = [
    [{ kind: 'reset-on-accept' }, [502]],
    [{ kind: 'blackhole' }, [504, 502]],
    [{ kind: 'stall' }, [504]],
    [{ kind: 'garbage' }, [502]],
    [{ kind: 'half-close' }, [502]],
    [{ kind: 'truncate', bytes: 20 }, [502]],
    [{ kind: 'reset-after', bytes: 20 }, [502]],
  ];
  test.each(faults)('%j is an error in time, and the way back is free [R10] [R11]', async (fault, statuses) => {
    proxy.set(fault);
    proxy.killAll();
    const before = performance.now();
    const answer = await send(world.url('open'), { headers: world.auth, body: call('echo', {}, 'n') });
    expect(statuses).toContain(answer.status);
    expect(answer.json).toMatchObject({ jsonrpc: '2.0', id: 'n', error: { code: -32603 } });
    expect(performance.now() - before).toBeLessThan(totalMs + 2000);
    proxy.set({ kind: 'pass' });
    proxy.killAll();
    expect((await send(world.url('open'), { headers: world.auth, body: call('echo') })).status).toBe(200);
  });

  test('latency is only latency [R11]', async () => {
    proxy.set({ kind: 'latency', ms: 300 });
    proxy.killAll();
    expect((await send(world.url('open'), { headers: world.auth, body: call('echo') })).status).toBe(200);
  });

  test('an answer that drips is cut at the total time [R11]', async () => {
    proxy.set({ kind: 'drip', ms: 200 });
    proxy.killAll();
    const before = performance.now();
    const answer = await send(world.url('open'), { headers: world.auth, body: call('echo', {}, 'd') });
    expect(answer.status).toBe(504);
    expect(performance.now() - before).toBeLessThan(totalMs + 2000);
  });

  test('a refused connection is 502 at once [R10]', async () => {
    await proxy.close();
    const before = performance.now();
    const answer = await send(world.url('open'), { headers: world.auth, body: call('echo', {}, 'r') });
    expect([answer.status, answer.json]).toEqual([
      502,
      {
        ...{ jsonrpc: '2.0', id: 'r' },
        error: {
          code: -32603,
          message: 'Upstream server is unreachable',
          data: 'No healthy server instances available for: tools/call',
        },
      },
    ]);
    expect(performance.now() - before).toBeLessThan(500);
  });
});

test('a server that fails is left alone, others are not, and it is taken back when it answers again [R10]', async () => {
  const extraYaml = 'limits:\n  timeouts: { toolCallHeadersMs: 700 }\n  breaker: { openMs: 300 }\n';
  const world = await startWorld({ extraYaml });
  onTestFinished(() => world.close());
  const callIt = () => send(world.url('open'), { headers: world.auth, body: call('echo') });
  const callOther = () => send(world.url('filtered'), { headers: world.auth, body: call('retrieve') });
  world.upstream.script((request, res) => (request.target === '/mcp' ? hang : answerMcp)(request, res));
  expect(await Promise.all(Array.from({ length: 5 }, async () => (await callIt()).status))).toEqual(Array(5).fill(504));
  const asked = world.upstream.requests.length;
  const before = performance.now();
  const refused = await Promise.all(Array.from({ length: 20 }, callIt));
  expect(performance.now() - before).toBeLessThan(500);
  expect(new Set(refused.map(({ status }) => status))).toEqual(new Set([502]));
  expect(refused[0]?.headers['retry-after']).toBe('1');
  expect(world.upstream.requests.length).toBeLessThanOrEqual(asked + 1);
  expect((await callOther()).status).toBe(200);
  world.upstream.script();
  await expect.poll(async () => (await callIt()).status, { timeout: 3000 }).toBe(200);
  expect((await callIt()).status).toBe(200);
});
