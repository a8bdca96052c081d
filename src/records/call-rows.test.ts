import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { asOrgId, uuidv7 } from '#core/ids.ts';
import { openDb } from '#db/open.ts';
import type { Db } from '#db/schema.ts';
import { withOrganization, withPlatform } from '#db/scope.ts';
import { callRecord } from '#kit/call-records.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { type Chain, openChain } from './audit/chain.ts';
import { openAuditKeys } from './audit/keys.ts';
import type { CallRecord } from './call-record.ts';

let t: TestDatabase;
let db: Db;
let chain: Chain;
const statements: string[] = [];
beforeAll(async () => {
  t = await createTestDatabase();
  db = openDb(t.database.dialect, (statement) => statements.push(statement));
  chain = openChain({ db, keys: openAuditKeys('a root secret'), clock: systemClock });
});
afterAll(() => t.close());

const one = asOrgId('0197a000-0000-7000-8000-000000000001');
const two = asOrgId('0197a000-0000-7000-8000-000000000002');
const at = Date.parse('2026-11-20T10:00:00.123Z');

const call = (change: Partial<CallRecord> = {}): CallRecord =>
  callRecord({ id: uuidv7(at), at, org: one, bytesOut: 5_000_000_000, ...change });

const auditOf = (id: string) => t.sql('select * from gateway.audit where id = $1', [id]);
const usageOf = (id: string) => t.sql('select * from gateway.usage where id = $1', [id]);

test('a call leaves a usage row with the documented columns, refused calls too [S3.7]', async () => {
  const record = call({ status: 429, decision: 'deny', reason: 'rate_limited' });
  await chain.insert([record]);
  expect(await usageOf(record.id)).toMatchObject([
    {
      user_email: 'ada@example.com',
      method: 'POST',
      endpoint: '/acme/mcp/docs',
      status_code: 429,
      response_time_ms: 12.5,
      user_agent: 'example-client/1.2',
      client_ip: '192.0.2.7',
      timestamp: new Date(at),
      bytes_out: '5000000000',
    },
  ]);
  expect(await auditOf(record.id)).toMatchObject([
    { at: new Date(at), decision: 'deny', reason: 'rate_limited', status: 429, name: 'retrieve', org_id: one },
  ]);
});

test('a batch of a thousand is one statement, for trail and usage', async () => {
  const batch = Array.from({ length: 1_000 }, (_, n) => call({ org: n % 2 ? one : two }));
  statements.length = 0;
  await chain.insert(batch);
  const inserts = statements.filter((statement) => /insert into gateway\.(?:audit|usage) /.test(statement));
  expect(inserts).toEqual([expect.stringMatching(/insert into gateway\.usage .*insert into gateway\.audit /s)]);
  const [counted] = await t.sql(`select count(*)::int as n from gateway.audit where id = any($1)`, [
    batch.map((record) => record.id),
  ]);
  expect(counted).toEqual({ n: 1_000 });
});

test('the same record twice is one row, in one batch or in two', async () => {
  const record = call();
  await chain.insert([record, record]);
  await chain.insert([record]);
  expect(await auditOf(record.id)).toHaveLength(1);
  expect(await usageOf(record.id)).toHaveLength(1);
});

test('an open record is completed by its closed one and never reopened', async () => {
  const closed = call({ status: 200, durationMs: 900 });
  const open = { ...closed, open: true, durationMs: 0 };
  await chain.insert([open]);
  expect(await auditOf(closed.id)).toMatchObject([{ open: true, duration_ms: 0 }]);
  await chain.insert([closed]);
  await chain.insert([open]);
  expect(await auditOf(closed.id)).toMatchObject([{ open: false, duration_ms: 900 }]);
  const together = call({ durationMs: 7 });
  await chain.insert([together, { ...together, open: true, durationMs: 0 }]);
  expect(await usageOf(together.id)).toMatchObject([{ open: false, response_time_ms: 7 }]);
});

test('text that PostgreSQL cannot hold does not spoil the batch', async () => {
  const record = call({ userAgent: 'a\0b\ud800c' });
  await chain.insert([record]);
  expect(await auditOf(record.id)).toMatchObject([{ user_agent: 'a\ufffdb\ufffdc' }]);
});

test('a closed record of the trail cannot be changed or removed by the gateway', async () => {
  const record = call();
  await chain.insert([record]);
  const changing = withPlatform(db, ({ tx }) => tx.updateTable('audit').set({ status: 500 }).execute());
  await expect(changing).rejects.toMatchObject({ code: '42501' });
  const removing = withPlatform(db, ({ tx }) => tx.deleteFrom('audit').execute());
  await expect(removing).rejects.toMatchObject({ code: '42501' });
});

test('an organization sees its own rows only; strangers are seen by none [C1]', async () => {
  const stranger = call({ org: null, subject: null, email: null });
  await chain.insert([stranger]);
  const seen = await withOrganization(db, two, ({ tx }) => tx.selectFrom('usage').select('org_id').execute());
  expect(new Set(seen.map((row) => row.org_id))).toEqual(new Set([two]));
});
