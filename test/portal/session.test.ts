/** The portal's door over HTTP: who gets in, what a session is good for, and what ends it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type PortalBrowser, type PortalWorld, portalPassword, startPortalWorld } from '#kit/portal-world.ts';

const session = '/admin/api/v1/session';
const keys = '/admin/api/v1/organizations/acme/keys';
let t: PortalWorld;
beforeAll(async () => {
  t = await startPortalWorld();
}, 120_000);
afterAll(() => t?.close());

const minutes = (count: number) => count * 60_000;
const statusOf = async (browser: PortalBrowser) => (await browser.ask('GET', session)).status;
let made = 0;
const create = async (browser: PortalBrowser, headers: Readonly<Record<string, string | undefined>> = {}) =>
  browser.ask('POST', keys, {
    body: { name: `key ${made++}` },
    headers: { 'x-csrf-token': await browser.csrf(), ...headers },
  });

describe('signing in', () => {
  test('leads through our own sign-in and back to the page that was asked for [S3.25]', async () => {
    const { landed, ask } = await t.signIn('ada', '/admin/servers?q=x');
    expect([landed.url, landed.status]).toEqual([`${t.url}/admin/servers?q=x`, 200]);
    expect(landed.trail.some((url) => url.startsWith(`${t.url}/mcp-admin/signed-in?code=`))).toBe(true);
    expect((await ask('GET', session)).body).toMatchObject({
      kind: 'person',
      user: { name: 'Ada', username: 'ada' },
      isPlatform: false,
      permissions: [],
      organizations: [{ slug: 'acme', isMember: true, roles: ['admin'] }],
      gateway: { version: '1.2.3', baseUrl: t.url, isDemo: false, hasPublicUrl: false, canSignIn: true },
    });
  });

  test('says what somebody may, in names of the contract', async () => {
    const permissions = async (name: string) => {
      const { body } = await (await t.enter(name)).ask('GET', session);
      const [first] = Array.isArray(body.organizations) ? body.organizations : [];
      return [first?.permissions, body.permissions, body.isPlatform];
    };
    expect(await permissions('ada')).toEqual([expect.arrayContaining(['admin:keys:write']), [], false]);
    expect((await permissions('ada'))[0]).not.toContain('admin:audit-content:read');
    expect(await permissions('bob')).toEqual([[], [], false]);
    expect(await permissions('root')).toEqual([
      expect.arrayContaining(['admin:keys:write']),
      expect.arrayContaining(['admin:servers:write']),
      true,
    ]);
  });

  test('sets a cookie that scripts and other sites never see', async () => {
    const browser = t.browser();
    const page = await browser.jar.open(`${t.url}/admin`);
    const { trail } = await browser.jar.submit(page, { with: 'local', username: 'ada', password: portalPassword });
    const back = trail.find((url) => url.includes('-admin/signed-in')) ?? '';
    const again = await fetch(back, { redirect: 'manual', headers: { cookie: browser.cookie() } });
    const [cookie = ''] = again.headers.getSetCookie().filter((line) => line.startsWith('gw_admin='));
    expect(cookie).toMatch(/^gw_admin=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=28800$/);
    expect(await t.database.sql('select digest from gateway.portal_sessions')).not.toContainEqual({
      digest: cookie.slice(9, 52),
    });
  });

  test('a session that was planted before signing in is worth nothing afterwards [A20]', async () => {
    const mallory = await t.signIn('bob', '/me');
    const planted = /gw_admin=([\w-]+)/.exec(mallory.cookie())?.[1];
    const victim = t.browser();
    const start = await fetch(`${t.url}/admin/sign-in?next=/admin`, {
      redirect: 'manual',
      headers: { cookie: `gw_admin=${planted}` },
    });
    expect(start.headers.getSetCookie()).toEqual([]);
    const { cookie } = await t.signIn('ada', '/admin', victim);
    expect(cookie()).not.toContain(planted);
    // In one browser: whoever signs in anew leaves nothing of before behind.
    const old = mallory.cookie();
    await t.signIn('bob', '/admin/sign-in?again=1&next=/me', mallory);
    expect(mallory.cookie()).not.toContain(planted);
    expect((await mallory.ask('GET', session, { headers: { cookie: old } })).status).toBe(401);
    expect(await statusOf(mallory)).toBe(200);
  });

  test('an address that leads elsewhere afterwards leads to the portal [H4]', async () => {
    const evil = [
      'https://evil.example/',
      '//evil.example',
      '/\\evil.example',
      '/admin/../../x',
      '/%2f/evil',
      '/authorize',
    ];
    const browser = await t.signIn('ada');
    for (const next of evil) {
      const page = await browser.jar.open(`${t.url}/admin/sign-in?next=${encodeURIComponent(next)}`);
      const { url } = page.url.includes('/interaction/') ? await browser.jar.submit(page, { do: 'allow' }) : page;
      expect([next, url]).toEqual([next, `${t.url}/admin`]);
    }
  });

  test('an answer without a sign-in, or of another one, opens nothing', async () => {
    const browser = t.browser();
    for (const query of ['', '?code=x', '?code=x&state=x', '?error=access_denied&state=x']) {
      const { status, html } = await browser.jar.open(`${t.url}/admin/signed-in${query}`);
      expect([status, html.includes('did not succeed')]).toEqual([403, true]);
    }
    expect(browser.cookie()).not.toContain('gw_admin');
  });
});

describe('changes', () => {
  test('need the page, its proof and this very origin: 200, 403, 403, 403 [H2]', async () => {
    const browser = await t.enter('ada');
    expect((await create(browser)).status).toBe(201);
    const refused = [
      { 'x-csrf-token': undefined },
      { 'x-csrf-token': 'A'.repeat(43) },
      { 'x-csrf-token': await (await t.enter('ada')).csrf() },
      { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'none' },
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: undefined, 'sec-fetch-site': undefined },
    ];
    const [{ n: before } = {}] = await t.database.sql('select count(*)::int as n from gateway.api_keys');
    for (const headers of refused) {
      const { status, body } = await create(browser, headers);
      expect([headers, status, body.code]).toEqual([headers, 403, 'csrf_refused']);
    }
    expect(await t.database.sql('select count(*)::int as n from gateway.api_keys')).toEqual([{ n: before }]);
    expect((await browser.ask('DELETE', session)).body.code).toBe('csrf_refused');
    // Browsers of before and plain http elsewhere: one of the two says where it comes from.
    expect((await create(browser, { 'sec-fetch-site': undefined })).status).toBe(201);
  });

  test('another site reads nothing either', async () => {
    const browser = await t.enter('ada');
    for (const site of ['cross-site', 'same-site'])
      expect((await browser.ask('GET', keys, { headers: { 'sec-fetch-site': site } })).status).toBe(403);
    expect((await browser.ask('GET', keys)).status).toBe(200);
  });

  test('a credential that is sent decides, and a cookie beside it does not', async () => {
    const browser = await t.enter('ada');
    for (const authorization of ['Bearer nonsense', 'Basic eDp5'])
      expect((await browser.ask('GET', keys, { headers: { authorization } })).status).toBe(401);
  });

  test('reach what a token of theirs would, and no other organization', async () => {
    const [ada, bob, root] = [await t.enter('ada'), await t.enter('bob'), await t.enter('root')];
    const other = '/admin/api/v1/organizations/other/keys';
    const statuses = async (browser: PortalBrowser) =>
      Promise.all([keys, other, '/admin/api/v1/accounts'].map(async (path) => (await browser.ask('GET', path)).status));
    expect(await statuses(ada)).toEqual([200, 403, 403]);
    expect(await statuses(bob)).toEqual([403, 403, 403]);
    expect(await statuses(root)).toEqual([200, 200, 200]);
    expect((await ada.ask('GET', '/api/v1beta/workloads')).status).toBe(401);
    expect((await ada.ask('GET', '/mcp', { headers: { accept: 'text/event-stream' } })).status).toBe(401);
  });

  test('that are dangerous need a sign-in of the last ten minutes [H7]', async () => {
    const browser = await t.enter('ada');
    t.clock.advance(minutes(11));
    const refused = await create(browser);
    expect([refused.status, refused.body]).toEqual([
      401,
      expect.objectContaining({ code: 'reauthenticate', signIn: '/mcp-admin/sign-in?again=1' }),
    ]);
    expect((await browser.ask('GET', keys)).status).toBe(200);
    const first = await t.signIn('ada');
    t.clock.advance(minutes(11));
    expect((await create(first)).body.code).toBe('reauthenticate');
    const old = first.cookie();
    // Without its prompt the sign-in would find them signed in, and change nothing.
    const { landed } = await t.signIn('ada', '/admin/sign-in?again=1&next=/admin/keys', first);
    expect(landed.url).toBe(`${t.url}/admin/keys`);
    expect((await create(first)).status).toBe(201);
    expect((await first.ask('GET', session, { headers: { cookie: old } })).status).toBe(401);
  });
});

describe('a session ends', () => {
  test('after half an hour without a request, and not while it is used', async () => {
    const browser = await t.enter('ada');
    for (let n = 0; n < 3; n++) {
      t.clock.advance(minutes(29));
      expect(await statusOf(browser)).toBe(200);
    }
    t.clock.advance(minutes(30));
    expect(await statusOf(browser)).toBe(401);
  });

  test('after eight hours, however much it is used', async () => {
    const browser = await t.enter('ada');
    for (let n = 0; n < 19; n++) {
      t.clock.advance(minutes(25));
      expect(await statusOf(browser)).toBe(200);
    }
    t.clock.advance(minutes(6));
    expect(await statusOf(browser)).toBe(401);
  });

  test('when its person signs out, on our side too, and the sign-in of this browser with it', async () => {
    const browser = await t.signIn('ada');
    const cookie = browser.cookie();
    const answer = await browser.ask('DELETE', session, { headers: { 'x-csrf-token': await browser.csrf() } });
    expect([answer.status, answer.body.next]).toEqual([200, '/mcp-admin/signed-out']);
    expect(answer.headers.getSetCookie().join()).toMatch(/gw_admin=; .*Max-Age=0/);
    expect((await browser.ask('GET', session, { headers: { cookie } })).status).toBe(401);
    const page = await browser.jar.open(`${t.url}/admin`);
    expect(page.html).toContain('name="password"');
  });

  test('at once when its person is deactivated, or given another password', async () => {
    const bob = await t.enter('bob');
    await t.run('user', 'deactivate', 'bob');
    expect(await statusOf(bob)).toBe(401);
    const eve = await t.enter('eve');
    t.clock.advance(2000);
    await t.run('user', 'set-password', 'eve');
    expect(await statusOf(eve)).toBe(401);
  });

  test('and rights end as live as they are given', async () => {
    const ada = await t.enter('ada');
    expect((await ada.ask('GET', keys)).status).toBe(200);
    await t.database.sql(
      `update gateway.members set roles = '[]' where user_id in (select id from gateway.users where username = 'ada')`,
    );
    await expect.poll(async () => (await ada.ask('GET', keys)).status, { timeout: 5000 }).toBe(403);
  });
});
