/** Documents as their readers take them: valid OpenAPI 3.1, and every operation called in the way of Open WebUI and of mcpo. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type RestWorld, startRestWorld } from '#kit/rest-world.ts';

let world: RestWorld;
beforeAll(async () => {
  world = await startRestWorld({ extraYaml: 'http: { keysHost: keys.localhost }\n' });
}, 60_000);
afterAll(() => world?.close());

const schema = z.record(z.string(), z.unknown());
const media = z.strictObject({ 'application/json': z.strictObject({ schema }) });
const operation = z.strictObject({
  operationId: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/)
    .optional(),
  tags: z.array(z.string()),
  summary: z.string().min(1),
  description: z.string().min(1),
  deprecated: z.literal(true).optional(),
  requestBody: z.strictObject({ required: z.literal(true), content: media }).optional(),
  responses: z.strictObject({
    '200': z.strictObject({ description: z.string(), content: media }),
    default: z.strictObject({ description: z.string(), content: media }),
  }),
});
/** OpenAPI 3.1, as far as these documents go. */
const document = z.strictObject({
  openapi: z.literal('3.1.0'),
  info: z.strictObject({ title: z.string(), description: z.string(), version: z.string() }),
  servers: z.tuple([z.strictObject({ url: z.url() })]),
  paths: z.record(z.string().startsWith('/'), z.strictObject({ post: operation })),
  components: z.strictObject({ schemas: z.record(z.string(), schema), securitySchemes: z.record(z.string(), schema) }),
  // A server that took its time.
  'x-stale': z.array(z.string()).optional(),
  security: z.array(z.record(z.string(), z.tuple([]))),
});
type Document = z.infer<typeof document>;

async function read(path: string, headers = world.bob): Promise<Document> {
  const answer = await world.get(path, headers);
  expect(answer.status, path).toBe(200);
  const found = document.parse(answer.json);
  expect(unresolved(answer.json, answer.json)).toEqual([]);
  const ids = operationsOf(found).flatMap(({ operationId }) => operationId ?? []);
  expect(new Set(ids).size).toBe(ids.length);
  for (const needed of found.security)
    for (const name of Object.keys(needed)) expect(found.components.securitySchemes).toHaveProperty(name);
  return found;
}

const operationsOf = ({ paths }: Document) => Object.entries(paths).map(([path, { post }]) => ({ path, ...post }));

/** References that lead nowhere in the document. */
function unresolved(value: unknown, root: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    if (key !== '$ref' || typeof inner !== 'string') return unresolved(inner, root);
    let at: unknown = root;
    for (const part of inner.slice(2).split('/')) at = Reflect.get(Object(at), part);
    return inner.startsWith('#/') && at !== undefined ? [] : [inner];
  });
}

/** open-webui backend/open_webui/utils/tools.py, execute_tool_server: the configured address and the path of the operation. */
async function callAsOpenWebui(base: string, found: Document, name: string, params: object) {
  const one = operationsOf(found).find(({ operationId }) => operationId === name);
  if (!one) throw new Error(`No matching route found for operationId: ${name}`);
  if (one.requestBody && Object.keys(params).length === 0)
    throw new Error(`Request body expected for operation '${name}' but none found.`);
  return world.post(base + one.path, params, { ...world.bob, accept: '*/*' });
}

const bases = [
  ['everything at the root', '', 'plain_'],
  ['everything at /mcp', '/mcp', 'plain_'],
  ['everything of an organization', '/default/mcp', 'plain_'],
  ['a server', '/mcp/plain', ''],
  ['a server of an organization', '/default/mcp/plain', ''],
  ['a collection', '/mcp/my_docs', ''],
] as const;

describe.each(bases)('the document of %s', (_what, base, prefix) => {
  test('every operation can be called below its address [S3.19] [S3.20]', async () => {
    const found = await read(`${base}/openapi.json`);
    const [{ url }] = found.servers;
    expect(url).toBe(world.gateway.url.replace('127.0.0.1', 'localhost') + base);
    expect(operationsOf(found).length).toBeGreaterThan(4);
    for (const one of operationsOf(found)) {
      const answer = await world.post(base + one.path, { n: 1 });
      const isFailing = one.path.endsWith('fail');
      expect([one.path, answer.status]).toEqual([one.path, isFailing ? 500 : 200]);
    }
    expect((await callAsOpenWebui(base, found, `${prefix}echo`, { n: 2 })).json).toEqual({ n: 2 });
    expect((await callAsOpenWebui(base, found, `${prefix}ping`, {})).status).toBe(200);
    expect((await callAsOpenWebui(base, found, `${prefix}tree_grow`, { root: {} })).json).toEqual({ leaves: 3 });
  });
});

test('each tool stands by path, and once more in the deprecated form, which makes no second tool [S3.19]', async () => {
  const found = operationsOf(await read('/mcp/openapi.json'));
  const byPath = new Map(found.map((one) => [one.path, one]));
  expect(byPath.get('/plain/echo')).toMatchObject({ operationId: 'plain_echo', summary: 'Echo' });
  expect(byPath.get('/plain/echo')?.description).toBe('[Plain Tools] Gives back what it got');
  expect(byPath.get('/plain_echo')).toMatchObject({ deprecated: true });
  for (const { deprecated, operationId } of found) expect(deprecated === true).toBe(operationId === undefined);
});

test('schemas are whole: definitions in their places, nothing that leads into itself or away [S3.19]', async () => {
  const { paths } = await read('/mcp/plain/openapi.json');
  const body = paths['/tree.grow']?.post.requestBody?.content['application/json'].schema;
  expect(body).toEqual({
    type: 'object',
    required: ['root'],
    properties: {
      root: {
        type: 'object',
        description: 'Where it begins',
        properties: { name: { type: 'string' }, children: { type: 'array', items: {} } },
      },
      kind: { anyOf: [{ enum: ['oak', 'fir'] }, { type: 'null' }] },
      free: {},
      away: {},
    },
  });
  expect(paths['/ping']?.post.requestBody).toBeUndefined();
  expect(paths['/tree.grow']?.post.responses['200'].content['application/json'].schema).toMatchObject({
    properties: { leaves: { type: 'integer' } },
  });
});

test('a document shows what its reader may use and nothing else [S3.19] [S3.12] [S4.13]', async () => {
  const text = (headers: typeof world.bob) => world.get('/openapi.json', headers).then((answer) => answer.text);
  expect(await text(world.ann)).toContain('/mcp/admins/echo');
  expect(await text(world.bob)).not.toContain('admins');
});

test('a server that is away is left out and said to be, the others are there', async () => {
  const answer = await world.get('/openapi.json', world.ann);
  expect(answer.json).toMatchObject({ 'x-missing': ['gone'] });
  expect(Object.keys((answer.json as Document).paths)).toContain('/mcp/plain/echo');
});

test('meta tools search, describe, call and count [S3.22]', async () => {
  for (const base of ['/meta', '/mcp/meta']) {
    const found = await world.post(`${base}/search_tools`, { query: 'grow a tree', limit: 3 });
    expect(found.json).toMatchObject({
      query: 'grow a tree',
      count: expect.any(Number),
      results: expect.arrayContaining([
        {
          tool_name: 'plain_tree.grow',
          server_id: 'plain',
          display_name: expect.any(String),
          description: 'Has definitions',
          relevance_score: expect.any(Number),
        },
      ]),
    });
    const described = await world.post(`${base}/describe_tools`, { tool_names: ['plain_tree.grow', 'admins_echo'] });
    const { count, tools } = described.json as { count: number; tools: { endpoint?: string; error?: string }[] };
    expect(count).toBe(2);
    expect(tools[0]).toMatchObject({
      tool_name: 'plain_tree.grow',
      request_body: expect.anything(),
      parameters: expect.any(Array),
    });
    expect((await world.post(tools[0]?.endpoint ?? '', {})).json).toEqual({ leaves: 3 });
    expect(tools[1]).toEqual({ tool_name: 'admins_echo', error: expect.any(String) });
    const called = await world.post(`${base}/call_tool`, { tool_name: 'plain_echo', arguments: { n: 4 } });
    expect([called.status, called.json]).toEqual([200, { n: 4 }]);
    expect((await world.get(`${base}/stats`)).json).toMatchObject({ total_tools: 15, total_servers: 3 });
  }
  expect((await world.post('/meta/call_tool', { tool_name: 'admins_echo', arguments: {} })).status).toBe(404);
  expect((await world.post('/meta/call_tool', { tool_name: 'admins_echo' }, world.ann)).status).toBe(200);
  for (const body of [{}, { tool_name: 7 }, { tool_name: 'plain_echo', arguments: [] }])
    expect((await world.post('/meta/call_tool', body)).status).toBe(400);
  expect((await world.post('/meta/search_tools', { query: 5 })).status).toBe(400);
});

test('the address for API keys has the same, and says nothing of a sign-in', async () => {
  const host = `keys.localhost:${new URL(world.gateway.url).port}`;
  const stranger = await world.get('/openapi.json', { host });
  expect([stranger.status, stranger.json]).toEqual([200, expect.objectContaining({ paths: {} })]);
  const refused = await world.post('/mcp/plain/echo', {}, { host });
  expect([refused.status, refused.json]).toEqual([401, { detail: 'Authentication required' }]);
  expect(refused.headers['www-authenticate'] ?? '').not.toContain('resource_metadata');
  expect((await world.get('/servers', { ...world.bob, host })).status).toBe(401);
});
