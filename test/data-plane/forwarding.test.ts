import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { bearer, call, send } from '#kit/http-client.ts';
import { json, result } from '#kit/recording-upstream.ts';
import { startWorld, upstreamSecret, type World } from '#kit/world.ts';

describe('what goes upstream and what comes back', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world?.close());
  beforeEach(() => {
    world.upstream.script();
    world.upstream.clear();
  });

  const post = (name: string, body: unknown, headers: Record<string, string> = {}) =>
    send(world.url(name), { headers: { ...world.auth, ...headers }, body });
  const received = () => {
    const request = world.upstream.requests.at(-1);
    if (!request) throw new Error('Nothing arrived upstream');
    return request;
  };
  const count = (name: string) =>
    received().rawHeaders.filter((field, index) => index % 2 === 0 && field.toLowerCase() === name).length;

  test('the partition stands in the path with its trailing slash, whichever form was called [S0.7] [S0.17] [X0.5]', async () => {
    for (const suffix of ['', '/']) {
      const answer = await post(`filtered${suffix}`, call('retrieve', { query: 'q' }));
      expect(answer.status).toBe(200);
      expect(received().target).toBe('/mcp/soc2/');
    }
    await post('open/', call('echo'));
    expect(received().target).toBe('/mcp');
  });

  test('the credential of the collection replaces the token of the caller, which never leaves [S0.18] [S0.7]', async () => {
    await post('filtered', call('retrieve', { query: 'q' }));
    expect(received().headers.authorization).toBe(`Bearer ${upstreamSecret}`);
    await post('open', call('echo'));
    expect(received().headers.authorization).toBeUndefined();
    expect(world.upstream.bytes().includes(world.key)).toBe(false);
  });

  test('Host, Content-Type and Content-Length are of the outgoing request [S0.18] [E5]', async () => {
    await post('filtered', call('retrieve', { query: 'q' }), { 'content-type': 'application/json; charset=utf-8' });
    const request = received();
    expect(request.headers.host).toBe(new URL(world.upstream.url).host);
    expect(request.headers['content-type']).toMatch(/^application\/json/);
    expect(request.headers['content-length']).toBe(String(request.body.length));
    expect([count('content-length'), count('host'), count('content-type'), count('authorization')]).toEqual([
      1, 1, 1, 1,
    ]);
  });

  test('identity and forwarding headers of the caller are dropped in every spelling [E3] [E22]', async () => {
    const spoofed = [
      'X-User-Email',
      'x-user-groups',
      'X_User_Email',
      'X-User-Admin',
      'X-User-Id',
      'X-Gateway-Validated',
      'X-Organization-Id',
      'X-Forwarded-User',
      'X_Forwarded_User',
      'Cookie',
      'Proxy-Authorization',
      'X-Api-Key-Extra',
      'Baggage',
      'Tracestate',
      'X-Custom',
    ];
    const headers = Object.fromEntries(
      spoofed.map((name) => [name, name === 'X-Organization-Id' ? 'demo' : 'evil-value']),
    );
    expect((await post('open', call('echo'), headers)).status).toBe(200);
    expect(world.upstream.bytes().includes('evil-value')).toBe(false);
  });

  test('the caller cannot strip what the gateway sets by naming it in Connection [E3]', async () => {
    await post('filtered', call('retrieve', {}), { connection: 'close, authorization, content-type, content-length' });
    expect(received().headers.authorization).toBe(`Bearer ${upstreamSecret}`);
    expect(received().headers['content-type']).toMatch(/^application\/json/);
  });

  const untouchedBodies: readonly (readonly [string, string])[] = [
    ['odd whitespace', ' \n{ "jsonrpc" :"2.0",\t"id": 7 , "method":"tools/call","params":{"name":"echo"  }}\r\n'],
    [
      'integers beyond 2^53',
      '{"jsonrpc":"2.0","id":9007199254740993,"method":"tools/call","params":{"name":"echo","arguments":{"n":9007199254740993}}}',
    ],
    [
      'numbers no double holds',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"n":1e400,"m":-0,"x":1.00}}}',
    ],
    [
      'unknown fields anywhere',
      '{"x":[],"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","zzz":{"a":null},"_meta":{"com.example/x":1}},"y":"\\u00e9é"}',
    ],
    ['an unknown method', '{"jsonrpc":"2.0","id":"a-b","method":"vendor/own-method","params":{"deep":[[[{}]]]}}'],
    [
      'escapes as they were written',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"e\\u0063ho","arguments":{"s":"\\/\\u2028😀\\ud83d\\ude00"}}}',
    ],
    [
      'empty keys and names',
      '{"jsonrpc":"2.0","id":"","method":"tools/call","params":{"name":"echo","arguments":{"":""}}}',
    ],
  ];
  test.each(untouchedBodies)('a body with %s goes out byte for byte [S0.9] [S0.18]', async (_what, body) => {
    expect((await post('open', body)).status).toBe(200);
    expect(received().text).toBe(body);
  });

  test.each(untouchedBodies)(
    'beside an enforced filter a body with %s keeps its digits [S0.8]',
    async (_what, body) => {
      const filtered = body.replace('"echo"', '"retrieve"');
      expect((await post('filtered', filtered)).status).toBe(200);
      const digits = (text: string) => text.match(/9007199254740993|1e400|-0|1\.00/g)?.length ?? 0;
      expect(digits(received().text)).toBe(digits(filtered));
    },
  );

  const answers: readonly (readonly [string, string])[] = [
    [
      'unknown content types',
      '{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"hologram","data":{"a":[1]}}],"vendor":true}}',
    ],
    [
      'numbers no double holds',
      '{"jsonrpc":"2.0","id":1,"result":{"structuredContent":{"n":9007199254740993,"m":1e400}}}',
    ],
    [
      'odd whitespace and escapes',
      ' { "jsonrpc":"2.0",\n"id":1 ,"result" : {"content":[{"type":"text","text":"\\u0041\\/é"}] } }\n',
    ],
    ['a task', '{"jsonrpc":"2.0","id":1,"result":{"resultType":"task","taskId":"t","status":"working"}}'],
    ['an error of the tool', '{"jsonrpc":"2.0","id":1,"error":{"code":-31999,"message":"no","data":{"x":[null]}}}'],
    ['duplicate keys of its own', '{"jsonrpc":"2.0","id":1,"result":{"a":1,"a":2}}'],
  ];
  test.each(answers)('an answer with %s comes back byte for byte [S0.9]', async (_what, body) => {
    world.upstream.script(json(body));
    const answer = await post('open', call('echo'));
    expect(answer.status).toBe(200);
    expect(answer.text).toBe(body);
    expect(answer.headers['content-type']).toMatch(/^application\/json/);
  });

  test('the own headers of the upstream that mean something to its connection are not passed on [E4]', async () => {
    world.upstream.script(
      result(
        {},
        { 'set-cookie': 'a=b', 'x-powered-by': 'evil', 'strict-transport-security': 'max-age=1', connection: 'close' },
      ),
    );
    const answer = await post('open', call('echo'));
    expect(answer.status).toBe(200);
    expect(answer.headers['set-cookie']).toBeUndefined();
    expect(answer.headers['x-powered-by']).toBeUndefined();
  });

  test('notifications and answers of the client are passed on and acknowledged with 202 [S0.9]', async () => {
    for (const body of [
      { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } },
      { jsonrpc: '2.0', method: 'notifications/vendor', params: {} },
    ]) {
      const answer = await post('open', body);
      expect([answer.status, answer.text]).toEqual([202, '']);
      expect(received().text).toBe(JSON.stringify(body));
    }
  });

  test('an untouched tool of a filtered collection goes out unchanged [S0.8]', async () => {
    const body = JSON.stringify(call('echo', { filter: { team: 'blue' } }));
    await post('filtered', body);
    expect(received().text).toBe(body);
  });

  test('connections to the upstream are reused', async () => {
    for (let i = 0; i < 30; i++) await post('open', call('echo', { i }));
    expect(world.upstream.openSockets()).toBeLessThanOrEqual(3);
  });

  test('the example of the documentation works as printed [S0.45] [S0.46]', async () => {
    const answer = await send(`${world.gateway.url}/org_123/mcp/filtered`, {
      headers: bearer(world.key),
      body: '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"retrieve","arguments":{"query":"What is our leave policy?"}}}',
    });
    expect(answer.status).toBe(200);
    expect(received().rpc.params?.arguments).toEqual({
      query: 'What is our leave policy?',
      filter: { team: 'red', level: 3 },
    });
  });
});
