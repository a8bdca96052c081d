/** Who may do what, changed through the admin API while people are at work: no restart, no new token. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openPeopleWorld, type PeopleWorld, soon } from './people-world.ts';

let t: PeopleWorld;
beforeAll(async () => {
  t = await openPeopleWorld();
}, 120_000);
afterAll(() => t?.close());

describe('groups', () => {
  test('somebody new reaches nothing until their address is put into a group, and again nothing once it is taken out [S3.1] [S3.4] [S3.12]', async () => {
    await t.good('POST /organizations/acme/groups', { name: 'MCP-Team', title: 'The team' });
    await t.good('PUT /organizations/acme/grants', { group: 'mcp-team', collection: 'team' });
    const ada = await t.person('Ada.New@Example.com');
    expect(await t.callTool(ada.accessToken)).toBe(403);
    await t.good('POST /organizations/acme/groups/MCP-Team/members', { email: 'ada.new@example.COM' });
    await soon(() => t.callTool(ada.accessToken)).toBe(200);
    const stream = await t.openCall(ada, '/acme/mcp/team');
    await t.good('DELETE /organizations/acme/groups/MCP-Team/members?email=ada.new%40example.com');
    await soon(() => t.callTool(ada.accessToken)).toBe(403);
    await t.untilEnd(stream);
    expect((await t.good('GET /organizations/acme/groups/MCP-Team')).members).toBe(0);
  });

  test('an address before its first sign-in counts only when it is verified [S3.1]', async () => {
    await t.good('POST /organizations/acme/groups/MCP-Team/members', { email: 'early@example.com' });
    await t.world.database.sql(
      `insert into gateway.users (subject, email, email_verified) values ('liar', 'EARLY@example.com', false)`,
    );
    const early = await t.person('early@example.com');
    expect(await t.callTool(early.accessToken)).toBe(200);
    await t.world.database.sql(`update gateway.users set email_verified = false where subject = 'early@example.com'`);
    await soon(() => t.callTool(early.accessToken)).toBe(403);
  });

  test('MCP-Admin sees what is enabled, keeps its name and cannot be removed [S3.12] [S3.26]', async () => {
    const root = await t.person('root@example.com');
    expect(await t.callTool(root.accessToken)).toBe(403);
    await t.good('POST /organizations/acme/groups/MCP-Admin/members', { user: root.user.id });
    await soon(() => t.callTool(root.accessToken)).toBe(200);
    expect(await t.callTool(root.accessToken, '/other/mcp/docs')).toBe(403);
    const removed = await t.admin('DELETE /organizations/acme/groups/MCP-Admin');
    expect([removed.status, removed.json.detail]).toEqual([
      400,
      'MCP-Admin is built in and cannot be removed: empty it',
    ]);
    const body = { name: 'Other' };
    expect((await t.admin('PATCH /organizations/acme/groups/MCP-Admin', { body })).status).toBe(400);
  });

  test('adding a tenant is a group with a server, users and a key [S3.15]', async () => {
    await t.good('POST /organizations/acme/groups', { name: 'Tenant-X' });
    await t.good('PUT /organizations/acme/grants', { group: 'Tenant-X', server: 'plain', tools: ['retrieve'] });
    const { key, id } = await t.good('POST /organizations/acme/keys', { name: 'tenant x' });
    await t.good('POST /organizations/acme/groups/Tenant-X/members', { key: id });
    await t.good('PUT /organizations/acme/servers/plain/enablement', { allMembers: false });
    await soon(() => t.callTool(String(key), '/acme/mcp/plain', 'other')).toBe(403);
    expect(await t.callTool(String(key), '/acme/mcp/plain')).toBe(200);
    await t.good('PUT /organizations/acme/servers/plain/enablement', { allMembers: true });
  });
});

describe('switches end access within a second', () => {
  test('a tool switched off, a server switched off in one organization and everywhere [S4.1] [S4.13] [S4.20]', async () => {
    const ada = await t.person('switch@example.com');
    const calls = () => t.callTool(ada.accessToken, '/acme/mcp/docs');
    expect(await calls()).toBe(200);
    for (const [off, on] of [
      [
        () => t.good('POST /organizations/acme/servers/plain/tools', { tools: ['retrieve'], blocked: true }),
        () => t.good('POST /organizations/acme/servers/plain/tools', { tools: ['retrieve'], blocked: false }),
      ],
      [
        () => t.good('POST /servers/plain/tools', { tools: ['retrieve'], blocked: true }),
        () => t.good('POST /servers/plain/tools', { tools: ['retrieve'], blocked: false }),
      ],
      [
        () => t.good('PUT /organizations/acme/servers/plain/enablement', { enabled: false }),
        () => t.good('PUT /organizations/acme/servers/plain/enablement', { enabled: true }),
      ],
    ] as const) {
      await off();
      await soon(calls).toBe(299);
      await on();
      await soon(calls).toBe(200);
    }
  });

  test('a member kept out of one organization stays in the others, and open streams end', async () => {
    const both = await t.person('both@example.com', { acme: [], other: [] });
    const acme = () => t.callTool(both.accessToken, '/acme/mcp/docs');
    expect(await acme()).toBe(200);
    const stream = await t.openCall(both, '/acme/mcp/docs');
    await t.good(`PATCH /organizations/acme/members/${both.user.id}`, { active: false });
    await soon(acme).toBe(403);
    await t.untilEnd(stream);
    expect(await t.callTool(both.accessToken, '/other/mcp/docs')).toBe(200);
    await t.good(`PATCH /organizations/acme/members/${both.user.id}`, { active: true });
    await soon(acme).toBe(200);
  });
});

describe('roles on the admin API', () => {
  const adminScope = 'admin:* mcp:read mcp:write';
  const status = async (line: string, as: string, body?: object) =>
    (await t.admin(line, { as, ...(body && { body }) })).status;

  test('an organization administrator administers their own, with a token made for it [C18]', async () => {
    const chief = await t.person('chief@example.com', { acme: ['admin'], other: [] }, adminScope);
    const plain = await t.person('chief@example.com', { acme: ['admin'], other: [] });
    expect(await status('GET /organizations/acme/members', chief.accessToken)).toBe(200);
    expect(await status('GET /organizations/acme/members', plain.accessToken)).toBe(403);
    expect(await status('GET /organizations/other/members', chief.accessToken)).toBe(403);
    expect(await status('GET /organizations', chief.accessToken)).toBe(403);
    const invited = { email: 'friend@example.com', roles: ['admin'] };
    expect(await status('POST /organizations/acme/members', chief.accessToken, invited)).toBe(201);
    await t.world.setRoles(chief.user.id, { acme: [], other: [] });
    await soon(() => status('GET /organizations/acme/members', chief.accessToken)).toBe(403);
  });

  test('who is barred administers nothing more, whatever their token says [C18] [B11]', async () => {
    const barred = await t.person('barred@example.com', { acme: ['admin'] }, adminScope);
    const members = () => status('GET /organizations/acme/members', barred.accessToken);
    expect(await members()).toBe(200);
    await t.world.database.sql(`update gateway.members set active = false where user_id = $1`, [barred.user.id]);
    await soon(members).toBe(403);
    await t.world.database.sql(`update gateway.members set active = true where user_id = $1`, [barred.user.id]);
    await soon(members).toBe(200);
    await t.good(`PATCH /people/${barred.user.id}`, { active: false });
    await soon(members).toBe(401);
    const boss = await t.person('boss@example.com', {}, adminScope);
    expect(await status('GET /organizations', boss.accessToken)).toBe(200);
    await t.good(`PATCH /people/${boss.user.id}`, { active: false });
    await soon(() => status('GET /organizations', boss.accessToken)).toBe(401);
    await t.good(`PATCH /people/${boss.user.id}`, { active: true });
  });

  test('an auditor reads what is on record and nothing else, a platform administrator is one by setting', async () => {
    const auditor = await t.person('auditor@example.com', { acme: ['auditor'] }, adminScope);
    for (const line of ['GET /organizations/acme/members', 'GET /organizations/acme/keys', 'GET /organizations/acme'])
      expect(await status(line, auditor.accessToken), line).toBe(403);
    const boss = await t.person('owner@example.com', {}, adminScope);
    expect(await status('GET /organizations', boss.accessToken)).toBe(200);
    await t.world.database.sql(`update gateway.users set email_verified = false where subject = 'owner@example.com'`);
    await soon(() => status('GET /organizations', boss.accessToken)).toBe(403);
  });

  test('the last administrator stays, also for two who remove each other at once [C18]', async () => {
    await t.world.database.sql(`update gateway.members set roles = '[]' where roles ? 'admin'`);
    const [one, two] = [
      await t.person('one@example.com', { acme: ['admin'] }),
      await t.person('two@example.com', { acme: ['admin'] }),
    ];
    const ids = [one.user.id, two.user.id];
    const both = await Promise.all(ids.map((id) => status(`DELETE /organizations/acme/members/${id}`, t.adminToken)));
    expect(both.toSorted()).toEqual([200, 409]);
    const left = ids[both.indexOf(409)];
    expect(await status(`PATCH /organizations/acme/members/${left}`, t.adminToken, { roles: [] })).toBe(409);
    expect(await status(`PATCH /organizations/acme/members/${left}`, t.adminToken, { active: false })).toBe(409);
  });

  test('nobody hands on more than they have, nor touches who has more [C17] [C18]', async () => {
    const make = async (role: string) =>
      String((await t.good('POST /organizations/acme/keys', { name: `k ${role}`, roles: [role] })).key);
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
    const high = await t.person('high@example.com', { acme: ['admin'] });
    await t.person('higher@example.com', { acme: ['admin'] });
    expect(await status(`PATCH ${path}/${high.user.id}`, members, { roles: [] })).toBe(403);
    expect(await status(`DELETE ${path}/${high.user.id}`, members)).toBe(403);
    await t.good('POST /organizations/acme/service-accounts', { name: 'mighty', roles: ['admin:*'] });
    expect(await status('POST /organizations/acme/keys', keys, { name: 'm', serviceAccount: 'mighty' })).toBe(403);
    const workload = { issuer: t.platform.issuer, subject: 'me', audience: 'a' };
    expect(await status('POST /organizations/acme/service-accounts/mighty/workloads', accounts, workload)).toBe(403);
  });
});

describe('members', () => {
  test('an invited address becomes a member with its first verified sign-in, with the roles it was given', async () => {
    const made = await t.good('POST /organizations/acme/members', { email: 'Guest@Example.com', roles: ['staff'] });
    expect(made).toMatchObject({ user: null, email: 'guest@example.com' });
    const first = await t.person('guest@example.com', {});
    await soon(() => t.callTool(first.accessToken, '/acme/mcp/staff')).toBe(200);
    expect(await t.callTool(first.accessToken, '/other/mcp/docs')).toBe(403);
  });
});
