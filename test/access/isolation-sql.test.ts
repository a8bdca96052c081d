/** SQL as the application runs it, in every organization of a thousand: of what others own nothing is read, written or removed. */
import { CompiledQuery, sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { asOrgId } from '#core/ids.ts';
import { withOrganization } from '#db/scope.ts';
import { organizationTables, seedOrganizations } from '#kit/organization-rows.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';

const COUNT = 1000;
let t: TestDatabase;
let ids: readonly string[];
let tables: readonly string[];
beforeAll(async () => {
  t = await createTestDatabase();
  ids = await seedOrganizations(t, { count: COUNT });
  tables = await organizationTables(t);
}, 120_000);
afterAll(() => t?.close());

const idAt = (n: number) => ids[n % ids.length] ?? '';

/** Rows that it changed, or the SQLSTATE of its refusal. */
const attempt = (org: string, statement: string): Promise<number | string> =>
  withOrganization(t.db, asOrgId(org), async ({ tx }) => {
    const result = await tx.executeQuery(CompiledQuery.raw(statement));
    return Number(result.numAffectedRows ?? 0);
  }).catch((thrown: { cause?: { code?: string }; code?: string }) => thrown.cause?.code ?? thrown.code ?? 'error');

test('every table that organizations own has rows here: a new one needs a statement in test/kit/organization-rows.ts [C1]', async () => {
  const empty: string[] = [];
  for (const table of tables) {
    const [row] = await t.sql(`select count(distinct org_id)::int as n from gateway.${table}`);
    if (Number(row?.n) < COUNT) empty.push(table);
  }
  expect(empty).toEqual([]);
});

test('each of a thousand organizations reads its own rows and no other, in every table [C1] [C2] [C3]', async () => {
  const parts = tables.map(
    (table) => `select '${table}' as name, count(*)::int as all_rows,
      count(*) filter (where org_id = current_setting('app.org')::uuid)::int as own from gateway.${table}`,
  );
  const statement = parts.join(' union all ');
  const wrong: string[] = [];
  for (const id of ids) {
    const found = await withOrganization(t.db, asOrgId(id), ({ tx }) =>
      tx.executeQuery<{ name: string; all_rows: number; own: number }>(CompiledQuery.raw(statement)),
    );
    for (const { name, all_rows, own } of found.rows)
      if (own === 0 || all_rows !== own) wrong.push(`${id} sees ${all_rows} rows of ${name}, ${own} its own`);
  }
  expect(wrong).toEqual([]);
}, 120_000);

test('nothing of another organization is written or removed, nothing is given away, in every table [C1] [C2] [C3]', async () => {
  const before = await fingerprints();
  const wrong: string[] = [];
  for (const [i, table] of tables.entries()) {
    for (const step of [1, 17, 499]) {
      const [own, other] = [idAt(i * 31), idAt(i * 31 + step)];
      const name = `gateway.${table}`;
      const asked = {
        update: `update ${name} set org_id = org_id where org_id = '${other}'`,
        delete: `delete from ${name} where org_id = '${other}'`,
        give: `update ${name} set org_id = '${other}' where org_id = '${own}'`,
        insert: `insert into ${name} (org_id) values ('${other}')`,
      };
      for (const [how, statement] of Object.entries(asked)) {
        const said = await attempt(own, statement);
        // insufficient_privilege, of the table or of a row's policy; foreign_key_violation: a reference into another one.
        const isRefused =
          said === '42501' || said === '23503' || ((how === 'update' || how === 'delete') && said === 0);
        if (!isRefused) wrong.push(`${how} of ${table}: ${said}`);
      }
    }
  }
  expect(wrong).toEqual([]);
  expect(await fingerprints()).toEqual(before);
}, 120_000);

test('without an organization nothing is seen at all [C2]', async () => {
  for (const table of tables) {
    const { rows } = await sql<{ n: number }>`select count(*)::int as n from ${sql.table(`gateway.${table}`)}
      where ${sql.ref('org_id')} is not null`.execute(t.db);
    expect([table, rows[0]?.n]).toEqual([table, 0]);
  }
});

async function fingerprints(): Promise<Readonly<Record<string, unknown>>> {
  const found: Record<string, unknown> = {};
  for (const table of tables) {
    const [row] = await t.sql(
      `select md5(string_agg(to_jsonb(x)::text, '' order by to_jsonb(x)::text)) as digest from gateway.${table} x`,
    );
    found[table] = row?.digest;
  }
  return found;
}
