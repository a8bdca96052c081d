import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { call, send } from '#kit/http-client.ts';
import { startWorld, type World } from '#kit/world.ts';

describe('which bodies are taken', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world?.close());
  beforeEach(() => world.upstream.clear());

  const post = (body: string | undefined, headers: Record<string, string> = {}) =>
    send(world.url('open'), { headers: { ...world.auth, ...headers }, body });
  const untouched = () => expect(world.upstream.bytes().length).toBe(0);
  const alive = async () => expect((await post(JSON.stringify(call('echo')))).status).toBe(200);
  const good = JSON.stringify(call('echo', { a: 1 }));

  test.each([
    'text/plain',
    'text/plain; charset=application/json',
    'application/json garbage',
    'application/jsonx',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=application/json',
    'application/ld+json',
    'text/json',
    ',application/json',
  ])('the content type %j is 415, and the process lives [X0.2] [E14]', async (type) => {
    const answer = await post(good, { 'content-type': type });
    expect(answer.status).toBe(415);
    expect(answer.json).toMatchObject({ jsonrpc: '2.0', error: { code: -32000 } });
    untouched();
    await alive();
  });

  test.each(['application/json', 'application/json;charset=utf-8', 'Application/JSON; charset="UTF-8"'])(
    'the content type %j is JSON [E14]',
    async (type) => {
      expect((await post(good, { 'content-type': type })).status).toBe(200);
    },
  );

  test('a text/plain call of a filtered tool does not pass [X0.2]', async () => {
    const answer = await send(world.url('filtered'), {
      headers: { ...world.auth, 'content-type': 'text/plain' },
      body: call('retrieve', { filter: null }),
    });
    expect(answer.status).toBe(415);
    untouched();
    expect(world.gateway.logs().filter(({ level }) => level === 'fatal')).toEqual([]);
  });

  const broken: readonly (readonly [string, string])[] = [
    ['nothing', ''],
    ['white space', '  \n'],
    ['no JSON', 'hello'],
    ['a half', '{"jsonrpc":"2.0","id":1,"method":"tools/c'],
    ['trailing data', `${good}x`],
    ['two documents', `${good}${good}`],
    ['a comment', `/* */${good}`],
    ['NaN', '{"jsonrpc":"2.0","id":1,"method":"x","params":{"n":NaN}}'],
    ['single quotes', "{'jsonrpc':'2.0'}"],
    ['a trailing comma', '{"jsonrpc":"2.0","id":1,"method":"ping",}'],
    ['a byte-order mark', `\ufeff${good}`],
    ['__proto__', '{"jsonrpc":"2.0","id":1,"method":"ping","__proto__":{"x":1}}'],
    ['a raw control character in a string', '{"jsonrpc":"2.0","id":1,"method":"pi\u0001ng"}'],
    ['a number with a leading zero', '{"jsonrpc":"2.0","id":01,"method":"ping"}'],
  ];
  test.each(broken)('%s is a parse error [E11] [D1]', async (_what, body) => {
    const answer = await post(body);
    expect(answer.status).toBe(400);
    expect(answer.json).toMatchObject({
      jsonrpc: '2.0',
      id: null,
      error: { code: expect.toBeOneOf([-32700, -32600]) },
    });
    untouched();
  });

  test.each([
    ['invalid UTF-8', Buffer.from('{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"\xff"}}', 'latin1')],
    ['overlong UTF-8', Buffer.from('{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"\xc0\xaf"}}', 'latin1')],
    ['UTF-16', Buffer.from(good, 'utf16le')],
  ])('%s is refused [D1]', async (_what, bytes) => {
    const { sendRaw } = await import('#kit/raw-client.ts');
    const head = `POST /demo/mcp/open HTTP/1.1\r\nHost: 127.0.0.1:${world.port}\r\nAuthorization: Bearer ${world.key}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: ${bytes.length}\r\n\r\n`;
    const { answers } = await sendRaw(world.port, Buffer.concat([Buffer.from(head), bytes]));
    expect(answers[0]?.status).toBe(400);
    untouched();
  });

  const invalid: readonly (readonly [string, string])[] = [
    ['jsonrpc missing', '{"id":1,"method":"ping"}'],
    ['jsonrpc a number', '{"jsonrpc":2.0,"id":1,"method":"ping"}'],
    ['jsonrpc 1.0', '{"jsonrpc":"1.0","id":1,"method":"ping"}'],
    ['an id that is null', '{"jsonrpc":"2.0","id":null,"method":"ping"}'],
    ['an id that is an object', '{"jsonrpc":"2.0","id":{},"method":"ping"}'],
    ['an id that is an array', '{"jsonrpc":"2.0","id":[1],"method":"ping"}'],
    ['an id that is true', '{"jsonrpc":"2.0","id":true,"method":"ping"}'],
    ['a method that is a number', '{"jsonrpc":"2.0","id":1,"method":1}'],
    ['neither method nor result', '{"jsonrpc":"2.0","id":1}'],
    ['a result beside a method', '{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}'],
    ['result and error', '{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":"x"}}'],
    ['a string', '"tools/call"'],
    ['null', 'null'],
    ['a look-alike of a reserved key', '{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call"}'],
    ['a folded look-alike', '{"jsonrpc":"2.0","id":1,"method":"ping","paramſ":{}}'],
    ['params an array', '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[]}'],
  ];
  test.each(invalid)('%s is an invalid request [D1]', async (_what, body) => {
    const answer = await post(body);
    expect(answer.status).toBe(400);
    expect(answer.json).toMatchObject({ jsonrpc: '2.0', error: { code: expect.toBeOneOf([-32600, -32602, -32700]) } });
    untouched();
  });

  const nested = (depth: number) =>
    `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"a":${'['.repeat(depth)}${']'.repeat(depth)}}}}`;
  const wide = (keys: number) =>
    `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{${Array.from({ length: keys }, (_, i) => `"k${i}":0`).join(',')}}}}`;

  test('deep, wide and bracket bombs are refused at once [E11]', async () => {
    for (const body of [nested(33), wide(5001), '['.repeat(1_000_000), nested(400_000)]) {
      const before = performance.now();
      const answer = await post(body);
      expect(answer.status).toBe(400);
      expect(performance.now() - before).toBeLessThan(500);
    }
    untouched();
    expect((await post(nested(28))).status).toBe(200);
    expect((await post(wide(4900))).status).toBe(200);
  });

  const sized = (bytes: number) => {
    const body = JSON.stringify(call('echo', { a: '' }));
    return body.replace('""', `"${'x'.repeat(bytes - body.length)}"`);
  };

  test('one mebibyte passes and one byte more is 413 [E10]', async () => {
    expect((await post(sized(1_048_576 - 200))).status).toBe(200);
    world.upstream.clear();
    const answer = await post(sized(1_048_577));
    expect(answer.status).toBe(413);
    untouched();
  });

  test('a chunked body is cut at the limit however long it goes on [E10]', async () => {
    const { sendRaw } = await import('#kit/raw-client.ts');
    const head = `POST /demo/mcp/open HTTP/1.1\r\nHost: 127.0.0.1:${world.port}\r\nAuthorization: Bearer ${world.key}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`;
    const chunk = `10000\r\n${' '.repeat(65_536)}\r\n`;
    // Waits for a second answer, that is for the close.
    const { answers, closed } = await sendRaw(world.port, [head, ...Array<string>(40).fill(chunk)], { answers: 2 });
    // A client that is still sending may lose the answer to the reset of the connection.
    expect(answers[0]?.status ?? 413).toBe(413);
    expect(closed || answers[0]?.headers.get('connection') === 'close').toBe(true);
    untouched();
  });

  test('compressed bodies are not taken [E10]', async () => {
    const packed = gzipSync(good);
    const { sendRaw } = await import('#kit/raw-client.ts');
    const head = `POST /demo/mcp/open HTTP/1.1\r\nHost: 127.0.0.1:${world.port}\r\nAuthorization: Bearer ${world.key}\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: ${packed.length}\r\n\r\n`;
    const { answers } = await sendRaw(world.port, Buffer.concat([Buffer.from(head), packed]));
    expect(answers[0]?.status).toBe(415);
    untouched();
  });

  test('a foreign Host is 421 and a foreign or null Origin is 403, without any CORS header [E13] [E15]', async () => {
    for (const host of [
      'evil.example',
      `evil.example:${world.port}`,
      '127.0.0.1.evil.example',
      'localhost.evil.example',
    ])
      expect([421, 403], host).toContain((await post(good, { host })).status);
    for (const origin of ['http://evil.example', 'null', `http://127.0.0.1.evil.example:${world.port}`, 'file://']) {
      const answer = await post(good, { origin });
      expect([origin, answer.status]).toEqual([origin, 403]);
      expect(answer.headers['access-control-allow-origin']).toBeUndefined();
    }
    untouched();
    expect((await post(good, { origin: `http://127.0.0.1:${world.port}` })).status).toBe(200);
  });

  test('verbs are not tunnelled and others than three are 405 [E18]', async () => {
    for (const method of ['PUT', 'PATCH', 'TRACE', 'HEAD', 'OPTIONS', 'PROPFIND']) {
      const answer = await send(world.url('open'), { method, headers: world.auth });
      expect([method, [405, 501, 204].includes(answer.status)]).toEqual([method, true]);
    }
    await post(good, { 'x-http-method-override': 'DELETE', 'x-method-override': 'DELETE' });
    expect(world.upstream.requests.map(({ method }) => method)).toEqual(['POST']);
  });
});
