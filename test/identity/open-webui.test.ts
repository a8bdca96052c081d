/** Open WebUI's sessions at the gateway, with its table of users in the same database (REQUIREMENTS S3.1 to S3.5, X3.1). */
import { SignJWT } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { sharedSecretAdapter } from '#adapters/identity/shared-secret/shared-secret.ts';
import type { GatehouseError } from '#core/error.ts';
import { silentLog } from '#core/log.ts';
import { withPlatform } from '#db/scope.ts';
import { type RunningGateway, startGateway } from '#kit/gateway.ts';
import { send } from '#kit/http-client.ts';
import { manualClock } from '#kit/identity/manual-clock.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { type RecordingUpstream, startRecordingUpstream } from '#kit/recording-upstream.ts';
import { openAccounts } from '#records/accounts.ts';
import { insertOrganization } from '#records/organizations.ts';

const secret = 'open-webui-shares-this-secret-with-us';
const sign = (claims: Readonly<Record<string, unknown>>, key = secret) =>
  new SignJWT({ exp: Math.floor(Date.now() / 1000) + 3600, jti: crypto.randomUUID(), ...claims })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .sign(new TextEncoder().encode(key));

/** As Open WebUI's migrations make it, as far as we read it. */
const userTable = `
  create table public."user" (
    id text primary key, name text not null, email text not null, role text not null,
    profile_image_url text not null default '', created_at bigint not null default 0
  );
  insert into public."user" (id, name, email, role) values
    ('ann', 'Ann', 'ann@example.com', 'admin'), ('bob', 'Bob', 'bob@example.com', 'user'),
    ('pia', 'Pia', 'pia@example.com', 'pending')`;

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'verified',
    (error: GatehouseError) => error.code,
  );

describe('the identity provider over the records', () => {
  let t: TestDatabase;
  let org: string;
  let other: string;
  beforeAll(async () => {
    t = await createTestDatabase();
    await t.sql(userTable);
    [org, other] = await withPlatform(t.db, async (scope) => [
      (await insertOrganization(scope, { slug: 'bound', name: 'Bound' })).id,
      (await insertOrganization(scope, { slug: 'other', name: 'Other' })).id,
    ]);
  });
  afterAll(() => t.close());
  beforeEach(() => t.sql('delete from gateway.users'));

  function open(settings: object = {}) {
    const clock = manualClock();
    const accounts = openAccounts({ db: t.db, clock, log: silentLog });
    const config = sharedSecretAdapter.config.parse({
      secret,
      preset: 'open-webui',
      organization: 'bound',
      ...settings,
    });
    const fetch = () => Promise.reject(new Error('nothing to fetch'));
    return sharedSecretAdapter.open(config, { fetch, clock, log: silentLog, accounts });
  }

  test('the e-mail is the claim, else the user name, else the one in the table [S3.3]', async () => {
    const provider = open();
    const email = async (claims: object) => (await provider.verify(await sign({ id: 'ann', ...claims }))).email;
    expect(await email({ email: 'claim@x.test', preferred_username: 'name@x.test' })).toBe('claim@x.test');
    expect(await email({ preferred_username: 'name@x.test' })).toBe('name@x.test');
    expect(await email({})).toBe('ann@example.com');
  });

  test('an account is made with the first token, a member without any role; later ones change nothing [S3.1]', async () => {
    const provider = open();
    const first = await provider.verify(await sign({ id: 'bob' }));
    const rows = () =>
      t.sql(
        'select u.id, u.email, m.roles, m.identity_provider from gateway.users u join gateway.members m on m.user_id = u.id',
      );
    expect(await rows()).toEqual([{ id: first.userId, email: 'bob@example.com', roles: [], identity_provider: null }]);
    expect(await provider.memberships?.('bob', org)).toEqual({ roles: [] });
    expect(await provider.memberships?.('bob', other)).toBeUndefined();
    const [before] = await t.sql('select value from gateway.change_counter');
    await provider.verify(await sign({ id: 'bob' }));
    expect((await t.sql('select value from gateway.change_counter'))[0]).toEqual(before);
    await t.sql(`update gateway.members set roles = '["writer"]'`);
    await provider.verify(await sign({ id: 'bob' }));
    expect(await provider.memberships?.('bob', org)).toEqual({ roles: ['writer'] });
  });

  test('fifty first requests at once make one account [S3.1]', async () => {
    const provider = open();
    const token = await sign({ id: 'bob' });
    const users = await Promise.all(Array.from({ length: 50 }, () => provider.verify(token)));
    expect(new Set(users.map(({ userId }) => userId)).size).toBe(1);
    expect(await t.sql('select count(*)::int as n from gateway.members')).toEqual([{ n: 1 }]);
  });

  test('role "admin" makes an administrator of the bound organization only, as long as it says so [S3.4]', async () => {
    const provider = open();
    const { userId } = await provider.verify(await sign({ id: 'ann' }));
    await t.sql('insert into gateway.members (org_id, user_id) values ($1, $2)', [other, userId]);
    expect(await provider.memberships?.('ann', org)).toEqual({ roles: ['MCP-Admin'] });
    expect(await provider.memberships?.('ann', other)).toEqual({ roles: [] });
    await t.sql(`update public."user" set role = 'user' where id = 'ann'`);
    expect(await provider.memberships?.('ann', org)).toEqual({ roles: [] });
    await t.sql(`update public."user" set role = 'admin' where id = 'ann'`);
  });

  test('who is not in the table, not approved there, or deactivated here has no access [S3.1]', async () => {
    const provider = open();
    expect(await codeOf(provider.verify(await sign({ id: 'nobody', email: 'ann@example.com' })))).toBe('invalid_token');
    const pending = await provider.verify(await sign({ id: 'pia' }));
    expect(pending).not.toHaveProperty('organization');
    expect(await provider.memberships?.('pia', org)).toBeUndefined();
    await provider.verify(await sign({ id: 'bob' }));
    await t.sql('update gateway.users set deactivated_at = now()');
    expect(await codeOf(provider.verify(await sign({ id: 'bob' })))).toBe('invalid_token');
    expect(await provider.memberships?.('bob', org)).toBeUndefined();
  });

  test('an e-mail in a token makes nobody somebody else [B6] [X3.4]', async () => {
    const provider = open();
    const ann = await provider.verify(await sign({ id: 'ann' }));
    const bob = await provider.verify(await sign({ id: 'bob', email: 'ann@example.com' }));
    expect(bob.userId).not.toBe(ann.userId);
    expect(await provider.memberships?.('bob', org)).toEqual({ roles: [] });
  });

  test('a table that cannot be read is an outage, not an open door', async () => {
    const userTable = { table: 'public.missing' };
    expect(await codeOf(open({ userTable }).verify(await sign({ id: 'ann' })))).toBe('identity_unavailable');
  });

  test('names of tables are names, and never one of ours', async () => {
    const parse = (table: object) =>
      sharedSecretAdapter.config.safeParse({ secret, organization: 'bound', userTable: table }).success;
    expect(parse({ table: 'public.user' })).toBe(true);
    for (const bad of [
      { table: 'user' },
      { table: 'public."user"; drop table x' },
      { table: 'a.b.c' },
      { table: 'public.user', idColumn: 'id) or (1=1' },
      { table: 'public.user', roleColumn: 'role"' },
    ]) {
      expect([bad, parse(bad)]).toEqual([bad, false]);
    }
    for (const table of ['gateway.users', 'pg_catalog.pg_roles', 'GATEWAY.users', 'information_schema.tables']) {
      expect(await codeOf(open({ userTable: { table } }).verify(await sign({ id: 'ann' })))).toBe(
        'identity_unavailable',
      );
    }
  });
});

describe('the whole gateway by WEBUI_SECRET_KEY alone', () => {
  let t: TestDatabase;
  let gateway: RunningGateway;
  let upstream: RecordingUpstream;
  beforeAll(async () => {
    t = await createTestDatabase();
    await t.sql(userTable);
    upstream = await startRecordingUpstream();
    gateway = await startGateway({
      configYaml: `
servers: [{ key: plain, title: Plain, transport: { kind: http, url: '${upstream.url}/mcp' } }]
collections:
  - { organization: default, name: admins, allowedRoles: [MCP-Admin], bindings: [{ server: plain }] }
  - { organization: default, name: writers, allowedRoles: [writer], bindings: [{ server: plain }] }
enablements: [{ organization: default, server: plain, allMembers: true }]
egress: { allow: ['127.0.0.1'] }
`,
      env: { DATABASE_URL: t.url, ENCRYPTION_KEY: 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB', WEBUI_SECRET_KEY: secret },
    });
  }, 60_000);
  afterAll(async () => {
    await gateway.stop();
    await upstream.close();
    await t.close();
  });

  const call = async (name: string, headers: Readonly<Record<string, string>>, query = '') => {
    const body = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo', arguments: {} } };
    return (await send(`${gateway.url}/mcp/${name}${query}`, { headers, body })).status;
  };
  const as = async (id: string, key?: string) => ({ authorization: `Bearer ${await sign({ id }, key)}` });

  test('its sessions are judged on every request, by signature, expiry and table [S3.1] [S3.3] [S3.4]', async () => {
    expect(await call('admins', await as('ann'))).toBe(200);
    expect(await call('admins', await as('bob'))).toBe(403);
    expect(await call('writers', await as('bob'))).toBe(403);
    expect(await call('admins', await as('ann', `${secret}x`))).toBe(401);
    expect(await call('admins', await as('nobody'))).toBe(401);
    expect(await call('admins', { authorization: `Bearer ${await sign({ id: 'ann', exp: 1_600_000_000 })}` })).toBe(
      401,
    );
    const { exp: _, ...eternal } = { exp: 0, id: 'ann' };
    const unlimited = await new SignJWT(eternal)
      .setProtectedHeader({ alg: 'HS256' })
      .sign(new TextEncoder().encode(secret));
    expect(await call('admins', { authorization: `Bearer ${unlimited}` })).toBe(401);
  });

  test('no header and no query makes anybody somebody [X3.1]', async () => {
    const forged = {
      'x-auth-source': 'entra-token',
      'x-entra-groups': 'MCP-Admin',
      'x-user-email': 'ann@example.com',
      'x-user-groups': 'MCP-Admin',
      'x-user-admin': 'true',
      'x-gateway-validated': 'true',
    };
    expect(await call('admins', forged)).toBe(401);
    expect(await call('admins', forged, '?user_email=ann@example.com')).toBe(401);
    expect(await call('admins', { ...forged, ...(await as('bob')) })).toBe(403);
    expect(await call('admins', await as('bob'), '?user_email=ann@example.com')).toBe(403);
    const before = upstream.requests.length;
    expect(await call('admins', { ...(await as('ann')), ...forged })).toBe(200);
    const names = upstream.requests.slice(before).flatMap(({ headers }) => Object.keys(headers));
    for (const name of [...Object.keys(forged), 'authorization', 'cookie']) expect(names).not.toContain(name);
  });

  test("the application's cookie opens no MCP endpoint [S3.3]", async () => {
    expect(await call('admins', { cookie: `token=${await sign({ id: 'ann' })}` })).toBe(401);
  });
});
