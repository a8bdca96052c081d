/** What neither a server nor a client gains by saying things about itself: with one server behind the address, and with two. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createKey } from '#kit/gateway.ts';
import { bearer, call, initialize, openStream, send } from '#kit/http-client.ts';
import { answerMcp, event, openSse, result, type Script } from '#kit/recording-upstream.ts';
import { startWorld, type World } from '#kit/world.ts';

const enforced = { team: 'red', level: 3 };
const extraYaml = `
limits: { principal: { requestsPerMinute: 100000 }, organization: { requestsPerMinute: 100000 } }
`;
const two = `
  - organization: demo
    name: two
    allowedRoles: '*'
    bindings:
      - { server: ragie, partition: soc2, enforced: { retrieve: { filter: { team: red, level: 3 } } } }
      - { server: plain }
  - organization: demo
    name: redacted
    allowedRoles: '*'
    bindings: [{ server: plain, tools: { redact: { '*': ['**.phone'] } } }]
`;

let world: World;
let otherKey: string;
beforeAll(async () => {
  world = await startWorld({ extraYaml, extraCollections: two });
  otherKey = await createKey(world.gateway);
});
afterAll(() => world?.close());
beforeEach(() => {
  world.upstream.script();
  world.upstream.clear();
});

/** A session where the server, or the gateway, has them. */
async function open(name: string, key: string) {
  const hello = await send(world.url(name), { headers: bearer(key), body: initialize() });
  const id = hello.headers['mcp-session-id'];
  return { ...bearer(key), ...(id !== undefined && { 'mcp-session-id': String(id) }) };
}
const calls = () => world.upstream.requests.filter(({ rpc }) => rpc.method === 'tools/call');

describe.each([
  { name: 'filtered', tool: 'retrieve' },
  { name: 'two', tool: 'ragie_retrieve' },
])('at $name', ({ name, tool }) => {
  test.each(['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05', undefined])(
    'headers of a message of %s decide nothing: the body is what is filtered and sent [D5]',
    async (version) => {
      const headers = {
        ...(await open(name, world.key)),
        ...(version !== undefined && { 'mcp-protocol-version': version }),
        'mcp-method': 'tools/list',
        'mcp-name': 'echo',
        'mcp-param-filter': 'blue',
      };
      const answer = await send(world.url(name), { headers, body: call(tool, { filter: { team: 'blue' } }, 5) });
      expect(answer.json).toMatchObject({
        id: 5,
        result: { content: [{ text: JSON.stringify({ filter: enforced }) }] },
      });
      const [sent, ...more] = calls();
      expect(more).toEqual([]);
      expect(sent?.rpc.params).toMatchObject({ name: 'retrieve', arguments: { filter: enforced } });
      expect(Object.keys(sent?.headers ?? {}).filter((header) => /^mcp-(?:method|name|param)/.test(header))).toEqual(
        [],
      );
    },
  );

  test('what a server gives to one user, no other brings back to it: neither cookie nor session [C9]', async () => {
    let given = 0;
    const marking: Script = (request, res) => {
      res.setHeader('set-cookie', `who=${++given}; Path=/`);
      if (request.rpc.method === 'initialize') res.setHeader('mcp-session-id', `session-${given}`);
      return answerMcp(request, res);
    };
    world.upstream.script(marking);
    const sessionsOf = async (key: string) => {
      world.upstream.clear();
      const headers = await open(name, key);
      for (let i = 0; i < 3; i++) {
        const answer = await send(world.url(name), { headers, body: call(tool, {}, i) });
        expect(answer.json).toMatchObject({ id: i, result: {} });
        expect(answer.headers['set-cookie']).toBeUndefined();
      }
      expect(world.upstream.requests.filter(({ headers: { cookie } }) => cookie !== undefined)).toEqual([]);
      return new Set(calls().map(({ headers: sent }) => sent['mcp-session-id']));
    };
    const [mine, theirs] = [await sessionsOf(world.key), await sessionsOf(otherKey)];
    expect([mine.size, theirs.size]).toEqual([1, 1]);
    expect([...mine]).not.toEqual([...theirs]);
  });

  test('a tool that calls itself harmless is not called twice for it [F4]', async () => {
    const annotations = { readOnlyHint: true, idempotentHint: true, destructiveHint: false };
    const tools = [{ name: 'retrieve', inputSchema: { type: 'object' }, annotations }];
    world.upstream.script((request, res) => {
      if (request.rpc.method === 'tools/list') return result({ tools })(request, res);
      if (request.rpc.method === 'tools/call') return void res.socket?.resetAndDestroy();
      return answerMcp(request, res);
    });
    const headers = await open(name, world.key);
    await send(world.url(name), { headers, body: { jsonrpc: '2.0', id: 1, method: 'tools/list' } });
    const answer = await send(world.url(name), { headers, body: call(tool, {}, 2) });
    expect(answer.json).toMatchObject({ id: 2, error: { code: -32603 } });
    expect(calls()).toHaveLength(1);
  });
});

describe('what is to be redacted', () => {
  const phone = '0151-555-999';
  const secret = { name: 'Ann', phone };
  const message = `Calling ${phone}`;
  const places: Readonly<Record<string, object>> = {
    'structured content': { result: { content: [], structuredContent: { list: [secret] } } },
    'its twin in text': {
      result: { content: [{ type: 'text', text: JSON.stringify(secret) }], structuredContent: secret },
    },
    'other text': { result: { content: [{ type: 'text', text: message }], structuredContent: secret } },
    'a resource in the result': {
      result: { content: [{ type: 'resource', resource: { uri: 'x:y', text: JSON.stringify(secret) } }] },
    },
    _meta: { result: { content: [], _meta: { 'example.com/who': secret } } },
    'a failure of the tool': { result: { isError: true, content: [{ type: 'text', text: JSON.stringify(secret) }] } },
    'data of an error': { error: { code: -32000, message: 'no', data: secret } },
    'words of an error': { error: { code: -32000, message, data: secret } },
  };

  test.each(Object.entries(places))('in %s is gone, and in what is said meanwhile [D13]', async (_place, outcome) => {
    world.upstream.script((request, res) => {
      if (request.rpc.method !== 'tools/call') return answerMcp(request, res);
      const meta = request.rpc.params?._meta;
      const token = typeof meta === 'object' && meta !== null && 'progressToken' in meta ? meta.progressToken : 'none';
      openSse(res);
      const progress = { progressToken: token, progress: 1, message };
      res.write(event({ jsonrpc: '2.0', method: 'notifications/progress', params: progress }));
      const said = { level: 'error', data: { said: 'Ann', ...secret } };
      res.write(event({ jsonrpc: '2.0', method: 'notifications/message', params: said }));
      res.end(event({ jsonrpc: '2.0', id: request.rpc.id, ...outcome }));
    });
    const headers = await open('redacted', world.key);
    const params = { name: 'echo', arguments: {}, _meta: { progressToken: 'p' } };
    const stream = await openStream(world.url('redacted'), {
      headers,
      body: { jsonrpc: '2.0', id: 7, method: 'tools/call', params },
    });
    const heard: string[] = [];
    for (let next = await stream.next(); next; next = await stream.next()) heard.push(next.data);
    expect(heard.some((text) => text.includes('notifications/progress'))).toBe(true);
    expect(heard.at(-1)).toContain('"id":7');
    expect(heard.join('\n')).not.toContain('0151');
  });
});
