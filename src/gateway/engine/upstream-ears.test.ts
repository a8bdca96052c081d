import { afterEach, beforeEach, expect, test } from 'vitest';
import { silentLog } from '#core/log.ts';
import { openLists } from '#gateway/catalog/lists.ts';
import { openManualTime, settled } from '#kit/manual-time.ts';
import { openTestPeers, type TestPeers } from '#kit/peers.ts';
import {
  event,
  openSse,
  type RecordedRequest,
  type RecordingUpstream,
  result,
  type Script,
  startRecordingUpstream,
} from '#kit/recording-upstream.ts';
import { type Ears, openEars } from './upstream-ears.ts';

let upstream: RecordingUpstream;
let kit: TestPeers;
let ears: Ears;
const time = openManualTime();
let streams: { write(text: string): void; destroy(): void }[] = [];

const serverSays =
  (capabilities: object, stream: Script): Script =>
  (request, res) => {
    if (request.method === 'GET') return stream(request, res);
    if (request.method === 'DELETE') return void res.writeHead(200).end();
    const { method } = request.rpc;
    if (JSON.stringify(request.rpc).includes('2026-07-28')) return void res.writeHead(400).end();
    if (request.rpc.id === undefined) return void res.writeHead(202).end();
    if (method !== 'initialize') return result({})(request, res);
    const said = { protocolVersion: '2025-11-25', capabilities, serverInfo: { name: 's', version: '1' } };
    return result(said, { 'mcp-session-id': 'the-session' })(request, res);
  };
const open: Script = (_request, res) => {
  openSse(res);
  streams.push(res);
};
const full = { tools: { listChanged: true }, resources: { subscribe: true } };

beforeEach(async () => {
  streams = [];
  upstream = await startRecordingUpstream();
  upstream.script(serverSays(full, open));
  kit = openTestPeers(upstream.url);
  const lists = openLists({
    peers: kit.peers,
    clock: time.clock,
    log: silentLog,
    patienceMs: 2000,
    firstPatienceMs: 2000,
  });
  ears = openEars({ peers: kit.peers, lists, log: silentLog, pauseMs: [1000, 4000], after: time.after });
});
afterEach(async () => {
  await kit.close();
  await upstream.close();
});

function listen(uris: readonly string[] = []) {
  const leave = new AbortController();
  const heard: unknown[] = [];
  const heardOf = ears.listen(kit.route(), {
    uris: new Set(uris),
    taskIds: new Set(),
    capabilities: {},
    signal: leave.signal,
    hear: (_method, { uri }) => heard.push(uri),
  });
  return { heard, ready: heardOf, leave: () => leave.abort() };
}

const gets = (): number => upstream.requests.filter(({ method }) => method === 'GET').length;
const told = (method: string) =>
  upstream.requests.filter(({ rpc }) => rpc.method === method).map(({ rpc }) => rpc.params?.uri);
const has = (wanted: (request: RecordedRequest) => boolean) => () => upstream.requests.some(wanted);

test('one stream and one session serve all, with the subscriptions of all; the last one closes both', async () => {
  const [one, two] = [listen(['a:1', 'a:2']), listen(['a:2', 'a:3'])];
  await Promise.all([one.ready, two.ready]);
  expect(gets()).toBe(1);
  expect(told('resources/subscribe').sort()).toEqual(['a:1', 'a:2', 'a:3']);
  for (const uri of ['a:1', 'a:2', 'a:3', 'a:4'])
    streams[0]?.write(event({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri } }));
  await expect.poll(() => two.heard).toEqual(['a:2', 'a:3']);
  expect(one.heard).toEqual(['a:1', 'a:2']);
  two.leave();
  await expect.poll(() => told('resources/unsubscribe')).toEqual(['a:3']);
  expect(gets()).toBe(1);
  one.leave();
  await expect.poll(has(({ method }) => method === 'DELETE')).toBe(true);
  await expect.poll(() => upstream.requests.find(({ method }) => method === 'GET')?.aborted()).toBe(true);
  expect(ears.size).toBe(0);
});

test('a broken stream is opened again after pauses that grow, and afresh once it was heard', async () => {
  upstream.script(serverSays(full, (_request, res) => void res.destroy()));
  const one = listen();
  await one.ready;
  await expect.poll(gets).toBe(1);
  const pauses = [1000, 2000, 4000, 4000];
  for (const [i, ms] of pauses.entries()) {
    if (i === pauses.length - 1) upstream.script(serverSays(full, open));
    await settledAt(i + 1);
    await time.advance(ms - 1);
    expect(gets()).toBe(i + 1);
    await time.advance(1);
    await expect.poll(gets).toBe(i + 2);
  }
  await expect.poll(() => streams.length).toBe(1);
  await settledAt(5);
  streams[0]?.destroy();
  await settledAt(5);
  await time.advance(1000);
  await expect.poll(gets).toBe(6);
  one.leave();
});

/** The gateway has seen what became of that stream. */
async function settledAt(count: number): Promise<void> {
  await expect.poll(gets).toBe(count);
  for (let i = 0; i < 20; i++) await new Promise<void>((resolve) => setTimeout(resolve, 2));
  await settled();
}

const refuse: Script = (_request, res) => void res.writeHead(405).end();

test.each([
  ['no GET', full, refuse, 1],
  ['nothing to say', { tools: {}, resources: {} }, open, 0],
])('a server with %s is left in peace', async (_what, capabilities, stream, expected) => {
  upstream.script(serverSays(capabilities, stream));
  const one = listen(['a:1']);
  await one.ready;
  for (let i = 0; i < 10; i++) await time.advance(60_000);
  await settledAt(expected);
  expect(gets()).toBe(expected);
  if (expected === 0) expect(told('resources/subscribe')).toEqual([]);
  one.leave();
});

test('a question on the stream is refused, a ping answered [D18]', async () => {
  const one = listen();
  await one.ready;
  streams[0]?.write(event({ jsonrpc: '2.0', id: 'q', method: 'sampling/createMessage', params: {} }));
  streams[0]?.write(event({ jsonrpc: '2.0', id: 'p', method: 'ping' }));
  const [asked, pinged] = [
    await upstream.waitFor(({ rpc }) => rpc.id === 'q'),
    await upstream.waitFor(({ rpc }) => rpc.id === 'p'),
  ];
  expect(asked.rpc.error).toMatchObject({ code: -32601 });
  expect(pinged.rpc.result).toEqual({});
  one.leave();
});

test('a stream that its server ends with an event id is taken up where it was', async () => {
  const first: Script = (_request, res): void => {
    openSse(res);
    res.end(`retry: 1\n${event({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' }, 'e-7')}`);
  };
  upstream.script(serverSays(full, (request, res): void => void (gets() === 1 ? first : open)(request, res)));
  const one = listen();
  await one.ready;
  const again = await upstream.waitFor(({ headers }) => headers['last-event-id'] === 'e-7');
  expect(again.headers['mcp-session-id']).toBe('the-session');
  one.leave();
});

test('ten thousand listeners that came and went leave nothing', async () => {
  const kept = listen(['a:1']);
  await kept.ready;
  for (let i = 0; i < 10_000; i++) listen(['a:1']).leave();
  await settled();
  expect([gets(), ears.size]).toEqual([1, 1]);
  kept.leave();
  for (let i = 0; i < 200; i++) {
    const one = listen();
    await one.ready;
    one.leave();
  }
  expect(ears.size).toBe(0);
  await expect.poll(() => streams.length, { timeout: 10_000 }).toBe(201);
  const open = () => upstream.requests.filter(({ method, aborted }) => method === 'GET' && !aborted()).length;
  await expect.poll(open, { timeout: 10_000 }).toBe(0);
  expect(kit.sessions.size).toBeLessThanOrEqual(1);
});
