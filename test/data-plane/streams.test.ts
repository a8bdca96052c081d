import type { ServerResponse } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { call, type EventStream, initialize, openStream, send } from '#kit/http-client.ts';
import { answerMcp, event, openSse, type Script } from '#kit/recording-upstream.ts';
import { startWorld, type World } from '#kit/world.ts';

const upstreamSession = 'upstream-session-0001';

/** Like the default answerer, with a session, and with `stream` deciding what a call's SSE answer is. */
const sessionful =
  (stream: (res: ServerResponse, id: unknown) => void | Promise<void>): Script =>
  (request, res) => {
    if (request.rpc.method === 'initialize') {
      res.setHeader('mcp-session-id', upstreamSession);
      return answerMcp(request, res);
    }
    if (request.method === 'DELETE') return void res.writeHead(200).end();
    if (request.method === 'GET' || request.rpc.method === 'tools/call') {
      openSse(res);
      return stream(res, request.rpc.id);
    }
    return answerMcp(request, res);
  };

const done = (id: unknown) => ({ jsonrpc: '2.0', id, result: { content: [{ type: 'text', text: 'done' }] } });
const progress = (n: number) => ({
  jsonrpc: '2.0',
  method: 'notifications/progress',
  params: { progressToken: 't', progress: n },
});

describe('streams and sessions of the legacy era', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world?.close());
  beforeEach(() => {
    world.upstream.script();
    world.upstream.clear();
  });

  async function openSession(name = 'open', headers: Record<string, string> = world.auth) {
    const answer = await send(world.url(name), { headers, body: initialize({ elicitation: {}, sampling: {} }) });
    expect(answer.status).toBe(200);
    const id = answer.headers['mcp-session-id'];
    if (typeof id !== 'string') throw new Error('no session');
    return id;
  }
  const inSession = (id: string) => ({ ...world.auth, 'mcp-session-id': id, 'mcp-protocol-version': '2025-11-25' });
  const streamCall = (id: string, rpcId: unknown = 1): Promise<EventStream> =>
    openStream(world.url('open'), { headers: inSession(id), body: call('echo', {}, rpcId) });

  test('the session id is ours, visible ASCII, and goes upstream as the own one of the upstream', async () => {
    world.upstream.script(sessionful((res, id) => void res.end(event(done(id)))));
    const id = await openSession();
    expect(id).not.toContain(upstreamSession);
    expect(id).toMatch(/^[\x21-\x7e]{16,}$/);
    await send(world.url('open'), { headers: inSession(id), body: { jsonrpc: '2.0', id: 3, method: 'tools/list' } });
    expect(world.upstream.requests.at(-1)?.headers['mcp-session-id']).toBe(upstreamSession);
    expect(world.upstream.bytes().includes(id)).toBe(false);
  });

  test('a session id is worthless to another principal, at another endpoint and when changed', async () => {
    const { createKey } = await import('#kit/gateway.ts');
    world.upstream.script(sessionful((res, id) => void res.end(event(done(id)))));
    const id = await openSession();
    const other = { authorization: `Bearer ${await createKey(world.gateway)}` };
    world.upstream.clear();
    const tries = [
      send(world.url('open'), { headers: { ...inSession(id), ...other }, body: call('echo') }),
      send(world.url('filtered'), { headers: inSession(id), body: call('echo') }),
      send(world.url('open'), { headers: inSession(`${id.slice(0, -2)}xx`), body: call('echo') }),
      send(world.url('open'), { headers: inSession(upstreamSession), body: call('echo') }),
      send(world.url('open'), { method: 'GET', headers: { ...inSession(id), ...other } }),
      send(world.url('open'), { method: 'DELETE', headers: { ...inSession(id), ...other } }),
    ];
    for (const answer of await Promise.all(tries)) {
      expect(answer.status).toBe(404);
      expect(answer.json).toMatchObject({ error: { code: -32001, message: 'Session not found' } });
    }
    expect(world.upstream.requests).toHaveLength(0);
  });

  test('DELETE ends the session upstream, and afterwards it is 404', async () => {
    world.upstream.script(sessionful((res, id) => void res.end(event(done(id)))));
    const id = await openSession();
    expect((await send(world.url('open'), { method: 'DELETE', headers: inSession(id) })).status).toBeLessThan(300);
    expect(world.upstream.requests.at(-1)?.method).toBe('DELETE');
    expect(world.upstream.requests.at(-1)?.headers['mcp-session-id']).toBe(upstreamSession);
    world.upstream.clear();
    const answer = await send(world.url('open'), { headers: inSession(id), body: call('echo') });
    expect(answer.status).toBe(404);
    expect(world.upstream.requests).toHaveLength(0);
  });

  test('events arrive one by one while the call runs, in order and whole', async () => {
    let release: () => void = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    world.upstream.script(
      sessionful(async (res, id) => {
        res.write(event(progress(1)));
        await gate;
        res.write(event(progress(2)));
        res.end(event(done(id)));
      }),
    );
    const stream = await streamCall(await openSession(), 'call-1');
    expect(stream.headers['content-type']).toBe('text/event-stream');
    expect(stream.headers['x-accel-buffering']).toBe('no');
    expect(await stream.nextJson()).toEqual(progress(1));
    release();
    expect(await stream.nextJson()).toEqual(progress(2));
    expect(await stream.nextJson()).toEqual(done('call-1'));
    expect(await stream.next()).toBeUndefined();
  });

  test('an event cut into single bytes arrives whole', async () => {
    world.upstream.script(
      sessionful(async (res, id) => {
        for (const byte of Buffer.from(event({ ...done(id), note: 'é😀' }))) {
          res.write(Buffer.of(byte));
          await new Promise((resolve) => setImmediate(resolve));
        }
        res.end();
      }),
    );
    const stream = await streamCall(await openSession());
    expect(await stream.nextJson()).toEqual({ ...done(1), note: 'é😀' });
  });

  test('comments, retry, multi-line data, CR LF and priming events of the upstream do not disturb', async () => {
    world.upstream.script(
      sessionful((res, id) => {
        res.write(': hello\r\n\r\nid: e1\r\nretry: 500\r\ndata:\r\n\r\n');
        const [a, b] = [JSON.stringify(progress(1)).slice(0, 1), JSON.stringify(progress(1)).slice(1)];
        res.write(`data: ${a}\ndata: ${b}\n\n`);
        res.end(event(done(id)));
      }),
    );
    const stream = await streamCall(await openSession());
    const seen: unknown[] = [];
    for (let next = await stream.next(); next; next = await stream.next())
      if (next.data) seen.push(JSON.parse(next.data));
    expect(seen).toEqual([progress(1), done(1)]);
  });

  test('a text with line breaks and separators stays one event [E6]', async () => {
    const text = 'a\n\ndata: {"evil":1}\n\nevent: x\r\r\u2028\u2029\u0085b';
    world.upstream.script(
      sessionful(
        (res, id) => void res.end(event({ jsonrpc: '2.0', id, result: { content: [{ type: 'text', text }] } })),
      ),
    );
    const stream = await streamCall(await openSession());
    expect(await stream.nextJson()).toEqual({ jsonrpc: '2.0', id: 1, result: { content: [{ type: 'text', text }] } });
    expect(await stream.next()).toBeUndefined();
  });

  test('a question of the server reaches the client, and its answer the server', async () => {
    const question = { jsonrpc: '2.0', id: 'q-1', method: 'elicitation/create', params: { message: 'who?' } };
    let answered: () => void = () => {};
    const answer = new Promise<void>((resolve) => {
      answered = resolve;
    });
    const base = sessionful(async (res, id) => {
      res.write(event(question));
      await answer;
      res.end(event(done(id)));
    });
    world.upstream.script((request, res) => {
      if (request.rpc.id === 'q-1') {
        answered();
        return void res.writeHead(202).end();
      }
      return base(request, res);
    });
    const id = await openSession();
    const stream = await streamCall(id);
    expect(await stream.nextJson()).toEqual(question);
    const reply = { jsonrpc: '2.0', id: 'q-1', result: { action: 'accept', content: { name: 'Ada' } } };
    expect((await send(world.url('open'), { headers: inSession(id), body: reply })).status).toBe(202);
    expect(world.upstream.requests.findLast(({ rpc }) => rpc.id === 'q-1')?.text).toBe(JSON.stringify(reply));
    expect(await stream.nextJson()).toEqual(done(1));
  });

  test('a cancellation goes upstream as it is', async () => {
    world.upstream.script(sessionful(() => {}));
    const id = await openSession();
    const stream = await streamCall(id, 77);
    const body = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 77, reason: 'enough' } };
    expect((await send(world.url('open'), { headers: inSession(id), body })).status).toBe(202);
    expect(world.upstream.requests.at(-1)?.text).toBe(JSON.stringify(body));
    stream.close();
  });

  test('a client that hangs up frees the connection to the upstream', async () => {
    world.upstream.script(sessionful((res) => void res.write(event(progress(1)))));
    const stream = await streamCall(await openSession());
    await stream.nextJson();
    const request = await world.upstream.waitFor(({ rpc }) => rpc.method === 'tools/call');
    stream.close();
    await expect.poll(() => request.aborted(), { timeout: 3000 }).toBe(true);
  });

  test('the GET stream carries what the server says on its own, and Last-Event-ID goes upstream', async () => {
    const changed = { jsonrpc: '2.0', method: 'notifications/tools/list_changed' };
    world.upstream.script(sessionful((res) => void res.write(event(changed, 'ev-1'))));
    const id = await openSession();
    const first = await openStream(world.url('open'), { method: 'GET', headers: inSession(id) });
    expect(first.status).toBe(200);
    const message = await first.next();
    expect(JSON.parse(message?.data ?? '')).toEqual(changed);
    first.close();
    const again = await openStream(world.url('open'), {
      method: 'GET',
      headers: { ...inSession(id), 'last-event-id': message?.id ?? '' },
    });
    await again.next();
    expect(world.upstream.requests.at(-1)?.headers['last-event-id']).toBe('ev-1');
    again.close();
  });

  test('two calls of one session stream side by side', async () => {
    const waiting: ServerResponse[] = [];
    world.upstream.script(
      sessionful((res) => {
        waiting.push(res);
      }),
    );
    const id = await openSession();
    const [one, two] = await Promise.all([streamCall(id, 1), streamCall(id, 2)]);
    await expect.poll(() => waiting.length).toBe(2);
    waiting[1]?.end(event(done('second')));
    expect(await two.nextJson()).toEqual(done('second'));
    waiting[0]?.end(event(done('first')));
    expect(await one.nextJson()).toEqual(done('first'));
  });

  test('a stream that the upstream breaks off is never taken for a success [E7]', async () => {
    world.upstream.script(
      sessionful((res) => {
        res.write(event(progress(1)));
        setTimeout(() => res.destroy(), 20);
      }),
    );
    const stream = await streamCall(await openSession(), 9);
    expect(await stream.nextJson()).toEqual(progress(1));
    expect(await stream.nextJson()).toMatchObject({ jsonrpc: '2.0', id: 9, error: { code: -32603 } });
    expect(await stream.next()).toBeUndefined();
  });

  test('a session that the upstream no longer knows is 404 to the client too', async () => {
    world.upstream.script(sessionful((res, id) => void res.end(event(done(id)))));
    const id = await openSession();
    world.upstream.script((_request, res) => {
      res.writeHead(404, { 'content-type': 'application/json' });
      res.end('{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}}');
    });
    expect((await send(world.url('open'), { headers: inSession(id), body: call('echo') })).status).toBe(404);
  });
});
