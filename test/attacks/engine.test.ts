/** Attacks on the engine: members on one another, servers on their callers, clients on the gateway. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  act,
  askModern,
  connectLegacy,
  type EngineWorld,
  engineSecret,
  legacyServing,
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
  world.good.clear();
});

const done = { content: [{ type: 'text', text: 'done' }] };
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

describe('a hostile server', () => {
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
