import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Visited } from '#kit/browser-jar.ts';
import { issueCode } from '#kit/oauth.ts';
import { answerOf, openSignInWorld, type SignInWorld, withPassword, withSso } from '#kit/sign-in-world.ts';
import { digestOf } from '#oauth/record-store.ts';

let t: SignInWorld;
beforeAll(async () => {
  t = await openSignInWorld();
});
afterAll(() => t.close());

const isPage = (page: Visited) => page.url.startsWith(`${t.issuer}/interaction/`) && page.status === 200;

describe('who is signed in', () => {
  test('has the memberships that the identity provider names, of organizations known here', async () => {
    t.fake.setUser({ idToken: { sub: 'katherine', orgs: ['org_corp', 'org_unknown'], roles: ['engineer'] } });
    const jar = t.jar();
    await jar.submit(await jar.open(t.ask(await t.register())), withSso);
    const rows = await t.database.sql(
      `select o.slug, m.roles from gateway.members m join gateway.organizations o on o.id = m.org_id
       join gateway.identities i on i.user_id = m.user_id where i.subject = 'katherine'`,
    );
    t.fake.setUser({ idToken: { sub: 'grace', email: 'grace@corp.example', orgs: 'org_corp', roles: ['engineer'] } });
    expect(rows).toEqual([{ slug: 'corp', roles: ['engineer'] }]);
  });

  test('is the one who came back last, in a session of their own [A20]', async () => {
    const client = await t.register();
    const jar = t.jar();
    const session = () => /gw_as=([^;]+)/.exec(jar.cookiesFor(t.issuer))?.[1];
    await jar.submit(await jar.open(t.ask(client)), withSso);
    const graces = session();
    const page = await jar.open(t.ask(client, { extra: { prompt: 'login' } }));
    expect(page.html).toContain('Sign in and allow');
    expect(answerOf(await jar.submit(page, withPassword))).toHaveProperty('code');
    expect(session()).not.toBe(graces);
    const rows = await t.database.sql(`select id from gateway.oauth_records where model = 'Session'`);
    const ids = rows.map(({ id }) => id);
    expect(ids).toContain(digestOf(session() ?? ''));
    expect(ids).not.toContain(digestOf(graces ?? ''));
    const asked = await jar.open(t.ask(await t.register()));
    expect(asked.html).toContain('ada');
  });

  test('can say it is not them, and sign in as somebody else', async () => {
    const jar = t.jar();
    await jar.submit(await jar.open(t.ask(await t.register())), withSso);
    const page = await jar.open(t.ask(await t.register()));
    const choices = await jar.submit(page, { do: 'sign-out' });
    expect(choices.html).toContain('Continue with Corp SSO');
    expect(choices.html).not.toContain('signed in as');
    expect(answerOf(await jar.submit(choices, withPassword))).toHaveProperty('code');
  });

  test('is the same in two tabs that began before anybody was', async () => {
    const client = await t.register();
    const jar = t.jar();
    const [first, second] = [await jar.open(t.ask(client)), await jar.open(t.ask(client, { scope: 'mcp:read' }))];
    expect(answerOf(await jar.submit(first, withSso))).toHaveProperty('code');
    expect(answerOf(await jar.submit(second, withPassword))).toHaveProperty('code');
  });

  test('is never asked with prompt=none, and always with prompt=login or when it was too long ago', async () => {
    const client = await t.register();
    const jar = t.jar();
    const ask = (extra: Record<string, string>, scope = 'openid mcp:read') => jar.open(t.ask(client, { scope, extra }));
    expect(answerOf(await ask({ prompt: 'none' }))).toMatchObject({ error: 'login_required' });
    await jar.submit(await ask({}), withSso);
    expect(answerOf(await ask({ prompt: 'none' }))).toHaveProperty('code');
    expect(answerOf(await ask({ prompt: 'none' }, 'openid mcp:read email'))).toMatchObject({
      error: 'consent_required',
    });
    const anew: readonly Record<string, string>[] = [{ prompt: 'login' }, { max_age: '0' }];
    for (const extra of anew) {
      const page = await ask(extra);
      expect(page.html).toContain('Continue with Corp SSO');
      expect(answerOf(await jar.submit(page, withSso))).toHaveProperty('code');
    }
  });

  test('with a wrong password, or a name that is unknown, hears the same; and too many tries are stopped', async () => {
    const jar = t.jar();
    let page = await jar.open(t.ask(await t.register()));
    for (const username of ['nobody', 'eve']) {
      page = await jar.submit(page, { with: 'local', username, password: 'wrong wrong wrong' });
      expect(page.html).toContain('That username and password do not fit.');
    }
    for (let tries = 0; tries < 10; tries++) {
      page = await jar.submit(page, { with: 'local', username: 'eve', password: 'wrong wrong wrong' });
    }
    expect(page.html).toContain('Too many tries');
  });
});

describe('the pages at the end', () => {
  test('a code is shown to be copied only while it is good [S1.12] [S1.28]', async () => {
    const { code } = await issueCode(t);
    const page = await t.jar().open(`${t.issuer}/success?code=${code}`);
    expect(page.status).toBe(200);
    expect(page.html).toContain(code);
    expect(page.headers.get('cache-control')).toBe('no-store');
    const made = 'A'.repeat(43);
    expect((await t.jar().open(`${t.issuer}/success?code=${made}`)).html).not.toContain(made);
  });

  test('show the code to an application that has nowhere to be answered [S1.12]', async () => {
    const redirectUri = 'urn:ietf:wg:oauth:2.0:oob';
    const client = await t.register({ redirect_uris: [redirectUri] });
    const jar = t.jar();
    const page = await jar.open(t.ask(client, { redirectUri }));
    expect(page.html).toContain('You: a code to copy');
    const done = await jar.submit(page, withSso);
    expect(done.url).toMatch(new RegExp(`^${t.issuer}/success\\?code=`));
    expect(done.html).toContain(answerOf(done).code);
    const denied = await jar.submit(await jar.open(t.ask(client, { redirectUri })), { do: 'deny' });
    expect(denied.url).toMatch(new RegExp(`^${t.issuer}/error\\?error=access_denied`));
  });

  test('say nothing that the address says [S1.28] [X1.3]', async () => {
    for (const place of ['error', 'success']) {
      const page = await t.jar().open(`${t.issuer}/${place}?error=<b>x1&error_description=<script>x2&code=<i>x3`);
      expect(page.html).not.toMatch(/x1|x2|x3|<script/);
      expect(page.headers.get('cache-control')).toBe('no-store');
    }
  });

  test('cannot be framed [A18]', async () => {
    const client = await t.register();
    const jar = t.jar();
    const consent = await jar.open(t.ask(client));
    const urls = [
      '/error',
      '/success',
      '/device',
      '/session/end',
      '/session/end/success',
      '/interaction/x',
      '/authorize',
    ];
    const pages = [consent, ...(await Promise.all(urls.map((url) => t.jar().open(t.issuer + url))))];
    for (const { url, headers, html } of pages) {
      expect(html, url).toContain('<html');
      expect(headers.get('x-frame-options'), url).toBe('DENY');
      expect(headers.get('content-security-policy'), url).toContain("frame-ancestors 'none'");
      expect(headers.get('content-security-policy'), url).toContain("default-src 'none'");
    }
  });

  test('signing out asks first, ends the session, and works without a script [S1.39]', async () => {
    const jar = t.jar();
    await jar.submit(await jar.open(t.ask(await t.register())), withSso);
    const page = await jar.open(`${t.issuer}/session/end`);
    expect(page.html).toContain('Sign out?');
    expect((await jar.submit(page, { logout: 'yes' }, { origin: 'https://evil.example' })).status).toBe(403);
    expect((await jar.submit(page, { logout: 'yes' })).html).toContain('You are signed out here');
    expect((await jar.open(t.ask(await t.register()))).html).not.toContain('signed in as');
    const nobody = await jar.open(`${t.issuer}/session/end`);
    expect(nobody.html).toContain('You are signed out');
    expect(nobody.html).not.toContain('<script');
  });
});

describe('a device', () => {
  test('is connected by its code, named, confirmed and consented to', async () => {
    const client = await t.register({
      client_name: 'Television',
      grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
      response_types: [],
      redirect_uris: [],
    });
    const asked = await fetch(`${t.issuer}/device/authorize`, {
      method: 'POST',
      body: new URLSearchParams({ client_id: client.id, scope: 'mcp:read mcp:write' }),
    });
    const { user_code, device_code, verification_uri_complete } = (await asked.json()) as Record<string, string>;
    const jar = t.jar();
    const given = await jar.open(verification_uri_complete ?? '');
    expect(given.html).toContain(user_code);
    expect((await jar.submit(given, { user_code: 'WRNG-CODE' })).html).toContain('There is no such code');
    const confirm = await jar.submit(await jar.open(`${t.issuer}/device`), { user_code: user_code ?? '' });
    expect(confirm.html).toContain('Television');
    expect((await jar.submit(confirm, { confirm: 'yes' }, { origin: 'null' })).status).toBe(403);
    const consent = await jar.submit(confirm, { confirm: 'yes' });
    expect(isPage(consent)).toBe(true);
    expect(consent.html).toContain('The device that shows the code');
    const done = await jar.submit(consent, withSso);
    expect(done.html).toContain('Your device is connected');
    const token = await fetch(`${t.issuer}/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
        device_code: device_code ?? '',
        client_id: client.id,
      }),
    });
    expect(token.status).toBe(200);
  });
});
