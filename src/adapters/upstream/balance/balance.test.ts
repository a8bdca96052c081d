import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openHttpUpstream } from '#adapters/upstream/http/http-upstream.ts';
import type { Upstream, UpstreamCall } from '#adapters/upstream/upstream.ts';
import { silentLog } from '#core/log.ts';
import { drive, openSession, rpc, textOf, toolCall } from '#kit/drive.ts';
import { openManualTime } from '#kit/manual-time.ts';
import {
  answerMcp,
  hang,
  type RecordingUpstream,
  rawBytes,
  result,
  type Script,
  startRecordingUpstream,
} from '#kit/recording-upstream.ts';
import { type Balances, openBalances } from './balances.ts';

const settings = {
  ...{ consecutiveFailures: 5, failurePercent: 50, minimumCalls: 20, windowMs: 10_000 },
  ...{ openMs: 5000, openMaxMs: 60_000 },
};

/** A server that remembers its sessions, under a name. */
const stateful =
  (name: string): Script =>
  (request, res) => {
    if (request.rpc.method !== 'tools/call') {
      const hello = { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name, version: '1' } };
      return result(hello, { 'mcp-session-id': `${name}-1` })(request, res);
    }
    if (request.headers['mcp-session-id'] !== `${name}-1`) return void res.writeHead(404).end();
    return result({ content: [{ type: 'text', text: name }] })(request, res);
  };

describe('a server at several addresses', () => {
  let servers: RecordingUpstream[];
  let balances: Balances;
  let opened: Upstream[];
  const time = openManualTime();
  beforeEach(async () => {
    servers = await Promise.all(Array.from({ length: 4 }, () => startRecordingUpstream()));
    opened = [];
    balances = openBalances({ settings, clock: time.clock, log: silentLog });
  });
  afterEach(async () => {
    await Promise.all(opened.map((each) => each.close()));
    await Promise.all(servers.map((each) => each.close()));
  });

  const urlOf = (at: number) => `${servers[at]?.url}/mcp`;
  function open(...at: number[]): Upstream {
    const upstream = balances.open({
      ...{ line: 'server', label: 'server', urls: at.map(urlOf) },
      open: (url) =>
        openHttpUpstream({
          transport: { kind: 'http', url },
          ...{ connections: 50, queue: 50, connectTimeoutMs: 1000 },
        }),
    });
    opened.push(upstream);
    return upstream;
  }
  const ask = (upstream: Upstream, more: Partial<UpstreamCall> = {}) =>
    drive(upstream, { ...rpc(1, 'tools/list'), ...more }).done;
  const counts = () => servers.map(({ requests }) => requests.length);
  const endpointOf = (upstream: Upstream, at: number) =>
    upstream.endpoints?.().find(({ address }) => address === urlOf(at));
  const kill = async (at: number) => {
    await servers[at]?.close();
  };
  const say = (at: number, script: Script) => servers[at]?.script(script);

  test('equals take turns, and what begins goes where least is under way', async () => {
    const upstream = open(0, 1, 2);
    for (let i = 0; i < 9; i++) await ask(upstream);
    expect(counts()).toEqual([3, 3, 3, 0]);
    say(0, hang);
    say(1, hang);
    const hanging = [ask(upstream), ask(upstream), ask(upstream)];
    await expect.poll(() => upstream.endpoints?.().filter(({ inFlight }) => inFlight > 0).length).toBe(2);
    for (let i = 0; i < 10; i++) expect((await ask(upstream)).status).toBe(200);
    expect(counts()[2]).toBeGreaterThanOrEqual(13);
    expect(hanging).toHaveLength(3);
  });

  test('a session stays where it began, on every replica and whatever the order of the addresses', async () => {
    for (const [at, server] of servers.entries()) server.script(stateful(`s${at}`));
    const upstream = open(0, 1, 2);
    const replica = openBalances({ settings, clock: time.clock, log: silentLog });
    const other = replica.open({
      ...{ line: 'server', label: 'server', urls: [2, 1, 0].map(urlOf) },
      open: (url) =>
        openHttpUpstream({ transport: { kind: 'http', url }, connections: 9, queue: 9, connectTimeoutMs: 1000 }),
    });
    opened.push(other);
    const names = new Set<string>();
    for (let i = 0; i < 6; i++) {
      const { sessionId, send } = await openSession(upstream);
      const name = textOf(await send(toolCall(1, 'who')).done);
      names.add(name);
      for (let j = 0; j < 4; j++) expect(textOf(await send(toolCall(j, 'who')).done)).toBe(name);
      const headers = { 'mcp-session-id': sessionId ?? '' };
      expect(textOf(await drive(other, { ...toolCall(9, 'who'), sessionId, headers }).done)).toBe(name);
    }
    expect(names.size).toBe(3);
  });

  test('nothing listens at one address: no call is lost, and after five failures nobody is sent there', async () => {
    const upstream = open(0, 1);
    await kill(0);
    for (let i = 0; i < 40; i++) expect((await ask(upstream, toolCall(i, 'echo'))).status).toBe(200);
    expect(counts()[1]).toBe(40);
    const dead = endpointOf(upstream, 0);
    expect(dead).toMatchObject({ isEjected: true, ejections: 1, inFlight: 0 });
    expect(dead?.lastFailure).toEqual({ code: 'upstream_unreachable', at: time.clock.now() });
  });

  test('a call that was sent is never sent to a second address', async () => {
    const upstream = open(0, 1);
    for (const script of [rawBytes('', 'reset'), rawBytes('HTTP/1.1 200 OK\r\nContent-Le')]) {
      say(0, script);
      say(1, script);
      const before = counts().reduce((sum, n) => sum + n);
      expect((await ask(upstream, toolCall(1, 'echo'))).error?.code).toBe('upstream_broken');
      expect(counts().reduce((sum, n) => sum + n)).toBe(before + 1);
    }
  });

  test('who fails five times in a row is left alone for five seconds, then ten, and comes back by one call', async () => {
    const upstream = open(0, 1);
    say(0, (_request, res) => void res.writeHead(503).end());
    const failing = endpointOf(upstream, 0);
    // Asked by itself: what comes of it counts as any call's.
    for (let i = 0; i < 5; i++) await ask(failing?.upstream ?? upstream);
    expect(failing?.isEjected).toBe(true);
    for (let i = 0; i < 6; i++) expect((await ask(upstream)).status).toBe(200);
    expect(counts()[0]).toBe(5);
    await time.advance(5000);
    const statuses = [];
    for (let i = 0; i < 12; i++) statuses.push((await ask(upstream)).status);
    expect(statuses.filter((status) => status === 503).length).toBeLessThanOrEqual(1);
    await time.advance(5000);
    say(0, answerMcp);
    await time.advance(10_000);
    // Somebody has to be there to try it: two at once go to both.
    await Promise.all(Array.from({ length: 12 }, () => ask(upstream)));
    expect(failing?.isEjected).toBe(false);
  });

  test('half of twenty calls failed: that is an outlier too', async () => {
    const upstream = open(0, 1);
    const odd = endpointOf(upstream, 0);
    let count = 0;
    say(0, (request, res) => (count++ % 2 === 0 ? void res.writeHead(500).end() : answerMcp(request, res)));
    for (let i = 0; i < 19; i++) await ask(odd?.upstream ?? upstream);
    expect(odd?.isEjected).toBe(false);
    for (let i = 0; i < 2; i++) await ask(odd?.upstream ?? upstream);
    expect(odd?.isEjected).toBe(true);
  });

  test('at most half are left out: where all fail, calls go on to be tried', async () => {
    const upstream = open(0, 1, 2, 3);
    for (const endpoint of upstream.endpoints?.() ?? []) endpoint.eject();
    for (let i = 0; i < 8; i++) expect((await ask(upstream)).status).toBe(200);
    expect(upstream.endpoints?.().some(({ isEjected }) => isEjected)).toBe(true);
  });

  test('a session whose address is gone begins anew elsewhere', async () => {
    for (const [at, server] of servers.entries()) server.script(stateful(`s${at}`));
    const upstream = open(0, 1);
    const { send } = await openSession(upstream);
    const name = textOf(await send(toolCall(1, 'who')).done);
    const at = Number(name.slice(1));
    await kill(at);
    for (let i = 0; i < 5; i++) expect((await send(toolCall(i, 'who')).done).error).toBeDefined();
    const told = await send(toolCall('mine', 'who')).done;
    expect(told.status).toBe(404);
    expect(JSON.parse(told.body)).toMatchObject({ id: 'mine', error: { code: -32001, message: 'Session not found' } });
    const anew = await openSession(upstream);
    expect(textOf(await anew.send(toolCall(1, 'who')).done)).toBe(`s${1 - at}`);
  });

  test('an address that is taken out serves its sessions until the old definition retires, and gets no new ones', async () => {
    for (const [at, server] of servers.entries()) server.script(stateful(`s${at}`));
    const before = open(0);
    const many = open(0, 1);
    await before.close();
    let session = await openSession(many);
    while (textOf(await session.send(toolCall(1, 'who')).done) !== 's1') session = await openSession(many);
    const [sessionId, headers] = [session.sessionId, { 'mcp-session-id': session.sessionId ?? '' }];
    const after = open(0);
    expect(endpointOf(many, 1)?.isLeaving).toBe(true);
    const inSession = () => drive(after, { ...toolCall(1, 'who'), sessionId, headers }).done;
    expect(textOf(await inSession())).toBe('s1');
    const asked = counts()[1];
    for (let i = 0; i < 6; i++) await openSession(after);
    expect(counts()[1]).toBe(asked);
    // What is known of an address that stays, and its connections, outlive the change.
    await many.close();
    expect((await inSession()).status).toBe(404);
    expect(after.endpoints?.()).toHaveLength(1);
    await after.close();
    expect(balances.knows('server')).toBe(false);
  });

  test('whatever becomes of calls, none stays on record as under way', async () => {
    const upstream = open(0, 1, 2);
    const scripts = [answerMcp, hang, rawBytes('', 'reset'), rawBytes('garbage\r\n\r\n')];
    let at = 0;
    for (const server of servers) server.script((request, res) => scripts[at++ % scripts.length]?.(request, res));
    const timeouts = { headersMs: 5000, idleMs: 5000, totalMs: 80 };
    for (let round = 0; round < 10; round++) {
      const calls = Array.from({ length: 12 }, () => drive(upstream, { ...rpc(1, 'ping'), timeouts }));
      for (const [i, { exchange }] of calls.entries()) if (i % 4 === 0) exchange.abort();
      await Promise.all(calls.flatMap(({ done }, i) => (i % 4 === 0 ? [] : [done])));
    }
    expect(upstream.endpoints?.().map(({ inFlight }) => inFlight)).toEqual([0, 0, 0]);
  });

  test('an address is shown without who signs in there and without its query', () => {
    const [endpoint] =
      balances
        .open({
          line: 'x',
          label: 'x',
          urls: ['https://me:secret@mcp.example/a/{partition}/?key=secret'],
          open: () => open(0),
        })
        .endpoints?.() ?? [];
    expect(endpoint?.address).toBe('https://mcp.example/a/partition/');
  });
});
