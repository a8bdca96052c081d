import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Secret } from '#core/secret.ts';
import { openApiUpstream } from '#kit/openapi-upstream.ts';
import { type RestApi, type RestCall, startRestApi } from '#kit/rest-api.ts';

let api: RestApi;
beforeAll(async () => {
  api = await startRestApi();
  api.answerWith((_req, res) => {
    res.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    return true;
  });
});
afterAll(() => api.close());

/** One operation, called once: what the API was asked. */
async function asked(operation: object, args: object, { path = '/op', method = 'get', more = {} } = {}) {
  const document = {
    openapi: '3.1.0',
    info: { title: 'T', version: '1' },
    servers: [{ url: `${api.url}/base` }],
    paths: { [path]: { [method]: { operationId: 'op', responses: {}, ...operation } } },
    ...more,
  };
  const subject = openApiUpstream(document);
  const before = api.calls.length;
  const result = await subject.call('op', args, { credential: new Secret('user:secret-of-it') });
  await subject.upstream.close();
  const text = result.content[0]?.text;
  const sent: Partial<RestCall> = api.calls.length === before ? {} : api.last();
  return { ...sent, refused: api.calls.length === before ? text : undefined };
}

const color = { blue: ['blue', 'black'], rgb: { R: 100, G: 200 } };
const parameter = (place: string, style: string | undefined, explode?: boolean) => {
  return {
    parameters: [
      {
        name: 'color',
        in: place,
        required: place === 'path',
        schema: {},
        ...(style && { style }),
        ...(explode !== undefined && { explode }),
      },
    ],
  };
};

describe('styles of queries and paths (the table of OpenAPI 3.1, Parameter Object)', () => {
  const queries = [
    ['form', true, color.blue, 'color=blue&color=black'],
    ['form', false, color.blue, 'color=blue,black'],
    ['form', true, color.rgb, 'R=100&G=200'],
    ['form', false, color.rgb, 'color=R,100,G,200'],
    ['form', true, '', 'color='],
    ['spaceDelimited', false, color.blue, 'color=blue%20black'],
    ['pipeDelimited', false, color.blue, 'color=blue%7Cblack'],
    ['deepObject', true, color.rgb, 'color[R]=100&color[G]=200'],
    ['deepObject', true, { a: { b: [1, 2] } }, 'color[a][b]=1&color[a][b]=2'],
    ['form', true, 'a&b=c#d e+f', 'color=a%26b%3Dc%23d%20e%2Bf'],
  ] as const;
  for (const [style, explode, value, query] of queries) {
    test(`query ${style} ${explode ? 'exploded' : 'plain'} ${JSON.stringify(value)}`, async () => {
      expect((await asked(parameter('query', style, explode), { color: value })).url).toBe(`/base/op?${query}`);
    });
  }

  const paths = [
    ['simple', false, color.blue, 'blue,black'],
    ['simple', true, color.rgb, 'R=100,G=200'],
    ['simple', false, color.rgb, 'R,100,G,200'],
    ['label', false, color.blue, '.blue,black'],
    ['label', true, color.blue, '.blue.black'],
    ['matrix', false, color.blue, ';color=blue,black'],
    ['matrix', true, color.blue, ';color=blue;color=black'],
    ['matrix', true, color.rgb, ';R=100;G=200'],
  ] as const;
  for (const [style, explode, value, segment] of paths) {
    test(`path ${style} ${explode ? 'exploded' : 'plain'} ${JSON.stringify(value)}`, async () => {
      const { url } = await asked(parameter('path', style, explode), { color: value }, { path: '/x/{color}/y' });
      expect(url).toBe(`/base/x/${segment}/y`);
    });
  }

  test('headers and cookies', async () => {
    const { headers } = await asked(
      {
        parameters: [
          { name: 'X-Color', in: 'header', schema: {} },
          { name: 'taste', in: 'cookie', schema: {} },
        ],
      },
      { 'X-Color': ['a', 'b'], taste: 'sweet;x=1' },
    );
    expect(headers).toMatchObject({ 'x-color': 'a,b', cookie: 'taste=sweet%3Bx%3D1' });
  });

  test('a parameter whose content is JSON', async () => {
    const filter = { name: 'filter', in: 'query', content: { 'application/json': { schema: {} } } };
    expect((await asked({ parameters: [filter] }, { filter: { a: 1 } })).url).toBe('/base/op?filter=%7B%22a%22%3A1%7D');
  });
});

describe('bodies', () => {
  const body = (type: string, schema: object, encoding?: object) => ({
    requestBody: { required: true, content: { [type]: { schema, ...(encoding && { encoding }) } } },
  });
  const object = {
    type: 'object',
    properties: { name: { type: 'string' }, tags: { type: 'array', items: { type: 'string' } } },
  };
  const post = { method: 'post' };

  test('a form', async () => {
    const sent = await asked(
      body('application/x-www-form-urlencoded', object),
      { name: 'a b&c', tags: ['x', 'y'] },
      post,
    );
    expect(sent).toMatchObject({ body: 'name=a+b%26c&tags=x&tags=y' });
  });

  test('parts with a file, whose name ends no header [E4]', async () => {
    const file = { type: 'string', format: 'binary' };
    const schema = { type: 'object', properties: { name: { type: 'string' }, file } };
    const given = { data: Buffer.from('bytes').toString('base64'), filename: 'a"\r\nx: y.txt', mimeType: 'text/plain' };
    const sent = await asked(body('multipart/form-data', schema), { name: 'n', file: given }, post);
    expect(sent.headers?.['content-type']).toMatch(/^multipart\/form-data; boundary=/);
    expect(sent.body).toContain(
      'name="file"; filename="a%22%0D%0Ax: y.txt"\r\ncontent-type: text/plain\r\n\r\nbytes\r\n',
    );
    expect(sent.body).toContain('name="name"\r\n\r\nn\r\n');
  });

  test('text, bytes, lists and what is neither', async () => {
    expect(await asked(body('text/plain', {}), { body: 'hello' }, post)).toMatchObject({ body: 'hello' });
    expect(await asked(body('application/octet-stream', {}), { body: 'aGk=' }, post)).toMatchObject({ body: 'hi' });
    expect(await asked(body('application/json', { type: 'array' }), { body: [1] }, post)).toMatchObject({
      body: '[1]',
    });
    expect((await asked(body('application/octet-stream', {}), { body: '!' }, post)).refused).toContain('base64');
  });

  test('numbers keep their digits', async () => {
    const schema = { type: 'object', properties: { id: {} } };
    expect(await asked(body('application/json', schema), { id: JSON.rawJSON('9007199254740993') }, post)).toMatchObject(
      {
        body: '{"id":9007199254740993}',
      },
    );
  });

  test('names that clash get a number, each goes to its own place', async () => {
    const operation = {
      ...body('application/json', { type: 'object', properties: { id: { type: 'integer' } } }),
      parameters: [
        { name: 'id', in: 'path', required: true, schema: {} },
        { name: 'id', in: 'query', schema: {} },
      ],
    };
    const sent = await asked(operation, { id: 'p', id_2: 'q', id_3: 3 }, { path: '/op/{id}', method: 'put' });
    expect(sent).toMatchObject({ url: '/base/op/p?id=q', body: '{"id":3}' });
  });
});

describe('credentials go where the document says, and nobody else fills that place', () => {
  const secured = (scheme: object) => ({
    more: { components: { securitySchemes: { s: scheme } }, security: [{ s: [] }] },
  });
  const secret = 'user:secret-of-it';
  const schemes = [
    [{ type: 'http', scheme: 'bearer' }, { headers: { authorization: `Bearer ${secret}` } }],
    [
      { type: 'http', scheme: 'basic' },
      { headers: { authorization: `Basic ${Buffer.from(secret).toString('base64')}` } },
    ],
    [{ type: 'apiKey', in: 'header', name: 'X-API-Key' }, { headers: { 'x-api-key': secret } }],
    [{ type: 'apiKey', in: 'query', name: 'key' }, { url: `/base/op?key=${encodeURIComponent(secret)}` }],
    [{ type: 'apiKey', in: 'cookie', name: 'sid' }, { headers: { cookie: `sid=${encodeURIComponent(secret)}` } }],
    [{ type: 'openIdConnect', openIdConnectUrl: 'https://x' }, { headers: { authorization: `Bearer ${secret}` } }],
  ] as const;
  for (const [scheme, expected] of schemes) {
    test(`${scheme.type} ${'scheme' in scheme ? scheme.scheme : 'in' in scheme ? scheme.in : ''}`, async () => {
      expect(await asked({}, {}, secured(scheme))).toMatchObject(expected);
    });
  }

  test('an operation that needs none gets none', async () => {
    const sent = await asked({ security: [] }, {}, secured({ type: 'http', scheme: 'bearer' }));
    expect(sent.headers).not.toHaveProperty('authorization');
  });

  test('header fields of framing, identity and credentials are no arguments [S8]', async () => {
    const names = [
      'Host',
      'Authorization',
      'Cookie',
      'Content-Length',
      'Connection',
      'X-User-Email',
      'X-Forwarded-For',
      'x-key',
    ];
    const operation = { parameters: names.map((name) => ({ name, in: 'header', schema: {} })) };
    const key = secured({ type: 'apiKey', in: 'header', name: 'X-Key' });
    for (const name of names) expect((await asked(operation, { [name]: 'evil' }, key)).refused).toContain('unknown');
  });
});
