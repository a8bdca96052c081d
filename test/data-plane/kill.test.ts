import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { openAuditKeys } from '#records/audit/keys.ts';
import { verifyDatabase } from '#records/audit/verify-database.ts';
import { killRootSecret, killUnderLoad } from './kill.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database?.close());

/** Each with as many calls in flight; the hundred of the long lane are `node test/data-plane/kill-lane.ts`. */
test('five SIGKILLs under load lose no record of an answered call, write none twice, and leave whole chains [I6] [I5]', async () => {
  const { answered, lost } = await killUnderLoad({
    kills: 5,
    loadMs: (round) => 250 + 130 * round,
    concurrency: 16,
    databaseUrl: database.url,
    findAudited: async (ids) => {
      const rows = await database.sql('select id::text as id from gateway.audit where id = any($1::uuid[])', [ids]);
      return new Set(rows.map(({ id }) => String(id)));
    },
  });
  expect(answered).toBeGreaterThan(100);
  expect(lost).toEqual([]);
  const report = await verifyDatabase(database.db, openAuditKeys(killRootSecret), undefined);
  expect(report.problems).toEqual([]);
  expect(report.rows).toBeGreaterThanOrEqual(answered);
  const [twice] = await database.sql(
    'select count(*)::int - count(distinct request_id)::int as n from gateway.audit where kind = $1',
    ['call'],
  );
  expect(twice).toEqual({ n: 0 });
}, 120_000);
