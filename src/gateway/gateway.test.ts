/** The rooms around an upstream and a recorder whose every moment the test chooses. */

import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import { createParser } from 'eventsource-parser';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { IdentityProvider } from '#adapters/identity/identity.ts';
import type { UpstreamCall, UpstreamSink } from '#adapters/upstream/upstream.ts';
import { systemClock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import { parseMcpPath } from '#core/mcp-path.ts';
import { type Principal, principalKey } from '#core/principal.ts';
import { openWideLimits } from '#kit/limits.ts';
import { type Listening, listenOnLoopback } from '#kit/listen.ts';
import { caller, snapshot } from '#kit/one-endpoint.ts';
import { defaultJsonLimits } from '#mcp/json-scan.ts';
import type { CallRecord } from '#records/call-record.ts';
import { noHoldings } from '#records/holdings.ts';
import { openBulkheads } from './bulkheads.ts';
import { type GatewayDeps, openGateway } from './gateway.ts';
import { openHeartbeat } from './heartbeat.ts';
import type { Caller } from './identify.ts';
import { type LiveCalls, openLiveCalls } from './live-calls.ts';
import { openEras } from './peers/eras.ts';

interface Started {
  readonly call: UpstreamCall;
  readonly sink: UpstreamSink;
  aborted: number;
  resumed: number;
}

describe('a call through the rooms', () => {
  let listening: Listening;
  let records: CallRecord[];
  let started: Started[];
  let releases: (() => void)[];
  let errors: unknown[];
  let recording: (record: CallRecord, done: () => void) => void;
  let live: LiveCalls;
  let identify: () => Caller | Promise<Caller>;
  let start: (call: UpstreamCall, sink: UpstreamSink) => void;
  const limits = openWideLimits(3);
  const heartbeat = openHeartbeat(systemClock);
  const log = { debug() {}, info() {}, warn() {}, error: (fields: object) => void errors.push(fields) };

  beforeEach(async () => {
    [records, started, releases, errors] = [[], [], [], []];
    identify = () => caller;
    start = () => undefined;
    recording = (_record, done) => setImmediate(done);
    live = openLiveCalls({ log, clock: systemClock });
    const deps: GatewayDeps = {
      identifier: { identify: () => identify(), recheck: async () => identify(), forget: () => undefined },
      ...{ live, limits, heartbeat, bulkheads: openBulkheads({ places: 100, queue: 0, waitMs: 1 }) },
      eras: openEras({ clock: systemClock, ttlMs: 1000 }),
      openEngine: () => ({ handle: ({ call }) => void call.res.destroy() }),
      breakers: { admit: () => 'usual', report: () => undefined },
      snapshots: {
        ...{ find: () => snapshot, load: async () => snapshot, onRenewed: () => undefined },
        close: async () => undefined,
      },
      holdings: { find: () => noHoldings, load: async () => noHoldings },
      policies: { keyOf: () => '', judgeOf: () => undefined },
      credentials: { find: () => undefined, open: () => Promise.reject(new Error('no credential')) },
      sessions: { seal: (_owner, id) => id, find: () => undefined, end: async () => undefined, isEnded: () => false },
      recorder: {
        accepting: true,
        record(record, done) {
          records.push(record);
          recording(record, done);
        },
        flush: async () => undefined,
        close: async () => undefined,
      },
      upstreams: {
        get: () => ({
          start(call, sink) {
            const one: Started = { call, sink, aborted: 0, resumed: 0 };
            started.push(one);
            start(call, sink);
            return { abort: () => void one.aborted++, resume: () => void one.resumed++, sent: true };
          },
          close: async () => undefined,
        }),
      },
      observe: () => undefined,
      logRequest: () => undefined,
      clock: systemClock,
      log,
      receive: {
        maxTargetBytes: 2048,
        readAddress: (address) => address,
        hosts: new Set(['*']),
        origins: new Set(),
        isInsecure: () => false,
        loopback: true,
      },
      render: { baseUrl: 'http://localhost', oauth: false, scopes: false, allowedMethods: 'POST, GET, DELETE' },
      timeouts: {
        callHeadersMs: 1e4,
        callTotalMs: 1e4,
        listTotalMs: 1e4,
        initializeTotalMs: 1e4,
        resourceReadTotalMs: 1e4,
        idleMs: 1e4,
      },
      streamMaxAgeMs: 3_600_000,
      json: defaultJsonLimits,
      maxBodyBytes: 1e6,
    };
    const handle = openGateway(deps);
    const entrance = { baseUrl: 'http://localhost', name: undefined, keysOnly: false };
    const http: Server = createServer((req, res) =>
      handle(req, res, { path: parseMcpPath(req.url ?? '') ?? fail(), entrance }),
    );
    listening = await listenOnLoopback(http);
  });
  afterEach(() => listening.close());
  const fail = (): never => {
    throw new Error('no MCP path');
  };

  const body = JSON.stringify({ jsonrpc: '2.0', id: 'i', method: 'tools/call', params: { name: 't' } });
  const post = (text = body) => {
    const req = request({
      ...{ port: listening.port, host: '127.0.0.1', path: '/demo/mcp/tools', method: 'POST', agent: false },
      headers: { 'content-type': 'application/json' },
    });
    const answer = new Promise<{ status: number; text: string }>((resolve, reject) => {
      req.on('error', reject);
      req.on('response', (res: IncomingMessage) => {
        let all = '';
        res.setEncoding('utf8').on('data', (chunk) => {
          all += chunk;
        });
        res.on('end', () => resolve({ status: res.statusCode ?? 0, text: all }));
        res.on('error', reject);
      });
    });
    answer.catch(() => undefined);
    req.end(text);
    return { answer, hangUp: () => req.destroy() };
  };
  const begun = async () => {
    await expect.poll(() => started.length).toBeGreaterThan(0);
    const [one] = started;
    if (!one) throw new Error('nothing started');
    return one;
  };
  const over = () => records.filter(({ open }) => !open);
  const nothingIsHeld = () => expect(limits.active).toEqual({ calls: 0, streams: 0 });
  const sse = { 'content-type': 'text/event-stream' };
  const json = { 'content-type': 'application/json' };

  test('what changes while somebody is being let in counts for them [B11] [B16]', async () => {
    let roles: { roles: string[] } | undefined = { roles: [] };
    let asked = 0;
    let answer: () => void = () => undefined;
    const provider: IdentityProvider = {
      ...{ kind: 't', name: 't', title: 'T', mode: 'direct', issuers: ['i'], namesOrganizationsBy: 'id' },
      verify: () => Promise.reject(new Error('not asked')),
      memberships: () => {
        asked++;
        const now = roles;
        return new Promise((resolve) => {
          answer = () => resolve(now);
        });
      },
      close: async () => undefined,
    };
    const principal: Principal = {
      ...{ kind: 'user', key: principalKey('i', 's'), issuer: 'i', subject: 's', claims: {} },
      expiresAt: Date.now() + 60_000,
    };
    identify = () => ({ principal, provider, userId: 'u', tokenId: 't' });
    const { answer: answered } = post();
    await expect.poll(() => asked).toBe(1);
    roles = undefined;
    live.hear({ kind: 'user', id: 'u' });
    await new Promise((resolve) => setImmediate(resolve));
    answer();
    await expect.poll(() => asked).toBe(2);
    answer();
    expect((await answered).status).toBe(403);
    expect(started).toHaveLength(0);
    nothingIsHeld();
  });

  test('who hangs up while being identified leaves a record and starts nothing', async () => {
    let known: (caller: Caller) => void = () => undefined;
    identify = () =>
      new Promise((resolve) => {
        known = resolve;
      });
    const { hangUp } = post();
    await new Promise((resolve) => setTimeout(resolve, 30));
    hangUp();
    await new Promise((resolve) => setTimeout(resolve, 30));
    known(caller);
    await expect.poll(() => over().map(({ reason }) => reason)).toEqual(['bad_request']);
    expect(started).toEqual([]);
    nothingIsHeld();
  });

  test('a stream that only waits ends cleanly when its caller may no longer come in [S1.41]', async () => {
    const principal = { ...caller.principal, expiresAt: Date.now() - 120_000 };
    identify = () => ({ principal, provider: undefined });
    const { answer } = post('{"jsonrpc":"2.0","id":"i","method":"subscriptions/listen"}');
    const { sink } = await begun();
    sink.onHead(200, sse);
    sink.onData(Buffer.from('data: 1\n\n'));
    const { status, text } = await answer;
    expect({ status, first: text.slice(0, 9) }).toEqual({ status: 200, first: 'data: 1\n\n' });
    expect(text.slice(9)).toContain('"id":"i","result":{"resultType":"complete"');
    expect(started[0]?.aborted).toBe(1);
    nothingIsHeld();
  });

  test('who hangs up before the head aborts the upstream, and is recorded once', async () => {
    const { hangUp } = post();
    const { sink } = await begun();
    hangUp();
    await expect.poll(() => over().map(({ reason }) => reason)).toEqual(['client_gone']);
    sink.onHead(200, json);
    sink.onData(Buffer.from('{}'));
    sink.onEnd();
    expect(over()).toHaveLength(1);
    expect(started[0]?.aborted).toBeGreaterThan(0);
    nothingIsHeld();
  });

  test('an error in the same turn as the head of a stream is an answer, not a cut connection', async () => {
    recording = (_record, done) => void releases.push(done);
    start = (_call, sink) =>
      queueMicrotask(() => {
        sink.onHead(200, sse);
        sink.onData(Buffer.from('data: ha'));
        sink.onError(new GatehouseError('upstream_broken'));
      });
    const { answer } = post();
    await expect.poll(() => releases.length).toBe(2);
    for (const release of releases) release();
    const { status, text } = await answer;
    expect([status, JSON.parse(text)]).toEqual([502, expect.objectContaining({ id: 'i' })]);
    nothingIsHeld();
  });

  test('data and the end of a stream that come before its record is stored wait for it, and nothing stays paused', async () => {
    recording = (_record, done) => void releases.push(done);
    const { answer } = post();
    const one = await begun();
    one.sink.onHead(200, sse);
    expect(one.sink.onData(Buffer.from(`data: ${'x'.repeat(70_000)}\n\n`))).toBe(false);
    releases.shift()?.();
    await expect.poll(() => one.resumed).toBeGreaterThan(0);
    one.sink.onData(Buffer.from('data: last\n\n'));
    one.sink.onEnd();
    releases.shift()?.();
    const { status, text } = await answer;
    expect([status, text.length, text.endsWith('data: last\n\n')]).toEqual([200, 70_020, true]);
    expect(records.map(({ open }) => open)).toEqual([true, false]);
    nothingIsHeld();
  });

  test('an end that comes before the record of the head ends the stream once it is stored', async () => {
    recording = (_record, done) => void releases.push(done);
    const { answer } = post();
    const { sink } = await begun();
    sink.onHead(200, sse);
    sink.onData(Buffer.from('data: all\n\n'));
    sink.onEnd();
    expect(records).toHaveLength(1);
    releases.shift()?.();
    releases.shift()?.();
    expect((await answer).text).toBe('data: all\n\n');
    nothingIsHeld();
  });

  test('who hangs up while the record of a stream is being stored frees everything', async () => {
    recording = (_record, done) => void releases.push(done);
    const { hangUp } = post();
    const { sink } = await begun();
    sink.onHead(200, sse);
    hangUp();
    await expect.poll(() => over().length).toBe(1);
    for (const release of releases) release();
    sink.onData(Buffer.from('data: x\n\n'));
    sink.onEnd();
    expect([over().length, started[0]?.aborted, heartbeat.streams.size]).toEqual([1, 1, 0]);
    nothingIsHeld();
  });

  test('an upstream that throws, at once or for a header that cannot be written, leaves nobody waiting', async () => {
    start = () => {
      throw new Error('no such upstream');
    };
    expect((await post().answer).status).toBe(500);
    start = (_call, sink) =>
      queueMicrotask(() => {
        sink.onHead(200, { ...json, allow: 'a\u4e2d' });
        sink.onData(Buffer.from('{}'));
        sink.onEnd();
      });
    await expect(post().answer).rejects.toThrow();
    expect(errors).toHaveLength(1);
    nothingIsHeld();
  });

  test('a heartbeat never stands inside an event, however lines end and chunks are cut', async () => {
    const eol = fc.constantFrom('\n', '\r\n', '\r');
    const streams = fc.array(fc.tuple(fc.constantFrom('a', 'b\u00e9', '{"x":1}'), eol, fc.nat({ max: 2 })), {
      minLength: 1,
      maxLength: 6,
    });
    await fc.assert(
      fc.asyncProperty(streams, fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), async (events, cuts) => {
        started = [];
        const text = events
          .map(([data, end, more]) => `event: message${end}${`data: ${data}${end}`.repeat(more + 1)}${end}`)
          .join('');
        const { answer } = post();
        const { sink } = await begun();
        sink.onHead(200, sse);
        await expect.poll(() => heartbeat.streams.size, { interval: 1 }).toBe(1);
        const bytes = Buffer.from(text);
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const size = cuts[i % cuts.length] ?? 1;
          sink.onData(bytes.subarray(at, at + size));
          at += size;
          for (const relay of heartbeat.streams) relay.beat();
        }
        sink.onEnd();
        const read = (stream: string) => {
          const messages: string[] = [];
          const parser = createParser({ onEvent: ({ data }) => void messages.push(data) });
          parser.feed(stream);
          parser.reset({ consume: true });
          return messages;
        };
        expect(read((await answer).text)).toEqual(read(text));
      }),
      { numRuns: 20 },
    );
    nothingIsHeld();
  });

  test('the end of the gateway ends streams that wait, not answers on their way', async () => {
    const { answer } = post();
    const { sink } = await begun();
    sink.onHead(200, sse);
    await expect.poll(() => heartbeat.streams.size).toBe(1);
    for (const relay of heartbeat.streams) relay.stop();
    sink.onData(Buffer.from('data: result\n\n'));
    sink.onEnd();
    expect((await answer).text).toBe('data: result\n\n');
    nothingIsHeld();
  });
});
