/** Messages that say one thing to the gateway and another to the server behind it. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createKey } from '#kit/gateway.ts';
import { bearer, call, send } from '#kit/http-client.ts';
import { startWorld, type World } from '#kit/world.ts';

const version = '2026-07-28';
const envelope = {
  'io.modelcontextprotocol/protocolVersion': version,
  'io.modelcontextprotocol/clientCapabilities': {},
  'io.modelcontextprotocol/clientInfo': { name: 't', version: '1' },
};

describe('smuggled messages', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld({ extraYaml: 'limits: { principal: { requestsPerMinute: 100000 } }\n' });
  });
  afterAll(() => world?.close());
  beforeEach(() => {
    world.upstream.script();
    world.upstream.clear();
  });

  const post = (name: string, body: unknown, headers: Record<string, string> = {}) =>
    send(world.url(name), { headers: { ...world.auth, ...headers }, body });
  const modern = (method: string, params: object = {}) => ({
    jsonrpc: '2.0',
    id: 1,
    method,
    params: { ...params, _meta: envelope },
  });
  const modernHeaders = (method: string, name?: string) => ({
    'mcp-protocol-version': version,
    'mcp-method': method,
    ...(name !== undefined && { 'mcp-name': name }),
  });
  const sent = () => world.upstream.requests;

  test('arguments that were enforced are not mirrored in headers as the caller would have them [S0.8]', async () => {
    const body = modern('tools/call', { name: 'retrieve', arguments: { filter: { team: 'blue' }, top: 3 } });
    await post('filtered', body, { ...modernHeaders('tools/call', 'retrieve'), 'mcp-param-team': 'blue' });
    expect(sent().at(-1)?.rpc.params?.arguments).toEqual({ filter: { team: 'red', level: 3 }, top: 3 });
    expect(sent().at(-1)?.headers['mcp-param-team']).toBeUndefined();
    await post('open', modern('tools/call', { name: 'echo' }), {
      ...modernHeaders('tools/call', 'echo'),
      'mcp-param-team': 'blue',
    });
    expect(sent().at(-1)?.headers['mcp-param-team']).toBe('blue');
  });

  test('headers mirror nothing that the body does not say [D4]', async () => {
    await post('open', modern('tools/list'), { ...modernHeaders('tools/list', 'retrieve') });
    expect(sent().at(-1)?.headers['mcp-name']).toBeUndefined();
    const { id: _id, ...note } = modern('notifications/cancelled', { requestId: 1 });
    const answer = await post('open', note, modernHeaders('tools/call', 'retrieve'));
    expect([answer.status, answer.json]).toEqual([
      400,
      expect.objectContaining({ error: expect.objectContaining({ code: -32020 }) }),
    ]);
  });

  test('an envelope spelt with escapes is an envelope [D1]', async () => {
    const body = JSON.stringify(modern('tools/list')).replaceAll('modelcontext', '\\u006dodelcontext');
    expect((await post('open', body)).json).toMatchObject({ error: { code: -32020 } });
    expect((await post('open', body, modernHeaders('tools/list'))).status).toBe(200);
    expect(sent()).toHaveLength(1);
    const odd = {
      ...modern('tools/list'),
      params: { _meta: { ...envelope, 'io.modelcontextprotocol/protocolVersion': 20260728 } },
    };
    expect((await post('open', odd)).status).toBe(400);
    expect(sent()).toHaveLength(1);
  });

  test('an answer in the modern era is refused: there are no questions in it', async () => {
    const answer = await post('open', { jsonrpc: '2.0', id: 1, result: {} }, { 'mcp-protocol-version': version });
    expect(answer.status).toBe(400);
    expect(sent()).toEqual([]);
  });

  test('a name that some server might read as the filtered tool does not pass unfiltered [S0.8] [D9]', async () => {
    const names = [
      'retrieve\u0000',
      'retrieve\u0000x',
      'retrieve\u200b',
      '\u2060retrieve',
      'retr\u00adieve',
      'retrieve\ufe0f',
      'RETRIEVE',
      ' retrieve',
      'retrieve\t',
      'retrieve\n',
      '\ufeffretrieve',
      'ｒetrieve',
      'retri\u034feve',
      'retrieve\u3164',
    ];
    for (const name of names) {
      const answer = await post('filtered', call(name, { filter: { team: 'blue' } }));
      expect([name, answer.json]).toEqual([
        name,
        expect.objectContaining({ error: expect.objectContaining({ code: -32602 }) }),
      ]);
    }
    expect(sent()).toEqual([]);
  });

  test('a key that some server might read as the enforced argument is refused [D1]', async () => {
    for (const key of ['Filter', 'ﬁlter', 'filter\u200b', 'filter ', 'filter\u0000', 'fi\u00adlter']) {
      const answer = await post('filtered', call('retrieve', { [key]: { team: 'blue' } }));
      expect([key, answer.json]).toEqual([
        key,
        expect.objectContaining({ error: expect.objectContaining({ code: -32602 }) }),
      ]);
    }
    const twice =
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"retrieve","arguments":{"filter":{"team":"red"},"f\\u0069lter":{"team":"blue"}}}}';
    expect((await post('filtered', twice)).status).toBe(400);
    expect(sent()).toEqual([]);
  });

  test('a call of a tool as a notification is filtered all the same [S0.8]', async () => {
    const { id: _id, ...note } = call('retrieve', { filter: { team: 'blue' } });
    await post('filtered', note);
    expect(sent().at(-1)?.rpc.params?.arguments).toEqual({ filter: { team: 'red', level: 3 } });
  });

  test('calls without params or with a name that is none reach nothing', async () => {
    for (const params of [undefined, {}, { name: 1 }, { name: null }, { name: ['retrieve'] }, []]) {
      const answer = await post('filtered', {
        jsonrpc: '2.0',
        id: 1,
        method: 'tools/call',
        ...(params !== undefined && { params }),
      });
      expect(answer.status).toBe(400);
    }
    expect(sent()).toEqual([]);
  });

  test('a storm of bad tokens neither opens anything nor closes the door for those inside', async () => {
    const key = await createKey(world.gateway);
    expect((await send(world.url('open'), { headers: bearer(key), body: call('echo') })).status).toBe(200);
    const storm = await Promise.all(
      Array.from({ length: 400 }, (_, i) =>
        send(world.url('open'), { headers: bearer(`gw_bad${i}`), body: call('echo') }),
      ),
    );
    expect(new Set(storm.map(({ status }) => status))).toEqual(new Set([401, 429]));
    expect((await send(world.url('open'), { headers: bearer(key), body: call('echo') })).status).toBe(200);
  });
});
