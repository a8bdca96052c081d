/** The authorization server against strangers, malicious clients and identity providers, and a thief of its database. */
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { accountRecords } from '#admin/account-storage.ts';
import { hashPassword } from '#core/password.ts';
import { withPlatform } from '#db/scope.ts';
import type { BrowserJar, Visited } from '#kit/browser-jar.ts';
import { issueCode, openTestServer, postForm, redeem, refresh, registerClient, signIn } from '#kit/oauth.ts';
import { authorization } from '#kit/sign-in.ts';
import { answerOf, openSignInWorld, password, type SignInWorld, withPassword, withSso } from '#kit/sign-in-world.ts';
import { upsertIdentity } from '#records/users.ts';

const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code';
const everyGrant = { grant_types: ['authorization_code', 'refresh_token', deviceGrant] };

/** Sends the form of a page and stops where it is answered, before anything follows from it. */
async function sendOnly(jar: BrowserJar, page: Visited, fields: Readonly<Record<string, string>>): Promise<string> {
  const hidden = [...page.html.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g)];
  const kept = Object.fromEntries(hidden.map(([, name = '', value = '']) => [name, value]));
  const answer = await fetch(page.url, {
    method: 'POST',
    redirect: 'manual',
    body: new URLSearchParams({ ...kept, ...fields }),
    headers: { cookie: jar.cookiesFor(page.url), origin: new URL(page.url).origin },
  });
  return answer.headers.get('location') ?? '';
}

describe('a stranger', () => {
  test('leaves no more rows behind than one address may, whatever is asked for [A25]', async () => {
    const t = await openTestServer({ perAddressPerMinute: 12, pages: true });
    const client = await registerClient(t, everyGrant);
    const { url } = authorization({ issuer: t.issuer, clientId: client.id });
    const begin = [
      () => fetch(url, { redirect: 'manual' }),
      () => fetch(`${t.url}/device`),
      () => fetch(`${t.url}/session/end`),
      () => fetch(`${t.url}/device/authorize`, { method: 'POST', body: new URLSearchParams({ client_id: client.id }) }),
      () => fetch(`${t.url}/par`, { method: 'POST', body: new URL(url).searchParams }),
    ];
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => begin[i % begin.length]?.()));
    const refused = answers.filter((answer) => answer?.status === 429);
    expect(refused).toHaveLength(38);
    for (const answer of refused) expect(Number(answer?.headers.get('retry-after'))).toBeGreaterThan(0);
    const [rows] = await t.database.sql('select count(*)::int as n from gateway.oauth_records');
    expect(rows?.n).toBeLessThanOrEqual(12);
    expect((await fetch(`${t.url}/jwks`)).status).toBe(200);
    await t.close();
  });

  test('sees no 500 and ends no process, whatever a parameter holds', async () => {
    const t = await openTestServer({ pages: true });
    const client = await registerClient(t, everyGrant);
    const { url } = authorization({ issuer: t.issuer, clientId: client.id, scope: 'openid mcp:read' });
    const odd = [
      '\u0000',
      'prg_\u0000',
      'a\r\nSet-Cookie: x=y',
      'č\u010d\u010a',
      '{"a":',
      '__proto__',
      'eyJhbGciOiJub25lIn0.e30.',
    ];
    const statuses: unknown[] = [];
    const note = (what: string, answer: { readonly status: number; readonly headers: Headers }) => {
      const bad = answer.status >= 500 || /server_error/.test(answer.headers.get('location') ?? '');
      if (bad || answer.headers.has('set-cookie-x')) statuses.push([what, answer.status]);
    };
    for (const name of [
      'state',
      'nonce',
      'login_hint',
      'scope',
      'resource',
      'client_id',
      'ui_locales',
      'dpop_jkt',
      'display',
    ]) {
      for (const value of odd) {
        const query = new URL(url).searchParams;
        query.set(name, value);
        note(`authorize ${name}`, await fetch(`${t.url}/authorize?${query}`, { redirect: 'manual' }));
        note(`par ${name}`, await postForm(`${t.url}/par`, Object.fromEntries(query)));
      }
    }
    for (const path of ['/token', '/device/authorize', '/revoke', '/introspect', '/device', '/session/end/confirm']) {
      for (const name of ['client_id', 'code', 'refresh_token', 'token', 'user_code', 'xsrf', 'client_assertion']) {
        for (const value of odd) {
          const form = { client_id: client.id, grant_type: 'refresh_token', refresh_token: 'x', [name]: value };
          note(`${path} ${name}`, await postForm(`${t.url}${path}`, form));
        }
      }
    }
    for (const path of [
      '/device/none',
      '/authorize/none',
      '/interaction/none',
      '/interaction/none/next?to=x',
      '/callback?state=x',
    ])
      note(path, await fetch(t.url + path, { redirect: 'manual' }));
    expect(statuses).toEqual([]);
    await t.close();
  });

  test('who hangs up in the middle of a form does no harm', async () => {
    const t = await openTestServer();
    for (const path of ['/token', '/introspect', '/par', '/device', '/register']) {
      const socket = connect(Number(new URL(t.url).port), '127.0.0.1');
      const form = 'Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 5000';
      socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\n${form}\r\n\r\ntoken=`);
      await new Promise((resolve) => setTimeout(resolve, 30));
      socket.destroy();
    }
    expect((await fetch(`${t.url}/jwks`)).status).toBe(200);
    await t.close();
  });

  test("makes the gateway ask for a client's keys only so often (A14, amplification)", async () => {
    let asked = 0;
    const t = await openTestServer({
      fetch: async () => {
        asked++;
        return new Response('no', { status: 500 });
      },
    });
    const client = await registerClient(t, {
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'ES256',
      jwks_uri: 'https://victim.example/keys',
    });
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const exp = Math.floor(Date.now() / 1000) + 60;
    for (let i = 0; i < 90; i++) {
      const claims = { iss: client.id, sub: client.id, aud: t.issuer, jti: String(i), exp };
      const answer = await postForm(`${t.url}/token`, {
        grant_type: 'refresh_token',
        refresh_token: 'x',
        client_id: client.id,
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: `${part({ alg: 'ES256', kid: 'k' })}.${part(claims)}.${'A'.repeat(86)}`,
      });
      expect(answer.status).toBeLessThan(500);
    }
    expect(asked).toBeGreaterThan(0);
    expect(asked).toBeLessThanOrEqual(60);
    await t.close();
  });
});

describe('a sign-in', () => {
  let t: SignInWorld;
  beforeAll(async () => {
    t = await openSignInWorld();
  });
  afterAll(() => t.close());

  test('with the old password ends with it, also where the browser was held back before the last step [B11]', async () => {
    const [held, signedIn] = [t.jar(), t.jar()];
    const client = await t.register();
    expect(answerOf(await signedIn.submit(await signedIn.open(t.ask(client)), withPassword))).toHaveProperty('code');
    const session = await t.database.sql("select * from gateway.oauth_records where model = 'Session'");
    const next = await sendOnly(held, await held.open(t.ask(await t.register())), withPassword);
    const records = accountRecords({ db: t.database.db, clock: t.clock });
    t.clock.advance(2000);
    await records.changeAccount('ada', await hashPassword(password));
    const late = await held.open(next);
    expect(answerOf(late)).not.toHaveProperty('code');
    expect(late.url).not.toContain('client.example');
    // A request that was under way when it was removed writes the session back: it is nobody's all the same.
    for (const { id, payload, account_id, uid, expires_at } of session) {
      await t.database.sql(
        `insert into gateway.oauth_records (model, id, payload, account_id, uid, expires_at) values ('Session', $1, $2, $3, $4, $5) on conflict do nothing`,
        [id, payload, account_id, uid, expires_at],
      );
    }
    const back = await signedIn.open(t.ask(client));
    expect(back.url).toContain('/interaction/');
    expect(back.html).not.toContain('You are signed in as');
    const fresh = t.jar();
    expect(answerOf(await fresh.submit(await fresh.open(t.ask(await t.register())), withPassword))).toHaveProperty(
      'code',
    );
  });

  test('that names no scope asks for the usual ones, and the page says so [S1.11]', async () => {
    const client = await t.register();
    const ask = authorization({ issuer: t.issuer, clientId: client.id });
    const url = new URL(ask.url);
    url.searchParams.delete('scope');
    const jar = t.jar();
    const page = await jar.open(url.href);
    expect(page.html).toContain('Run tools for you');
    const { code = '' } = answerOf(await jar.submit(page, withSso));
    const form = {
      grant_type: 'authorization_code',
      code,
      code_verifier: ask.verifier,
      redirect_uri: client.redirectUri,
    };
    expect((await postForm(`${t.issuer}/token`, form, { client })).body.scope).toBe('mcp:read mcp:write');
  });

  test('is good for what the page said: a client that changes its word meanwhile is shown anew [A15] [A2]', async () => {
    const client = await t.register({ client_name: 'Harmless' });
    const jar = t.jar();
    const page = await jar.open(t.ask(client));
    const { registration_client_uri: uri, registration_access_token: token } = client.metadata;
    const changed = await fetch(String(uri), {
      method: 'PUT',
      headers: { authorization: `Bearer ${String(token)}`, 'content-type': 'application/json' },
      body: JSON.stringify({ client_name: 'Something else', redirect_uris: [client.redirectUri] }),
    });
    expect(changed.status).toBe(200);
    const again = await jar.submit(page, withPassword);
    expect(again.url).toContain('/interaction/');
    expect(again.html).toContain('Something else');
    expect(answerOf(await jar.submit(again, withPassword))).toHaveProperty('code');
  });

  test('of two clients in two tabs stays two: neither form, address nor approval fits the other [A1] [A19]', async () => {
    const jar = t.jar();
    const [good, evil] = [
      await t.register(),
      await t.register({ client_name: 'Evil', redirect_uris: ['https://evil.example/cb'] }),
    ];
    const pages = [await jar.open(t.ask(good)), await jar.open(t.ask(evil))] as const;
    const csrf = /name="csrf" value="([^"]+)"/.exec(pages[0].html)?.[1] ?? '';
    expect(
      (
        await jar.submit(
          { ...pages[1], html: pages[1].html.replaceAll(/name="csrf" value="[^"]+"/g, `name="csrf" value="${csrf}"`) },
          withPassword,
        )
      ).status,
    ).toBe(403);
    const uid = new URL(pages[0].url).pathname.split('/').at(-1) ?? '';
    const other = await fetch(pages[1].url, { headers: { cookie: jar.cookiesFor(pages[0].url) } });
    expect([other.status, uid.length > 20]).toEqual([400, true]);
    expect(answerOf(await jar.submit(pages[0], withPassword))).toHaveProperty('code');
    // Approved was the first: the second still asks.
    expect((await jar.open(t.ask(evil))).html).toContain('evil.example');
  });

  test('a stranger who guesses does not shut the owner out', async () => {
    const jar = t.jar();
    const page = await jar.open(t.ask(await t.register()));
    const guesses = Array.from({ length: 14 }, () =>
      jar.submit(page, { ...withPassword, username: 'mallory', password: 'wrong' }),
    );
    const answers = await Promise.all(guesses);
    expect(answers.some(({ html }) => html.includes('Too many tries'))).toBe(true);
    expect(answerOf(await jar.submit(page, withPassword))).toHaveProperty('code');
  });

  test('nothing that opens anything lies readable in the database, at any moment of it', async () => {
    const secrets: Record<string, string> = { password };
    const client = await t.register({ ...everyGrant, token_endpoint_auth_method: 'client_secret_basic' });
    secrets.clientSecret = client.secret ?? '';
    secrets.registrationToken = String(client.metadata.registration_access_token);
    const dumps: string[] = [];
    const dump = async () => {
      const tables = await t.database.sql("select tablename from pg_tables where schemaname = 'gateway'");
      for (const { tablename } of tables) {
        const rows = await t.database.sql(`select row_to_json(r)::text as line from gateway."${String(tablename)}" r`);
        dumps.push(...rows.map(({ line }) => String(line)));
      }
    };
    const ask = authorization({
      issuer: t.issuer,
      clientId: client.id,
      scope: 'openid mcp:read',
      extra: { nonce: 'nonce-of-the-client' },
    });
    secrets.state = ask.state;
    secrets.verifier = ask.verifier;
    const pushed = await postForm(`${t.issuer}/par`, Object.fromEntries(new URL(ask.url).searchParams), { client });
    secrets.requestUri = String(pushed.body.request_uri).split(':').at(-1) ?? '';
    const device = await postForm(`${t.issuer}/device/authorize`, { scope: 'mcp:read' }, { client });
    secrets.deviceCode = String(device.body.device_code);
    const jar = t.jar();
    const confirm = await jar.submit(await jar.open(`${t.issuer}/device`), {
      user_code: String(device.body.user_code),
    });
    const consent = await jar.submit(confirm, { confirm: 'yes' });
    expect(consent.url).toContain('/interaction/');
    await sendOnly(jar, consent, withSso);
    await dump();
    const redirected = `${t.issuer}/authorize?client_id=${client.id}&request_uri=${encodeURIComponent(String(pushed.body.request_uri))}`;
    const page = await jar.open(redirected);
    await dump();
    const { code = '' } = answerOf(await jar.submit(page, withPassword));
    secrets.code = code;
    secrets.session = /gw_as=([^;]+)/.exec(jar.cookiesFor(t.issuer))?.[1] ?? '';
    await jar.open(t.ask(client, { extra: { prompt: 'consent' } }));
    await dump();
    const form = {
      grant_type: 'authorization_code',
      code,
      code_verifier: ask.verifier,
      redirect_uri: client.redirectUri,
    };
    const tokens = await postForm(`${t.issuer}/token`, form, { client });
    secrets.accessToken = String(tokens.body.access_token);
    secrets.refreshToken = String(tokens.body.refresh_token);
    const renewed = await refresh(t, { client, refreshToken: secrets.refreshToken });
    secrets.successor = String(renewed.body.refresh_token);
    await dump();
    expect(Object.entries(secrets).filter(([, value]) => value.length < 8)).toEqual([]);
    const found = Object.entries(secrets).filter(([, value]) => dumps.some((line) => line.includes(value)));
    expect(found.map(([name]) => name)).toEqual([]);
    const logged = JSON.stringify(t.log);
    expect(Object.entries(secrets).filter(([, value]) => logged.includes(value))).toEqual([]);
  });
});

describe('a token', () => {
  test('is for the resource that was agreed to, at the code and at every refresh [A8] [A10]', async () => {
    const t = await openTestServer();
    const client = await registerClient(t);
    const [mine, other] = [`${t.issuer}/acme/mcp/a`, `${t.issuer}/acme/mcp/b`];
    const code = await issueCode(t, { client, resource: mine });
    expect((await redeem(t, { ...code, resource: other })).body.error).toBe('invalid_target');
    const first = await signIn(t, { client, subject: 'ada', resource: mine });
    // The same person agrees to the other resource too, with the same client: the first token stays what it is.
    await signIn(t, { client, subject: 'ada', resource: other });
    expect((await refresh(t, { ...first, resource: other })).body.error).toBe('invalid_target');
    const stranger = await registerClient(t);
    expect((await refresh(t, { refreshToken: first.refreshToken, client: stranger })).body.error).toBe('invalid_grant');
    expect((await refresh(t, { refreshToken: first.refreshToken, client })).status).toBe(200);
    expect((await refresh(t, { refreshToken: first.refreshToken, client: stranger })).body.error).toBe('invalid_grant');
    await t.close();
  });
});

describe('an identity provider', () => {
  test('whose people choose their subject gives nobody a subject of another, nor keeps anybody out [B6]', async () => {
    const t = await openTestServer();
    const enter = (provider: string, subject: string) =>
      withPlatform(t.database.db, (scope) => upsertIdentity(scope, { provider, subject }, Date.now()));
    const squatter = await enter('evil', 'corp|7');
    const [owner, seven] = [await enter('github', '7'), await enter('corp', '7')];
    const robot = await enter('evil', 'prg_0123');
    const subjects = [squatter, owner, seven, robot].map(({ subject }) => subject);
    expect(new Set(subjects).size).toBe(4);
    expect(robot.subject.startsWith('prg_')).toBe(false);
    expect((await enter('corp', '7')).id).toBe(seven.id);
    // First sign-ins of one subject at many identity providers, at the same moment.
    const racers = await Promise.all(Array.from({ length: 12 }, (_, i) => enter(`idp-${i}`, 'same')));
    expect(new Set(racers.map(({ subject }) => subject)).size).toBe(12);
    expect(new Set(racers.map(({ id }) => id)).size).toBe(12);
    await t.close();
  });
});
