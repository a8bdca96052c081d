import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withPlatform } from '#db/scope.ts';
import type { Visited } from '#kit/browser-jar.ts';
import { answerOf, openSignInWorld, type SignInWorld, withPassword, withSso } from '#kit/sign-in-world.ts';
import { setUserActive } from '#records/users.ts';

let t: SignInWorld;
beforeAll(async () => {
  t = await openSignInWorld();
});
afterAll(() => t.close());

const isPage = (page: Visited) => page.url.startsWith(`${t.issuer}/interaction/`) && page.status === 200;
const idpCalls = () => t.fake.requests.filter(({ path }) => path.endsWith('/authorize')).length;

describe('the consent page', () => {
  test('comes before anybody else is called, and names client, host, reach and scopes [A1] [X1.2]', async () => {
    const client = await t.register({ client_name: 'Notes' });
    const before = idpCalls();
    const jar = t.jar();
    const page = await jar.open(t.ask(client, { resource: `${t.issuer}/corp/mcp/files` }));
    expect(page.status).toBe(200);
    for (const text of ['Notes', 'client.example', 'files in the organization corp', 'Run tools for you', 'Corp SSO']) {
      expect(page.html).toContain(text);
    }
    expect(idpCalls()).toBe(before);
    expect(jar.cookiesFor(t.issuer)).not.toContain('gw_st');
    const done = await jar.submit(page, withSso);
    expect(idpCalls()).toBe(before + 1);
    expect(answerOf(done)).toMatchObject({ code: expect.any(String), iss: t.issuer, state: expect.any(String) });
  });

  test('is shown to somebody who is signed in at the identity provider and here, too [A1]', async () => {
    const jar = t.jar();
    await jar.submit(await jar.open(t.ask(await t.register())), withSso);
    const before = idpCalls();
    const stranger = await t.register({ client_name: 'Stranger', redirect_uris: ['https://attacker.example/cb'] });
    const page = await jar.open(t.ask(stranger));
    expect(isPage(page)).toBe(true);
    expect(page.html).toContain('attacker.example');
    expect(page.html).toContain('grace@corp.example');
    expect(idpCalls()).toBe(before);
    expect(answerOf(await jar.submit(page, { do: 'allow' }))).toHaveProperty('code');
  });

  test('is not shown again for what was allowed, and again for other scopes, resources and hosts [X1.2]', async () => {
    const client = await t.register({
      redirect_uris: ['https://client.example/callback', 'https://second.example/callback'],
    });
    const jar = t.jar();
    await jar.submit(await jar.open(t.ask(client)), withSso);
    expect(answerOf(await jar.open(t.ask(client)))).toHaveProperty('code');
    expect(answerOf(await jar.open(t.ask(client, { scope: 'mcp:read' })))).toHaveProperty('code');
    expect(isPage(await jar.open(t.ask(client, { scope: 'mcp:read mcp:write profile' })))).toBe(true);
    expect(isPage(await jar.open(t.ask(client, { resource: `${t.issuer}/corp/mcp` })))).toBe(true);
    expect(isPage(await jar.open(t.ask(client, { redirectUri: 'https://second.example/callback' })))).toBe(true);
    expect(isPage(await jar.open(t.ask(client, { extra: { prompt: 'consent' } })))).toBe(true);
  });

  test('is shown again when the client says something else of itself [A15]', async () => {
    const client = await t.register({ client_name: 'Before' });
    const jar = t.jar();
    await jar.submit(await jar.open(t.ask(client)), withSso);
    expect(answerOf(await jar.open(t.ask(client)))).toHaveProperty('code');
    const { registration_client_uri, registration_access_token } = client.metadata;
    const changed = await fetch(String(registration_client_uri), {
      method: 'PUT',
      headers: { authorization: `Bearer ${registration_access_token}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        client_id: client.id,
        client_name: 'Before',
        redirect_uris: [client.redirectUri, 'https://attacker.example/cb'],
        token_endpoint_auth_method: 'none',
      }),
    });
    expect(changed.status).toBe(200);
    expect(isPage(await jar.open(t.ask(client)))).toBe(true);
  });

  test('is shown every time, with a warning, where any program could be at the other end [A16]', async () => {
    const redirectUri = 'http://127.0.0.1:9/callback';
    const client = await t.register({ redirect_uris: [redirectUri], application_type: 'native' });
    const jar = t.jar();
    const page = await jar.open(t.ask(client, { redirectUri }));
    expect(page.html).toContain('A program on this computer.');
    expect(page.html).toContain('127.0.0.1:9');
    await jar.submit(page, withSso);
    const again = await jar.open(t.ask(client, { redirectUri }));
    expect(isPage(again)).toBe(true);
    expect(answerOf(await jar.submit(again, { do: 'allow' }))).toHaveProperty('code');
    const web = await t.jar().open(t.ask(await t.register()));
    expect(web.html).not.toContain('A program on this computer.');
  });

  test('shows what the client calls itself as plain, short text [A17]', async () => {
    const names = [
      `<img src=x onerror=alert(1)>`,
      `"><script>alert(1)</script>`,
      `\u202egnp.exe\u200b`,
      'x'.repeat(256),
    ];
    for (const client_name of names) {
      const { html } = await t.jar().open(t.ask(await t.register({ client_name })));
      expect(html).not.toMatch(/<img|<script|\u202e|\u200b|x{65}/);
    }
  });
});

describe('the form', () => {
  test('is refused without its token, with another one, or from another site [A19] [S1.39] [X1.2]', async () => {
    const client = await t.register();
    const jar = t.jar();
    const page = await jar.open(t.ask(client));
    const other = await jar.open(t.ask(client));
    const csrf = /name="csrf" value="([^"]+)"/.exec(other.html)?.[1] ?? '';
    const before = idpCalls();
    const tries: readonly (readonly [Record<string, string>, Record<string, string | undefined>])[] = [
      [{ ...withSso, csrf: '' }, {}],
      [{ ...withSso, csrf }, {}],
      [withSso, { origin: 'https://evil.example' }],
      [withSso, { origin: 'null' }],
      [withSso, { 'sec-fetch-site': 'cross-site', origin: undefined }],
      [withSso, { 'sec-fetch-site': 'same-site' }],
    ];
    for (const [fields, headers] of tries) {
      const refused = await jar.submit(page, fields, headers);
      expect(refused.status, JSON.stringify([fields, headers])).toBe(403);
    }
    // The token of this interaction, in a browser that has the interaction but another token cookie: a stranger's.
    expect((await t.jar().submit(page, withSso)).status).toBe(403);
    expect(idpCalls()).toBe(before);
    expect(answerOf(await jar.submit(page, withSso))).toHaveProperty('code');
  });

  test('is answered with 303 whatever was chosen [A21]', async () => {
    const client = await t.register();
    const choices: readonly Readonly<Record<string, string>>[] = [
      withSso,
      { do: 'deny' },
      { with: 'local', username: 'ada', password: 'wrong' },
      { do: 'allow' },
    ];
    for (const fields of choices) {
      const jar = t.jar();
      const page = await jar.open(t.ask(client));
      const body = new URLSearchParams({ csrf: /name="csrf" value="([^"]+)"/.exec(page.html)?.[1] ?? '', ...fields });
      const answer = await fetch(page.url, {
        method: 'POST',
        redirect: 'manual',
        body,
        headers: { cookie: jar.cookiesFor(page.url), origin: t.issuer },
      });
      expect(answer.status).toBe(303);
      expect(answer.headers.get('location')).toMatch(new RegExp(`^${t.issuer}/interaction/`));
    }
  });

  test('sent twice, or gone back to, ends in one sign-in and a page that says so', async () => {
    const jar = t.jar();
    const page = await jar.open(t.ask(await t.register()));
    const [one, two] = await Promise.all([jar.submit(page, withPassword), jar.submit(page, withPassword)]);
    expect([one, two].filter(({ url }) => url.startsWith('https://client.example')).length).toBeGreaterThan(0);
    const back = await jar.open(page.url);
    expect(back.status).toBe(400);
    expect(back.html).toContain('This sign-in is over');
    expect((await jar.submit(page, withPassword)).status).toBe(400);
  });
});

describe('refusing', () => {
  test('tells the client so, with state and issuer [S1.12]', async () => {
    const jar = t.jar();
    const denied = await jar.submit(await jar.open(t.ask(await t.register())), { do: 'deny' });
    expect(denied.url).toMatch(/^https:\/\/client\.example\/callback\?/);
    expect(answerOf(denied)).toMatchObject({ error: 'access_denied', iss: t.issuer, state: expect.any(String) });
  });

  test('at the identity provider is told as refused, its failure as ours [S1.12]', async () => {
    const client = await t.register();
    t.fake.deny('access_denied');
    const jar = t.jar();
    expect(answerOf(await jar.submit(await jar.open(t.ask(client)), withSso))).toMatchObject({
      error: 'access_denied',
    });
    t.fake.deny('server_error');
    const second = t.jar();
    const failed = await second.submit(await second.open(t.ask(client)), withSso);
    t.fake.deny(undefined);
    expect(answerOf(failed)).toMatchObject({ error: 'server_error', iss: t.issuer });
  });

  test('never leads to an address that was not registered [A6]', async () => {
    const client = await t.register();
    for (const url of [
      t.ask(client, { redirectUri: 'https://attacker.example/cb' }),
      t.ask({ ...client, id: 'client_unknown' }, { redirectUri: 'https://attacker.example/cb' }),
    ]) {
      const page = await t.jar().open(url);
      expect(page.status).toBeGreaterThanOrEqual(400);
      expect(page.trail).toEqual([url]);
      expect(page.headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
    }
  });

  test('of a deactivated account happens in a browser that is still signed in, too', async () => {
    const client = await t.register();
    const jar = t.jar();
    t.fake.setUser({ idToken: { sub: 'leaver' } });
    await jar.submit(await jar.open(t.ask(client)), withSso);
    await t.database.sql(`update gateway.users set deactivated_at = now() where subject = 'leaver'`);
    const page = await jar.open(t.ask(client));
    expect(isPage(page)).toBe(true);
    expect(page.html).toContain('Continue with Corp SSO');
    const refused = await jar.submit(page, withSso);
    t.fake.setUser({ idToken: { sub: 'grace', email: 'grace@corp.example', orgs: 'org_corp', roles: ['engineer'] } });
    expect(answerOf(refused)).toMatchObject({ error: 'access_denied' });
  });

  test('of a deactivated account happens after its password was right, too', async () => {
    const jar = t.jar();
    const page = await jar.open(t.ask(await t.register()));
    const setActive = (active: boolean) =>
      withPlatform(t.database.db, (scope) => setUserActive(scope, { userId: t.ada.id, active, nowMs: t.clock.now() }));
    await setActive(false);
    const refused = await jar.submit(page, withPassword);
    await setActive(true);
    expect(refused.html).toContain('do not fit');
  });
});

describe('coming back from the identity provider', () => {
  /** Approves, and stops before the browser is back. */
  async function upToCallback(jar = t.jar()) {
    const page = await jar.open(t.ask(await t.register()));
    const csrf = /name="csrf" value="([^"]+)"/.exec(page.html)?.[1] ?? '';
    const answer = await fetch(page.url, {
      method: 'POST',
      redirect: 'manual',
      body: new URLSearchParams({ csrf, shown: /name="shown" value="([^"]+)"/.exec(page.html)?.[1] ?? '', ...withSso }),
      headers: { cookie: jar.cookiesFor(page.url), origin: t.issuer },
    });
    const cookie = answer.headers.getSetCookie().map((line) => line.split(';')[0]);
    const next = await (await fetch(answer.headers.get('location') ?? '')).text();
    const idp = /content="0;url=([^"]*)"/.exec(next)?.[1]?.replaceAll('&amp;', '&') ?? '';
    return {
      page,
      callback: (await t.fake.visit(idp)).href,
      cookies: [jar.cookiesFor(t.issuer), ...cookie].join('; '),
    };
  }

  /** As the browser with these cookies. */
  async function come(callback: string, cookie: string) {
    const answer = await fetch(callback, { redirect: 'manual', headers: { cookie } });
    return { status: answer.status, location: answer.headers.get('location') ?? '' };
  }

  const refusedState = () => `${t.issuer}/error?error=invalid_state`;

  test('in another browser issues nothing and is logged; the link is dead then [A2] [S1.13]', async () => {
    const { callback, cookies } = await upToCallback();
    expect(await come(callback, '')).toEqual({ status: 303, location: refusedState() });
    expect(await come(callback, cookies)).toEqual({ status: 303, location: refusedState() });
    expect(t.log.text()).toContain('callback_refused');
    const page = await t.jar().open(callback);
    expect(page.status).toBe(400);
    expect(page.html).toContain('This sign-in was not started here');
    expect(page.headers.get('cache-control')).toBe('no-store');
  });

  test('twice works once [A2]', async () => {
    const { callback, cookies } = await upToCallback();
    expect((await come(callback, cookies)).location).toContain('/authorize/');
    expect((await come(callback, cookies)).location).toBe(refusedState());
  });

  test('after ten minutes is too late [A2]', async () => {
    const { callback, cookies } = await upToCallback();
    t.clock.advance(601_000);
    expect((await come(callback, cookies)).location).toBe(refusedState());
  });

  test('with no or an unknown state leads to the error page [S1.12]', async () => {
    for (const query of ['', '?state=', '?state=unknown&code=x', '?state=a&state=b']) {
      expect((await come(`${t.issuer}/callback${query}`, '')).location).toBe(refusedState());
    }
  });

  test('has not happened: nothing is issued to who only approved [A24]', async () => {
    const jar = t.jar();
    const { page } = await upToCallback(jar);
    const resume = await jar.open(page.url.replace('/interaction/', '/authorize/'));
    expect(resume.url).not.toContain('code=');
    expect(isPage(resume)).toBe(true);
  });

  test('neither code nor state is in the log', async () => {
    const { callback, cookies } = await upToCallback();
    await come(callback, cookies);
    for (const name of ['code', 'state']) {
      expect(t.log.text()).not.toContain(new URL(callback).searchParams.get(name) ?? 'missing');
    }
  });
});
