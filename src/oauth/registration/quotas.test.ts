import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type ManualClock, manualClock } from '#kit/identity/manual-clock.ts';
import { openTestServer, registerClient, signIn, type TestServer, type TestServerOptions } from '#kit/oauth.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';

const hour = 3_600_000;
let database: TestDatabase;
let clock: ManualClock;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

async function withServer(
  options: TestServerOptions & { readonly perAddressPerHour?: number; readonly pending?: number },
  work: (t: TestServer) => Promise<void>,
): Promise<void> {
  await database.sql('truncate gateway.oauth_clients');
  clock = manualClock();
  const { perAddressPerHour = 100_000, pending = 100_000 } = options;
  const settings = { registration: { enabled: true, perAddressPerHour, pending } };
  const t = await openTestServer({ ...options, settings, clock, database });
  try {
    await work(t);
  } finally {
    await t.close();
  }
}

function register({ url }: TestServer, forwardedFor?: string): Promise<Response> {
  return fetch(`${url}/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(forwardedFor && { 'x-forwarded-for': forwardedFor }) },
    body: JSON.stringify({ redirect_uris: ['https://client.example/cb'], token_endpoint_auth_method: 'none' }),
  });
}

async function countRows(where = 'true'): Promise<number> {
  const [row] = await database.sql(`select count(*)::int as count from gateway.oauth_clients where ${where}`);
  return Number(row?.count);
}

/** The mark of a sign-in is made beside the answer, not before it. */
async function signInAndWait(t: TestServer) {
  const signedIn = await signIn(t);
  await vi.waitFor(async () =>
    expect(await countRows(`id = '${signedIn.client.id}' and signed_in_at is not null`)).toBe(1),
  );
  return signedIn;
}

describe('one address', () => {
  test('registers as often in an hour as the settings say, then is told when to come back [A5] [A25]', () =>
    withServer({ perAddressPerHour: 20 }, async (t) => {
      const answers = await Promise.all(Array.from({ length: 200 }, () => register(t)));
      expect(answers.filter(({ status }) => status === 201)).toHaveLength(20);
      const refused = answers.filter(({ status }) => status === 429);
      expect(refused).toHaveLength(180);
      expect(Number(refused[0]?.headers.get('retry-after'))).toBeGreaterThan(3000);
      expect(await refused[0]?.json()).toMatchObject({ error: 'temporarily_unavailable' });
      expect(await countRows()).toBe(20);
    }));

  test('cannot pass itself off as others, unless a trusted proxy says so [A25]', async () => {
    await withServer({ perAddressPerHour: 1 }, async (t) => {
      expect((await register(t, '203.0.113.1')).status).toBe(201);
      expect((await register(t, '203.0.113.2')).status).toBe(429);
    });
    await withServer({ perAddressPerHour: 1, trustedProxies: ['127.0.0.1'] }, async (t) => {
      expect((await register(t, '203.0.113.1')).status).toBe(201);
      expect((await register(t, '203.0.113.2')).status).toBe(201);
      expect((await register(t, '203.0.113.9, 203.0.113.2')).status).toBe(429);
      // One customer owns all of an IPv6 /64.
      expect((await register(t, '2001:db8::1')).status).toBe(201);
      expect((await register(t, '2001:db8::2')).status).toBe(429);
    });
  });
});

describe('all together', () => {
  test('beyond the limit of pending clients nobody registers, and nobody in the middle of a sign-in loses a client [A25]', () =>
    withServer({ pending: 10 }, async (t) => {
      const first = await registerClient(t);
      for (let i = 1; i < 10; i++) expect((await register(t)).status).toBe(201);
      const refused = await register(t);
      expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '600']);
      expect(await countRows()).toBe(10);
      await expect(signIn(t, { client: first })).resolves.toHaveProperty('accessToken');
    }));

  test("clients that were signed in through take nobody's place [A25]", () =>
    withServer({ pending: 3 }, async (t) => {
      for (let i = 0; i < 6; i++) {
        await signInAndWait(t);
        clock.advance(11_000);
      }
      expect(await countRows()).toBe(6);
    }));

  test('in a crowd, who has waited for an hour goes first [A25]', () =>
    withServer({ pending: 10 }, async (t) => {
      for (let i = 0; i < 5; i++) await register(t);
      const { client } = await signInAndWait(t);
      clock.advance(hour / 2);
      for (let i = 0; i < 5; i++) await register(t);
      clock.advance(hour / 2);
      expect((await register(t)).status).toBe(201);
      expect(await countRows('signed_in_at is null')).toBe(6);
      expect(await t.server.provider.Client.find(client.id)).toMatchObject({ clientId: client.id });
    }));
});

test('a day later the sweep has removed whom nobody signed in through, and nobody else [S1.10] [A25]', () =>
  withServer({}, async (t) => {
    for (let i = 0; i < 60; i++) await register(t);
    const { client, accessToken } = await signInAndWait(t);
    await t.server.sweep();
    expect(await countRows()).toBe(61);
    clock.advance(24 * hour);
    await t.server.sweep();
    expect(await database.sql('select id from gateway.oauth_clients')).toEqual([{ id: client.id }]);
    clock.advance(90 * 24 * hour);
    await t.server.sweep();
    expect(await countRows()).toBe(0);
    await expect(t.server.tokens.verify(accessToken)).rejects.toThrow();
    expect(await database.sql('select 1 from gateway.oauth_records where client_id = $1', [client.id])).toEqual([]);
  }));
