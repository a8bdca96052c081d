/** The portal's pages at the door: who sees them, under which policy, at which addresses, and the link of the first run. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type PortalBrowser, type PortalWorld, startPortalWorld } from '#kit/portal-world.ts';

const html = { headers: { accept: 'text/html' } };
const page = (browser: PortalBrowser, path: string) => browser.ask('GET', path, html);
const session = '/admin/api/v1/session';

describe('of the portal', () => {
  let t: PortalWorld;
  beforeAll(async () => {
    t = await startPortalWorld();
  }, 120_000);
  afterAll(() => t?.close());

  test('come under a policy that lets nothing run but what is ours [A18] [H1]', async () => {
    const ada = await t.enter('ada');
    for (const path of ['/admin', '/admin/keys', '/admin/users', '/mcp-admin', '/me']) {
      const { status, headers, text } = await page(ada, path);
      const [, nonce = ''] = /name="csp-nonce" content="([\w-]{22})"/.exec(text) ?? [];
      const policy = headers.get('content-security-policy') ?? '';
      expect([path, status]).toEqual([path, 200]);
      expect(policy.split('; ')).toEqual([
        ...["default-src 'none'", "script-src 'self'", `style-src 'self' 'nonce-${nonce}'`, "img-src 'self' data:"],
        ...["font-src 'self'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"],
        ...["require-trusted-types-for 'script'", 'trusted-types default'],
      ]);
      expect(Object.fromEntries(headers)).toMatchObject({
        'x-frame-options': 'DENY',
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'cache-control': 'no-store',
      });
    }
    const nonces = await Promise.all(
      [1, 2].map(async () => /content="([\w-]{22})"/.exec((await page(ada, '/me')).text)?.[1]),
    );
    expect(nonces[0]).not.toBe(nonces[1]);
  });

  test('cannot be framed, nor can what stands at the door [A18]', async () => {
    const [bob, nobody] = [await t.enter('bob'), t.browser()];
    for (const [browser, path] of [
      [bob, '/admin'],
      [nobody, '/admin/signed-out'],
      [nobody, '/admin/signed-in'],
      [nobody, '/admin/link'],
    ] as const) {
      const { headers } = await page(browser, path);
      expect([path, headers.get('x-frame-options')]).toEqual([path, 'DENY']);
      expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
    }
  });

  test('are for administrators; everybody has one of their own [S3.25]', async () => {
    const [nobody, bob, ada] = [t.browser(), await t.enter('bob'), await t.enter('ada')];
    for (const place of ['/admin', '/mcp-admin', '/me']) {
      const { status, headers } = await page(nobody, `${place}/x?y=z`);
      expect([status, headers.get('location')]).toEqual([
        302,
        `/mcp-admin/sign-in?next=${encodeURIComponent(`${place}/x?y=z`)}`,
      ]);
    }
    for (const place of ['/admin', '/mcp-admin']) {
      const { status, text } = await page(bob, place);
      expect([status, text.includes('href="/me"')]).toEqual([403, true]);
    }
    expect((await page(bob, '/me')).status).toBe(200);
    expect((await page(ada, '/mcp-admin/x')).text).toContain('src="/mcp-admin/assets/app-1a2b3c.js"');
    expect((await page(ada, '/admin/x')).text).toContain('src="/mcp-admin/assets/app-1a2b3c.js"');
    expect((await page(ada, '/me')).text).toContain('src="/mcp-admin/assets/app-1a2b3c.js"');
  });

  test('have files that are kept for ever, and small where a browser takes that', async () => {
    const file = '/admin/assets/app-1a2b3c.js';
    const answer = await fetch(t.url + file, { headers: { 'accept-encoding': 'gzip' } });
    expect([answer.status, await answer.text()]).toEqual([200, 'console.log(1)\n']);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'cache-control': 'public, max-age=31536000, immutable',
      'content-encoding': 'gzip',
      'content-type': expect.stringContaining('javascript'),
      'x-content-type-options': 'nosniff',
    });
    expect((await fetch(`${t.url}/mcp-admin/assets/app-1a2b3c.js`)).status).toBe(200);
    for (const path of ['/admin/assets/none.js', '/admin/assets/..%2findex.html', '/admin/assets/'])
      expect([path, [400, 404].includes((await fetch(t.url + path)).status)]).toEqual([path, true]);
  });

  test('leave programs and the API what is theirs', async () => {
    const ada = await t.enter('ada');
    expect((await page(ada, '/admin/api/v1/nothing')).status).toBe(404);
    expect((await page(ada, '/mcp-admin/api/nothing')).status).toBe(404);
    expect((await ada.ask('GET', '/admin/nothing')).status).toBe(404);
    expect((await ada.ask('GET', '/admin/users')).status).toBe(401);
    for (const path of ['/portal', '/portal/keys']) {
      const { status, headers } = await page(ada, path);
      expect([path, status, headers.get('location')]).toEqual([path, 301, '/mcp-admin']);
    }
  });

  test('have one name on this machine: cookies know no other', async () => {
    const other = t.url.replace('localhost', '127.0.0.1');
    const answer = await fetch(`${other}/admin/keys`, { redirect: 'manual', headers: { accept: 'text/html' } });
    expect([answer.status, answer.headers.get('location')]).toEqual([303, `${t.url}/admin/keys`]);
  });

  test('open by a link for whoever holds the data directory, once, within ten minutes', async () => {
    const link = async () => {
      const made = await t.run('admin', 'link');
      return typeof made === 'object' && made !== null && 'url' in made ? String(made.url) : '';
    };
    const [first, late] = [await link(), await link()];
    expect(first).toMatch(/\/mcp-admin\/link\?code=[\w-]{43}$/);
    const browser = t.browser();
    const opened = await browser.jar.open(first);
    expect([opened.url, opened.status]).toEqual([`${t.url}/admin`, 200]);
    const { body } = await browser.ask('GET', session);
    expect(body).toMatchObject({
      kind: 'link',
      user: null,
      isPlatform: true,
      organizations: [{ slug: 'acme', isMember: false }, {}],
    });
    expect((await browser.ask('GET', '/admin/api/v1/servers')).status).toBe(200);
    expect((await t.browser().jar.open(first)).status).toBe(403);
    t.clock.advance(10 * 60_000);
    expect((await t.browser().jar.open(late)).status).toBe(403);
    expect((await t.browser().jar.open(`${t.url}/admin/link?code=${'A'.repeat(43)}`)).status).toBe(403);
    const recorded = () =>
      t.database.sql(
        `select distinct action from gateway.audit where action in ('session.begin', 'portal.link') order by 1`,
      );
    await expect.poll(recorded, { timeout: 10_000 }).toEqual([{ action: 'portal.link' }, { action: 'session.begin' }]);
  });

  test('nobody makes such a link with a session, or with a name', async () => {
    for (const name of ['ada', 'root']) {
      const browser = await t.enter(name);
      const headers = { 'x-csrf-token': await browser.csrf() };
      expect((await browser.ask('POST', '/admin/api/v1/portal-links', { body: {}, headers })).status).toBe(403);
    }
  });
});

test('a portal that is not built says how it is', async () => {
  const t = await startPortalWorld({ isBuilt: false });
  const { status, text } = await page(await t.enter('ada'), '/admin');
  expect([status, text.includes('npm run build:portal')]).toEqual([503, true]);
  await t.close();
}, 120_000);

test('where nobody signs in with a browser the page says how to get in', async () => {
  const t = await startPortalWorld({ local: false });
  const { status, text } = await page(t.browser(), '/admin/sign-in');
  expect([status, text.includes('gatehouse admin link')]).toEqual([403, true]);
  await t.close();
}, 120_000);
