import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { asGatehouseError } from '#core/error.ts';
import { restDocument } from '#kit/rest-document.ts';
import { compileApi } from './compile.ts';
import { parseDocument } from './document.ts';
import { matchesGlob, validName } from './names.ts';
import type { Operation } from './plan.ts';
import { ArgumentProblem } from './problem.ts';
import { readDocument } from './reader.ts';
import { buildRequest } from './request.ts';

const document = (more: object) => JSON.stringify({ openapi: '3.0.0', info: { title: 'T', version: '1' }, ...more });
const paths = (operation: object, path = '/a') => document({ paths: { [path]: { get: operation } } });

function refusal(text: string): string {
  try {
    readDocument(text, {});
    return 'accepted';
  } catch (thrown) {
    return `${asGatehouseError(thrown).code}: ${asGatehouseError(thrown).message}`;
  }
}

describe('hostile documents are refused with one sentence [S8] [D16]', () => {
  const nested = (depth: number) => `{"openapi":"3.0.0","paths":${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}}`;
  const laughs = [
    'a: &a [x, x, x, x, x, x, x, x, x]',
    ...'bcdefgh'.split('').map((name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[i]}`).join(', ')}]`),
  ];
  const table: readonly (readonly [name: string, text: string, message: RegExp])[] = [
    ['nothing', '', /is not an object/],
    ['signs that open', `openapi: 3.1.0\nx: ${'['.repeat(1_000_000)}`, /nested too deeply/],
    ['lists in lists', `openapi: 3.1.0\nx:\n  ${'- '.repeat(500_000)}`, /nested too deeply/],
    ['directives', '%a\n'.repeat(330_000), /too many directives/],
    ['documents after each other', '---\n'.repeat(250_000), /several documents/],
    ['small words', `openapi: 3.1.0\nx: [${'&a b,'.repeat(200_000)}]`, /too large as YAML/],
    ['a page', '<!doctype html><p>hello', /document/],
    ['another version', '{"openapi":"4.0"}', /version/],
    ['Swagger 1', '{"swagger":"1.2"}', /Swagger/],
    ['no operations', document({ paths: {} }), /no operation/],
    [
      'an external reference',
      paths({ parameters: [{ $ref: 'http://169.254.169.254/x.json#/p' }] }),
      /nothing is fetched/,
    ],
    ['a file reference', paths({ parameters: [{ $ref: '../../etc/passwd' }] }), /at #\/paths\/\/a\/get\/parameters\/0/],
    ['depth', nested(5000), /deep|nested/],
    ['a prototype', '{"openapi":"3.0.0","__proto__":{"polluted":1}}', /__proto__/],
    ['a prototype in YAML', 'openapi: 3.0.0\n__proto__:\n  polluted: 1\n', /__proto__/],
    ['keys that stand twice', '{"openapi":"3.0.0","paths":{},"paths":{}}', /same key twice/],
    ['keys that stand twice in YAML', 'openapi: 3.0.0\npaths: {}\npaths: {}\n', /stands twice/],
    ['a billion laughs', `openapi: 3.0.0\n${laughs.join('\n')}\n`, /alias/i],
    [
      'too many operations',
      document({ paths: Object.fromEntries(Array.from({ length: 2001 }, (_, i) => [`/${i}`, { get: {} }])) }),
      /2001 operations/,
    ],
    ['too many bytes', `{"a":"${'x'.repeat(10_485_760)}"}`, /larger than/],
  ];
  for (const [name, text, message] of table) {
    test(name, () => {
      expect(refusal(text)).toMatch(/^bad_request: The OpenAPI document /);
      expect(refusal(text)).toMatch(message);
      expect(({} as { polluted?: number }).polluted).toBeUndefined();
    });
  }

  test('circles of references end, and multiplying ones stay small', () => {
    const schemas: Record<string, object> = { loop: { $ref: '#/components/schemas/loop' } };
    for (let i = 0; i < 30; i++) {
      const ref = { $ref: `#/components/schemas/s${i + 1}` };
      schemas[`s${i}`] = {
        type: 'object',
        properties: { a: ref, b: ref, c: ref, loop: { $ref: '#/components/schemas/loop' } },
      };
    }
    const given = document({
      paths: {
        '/a': {
          post: { requestBody: { content: { 'application/json': { schema: { $ref: '#/components/schemas/s0' } } } } },
        },
      },
      components: { schemas },
    });
    const api = compileApi(parseDocument(given));
    const [tool] = [...api.tools.values()];
    expect(tool?.definition.length).toBeLessThan(70_000);
  });

  test('templates that climb or hide a query are left out', () => {
    const bad = ['//evil.example/x', '/a/../b', '/a?b=c', '/a#b', '/a\\b', '/%2e%2e/x', '/a\r\nHost: x'];
    const all = Object.fromEntries([...bad, '/good'].map((path) => [path, { get: {} }]));
    const api = compileApi(parseDocument(document({ paths: all })));
    expect([...api.tools.keys()]).toEqual(['get_good']);
    expect(api.leftOut).toHaveLength(bad.length);
  });
});

test('no document makes the importer crash', () => {
  const text = JSON.stringify(restDocument('https://api.example.com'));
  const holes =
    /"(type|schema|parameters|in|name|content|properties|items|required|allOf|responses|requestBody|servers|url|security|info|title|\$ref)":/g;
  const places = [...text.matchAll(holes)].map(({ index, 0: whole }) => index + whole.length);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(places.length - 1), fc.jsonValue({ maxDepth: 2 })), { maxLength: 6 }),
      (edits) => {
        const value = JSON.parse(text) as object;
        let at = 0;
        const wanted = new Map(edits);
        const edited: unknown = JSON.parse(JSON.stringify(value), (_key, one: unknown) => {
          at++;
          return wanted.has(at % places.length) && at % 7 === 0 ? wanted.get(at % places.length) : one;
        });
        expect(refusal(JSON.stringify(edited))).toMatch(/^(accepted|bad_request)/);
      },
    ),
    { numRuns: 150 },
  );
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5 }), fc.string(), (value, path) => {
      const given = document({
        paths: { [`/${path}`]: { get: value, post: { requestBody: value, parameters: [value] } } },
        servers: [value],
        components: { schemas: value, securitySchemes: value },
        security: value,
      });
      expect(refusal(given)).toMatch(/^(accepted|bad_request)/);
    }),
    { numRuns: 200 },
  );
}, 30_000);

test('no argument changes host or path prefix, nor adds a header field [S8] [E4]', () => {
  const parameters = [
    { name: 'id', in: 'path', required: true, schema: {} },
    { name: 'deep', in: 'path', required: true, schema: {}, 'x-multi-segment': true },
    { name: 'q', in: 'query', schema: {}, allowReserved: true },
    { name: 'o', in: 'query', schema: {}, style: 'deepObject', explode: true },
    { name: 'X-H', in: 'header', schema: {} },
    { name: 'c', in: 'cookie', schema: {} },
  ];
  const api = compileApi(parseDocument(paths({ operationId: 'op', parameters }, '/fixed/{id}/mid/{deep}/end')));
  const operation: Operation = JSON.parse(api.tools.get('op')?.plan ?? '');
  const nasty = fc.constantFrom(
    '..',
    '.',
    '',
    '../../admin',
    '%2e%2e',
    '/',
    '//evil',
    '\\',
    'a\r\nH: v',
    '?x=1',
    '#',
    '@evil',
    '\u010d\u010a',
    ';',
    '\0',
  );
  const value = fc.oneof(nasty, fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 2 }));
  fc.assert(
    fc.property(fc.record({ id: value, deep: value, q: value, o: value, 'X-H': value, c: value }), (args) => {
      let request: ReturnType<typeof buildRequest>;
      try {
        const given = {
          operation,
          args,
          basePath: '/base/v1',
          headers: {},
          credential: undefined,
          bindingHeader: undefined,
        };
        request = buildRequest(given as Parameters<typeof buildRequest>[0]);
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(ArgumentProblem);
        return;
      }
      const url = new URL(request.path, 'https://api.example.com');
      expect(url.origin).toBe('https://api.example.com');
      expect(url.pathname).toMatch(/^\/base\/v1\/fixed\/[^/]+\/mid\/.+\/end$/);
      expect(url.hash).toBe('');
      expect(url.pathname + url.search).toBe(request.path.replaceAll("'", '%27'));
      expect(Object.keys(request.headers).every((name) => ['accept', 'x-h', 'cookie'].includes(name))).toBe(true);
      for (const text of Object.values(request.headers)) expect(text).toMatch(/^[\x20-\x7e\t]*$/);
      expect((request.headers.cookie ?? '').split(';').length).toBeLessThanOrEqual(1);
    }),
    { numRuns: 500 },
  );
});

test('names fit every client, globs take linear time', () => {
  fc.assert(
    fc.property(fc.string(), (name) => {
      expect(validName(name, 'x')).toMatch(/^[A-Za-z0-9_.-]{1,64}$/);
    }),
  );
  const before = performance.now();
  expect(matchesGlob('a'.repeat(50_000), `${'a*'.repeat(40)}b`)).toBe(false);
  expect(performance.now() - before).toBeLessThan(200);
  expect(matchesGlob('GET /repos/x', 'GET /repos/*')).toBe(true);
  expect(matchesGlob('/repos', '/repos/*')).toBe(false);
});

test('Swagger 2.0 becomes the same tools', () => {
  const swagger = {
    swagger: '2.0',
    info: { title: 'Pets', version: '1' },
    ...{ host: 'pets.example.com', basePath: '/v2', schemes: ['https'], consumes: ['application/json'] },
    paths: {
      '/pets/{id}': {
        parameters: [{ $ref: '#/parameters/id' }],
        post: {
          operationId: 'updatePet',
          parameters: [
            { name: 'tags', in: 'query', type: 'array', items: { type: 'string' }, collectionFormat: 'multi' },
            { in: 'body', name: 'body', required: true, schema: { $ref: '#/definitions/Pet' } },
          ],
          responses: { 200: { description: 'ok', schema: { $ref: '#/definitions/Pet' } } },
        },
      },
    },
    parameters: { id: { name: 'id', in: 'path', required: true, type: 'integer', format: 'int64' } },
    definitions: { Pet: { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] } },
    securityDefinitions: { key: { type: 'apiKey', in: 'header', name: 'api_key' } },
  };
  const read = readDocument(JSON.stringify(swagger), {});
  expect(read).toMatchObject({
    url: 'https://pets.example.com/v2',
    schemes: [{ kind: 'header api_key' }],
    leftOut: [],
  });
  const [tool] = [...compileApi(parseDocument(read.text)).tools.values()];
  expect(JSON.parse(tool?.definition ?? '')).toMatchObject({
    name: 'updatePet',
    inputSchema: {
      properties: { id: { type: 'integer' }, tags: { type: 'array' }, name: { type: 'string' } },
      required: ['id', 'name'],
    },
    outputSchema: { properties: { name: {} } },
  });
});

test('what is stored is the chosen part, with the choice', () => {
  const text = JSON.stringify(restDocument('https://api.example.com'));
  const read = readDocument(text, { selection: { tags: ['issues'], methods: ['get'], exclude: ['issues/get'] } });
  expect(read.tools.map(({ name }) => name)).toEqual(['issues_list-for-repo']);
  expect(read.text).not.toContain('full-repository');
  expect(readDocument(read.text, {})).toMatchObject({ digest: read.digest, selection: { tags: ['issues'] } });
  expect(readDocument(text, { selection: { deprecated: true } }).tools.map(({ name }) => name)).toContain('old');
  expect(readDocument(text, {}).tools.map(({ name }) => name)).not.toContain('old');
});
