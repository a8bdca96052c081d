import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { asBindingId, type OrgId, type PrincipalKey } from '#core/ids.ts';
import { silentLog } from '#core/log.ts';
import { withPlatform } from '#db/scope.ts';
import { type ManualClock, manualClock } from '#kit/identity/manual-clock.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { insertOrganization } from './organizations.ts';
import { openUpstreamSessions, type UpstreamSessionPlace, type UpstreamSessions } from './upstream-sessions.ts';

let t: TestDatabase;
let place: UpstreamSessionPlace;
let other: OrgId;
let clock: ManualClock;
let sweep = () => {};
let one: UpstreamSessions;
let two: UpstreamSessions;
const session = { id: 'upstream-session-id-in-the-clear', version: '2025-06-18' };
const key = Buffer.alloc(32, 7);

const open = (sealingKey: Buffer) => {
  const every = (_ms: number, work: () => void) => {
    sweep = work;
    return () => undefined;
  };
  return openUpstreamSessions({ db: t.db, key: sealingKey, clock, log: silentLog, every });
};

beforeAll(async () => {
  t = await createTestDatabase();
  const [org, second] = await withPlatform(t.db, async (scope) => [
    (await insertOrganization(scope, { slug: 'one', name: 'One' })).id,
    (await insertOrganization(scope, { slug: 'two', name: 'Two' })).id,
  ]);
  if (!org || !second) throw new Error('no organizations');
  other = second;
  const principal = 'issuer ada' as PrincipalKey;
  place = { org, binding: asBindingId('b1'), principal, credential: 'c1@1', variant: '' };
});
afterAll(() => t.close());
beforeEach(async () => {
  await t.sql('delete from gateway.upstream_sessions');
  clock = manualClock();
  one = open(key);
  two = open(key);
});

const in1h = () => clock.now() + 3_600_000;

test('a session that one replica has upstream is gone on with by another', async () => {
  expect(await two.find(place)).toBeUndefined();
  await one.put(place, session, in1h());
  expect(await two.find(place)).toEqual(session);
  await two.put(place, { id: 'newer' }, in1h());
  expect(await one.find(place)).toEqual({ id: 'newer' });
});

test('nobody else gets it: another organization, binding, person, credential or variant', async () => {
  await one.put(place, session, in1h());
  const others: Partial<UpstreamSessionPlace>[] = [
    { org: other },
    { binding: asBindingId('b2') },
    { principal: 'issuer eve' as PrincipalKey },
    { credential: 'c1@2' },
    { variant: 'elicitation' },
  ];
  for (const changed of others) expect(await one.find({ ...place, ...changed })).toBeUndefined();
});

test('it is sealed for its place, under our key', async () => {
  await one.put(place, session, in1h());
  expect(JSON.stringify(await t.sql('select * from gateway.upstream_sessions'))).not.toContain(session.id);
  expect(await open(Buffer.alloc(32, 8)).find(place)).toBeUndefined();
  const elsewhere = { ...place, binding: asBindingId('b2') };
  await one.put(elsewhere, { id: 'x' }, in1h());
  await t.sql(`update gateway.upstream_sessions set sealed = (select max(sealed) from gateway.upstream_sessions)`);
  const found = [await one.find(place), await one.find(elsewhere)];
  expect(found.filter((each) => each !== undefined)).toHaveLength(1);
});

test('one that the upstream forgot is removed, but not the one that was made in its place', async () => {
  await one.put(place, session, in1h());
  await two.put(place, { id: 'newer' }, in1h());
  await one.remove(place, session);
  expect(await one.find(place)).toEqual({ id: 'newer' });
  await one.remove(place, { id: 'newer' });
  expect(await two.find(place)).toBeUndefined();
});

test('it ends with its time, and is swept', async () => {
  await one.put(place, session, clock.now() + 1000);
  clock.advance(1001);
  expect(await one.find(place)).toBeUndefined();
  sweep();
  await expect.poll(() => t.sql('select digest from gateway.upstream_sessions')).toEqual([]);
});
