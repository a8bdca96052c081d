/** The portal beside Open WebUI: its session is the portal's, for its administrators (REQUIREMENTS S3.25). */
import { SignJWT } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openBrowser, type PortalWorld, startPortalWorld } from '#kit/portal-world.ts';

const secret = 'open-webui-shares-this-secret-with-us';
const sign = (id: string, key = secret) =>
  new SignJWT({ id, exp: Math.floor(Date.now() / 1000) + 3600, jti: crypto.randomUUID() })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .sign(new TextEncoder().encode(key));

const userTable = `
  create table public."user" (id text primary key, name text not null, email text not null, role text not null);
  insert into public."user" (id, name, email, role) values
    ('ann', 'Ann', 'ann@example.com', 'admin'), ('bea', 'Bea', 'bea@example.com', 'user'),
    ('root', 'Root', 'root@example.com', 'user')`;

let t: PortalWorld;
beforeAll(async () => {
  t = await startPortalWorld({
    local: false,
    yaml: `identity: [{ kind: shared-secret, preset: open-webui, secret: '\${WEBUI_SECRET_KEY}', organization: acme }]\n`,
    env: { WEBUI_SECRET_KEY: secret, OPEN_WEBUI_URL: 'http://127.0.0.1:9' },
    prepare: (database) => database.sql(userTable),
  });
}, 120_000);
afterAll(() => t?.close());

const as = async (id: string, key?: string) => openBrowser(t.url, `token=${await sign(id, key)}`);
const html = { headers: { accept: 'text/html' } };
const keys = '/admin/api/v1/organizations/acme/keys';

test('its administrators see the portal, others a page that refuses, strangers go to Open WebUI [S3.25]', async () => {
  const [ann, bea, forged] = [await as('ann'), await as('bea'), await as('ann', `${secret}!`)];
  expect((await ann.ask('GET', '/mcp-admin', html)).status).toBe(200);
  const refused = await bea.ask('GET', '/mcp-admin', html);
  expect([refused.status, refused.text.includes('href="/me"')]).toEqual([403, true]);
  expect((await bea.ask('GET', '/me', html)).status).toBe(200);
  for (const stranger of [t.browser(), forged, await as('nobody')]) {
    const { status, headers } = await stranger.ask('GET', '/mcp-admin', html);
    expect([status, headers.get('location')]).toEqual([302, '/']);
    expect((await stranger.ask('GET', keys)).status).toBe(401);
  }
  // Pages of Open WebUI's own.
  for (const path of ['/admin', '/admin/users', '/admin/settings'])
    expect([path, (await ann.ask('GET', path, html)).status]).toEqual([path, 404]);
});

test('the API refuses too, and changes need the page and its proof [S3.25] [H2]', async () => {
  const [ann, bea] = [await as('ann'), await as('bea')];
  expect((await ann.ask('GET', '/admin/api/v1/session')).body).toMatchObject({
    kind: 'open-webui',
    isPlatform: false,
    user: { email: 'ann@example.com' },
    organizations: [{ slug: 'acme', roles: ['MCP-Admin'] }],
    freshUntil: null,
    gateway: { isOpenWebui: true },
  });
  expect((await bea.ask('GET', keys)).status).toBe(403);
  expect((await ann.ask('GET', keys)).status).toBe(200);
  expect((await ann.ask('GET', '/admin/api/v1/organizations/other/keys')).status).toBe(403);
  const create = (headers: Readonly<Record<string, string | undefined>>) =>
    ann.ask('POST', keys, { body: { name: 'one' }, headers });
  expect((await create({})).body.code).toBe('csrf_refused');
  const csrf = await ann.csrf();
  expect((await create({ 'x-csrf-token': csrf, 'sec-fetch-site': 'cross-site' })).status).toBe(403);
  expect((await create({ 'x-csrf-token': csrf })).status).toBe(201);
});

test('asked anew each time: who is no administrator there any more is none here [S3.25]', async () => {
  const ann = await as('ann');
  expect((await ann.ask('GET', keys)).status).toBe(200);
  await t.database.sql(`update public."user" set role = 'user' where id = 'ann'`);
  expect((await ann.ask('GET', keys)).status).toBe(403);
  await t.database.sql(`delete from public."user" where id = 'ann'`);
  expect((await ann.ask('GET', keys)).status).toBe(401);
});

test('an administrator there is one of the gateway only where its settings say so', async () => {
  const root = await as('root');
  expect((await root.ask('GET', '/admin/api/v1/session')).body.isPlatform).toBe(true);
  expect((await root.ask('GET', '/admin/api/v1/accounts')).status).toBe(200);
});
