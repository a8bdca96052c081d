/** Attacks on the engine: members on one another, servers on their callers, clients on the gateway. */
import { request } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  act,
  askModern,
  connectLegacy,
  type EngineWorld,
  engineSecret,
  legacyServing,
  modernRequest,
  modernServing,
  startEngineWorld,
} from '#kit/engine-world.ts';
import { createKey } from '#kit/gateway.ts';
import { bearer } from '#kit/http-client.ts';
import { event, json, openSse, result } from '#kit/recording-upstream.ts';

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
const leave = (
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
async function activeCalls(): Promise<number> {
  const text = await (await fetch(`${world.gateway.url}/metrics`)).text();
  const counts = text.match(/^gatehouse_\w*active\w*(?:\{[^}]*\})? \d+$/gm) ?? [];
  if (counts.length === 0) throw new Error(text.slice(0, 4000));
  return counts.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

const isUp = async () => expect((await fetch(`${world.gateway.url}/health`)).status).toBe(200);

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
      const asked = Array.from({ length: 20 }, () => askUnread(both, { headers, body }));
      for (const status of await Promise.all(asked)) expect((await status).status).toBe(200);
      expect((await client.request(act())).status).toBe(429);
      for (const one of await Promise.all(asked)) one.leave();
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
      callEvil(world.key, { requestState: `${requestState.slice(0, -1)}A`, inputResponses }),
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

describe('a hostile server', () => {
  test('it asks nobody what they did not declare, and nothing that is no question [D18]', async () => {
    const questions = {
      elicitation: { method: 'elicitation/create', params: form },
      url: { method: 'elicitation/create', params: { mode: 'url', message: 'Sign in', url: 'https://evil.example' } },
      sampling: { method: 'sampling/createMessage', params: { messages: [], maxTokens: 5 } },
      roots: { method: 'roots/list' },
    };
    for (const one of Object.values(questions)) {
      world.modern.script(
        modernServing(result({ resultType: 'input_required', inputRequests: { one }, requestState: 's' })),
      );
      const answer = await callModern(world.key, {}, {});
      expect([answer.status, answer.json]).toMatchObject([400, { error: { code: -32021 } }]);
    }
    for (const one of [{ method: 'tools/call' }, { method: 'constructor' }, 'text', null]) {
      world.modern.script(modernServing(result({ resultType: 'input_required', inputRequests: { one } })));
      expect((await callModern(world.key)).status).toBe(502);
    }
    world.evil.script(
      legacyServing((request, res) =>
        json({
          jsonrpc: '2.0',
          id: request.rpc.id,
          error: { code: -32042, message: 'Open', data: { elicitations: [questions.url.params] } },
        })(request, res),
      ),
    );
    expect((await callEvil(world.key, {}, ask)).json).toMatchObject({ error: { code: expect.any(Number) } });
  });

  test('of thousands of questions few are held, and the call ends', async () => {
    world.evil.script(
      legacyServing((request, res) => {
        openSse(res);
        for (let i = 0; i < 900; i++)
          res.write(
            event({
              jsonrpc: '2.0',
              id: `q${i}`,
              method: 'elicitation/create',
              params: { ...form, message: 'x'.repeat(1000) },
            }),
          );
        if (request.text.includes('"end":true')) res.end();
      }),
    );
    const answer = (await callEvil(world.key)).json as Asked;
    expect(Object.keys(answer.result.inputRequests)).toHaveLength(16);
    const client = await connectLegacy(both, world.key, ask);
    const stream = await client.stream({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'evil_act', arguments: { end: true } },
    });
    const heard: unknown[] = [];
    for (let next = await stream.next(); next; next = await stream.next()) heard.push(JSON.parse(next.data));
    expect(heard).toHaveLength(17);
    expect(heard.at(-1)).toMatchObject({ id: 1, error: { code: -32603 } });
    await isUp();
  });

  test('what it says with the credential in it reaches nobody: results, errors, progress, logs [F9]', async () => {
    world.evil.script(
      legacyServing((request, res) => {
        const echoed = String(request.headers.authorization);
        const token = JSON.parse(request.text).params._meta.progressToken;
        if (request.text.includes('"fail"')) {
          const error = { code: -32000, message: `refused ${echoed}`, data: { echoed } };
          return json({ jsonrpc: '2.0', id: request.rpc.id, error }, 500)(request, res);
        }
        openSse(res);
        res.write(
          event({
            jsonrpc: '2.0',
            method: 'notifications/progress',
            params: { progressToken: token, progress: 1, message: echoed },
          }),
        );
        res.write(
          event({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'error', data: { echoed } } }),
        );
        res.end(event({ jsonrpc: '2.0', id: request.rpc.id, result: { content: [{ type: 'text', text: echoed }] } }));
      }),
    );
    for (const mode of ['fail', 'tell']) {
      const answer = await askModern(
        both,
        'tools/call',
        { name: 'evil_act', arguments: { mode } },
        {
          key: world.key,
          meta: { progressToken: 'p', 'io.modelcontextprotocol/logLevel': 'debug' },
        },
      );
      expect(answer.text).toContain('[redacted]');
      expect(answer.text).not.toContain(engineSecret);
    }
    expect(world.gateway.output()).not.toContain(engineSecret);
  });

  test('notifications named like what every object has, and JSON that is nested without end, break one call at most', async () => {
    const deep = `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`;
    const said = [
      '{"jsonrpc":"2.0","method":"constructor","params":{}}',
      '{"jsonrpc":"2.0","method":"toString"}',
      '{"jsonrpc":"2.0","method":"__proto__","params":{"__proto__":{"polluted":1}}}',
      `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":${deep}}}`,
      `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":${deep}}`,
      `{"jsonrpc":"2.0","id":${deep},"method":"elicitation/create","params":${deep}}`,
      `{"jsonrpc":"2.0","id":9,"method":"sampling/createMessage","params":${deep}}`,
    ];
    for (const one of said) {
      world.evil.script(
        legacyServing((request, res) => {
          openSse(res);
          res.write(`data: ${one}\n\n`);
          res.end(event({ jsonrpc: '2.0', id: request.rpc.id, result: done }));
        }),
      );
      const asking = {
        key: world.key,
        capabilities: { elicitation: {}, sampling: {} },
        meta: { 'io.modelcontextprotocol/logLevel': 'debug' },
      };
      const answer = await askModern(both, 'tools/call', { name: 'evil_act', arguments: {} }, asking);
      expect([one.slice(0, 60), [200, 502].includes(answer.status)]).toEqual([one.slice(0, 60), true]);
      const client = await connectLegacy(both, world.key, { elicitation: {}, sampling: {} });
      await client.request(act());
      await isUp();
    }
    for (const body of [
      deep,
      `[${'['.repeat(200_000)}${']'.repeat(200_000)}]`,
      `{"jsonrpc":"2.0","id":1,"result":{"content":[],"structuredContent":${deep}}}`,
    ]) {
      world.evil.script(
        legacyServing((request, res) => {
          res.writeHead(200, { 'content-type': 'application/json' });
          res.end(body.replace('"id":1', `"id":${String(request.rpc.id)}`));
        }),
      );
      const answer = await askModern(both, 'tools/call', { name: 'evil_act', arguments: {} }, { key: world.key });
      expect(answer.json).toMatchObject({ error: { code: -32603 } });
    }
    await isUp();
  });
});

describe('sessions with servers', () => {
  const initialized = () => world.evil.requests.filter(({ rpc }) => rpc.method === 'initialize').length;
  const ended = () => world.evil.requests.filter(({ method }) => method === 'DELETE').length;

  test('one who declares ever other capabilities fills nobody’s room but his own', async () => {
    world.evil.script(legacyServing(result(done)));
    const victim = await createKey(world.gateway, 'acme');
    await callEvil(victim);
    const flooder = await createKey(world.gateway, 'acme');
    world.evil.clear();
    for (let i = 0; i < 130; i++) await callEvil(flooder, {}, { experimental: { [`x${i}`]: {} } });
    expect(initialized()).toBe(130);
    await expect.poll(ended).toBe(30);
    world.evil.clear();
    await callEvil(victim);
    expect(initialized()).toBe(0);
  });

  test('with the session of a client end those that were made for it', async () => {
    world.evil.script(legacyServing(result(done)));
    const client = await connectLegacy(both, world.key);
    await client.request(act());
    world.evil.clear();
    await client.end();
    await expect.poll(ended).toBe(1);
  });

  test.each([
    ['with a space', 'with space'],
    ['of other letters', 'umlaut-\xe4'],
    ['without end', 'x'.repeat(5000)],
  ])('a session id %s is none', async (_what, id) => {
    world.evil.script((request, res) => {
      const onCall = legacyServing(result(done));
      if (request.rpc.method !== 'initialize') return onCall(request, res);
      const said = { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 'e', version: '1' } };
      return result(said, { 'mcp-session-id': id })(request, res);
    });
    const key = await createKey(world.gateway, 'acme');
    expect((await callEvil(key)).status).toBe(502);
    await isUp();
  });

  test('a server that lets its stream be taken up again and again has the time of one call', async () => {
    let n = 0;
    const opened: number[] = [];
    world.evil.script((request, res) => {
      if (request.method === 'GET') {
        opened.push(performance.now());
        openSse(res);
        return void res.end(`id: e${++n}\nretry: 300\ndata: \n\n`);
      }
      return legacyServing((_request, call) => {
        openSse(call);
        call.end(`id: e${++n}\nretry: 300\ndata: \n\n`);
      })(request, res);
    });
    const startedAt = performance.now();
    const answer = await callEvil(world.key);
    expect([answer.status, performance.now() - startedAt < 10_000]).toEqual([504, true]);
    expect(opened.length).toBeGreaterThan(3);
  });
});

/** Ten thousand take a minute. */
const HOSTILE = Number(process.env.HOSTILE_REQUESTS ?? 2500);

test('thousands of hostile requests leave the gateway as it was', async () => {
  const { key, gateway } = world;
  world.evil.script(
    legacyServing((request, res) => {
      const n = Number(request.rpc.params?.arguments && JSON.parse(request.text).params.arguments.n) || 0;
      const kind = n % 6;
      if (kind === 0) return void res.destroy();
      openSse(res);
      if (kind === 1)
        return void res.write(event({ jsonrpc: '2.0', id: n, method: 'elicitation/create', params: form }));
      if (kind === 2) return void res.end('data: {"jsonrpc":"2.0","id":null,"result":7}\n\ndata: nonsense\n\n');
      if (kind === 3) return void res.end(event({ jsonrpc: '2.0', id: 'other', result: done }));
      if (kind === 4) return void res.end(`:${'x'.repeat(10_000)}\n\n`);
      return void res.end(
        event({ jsonrpc: '2.0', id: request.rpc.id, result: { content: 'none', _meta: 5, resultType: 7 } }),
      );
    }),
  );
  const legacy = await connectLegacy(both, key, ask);
  const listening = await legacy.listen();
  const params = { name: 'evil_act', arguments: {} as Record<string, unknown> };
  const attacks: readonly ((n: number) => Promise<unknown>)[] = [
    (n) => connectLegacy(both, key, { experimental: { [`n${n % 7}`]: {} } }),
    (n) =>
      askModern(
        both,
        'tools/call',
        { ...params, arguments: { n } },
        { key, capabilities: ask, id: `${n}`.repeat(200) },
      ),
    (n) => {
      const stop = new AbortController();
      setTimeout(() => stop.abort(), n % 40);
      return legacy.leave(
        { jsonrpc: '2.0', id: n % 3, method: 'tools/call', params: { ...params, arguments: { n } } },
        stop.signal,
      );
    },
    (n) => legacy.request({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: n % 3 } }),
    (n) => legacy.request({ jsonrpc: '2.0', id: `other-replica.${'A'.repeat(16)}`, result: { n } }),
    (n) => legacy.request({ jsonrpc: '2.0', id: n, error: { code: 1.0, message: 5 } }),
    (n) => legacy.request({ jsonrpc: '2.0', id: n, method: 'resources/subscribe', params: { uri: `x://${n % 50}` } }),
    (n) =>
      legacy.request({
        jsonrpc: '2.0',
        id: n,
        method: ['constructor', 'tasks/get', 'completion/complete', ''][n % 4],
        params: { ref: 5, cursor: {} },
      }),
    (n) => {
      const stop = new AbortController();
      setTimeout(() => stop.abort(), n % 30);
      const sent = modernRequest(
        'subscriptions/listen',
        { notifications: { toolsListChanged: true, resourceSubscriptions: [`x://${n}`] } },
        { key },
      );
      return leave(both, sent, stop.signal);
    },
    (n) =>
      askModern(
        both,
        'tools/list',
        { cursor: n % 2 === 0 ? 'AAAA' : Buffer.from('[1,"evil","zzz"]').toString('base64url') },
        { key },
      ),
    (n) => askModern(both, 'resources/read', { uri: `x://${'a,'.repeat(n % 3000)}` }, { key }),
  ];
  let sent = 0;
  const worker = async () => {
    while (sent < HOSTILE) {
      const n = sent++;
      await attacks[n % attacks.length]?.(n)?.catch(() => undefined);
    }
  };
  await Promise.all(Array.from({ length: 16 }, worker));
  listening.close();
  await isUp();
  world.evil.script(legacyServing(result(done)));
  const fresh = await createKey(gateway, 'acme');
  expect((await callEvil(fresh)).json).toMatchObject({ result: done });
  // Every place is given back.
  await expect.poll(() => activeCalls(), { timeout: 20_000 }).toBe(0);
  const said = gateway
    .logs()
    .filter(({ msg }) => /unhandled|uncaught|MaxListeners|could not be written/i.test(String(msg)));
  expect(said).toEqual([]);
  expect(gateway.output()).not.toMatch(/MaxListenersExceeded|UnhandledPromise/);
}, 180_000);
