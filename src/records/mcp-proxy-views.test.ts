/** The SQL that operators of the older gateway have on a card (S3.16, S3.17), over our tables. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { databaseAdapters } from '#adapters/database/index.ts';
import { systemClock } from '#core/clock.ts';
import { asOrgId } from '#core/ids.ts';
import { silentLog } from '#core/log.ts';
import { migrations } from '#db/migrate.ts';
import { openDb } from '#db/open.ts';
import type { Db } from '#db/schema.ts';
import { withOrganization, withPlatform } from '#db/scope.ts';
import { createEmptyDatabase, createTestDatabase, openTestDatabase, sqlOf, type TestDatabase } from '#kit/postgres.ts';

const names = [
  'api_analytics',
  'group_summary',
  'group_tenant_mapping',
  'tenant_server_endpoints',
  'tenant_server_keys',
  'user_admin_status',
  'user_group_membership',
  'user_server_access',
  'user_tenant_access',
];

/** One organization with a row for each view. */
const seed = (slug: string) => [
  `insert into gateway.organizations (slug, name) values ('${slug}', '${slug}')`,
  `insert into gateway.users (subject, email) values ('${slug}-ann', 'Ann@${slug}.example')`,
  `insert into gateway.members (org_id, user_id) select o.id, u.id from gateway.organizations o, gateway.users u
     where o.slug = '${slug}' and u.subject = '${slug}-ann'`,
  `insert into gateway.servers (key, title, transport) values ('github', 'GitHub', '{"kind":"http","url":"https://x.example/mcp"}')
     on conflict do nothing`,
  `insert into gateway.groups (org_id, name) select id, 'MCP-GitHub' from gateway.organizations where slug = '${slug}'`,
  `insert into gateway.group_members (org_id, group_id, user_id) select g.org_id, g.id, u.id
     from gateway.groups g join gateway.organizations o on o.id = g.org_id, gateway.users u
     where o.slug = '${slug}' and u.subject = '${slug}-ann' and g.name = 'MCP-GitHub'`,
  `insert into gateway.group_members (org_id, group_id, email) select g.org_id, g.id, 'boss@${slug}.example'
     from gateway.groups g join gateway.organizations o on o.id = g.org_id where o.slug = '${slug}' and g.builtin`,
  `insert into gateway.grants (org_id, group_id, server_id) select g.org_id, g.id, s.id
     from gateway.groups g join gateway.organizations o on o.id = g.org_id, gateway.servers s
     where o.slug = '${slug}' and g.name = 'MCP-GitHub'`,
  `insert into gateway.grants (org_id, email, server_id) select o.id, 'guest@${slug}.example', s.id
     from gateway.organizations o, gateway.servers s where o.slug = '${slug}'`,
  `insert into gateway.credentials (org_id, sealed) select id, 'gw1.sealed-${slug}' from gateway.organizations where slug = '${slug}'`,
  `insert into gateway.server_routes (org_id, group_id, server_id, credential_id, url, key_name)
     select g.org_id, g.id, s.id, k.id, 'https://${slug}.example/mcp', 'GITHUB_TOKEN'
     from gateway.groups g join gateway.organizations o on o.id = g.org_id
     join gateway.credentials k on k.org_id = o.id, gateway.servers s where o.slug = '${slug}' and g.name = 'MCP-GitHub'`,
  ...[1, 2].map(
    (
      n,
    ) => `insert into gateway.usage (id, org_id, timestamp, user_email, method, endpoint, status_code, response_time_ms,
      bytes_in, bytes_out, user_agent, client_ip, open)
      select gateway.uuidv7(), id, now(), 'ann@${slug}.example', 'POST', '/call/${n}', 200, 12.5, 1, 1, 'curl', '::1', false
      from gateway.organizations where slug = '${slug}'`,
  ),
];

const asOne = async (db: Db, slug: string, name: string) => {
  const { id } = await withPlatform(db, ({ tx }) =>
    tx.selectFrom('organizations').select('id').where('slug', '=', slug).executeTakeFirstOrThrow(),
  );
  return withOrganization(db, asOrgId(id), async ({ tx }) => {
    const { rows } = await sql<Record<string, unknown>>`select * from ${sql.table(`mcp_proxy.${name}`)}`.execute(tx);
    return rows;
  });
};

async function checkApartness(db: Db) {
  for (const name of names) {
    const rows = await asOne(db, 'one', name);
    expect([name, rows.length > 0]).toEqual([name, true]);
    expect(JSON.stringify(rows)).not.toContain('two');
  }
}

describe('on PostgreSQL', () => {
  let t: TestDatabase;
  beforeAll(async () => {
    t = await createTestDatabase();
    for (const statement of seed('one')) await t.sql(statement);
  });
  afterAll(() => t?.close());

  test('the documented statements work as printed [S3.17] [S3.4]', async () => {
    const members = await t.sql('SELECT * FROM mcp_proxy.user_group_membership;');
    expect(members.map(({ user_email, group_name }) => [user_email, group_name]).toSorted()).toEqual([
      ['ann@one.example', 'MCP-GitHub'],
      ['boss@one.example', 'MCP-Admin'],
    ]);
    const last = await t.sql('SELECT * FROM mcp_proxy.api_analytics ORDER BY id DESC LIMIT 10;');
    expect(last.map(({ endpoint }) => endpoint)).toEqual(['/call/2', '/call/1']);
    const columns = ['user_email', 'method', 'endpoint', 'status_code', 'response_time_ms', 'user_agent', 'client_ip'];
    expect(Object.keys(last[0] ?? {})).toEqual(['id', ...columns, 'timestamp']);
    expect(last[0]).toMatchObject({ user_email: 'ann@one.example', status_code: 200, response_time_ms: 12.5 });
  });

  test('every table and view has its columns; a key is never in them as it is [S3.16] [S3.13] [S3.14] [X3.2]', async () => {
    const one = async (name: string) => (await t.sql(`select * from mcp_proxy.${name}`))[0];
    expect(await one('group_tenant_mapping')).toMatchObject({ group_name: 'MCP-GitHub', tenant_id: 'github' });
    expect(await one('tenant_server_keys')).toMatchObject({
      ...{ tenant_id: 'MCP-GitHub', server_id: 'github', key_name: 'GITHUB_TOKEN' },
      api_key_encrypted: 'gw1.sealed-one',
    });
    expect(await one('tenant_server_endpoints')).toMatchObject({
      ...{ tenant_id: 'MCP-GitHub', server_id: 'github', endpoint_url: 'https://one.example/mcp' },
    });
    expect(await one('user_tenant_access')).toMatchObject({
      ...{ user_email: 'guest@one.example', tenant_id: 'github', access_level: 'full' },
    });
    const access = await t.sql('select user_email, server_id from mcp_proxy.user_server_access order by 1');
    expect(access.map(({ user_email }) => user_email)).toEqual(['ann@one.example', 'guest@one.example']);
    const admins = await t.sql('select user_email from mcp_proxy.user_admin_status where is_admin');
    expect(admins).toEqual([{ user_email: 'boss@one.example' }]);
    const summary = await t.sql('select * from mcp_proxy.group_summary order by group_name');
    expect(summary.map(({ group_name, user_count, server_count }) => [group_name, user_count, server_count])).toEqual([
      ['MCP-Admin', '1', '0'],
      ['MCP-GitHub', '1', '1'],
    ]);
  });

  test('a row can be inserted and deleted as it was, whatever the case of the address [S3.4] [S3.17] [X3.2]', async () => {
    await t.sql(
      `insert into mcp_proxy.user_group_membership (user_email, group_name) values ('Cy@One.example', 'MCP-New')`,
    );
    await t.sql(`insert into mcp_proxy.group_tenant_mapping (group_name, tenant_id) values ('MCP-New', 'github')`);
    const seen = () => t.sql(`select server_id from mcp_proxy.user_server_access where user_email = 'cy@one.example'`);
    expect(await seen()).toEqual([{ server_id: 'github' }]);
    await t.sql(`delete from mcp_proxy.user_group_membership where user_email = 'cy@one.example'`);
    expect(await seen()).toEqual([]);
    // The group outlives its members and its servers.
    await t.sql(`delete from mcp_proxy.group_tenant_mapping where group_name = 'MCP-New'`);
    expect(await t.sql(`select user_count from mcp_proxy.group_summary where group_name = 'MCP-New'`)).toHaveLength(1);
    await expect(
      t.sql(`insert into mcp_proxy.group_tenant_mapping (group_name, tenant_id) values ('MCP-New', 'nowhere')`),
    ).rejects.toThrow('there is no server nowhere');
  });

  test('the role for operators reads all and writes what may be written; the application sees its own [S3.16] [C1]', async () => {
    for (const statement of seed('two')) await t.sql(statement);
    await t.sql('begin; set local role gatehouse_operator; select * from mcp_proxy.group_summary; commit');
    const both = await t.sql('select distinct organization from mcp_proxy.user_group_membership order by 1');
    expect(both).toEqual([{ organization: 'one' }, { organization: 'two' }]);
    await checkApartness(t.db);
    await expect(
      t.sql(`insert into mcp_proxy.user_group_membership (user_email, group_name) values ('a@b.example', 'X')`),
    ).rejects.toThrow('several organizations');
    const insert = `insert into mcp_proxy.user_group_membership (user_email, group_name, organization)
      values ('a@b.example', 'X', 'two')`;
    await t.sql(insert);
    await expect(withPlatform(t.db, ({ tx }) => sql.raw(insert).execute(tx))).rejects.toThrow();
  });
});

test('tables of these names are taken over; what cannot be taken stays beside the views [S3.16] [S3.35]', async () => {
  const url = await createEmptyDatabase();
  await sqlOf(
    url,
    `create schema mcp_proxy;
     create table mcp_proxy.user_group_membership (id serial, user_email text, group_name text);
     insert into mcp_proxy.user_group_membership (user_email, group_name) values ('Ann@X.example', 'MCP-GitHub'), ('b@x.example', 'not a name!');
     create table mcp_proxy.group_tenant_mapping (group_name text, tenant_id text);
     insert into mcp_proxy.group_tenant_mapping values ('MCP-GitHub', 'github');
     create table mcp_proxy.tenant_server_keys (tenant_id text, server_id text, api_key_encrypted text);
     insert into mcp_proxy.tenant_server_keys values ('MCP-GitHub', 'github', 'plain');
     create table mcp_proxy.api_analytics (id serial, user_email text, method text, endpoint text, status_code int,
       response_time_ms float, user_agent text, client_ip text, timestamp timestamptz default now());
     insert into mcp_proxy.api_analytics (method, endpoint, status_code) values ('GET', '/old', 200);
     create view mcp_proxy.group_summary as select 1 as n;
     create table public.chat (id text); insert into public.chat values ('theirs');`,
  );
  const database = await openTestDatabase(url);
  try {
    const members = () => sqlOf(url, 'select user_email, group_name from mcp_proxy.user_group_membership');
    expect(await members()).toEqual([{ user_email: 'ann@x.example', group_name: 'MCP-GitHub' }]);
    expect(await sqlOf(url, 'select endpoint from mcp_proxy.api_analytics')).toEqual([{ endpoint: '/old' }]);
    expect(await sqlOf(url, 'select * from mcp_proxy.tenant_server_keys')).toEqual([]);
    expect(await sqlOf(url, 'select * from mcp_proxy.group_tenant_mapping')).toEqual([]);
    expect(await sqlOf(url, 'select * from mcp_proxy.group_tenant_mapping_absorbed')).toHaveLength(1);
    await sqlOf(
      url,
      `insert into gateway.servers (key, title, transport) values ('github', 'G', '{"kind":"builtin"}')`,
    );
    expect(await sqlOf(url, 'select gateway.absorb_mcp_proxy() as left')).toEqual([{ left: 1 }]);
    expect(await sqlOf(url, 'select tenant_id from mcp_proxy.group_tenant_mapping')).toEqual([{ tenant_id: 'github' }]);
    expect(await members()).toHaveLength(1);
    expect(await sqlOf(url, 'select id from public.chat')).toEqual([{ id: 'theirs' }]);
  } finally {
    await database.close();
  }
});

test('on PGlite the application sees one organization in every view [S3.16] [C1]', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'gatehouse-views-'));
  const config = databaseAdapters.config.parse({ kind: 'pglite', directory });
  const database = await databaseAdapters.open(config, { migrations, clock: systemClock, log: silentLog });
  const db = openDb(database.dialect);
  try {
    const asOwner = (text: string) =>
      db.transaction().execute(async (tx) => {
        await sql`select set_config('role', 'none', true)`.execute(tx);
        await sql.raw(text).execute(tx);
      });
    for (const statement of [...seed('one'), ...seed('two')]) await asOwner(statement);
    await checkApartness(db);
  } finally {
    await database.close();
    rmSync(directory, { recursive: true, force: true });
  }
}, 60_000);
