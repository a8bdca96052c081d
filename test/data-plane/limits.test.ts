import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createKey } from '#kit/gateway.ts';
import { bearer, call, type EventStream, openStream, send } from '#kit/http-client.ts';
import { sendRaw } from '#kit/raw-client.ts';
import { answerMcp, bigResult, openSse, type Script } from '#kit/recording-upstream.ts';
import { startWorld, type World } from '#kit/world.ts';

const extraYaml = `
http: { timeouts: { headersMs: 1000, bodyMs: 2000, checkIntervalMs: 200 } }
limits:
  principal: { requestsPerMinute: 40, concurrentCalls: 3, streams: 2 }
  organization: { requestsPerMinute: 100000, concurrentCalls: 5, streams: 3 }
  address: { requestsPerMinute: 25, authPerMinute: 25 }
  request: { mcpBytes: 2000, urlBytes: 300, headerBytes: 4096, jsonDepth: 8, jsonKeys: 20, stringBytes: 500 }
  upstream: { concurrentCalls: 32, queuedCalls: 1 }
`;

describe('limits, each with its error', () => {
  let world: World;
  let held: (() => void)[] = [];
  const holding: Script = (request, res) => {
    if (request.rpc.method !== 'tools/call') return answerMcp(request, res);
    held.push(() => void answerMcp(request, res));
  };
  const releaseAll = () => {
    for (const release of held) release();
    held = [];
  };
  beforeAll(async () => {
    world = await startWorld({ extraYaml });
  });
  afterAll(() => world?.close());
  beforeEach(() => {
    world.upstream.script();
    world.upstream.clear();
  });

  const post = (key: string, body: unknown = call('echo'), url = world.url('open')) =>
    send(url, { headers: bearer(key), body });
  const newKey = () => createKey(world.gateway);

  test('too many requests of one principal are 429 with Retry-After, others are unharmed [S4.24]', async () => {
    const [busy, other] = [await newKey(), await newKey()];
    const statuses: number[] = [];
    let refused: Awaited<ReturnType<typeof post>> | undefined;
    for (let i = 0; i < 45; i++) {
      const answer = await post(busy);
      statuses.push(answer.status);
      if (answer.status === 429) refused = answer;
    }
    expect(statuses.filter((status) => status === 200)).toHaveLength(40);
    expect(refused?.json).toEqual({ error: 'Rate limit exceeded' });
    expect(Number(refused?.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    expect(Number(refused?.headers['retry-after'])).toBeLessThanOrEqual(60);
    expect((await post(other)).status).toBe(200);
  });

  test('left-hand X-Forwarded-For values open no new account for a stranger [E17]', async () => {
    const statuses: number[] = [];
    for (let i = 0; i < 30; i++) {
      const answer = await send(world.url('open'), {
        headers: { ...bearer('wrong'), 'x-forwarded-for': `10.0.0.${i}`, forwarded: `for=10.0.0.${i}` },
        body: call('echo'),
      });
      statuses.push(answer.status);
    }
    expect(statuses.slice(0, 20)).toEqual(Array(20).fill(401));
    expect(statuses.at(-1)).toBe(429);
  });

  test('failed sign-ins of an address do not lock out those who are signed in', async () => {
    const key = await newKey();
    for (let i = 0; i < 30; i++) await post('wrong');
    expect((await post(key)).status).toBe(200);
  });

  test('one call too many at the same time is 429 for the principal and for the organization', async () => {
    world.upstream.script(holding);
    const [one, two] = [await newKey(), await newKey()];
    const first = Array.from({ length: 3 }, () => post(one));
    await expect.poll(() => held.length).toBe(3);
    const refused = await post(one);
    expect([refused.status, refused.json]).toEqual([429, { error: 'Too many concurrent calls' }]);
    expect(refused.headers['retry-after']).toBeDefined();
    const second = Array.from({ length: 2 }, () => post(two));
    await expect.poll(() => held.length).toBe(5);
    expect((await post(two)).status).toBe(429);
    releaseAll();
    for (const answer of await Promise.all([...first, ...second])) expect(answer.status).toBe(200);
    world.upstream.script();
    expect((await post(one)).status).toBe(200);
  });

  test('a hung-up call gives its place back', async () => {
    world.upstream.script(holding);
    const key = await newKey();
    for (let round = 0; round < 3; round++) {
      const streams = Array.from({ length: 3 }, () =>
        sendRaw(world.port, rawCall(key), { timeoutMs: 150 }).then(() => undefined),
      );
      await Promise.all(streams);
    }
    held = [];
    world.upstream.script();
    await expect.poll(async () => (await post(key)).status).toBe(200);
  });

  const rawCall = (key: string) => {
    const body = JSON.stringify(call('echo'));
    return `POST /demo/mcp/open HTTP/1.1\r\nHost: 127.0.0.1:${world.port}\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  };

  test('one stream too many is 429, and a closed one makes room', async () => {
    world.upstream.script((_request, res) => openSse(res));
    const key = await newKey();
    const open = () => openStream(world.url('open'), { method: 'GET', headers: bearer(key) });
    const streams: EventStream[] = [await open(), await open()];
    expect(streams.map(({ status }) => status)).toEqual([200, 200]);
    expect((await open()).status).toBe(429);
    for (const stream of streams) stream.close();
    await expect.poll(async () => (await open()).status).toBe(200);
  });

  test.each([
    [
      'body',
      () => call('echo', { a: ['x'.repeat(400), 'x'.repeat(400), 'x'.repeat(400), 'x'.repeat(400), 'x'.repeat(400)] }),
      413,
    ],
    ['depth', () => call('echo', { a: [[[[[[[[1]]]]]]]] }), 400],
    ['keys', () => call('echo', Object.fromEntries(Array.from({ length: 25 }, (_, i) => [`k${i}`, 0]))), 400],
    ['string', () => call('echo', { a: 'x'.repeat(600) }), 400],
  ])('too much %s is refused and reaches nothing [E10] [E11]', async (_what, body, status) => {
    const answer = await post(await newKey(), body());
    expect(answer.status).toBe(status);
    expect(world.upstream.requests).toHaveLength(0);
  });

  test('a target that is too long is 414, too much header 431', async () => {
    const key = await newKey();
    expect((await post(key, call('echo'), `${world.url('open')}?${'x'.repeat(400)}`)).status).toBe(414);
    const answer = await send(world.url('open'), {
      headers: { ...bearer(key), 'x-a': 'x'.repeat(5000) },
      body: call('echo'),
    });
    expect(answer.status).toBe(431);
    expect(world.upstream.requests).toHaveLength(0);
  });

  test('heads and bodies that dawdle are cut [E9]', async () => {
    const started = performance.now();
    const head = await sendRaw(world.port, 'POST /demo/mcp/open HTTP/1.1\r\nHost: a\r\nX-', { timeoutMs: 6000 });
    expect(head.closed).toBe(true);
    expect(head.answers[0]?.status ?? 408).toBe(408);
    const key = await newKey();
    const body = await sendRaw(world.port, rawCall(key).slice(0, -10), { timeoutMs: 8000 });
    expect(body.closed).toBe(true);
    expect(body.answers[0]?.status ?? 408).toBe(408);
    expect(performance.now() - started).toBeLessThan(9000);
    expect(world.upstream.requests).toHaveLength(0);
  });

  test('an answer passes through uncapped where nothing of it must be held [S0.9]', async () => {
    world.upstream.script(bigResult(3_000_000));
    const answer = await post(await newKey());
    expect(answer.status).toBe(200);
    expect(answer.bytes.length).toBeGreaterThan(3_000_000);
  });
});
