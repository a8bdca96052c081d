/** The older gateway's admin API (REQUIREMENTS S3.25 to S3.27), for Open WebUI's administrators and an organization's own. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AccessWorld, signWebui, startAccessWorld } from '#kit/access-world.ts';
import { type Answer, bearer, call, send } from '#kit/http-client.ts';

let world: AccessWorld;
beforeAll(async () => {
  world = await startAccessWorld({
    people: ['ann', 'bob', 'cy'],
    servers: ['github', 'notion'],
    hasShort: false,
    yaml: '',
  });
  await world.database.sql(`update public."user" set role = 'admin' where id = 'ann'`);
}, 60_000);
afterAll(() => world?.close());

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';
const json = { accept: 'application/json', 'content-type': 'application/json' };

async function ask(method: Method, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer> {
  const given = headers ?? bearer(await signWebui('ann'));
  const url = world.app.url.replace('127.0.0.1', 'localhost') + path;
  return send(url, { method, headers: { ...json, ...given }, ...(body !== undefined && { body }) });
}
const said = async (answer: Promise<Answer>) => {
  const { status, json: body } = await answer;
  return [status, body];
};

const bases = ['/admin', '/mcp-admin/api'];
const addresses: readonly (readonly [Method, string])[] = [
  ...(
    ['users', 'groups', 'groups/x', 'tenant-keys', 'tenant-keys/x', 'endpoints', 'servers', 'analytics'] as const
  ).map((path) => ['GET', path] as const),
  ...(['users/groups', 'tenant-keys', 'endpoints'] as const).flatMap((path) => [
    ['POST', path] as const,
    ['DELETE', path] as const,
  ]),
  ['POST', 'groups'],
  ['PUT', 'groups/x'],
  ['DELETE', 'groups/x'],
];

describe('who may', () => {
  const stranger = [401, { detail: 'Authentication required' }];
  const other = [403, { detail: 'Open WebUI admin role required' }];

  test('every address of it refuses whoever has not signed in, and whoever is no administrator [S3.25] [S3.27] [X3.2]', async () => {
    const bob = bearer(await signWebui('bob'));
    for (const base of bases)
      for (const [method, path] of addresses) {
        expect([
          method,
          path,
          ...(await said(ask(method, `${base}/${path}`, method === 'GET' ? undefined : {}, {}))),
        ]).toEqual([method, path, ...stranger]);
        expect([
          method,
          path,
          ...(await said(ask(method, `${base}/${path}`, method === 'GET' ? undefined : {}, bob))),
        ]).toEqual([method, path, ...other]);
      }
    expect(
      await said(
        ask('GET', '/admin/users', undefined, { ...bob, 'x-user-admin': 'true', 'x-user-email': 'ann@example.com' }),
      ),
    ).toEqual(other);
    expect(
      await said(
        ask('GET', '/admin/users', undefined, {
          'x-user-admin': 'true',
          'x-user-email': 'ann@example.com',
          'x-gateway-validated': 'true',
        }),
      ),
    ).toEqual(stranger);
  });

  test("Open WebUI's cookie counts; for what changes something only of a page of this origin [S3.25] [S3.27]", async () => {
    const cookie = `token=${await signWebui('ann')}`;
    expect((await ask('GET', '/admin/users', undefined, { cookie })).status).toBe(200);
    const wanted = { group_name: 'Cookie-Made' };
    expect((await ask('POST', '/admin/groups', wanted, { cookie })).status).toBe(401);
    expect((await ask('POST', '/admin/groups', wanted, { cookie, origin: 'https://evil.example' })).status).toBe(401);
    expect((await ask('POST', '/admin/groups', wanted, { cookie, 'sec-fetch-site': 'same-origin' })).status).toBe(200);
  });

  test('an administrator key of the organization may, one without the role may not; pages are not answered here [S3.25]', async () => {
    const key = await world.key('chief', '--roles', 'admin:*');
    const plain = await world.key('plain', '--roles', 'reader');
    expect((await ask('GET', '/mcp-admin/api/users', undefined, bearer(key))).status).toBe(200);
    expect(await said(ask('GET', '/mcp-admin/api/users', undefined, bearer(plain)))).toEqual(other);
    // A browser is led to the portal, whose address this is too.
    const headers = { ...bearer(key), accept: 'text/html' };
    const page = await fetch(`${world.app.url}/admin/users`, { headers, redirect: 'manual' });
    expect([page.status, page.headers.get('location')?.includes('/mcp-admin/sign-in')]).toEqual([302, true]);
  });
});

describe('what it says and does', () => {
  test('groups: made empty, with servers, changed, and removed with what was in them [S3.27] [S3.26] [S3.15] [X3.2]', async () => {
    const made = await ask('POST', '/admin/groups', { group_name: 'Tenant-AcmeCorp', servers: ['github'] });
    expect([made.status, made.json]).toMatchObject([200, { name: 'Tenant-AcmeCorp', servers: ['github'] }]);
    expect((await ask('POST', '/admin/groups', { group_name: 'Tenant-Empty' })).status).toBe(200);
    expect((await ask('GET', '/admin/groups/Tenant-Empty')).json).toMatchObject({
      name: 'Tenant-Empty',
      server_count: 0,
    });
    const { count, groups } = (await ask('GET', '/admin/groups')).json as { count: number; groups: unknown[] };
    expect(count).toBe(groups.length);
    expect((await ask('POST', '/admin/groups', { group_name: 'Tenant-AcmeCorp' })).status).toBe(409);
    for (const bad of ['no_underscore', 'a b', '', 'ü', "x'; drop table"])
      expect((await ask('POST', '/admin/groups', { group_name: bad })).status).toBe(400);
    expect((await ask('PUT', '/admin/groups/Tenant-AcmeCorp', { servers: ['notion', 'github'] })).json).toMatchObject({
      servers: ['github', 'notion'],
    });
    await ask('POST', '/admin/users/groups', { email: 'CY@example.com', group_name: 'Tenant-AcmeCorp' });
    const gone = await ask('DELETE', '/admin/groups/Tenant-AcmeCorp');
    expect([gone.status, gone.json]).toMatchObject([200, { users_removed: 1, servers_removed: 2 }]);
    expect(await said(ask('GET', '/admin/groups/Tenant-AcmeCorp'))).toEqual([
      404,
      { detail: "Group 'Tenant-AcmeCorp' not found" },
    ]);
    const kept = await ask('DELETE', '/admin/groups/MCP-Admin');
    expect([kept.status, kept.json]).toEqual([400, { detail: 'The MCP-Admin group cannot be deleted' }]);
    expect((await ask('GET', '/admin/groups/MCP-Admin')).status).toBe(200);
  });

  test('a user is put into a group by address in any case, and may from then on [S3.27] [S3.4] [S3.1] [X3.2]', async () => {
    const use = async () => {
      const headers = { ...bearer(await signWebui('bob')), accept: '*/*' };
      return (await send(`${world.app.url}/api/servers/github/tools/retrieve`, { headers, body: {} })).status;
    };
    expect(await use()).not.toBe(200);
    await ask('POST', '/mcp-admin/api/groups', { group_name: 'MCP-GitHub', servers: ['github'] });
    expect(
      (await ask('POST', '/mcp-admin/api/users/groups', { email: 'BOB@EXAMPLE.com', group_name: 'MCP-GitHub' })).status,
    ).toBe(200);
    await expect.poll(use, { timeout: 5000 }).toBe(200);
    const { count, users } = (await ask('GET', '/mcp-admin/api/users')).json as {
      count: number;
      users: { email: string }[];
    };
    expect(count).toBe(users.length);
    expect(users.find(({ email }) => email === 'bob@example.com')).toEqual({
      ...{ email: 'bob@example.com', groups: ['MCP-GitHub'] },
      updated_at: expect.any(String),
    });
    expect(
      (await ask('DELETE', '/mcp-admin/api/users/groups', { email: 'Bob@example.com', group_name: 'MCP-GitHub' }))
        .status,
    ).toBe(200);
    await expect.poll(use, { timeout: 5000 }).not.toBe(200);
    expect(
      (await ask('DELETE', '/mcp-admin/api/users/groups', { email: 'bob@example.com', group_name: 'MCP-GitHub' }))
        .status,
    ).toBe(404);
  });

  test('a key goes in and never comes out: sealed in the database, only "configured" in answers [S3.27] [S3.13] [X3.2]', async () => {
    await ask('POST', '/admin/groups', { group_name: 'Tenant-Keys' });
    const wanted = { tenant_id: 'Tenant-Keys', server_id: 'github', api_key: 'ghp_planted_secret_4711' };
    const answers = [
      await ask('POST', '/admin/tenant-keys', wanted),
      await ask('GET', '/admin/tenant-keys'),
      await ask('GET', '/admin/tenant-keys/Tenant-Keys'),
    ];
    for (const { status, text } of answers) {
      expect(status).toBe(200);
      expect(text).toContain('"configured":true');
      expect(text).not.toMatch(/planted|gw1\.|sealed|encrypted/);
    }
    const [row] = await world.database.sql('select api_key_encrypted from mcp_proxy.tenant_server_keys');
    expect(row?.api_key_encrypted).toMatch(/^gw1\./);
    expect(JSON.stringify(await world.database.sql('select * from gateway.credentials'))).not.toContain('planted');
    expect((await ask('DELETE', '/admin/tenant-keys', { tenant_id: 'Tenant-Keys', server_id: 'github' })).status).toBe(
      200,
    );
    expect((await ask('GET', '/admin/tenant-keys')).json).toEqual({ count: 0, tenant_keys: [] });
    expect(await world.database.sql('select * from gateway.credentials')).toEqual([]);
  });

  test('another endpoint for a group must not lead into the house [S3.27] [S3.14] [X3.3]', async () => {
    const at = { tenant_id: 'Tenant-Keys', server_id: 'github' };
    for (const endpoint_url of [
      'http://169.254.169.254/latest',
      'https://10.0.0.1/mcp',
      'file:///etc/passwd',
      'https://[::1]/',
    ])
      expect([endpoint_url, (await ask('POST', '/admin/endpoints', { ...at, endpoint_url })).status]).toEqual([
        endpoint_url,
        400,
      ]);
    expect(
      (await ask('POST', '/admin/endpoints', { ...at, endpoint_url: 'https://mcp.acme.example/mcp' })).status,
    ).toBe(200);
    expect((await ask('GET', '/admin/endpoints')).json).toMatchObject({
      count: 1,
      endpoints: [{ ...at, endpoint_url: 'https://mcp.acme.example/mcp' }],
    });
    expect((await ask('DELETE', '/admin/endpoints', at)).status).toBe(200);
  });

  test('servers, and what was called [S3.27] [S3.7]', async () => {
    const { servers } = (await ask('GET', '/admin/servers')).json as { servers: unknown[] };
    expect(servers).toContainEqual({ id: 'github', name: 'github', enabled: true });
    await send(`${world.app.url}/acme/mcp/github`, { headers: bearer(await signWebui('bob')), body: call('x') });
    const rows = async () => ((await ask('GET', '/admin/analytics?limit=5')).json as { analytics: object[] }).analytics;
    await expect.poll(async () => (await rows()).length, { timeout: 10_000 }).toBeGreaterThan(0);
    const fields = [
      'id',
      'user_email',
      'method',
      'endpoint',
      'status_code',
      'response_time_ms',
      'user_agent',
      'client_ip',
    ];
    expect(Object.keys((await rows())[0] ?? {})).toEqual([...fields, 'timestamp']);
  });
});

test('what is changed there is in the trail with who did it, and what is refused, never the key itself [S3.33]', async () => {
  const api_key = 'sk-canary-of-a-tenant';
  const place = { tenant_id: 'OnRecord', server_id: 'github' };
  expect((await ask('POST', '/admin/groups', { name: 'OnRecord' })).status).toBe(200);
  expect((await ask('POST', '/mcp-admin/api/tenant-keys', { ...place, api_key })).status).toBe(200);
  expect((await ask('DELETE', '/admin/groups/NotThere')).status).toBe(404);
  const rows = () =>
    world.database.sql(
      `select kind, action, target, decision, reason, subject, email, client_address, org_id from gateway.audit
       where action like 's3.%' and not open`,
    );
  const row = { subject: 'ann', email: 'ann@Example.com', client_address: '127.0.0.1', org_id: world.org };
  for (const one of [
    { ...row, kind: 'admin', action: 's3.groups.create', target: 'OnRecord', decision: 'allow' },
    { ...row, kind: 'credential', action: 's3.keys.set', target: 'OnRecord', decision: 'allow' },
    { ...row, kind: 'admin', action: 's3.groups.delete', target: 'NotThere', decision: 'deny', reason: 'not_found' },
  ])
    await expect.poll(rows, { timeout: 3000 }).toContainEqual(expect.objectContaining(one));
  expect(JSON.stringify(await world.database.sql('select * from gateway.audit'))).not.toContain(api_key);
});
