/** Made of the contract: what names something of one organization finds nothing of another (SECURITY C1). */
import { randomUUID } from 'node:crypto';
import fastify, { type FastifyInstance } from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { kmsAdapters } from '#adapters/kms/index.ts';
import { openCedar } from '#adapters/policy/cedar/cedar.ts';
import { systemClock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import { asOrgId } from '#core/ids.ts';
import { silentLog } from '#core/log.ts';
import { principalKey } from '#core/principal.ts';
import { Secret } from '#core/secret.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { openApiKeys } from '#records/api-key.ts';
import { openDataKeyStore } from '#records/data-keys.ts';
import { openVault } from '#records/vault.ts';
import { applyConfig } from './apply.ts';
import { type AdminRoute, contract, hasBody, type RouteName, routeNames } from './contract.ts';
import { openAdmin } from './handlers.ts';
import { adminPlugin } from './plugin.ts';
import type { AdminRecords } from './records.ts';
import { openAdminRecords } from './storage.ts';

const token = new Secret('admin-token-of-this-test');
const rootSecret = new Secret('kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB');
let database: TestDatabase;
let records: AdminRecords;
let app: FastifyInstance;
/** What exists in the other organization, by the name of the parameter or field that it stands in. */
const theirs: Record<string, string> = {};

async function send(method: AdminRoute['method'], path: string, { body, as }: { body?: object; as: string }) {
  const response = await app.inject({
    method,
    url: `/admin/api/v1${path}`,
    headers: { authorization: `Bearer ${as}` },
    ...(body && { payload: body }),
    remoteAddress: '127.0.0.1',
  });
  return { status: response.statusCode, text: response.body };
}

const make = async (method: AdminRoute['method'], path: string, body: object) => {
  const { status, text } = await send(method, `/organizations/other${path}`, { body, as: token.reveal() });
  if (status >= 300) throw new Error(`${path}: ${text}`);
  return JSON.parse(text);
};

beforeAll(async () => {
  database = await createTestDatabase();
  const { db } = database;
  const clock = systemClock;
  const kms = await kmsAdapters.open(kmsAdapters.config.parse({ kind: 'environment' }), {
    ...{ rootSecret, clock, log: silentLog },
  });
  const vault = openVault({ kms, store: openDataKeyStore(db), clock });
  records = openAdminRecords({ db, vault, keys: openApiKeys(rootSecret), clock, keyMode: 'test' });
  const run = openAdmin({
    ...{ records, clock, audit: () => undefined },
    status: () => ({ status: 'healthy', version: '1', demo: false, url: 'http://x' }) as const,
    rotateSigningKeys: async () => ({ kid: 'new', signsAt: 0 }),
    policies: openCedar(),
    readLimit: () => ({ used: 0, resetMs: 0 }),
  });
  const acme = await records.insertOrganization({ slug: 'acme', name: 'Acme', externalId: undefined });
  await records.insertOrganization({ slug: 'other', name: 'Other', externalId: undefined });
  const verifyKey = async (presented: string) => {
    if (presented !== 'gw_acme') throw new GatehouseError('invalid_token');
    const [key, keyId] = [principalKey('gatehouse:api-key', 'acme'), 'acme'] as const;
    return { kind: 'api-key', key, keyId, org: asOrgId(acme.id), name: 'k', roles: ['admin:*'] } as never;
  };
  app = fastify();
  const looksLikeApiKey = (presented: string) => presented.startsWith('gw_');
  await app.register(adminPlugin({ run, token, verifyKey, looksLikeApiKey, log: silentLog, version: '1' }));
  await app.ready();
  await makeTheirs();
}, 120_000);
afterAll(async () => {
  await app?.close();
  await database?.close();
});

async function makeTheirs(): Promise<void> {
  const transport = { kind: 'http', url: 'https://mcp.example/mcp' };
  await make('POST', '/servers', { key: 'theirs', transport });
  await make('POST', '/collections', { name: 'theirs', allowedRoles: [], bindings: [{ server: 'theirs' }] });
  const group = await make('POST', '/groups', { name: 'Theirs' });
  const account = await make('POST', '/service-accounts', { name: 'theirs' });
  const trusted = await make('POST', '/service-accounts/theirs/workloads', {
    ...{ issuer: 'https://ci.example', subject: 'repo', audience: 'a' },
  });
  const key = await make('POST', '/keys', { name: 'theirs' });
  const client = await make('POST', '/clients', { name: 'theirs' });
  const grant = await make('PUT', '/grants', { group: 'Theirs', server: 'theirs' });
  const [person] = await database.sql(`insert into gateway.users (subject) values ('theirs') returning id`);
  await make('POST', '/members', { user: String(person?.id) });
  await make('POST', '/members', { email: 'theirs@example.com' });
  Object.assign(theirs, {
    ...{ server: 'theirs', name: 'theirs', collection: 'theirs', group: group.id, account: account.id },
    ...{ user: String(person?.id), key: key.id, email: 'theirs@example.com', serviceAccount: account.id },
    ...{ 'removeGrant id': grant.id, 'revokeKey id': key.id, 'removeClient id': client.id },
    'distrustWorkload id': trusted.workloads[0].id,
  });
}

/** What a route needs beside the ids in question: good in itself, so that only these decide. */
const bodies: Partial<Record<RouteName, Readonly<Record<string, unknown>>>> = {
  createCollection: { name: 'own', allowedRoles: [], bindings: [{ server: 'theirs' }] },
  createClient: { name: 'c' },
  createOrganizationServer: { key: 'own', transport: { kind: 'http', url: 'https://mcp.example/mcp' } },
  createGroup: { name: 'own' },
  createServiceAccount: { name: 'own' },
  updateCollection: { allowedRoles: [], bindings: [{ server: 'theirs' }] },
  approvePin: { server: 'theirs', tool: 'a', hash: 'a'.repeat(64) },
  rejectPin: { server: 'theirs', tool: 'a', hash: 'a'.repeat(64) },
  blockTools: { tools: ['a'], blocked: true },
  createKey: { name: 'k', serviceAccount: 'theirs' },
  trustWorkload: { issuer: 'https://ci.example', subject: 'b', audience: 'a' },
  updateMember: { active: false },
  addGroupMember: { key: 'theirs' },
  removeGroupMember: { key: 'theirs' },
  putGrant: { group: 'Theirs', server: 'theirs' },
};

const inOrganization = routeNames.filter((name) => contract[name].path.includes(':organization'));
const named = inOrganization.filter((name) => /:organization.*\/:/.test(contract[name].path));

const strangerFor = (value: string) =>
  /^[0-9a-f-]{36}$/.test(value) ? randomUUID() : value.replace('theirs', 'nobodys');
const swapped = (value: unknown) =>
  JSON.parse(
    JSON.stringify(value ?? {})
      .replaceAll('theirs', 'nobodys')
      .replaceAll('Theirs', 'Nobodys'),
  );

function requestTo(name: RouteName, { organization, random }: { organization: string; random: boolean }) {
  const route: AdminRoute = contract[name];
  const path = route.path.replace(/:(\w+)/g, (_whole, parameter: string) => {
    if (parameter === 'organization') return organization;
    const known = theirs[`${name} ${parameter}`] ?? theirs[parameter] ?? 'theirs';
    return encodeURIComponent(random ? strangerFor(known) : known);
  });
  const body = random ? swapped(bodies[name]) : bodies[name];
  return send(route.method, path, { as: 'gw_acme', ...(hasBody(route.method) && { body: body ?? {} }) });
}

test.each(inOrganization)('%s in another organization answers as in none that there is [C1]', async (name) => {
  const other = await requestTo(name, { organization: 'other', random: false });
  const none = await requestTo(name, { organization: 'nowhere', random: false });
  // 400: a body that isn't looked at beyond its shape.
  expect([400, 403]).toContain(other.status);
  expect(other).toEqual(none);
});

test.each(named)("%s with another organization's ids answers as with random ones [C1]", async (name) => {
  const known = await requestTo(name, { organization: 'acme', random: false });
  const random = await requestTo(name, { organization: 'acme', random: true });
  expect([400, 403, 404]).toContain(known.status);
  expect(known.text).toBe(random.text.replaceAll('nobodys', 'theirs'));
});

test.each(['createCollection', 'approvePin', 'rejectPin', 'createKey', 'putGrant'] as const)(
  "%s with another organization's ids in its body answers as with random ones [C1]",
  async (name) => {
    const known = await requestTo(name, { organization: 'acme', random: false });
    const random = await requestTo(name, { organization: 'acme', random: true });
    expect([400, 404]).toContain(known.status);
    expect(known.text).toBe(random.text.replaceAll('nobodys', 'theirs'));
  },
);

test("members, grants and groups take no id of another organization's [C1]", async () => {
  const own = await make('POST', '/groups', { name: 'Unused' }).catch(() => undefined);
  expect(own).toBeDefined();
  await send('POST', '/organizations/acme/groups', { body: { name: 'Ours' }, as: 'gw_acme' });
  const tries = ['user', 'key', 'serviceAccount'].map((field) => ({ [field]: theirs[field] }));
  for (const body of tries) {
    const known = await send('POST', '/organizations/acme/groups/Ours/members', { body, as: 'gw_acme' });
    const random = Object.fromEntries(
      Object.entries(body).map(([field, value]) => [
        field,
        field === 'key' ? 'AAAAAAAAAAAA' : strangerFor(value ?? ''),
      ]),
    );
    const unknown = await send('POST', '/organizations/acme/groups/Ours/members', { body: random, as: 'gw_acme' });
    expect(known.status, JSON.stringify(body)).toBe(404);
    expect(known).toEqual(unknown);
  }
});

test('the file’s groups become rows once: titles, members by address and grants, and nothing of others is touched', async () => {
  const wanted = (members: readonly string[]) => ({
    organizations: [],
    servers: [{ key: 'shared', transport: { kind: 'http', url: 'https://x.example' }, trusted: false } as const],
    collections: [],
    enablements: [{ organization: 'acme', server: 'shared' }],
    groups: [
      {
        ...{ organization: 'acme', name: 'MCP-File', title: 'From the file', members },
        grants: [{ server: 'shared', tools: ['one'] }],
      },
    ],
  });
  const first = await applyConfig(records, wanted(['Ada@Example.com', 'bob@example.com']));
  expect(first.changed).toContain('group acme/MCP-File');
  expect((await applyConfig(records, wanted(['ada@example.com', 'bob@example.com']))).changed).toEqual([]);
  await send('POST', '/organizations/acme/groups/MCP-File/members', {
    body: { email: 'c@example.com' },
    as: 'gw_acme',
  });
  await applyConfig(records, wanted(['ada@example.com']));
  const { text } = await send('GET', '/organizations/acme/groups/MCP-File', { as: 'gw_acme' });
  expect(JSON.parse(text)).toMatchObject({
    ...{ title: 'From the file', managedBy: 'file', members: 2 },
    grants: [{ server: 'shared', tools: ['one'], managedBy: 'file' }],
  });
  expect(text).not.toContain('bob@example.com');
  await expect(
    applyConfig(records, { ...wanted([]), groups: [{ organization: 'acme', name: 'Ours', members: [], grants: [] }] }),
  ).rejects.toThrow('was made by the API');
});
