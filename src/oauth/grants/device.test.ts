import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Clock } from '#core/clock.ts';
import { systemClock } from '#core/clock.ts';
import { withPlatform } from '#db/scope.ts';
import { openTestServer, postForm, registerClient, type TestClient, type TestServer } from '#kit/oauth.ts';
import { upsertIdentity } from '#records/users.ts';

let late = 0;
const clock: Clock = { ...systemClock, now: () => systemClock.now() + late };
const grantType = 'urn:ietf:params:oauth:grant-type:device_code';

let t: TestServer;
let client: TestClient;
beforeAll(async () => {
  t = await openTestServer({ clock });
});
beforeEach(async () => {
  client = await registerClient(t, { grant_types: ['authorization_code', 'refresh_token', grantType] });
});
afterAll(() => t.close());

const start = async () => {
  const { status, headers, body } = await postForm(`${t.url}/device/authorize`, { scope: 'mcp:read' }, { client });
  expect(status).toBe(200);
  expect(headers.get('cache-control')).toBe('no-store');
  return { body, code: String(body.device_code), userCode: String(body.user_code) };
};
const poll = (code: string, as = client) =>
  postForm(`${t.url}/token`, { grant_type: grantType, device_code: code }, { client: as });

/** As if the person had entered the code, signed in and agreed (or `refused`). */
async function decide(userCode: string, refused = false): Promise<void> {
  const { provider } = t.server;
  const code = await provider.DeviceCode.findByUserCode(userCode.replaceAll('-', ''));
  if (!code) throw new Error('no such code');
  if (refused) Object.assign(code, { error: 'access_denied', errorDescription: 'the person did not agree' });
  else {
    const user = await withPlatform(t.database.db, (scope) =>
      upsertIdentity(scope, { provider: 'test', subject: randomUUID() }, Date.now()),
    );
    const grant = new provider.Grant({ accountId: user.subject, clientId: client.id });
    grant.addOIDCScope('mcp:read');
    grant.addResourceScope(t.issuer, 'mcp:read');
    const grantId = await grant.save();
    Object.assign(code, { accountId: user.subject, grantId, scope: 'mcp:read', resource: t.issuer });
  }
  await code.save();
}

describe('the device flow [S1.29]', () => {
  test('gives two codes, says where to enter one, and for how long [S1.29]', async () => {
    const { body, userCode, code } = await start();
    expect(body).toMatchObject({
      verification_uri: `${t.issuer}/device`,
      verification_uri_complete: `${t.issuer}/device?user_code=${userCode}`,
      expires_in: 600,
      interval: 5,
    });
    expect(userCode).toMatch(/^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/);
    expect(code.length).toBeGreaterThanOrEqual(43);
    const dump = JSON.stringify(await t.database.sql('select * from gateway.oauth_records'));
    expect(dump).not.toContain(code);
  });

  test('lets a device wait, and wait longer when it asks too often [S1.29]', async () => {
    const { code } = await start();
    expect(await poll(code)).toMatchObject({ status: 400, body: { error: 'authorization_pending' } });
    late += 5000;
    expect((await poll(code)).body.error).toBe('authorization_pending');
    expect((await poll(code)).body.error).toBe('slow_down');
    late += 6000;
    expect((await poll(code)).body.error).toBe('slow_down');
    late += 16_000;
    expect((await poll(code)).body.error).toBe('authorization_pending');
  });

  test('asked by many at once, all but one are told to slow down', async () => {
    const { code } = await start();
    const answers = await Promise.all(Array.from({ length: 10 }, () => poll(code)));
    const said = answers.map(({ body }) => body.error);
    expect(said.filter((error) => error === 'authorization_pending')).toHaveLength(1);
    expect(said.filter((error) => error === 'slow_down')).toHaveLength(9);
  });

  test('gives tokens once the person agreed, to one of twenty requests [S1.29]', async () => {
    const { code, userCode } = await start();
    await decide(userCode);
    const answers = await Promise.all(Array.from({ length: 20 }, () => poll(code)));
    const good = answers.filter(({ status }) => status === 200);
    expect(good).toHaveLength(1);
    expect(good[0]?.body).toMatchObject({ token_type: 'Bearer', scope: 'mcp:read', refresh_token: expect.any(String) });
    expect((await poll(code)).body.error).toBe('invalid_grant');
  });

  test('ends with a refusal, and with its time [S1.29]', async () => {
    const refused = await start();
    await decide(refused.userCode, true);
    expect((await poll(refused.code)).body.error).toBe('access_denied');
    const forgotten = await start();
    await t.database.sql(
      `update gateway.oauth_records set payload = jsonb_set(payload, '{exp}', '1') where model = 'DeviceCode'`,
    );
    expect((await poll(forgotten.code)).body.error).toBe('expired_token');
  });

  test("answers to nobody but the code's own client", async () => {
    const { code, userCode } = await start();
    await decide(userCode);
    const other = await registerClient(t, { grant_types: ['authorization_code', 'refresh_token', grantType] });
    expect((await poll(code, other)).body.error).toBe('invalid_grant');
    expect((await poll('no such code')).body.error).toBe('invalid_grant');
    expect((await poll(code)).status).toBe(200);
  });
});
