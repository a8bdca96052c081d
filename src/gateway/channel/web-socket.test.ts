import { afterEach, expect, test } from 'vitest';
import type { McpHandler } from '#gateway/gateway.ts';
import type { LiveStream } from '#gateway/heartbeat.ts';
import { type Listener, openListener } from '#http/server.ts';
import { openSocket } from '#kit/web-socket-client.ts';
import { defaultJsonLimits } from '#mcp/json-scan.ts';
import type { Seat } from './door.ts';
import { openWebSockets } from './web-socket.ts';

let listener: Listener | undefined;
afterEach(() => listener?.close(0));

/** Lets everybody in until `endsAt`; `answer` has their messages. */
async function start({ endsAt, answer }: { readonly endsAt?: number; readonly answer?: McpHandler } = {}) {
  let at = 0;
  const ended: unknown[] = [];
  const streams = new Set<LiveStream>();
  const watch: Seat['watch'] = (stream) => {
    streams.add(stream);
    return () => streams.delete(stream);
  };
  const mcp: McpHandler = (req, res, asked) => {
    const principal = { kind: 'api-key' } as Seat['caller']['principal'];
    const caller = { principal, provider: undefined };
    asked.door?.opening?.open({ caller, endsAt, watch, end: (error) => void ended.push(error) });
    if (!asked.door?.opening) answer?.(req, res, asked);
  };
  const open = openWebSockets({
    mcp,
    clock: { now: () => at, monotonic: () => at },
    json: defaultJsonLimits,
    maxMessageBytes: 100_000,
    maxInFlight: 20,
  });
  const options = {
    host: '127.0.0.1',
    port: 0,
    headersTimeoutMs: 1000,
    requestTimeoutMs: 2000,
    keepAliveTimeoutMs: 1000,
  };
  const path = { organization: undefined, name: 'x' };
  listener = await openListener(
    { ...options, maxHeaderBytes: 16_384, maxConnections: 10 },
    (_req, res) => void res.end(),
    (upgrade) =>
      open(
        upgrade,
        { path, entrance: { baseUrl: 'http://localhost', name: undefined, keysOnly: false } },
        { welcomes: false },
      ),
  );
  const url = `http://127.0.0.1:${listener.port}/mcp/x`;
  return { url, ended, streams, wait: (ms: number) => (at += ms) };
}

test('a peer that no longer answers pings is given up, one that does is not', async () => {
  const { url, streams, wait, ended } = await start();
  const client = await openSocket(url);
  const [stream] = streams;
  let pings = 0;
  client.socket.on('ping', () => pings++);
  for (let round = 1; round <= 6; round++) {
    wait(15_000);
    stream?.beat();
    const seen = round;
    await expect.poll(() => pings).toBe(seen);
    // Its answer has arrived as well.
    await new Promise((resolve) => client.socket.ping('', true, resolve));
    await expect.poll(() => stream?.lastWriteAt).toBe(seen * 15_000);
  }
  client.socket.pause();
  wait(46_000);
  stream?.beat();
  await expect.poll(() => ended).toEqual(['client_gone']);
  expect(streams.size).toBe(0);
  client.socket.resume();
  expect((await client.closed).code).toBe(1006);
});

test('whose token has expired is closed with 1008, a gateway that stops closes with 1001 [E16]', async () => {
  const { url, streams, wait, ended } = await start({ endsAt: 1000 });
  const early = await openSocket(url);
  for (const stream of streams) stream.stop();
  expect((await early.closed).code).toBe(1001);
  const late = await openSocket(url);
  wait(1000);
  for (const stream of streams) stream.stop();
  expect((await late.closed).code).toBe(1008);
  await expect.poll(() => ended).toEqual([undefined, undefined]);
});

test('what a client does not read is not fetched', async () => {
  const params = { data: 'x'.repeat(200_000) };
  const event = Buffer.from(`data: ${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/message', params })}\n\n`);
  let written = 0;
  const { url } = await start({
    answer(_req, res) {
      const go = () => {
        let goesOn = true;
        while (written < 200 && goesOn) {
          written++;
          goesOn = res.write(event);
        }
      };
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.on('drain', go);
      go();
    },
  });
  const client = await openSocket(url);
  client.socket.pause();
  client.send({ jsonrpc: '2.0', id: 1, method: 'x' });
  await expect.poll(() => written).toBeGreaterThan(0);
  let before = -1;
  // Until the buffers of the connection are full.
  const isSame = () => {
    const same = before === written;
    before = written;
    return same;
  };
  await expect.poll(isSame, { interval: 100, timeout: 5000 }).toBe(true);
  expect(written).toBeLessThan(100);
  client.socket.resume();
  await expect.poll(() => written, { timeout: 10_000 }).toBe(200);
  await client.close();
});

test('initialize and the word that it is done are not overtaken', async () => {
  const order: string[] = [];
  const waiting: (() => void)[] = [];
  const { url } = await start({
    answer(req, res) {
      req.on('data', (body) => {
        const { id, method } = JSON.parse(body.toString());
        order.push(method);
        waiting.push(() => {
          res.writeHead(id === undefined ? 202 : 200, { 'content-type': 'application/json' });
          res.end(id === undefined ? undefined : JSON.stringify({ jsonrpc: '2.0', id, result: {} }));
        });
      });
    },
  });
  const client = await openSocket(url);
  const say = (method: string, id?: number) => client.send({ jsonrpc: '2.0', method, ...(id && { id }) });
  say('initialize', 1);
  say('notifications/initialized');
  say('tools/list', 2);
  say('prompts/list', 3);
  await expect.poll(() => order).toEqual(['initialize']);
  waiting.shift()?.();
  await expect.poll(() => order).toEqual(['initialize', 'notifications/initialized']);
  waiting.shift()?.();
  await expect.poll(() => order.length).toBe(4);
  for (const answer of waiting) answer();
  await client.close();
});
