import { createServer, request } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Clock, systemClock } from '#core/clock.ts';
import { deriveKey } from '#core/derive.ts';
import { GatehouseError } from '#core/error.ts';
import type { JsonObject } from '#core/json.ts';
import { parseJsonObject } from '#core/json.ts';
import { silentLog } from '#core/log.ts';
import { startFaultProxy } from '#kit/fault-proxy.ts';
import { listenOnLoopback } from '#kit/listen.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { findReplica, putReplica, removeReplica } from '#records/replicas.ts';
import { openReplicas, type Replicas, type ReplicasOptions } from './replicas.ts';
import { digestOf, headersOf, newNonce, openHopKeys } from './wire.ts';

const key = deriveKey('a-root-secret-that-all-replicas-share', 'replica-hop');
const listener = {
  host: '127.0.0.1',
  port: 0,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  keepAliveTimeoutMs: 60_000,
  maxHeaderBytes: 16_384,
  maxConnections: 1000,
};
const never = new AbortController().signal;

let t: TestDatabase;
const opened: Replicas[] = [];
beforeAll(async () => {
  t = await createTestDatabase();
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((replica) => replica.close()));
  await t.sql('delete from gateway.replicas');
});
afterAll(() => t.close());

async function open(changed: Partial<ReplicasOptions> = {}): Promise<Replicas> {
  const replica = await openReplicas({
    listen: { url: 'http://127.0.0.1:0', options: listener },
    key,
    store: {
      put: (row, seconds) => putReplica(t.db, row, seconds),
      find: (id) => findReplica(t.db, id),
      remove: (id) => removeReplica(t.db, id),
    },
    clock: systemClock,
    log: silentLog,
    ...changed,
  });
  opened.push(replica);
  return replica;
}

const ask = (from: Replicas, to: string, body: JsonObject = {}, kind = 'echo') =>
  from.call(to, { kind, body }, { signal: never });

/** As if the replica's listener were at another address. */
const move = (replica: Replicas, url: string) => putReplica(t.db, { id: replica.id, url }, 30);

async function openEcho(changed: Partial<ReplicasOptions> = {}) {
  const replica = await open(changed);
  let calls = 0;
  replica.handle('echo', async (body) => {
    calls++;
    return { heard: body, at: replica.id };
  });
  return { replica, calls: () => calls };
}

describe('what lives on one replica', () => {
  test('is reached from every other, and from itself without the network', async () => {
    const [one, two, three] = await Promise.all([openEcho(), openEcho(), openEcho()]);
    for (const from of [one, two, three]) {
      for (const to of [one, two, three]) {
        const answer = await ask(from.replica, to.replica.id, { text: 'grüße' });
        expect(answer).toEqual({ heard: { text: 'grüße' }, at: to.replica.id });
      }
    }
    expect(one.calls()).toBe(3);
    const alone = await openEcho({ listen: undefined });
    expect(alone.replica.url).toBeUndefined();
    expect(await ask(alone.replica, alone.replica.id)).toMatchObject({ at: alone.replica.id });
    expect(await ask(alone.replica, one.replica.id)).toMatchObject({ at: one.replica.id });
    await expect(ask(one.replica, alone.replica.id)).rejects.toMatchObject({ code: 'owner_gone' });
  });

  test('says things on the way, in order, and keeps the digits of numbers', async () => {
    const [one, two] = await Promise.all([open(), open()]);
    two.handle('count', async ({ to }, { emit }) => {
      for (let i = 0; i < Number(to); i++) emit({ i });
      return parseJsonObject('{"big":12345678901234567890,"ratio":1.10}');
    });
    const events: JsonObject[] = [];
    const message = { kind: 'count', body: { to: 300 } };
    const result = await one.call(two.id, message, { signal: never, onEvent: (event) => events.push(event) });
    expect(events).toEqual(Array.from({ length: 300 }, (_, i) => ({ i })));
    expect(JSON.stringify(result)).toBe('{"big":12345678901234567890,"ratio":1.10}');
  });

  test('fails there as it would here', async () => {
    const errors = {
      write: (thrown: unknown) => (thrown instanceof RangeError ? { range: thrown.message } : undefined),
      read: (failure: JsonObject) => new RangeError(String(failure.range)),
    };
    const [one, two] = await Promise.all([open({ errors }), open({ errors })]);
    two.handle('limited', async () => {
      throw new GatehouseError('rate_limited', { message: 'Slowly', data: { a: 1 }, retryAfterSeconds: 7 });
    });
    two.handle('broken', async () => {
      throw new Error('a secret of the inside');
    });
    two.handle('foreign', async () => {
      throw new RangeError('theirs');
    });
    await expect(ask(one, two.id, {}, 'limited')).rejects.toMatchObject({
      ...{ code: 'rate_limited', message: 'Slowly', data: { a: 1 }, retryAfterSeconds: 7 },
    });
    const broken = await ask(one, two.id, {}, 'broken').catch((error: unknown) => error);
    expect(broken).toMatchObject({ code: 'internal', message: 'Internal server error' });
    await expect(ask(one, two.id, {}, 'foreign')).rejects.toThrow(new RangeError('theirs'));
    await expect(ask(one, two.id, {}, 'nothing')).rejects.toMatchObject({ code: 'unknown_method' });
  });

  test('hears when who asked gives up', async () => {
    const [one, two] = await Promise.all([open(), open()]);
    const started = Promise.withResolvers<void>();
    const stopped = Promise.withResolvers<void>();
    two.handle('wait', (_body, { signal }) => {
      started.resolve();
      signal.addEventListener('abort', () => stopped.resolve());
      return new Promise(() => undefined);
    });
    const caller = new AbortController();
    const call = one.call(two.id, { kind: 'wait', body: {} }, { signal: caller.signal });
    await started.promise;
    caller.abort(new Error('enough'));
    await expect(call).rejects.toThrow('enough');
    await stopped.promise;
  });

  test('is bounded in both directions', async () => {
    const [one, two] = await Promise.all([open(), openEcho()]);
    const large = 'x'.repeat(13 * 1_048_576);
    await expect(ask(one, two.replica.id, { large })).rejects.toMatchObject({ code: 'too_large' });
    expect(two.calls()).toBe(0);
    two.replica.handle('large', async () => ({ large }));
    await expect(ask(one, two.replica.id, {}, 'large')).rejects.toMatchObject({ code: 'too_large' });
  });
});

describe('an owner that is not there', () => {
  test('is gone for good once it closed, and ends what others asked it for', async () => {
    const [one, two] = await Promise.all([open(), open()]);
    const started = Promise.withResolvers<void>();
    two.handle('wait', () => {
      started.resolve();
      return new Promise(() => undefined);
    });
    const call = ask(one, two.id, {}, 'wait');
    await started.promise;
    const [outcome] = await Promise.allSettled([call, two.close()]);
    expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'owner_gone' } });
    await expect(ask(one, two.id)).rejects.toMatchObject({ code: 'owner_gone' });
    expect(await t.sql('select id from gateway.replicas')).toEqual([{ id: one.id }]);
  });

  test('is unreachable while it is still registered, at once', async () => {
    const [one, two] = await Promise.all([open(), openEcho()]);
    const proxy = await startFaultProxy(Number(new URL(two.replica.url ?? '').port));
    await proxy.close();
    await move(two.replica, proxy.url);
    await expect(ask(one, two.replica.id)).rejects.toMatchObject({ code: 'owner_unreachable' });
    expect(two.calls()).toBe(0);
    await t.sql(`update gateway.replicas set expires_at = now() where id = '${two.replica.id}'`);
    await expect(ask(one, two.replica.id)).rejects.toMatchObject({ code: 'owner_gone' });
  });

  test('is gone where another process has its address', async () => {
    const [one, two, three] = await Promise.all([open(), openEcho(), openEcho()]);
    await move(two.replica, three.replica.url ?? '');
    await expect(ask(one, two.replica.id)).rejects.toMatchObject({ code: 'owner_gone' });
    expect(three.calls()).toBe(0);
  });

  test('breaks off in the middle of a call, which is not asked for twice', async () => {
    const [one, two] = await Promise.all([open({ silenceMs: 300 }), open({ aliveMs: 50 })]);
    const proxy = await startFaultProxy(Number(new URL(two.url ?? '').port));
    await move(two, proxy.url);
    let calls = 0;
    two.handle('wait', (_body, { emit }) => {
      calls++;
      emit({ started: true });
      return new Promise(() => undefined);
    });
    const wait = (then: () => void) =>
      one.call(two.id, { kind: 'wait', body: {} }, { signal: never, onEvent: () => then() });
    await expect(wait(() => proxy.killAll())).rejects.toMatchObject({ code: 'owner_unreachable' });
    expect(calls).toBe(1);
    proxy.set({ kind: 'stall' });
    await expect(wait(() => undefined)).rejects.toMatchObject({ code: 'owner_unreachable' });
    await proxy.close();
  });

  test('counts as alive as long as it says so, however long a call takes', async () => {
    const [one, two] = await Promise.all([open({ silenceMs: 500 }), open({ aliveMs: 50 })]);
    two.handle('slow', () => new Promise((resolve) => setTimeout(() => resolve({ done: true }), 1500)));
    expect(await ask(one, two.id, {}, 'slow')).toEqual({ done: true });
  });

  test('is renewed in the directory by its heartbeat, and found again after it was swept', async () => {
    let beat = () => {};
    const every = (_ms: number, work: () => void) => {
      beat = work;
      return () => undefined;
    };
    const [one, two] = [await open(), (await openEcho({ every })).replica];
    await t.sql('delete from gateway.replicas');
    await expect(ask(one, two.id)).rejects.toMatchObject({ code: 'owner_gone' });
    await t.sql(`insert into gateway.replicas values ('dead', 'http://127.0.0.1:1', now(), now())`);
    beat();
    await expect.poll(() => t.sql('select id from gateway.replicas')).toEqual([{ id: two.id }]);
    expect(await ask(one, two.id)).toMatchObject({ at: two.id });
  });
});

/** What one replica sent to another, as somebody on the network between them sees it. */
async function record(from: Replicas, to: Replicas, body: JsonObject) {
  const seen: { headers: Record<string, string>; body: Buffer }[] = [];
  const server = createServer(async (req, res) => {
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk);
    const headers = Object.entries(req.headers).filter(([name]) => name.startsWith('x-') || name === 'content-type');
    seen.push({
      headers: Object.fromEntries(headers.map(([name, value]) => [name, String(value)])),
      body: Buffer.concat(chunks),
    });
    res.writeHead(503).end();
  });
  const { port, close } = await listenOnLoopback(server);
  const url = to.url ?? '';
  await move(to, `http://127.0.0.1:${port}`);
  await expect(ask(from, to.id, body)).rejects.toMatchObject({ code: 'owner_unreachable' });
  await move(to, url);
  await close();
  const [first] = seen;
  if (!first || seen.length > 1) throw new Error(`${seen.length} requests`);
  return first;
}

async function post(url: string | undefined, headers: Record<string, string>, body: Buffer | string, path = '/hop/1') {
  const answer = await fetch(`${url}${path}`, { method: 'POST', headers, body });
  return { status: answer.status, text: await answer.text(), type: answer.headers.get('content-type') };
}
const toldNothing = (status: number) => ({ status, text: '', type: null });

describe('the listener for other replicas', () => {
  test('tells a stranger nothing, and takes nothing of a stranger [B13]', async () => {
    const two = await openEcho();
    const { url } = two.replica;
    for (const path of ['/', '/mcp', '/health', '/ready', '/metrics', '/admin', '/hop/2', '/hop/1/x', '/hop/1?x=1']) {
      expect(await post(url, {}, '{}', path)).toEqual(toldNothing(404));
      expect((await fetch(`${url}${path}`)).status).toBe(404);
    }
    expect((await fetch(`${url}/hop/1`)).status).toBe(404);
    expect(await post(url, {}, '{}')).toEqual(toldNothing(401));
    const forged = {
      'x-hop-target': two.replica.id,
      'x-hop-time': String(Date.now()),
      'x-hop-nonce': 'A'.repeat(22),
      'x-hop-digest': 'A'.repeat(43),
      'x-hop-signature': 'A'.repeat(43),
    };
    expect(await post(url, forged, '{}')).toEqual(toldNothing(401));
    expect(await post(url, { ...forged, authorization: 'Bearer x' }, '{}')).toEqual(toldNothing(401));
    expect(two.calls()).toBe(0);
  });

  test('refuses another key, both ways', async () => {
    const foreign = deriveKey('another-root-secret-of-somebody-else', 'replica-hop');
    const [one, two] = await Promise.all([openEcho(), openEcho({ key: foreign })]);
    await expect(ask(one.replica, two.replica.id)).rejects.toMatchObject({ code: 'owner_unreachable' });
    await expect(ask(two.replica, one.replica.id)).rejects.toMatchObject({ code: 'owner_unreachable' });
    expect([one.calls(), two.calls()]).toEqual([0, 0]);
  });

  test('shows nobody on the way what is asked and answered', async () => {
    const [one, two] = await Promise.all([open(), openEcho()]);
    const { body, headers } = await record(one, two.replica, { secret: 'plain-as-day' });
    const told = `${JSON.stringify(headers)}${body}${Buffer.from(body.toString(), 'base64url')}`;
    expect(told).not.toContain('plain-as-day');
    expect(told).not.toContain('echo');
    const answer = await post(two.replica.url, headers, body);
    expect(answer.status).toBe(200);
    expect(Buffer.from(answer.text, 'base64url').toString()).not.toContain('plain-as-day');
  });

  test('takes a request once', async () => {
    const [one, two] = await Promise.all([open(), openEcho()]);
    const { headers, body } = await record(one, two.replica, { n: 1 });
    const answers = await Promise.all(Array.from({ length: 10 }, () => post(two.replica.url, headers, body)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array.from({ length: 9 }, () => 401)]);
    expect(two.calls()).toBe(1);
  });

  test('takes nothing that was changed on the way, nor for somebody else', async () => {
    const [one, two, three] = await Promise.all([open(), openEcho(), openEcho()]);
    const { headers, body } = await record(one, two.replica, { n: 1 });
    const { url } = two.replica;
    const changed = Buffer.from(body);
    changed[20] = changed[20] === 65 ? 66 : 65;
    expect(await post(url, { ...headers, 'x-hop-time': String(Number(headers['x-hop-time']) + 1) }, body)).toEqual(
      toldNothing(401),
    );
    expect(await post(url, { ...headers, 'x-hop-nonce': 'A'.repeat(22) }, body)).toEqual(toldNothing(401));
    expect(await post(url, headers, body.subarray(1))).toEqual(toldNothing(401));
    expect(await post(three.replica.url, headers, body)).toEqual(toldNothing(410));
    expect(await post(three.replica.url, { ...headers, 'x-hop-target': three.replica.id }, body)).toEqual(
      toldNothing(401),
    );
    expect(await post(url, headers, changed)).toEqual(toldNothing(401));
    expect(two.calls() + three.calls()).toBe(0);
  });

  test('takes requests of the last thirty seconds, of clocks up to thirty seconds apart', async () => {
    let aheadMs = 0;
    const clock: Clock = { now: () => systemClock.now() + aheadMs, monotonic: systemClock.monotonic };
    const [one, two] = await Promise.all([open({ clock }), openEcho()]);
    for (const skew of [0, 25_000, -25_000]) {
      aheadMs = skew;
      await ask(one, two.replica.id);
    }
    for (const skew of [31_000, -31_000]) {
      aheadMs = skew;
      await expect(ask(one, two.replica.id)).rejects.toMatchObject({ code: 'owner_unreachable' });
    }
    expect(two.calls()).toBe(3);
  });

  test('reads no body of a stranger, and none of anybody that is too large', async () => {
    const two = await openEcho();
    const keys = openHopKeys(key);
    const length = 17 * 1_048_576;
    const head = { target: two.replica.id, at: Date.now(), nonce: newNonce(), digest: digestOf('x'), length };
    const statusOf = (headers: Record<string, string>) =>
      new Promise((resolve, reject) => {
        // Only the head is sent: the answer must not wait for more.
        const req = request(`${two.replica.url}/hop/1`, { method: 'POST', headers });
        req.on('response', (res) => {
          resolve(res.statusCode);
          req.destroy();
        });
        req.on('error', reject);
        req.flushHeaders();
      });
    expect(await statusOf({ ...headersOf(head, keys), 'x-hop-signature': 'A'.repeat(43) })).toBe(401);
    expect(await statusOf(headersOf(head, keys))).toBe(413);
  });

  test('is answered by the owner alone: another answer, or one out of order, is none', async () => {
    const one = await open();
    const two = await openEcho();
    const first = await record(one, two.replica, { n: 1 });
    const { text } = await post(two.replica.url, first.headers, first.body);
    const impostor = createServer((_req, res) => res.end(text));
    const { port, close } = await listenOnLoopback(impostor);
    await move(two.replica, `http://127.0.0.1:${port}`);
    await expect(ask(one, two.replica.id, { n: 1 })).rejects.toMatchObject({ code: 'owner_unreachable' });
    await close();
  });
});
