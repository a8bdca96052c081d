import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { asOrgId, type OrgId } from '#core/ids.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { insertOrganization } from '#records/organizations.ts';
import { insertServer } from '#records/servers.ts';
import { withOrganization, withPlatform } from './scope.ts';
import { checkIsolation, listUnprotectedTables } from './self-test.ts';

let t: TestDatabase;
let one: OrgId;
let two: OrgId;
const http = { kind: 'http', url: 'https://tools.example/mcp' } as const;

beforeAll(async () => {
  t = await createTestDatabase();
  [one, two] = await withPlatform(t.db, async (scope) => {
    const first = await insertOrganization(scope, { slug: 'one', name: 'One' });
    const second = await insertOrganization(scope, { slug: 'two', name: 'Two' });
    return [first.id, second.id];
  });
});
afterAll(() => t.close());

describe('the self-test', () => {
  test('refuses a role that is superuser or owner [C2]', async () => {
    const asOwner = t.db.connection().execute(async (db) => {
      await sql`set role postgres`.execute(db);
      try {
        await checkIsolation(db);
      } finally {
        await sql`set role gatehouse_app`.execute(db);
      }
    });
    await expect(asOwner).rejects.toMatchObject({ code: 'setting', message: expect.stringContaining('"postgres"') });
  });

  test('names a table that has an organization but no policy [C2]', async () => {
    expect(await listUnprotectedTables(t.db)).toEqual([]);
    await t.sql('create table gateway.forgotten (org_id uuid)');
    await expect(checkIsolation(t.db)).rejects.toThrow('tables without forced row-level security: forgotten');
    await t.sql('alter table gateway.forgotten enable row level security');
    await t.sql('create policy p on gateway.forgotten using (true)');
    expect(await listUnprotectedTables(t.db)).toEqual(['forgotten']);
    await t.sql('alter table gateway.forgotten force row level security');
    expect(await listUnprotectedTables(t.db)).toEqual([]);
    await t.sql('drop table gateway.forgotten');
  });
});

describe('row-level security', () => {
  test('hides every table of one organization from another [C1]', async () => {
    const server = await withOrganization(t.db, one, (scope) =>
      insertServer(scope, { key: 'mine', title: 'Mine', transport: http }),
    );
    const found = await withOrganization(t.db, two, ({ tx }) =>
      tx.selectFrom('servers').selectAll().where('id', '=', server.id).execute(),
    );
    expect(found).toEqual([]);
    const changed = await withOrganization(t.db, two, ({ tx }) =>
      tx.updateTable('servers').set({ title: 'Stolen' }).where('id', '=', server.id).executeTakeFirst(),
    );
    expect(changed.numUpdatedRows).toBe(0n);
  });

  test('refuses a row for another organization [C1]', async () => {
    const work = withOrganization(t.db, one, ({ tx }) =>
      tx.insertInto('collections').values({ org_id: two, name: 'x', allowed_roles: '[]' }).execute(),
    );
    await expect(work).rejects.toMatchObject({ code: '42501' });
  });

  test("refuses to bind or enable another organization's server by its id [C1]", async () => {
    const server = await withOrganization(t.db, one, (scope) =>
      insertServer(scope, { key: 'private', title: 'Private', transport: http }),
    );
    const enabling = withOrganization(t.db, two, ({ tx }) =>
      tx.insertInto('enablements').values({ org_id: two, server_id: server.id }).execute(),
    );
    await expect(enabling).rejects.toMatchObject({ code: 'not_found' });
    const unknown = withOrganization(t.db, two, ({ tx }) =>
      tx.insertInto('enablements').values({ org_id: two, server_id: '0197a000-0000-7000-8000-000000000000' }).execute(),
    );
    await expect(unknown).rejects.toMatchObject({ code: 'not_found' });
  });

  test("lets an organization read the platform's servers and not change them", async () => {
    await withPlatform(t.db, (scope) => insertServer(scope, { key: 'shared', title: 'Shared', transport: http }));
    await withOrganization(t.db, two, async ({ tx }) => {
      expect(await tx.selectFrom('servers').select('key').execute()).toEqual([{ key: 'shared' }]);
      const { numUpdatedRows } = await tx.updateTable('servers').set({ title: 'Mine now' }).executeTakeFirst();
      expect(numUpdatedRows).toBe(0n);
    });
  });

  test('gives the platform role nothing where the platform scope is not set', async () => {
    const rows = await t.db.transaction().execute(async (tx) => {
      await sql`set local role gatehouse_platform`.execute(tx);
      return tx.selectFrom('organizations').selectAll().execute();
    });
    expect(rows).toEqual([]);
  });

  test('an id that is no UUID never reaches SQL', () => {
    expect(() => withOrganization(t.db, asOrgId("x' or true"), async () => undefined)).toThrow();
  });
});
