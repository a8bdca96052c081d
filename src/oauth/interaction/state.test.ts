/** Whatever comes back to /callback: a code is issued to the browser that approved, for what it approved, once. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { deriveKey } from '#core/derive.ts';
import { openSealer } from '#core/sealer.ts';
import { manualClock } from '#kit/identity/manual-clock.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { openSignInWorld, type SignInWorld } from '#kit/sign-in-world.ts';
import { type Attempts, openAttempts } from './attempts.ts';

let database: TestDatabase;
let attempts: Attempts;
const clock = manualClock();
const sealer = openSealer(deriveKey('a root secret for this test alone', 'oauth-seal'));
const kept = { interaction: 'i', provider: 'p', approval: 'a', memory: 'm' };

beforeAll(async () => {
  database = await createTestDatabase();
  attempts = openAttempts({ db: database.db, sealer, clock, secure: false });
});
afterAll(() => database.close());

async function begin() {
  const state = attempts.newState();
  const [cookie = ''] = (await attempts.keep(state, kept)).split(';');
  return { state, cookie };
}

test('a random, tampered or foreign state, or the cookie of another, gives nothing [A2] [S1.13]', async () => {
  const mine = await begin();
  const theirs = await begin();
  const name = mine.cookie.split('=')[0];
  const wrongState = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary' }),
    fc.stringMatching(/^[A-Za-z0-9_-]{43}$/),
    fc.nat(42).map((at) => mine.state.slice(0, at) + (mine.state[at] === 'A' ? 'B' : 'A') + mine.state.slice(at + 1)),
    fc.constantFrom(mine.state.toUpperCase(), `${mine.state}=`, ` ${mine.state}`, mine.state.slice(1)),
  );
  await fc.assert(
    fc.asyncProperty(wrongState, fc.constantFrom(mine.cookie, theirs.cookie, ''), async (state, cookie) => {
      fc.pre(state !== mine.state);
      expect((await attempts.take(state, cookie)).attempt).toBeUndefined();
    }),
    { numRuns: 150 },
  );
  const wrongCookie = fc.oneof(
    fc.string(),
    fc.stringMatching(/^[A-Za-z0-9_-]{43}$/).map((value) => `${name}=${value}`),
    fc.constant(`${name}=${theirs.cookie.split('=')[1]}`),
  );
  await fc.assert(
    fc.asyncProperty(wrongCookie, async (cookie) => {
      const { state } = await begin();
      expect((await attempts.take(state, cookie)).attempt).toBeUndefined();
    }),
    { numRuns: 60 },
  );
  expect((await attempts.take(mine.state, mine.cookie)).attempt).toEqual(kept);
});

test('of any number of browsers that come at once with the same state one gets through [A2]', async () => {
  const { state, cookie } = await begin();
  const taken = await Promise.all(Array.from({ length: 12 }, () => attempts.take(state, cookie)));
  expect(taken.filter(({ attempt }) => attempt)).toHaveLength(1);
});

test('ten minutes are the end [A2]', async () => {
  const [early, late] = [await begin(), await begin()];
  clock.advance(599_000);
  expect((await attempts.take(early.state, early.cookie)).attempt).toEqual(kept);
  clock.advance(2000);
  expect((await attempts.take(late.state, late.cookie)).attempt).toBeUndefined();
});

test('neither state nor what is remembered lies in the database in clear', async () => {
  const { state, cookie } = await begin();
  const rows = JSON.stringify(await database.sql('select * from gateway.sign_in_attempts'));
  expect(rows).not.toContain(state);
  expect(rows).not.toContain(cookie.split('=')[1]);
  expect(rows).not.toContain('"m"');
});

test('no callback that was not begun here issues a code or signs anybody in [A2] [A24]', async () => {
  const t: SignInWorld = await openSignInWorld({ local: false });
  try {
    const jar = t.jar();
    const client = await t.register();
    await jar.open(t.ask(client));
    await fc.assert(
      fc.asyncProperty(fc.webQueryParameters(), fc.string(), async (query, state) => {
        const url = `${t.issuer}/callback?${query}&state=${encodeURIComponent(state)}`;
        const page = await jar.open(url);
        expect(page.url).toBe(`${t.issuer}/error?error=invalid_state`);
      }),
      { numRuns: 40 },
    );
    const [row] = await t.database.sql(
      `select count(*)::int as n from gateway.oauth_records where model in ('AuthorizationCode', 'Grant')`,
    );
    expect(row).toEqual({ n: 0 });
  } finally {
    await t.close();
  }
});
