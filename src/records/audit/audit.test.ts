import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { deriveKey } from '#core/derive.ts';
import { asOrgId, uuidv7 } from '#core/ids.ts';
import { withPlatform } from '#db/scope.ts';
import { callRecord } from '#kit/call-records.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import type { CallRecord } from '#records/call-record.ts';
import { type Chain, openChain } from './chain.ts';
import { exportLines } from './export-lines.ts';
import { openAuditKeys } from './keys.ts';
import { pruneAudit } from './retention.ts';
import { listAudit } from './rows.ts';
import { verifyDatabase } from './verify-database.ts';
import { verifyLines } from './verify-file.ts';

let t: TestDatabase;
let chain: Chain;
const keys = openAuditKeys('a root secret of this test, long enough');
const acme = asOrgId('0197a000-0000-7000-8000-000000000001');
const other = asOrgId('0197a000-0000-7000-8000-000000000002');

beforeAll(async () => {
  t = await createTestDatabase();
});
afterAll(() => t.close());
beforeEach(async () => {
  for (const table of ['audit', 'audit_checkpoints', 'audit_heads']) await t.sql(`delete from gateway.${table}`);
  chain = openChain({ db: t.db, keys, clock: systemClock });
});

const call = (change: Partial<CallRecord> = {}): CallRecord =>
  callRecord({ at: Date.now(), id: uuidv7(Date.now()), org: acme, durationMs: 0.1 + 0.2, ...change });
const verify = () => verifyDatabase(t.db, keys, acme);
const insertTen = async () => {
  const records = Array.from({ length: 10 }, () => call());
  await chain.insert(records.slice(0, 4));
  await chain.insert(records.slice(4));
  return records;
};
/** As somebody who owns the database, and knows the triggers. */
const tamper = async (statement: string, values: readonly unknown[] = []) => {
  await t.sql('alter table gateway.audit disable trigger keep_closed');
  await t.sql(statement, values);
  await t.sql('alter table gateway.audit enable trigger keep_closed');
};

describe('a chain', () => {
  test('that nobody touched is good, whatever it holds', async () => {
    await insertTen();
    const odd = { userAgent: 'a\0b\ud800c', detail: { z: 1, a: [1.5, { y: null, x: 'ü' }] }, at: 1_800_000_000_123 };
    await chain.insert([call({ org: null, subject: null, email: null, upstreamMs: null }), call(odd)]);
    await chain.insert([call({ kind: 'admin', action: 'key.create', target: 'ada@example.com' })]);
    await chain.close();
    const report = await verifyDatabase(t.db, keys, undefined);
    expect(report).toMatchObject({ rows: 13, chains: 2, checkpoints: 2, problems: [] });
  });

  test('goes on where it was after the same records a second time: nothing twice, nothing lost [I6]', async () => {
    const records = await insertTen();
    await chain.insert([...records.slice(5), call()]);
    const second = openChain({ db: t.db, keys, clock: systemClock });
    await second.insert([...records, call()]);
    expect(await verify()).toMatchObject({ rows: 12, chains: 2, problems: [] });
  });

  test('holds rows that were open: their end has a place of its own', async () => {
    const stream = call({ durationMs: 3 });
    await chain.insert([call(), { ...stream, open: true }, call()]);
    expect(await verify()).toMatchObject({ rows: 3, problems: [] });
    await chain.insert([{ ...stream, status: 499, reason: 'client_gone' }, call()]);
    await chain.insert([{ ...stream, open: true }]);
    expect(await verify()).toMatchObject({ rows: 4, problems: [] });
    await tamper('update gateway.audit set status = 200 where id = $1', [stream.id]);
    expect((await verify()).problems).toMatchObject([{ kind: 'changed', seq: 5, row: stream.id }]);
  });

  test.each([
    ['update', `update gateway.audit set decision = 'deny' where seq = 6`, { kind: 'changed', seq: 6 }],
    ['delete', 'delete from gateway.audit where seq = 6', { kind: 'missing', seq: 6 }],
    ['tail cut', 'delete from gateway.audit where seq > 7', { kind: 'cut', seq: 8 }],
    ['all of it', 'delete from gateway.audit', { kind: 'cut', seq: 1 }],
    ['e-mail', `update gateway.audit set email = 'eve@example.com' where seq = 3`, { kind: 'person', seq: 3 }],
    [
      'reorder',
      'update gateway.audit set seq = case seq when 4 then 105 else 104 end where seq in (4, 5)',
      { kind: 'missing', seq: 4 },
    ],
  ])('whose rows were changed by %s is bad, and from where on is said [I5]', async (_what, statement, problem) => {
    await insertTen();
    await chain.close();
    await tamper(statement);
    expect((await verify()).problems).toMatchObject([problem]);
  });

  test('with a swapped pair, an inserted row or a cut head is bad from there on [I5]', async () => {
    const records = await insertTen();
    await chain.close();
    await tamper('update gateway.audit set seq = -seq where seq in (4, 5)');
    await tamper('update gateway.audit set seq = case seq when -4 then 5 else 4 end where seq < 0');
    expect((await verify()).problems).toMatchObject([{ seq: 4 }]);
    await tamper('update gateway.audit set seq = -seq where seq in (4, 5)');
    await tamper('update gateway.audit set seq = case seq when -4 then 5 else 4 end where seq < 0');
    expect((await verify()).problems).toEqual([]);
    // A tail cut together with the head: the signed checkpoint still says how long it was.
    await tamper('delete from gateway.audit where seq > 8');
    await t.sql(`update gateway.audit_heads set seq = 8, hash = (select hash from gateway.audit where seq = 8)`);
    expect((await verify()).problems).toMatchObject([{ kind: 'cut', seq: 9 }]);
    const forged = { ...records[0], id: uuidv7(Date.now()) };
    await t.sql(
      `insert into gateway.audit (id, org_id, at, request_id, http_method, path, decision, status, open, duration_ms, bytes_in, bytes_out)
       values ($1, $2, now(), 'x', 'POST', '/', 'allow', 200, false, 1, 1, 1)`,
      [forged.id, acme],
    );
    expect((await verify()).problems).toContainEqual(expect.objectContaining({ kind: 'unchained', row: forged.id }));
  });

  test('with a checkpoint of another key is bad', async () => {
    await insertTen();
    await chain.close();
    await t.sql(`update gateway.audit_checkpoints set seq = 9`);
    expect((await verify()).problems).toMatchObject([{ kind: 'checkpoint' }]);
  });

  test('stays good when a person is erased, and says how many rows that were', async () => {
    await insertTen();
    await t.sql(
      `update gateway.audit set subject = null, email = null, client_address = null, user_agent = null, target = null
       where subject = 'user_01H8XYZ'`,
    );
    const report = await verify();
    expect(report).toMatchObject({ rows: 10, erased: 10, problems: [] });
    const [row] = await withPlatform(t.db, ({ tx }) => listAudit(tx, { org: acme, order: 'newest', limit: 1 }));
    const pseudonym = row?.person ?? '';
    const found = await withPlatform(t.db, ({ tx }) =>
      listAudit(tx, { org: acme, order: 'newest', limit: 100, person: pseudonym }),
    );
    expect(found).toHaveLength(10);
  });

  test('whose beginning is old enough goes with a signed tombstone, and the rest is still good [I5]', async () => {
    const old = Date.now() - 100 * 86_400_000;
    const stream = call({ at: old });
    await chain.insert([call({ at: old }), call({ at: old }), { ...stream, open: true }, call({ at: old }), call()]);
    await chain.insert([stream, call()]);
    expect(await pruneAudit({ db: t.db, keys, clock: systemClock }, Date.now() - 90 * 86_400_000)).toBe(3);
    expect(await verify()).toMatchObject({ rows: 3, problems: [] });
    await tamper('delete from gateway.audit where seq = 3');
    expect((await verify()).problems).toMatchObject([{ kind: 'cut', seq: 7 }]);
  });

  test('is checked from a file alone [I5]', async () => {
    await insertTen();
    await chain.close();
    const lines: string[] = [];
    for await (const line of exportLines(t.db, { org: acme, order: 'oldest', limit: 4 })) lines.push(line);
    expect(await verifyLines(lines, keys.publicKey)).toMatchObject({ rows: 10, checkpoints: 1, problems: [] });
    const changed = lines.map((line) => (line.includes('"seq":6,') ? line.replace('"allow"', '"deny"') : line));
    expect((await verifyLines(changed, keys.publicKey)).problems).toMatchObject([{ kind: 'changed', seq: 6 }]);
    const cut = lines.filter((line) => !line.includes('"type":"row"') || !/"seq":(?:9|10),/.test(line));
    expect((await verifyLines(cut, keys.publicKey)).problems).toMatchObject([{ kind: 'cut', seq: 9 }]);
    const doubled = lines.flatMap((line) =>
      line.includes('"seq":6,') ? [line, line.replace(/"id":"[^"]+"/, `"id":"${uuidv7(1)}"`)] : [line],
    );
    expect((await verifyLines(doubled, keys.publicKey)).problems).toMatchObject([{ kind: 'inserted', seq: 6 }]);
    const another = openAuditKeys('somebody else').publicKey;
    expect((await verifyLines(lines, another)).problems).toMatchObject([{ kind: 'checkpoint' }]);
  });
});

test('the roles of the gateway may neither change nor remove a row, nor a checkpoint [I5]', async () => {
  await insertTen();
  await chain.close();
  const denied = expect.objectContaining({ code: '42501' });
  const tries = [
    () => withPlatform(t.db, ({ tx }) => tx.updateTable('audit').set({ status: 500 }).execute()),
    () => withPlatform(t.db, ({ tx }) => tx.deleteFrom('audit').execute()),
    () => withPlatform(t.db, ({ tx }) => tx.updateTable('audit_checkpoints').set({ seq: 1 }).execute()),
    () => withPlatform(t.db, ({ tx }) => tx.deleteFrom('audit_checkpoints').execute()),
    () => withPlatform(t.db, ({ tx }) => tx.deleteFrom('audit_heads').execute()),
  ];
  for (const attempt of tries) await expect(attempt()).rejects.toEqual(denied);
});

test('two processes write side by side, each its own chain', async () => {
  const second = openChain({ db: t.db, keys, clock: systemClock });
  const batches = Array.from({ length: 12 }, () => [call(), call({ org: other })]);
  await Promise.all(batches.map((batch, n) => (n % 2 ? chain : second).insert(batch)));
  const report = await verifyDatabase(t.db, keys, undefined);
  expect(report).toMatchObject({ rows: 24, chains: 4, problems: [] });
});

test('the digest of arguments is HMAC-SHA-256, however long they are', () => {
  const key = (org: string) => createHmac('sha256', deriveKey('a root', 'audit-digest')).update(org).digest();
  const made = openAuditKeys('a root');
  for (const length of [0, 1, 63, 64, 65, 16_384, 16_385, 100_000]) {
    const bytes = Buffer.alloc(length, 'ab');
    const expected = createHmac('sha256', key(acme)).update(bytes).digest().subarray(0, 16).toString('base64url');
    expect(made.argumentDigest(acme, bytes), String(length)).toBe(expected);
  }
});
