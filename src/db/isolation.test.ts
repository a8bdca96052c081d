import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { checkIsolation } from './self-test.ts';

let t: TestDatabase;
beforeAll(async () => {
  t = await createTestDatabase();
});
afterAll(() => t.close());

test('the database that tests get passes the self-test', async () => {
  await checkIsolation(t.db);
  expect(await t.sql('select 1 as one')).toEqual([{ one: 1 }]);
});
