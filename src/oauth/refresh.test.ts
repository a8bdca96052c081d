import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ManualClock, manualClock } from '#kit/identity/manual-clock.ts';
import { issueCode, openTestServer, redeem, refresh, registerClient, signIn, type TestServer } from '#kit/oauth.ts';

let clock: ManualClock;
let one: TestServer;
/** A second replica. */
let two: TestServer;

beforeAll(async () => {
  clock = manualClock();
  one = await openTestServer({ clock });
  two = await openTestServer({ clock, database: one.database, issuer: one.issuer });
});
afterAll(async () => {
  await two.close();
  await one.close();
});

const alive = (accessToken: unknown) =>
  two.server.tokens.verify(String(accessToken)).then(
    () => true,
    () => false,
  );

describe('authorization codes', () => {
  test('a code is good once; presenting it again ends what came of it [S1.15] [A8]', async () => {
    const code = await issueCode(one);
    const first = await redeem(one, code);
    expect(first.status).toBe(200);
    expect(await alive(first.body.access_token)).toBe(true);
    const second = await redeem(two, code);
    expect(second).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
    expect(await alive(first.body.access_token)).toBe(false);
    expect(await refresh(one, { ...code, refreshToken: String(first.body.refresh_token) })).toMatchObject({
      status: 400,
      body: { error: 'invalid_grant' },
    });
  });

  test('of 50 redemptions at once exactly one succeeds [A8] [X1.1]', async () => {
    const code = await issueCode(one);
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => redeem(i % 2 ? one : two, code)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    for (const { status, body } of answers)
      if (status !== 200) expect([status, body.error]).toEqual([400, 'invalid_grant']);
    const row = await one.database.sql(`select count(*)::int as left from gateway.oauth_records where grant_id = $1`, [
      code.grantId,
    ]);
    expect(row).toEqual([{ left: 0 }]);
  });

  test('another client, another redirect URI and a wrong verifier get nothing, and the code is burnt [A7] [A8] [X1.1]', async () => {
    const other = await registerClient(one);
    const wrongs = [
      { client: other },
      { verifier: 'x'.repeat(43) },
      { verifier: 'x'.repeat(42) },
      { verifier: 'x'.repeat(129) },
      { redirectUri: 'https://client.example/other' },
    ];
    for (const { redirectUri, ...wrong } of wrongs) {
      const code = await issueCode(one);
      const client = redirectUri ? { ...code.client, redirectUri } : code.client;
      const refused = await redeem(one, { ...code, client, ...wrong });
      expect(refused.status).toBe(400);
      expect(refused.body.error).toMatch(/^invalid_(grant|request)$/);
      if (refused.body.error === 'invalid_grant') {
        expect(await redeem(one, code)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
      }
    }
  });

  test('a code lives for a minute [X1.1] [A8]', async () => {
    const code = await issueCode(one);
    const [row] = await one.database.sql(
      `select extract(epoch from expires_at) - $2 / 1000.0 as left from gateway.oauth_records
       where model = 'AuthorizationCode' and grant_id = $1`,
      [code.grantId, clock.now()],
    );
    expect(Number(row?.left)).toBeGreaterThan(50);
    expect(Number(row?.left)).toBeLessThanOrEqual(60);
  });

  test('a code is bound to its resource [A10] [S1.23]', async () => {
    const code = await issueCode(one, { resource: `${one.issuer}/acme/mcp` });
    expect(await redeem(one, { ...code, resource: `${one.issuer}/other/mcp` })).toMatchObject({
      status: 400,
      body: { error: 'invalid_target' },
    });
  });

  test('no bearer value is stored in clear text', async () => {
    const session = await signIn(one);
    const rotated = await refresh(one, session);
    const rows = await one.database.sql('select * from gateway.oauth_records');
    const dump = JSON.stringify(rows);
    for (const value of [session.code, session.refreshToken, session.accessToken, rotated.body.refresh_token]) {
      expect(dump).not.toContain(value);
    }
  });
});

describe('refresh tokens', () => {
  test('rotate, and within ten seconds the one before gives the same answer again [A9] [S1.16]', async () => {
    const session = await signIn(one);
    const first = await refresh(one, session);
    expect(first.status).toBe(200);
    expect(first.body.refresh_token).not.toBe(session.refreshToken);
    clock.advance(9_000);
    const again = await refresh(two, session);
    expect(again.status).toBe(200);
    expect(again.body).toEqual(first.body);
  });

  test('after ten seconds the one before ends the whole family [A9]', async () => {
    const session = await signIn(one);
    const first = await refresh(one, session);
    clock.advance(10_001);
    expect(await refresh(two, session)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
    expect(await refresh(one, { ...session, refreshToken: String(first.body.refresh_token) })).toMatchObject({
      status: 400,
      body: { error: 'invalid_grant' },
    });
    expect(await alive(first.body.access_token)).toBe(false);
    expect(await alive(session.accessToken)).toBe(false);
  });

  test('R1, R2, R3, then R1 within the ten seconds: refused, and the family is dead [A9]', async () => {
    const session = await signIn(one);
    const second = await refresh(one, session);
    const third = await refresh(two, { ...session, refreshToken: String(second.body.refresh_token) });
    expect(third.status).toBe(200);
    expect(await refresh(one, session)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
    expect(await refresh(one, { ...session, refreshToken: String(third.body.refresh_token) })).toMatchObject({
      status: 400,
    });
    expect(await alive(third.body.access_token)).toBe(false);
  });

  test('20 refreshes at once on two replicas all succeed with one successor [A9]', async () => {
    const session = await signIn(one);
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => refresh(i % 2 ? one : two, session)));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200));
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    const [row] = await one.database.sql(
      `select count(*)::int as tokens, count(consumed_at)::int as used from gateway.oauth_records
       where model = 'RefreshToken' and grant_id = $1`,
      [session.grantId],
    );
    expect(row).toEqual({ tokens: 2, used: 1 });
  });

  test("another client's refresh token is refused and stays good [A9] [X1.1]", async () => {
    const session = await signIn(one);
    const thief = await registerClient(one);
    expect(await refresh(one, { ...session, client: thief })).toMatchObject({
      status: 400,
      body: { error: 'invalid_grant' },
    });
    expect(await refresh(one, session)).toMatchObject({ status: 200 });
    expect(await refresh(one, { ...session, client: thief })).toMatchObject({ status: 400 });
  });

  test('scopes may only become fewer, and another resource is refused [A10] [S1.23]', async () => {
    const session = await signIn(one, { scope: 'mcp:read', resource: `${one.issuer}/acme/mcp` });
    const asks = [
      [{ scope: 'mcp:read mcp:write' }, 'invalid_scope'],
      [{ resource: `${one.issuer}/other/mcp` }, 'invalid_target'],
      [{ resource: one.issuer }, 'invalid_target'],
      [{ resource: 'https://elsewhere.example/mcp' }, 'invalid_target'],
    ] as const;
    for (const [asked, error] of asks) {
      expect(await refresh(one, { ...session, ...asked })).toMatchObject({ status: 400, body: { error } });
    }
    const wide = await signIn(one, { scope: 'mcp:read mcp:write' });
    const narrow = await refresh(one, { ...wide, scope: 'mcp:read' });
    expect(decodeJwt(String(narrow.body.access_token)).scope).toBe('mcp:read');
  });

  test('a client repeats what it asked for, with an offline_access that it was never granted, as Codex does', async () => {
    const session = await signIn(one, { scope: 'mcp:read mcp:write' });
    const again = await refresh(one, { ...session, scope: 'mcp:read mcp:write offline_access' });
    expect(again).toMatchObject({ status: 200, body: { scope: 'mcp:read mcp:write' } });
    const next = { ...session, refreshToken: String(again.body.refresh_token) };
    expect(await refresh(one, { ...next, scope: 'offline_access' })).toMatchObject({ status: 200 });
  });

  test('a deactivated person gets no new token, and the old ones end [B11]', async () => {
    const session = await signIn(one);
    await one.database.sql('update gateway.users set deactivated_at = now() where id = $1', [session.user.id]);
    expect(await refresh(one, session)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
    expect(await alive(session.accessToken)).toBe(false);
  });

  test('what is expired is swept, and the answers kept for the ten seconds go with them [S1.46]', async () => {
    const session = await signIn(one);
    await refresh(one, session);
    clock.advance(11_000);
    await one.server.sweep();
    const noted = await one.database.sql("select id from gateway.oauth_records where payload ? 'note'");
    expect(noted).toEqual([]);
    await one.database.sql(
      "update gateway.oauth_records set expires_at = now() - interval '1 day' where grant_id = $1",
      [session.grantId],
    );
    await one.database.sql("insert into gateway.sign_in_attempts values ('d', 's', now() - interval '1 day')");
    await one.server.sweep();
    expect(await one.database.sql('select digest from gateway.sign_in_attempts')).toEqual([]);
    expect(
      await one.database.sql('select 1 from gateway.oauth_records where grant_id = $1', [session.grantId]),
    ).toEqual([]);
  });
});
