import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDb } from '#db/open.ts';
import type { Db } from '#db/schema.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { type DirectAccounts, openDirectAccounts } from './direct-accounts.ts';
import type { SeenIdentity } from './users.ts';

let t: TestDatabase;
let db: Db;
let now = Date.parse('2026-11-20T10:00:00Z');
const statements: string[] = [];
let accounts: DirectAccounts;
beforeAll(async () => {
  t = await createTestDatabase();
  db = openDb(t.database.dialect, (statement) => statements.push(statement));
  accounts = openDirectAccounts({ db, clock: { now: () => now, monotonic: () => now } });
});
afterAll(() => t.close());

const writes = async (seen: SeenIdentity) => {
  statements.length = 0;
  const ids = await Promise.all(Array.from({ length: 8 }, () => accounts.ensure(seen)));
  const written = statements.filter((statement) => /^(?:insert into|update) "gateway"."users"/.test(statement));
  return { ids: new Set(ids), written: written.length };
};

test('somebody who comes with many requests at once is written once, since each write makes those under way begin again', async () => {
  const seen = { provider: 'corp', subject: 'ada', email: 'ada@acme.example', emailVerified: true, name: 'Ada' };
  const first = await writes(seen);
  expect([first.ids.size, first.ids.has(undefined), first.written]).toEqual([1, false, 1]);
  expect(await writes(seen)).toEqual({ ids: first.ids, written: 0 });
  now += 3_600_000;
  expect(await writes({ ...seen, name: 'Ada L.' })).toEqual({ ids: first.ids, written: 1 });
});

test('whoever is deactivated here is nobody', async () => {
  const seen = { provider: 'corp', subject: 'eve' };
  const id = await accounts.ensure(seen);
  await t.sql('update gateway.users set deactivated_at = now() where id = $1', [id]);
  expect(await accounts.ensure({ ...seen, name: 'Eve' })).toBeUndefined();
});
