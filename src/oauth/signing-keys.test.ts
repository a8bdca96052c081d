import { decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { deriveKey } from '#core/derive.ts';
import { openSealer } from '#core/sealer.ts';
import { type ManualClock, manualClock } from '#kit/identity/manual-clock.ts';
import { openTestServer, refresh, signIn, type TestServer, testRootSecret } from '#kit/oauth.ts';
import { rotateSigningKeys } from './signing-keys.ts';

let clock: ManualClock;
let one: TestServer;
/** A second replica. */
let two: TestServer;

// The library stamps tokens by the machine's clock: what the test's clock is ahead of it is less than they live.
const settings = { accessTokenSeconds: 14_400 };

beforeAll(async () => {
  clock = manualClock();
  one = await openTestServer({ clock, settings });
  two = await openTestServer({ clock, settings, database: one.database, issuer: one.issuer });
});
afterAll(async () => {
  await two.close();
  await one.close();
});

const rotate = (atOnce = false) =>
  rotateSigningKeys(
    { db: one.database.db, sealer: openSealer(deriveKey(testRootSecret, 'oauth-seal')), clock, algorithm: 'RS256' },
    { atOnce },
  );
async function publishedBy(replica: TestServer): Promise<readonly string[]> {
  const { keys }: { keys: { kid: string }[] } = JSON.parse(await (await fetch(`${replica.url}/jwks`)).text());
  return keys.map(({ kid }) => kid);
}
const kidOf = (token: string) => decodeProtectedHeader(token).kid ?? '';

test('a new key is published before it signs, signs, and the old one stays until its tokens are dead; nothing fails meanwhile [S1.18] [S1.45]', async () => {
  const before = await signIn(one);
  const old = kidOf(before.accessToken);
  const { kid, signsAt } = await rotate();
  expect(signsAt).toBe(clock.now() + 600_000);
  expect(await rotate()).toEqual({ kid, signsAt });
  for (const replica of [one, two])
    await vi.waitFor(async () => expect(await publishedBy(replica)).toEqual([old, kid]));
  const during = await signIn(two);
  expect(kidOf(during.accessToken)).toBe(old);
  await expect(one.server.tokens.verify(during.accessToken)).resolves.toHaveProperty('tokenId');

  clock.advance(600_000);
  // Both timers at once, as they would.
  await Promise.all([one.server.sweep(), two.server.sweep()]);
  for (const replica of [one, two])
    await vi.waitFor(async () => expect(await publishedBy(replica)).toEqual([kid, old]));
  const after = await signIn(one);
  expect(kidOf(after.accessToken)).toBe(kid);
  for (const replica of [one, two])
    await expect(replica.server.tokens.verify(after.accessToken)).resolves.toHaveProperty('tokenId');
  // Begun under the old key, continued under the new one.
  const continued = await refresh(two, during);
  expect(kidOf(String(continued.body.access_token))).toBe(kid);
});

test('sign-ins and checks on both replicas go on through a whole rotation [S1.18]', async () => {
  const failures: unknown[] = [];
  let going = true;
  const work = async (from: TestServer, to: TestServer) => {
    const client = (await signIn(from)).client;
    while (going) {
      try {
        const { accessToken } = await signIn(from, { client });
        await to.server.tokens.verify(accessToken);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  const working = [work(one, two), work(two, one)];
  const { kid } = await rotate();
  for (const replica of [one, two]) await vi.waitFor(async () => expect(await publishedBy(replica)).toContain(kid));
  // Not by the clock: codes that are under way would expire with it.
  await one.database.sql("update gateway.signing_keys set changed_at = changed_at - interval '10 minutes'");
  await vi.waitFor(async () => {
    await one.server.sweep();
    expect((await publishedBy(one))[0]).toBe(kid);
  });
  await vi.waitFor(async () => expect((await publishedBy(two))[0]).toBe(kid));
  const last = await signIn(two);
  expect(kidOf(last.accessToken)).toBe(kid);
  going = false;
  await Promise.all(working);
  expect(failures).toEqual([]);
});

test('at once: what a key signed that is no longer to be trusted is refused on every replica', async () => {
  const session = await signIn(one);
  await expect(two.server.tokens.verify(session.accessToken)).resolves.toHaveProperty('tokenId');
  const { kid } = await rotate(true);
  for (const replica of [one, two]) await vi.waitFor(async () => expect(await publishedBy(replica)).toEqual([kid]));
  await expect(two.server.tokens.verify(session.accessToken)).rejects.toMatchObject({ code: 'invalid_token' });
  await expect(two.server.tokens.verify((await signIn(one)).accessToken)).resolves.toHaveProperty('tokenId');
});

test('a retired key goes when its last token is dead', async () => {
  const { kid } = await rotate();
  clock.advance(600_000);
  for (const replica of [one, two]) {
    await vi.waitFor(async () => {
      await replica.server.sweep();
      expect((await publishedBy(replica))[0]).toBe(kid);
    });
    expect(await publishedBy(replica)).toHaveLength(2);
  }
  clock.advance(14_400_000 + 120_000);
  await two.server.sweep();
  for (const replica of [one, two]) await vi.waitFor(async () => expect(await publishedBy(replica)).toEqual([kid]));
});

test('private halves are sealed: the database alone signs nothing, and another ENCRYPTION_KEY opens nothing', async () => {
  const rows = await one.database.sql('select * from gateway.signing_keys');
  expect(rows.length).toBeGreaterThan(0);
  expect(JSON.stringify(rows)).not.toMatch(/"(d|p|q|dp|dq|qi)":/);
  await expect(
    openTestServer({
      database: one.database,
      issuer: one.issuer,
      rootSecret: 'another root secret of at least 32 letters',
    }),
  ).rejects.toMatchObject({ code: 'setting' });
});

test('replicas that start at once on an empty database agree on one key', async () => {
  await one.database.sql('delete from gateway.signing_keys');
  const started = await Promise.all(
    Array.from({ length: 4 }, () => openTestServer({ clock, database: one.database, issuer: one.issuer })),
  );
  const sets = await Promise.all(started.map(publishedBy));
  expect(new Set(sets.map(String)).size).toBe(1);
  expect(sets[0]).toHaveLength(1);
  await Promise.all(started.map((server) => server.close()));
});
