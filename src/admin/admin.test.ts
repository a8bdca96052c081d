import fastify, { type FastifyInstance } from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { kmsAdapters } from '#adapters/kms/index.ts';
import { openCedar } from '#adapters/policy/cedar/cedar.ts';
import { systemClock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import { asOrgId } from '#core/ids.ts';
import { silentLog } from '#core/log.ts';
import { type ApiKeyPrincipal, principalKey } from '#core/principal.ts';
import { Secret } from '#core/secret.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { looksLikeApiKey, openApiKeys, parseApiKey } from '#records/api-key.ts';
import { openDataKeyStore } from '#records/data-keys.ts';
import { findKey } from '#records/keys.ts';
import { openVault } from '#records/vault.ts';
import { type Applied, applyConfig, type Wanted } from './apply.ts';
import { type AdminRoute, contract } from './contract.ts';
import { ensureDemo } from './demo.ts';
import { type AdminEvent, openAdmin } from './handlers.ts';
import { openApi } from './openapi.ts';
import { adminPlugin } from './plugin.ts';
import { ensureRagieServer, mappingWanted } from './ragie.ts';
import type { AdminRecords } from './records.ts';
import { openAdminRecords } from './storage.ts';

const token = new Secret('admin-token-of-this-test');
const rootSecret = new Secret('kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB');
const events: AdminEvent[] = [];
let database: TestDatabase;
let records: AdminRecords;
let app: FastifyInstance;

beforeAll(async () => {
  database = await createTestDatabase();
  const { db } = database;
  const deps = { rootSecret, clock: systemClock, log: silentLog };
  const kms = await kmsAdapters.open(kmsAdapters.config.parse({ kind: 'environment' }), deps);
  const vault = openVault({ kms, store: openDataKeyStore(db), clock: systemClock });
  const keys = openApiKeys(rootSecret);
  records = openAdminRecords({ db, vault, keys, clock: systemClock, keyMode: 'test' });
  const status = () => ({ status: 'healthy', version: '1.2.3', demo: true, url: 'http://x' }) as const;
  const audit = (event: AdminEvent) => events.push(event);
  const readLimit = () => ({ used: 0, resetMs: 0 });
  const others = { rotateSigningKeys: async () => ({ kid: 'new', signsAt: 0 }), readLimit };
  const run = openAdmin({ ...{ policies: openCedar(), records, clock: systemClock, status, audit }, ...others });
  const verifyKey = async (presented: string): Promise<ApiKeyPrincipal> => {
    const parsed = parseApiKey(presented);
    const row = parsed && (await findKey(db, parsed.id));
    if (!row || row.revokedAt !== undefined || !keys.check(parsed.secret, row.digest))
      throw new GatehouseError('invalid_token');
    const { id: keyId, org, name, roles, endpoints } = row;
    const key = principalKey('gatehouse:api-key', keyId);
    return { kind: 'api-key', key, keyId, org, name, roles, ...(endpoints && { endpoints }) };
  };
  app = fastify({ routerOptions: { ignoreTrailingSlash: true } });
  await app.register(adminPlugin({ run, token, verifyKey, looksLikeApiKey, log: silentLog, version: '1.2.3' }));
  await app.ready();
}, 120_000);

afterAll(async () => {
  await app.close();
  await database.close();
});

interface Sent {
  readonly bearer?: string | undefined;
  readonly body?: object;
  readonly headers?: Record<string, string>;
  readonly from?: string;
}

async function send(line: string, { bearer = token.reveal(), body, headers = {}, from = '127.0.0.1' }: Sent = {}) {
  const [method = 'GET', url = ''] = line.split(' ');
  const response = await app.inject({
    method: method === 'POST' ? 'POST' : method === 'DELETE' ? 'DELETE' : 'GET',
    url: url.startsWith('/admin') ? url : `/admin/api/v1${url}`,
    headers: { ...(bearer && { authorization: `Bearer ${bearer}` }), ...headers },
    ...(body && { payload: body }),
    remoteAddress: from,
  });
  return { status: response.statusCode, json: response.json(), type: response.headers['content-type'], response };
}

const org = (slug: string) => send('POST /organizations', { body: { slug, name: slug } });

test('every route has a permission, an audit action and a summary of its own', () => {
  const routes = Object.values<AdminRoute>(contract);
  for (const route of routes) {
    expect(route.permission).toMatch(route.scope === 'self' ? /^self:[a-z-]+:(read|write)$/ : /^admin:[a-z-]+:/);
    expect(route.audit).toMatch(/^[a-z]+\.[a-z]+$/);
    expect(route.method).toMatch(route.permission.endsWith(':write') ? /^(?!GET$)/ : /^(?:GET|POST)$/);
    if (route.scope !== 'platform') expect(route.path).toContain(':organization');
  }
  for (const of of ['audit', 'summary'] as const)
    expect(new Set(routes.map((route) => route[of])).size).toBe(routes.length);
});
test('the OpenAPI document names every route and its schemas', async () => {
  const { status, json } = await send('GET /admin/api/openapi.json');
  expect(status).toBe(200);
  expect(json).toEqual(JSON.parse(JSON.stringify(openApi('1.2.3'))));
  expect(Object.keys(json.paths)).toContain('/admin/api/v1/organizations/{organization}/keys/{id}');
  const create = json.paths['/admin/api/v1/organizations/{organization}/keys'].post;
  expect(Object.keys(create.requestBody.content['application/json'].schema.properties)).toEqual(
    expect.arrayContaining(['name', 'roles']),
  );
});

test('without a token, with a wrong one, from elsewhere or through a proxy nothing is told', async () => {
  for (const sent of [
    { bearer: '' },
    { bearer: 'wrong' },
    { bearer: 'gw_test_0000000000000000000000_0000000000000000000000000000000000000000000000000' },
    { from: '203.0.113.7' },
    { headers: { 'x-forwarded-for': '203.0.113.7' } },
  ]) {
    const { status, type, response } = await send('GET /organizations', sent);
    expect(status).toBe(401);
    expect(type).toContain('application/problem+json');
    expect(response.headers['www-authenticate']).toContain('Bearer');
    expect(response.headers['cache-control']).toBe('no-store');
  }
});

test('the key that signs access tokens can be rotated, and what is asked is checked', async () => {
  const { status, json } = await send('POST /signing-keys/rotate', { body: {} });
  expect([status, json]).toEqual([201, { kid: 'new', signsAt: '1970-01-01T00:00:00.000Z' }]);
  expect((await send('POST /signing-keys/rotate', { body: { atOnce: 'yes' } })).status).toBe(400);
});

test('organizations are made, listed and refused twice', async () => {
  const made = await send('POST /organizations', { body: { slug: 'acme', name: 'Acme', externalId: 'org_acme' } });
  expect(made).toMatchObject({ status: 201, json: { slug: 'acme', externalId: 'org_acme', name: 'Acme' } });
  expect((await send('GET /organizations')).json.items).toContainEqual(made.json);
  const again = await org('acme');
  expect(again).toMatchObject({
    status: 409,
    json: { code: 'conflict', detail: 'An organization "acme" exists already' },
  });
});

test.each([
  ['a reserved slug', { slug: 'admin', name: 'x' }, 'reserved'],
  ['capitals', { slug: 'Acme', name: 'x' }, 'slug is wrong'],
  ['an unknown field', { slug: 'a', name: 'x', plan: 'gold' }, 'plan'],
])('%s makes no organization', async (_what, body, detail) => {
  const { status, json } = await send('POST /organizations', { body });
  expect(status).toBe(400);
  expect(json.detail).toContain(detail);
});

test('a broken body, a wrong type and a large body are refused in problem+json', async () => {
  const headers = { 'content-type': 'application/json' };
  const url = '/admin/api/v1/organizations';
  const authorization = `Bearer ${token.reveal()}`;
  const post = (payload: string, type = headers['content-type']) =>
    app.inject({ method: 'POST', url, headers: { authorization, 'content-type': type }, payload });
  expect((await post('{')).statusCode).toBe(400);
  expect((await post('{"__proto__":{"a":1}}')).statusCode).toBe(400);
  expect((await post('a=b', 'application/x-www-form-urlencoded')).statusCode).toBe(415);
  expect((await post(`{"slug":"${'a'.repeat(300_000)}"}`)).statusCode).toBe(413);
  expect((await post('[]')).json().code).toBe('bad_request');
});

test('a key is shown once, listed without its text, and revoked', async () => {
  await org('keys-co');
  const { status, json: made } = await send('POST /organizations/keys-co/keys', {
    body: { name: 'ci', roles: ['member'], expiresInSeconds: 60 },
  });
  expect(status).toBe(201);
  expect(made).toMatchObject({ name: 'ci', org: 'keys-co', roles: ['member'], endpoints: null });
  expect(looksLikeApiKey(made.key)).toBe(true);
  const listed = await send('GET /organizations/keys-co/keys');
  expect(listed.json.items).toHaveLength(1);
  expect(JSON.stringify(listed.json)).not.toContain(made.key);
  const revoked = await send(`DELETE /organizations/keys-co/keys/${made.id}`);
  expect(revoked.json.revokedAt).toEqual(expect.any(String));
  expect((await send('DELETE /organizations/keys-co/keys/0197a000-0000-7000-8000-000000000001')).status).toBe(404);
  expect((await send('DELETE /organizations/keys-co/keys/nothing')).status).toBe(404);
});

async function keyWith(organization: string, body: object): Promise<string> {
  const made = await send(`POST /organizations/${organization}/keys`, { body: { name: `k${Math.random()}`, ...body } });
  return made.json.key;
}

test('an admin key works in its own organization only and learns nothing of others [C1]', async () => {
  await org('home');
  await org('away');
  const bearer = await keyWith('home', { roles: ['admin:*'] });
  expect((await send('GET /organizations/home/keys', { bearer })).status).toBe(200);
  const foreign = await send('GET /organizations/away/keys', { bearer });
  const missing = await send('GET /organizations/nowhere/keys', { bearer });
  expect(foreign).toMatchObject({ status: 403 });
  expect(missing.json).toEqual(foreign.json);
  expect((await send('GET /organizations', { bearer })).status).toBe(403);
  const server = { key: 'shell', transport: { kind: 'stdio', command: 'sh' } };
  expect((await send('POST /servers', { bearer, body: server })).status).toBe(403);
});

test('a key without the permission, or cut down to endpoints, administers nothing', async () => {
  await org('limited');
  for (const body of [
    { roles: ['admin'] },
    { roles: ['admin:servers:*'] },
    { roles: ['admin:*'], endpoints: ['docs'] },
    { roles: [] },
  ]) {
    const bearer = await keyWith('limited', body);
    expect((await send('GET /organizations/limited/keys', { bearer })).status).toBe(403);
  }
});

test('a key hands on no more administration than it has', async () => {
  await org('ladder');
  const bearer = await keyWith('ladder', { roles: ['admin:keys:*'] });
  const make = (roles: string[]) =>
    send('POST /organizations/ladder/keys', { bearer, body: { name: `n${Math.random()}`, roles } });
  expect((await make(['admin:*'])).status).toBe(403);
  expect((await make(['admin:keys:read', 'member'])).status).toBe(201);
});

test('a collection is published with a sealed credential that no answer and no row shows [H6] [I1]', async () => {
  await org('pub');
  await send('POST /servers', {
    body: { key: 'docs', transport: { kind: 'http', url: 'https://docs.example/{partition}/' } },
  });
  const { status, json } = await send('POST /organizations/pub/collections', {
    body: {
      name: 'handbook',
      allowedRoles: ['admin'],
      bindings: [
        { server: 'docs', partition: 'p', credential: 'canary-secret', enforced: { retrieve: { filter: { a: 1 } } } },
      ],
    },
  });
  expect(status).toBe(201);
  const enforced = { retrieve: { filter: { a: 1 } } };
  expect(json.bindings).toEqual([
    { server: 'docs', partition: 'p', hasCredential: true, enforced, prefix: null, tools: {} },
  ]);
  const rows = await database.sql('select * from gateway.credentials');
  expect(JSON.stringify([rows, json, (await send('GET /organizations/pub/collections')).json, events])).not.toContain(
    'canary',
  );
  const enabled = await database.sql(
    'select enabled, all_members from gateway.enablements e join gateway.organizations o on o.id = e.org_id where o.slug = $1',
    ['pub'],
  );
  expect(enabled).toEqual([{ enabled: true, all_members: false }]);
});

test('a server definition with a secret in its environment is refused', async () => {
  const transport = { kind: 'stdio', command: 'x', env: { API_KEY: 'canary' } };
  const { status, json } = await send('POST /servers', { body: { key: 'leaky', transport } });
  expect(status).toBe(400);
  expect(json.detail).toContain('credentialEnv');
  expect(JSON.stringify(json)).not.toContain('canary');
});

test("an organization's key binds only what the platform enabled for it", async () => {
  await org('binder');
  await send('POST /servers', { body: { key: 'not-enabled', transport: { kind: 'builtin', name: 'time' } } });
  const bearer = await keyWith('binder', { roles: ['admin:*'] });
  const body = { name: 'c', allowedRoles: '*', bindings: [{ server: 'not-enabled' }] };
  expect((await send('POST /organizations/binder/collections', { bearer, body })).status).toBe(400);
});

test('every call leaves an audit event, refused ones too', async () => {
  events.length = 0;
  await org('audited');
  await org('audited');
  await send('GET /organizations/none/keys');
  expect(events.map(({ action, target, outcome }) => [action, target, outcome])).toEqual([
    ['organization.create', 'audited', 'done'],
    ['organization.create', 'audited', 'conflict'],
    ['key.list', undefined, 'not_found'],
  ]);
});

const wanted: Wanted = {
  organizations: [{ slug: 'filed', name: 'Filed', externalId: 'org_filed' }],
  servers: [{ key: 'filed-docs', transport: { kind: 'http', url: 'https://f.example/{partition}' }, trusted: true }],
  collections: [
    {
      organization: 'org_filed',
      name: 'Handbook_v1.0',
      allowedRoles: '*',
      bindings: [
        { server: 'filed-docs', partition: 'a', credential: new Secret('one'), enforced: { t: { f: { x: 1 } } } },
      ],
    },
  ],
  enablements: [{ organization: 'filed', server: 'filed-docs', allMembers: true }],
};

async function changes(value: Wanted): Promise<Applied['changed']> {
  return (await applyConfig(records, value)).changed;
}

test('the configuration file becomes rows, and a second time changes nothing', async () => {
  expect(await changes(wanted)).toEqual([
    'organization filed',
    'server filed-docs',
    'enablement filed/filed-docs',
    'collection filed/Handbook_v1.0',
  ]);
  const before = await database.sql('select * from gateway.change_counter');
  expect(await changes(wanted)).toEqual([]);
  expect(await database.sql('select * from gateway.change_counter')).toEqual(before);
  const [row] = await database.sql("select managed_by from gateway.collections where name = 'Handbook_v1.0'");
  expect(row).toEqual({ managed_by: 'file' });
});

test('only what differs in the file is written again', async () => {
  const [collection] = wanted.collections;
  const binding = collection?.bindings[0];
  if (!collection || !binding) throw new Error('the test has lost its data');
  const rotated = {
    ...wanted,
    collections: [{ ...collection, bindings: [{ ...binding, credential: new Secret('two') }] }],
  };
  expect(await changes(rotated)).toEqual(['collection filed/Handbook_v1.0']);
  expect(await changes(rotated)).toEqual([]);
  expect(
    await database.sql(
      "select count(*)::int as n from gateway.credentials k join gateway.organizations o on o.id = k.org_id where o.slug = 'filed'",
    ),
  ).toEqual([{ n: 1 }]);
  const renamed = { ...rotated, organizations: [{ slug: 'filed', name: 'Renamed' }] };
  expect(await changes(renamed)).toEqual(['organization filed']);
  expect(await changes(renamed)).toEqual([]);
  expect((await records.findOrganization('filed'))?.externalId).toBe('org_filed');
});

test('the file touches nothing that the API made', async () => {
  await send('POST /servers', { body: { key: 'by-api', transport: { kind: 'builtin', name: 'time' } } });
  const server = { key: 'by-api', transport: { kind: 'builtin', name: 'echo' }, trusted: false } as const;
  await expect(changes({ ...wanted, servers: [server] })).rejects.toThrow('was made by the API');
});

test('a mapping file of the older generation becomes collections of the server ragie [S0.24] [S0.17]', async () => {
  const mapping = { org_map: { docs: { partition: 'soc2', apiKey: new Secret('tnt_1'), allowedRoles: ['admin'] } } };
  const converted = mappingWanted(mapping);
  expect(await ensureRagieServer(records, 'https://api.ragie.ai/', false)).toBeUndefined();
  const server = await ensureRagieServer(records, 'https://api.ragie.ai/', true);
  expect(server?.transport).toEqual({ kind: 'http', url: 'https://api.ragie.ai/mcp/{partition}/' });
  await changes(converted);
  expect(await changes(converted)).toEqual([]);
  const found = await records.findOrganization('org_map');
  expect(found?.slug).toBe('org-map');
  expect(await records.listCollections(found?.id ?? asOrgId(''))).toMatchObject([
    { name: 'docs', allowedRoles: ['admin'] },
  ]);
});

test('the server ragie follows RAGIE_BASE_URL [S0.21]', async () => {
  const url = async () => (await records.listServers()).find((row) => row.key === 'ragie')?.transport;
  await ensureRagieServer(records, 'http://127.0.0.1:9/base', false);
  expect(await url()).toEqual({ kind: 'http', url: 'http://127.0.0.1:9/base/mcp/{partition}/' });
});

test('the demo is made once, with one key, and what an operator switched off stays off', async () => {
  const options = {
    root: '/r',
    dataDir: '/d',
    findBin: (name: string) => (name.endsWith('memory') ? '/bin/memory.js' : undefined),
  };
  const first = await ensureDemo(records, options);
  expect(looksLikeApiKey(first.firstKey?.reveal() ?? '')).toBe(true);
  expect(first.servers).toEqual(['time', 'fetch', 'echo-stateful', 'echo-stateless', 'memory']);
  const time = (await records.listServers()).find((row) => row.key === 'time');
  if (!time) throw new Error('the demo has no server "time"');
  await records.putEnablement(first.organization.id, time.id, { enabled: false, allMembers: false, allowedRoles: [] });
  const second = await ensureDemo(records, {
    ...options,
    findBin: (name) => options.findBin(name)?.replace('/bin', '/moved'),
  });
  expect(second.firstKey).toBeUndefined();
  expect(await records.findEnablement(first.organization.id, time.id)).toMatchObject({ enabled: false });
  expect((await records.listServers()).find((row) => row.key === 'memory')?.transport).toMatchObject({
    args: ['/moved/memory.js'],
  });
});

test("an organization's key registers clients with no more than it has itself, and no assertions", async () => {
  await org('clients');
  const own = await send('POST /organizations/clients/keys', { body: { name: 'own', roles: ['admin:clients:*'] } });
  const bearer = String(own.json.key);
  const create = (body: object) => send('POST /organizations/clients/clients', { bearer, body });
  expect(await create({ name: 'a', roles: ['robot'] })).toMatchObject({ status: 201, json: { org: 'clients' } });
  expect((await create({ name: 'b', roles: ['admin:keys:write'] })).status).toBe(403);
  expect((await create({ name: 'c', assertionAudiences: { 'https://as.example': 'x' } })).status).toBe(403);
  await org('others');
  expect((await send('GET /organizations/others/clients', { bearer })).status).toBe(403);
  const { json } = await send('GET /organizations/clients/clients', { bearer });
  expect(json.items).toHaveLength(1);
  expect(json.items[0]).not.toHaveProperty('secret');
  const foreign = await send('POST /organizations/others/clients', { body: { name: 'theirs' } });
  expect((await send(`DELETE /organizations/clients/clients/${foreign.json.id}`, { bearer })).status).toBe(404);
});
