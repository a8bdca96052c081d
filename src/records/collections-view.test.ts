import { createCipheriv, pbkdf2Sync, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { asOrgId, asServerId } from '#core/ids.ts';
import { silentLog } from '#core/log.ts';
import { openDb } from '#db/open.ts';
import { withOrganization, withPlatform } from '#db/scope.ts';
import { createEmptyDatabase, createTestDatabase, openTestDatabase, sqlOf, type TestDatabase } from '#kit/postgres.ts';
import { findCredential } from './credentials.ts';
import { findOrganization, insertOrganization, removeOrganization } from './organizations.ts';
import { s0Opener } from './s0-ciphertext.ts';
import { findServer, updateServer } from './servers.ts';
import { openSnapshotLoader } from './snapshot-loader.ts';

const encryptionKey = 'an encryption key of 32 characters';

/** As the older gateway writes it (S0.26). */
function sealLegacy(plain: string, secret = encryptionKey): string {
  const iv = randomBytes(12);
  const key = pbkdf2Sync(secret, 'mcp-gateway-salt', 100_000, 32, 'sha256');
  const cipher = createCipheriv('aes-256-gcm', key, iv);
  return Buffer.concat([iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()]).toString('base64');
}

let t: TestDatabase;
beforeAll(async () => {
  t = await createTestDatabase();
});
afterAll(() => t.close());

const snapshotOf = (name: string) => openSnapshotLoader(t.db, silentLog).loadNamed(name);

async function endpointOf(org: string, name: string) {
  return (await snapshotOf(org))?.endpoints.get(name);
}

async function insertSoc2(name = 'soc2', org = 'org_123') {
  const text = sealLegacy('tnt_secret');
  const [row] = await t.sql(
    `insert into collections (name, organization_id, partition, ragie_api_key, allowed_roles, filters)
     values ($1, $2, 'soc2-partition', $3, '["admin","member"]', '{"region": "eu"}') returning *`,
    [name, org, text],
  );
  return { text, row };
}

describe('public.collections in psql', () => {
  test('takes an insert in the old format and publishes the collection [S0.25]', async () => {
    const { text, row } = await insertSoc2();
    expect(row).toMatchObject({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      name: 'soc2',
      organization_id: 'org_123',
      partition: 'soc2-partition',
      ragie_api_key: text,
      allowed_roles: ['admin', 'member'],
      filters: { region: 'eu' },
      created_at: expect.any(Date),
      updated_at: expect.any(Date),
    });
    expect(await t.sql(`select * from collections where organization_id = 'org_123'`)).toMatchObject([
      { name: 'soc2', ragie_api_key: text, filters: { region: 'eu' } },
    ]);
    const endpoint = await endpointOf('org_123', 'soc2');
    expect(endpoint).toMatchObject({ kind: 'collection', allowedRoles: ['admin', 'member'] });
    expect(endpoint?.bindings).toMatchObject([
      {
        partition: 'soc2-partition',
        server: {
          key: 'ragie',
          enabled: true,
          transport: { kind: 'http', url: 'https://api.ragie.ai/mcp/{partition}/' },
        },
        credential: { header: { name: 'authorization', template: 'Bearer {}' } },
      },
    ]);
    expect(endpoint?.bindings[0]?.enforced.get('retrieve')?.get('filter')).toEqual({ region: 'eu' });
  });

  test('keeps the old ciphertext readable with the same key [S0.26]', async () => {
    await insertSoc2('readable');
    const endpoint = await endpointOf('org_123', 'readable');
    const credential = endpoint?.bindings[0]?.credential;
    if (!credential) throw new Error('no credential');
    const row = await withOrganization(t.db, credential.org, (scope) => findCredential(scope, credential.id));
    const [format, text = ''] = row?.sealed.split('.') ?? [];
    expect(format).toBe('s0');
    expect(await s0Opener(encryptionKey)(text)).toBe('tnt_secret');
    await expect(s0Opener('another key of 32 characters....')(text)).rejects.toThrow();
  });

  test('derives the key of old ciphertexts once, not for every call [X0.4]', async () => {
    const text = sealLegacy('tnt_secret');
    const open = s0Opener(encryptionKey);
    const start = performance.now();
    await open(text);
    const first = performance.now() - start;
    const again = performance.now();
    for (let n = 0; n < 100; n++) await open(text);
    // A hundred derivations would take a hundred times as long as the first.
    expect(performance.now() - again).toBeLessThan(Math.max(first, 20) * 10);
  });

  test('takes updates: roles, partition, filters and key', async () => {
    await insertSoc2('changing');
    const before = await endpointOf('org_123', 'changing');
    await t.sql(
      `update collections set allowed_roles = '"*"', partition = 'p2', filters = null, ragie_api_key = $1 where name = 'changing'`,
      [sealLegacy('tnt_new')],
    );
    const after = await endpointOf('org_123', 'changing');
    expect(after).toMatchObject({ allowedRoles: '*', bindings: [{ partition: 'p2' }] });
    expect(after?.bindings[0]?.enforced.get('retrieve')?.has('filter') ?? false).toBe(false);
    const version = before?.bindings[0]?.credential?.version ?? 0;
    expect(after?.bindings[0]?.credential?.version).toBe(version + 1);
    await t.sql(`update collections set filters = '{"a": 1}' where name = 'changing'`);
    const filtered = await endpointOf('org_123', 'changing');
    expect(filtered?.bindings[0]?.enforced.get('retrieve')?.get('filter')).toEqual({ a: 1 });
    expect(filtered?.bindings[0]?.credential?.version).toBe(version + 1);
  });

  test('takes a delete, with the credential', async () => {
    await insertSoc2('leaving', 'org_leaving');
    await t.sql(`delete from collections where name = 'leaving'`);
    expect(await endpointOf('org_leaving', 'leaving')).toBeUndefined();
    const rest = await t.sql(
      `select k.id from gateway.credentials k join gateway.organizations o on o.id = k.org_id where o.external_id = 'org_leaving'`,
    );
    expect(rest).toEqual([]);
  });

  test('refuses a second collection of the same name [X0.4]', async () => {
    await insertSoc2('twice');
    await expect(insertSoc2('twice')).rejects.toMatchObject({ code: '23505' });
  });

  test('does not switch on what an administrator switched off', async () => {
    await insertSoc2('first', 'org_off');
    await t.sql(`update gateway.enablements set enabled = false`);
    await insertSoc2('second', 'org_off');
    expect((await endpointOf('org_off', 'second'))?.bindings[0]?.server.enabled).toBe(false);
    await t.sql(`update gateway.enablements set enabled = true`);
  });

  test('takes nothing for an organization that was removed', async () => {
    await insertSoc2('old', 'org_removed');
    await withPlatform(t.db, async (scope) => {
      const found = await findOrganization(scope, 'org_removed');
      await removeOrganization(scope, found?.id ?? asOrgId(''));
    });
    await expect(insertSoc2('new', 'org_removed')).rejects.toMatchObject({ code: '23503' });
    expect(await t.sql(`select * from collections where organization_id = 'org_removed'`)).toEqual([]);
  });

  test('is good for an operator who is neither owner nor superuser', async () => {
    const work = `set role gatehouse_operator;
      insert into collections (name, organization_id, partition, ragie_api_key, allowed_roles) values ('op', 'org_op', 'p', 'x', '["a"]');
      update collections set partition = 'q' where name = 'op'`;
    await t.sql(`begin; ${work}; commit; reset role`);
    expect(await t.sql(`select partition, filters from collections where name = 'op'`)).toEqual([
      { partition: 'q', filters: null },
    ]);
    await expect(t.sql('begin; set local role gatehouse_operator; delete from gateway.collections')).rejects.toThrow(
      'permission denied',
    );
  });

  test('shows the application one organization, and takes nothing from it [C1]', async () => {
    await insertSoc2('mine', 'org_mine');
    await insertSoc2('theirs', 'org_theirs');
    const mine = await snapshotOf('org_mine');
    if (!mine) throw new Error('no organization');
    const seen = await withOrganization(t.db, mine.id, ({ tx }) =>
      tx.withSchema('public').selectFrom('collections').select('name').execute(),
    );
    expect(seen).toEqual([{ name: 'mine' }]);
    const removing = withOrganization(t.db, mine.id, ({ tx }) =>
      tx.withSchema('public').deleteFrom('collections').execute(),
    );
    await expect(removing).rejects.toMatchObject({ code: '42501' });
  });

  test('leaves the server ragie where the gateway was told it is', async () => {
    const url = 'http://127.0.0.1:9/base/mcp/{partition}/';
    await withPlatform(t.db, async (scope) => {
      const ragie = await findServer(scope, 'ragie');
      await updateServer(scope, ragie?.id ?? asServerId(''), { transport: { kind: 'http', url } });
    });
    await insertSoc2('elsewhere');
    const endpoint = await endpointOf('org_123', 'elsewhere');
    expect(endpoint?.bindings[0]?.server.transport).toEqual({ kind: 'http', url });
  });

  test('finds an organization made elsewhere under its slug', async () => {
    await withPlatform(t.db, (scope) => insertOrganization(scope, { slug: 'acme', name: 'Acme' }));
    await insertSoc2('known', 'acme');
    expect(await endpointOf('acme', 'known')).toBeDefined();
  });
});

describe('a database of the older gateway', () => {
  const oldTable = `create table collections (
    id uuid primary key default gen_random_uuid(), name text not null, organization_id text not null,
    mcp_server_url text, partition text, ragie_api_key text, allowed_roles jsonb, filters jsonb,
    created_at timestamp default now(), updated_at timestamp default now())`;

  test('is absorbed: rows imported, the table kept under another name, the view in its place [S0.25]', async () => {
    const url = await createEmptyDatabase();
    const text = sealLegacy('tnt_old');
    await sqlOf(url, oldTable);
    await sqlOf(
      url,
      `insert into collections (id, name, organization_id, partition, ragie_api_key, allowed_roles, filters, created_at) values
        ('11111111-1111-4111-8111-111111111111', 'soc2', 'org_1', 'p', '${text}', '"*"', '{"x": 1}', '2024-01-01'),
        ('22222222-2222-4222-8222-222222222222', 'soc2', 'org_1', 'later', '${text}', '["a"]', null, '2024-01-02'),
        ('33333333-3333-4333-8333-333333333333', 'My Docs', 'org_2', 'q', '${text}', '["a"]', null, '2024-01-03')`,
    );
    const database = await openTestDatabase(url);
    const rows = await sqlOf(
      url,
      'select id, name, organization_id, partition, filters from collections order by created_at',
    );
    expect(rows).toEqual([
      {
        id: '11111111-1111-4111-8111-111111111111',
        name: 'soc2',
        organization_id: 'org_1',
        partition: 'p',
        filters: { x: 1 },
      },
      {
        id: '33333333-3333-4333-8333-333333333333',
        name: 'My Docs',
        organization_id: 'org_2',
        partition: 'q',
        filters: null,
      },
    ]);
    expect(await sqlOf(url, 'select count(*)::int as n from collections_absorbed')).toEqual([{ n: 3 }]);
    const loaded = await openSnapshotLoader(openDb(database.dialect), silentLog).loadNamed('org_1');
    expect(loaded?.endpoints.get('soc2')).toMatchObject({ allowedRoles: '*' });
    await database.close();
  });

  test("keeps another application's table of the same name", async () => {
    const url = await createEmptyDatabase();
    await sqlOf(url, 'create table collections (id serial, title text)');
    const database = await openTestDatabase(url);
    expect(await sqlOf(url, `select relkind from pg_class where oid = 'public.collections'::regclass`)).toEqual([
      { relkind: 'r' },
    ]);
    await database.close();
  });
});
