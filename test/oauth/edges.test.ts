/** Promises of REQUIREMENTS S1 at the edges of the authorization server, over real HTTP and real PostgreSQL. */
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { send } from '#kit/http-client.ts';
import { type ManualClock, manualClock } from '#kit/identity/manual-clock.ts';
import {
  issueCode,
  openTestServer,
  postForm,
  redeem,
  refresh,
  registerClient,
  signIn,
  type TestClient,
  type TestServer,
} from '#kit/oauth.ts';

let clock: ManualClock;
let t: TestServer;
let client: TestClient;
beforeAll(async () => {
  clock = manualClock();
  t = await openTestServer({ clock });
  client = await registerClient(t);
});
afterAll(() => t.close());

describe('/authorize', () => {
  const whole = () => ({
    client_id: client.id,
    redirect_uri: client.redirectUri,
    response_type: 'code',
    state: 's',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
  });
  const without = (name: string) => {
    const left = Object.entries(whole()).filter(([key]) => key !== name);
    return send(`${t.url}/authorize?${new URLSearchParams(left)}`, { method: 'GET', headers: { accept: 'text/html' } });
  };

  test('client_id, redirect_uri, response_type and state are required; scope is not [S1.11]', async () => {
    expect((await without('scope')).status).toBe(303);
    for (const name of ['client_id', 'redirect_uri']) {
      const answer = await without(name);
      expect([name, answer.status, answer.headers.location]).toEqual([name, 400, undefined]);
      expect(answer.headers['content-type']).toContain('text/html');
    }
    for (const name of ['response_type', 'state']) {
      const { searchParams } = new URL((await without(name)).headers.location ?? '');
      expect([name, searchParams.get('error')]).toEqual([name, 'invalid_request']);
    }
  });

  test('what it answers is kept by nobody [S1.11]', async () => {
    for (const name of ['scope', 'client_id', 'state'])
      expect((await without(name)).headers['cache-control']).toBe('no-store');
  });

  test('several resources may be asked for, a token is for one of them [S1.11] [S1.17] [S1.23]', async () => {
    const both = [`${t.issuer}/acme/mcp`, `${t.issuer}/other/mcp`];
    const query = new URLSearchParams(whole());
    for (const resource of both) query.append('resource', resource);
    const asked = await send(`${t.url}/authorize?${query}`, { method: 'GET', headers: { accept: 'text/html' } });
    expect(asked.headers.location).toContain('/interaction/');
    const session = await signIn(t, { resource: both[0] ?? '' });
    expect(decodeJwt(session.accessToken).aud).toBe(both[0]);
  });
});

describe('/token', () => {
  const form = (fields: Readonly<Record<string, string>>) => postForm(`${t.url}/token`, fields, { client });

  test('each thing that can be wrong with a code has its error, 400 and no token [S1.15] [S1.5]', async () => {
    const good = await issueCode(t, { client });
    const fields = (changed: Readonly<Record<string, string | undefined>> = {}) => {
      const all = {
        grant_type: 'authorization_code',
        code: good.code,
        code_verifier: good.verifier,
        redirect_uri: client.redirectUri,
        ...changed,
      };
      return Object.fromEntries(
        Object.entries(all).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
      );
    };
    const wrongs: readonly (readonly [Readonly<Record<string, string | undefined>>, string])[] = [
      [{ code: 'never-issued-by-anybody-0123456789' }, 'invalid_grant'],
      [{ code: undefined }, 'invalid_request'],
      [{ redirect_uri: undefined }, 'invalid_request'],
      [{ grant_type: undefined }, 'invalid_request'],
      [{ grant_type: 'password' }, 'unsupported_grant_type'],
      [{ grant_type: 'authorization_code x' }, 'unsupported_grant_type'],
      [{ grant_type: '["authorization_code"]' }, 'unsupported_grant_type'],
      [{ resource: 'https://elsewhere.example/mcp' }, 'invalid_target'],
    ];
    for (const [changed, error] of wrongs) {
      const answer = await form(fields(changed));
      expect([changed, answer.status, answer.body.error]).toEqual([changed, 400, error]);
      expect(answer.body).not.toHaveProperty('access_token');
    }
    const mismatched = [
      { redirect_uri: 'https://client.example/other' },
      { code_verifier: 'w'.repeat(43) },
      { code_verifier: undefined },
    ];
    for (const changed of mismatched) {
      const { code, verifier } = await issueCode(t, { client });
      const answer = await form({ ...fields({ code, code_verifier: verifier, ...changed }) });
      expect([changed, answer.status, answer.body.error]).toEqual([changed, 400, 'invalid_grant']);
    }
  });

  test('a grant type is a word, not a part of one [X1.3]', async () => {
    for (const grant_type of ['code', 'authorization_codes', 'refresh', 'xrefresh_token', 'refresh_token,password']) {
      const answer = await form({ grant_type, code: 'c', refresh_token: 'r' });
      expect([grant_type, answer.body.error]).toEqual([grant_type, 'unsupported_grant_type']);
    }
  });

  test('an unknown client, a wrong secret and a wrong way to send it are 401 with a Basic challenge [S1.15]', async () => {
    const confidential = await registerClient(t, { token_endpoint_auth_method: 'client_secret_basic' });
    const fields = { grant_type: 'refresh_token', refresh_token: 'r' };
    const basic = (id: string, secret: string) => `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
    for (const authorization of [basic('client_nobody', 'x'), basic(confidential.id, 'wrong')]) {
      const answer = await postForm(`${t.url}/token`, fields, { headers: { authorization } });
      expect([answer.status, answer.body.error]).toEqual([401, 'invalid_client']);
      expect(answer.headers.get('www-authenticate')).toMatch(/^Basic realm=/);
    }
    const unknown = await postForm(`${t.url}/token`, { ...fields, client_id: 'client_nobody' });
    expect([unknown.status, unknown.body.error]).toEqual([401, 'invalid_client']);
  });
});

describe('what is kept', () => {
  /** Seconds that are left, by model. */
  async function lifetimes(): Promise<Readonly<Record<string, number>>> {
    const rows = await t.database.sql(
      'select model, round(extract(epoch from expires_at) - $1 / 1000.0)::int as left from gateway.oauth_records',
      [clock.now()],
    );
    return Object.fromEntries(rows.map(({ model, left }) => [String(model), Number(left)]));
  }

  test('clients, states, codes and tokens lie in the database, each with its own end [S1.46] [S1.41]', async () => {
    await t.database.sql('delete from gateway.oauth_records');
    const query = new URLSearchParams({
      client_id: client.id,
      redirect_uri: client.redirectUri,
      response_type: 'code',
      state: 's',
      code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
      code_challenge_method: 'S256',
    });
    await send(`${t.url}/authorize?${query}`, { method: 'GET', headers: { accept: 'text/html' } });
    const code = await issueCode(t);
    const before = await lifetimes();
    expect(before.Interaction).toBeGreaterThan(590);
    expect(before.Interaction).toBeLessThanOrEqual(600);
    expect(before.AuthorizationCode).toBeGreaterThan(50);
    expect(before.AuthorizationCode).toBeLessThanOrEqual(60);
    await redeem(t, code);
    const after = await lifetimes();
    // Used up, and known for as long as somebody could present it again.
    expect(after.AuthorizationCode).toBeLessThanOrEqual(60);
    expect(Math.abs((after.AccessToken ?? 0) - 600)).toBeLessThanOrEqual(10);
    expect(Math.abs((after.RefreshToken ?? 0) - 2_592_000)).toBeLessThanOrEqual(10);
    const [row] = await t.database.sql(
      'select round(extract(epoch from expires_at - created_at))::int as lifetime from gateway.oauth_clients where id = $1',
      [client.id],
    );
    expect(row).toEqual({ lifetime: 24 * 3600 });
  });

  test('another replica that starts later knows all of it [S1.46] [S1.3]', async () => {
    const session = await signIn(t);
    const later = await openTestServer({ database: t.database, issuer: t.issuer, clock });
    await expect(later.server.tokens.verify(session.accessToken)).resolves.toMatchObject({
      subject: session.user.subject,
    });
    expect((await refresh(later, session)).status).toBe(200);
    await later.close();
  });

  test('an expired token is refused and introspected as dead, and a refresh goes on from it [S1.41] [S1.20]', async () => {
    const session = await signIn(t);
    clock.advance(599_000 - 60_000);
    await expect(t.server.tokens.verify(session.accessToken)).resolves.toBeDefined();
    clock.advance(60_000 + 62_000);
    await expect(t.server.tokens.verify(session.accessToken)).rejects.toMatchObject({ code: 'invalid_token' });
    const { status, body } = await postForm(
      `${t.url}/introspect`,
      { token: session.accessToken },
      { client: session.client },
    );
    expect([status, body]).toEqual([200, { active: false }]);
    expect((await refresh(t, session)).status).toBe(200);
  });

  test('nobody needs to clean up: after their end the rows are gone [S1.41]', async () => {
    await signIn(t);
    clock.advance(31 * 24 * 3_600_000);
    await t.database.sql("update gateway.oauth_records set expires_at = expires_at - interval '40 days'");
    await t.server.sweep();
    expect(await t.database.sql('select 1 from gateway.oauth_records')).toEqual([]);
    expect(await t.database.sql('select 1 from gateway.oauth_clients where id = $1', [client.id])).toEqual([]);
  });
});
