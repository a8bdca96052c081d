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

/** Calls and streams under way, as the gateway counts them. */
async function activeCalls(): Promise<number> {
  const text = await (await fetch(`${world.gateway.url}/metrics`)).text();
  const counts = text.match(/^gatehouse_\w*active\w*(?:\{[^}]*\})? \d+$/gm) ?? [];
  if (counts.length === 0) throw new Error(text.slice(0, 4000));
  return counts.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

const _isUp = async () => expect((await fetch(`${world.gateway.url}/health`)).status).toBe(200);

const isUp = async () => expect((await fetch(`${world.gateway.url}/health`)).status).toBe(200);

const ask = { elicitation: { form: {} } };
const form = { message: 'Who?', requestedSchema: { type: 'object', properties: { name: { type: 'string' } } } };
const _accept = { action: 'accept', content: { name: 'ann' } };
const callEvil = (key: string, more: Record<string, unknown> = {}, capabilities: object = ask) =>
  askModern(both, 'tools/call', { name: 'evil_act', arguments: { a: 1 }, ...more }, { key, capabilities });
const callModern: typeof callEvil = (key, more, capabilities) =>
  callEvil(key, { name: 'modern_act', ...more }, capabilities);
const _calls = () => world.evil.requests.filter(({ rpc }) => rpc.method === 'tools/call');

interface Asked {
  readonly result: { readonly inputRequests: Record<string, unknown>; readonly requestState: string };
}

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
