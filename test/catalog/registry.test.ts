/** What clients that know registries find here: what they may use, as a call would be judged. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { type CatalogWorld, openCatalogWorld } from './world.ts';

let world: CatalogWorld;
let key = '';

const servers = ['alpha', 'beta', 'gamma', 'hidden'];
const yaml = `
organizations: [{ slug: acme, name: Acme }, { slug: other, name: Other }]
servers:
${servers.map((name) => `  - { key: ${name}, title: The ${name}, transport: { kind: http, url: 'https://${name}.example/mcp' } }`).join('\n')}
enablements:
  - { organization: acme, server: alpha, allMembers: true }
  - { organization: acme, server: beta, allMembers: true }
  - { organization: acme, server: hidden, allowedRoles: [nobody-has-it] }
  - { organization: other, server: gamma, allMembers: true }
collections:
  - { organization: acme, name: both, allowedRoles: '*', bindings: [{ server: alpha }, { server: beta }] }
`;

beforeAll(async () => {
  world = await openCatalogWorld(yaml, { BASE_URL: 'https://gateway.example.com', ALLOWED_HOSTS: 'localhost' });
  key = await world.key('acme');
}, 60_000);
afterAll(() => world?.close());

const list = z.object({
  servers: z.array(z.object({ server: z.looseObject({ name: z.string() }), _meta: z.record(z.string(), z.unknown()) })),
  metadata: z.object({ count: z.number(), nextCursor: z.string().optional() }),
});
let base = '';
const get = (path: string, token?: string) =>
  fetch(`${base}${path}`, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } });
const found = async (path: string, token?: string) => list.parse(await (await get(path, token)).json());
const names = async (path: string, token?: string) =>
  (await found(path, token)).servers.map(({ server }) => server.name.split('/')[1]);

test('a caller finds the servers and collections of the organization that a call would reach, as server.json', async () => {
  base = world.local;
  expect(await names('/v0.1/servers', key)).toEqual(['alpha', 'beta', 'both']);
  const [first] = (await found('/v0.1/servers', key)).servers;
  expect(first).toEqual({
    server: {
      $schema: 'https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json',
      ...{ name: 'com.example.gateway/alpha', title: 'The alpha', description: 'The alpha', version: '1.0.0' },
      remotes: [{ type: 'streamable-http', url: 'https://gateway.example.com/mcp/alpha' }],
    },
    _meta: { 'com.example.gateway/gatehouse': { kind: 'server', status: 'active', isLatest: true } },
  });
  expect(await names('/v0.1/servers', await world.key('other'))).toEqual(['gamma']);
  expect(await names('/v0.1/servers', await world.key('acme', '--endpoints', 'beta'))).toEqual(['beta']);
});

test('strangers find nothing, and a bad token is refused', async () => {
  expect(await found('/v0.1/servers')).toEqual({ servers: [], metadata: { count: 0 } });
  expect((await get('/v0.1/servers/com.example.gateway%2Falpha/versions/latest')).status).toBe(404);
  const refused = await get('/v0.1/servers', 'nonsense');
  expect(refused.status).toBe(401);
  expect((await get('/v0.1/servers', key)).headers.get('cache-control')).toBe('private, no-store');
});

test('lists come in pages, are searched and asked for by version', async () => {
  const first = await found('/v0.1/servers?limit=2', key);
  expect(first.metadata).toEqual({ count: 2, nextCursor: 'com.example.gateway/beta' });
  const cursor = encodeURIComponent(first.metadata.nextCursor ?? '');
  expect(await names(`/v0.1/servers?limit=2&cursor=${cursor}`, key)).toEqual(['both']);
  expect(await names('/v0.1/servers?search=LPH', key)).toEqual(['alpha']);
  expect(await names('/v0.1/servers?version=latest&updated_since=2026-01-01T00:00:00Z', key)).toHaveLength(3);
  expect(await names('/v0.1/servers?version=9.9.9', key)).toEqual([]);
  for (const wrong of ['limit=0', 'limit=x', 'updated_since=yesterday'])
    expect((await get(`/v0.1/servers?${wrong}`, key)).status).toBe(400);
});

test('one server and its versions are found by the name in the list, others are not there', async () => {
  const one = '/v0.1/servers/com.example.gateway%2Falpha/versions';
  expect((await get(`${one}/latest`, key)).status).toBe(200);
  expect((await get(`${one}/1.0.0`, key)).status).toBe(200);
  expect((await get(`${one}/2.0.0`, key)).status).toBe(404);
  expect(await names(one, key)).toEqual(['alpha']);
  for (const name of ['hidden', 'gamma', 'nothing'])
    expect((await get(`/v0.1/servers/com.example.gateway%2F${name}/versions/latest`, key)).status).toBe(404);
  expect((await get('/v0.1/servers/com.example.gateway%2F..%2Fadmin/versions', key)).status).toBe(400);
});
