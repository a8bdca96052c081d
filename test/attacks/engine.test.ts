/** Attacks on the engine: members on one another, servers on their callers, clients on the gateway. */
import { request } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  act,
  askModern,
  connectLegacy,
  type EngineWorld,
  legacyServing,
  modernRequest,
  modernServing,
  startEngineWorld,
} from '#kit/engine-world.ts';
import { createKey } from '#kit/gateway.ts';
import { bearer } from '#kit/http-client.ts';
import { event, openSse, result } from '#kit/recording-upstream.ts';

let world: EngineWorld;
let both: string;
beforeAll(async () => {
  world = await startEngineWorld();
  both = `${world.gateway.url}/acme/mcp/both`;
});
afterAll(() => world?.close());
beforeEach(() => {
  world.evil.clear();
  world.modern.clear();
  world.good.clear();
});

const done = { content: [{ type: 'text', text: 'done' }] };
const _leave = (
  url: string,
  { headers, body }: { readonly headers?: Readonly<Record<string, string>>; readonly body?: unknown },
  signal: AbortSignal,
) => {
  const usual = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
  return fetch(url, { method: 'POST', headers: { ...usual, ...headers }, body: JSON.stringify(body), signal }).then(
    (answer) => answer.text(),
    () => undefined,
  );
};

/** Sends, waits for the head, and never reads on. */
function askUnread(
  url: string,
  { headers, body }: { readonly headers: Readonly<Record<string, string>>; readonly body: unknown },
): Promise<{ readonly status: number | undefined; leave(): void }> {
  return new Promise((resolve, reject) => {
    const usual = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
    const req = request(url, { method: 'POST', agent: false, headers: { ...usual, ...headers } });
    req.on('error', reject);
    req.on('response', (res) => resolve({ status: res.statusCode, leave: () => void req.destroy() }));
    req.end(JSON.stringify(body));
  });
}

/** Calls and streams under way, as the gateway counts them. */
async function _activeCalls(): Promise<number> {
  const text = await (await fetch(`${world.gateway.url}/metrics`)).text();
  const counts = text.match(/^gatehouse_\w*active\w*(?:\{[^}]*\})? \d+$/gm) ?? [];
  if (counts.length === 0) throw new Error(text.slice(0, 4000));
  return counts.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

const _isUp = async () => expect((await fetch(`${world.gateway.url}/health`)).status).toBe(200);

describe('a hostile client', () => {
  const inherited = ['constructor', 'toString', 'valueOf', 'hasOwnProperty', 'isPrototypeOf', '__defineGetter__'];

  test.each(inherited)('the method %s is unknown, in both eras', async (method) => {
    world.evil.script(legacyServing(result(done)));
    const modern = await askModern(both, method, { subscribe: 'x', logLevel: 'x' }, { key: world.key });
    expect([modern.status, modern.json]).toEqual([
      404,
      expect.objectContaining({ error: expect.objectContaining({ code: -32601 }) }),
    ]);
    const client = await connectLegacy(both, world.key);
    const params = { subscribe: 'file:///x', expiresAt: 4e12, logLevel: 'x' };
    const legacy = await client.request({ jsonrpc: '2.0', id: 7, method, params });
    expect(legacy.json).toMatchObject({ id: 7, error: { code: -32601 } });
  });
});

const ask = { elicitation: { form: {} } };
const form = { message: 'Who?', requestedSchema: { type: 'object', properties: { name: { type: 'string' } } } };
const accept = { action: 'accept', content: { name: 'ann' } };
const callEvil = (key: string, more: Record<string, unknown> = {}, capabilities: object = ask) =>
  askModern(both, 'tools/call', { name: 'evil_act', arguments: { a: 1 }, ...more }, { key, capabilities });
const callModern: typeof callEvil = (key, more, capabilities) =>
  callEvil(key, { name: 'modern_act', ...more }, capabilities);
const calls = () => world.evil.requests.filter(({ rpc }) => rpc.method === 'tools/call');
/** Another character in the middle: of the last one some bits may mean nothing. */
const tampered = (text: string) => {
  const at = text.length >> 1;
  return `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`;
};
interface Asked {
  readonly result: { readonly inputRequests: Record<string, unknown>; readonly requestState: string };
}

describe('what a client leaves behind', () => {
  test('calls of a legacy client that hung up keep their places until they are over', async () => {
    const open: (() => void)[] = [];
    world.evil.script(
      legacyServing((request, res) => {
        open.push(() => result(done)(request, res));
      }),
    );
    const key = await createKey(world.gateway, 'acme');
    const client = await connectLegacy(both, key);
    for (let i = 0; i < 20; i++) {
      const stop = new AbortController();
      const gone = client.leave(act(i), stop.signal);
      await expect.poll(() => open.length).toBe(i + 1);
      stop.abort();
      await gone;
    }
    expect((await client.request(act(99))).status).toBe(429);
    for (const finish of open) finish();
    world.evil.script(legacyServing(result(done)));
    await expect.poll(async () => (await client.request(act(99))).status).toBe(200);
  });
});

describe('what nobody reads', () => {
  test('answers that are not read take the places of their calls, in both eras', async () => {
    const big = { content: [{ type: 'text', text: 'x'.repeat(9_000_000) }] };
    world.evil.script(legacyServing(result(big)));
    for (const era of ['modern', 'legacy'] as const) {
      const key = await createKey(world.gateway, 'acme');
      const client = await connectLegacy(both, key);
      const { headers = {}, body } =
        era === 'legacy'
          ? { headers: { ...bearer(key), 'mcp-session-id': client.sessionId }, body: act() }
          : modernRequest('tools/call', { name: 'evil_act', arguments: {} }, { key });
      const unread: Awaited<ReturnType<typeof askUnread>>[] = [];
      // One after the other: together they would take longer than one call may.
      for (let i = 0; i < 20; i++) unread.push(await askUnread(both, { headers, body }));
      expect(new Set(unread.map(({ status }) => status))).toEqual(new Set([200]));
      expect((await client.request(act())).status).toBe(429);
      for (const one of unread) one.leave();
      await expect.poll(async () => (await client.request(act())).status).toBe(200);
    }
  });

  test('rights that end leave nothing to come back to', async () => {
    world.evil.script(
      legacyServing((_request, res) => {
        openSse(res);
        res.write(event({ jsonrpc: '2.0', id: 'q', method: 'elicitation/create', params: form }));
      }),
    );
    const key = await createKey(world.gateway, 'acme', '--endpoints', 'both');
    const parked = (await callEvil(key)).json as Asked;
    const listed = await askModern(`${world.gateway.url}/mcp`, 'tools/list', {}, { key });
    expect(listed.text).not.toContain('"good_');
    expect(listed.text).toContain('"both-good_');
    const direct = await askModern(
      `${world.gateway.url}/mcp`,
      'tools/call',
      { name: 'evil_act', arguments: {} },
      { key },
    );
    expect(direct.json).toMatchObject({ error: { code: -32602 } });
    const keys = (await world.gateway.cli('key', 'list', '--org', 'acme')) as readonly {
      id: string;
      endpoints?: unknown;
    }[];
    const own = keys.find(({ endpoints }) => JSON.stringify(endpoints ?? '').includes('both'));
    await world.gateway.cli('key', 'revoke', '--org', 'acme', String(own?.id));
    const { requestState } = parked.result;
    await expect
      .poll(async () => (await callEvil(key, { requestState, inputResponses: { q1: accept } })).status)
      .toBe(401);
    expect(world.evil.requests.filter(({ rpc }) => rpc.id === 'q' && rpc.result !== undefined)).toEqual([]);
  });
});

describe('one member and another', () => {
  /** Asks in the middle of a call, and ends when it was answered. */
  const asking = () => {
    let finish: (() => void) | undefined;
    return legacyServing((request, res) => {
      openSse(res);
      res.write(event({ jsonrpc: '2.0', id: 'q', method: 'elicitation/create', params: form }));
      finish = () => res.end(event({ jsonrpc: '2.0', id: request.rpc.id, result: done }));
      world.evil
        .waitFor(({ rpc }) => rpc.id === 'q' && rpc.method === undefined)
        .then(() => finish?.())
        .catch(() => res.destroy());
    });
  };

  test('a call that waits is resumed by whom it belongs to, for the same request, once [C8]', async () => {
    world.evil.script(asking());
    const other = await createKey(world.gateway, 'acme');
    const parked = (await callEvil(world.key)).json as Asked;
    const inputResponses = { q1: accept };
    const { requestState } = parked.result;
    const wrong = [
      callEvil(other, { requestState, inputResponses }),
      callEvil(world.key, { requestState, inputResponses, arguments: { a: 2 } }),
      callEvil(world.key, { requestState, inputResponses, name: 'evil_other' }),
      callEvil(world.key, { requestState: tampered(requestState), inputResponses }),
      callEvil(world.key, { requestState: 'made up', inputResponses }),
      callEvil(world.key, { requestState: 7, inputResponses }),
      askModern(
        `${world.gateway.url}/acme/mcp/evil`,
        'tools/call',
        { name: 'act', arguments: { a: 1 }, requestState, inputResponses },
        { key: world.key, capabilities: ask },
      ),
    ];
    for (const answer of await Promise.all(wrong)) expect(answer.json).toMatchObject({ error: { code: -32602 } });
    expect(calls()).toHaveLength(1);
    expect((await callEvil(world.key, { requestState, inputResponses })).json).toMatchObject({ result: done });
    expect((await callEvil(world.key, { requestState, inputResponses })).json).toMatchObject({
      error: { code: -32602 },
    });
    expect(calls()).toHaveLength(1);
  });

  test('the state of a modern server comes back from whom it was given to, with the same request [C8]', async () => {
    world.modern.script(
      modernServing((request, res) => {
        const { requestState } = JSON.parse(request.text).params;
        if (requestState === 'state of the server') return result({ resultType: 'complete', ...done })(request, res);
        const inputRequests = { name: { method: 'elicitation/create', params: form } };
        return result({ resultType: 'input_required', inputRequests, requestState: 'state of the server' })(
          request,
          res,
        );
      }),
    );
    const other = await createKey(world.gateway, 'acme');
    const asked = (await callModern(world.key)).json as Asked;
    expect(asked.result.requestState).not.toContain('state of the server');
    world.modern.clear();
    const { requestState } = asked.result;
    const inputResponses = { name: accept };
    const wrong = [
      callModern(other, { requestState, inputResponses }),
      callModern(world.key, { requestState, inputResponses, arguments: { a: 2 } }),
      callModern(world.key, { requestState: 'state of the server', inputResponses }),
    ];
    for (const answer of await Promise.all(wrong)) expect(answer.json).toMatchObject({ error: { code: -32602 } });
    expect(world.modern.requests.filter(({ rpc }) => rpc.method === 'tools/call')).toHaveLength(0);
    expect((await callModern(world.key, { requestState, inputResponses })).json).toMatchObject({ result: done });
  });

  test('nobody answers a question, cancels a call or uses a session of another [C7]', async () => {
    world.evil.script(asking());
    const owner = await connectLegacy(both, world.key, ask);
    const other = await connectLegacy(both, await createKey(world.gateway, 'acme'), ask);
    const stream = await owner.stream(act(5));
    const question = (await stream.nextJson()) as { id: string };
    await other.request({ jsonrpc: '2.0', id: question.id, result: accept });
    await other.request({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 5 } });
    const stolen = await connectLegacy(both, world.key);
    await stolen.request({ jsonrpc: '2.0', id: question.id, result: { action: 'decline' } });
    await owner.request({ jsonrpc: '2.0', id: question.id, result: accept });
    expect(await stream.nextJson()).toMatchObject({ id: 5, result: done });
    const answered = world.evil.requests.filter(({ rpc }) => rpc.id === 'q');
    expect(answered.map(({ rpc }) => rpc.result)).toEqual([accept]);
  });
});
