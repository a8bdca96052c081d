import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { call, send } from '#kit/http-client.ts';
import { startWorld, type World } from '#kit/world.ts';

/** Enforced in the collection `filtered` on the tool `retrieve`. */
const enforced = { team: 'red', level: 3 };

describe('an enforced filter cannot be widened', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world?.close());
  beforeEach(() => world.upstream.clear());

  const post = (body: unknown) => send(world.url('filtered'), { headers: world.auth, body });
  const sentArguments = () => world.upstream.requests.at(-1)?.rpc.params?.arguments;

  const merged: readonly (readonly [string, unknown, unknown])[] = [
    ['absent arguments', undefined, { filter: enforced }],
    ['null arguments', null, { filter: enforced }],
    ['empty arguments', {}, { filter: enforced }],
    ['no filter', { query: 'q' }, { query: 'q', filter: enforced }],
    ['a null filter', { filter: null }, { filter: enforced }],
    ['an empty filter', { filter: {} }, { filter: enforced }],
    ['another value', { filter: { team: 'blue' } }, { filter: enforced }],
    ['a null value', { filter: { team: null, level: null } }, { filter: enforced }],
    ['more keys', { filter: { team: 'blue', year: 2024 } }, { filter: { ...enforced, year: 2024 } }],
    ['an operator as value', { filter: { team: { $ne: 'red' } } }, { filter: enforced }],
  ];
  test.each(merged)(
    '%s become the enforced filter, the collection winning [S0.8] [X0.1]',
    async (_what, args, sent) => {
      const body = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'retrieve', arguments: args } };
      const answer = await post(body);
      expect(answer.status).toBe(200);
      expect(sentArguments()).toEqual(sent);
    },
  );

  const refused: readonly (readonly [string, unknown])[] = [
    ['an array as filter', { filter: [] }],
    ['an array of filters', { filter: [{ team: 'red' }] }],
    ['a string as filter', { filter: 'x' }],
    ['a number as filter', { filter: 0 }],
    ['true as filter', { filter: true }],
    ['false as filter', { filter: false }],
  ];
  test.each(refused)('%s is refused with -32602 and reaches nothing [S0.8] [X0.1]', async (_what, args) => {
    const answer = await post(call('retrieve', args, 5));
    expect(answer.json).toMatchObject({ jsonrpc: '2.0', id: 5, error: { code: -32602 } });
    expect(world.upstream.requests).toHaveLength(0);
  });

  test.each([['[]'], ['"x"'], ['0'], ['true'], ['[{"filter":{}}]']])(
    'arguments %s are refused [X0.1]',
    async (args) => {
      const answer = await post(
        `{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"retrieve","arguments":${args}}}`,
      );
      expect(answer.json).toMatchObject({ error: { code: -32602 } });
      expect(world.upstream.requests).toHaveLength(0);
    },
  );

  test.each([
    ['null', '{"jsonrpc":"2.0","id":5,"method":"tools/call","params":null}'],
    ['an array', '{"jsonrpc":"2.0","id":5,"method":"tools/call","params":["retrieve",{}]}'],
    ['a string', '{"jsonrpc":"2.0","id":5,"method":"tools/call","params":"retrieve"}'],
    ['absent', '{"jsonrpc":"2.0","id":5,"method":"tools/call"}'],
    ['without a name', '{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"arguments":{}}}'],
    [
      'with a name that is no string',
      '{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":["retrieve"],"arguments":{}}}',
    ],
  ])('params %s never reach the upstream [X0.1]', async (_what, body) => {
    const answer = await post(body);
    expect(answer.json).toMatchObject({ error: { code: expect.toBeOneOf([-32602, -32600]) } });
    expect(world.upstream.requests).toHaveLength(0);
  });

  test.each([
    ['one', [call('retrieve', {})]],
    ['none', []],
    ['two', [call('echo', {}), call('retrieve', {})]],
    ['nested', [[call('retrieve', {})]]],
  ])('a batch of %s is refused before anything is read [X0.1] [D3]', async (_what, body) => {
    const answer = await post(body);
    expect(answer.status).toBe(400);
    expect(answer.json).toEqual({
      jsonrpc: '2.0',
      id: null,
      error: { code: -32600, message: 'Batch requests are not supported' },
    });
    expect(world.upstream.requests).toHaveLength(0);
  });

  test('an escaped spelling of a key is the key [X0.1] [D1]', async () => {
    await post(
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"n\\u0061me":"retrieve","arguments":{"f\\u0069lter":{"te\\u0061m":"blue"}}}}',
    );
    expect(sentArguments()).toEqual({ filter: enforced });
    await post(
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"retriev\\u0065","\\u0061rguments":{"query":"q"}}}',
    );
    expect(sentArguments()).toEqual({ query: 'q', filter: enforced });
  });

  test.each([
    ['method', '{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"retrieve"}}'],
    ['params', '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"},"params":{"name":"retrieve"}}'],
    ['name', '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","name":"retrieve"}}'],
    [
      'an escaped name',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","n\\u0061me":"retrieve"}}',
    ],
    [
      'arguments',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"retrieve","arguments":{},"arguments":{"filter":{}}}}',
    ],
    [
      'filter',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"retrieve","arguments":{"filter":{"team":"blue"},"filter":{"team":"red"}}}}',
    ],
    [
      'a key of the filter',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"retrieve","arguments":{"filter":{"team":"blue","t\\u0065am":"x"}}}}',
    ],
    ['id', '{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/call","params":{"name":"retrieve"}}'],
  ])('a second %s is refused with 400 [X0.1] [D1]', async (_what, body) => {
    const answer = await post(body);
    expect(answer.status).toBe(400);
    expect(answer.json).toMatchObject({ error: { code: expect.toBeOneOf([-32700, -32600]) } });
    expect(world.upstream.requests).toHaveLength(0);
  });

  test.each([
    ['Filter', { Filter: { team: 'blue' } }],
    ['FILTER', { FILTER: {} }],
    ['full-width filter', { ｆilter: { team: 'blue' } }],
    ['Team inside', { filter: { Team: 'blue' } }],
  ])('a look-alike key (%s) does not pass beside the enforced one [D1]', async (_what, args) => {
    const answer = await post(call('retrieve', args));
    expect(answer.json).toMatchObject({ error: { code: -32602 } });
    expect(world.upstream.requests).toHaveLength(0);
  });

  test.each(['Retrieve', 'RETRIEVE', 'retrieve ', ' retrieve', 'retrieve\u0000', 'ｒetrieve', 're\u200btrieve'])(
    'a look-alike tool name %j never runs the tool unfiltered [D1] [D6]',
    async (name) => {
      await post(call(name, { filter: { team: 'blue' } }));
      for (const { rpc } of world.upstream.requests) {
        expect(String(rpc.params?.name).trim().toLowerCase().normalize('NFKC')).not.toBe('retrieve');
      }
    },
  );

  test('a call without a name of its own is not a way around: completion and prompts go out unfiltered and untouched', async () => {
    const body =
      '{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"retrieve","arguments":{"filter":"x"}}}';
    expect((await post(body)).status).toBe(200);
    expect(world.upstream.requests.at(-1)?.text).toBe(body);
  });
});
