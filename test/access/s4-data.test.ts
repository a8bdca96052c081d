/** What the older Clerk gateway keeps of organizations, and what its routes ask for (REQUIREMENTS S4.8, S4.19). */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AccessWorld, signWebui, startAccessWorld } from '#kit/access-world.ts';
import { bearer, call, send } from '#kit/http-client.ts';

let world: AccessWorld;
beforeAll(async () => {
  const yaml = 'enablements: [{ organization: acme, server: files, allMembers: true }]';
  const people = ['ann', 'new'];
  world = await startAccessWorld({ people, servers: ['files'], hasShort: false, era: 'legacy', yaml });
  await world.database.sql(`update public."user" set role = 'pending' where id = 'new'`);
}, 60_000);
afterAll(() => world?.close());

const at = (path: string) => world.app.url + path;
const sql = (text: string, ...values: unknown[]) => world.database.sql(text, values);

test('every route but the public ones needs a token, and only MCP an organization [S4.19]', async () => {
  const routes = [
    ...['POST /mcp', 'GET /mcp', 'DELETE /mcp', 'POST /mcp/files', 'POST /acme/mcp', 'GET /sse', 'POST /messages'],
    ...['GET /tools', 'GET /tenants', 'POST /refresh', 'GET /meta/stats', 'POST /meta/call_tool'],
    ...['GET /api/servers/files/tools', 'POST /api/servers/files/tools/retrieve', 'GET /admin/users'],
    ...['GET /mcp-admin/api/users', 'GET /admin/api/v1/organizations', 'GET /scim/v2/Users'],
  ];
  const json = { accept: 'application/json' };
  for (const route of routes) {
    const [method = '', path = ''] = route.split(' ');
    const body = method === 'POST' ? {} : undefined;
    const { status } = await send(at(path), { method, headers: { ...json, 'content-type': 'application/json' }, body });
    // An address that a stranger may not know of is none.
    expect([route, status === 401 || status === 404 ? 'refused' : status]).toEqual([route, 'refused']);
  }
  for (const path of ['/health', '/ready', '/gateway/health', '/servers', '/openapi.json'])
    expect([path, (await send(at(path), { method: 'GET', headers: json })).status]).toEqual([path, 200]);

  // Signed in, and not yet let into any organization.
  const nobodys = bearer(await signWebui('new'));
  const shown = await send(at('/servers'), { method: 'GET', headers: { ...json, ...nobodys } });
  expect([shown.status, shown.json]).toMatchObject([
    200,
    { total_servers: 0, message: expect.stringContaining('administrator') },
  ]);
  const refused = await send(at('/mcp'), { headers: nobodys, body: call('retrieve') });
  expect([refused.status, refused.json]).toEqual([
    403,
    { error: 'Forbidden', message: 'Organization context required for MCP requests' },
  ]);
  const served = await send(at('/mcp/files'), { headers: bearer(await signWebui('ann')), body: call('retrieve') });
  expect(served.status).toBe(200);
});

const columns: Readonly<Record<string, readonly string[]>> = {
  organizations: ['external_id', 'slug', 'name', 'created_at', 'updated_at', 'deleted_at'],
  servers: ['key', 'title', 'active'],
  enablements: ['org_id', 'server_id', 'enabled', 'allowed_roles'],
  users: ['email', 'name', 'deactivated_at'],
  members: ['org_id', 'user_id', 'roles', 'active'],
  audit: ['org_id', 'kind', 'action', 'decision', 'at'],
  api_keys: ['digest', 'last4', 'roles', 'expires_at', 'revoked_at', 'last_used_at'],
  session_states: [],
  session_revocations: [],
  webhook_events: [],
};

test('organizations, servers, enablement and the fuller schema are there, their names strict and unique [S4.8]', async () => {
  const found = await sql(
    `select table_name || '.' || column_name as name from information_schema.columns where table_schema = 'gateway'
     union select table_name from information_schema.tables where table_schema = 'gateway'`,
  );
  const names = new Set(found.map(({ name }) => name));
  const wanted = Object.entries(columns).flatMap(([table, of]) => [table, ...of.map((column) => `${table}.${column}`)]);
  expect(wanted.filter((name) => !names.has(name))).toEqual([]);

  await sql(`update gateway.organizations set external_id = 'org_1' where slug = 'acme'`);
  const refused = [
    `update gateway.organizations set external_id = 'org_1' where slug = 'other'`,
    `insert into gateway.organizations (slug, name) values ('acme', 'Again')`,
    ...['Files', 'my_files', 'a b', ''].map(
      (key) => `insert into gateway.servers (key, title, transport) values ('${key}', 'x', '{}')`,
    ),
    `insert into gateway.servers (key, title, transport) values ('files', 'x', '{}')`,
  ];
  for (const statement of refused)
    await expect(sql(statement), statement).rejects.toThrow(/constraint|belongs to another/);
  const [key] = await sql(`select count(*)::int as n from gateway.api_keys where octet_length(digest) < 32`);
  expect(key).toEqual({ n: 0 });
});

test('a removed organization is kept as a row, and reaches nothing within a second [S4.8] [S4.20]', async () => {
  const token = bearer(await signWebui('ann'));
  const use = async () => (await send(at('/mcp/files'), { headers: token, body: call('retrieve') })).status;
  expect(await use()).toBe(200);
  await sql(`update gateway.organizations set deleted_at = now() where slug = 'acme'`);
  await expect.poll(use).toBeGreaterThanOrEqual(400);
  const kept = await sql(`select name from gateway.organizations where slug = 'acme' and deleted_at is not null`);
  expect(kept).toEqual([{ name: 'Acme' }]);
});
