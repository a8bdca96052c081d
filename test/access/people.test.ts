/** Who may do what, changed through the admin API while people and programs are at work: no restart, no new token. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { adminTokenFile } from '#admin/admin-token.ts';
import { call, openStream, send } from '#kit/http-client.ts';
import { type FakeOidc, startFakeOidc } from '#kit/identity/fake-oidc.ts';
import { postForm } from '#kit/oauth.ts';
import { answerMcp, openSse } from '#kit/recording-upstream.ts';
import { type Person, type SignedInWorld, startSignedInWorld } from '#kit/signed-in-world.ts';

let world: SignedInWorld;
let direct: FakeOidc;
let url: string;
let adminToken: string;
let workloads: { readonly server: FakeOidc };

beforeAll(async () => {
  direct = await startFakeOidc({ audience: 'https://gw.example' });
  workloads = { server: await startFakeOidc() };
  world = await startSignedInWorld({
    extraYaml: '',
    env: {},
    identityYaml: `  - { kind: oidc, name: direct, mode: direct, issuer: '${direct.issuer}', clientId: x, audiences: ['${direct.audience}'], organizationClaim: org }\n`,
    oauthYaml: `, administrators: [boss@example.com], workloadIssuers: [{ issuer: '${workloads.server.issuer}', jwksUrl: '${workloads.server.jwksUrl}' }]`,
    settings: { workloadIssuers: [{ issuer: workloads.server.issuer, jwksUrl: workloads.server.jwksUrl }] },
  });
  const [gateway] = world.gateways;
  if (!gateway) throw new Error('no gateway');
  url = gateway.url;
  adminToken = readFileSync(join(gateway.dataDir, adminTokenFile), 'utf8').trim();
}, 120_000);
afterAll(async () => {
  await world?.close();
  await direct?.close();
  await workloads?.server.close();
});

const answer = z.record(z.string(), z.unknown());

async function admin(line: string, { body, as = adminToken }: { readonly body?: object; readonly as?: string } = {}) {
  const [method = 'GET', path = ''] = line.split(' ');
  const response = await fetch(`${url}/admin/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${as}`, ...(body && { 'content-type': 'application/json' }) },
    body: body ? JSON.stringify(body) : null,
  });
  const text = await response.text();
  return { status: response.status, text, json: answer.parse(JSON.parse(text)) };
}

const good = async (line: string, body?: object) => {
  const { status, json, text } = await admin(line, body ? { body } : {});
  if (status >= 300) throw new Error(`${line}: ${status} ${text}`);
  return json;
};

const era = '2026-07-28';
const meta = {
  'io.modelcontextprotocol/protocolVersion': era,
  'io.modelcontextprotocol/clientCapabilities': {},
  'io.modelcontextprotocol/clientInfo': { name: 'by-hand', version: '1' },
};

/** HTTP status of a call; an error inside of a 200 counts as 299. */
async function callTool(token: string, path = '/acme/mcp/team', name = 'retrieve'): Promise<number> {
  const headers = { 'mcp-protocol-version': era, 'mcp-method': 'tools/call', 'mcp-name': name };
  const params = { name, arguments: {}, _meta: meta };
  const { status, text } = await send(url + path, {
    headers: { authorization: `Bearer ${token}`, ...headers },
    body: { jsonrpc: '2.0', id: 1, method: 'tools/call', params },
  });
  return status === 200 && text.includes('"error"') ? 299 : status;
}

/** Well within the second that a change may take. */
const soon = (work: () => Promise<number>) => expect.poll(work, { timeout: 1000, interval: 20 });

/** A call whose answer never ends. */
async function openCall({ auth }: Person, path: string) {
  world.upstream.script((request, res) => {
    if (request.rpc.method === 'tools/call') return void openSse(res);
    return answerMcp(request, res);
  });
  const stream = await openStream(url + path, { headers: auth, body: call('slow') });
  world.upstream.script();
  expect(stream.status).toBe(200);
  return stream;
}

async function untilEnd(stream: Awaited<ReturnType<typeof openStream>>): Promise<void> {
  const from = Date.now();
  while (await stream.next());
  expect(Date.now() - from).toBeLessThan(1000);
}

const person = (
  email: string,
  memberships: Readonly<Record<string, readonly string[]>> = { acme: [] },
  scope?: string,
) => world.signIn({ subject: email, email, ...(scope !== undefined && { scope }) }, memberships);

beforeAll(async () => {
  await good('POST /organizations/acme/collections', {
    name: 'team',
    allowedRoles: [],
    bindings: [{ server: 'plain' }],
  });
});

describe('groups', () => {
  test('somebody new reaches nothing until their address is put into a group, and again nothing once it is taken out [S3.1] [S3.4] [S3.12]', async () => {
    await good('POST /organizations/acme/groups', { name: 'MCP-Team', title: 'The team' });
    await good('PUT /organizations/acme/grants', { group: 'mcp-team', collection: 'team' });
    const ada = await person('Ada.New@Example.com');
    expect(await callTool(ada.accessToken)).toBe(403);
    await good('POST /organizations/acme/groups/MCP-Team/members', { email: 'ada.new@example.COM' });
    await soon(() => callTool(ada.accessToken)).toBe(200);
    const stream = await openCall(ada, '/acme/mcp/team');
    await good('DELETE /organizations/acme/groups/MCP-Team/members?email=ada.new%40example.com');
    await soon(() => callTool(ada.accessToken)).toBe(403);
    await untilEnd(stream);
    expect((await good('GET /organizations/acme/groups/MCP-Team')).members).toBe(0);
  });

  test('an address before its first sign-in counts only when it is verified [S3.1]', async () => {
    await good('POST /organizations/acme/groups/MCP-Team/members', { email: 'early@example.com' });
    await world.database.sql(
      `insert into gateway.users (subject, email, email_verified) values ('liar', 'EARLY@example.com', false)`,
    );
    const early = await person('early@example.com');
    expect(await callTool(early.accessToken)).toBe(200);
    await world.database.sql(`update gateway.users set email_verified = false where subject = 'early@example.com'`);
    await soon(() => callTool(early.accessToken)).toBe(403);
  });

  test('MCP-Admin sees what is enabled, keeps its name and cannot be removed [S3.12] [S3.26]', async () => {
    const root = await person('root@example.com');
    expect(await callTool(root.accessToken)).toBe(403);
    await good('POST /organizations/acme/groups/MCP-Admin/members', { user: root.user.id });
    await soon(() => callTool(root.accessToken)).toBe(200);
    expect(await callTool(root.accessToken, '/other/mcp/docs')).toBe(403);
    const removed = await admin('DELETE /organizations/acme/groups/MCP-Admin');
    expect([removed.status, removed.json.detail]).toEqual([
      400,
      'MCP-Admin is built in and cannot be removed: empty it',
    ]);
    const body = { name: 'Other' };
    expect((await admin('PATCH /organizations/acme/groups/MCP-Admin', { body })).status).toBe(400);
  });

  test('adding a tenant is a group with a server, users and a key [S3.15]', async () => {
    await good('POST /organizations/acme/groups', { name: 'Tenant-X' });
    await good('PUT /organizations/acme/grants', { group: 'Tenant-X', server: 'plain', tools: ['retrieve'] });
    const { key, id } = await good('POST /organizations/acme/keys', { name: 'tenant x' });
    await good('POST /organizations/acme/groups/Tenant-X/members', { key: id });
    await good('PUT /organizations/acme/servers/plain/enablement', { allMembers: false });
    await soon(() => callTool(String(key), '/acme/mcp/plain')).toBe(200);
    expect(await callTool(String(key), '/acme/mcp/plain', 'other')).toBe(403);
    await good('PUT /organizations/acme/servers/plain/enablement', { allMembers: true });
  });
});

describe('switches end access within a second', () => {
  test('a tool switched off, a server switched off in one organization and everywhere [S4.1] [S4.13] [S4.20]', async () => {
    const ada = await person('switch@example.com');
    const calls = () => callTool(ada.accessToken, '/acme/mcp/docs');
    expect(await calls()).toBe(200);
    for (const [off, on] of [
      [
        () => good('POST /organizations/acme/servers/plain/tools', { tools: ['retrieve'], blocked: true }),
        () => good('POST /organizations/acme/servers/plain/tools', { tools: ['retrieve'], blocked: false }),
      ],
      [
        () => good('POST /servers/plain/tools', { tools: ['retrieve'], blocked: true }),
        () => good('POST /servers/plain/tools', { tools: ['retrieve'], blocked: false }),
      ],
      [
        () => good('PUT /organizations/acme/servers/plain/enablement', { enabled: false }),
        () => good('PUT /organizations/acme/servers/plain/enablement', { enabled: true }),
      ],
    ] as const) {
      await off();
      await soon(calls).toBe(299);
      await on();
      await soon(calls).toBe(200);
    }
  });

  test('a member kept out of one organization stays in the others, and open streams end', async () => {
    const both = await person('both@example.com', { acme: [], other: [] });
    const acme = () => callTool(both.accessToken, '/acme/mcp/docs');
    expect(await acme()).toBe(200);
    const stream = await openCall(both, '/acme/mcp/docs');
    await good(`PATCH /organizations/acme/members/${both.user.id}`, { active: false });
    await soon(acme).toBe(403);
    await untilEnd(stream);
    expect(await callTool(both.accessToken, '/other/mcp/docs')).toBe(200);
    await good(`PATCH /organizations/acme/members/${both.user.id}`, { active: true });
    await soon(acme).toBe(200);
  });
});

describe('people with tokens of their identity provider', () => {
  test('get a row with the first token, reach what it is granted, and end when they are deactivated here [S3.1]', async () => {
    const claims = { sub: 'direct-1', org: 'org_123', email: 'direct@example.com', email_verified: true };
    const token = await direct.signToken(claims);
    expect(await callTool(token)).toBe(403);
    await good('PUT /organizations/acme/grants', { email: 'direct@example.com', collection: 'team' });
    await soon(() => callTool(token)).toBe(200);
    const { items } = z
      .object({ items: z.array(z.looseObject({ id: z.string(), identities: z.array(z.unknown()) })) })
      .parse(await good('GET /people?search=direct%40example.com'));
    expect(items).toMatchObject([{ identities: [{ provider: 'direct', subject: 'direct-1' }] }]);
    // Another token of theirs, warm and cold, writes nothing again.
    const before = await world.database.sql('select value from gateway.change_counter');
    expect(await callTool(await direct.signToken({ ...claims, jti: 'second' }))).toBe(200);
    expect(await world.database.sql('select value from gateway.change_counter')).toEqual(before);
    await good(`PATCH /people/${items[0]?.id}`, { active: false });
    await soon(() => callTool(token)).toBe(401);
    await good(`PATCH /people/${items[0]?.id}`, { active: true });
    await soon(() => callTool(token)).toBe(200);
  });

  test('an address that the token does not call verified is nobody’s', async () => {
    const token = await direct.signToken({ sub: 'direct-2', org: 'org_123', email: 'direct@example.com' });
    expect(await callTool(token)).toBe(403);
  });
});

describe('service accounts', () => {
  test('a key acts as its account: with its groups and roles, until it is switched off', async () => {
    const account = await good('POST /organizations/acme/service-accounts', { name: 'nightly', roles: [] });
    const { key } = await good('POST /organizations/acme/keys', { name: 'nightly', serviceAccount: 'nightly' });
    expect(await callTool(String(key))).toBe(403);
    await good('POST /organizations/acme/groups/MCP-Team/members', { serviceAccount: 'nightly' });
    await soon(() => callTool(String(key))).toBe(200);
    expect(await callTool(String(key), '/acme/mcp/staff')).toBe(403);
    await good('PATCH /organizations/acme/service-accounts/nightly', { roles: ['staff'] });
    await soon(() => callTool(String(key), '/acme/mcp/staff')).toBe(200);
    await good(`PATCH /organizations/acme/service-accounts/${account.id}`, { active: false });
    await soon(() => callTool(String(key))).toBe(401);
  });

  test('a workload gets a token with its own platform’s assertion, and only the trusted one does', async () => {
    const account = await good('POST /organizations/acme/service-accounts', { name: 'builder', roles: ['staff'] });
    await good('POST /organizations/acme/service-accounts/builder/workloads', {
      issuer: workloads.server.issuer,
      subject: 'repo:acme/*:ref:main',
      audience: 'gatehouse',
    });
    const ask = async (claims: object) => {
      const assertion = await workloads.server.signToken({
        aud: 'gatehouse',
        sub: 'repo:acme/site:ref:main',
        ...claims,
      });
      const form = { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion };
      return postForm(`${world.oauth.url}/token`, { ...form, client_id: String(account.clientId) });
    };
    const { status, body } = await ask({});
    expect([status, body]).toMatchObject([200, { token_type: 'Bearer' }]);
    expect(body).not.toHaveProperty('refresh_token');
    const token = String(body.access_token);
    expect(await callTool(token, '/acme/mcp/staff')).toBe(200);
    expect(await callTool(token, '/other/mcp/docs')).toBe(401);
    for (const claims of [
      { sub: 'repo:evil/site:ref:main' },
      { sub: 'repo:acme/site:ref:dev' },
      { sub: 'repo:acme/a/b:ref:main' },
      { aud: 'others' },
      { iss: 'https://evil.example' },
      { exp: 1 },
    ])
      expect((await ask(claims)).body.error, JSON.stringify(claims)).toBe('invalid_grant');
    const { privateKey, publicKey } = await generateKeyPair('RS256');
    const jwk = await exportJWK(publicKey);
    const forged = await new SignJWT({ sub: 'repo:acme/site:ref:main', aud: 'gatehouse', iss: workloads.server.issuer })
      .setProtectedHeader({ alg: 'RS256', jwk })
      .setIssuedAt()
      .setExpirationTime('5m')
      .sign(privateKey);
    const form = { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: forged };
    expect((await postForm(`${world.oauth.url}/token`, { ...form, client_id: String(account.clientId) })).status).toBe(
      400,
    );
    await good('PATCH /organizations/acme/service-accounts/builder', { active: false });
    await soon(() => callTool(token, '/acme/mcp/staff')).toBe(403);
  });
});

describe('roles on the admin API', () => {
  const adminScope = 'admin:* mcp:read mcp:write';
  const status = async (line: string, as: string, body?: object) =>
    (await admin(line, { as, ...(body && { body }) })).status;

  test('an organization administrator administers their own, with a token made for it [C18]', async () => {
    const chief = await person('chief@example.com', { acme: ['admin'], other: [] }, adminScope);
    const plain = await person('chief@example.com', { acme: ['admin'], other: [] });
    expect(await status('GET /organizations/acme/members', chief.accessToken)).toBe(200);
    expect(await status('GET /organizations/acme/members', plain.accessToken)).toBe(403);
    expect(await status('GET /organizations/other/members', chief.accessToken)).toBe(403);
    expect(await status('GET /organizations', chief.accessToken)).toBe(403);
    const invited = { email: 'friend@example.com', roles: ['admin'] };
    expect(await status('POST /organizations/acme/members', chief.accessToken, invited)).toBe(201);
    await world.setRoles(chief.user.id, { acme: [], other: [] });
    await soon(() => status('GET /organizations/acme/members', chief.accessToken)).toBe(403);
  });

  test('an auditor reads what is on record and nothing else, a platform administrator is one by setting', async () => {
    const auditor = await person('auditor@example.com', { acme: ['auditor'] }, adminScope);
    for (const line of ['GET /organizations/acme/members', 'GET /organizations/acme/keys', 'GET /organizations/acme'])
      expect(await status(line, auditor.accessToken), line).toBe(403);
    const boss = await person('boss@example.com', {}, adminScope);
    expect(await status('GET /organizations', boss.accessToken)).toBe(200);
    await world.database.sql(`update gateway.users set email_verified = false where subject = 'boss@example.com'`);
    await soon(() => status('GET /organizations', boss.accessToken)).toBe(403);
  });

  test('the last administrator stays, also for two who remove each other at once [C18]', async () => {
    await world.database.sql(`update gateway.members set roles = '[]' where roles ? 'admin'`);
    const [one, two] = [
      await person('one@example.com', { acme: ['admin'] }),
      await person('two@example.com', { acme: ['admin'] }),
    ];
    const ids = [one.user.id, two.user.id];
    const both = await Promise.all(ids.map((id) => status(`DELETE /organizations/acme/members/${id}`, adminToken)));
    expect(both.toSorted()).toEqual([200, 409]);
    const left = ids[both.indexOf(409)];
    expect(await status(`PATCH /organizations/acme/members/${left}`, adminToken, { roles: [] })).toBe(409);
    expect(await status(`PATCH /organizations/acme/members/${left}`, adminToken, { active: false })).toBe(409);
  });

  test('nobody hands on more than they have, nor touches who has more [C17] [C18]', async () => {
    const make = async (role: string) =>
      String((await good('POST /organizations/acme/keys', { name: `k ${role}`, roles: [role] })).key);
    const [members, keys, accounts] = await Promise.all(
      ['admin:members:*', 'admin:keys:*', 'admin:serviceaccounts:*'].map(make),
    );
    if (!members || !keys || !accounts) throw new Error('no keys');
    const path = '/organizations/acme/members';
    for (const roles of [['admin'], ['auditor'], ['admin:*'], ['admin:keys:read']])
      expect(await status(`POST ${path}`, members, { email: 'up@example.com', roles })).toBe(403);
    expect(await status(`POST ${path}`, members, { email: 'up@example.com', roles: ['staff'] })).toBe(201);
    expect(await status(`POST ${path}`, members, { email: 'x@example.com', isAdmin: true })).toBe(400);
    expect(await status(`POST ${path}`, members, { email: 'x@example.com', org_id: 'other' })).toBe(400);
    const high = await person('high@example.com', { acme: ['admin'] });
    await person('higher@example.com', { acme: ['admin'] });
    expect(await status(`PATCH ${path}/${high.user.id}`, members, { roles: [] })).toBe(403);
    expect(await status(`DELETE ${path}/${high.user.id}`, members)).toBe(403);
    await good('POST /organizations/acme/service-accounts', { name: 'mighty', roles: ['admin:*'] });
    expect(await status('POST /organizations/acme/keys', keys, { name: 'm', serviceAccount: 'mighty' })).toBe(403);
    const workload = { issuer: workloads.server.issuer, subject: 'me', audience: 'a' };
    expect(await status('POST /organizations/acme/service-accounts/mighty/workloads', accounts, workload)).toBe(403);
  });
});

describe('members', () => {
  test('an invited address becomes a member with its first verified sign-in, with the roles it was given', async () => {
    const made = await good('POST /organizations/acme/members', { email: 'Guest@Example.com', roles: ['staff'] });
    expect(made).toMatchObject({ user: null, email: 'guest@example.com' });
    const first = await person('guest@example.com', {});
    await soon(() => callTool(first.accessToken, '/acme/mcp/staff')).toBe(200);
    expect(await callTool(first.accessToken, '/other/mcp/docs')).toBe(403);
  });
});

describe('one person’s data', () => {
  test('is handed out whole, and erased; what they did stays under a pseudonym', async () => {
    const gone = await person('gone@example.com');
    await good('PUT /organizations/acme/grants', { email: 'gone@example.com', collection: 'team' });
    await soon(() => callTool(gone.accessToken)).toBe(200);
    const audited = () =>
      world.database
        .sql(`select count(*)::int as n from gateway.audit where email = 'gone@example.com' and not open`)
        .then(([row]) => Number(row?.n));
    await expect.poll(audited, { timeout: 5000 }).toBeGreaterThan(0);
    const told = await good(`GET /people/${gone.user.id}/export`);
    expect(Object.keys(told)).toEqual(
      expect.arrayContaining(['person', 'identities', 'memberships', 'grants', 'audit', 'usage']),
    );
    expect(JSON.stringify(told)).toContain('gone@example.com');
    const { pseudonym } = await good(`DELETE /people/${gone.user.id}`);
    expect(pseudonym).toMatch(/^erased:/);
    await soon(() => callTool(gone.accessToken)).toBe(401);
    const tables = ['users', 'identities', 'members', 'grants', 'audit', 'usage', 'oauth_records', 'consents'];
    for (const table of tables) {
      const rows = JSON.stringify(await world.database.sql(`select * from gateway.${table}`));
      expect(rows.toLowerCase(), table).not.toContain('gone@example.com');
      expect(rows, table).not.toContain(gone.user.id);
    }
    const kept = await world.database.sql(`select 1 from gateway.audit where subject = $1`, [String(pseudonym)]);
    expect(kept.length).toBeGreaterThan(0);
    expect((await admin(`GET /people/${gone.user.id}/export`)).status).toBe(404);
  });
});

describe('a domain of an organization', () => {
  test('serves its endpoints, names itself in challenge and metadata, and nothing else is there', async () => {
    const host = 'mcp.acme.example';
    const at = (path: string, headers: Record<string, string> = {}) =>
      send(url + path, { method: 'GET', headers: { host, ...headers } });
    expect((await at('/mcp')).status).toBe(421);
    await good('PATCH /organizations/acme', { domain: host });
    await soon(async () => (await at('/mcp')).status).toBe(401);
    const { headers } = await at('/mcp/docs', { accept: 'text/event-stream' });
    const metadata = `https://${host}/.well-known/oauth-protected-resource/mcp/docs`;
    expect(headers['www-authenticate']).toContain(`resource_metadata="${metadata}"`);
    const document = JSON.parse((await at('/.well-known/oauth-protected-resource/mcp/docs')).text);
    expect(document).toMatchObject({ resource: `https://${host}/mcp/docs`, authorization_servers: [world.issuer] });
    const ada = await person('domain@example.com');
    const list = { jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} };
    const post = (path: string) =>
      send(url + path, { method: 'POST', headers: { host, ...ada.auth }, body: JSON.stringify(list) });
    expect((await post('/mcp/docs')).status).not.toBe(401);
    expect((await post('/other/mcp/docs')).status).toBe(404);
    expect((await at('/admin/api/v1/status')).status).toBe(404);
    const taken = await admin('PATCH /organizations/other', { body: { domain: host } });
    expect(taken.status).toBe(409);
    await good('PATCH /organizations/acme', { domain: null });
    await soon(async () => (await at('/mcp')).status).toBe(421);
  });
});
