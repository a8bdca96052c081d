/** What everybody does about themselves, and administrators about applications, tokens and requests: through HTTP. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import type { Person } from '#kit/signed-in-world.ts';
import { openPeopleWorld, type PeopleWorld, soon } from './people-world.ts';

const scope = 'admin:* mcp:read mcp:write';
const row = z.record(z.string(), z.unknown());
const itemsOf = (json: unknown) => z.object({ items: z.array(row) }).parse(json).items;
const me = '/organizations/acme/me';

let t: PeopleWorld;
let ada: Person;
let bob: Person;
let chief: Person;

beforeAll(async () => {
  t = await openPeopleWorld();
  ada = await t.person('ada@example.com', { acme: [] }, scope);
  bob = await t.person('bob@example.com', { acme: [], other: [] }, scope);
  chief = await t.person('chief@example.com', { acme: ['admin'] }, scope);
}, 120_000);
afterAll(() => t?.close());

const as = (who: Person, line: string, body?: object) => t.admin(line, { as: who.accessToken, ...(body && { body }) });
async function ok(who: Person, line: string, body?: object) {
  const { status, json, text } = await as(who, line, body);
  if (status >= 300) throw new Error(`${line}: ${status} ${text}`);
  return json;
}

test('everybody sees who they are, what they may use and where, and nobody else does in their name', async () => {
  expect(await ok(ada, `GET ${me}`)).toMatchObject({ email: 'ada@example.com', isAdministrator: false });
  const mine = itemsOf(await ok(ada, `GET ${me}/endpoints`));
  expect(mine.map(({ name }) => name)).toEqual(['', 'docs', 'plain', 'wiki']);
  expect(mine.find(({ name }) => name === 'docs')?.urls).toEqual([
    { form: 'organization', url: 'https://gw.example/acme/mcp/docs' },
    { form: 'own', url: 'https://gw.example/mcp/docs' },
  ]);
  // Of two organizations: the short address says nothing.
  const his = itemsOf(await ok(bob, `GET ${me}/endpoints`));
  expect(his.find(({ name }) => name === 'docs')?.urls).toHaveLength(1);
  expect((await t.admin(`GET ${me}`)).status).toBe(403);
  const { key } = await t.good('POST /organizations/acme/keys', { name: 'mighty', roles: ['admin:*'] });
  expect((await t.admin(`GET ${me}/keys`, { as: String(key) })).status).toBe(403);
  expect((await as(ada, 'GET /organizations/other/me')).status).toBe(403);
  expect((await as(ada, 'GET /organizations/acme/tokens')).status).toBe(403);
});

test('the tools are those that a call would reach', async () => {
  const { items, missing } = z
    .object({ items: z.array(row), missing: z.array(z.string()) })
    .parse(await ok(ada, `GET ${me}/tools?endpoint=docs`));
  expect(missing).toEqual([]);
  expect(items.map(({ name, server }) => [name, server])).toContainEqual(['retrieve', 'plain']);
  expect((await as(ada, `GET ${me}/tools?endpoint=staff`)).status).toBe(403);
});

test('a key of my own may what I may, in what it is for, and administers nothing', async () => {
  const other = await as(ada, `POST ${me}/keys`, { name: 'x', endpoints: ['staff'] });
  expect(other.status).toBe(404);
  const made = await ok(chief, `POST ${me}/keys`, { name: 'laptop', endpoints: ['docs'] });
  const key = String(made.key);
  expect(await t.callTool(key, '/acme/mcp/docs')).toBe(200);
  expect(await t.callTool(key, '/acme/mcp/wiki')).toBe(403);
  expect((await t.admin('GET /organizations/acme/members', { as: key })).status).toBe(403);
  expect(itemsOf(await ok(ada, `GET ${me}/keys`))).toEqual([]);
  expect((await as(ada, `DELETE ${me}/keys/${String(made.id)}`)).status).toBe(404);
  expect(JSON.stringify(await ok(chief, `GET ${me}/keys`))).not.toContain(key);
  await ok(chief, `DELETE ${me}/keys/${String(made.id)}`);
  await soon(() => t.callTool(key, '/acme/mcp/docs')).toBe(401);
});

test('what is asked for is given once by somebody else, and works', async () => {
  expect(await t.callTool(ada.accessToken, '/acme/mcp/staff')).toBe(403);
  const asked = await ok(ada, `POST ${me}/access-requests`, { collection: 'staff', reason: 'for the report' });
  expect((await as(ada, `POST ${me}/access-requests`, { collection: 'staff', reason: 'again' })).status).toBe(409);
  expect((await as(ada, `POST /organizations/acme/access-requests/${String(asked.id)}/approve`, {})).status).toBe(403);
  expect(itemsOf(await ok(bob, `GET ${me}/access-requests`))).toEqual([]);
  expect((await as(bob, `DELETE ${me}/access-requests/${String(asked.id)}`)).status).toBe(404);
  expect(itemsOf(await ok(chief, 'GET /organizations/acme/access-requests?state=open'))).toHaveLength(1);
  const approve = () =>
    as(chief, `POST /organizations/acme/access-requests/${String(asked.id)}/approve`, { word: 'ok' });
  const both = await Promise.all([approve(), approve()]);
  expect(both.map(({ status }) => status).sort()).toEqual([200, 409]);
  await soon(() => t.callTool(ada.accessToken, '/acme/mcp/staff')).toBe(200);
  expect(itemsOf(await ok(ada, `GET ${me}/access-requests`))[0]).toMatchObject({ state: 'approved', word: 'ok' });
  const own = await ok(chief, `POST ${me}/access-requests`, { collection: 'team', reason: 'me too' });
  expect((await as(chief, `POST /organizations/acme/access-requests/${String(own.id)}/approve`, {})).status).toBe(403);
  const refused = await ok(chief, `POST /organizations/acme/access-requests/${String(own.id)}/refuse`, { word: 'no' });
  expect(refused.state).toBe('refused');
});

test('what somebody may use is shown with what gives it', async () => {
  const shown = await ok(chief, `GET /organizations/acme/members/${ada.user.id}/access?endpoint=staff`);
  expect(itemsOf(shown)[0]).toMatchObject({ admitted: true, by: [{ kind: 'grant', name: null, tools: null }] });
  const who = itemsOf(await ok(chief, 'GET /organizations/acme/who-can?endpoint=staff&tool=retrieve'));
  const answers = Object.fromEntries(who.map(({ email, answer }) => [String(email), answer]));
  expect(answers).toMatchObject({ 'ada@example.com': 'allow', 'bob@example.com': 'grant' });
});

test('a call from the portal goes through the rooms and says what they decided', async () => {
  const call = (who: Person, body: object) =>
    fetch(`${t.url}/admin/api/v1${me}/call`, {
      method: 'POST',
      headers: { ...who.auth, 'content-type': 'application/json', accept: 'application/x-ndjson' },
      body: JSON.stringify(body),
    });
  const lines = async (response: Response) =>
    (await response.text())
      .trim()
      .split('\n')
      .map((line) => row.parse(JSON.parse(line)));
  const wish = { endpoint: 'docs', method: 'tools/call', params: { name: 'retrieve', arguments: { a: 1 } } };
  const good = await call(ada, wish);
  expect(good.headers.get('content-type')).toContain('ndjson');
  const events = await lines(good);
  expect(events.map(({ type }) => type)).toEqual(['request', 'head', 'answer', 'end']);
  expect(events.at(-1)).toMatchObject({ status: 200, decision: { outcome: 'allowed', server: 'plain', by: null } });
  expect(JSON.stringify(events)).not.toContain(ada.accessToken);
  const refused = await lines(await call(bob, { ...wish, endpoint: 'staff' }));
  expect(refused.at(-1)).toMatchObject({
    status: 403,
    decision: { outcome: 'refused', by: 'grant', code: 'role_denied' },
  });
  expect(refused.at(-1)?.decision).not.toHaveProperty('policies');
  const legacy = await lines(await call(ada, { ...wish, era: 'legacy' }));
  expect(legacy.filter(({ type }) => type === 'request').map(({ step }) => step)).toEqual([
    'initialize',
    'initialized',
    null,
  ]);
  expect(legacy.at(-1)).toMatchObject({ status: 200, decision: { outcome: 'allowed' } });
  expect((await call(ada, { ...wish, method: 'subscriptions/listen' })).status).toBe(400);
  await expect
    .poll(async () => itemsOf(await ok(bob, `GET ${me}/calls`))[0]?.reason, { timeout: 5000 })
    .toBe('role_denied');
  expect(itemsOf(await ok(bob, `GET ${me}/limits`))[0]).toMatchObject({ id: 'gateway', counts: 'principal' });
});

test('an application is seen, taken back by its person, and kept out by the organization', async () => {
  const eve = await t.person('eve@example.com');
  const eveAdmin = await t.person('eve@example.com', { acme: [] }, scope);
  const apps = itemsOf(await ok(eveAdmin, `GET ${me}/apps`));
  expect(apps.length).toBeGreaterThan(0);
  const all = itemsOf(await ok(chief, `GET /organizations/acme/tokens?user=${eve.user.id}`));
  expect(all.length).toBeGreaterThan(0);
  // Of two organizations, for the gateway as a whole: neither's.
  expect(itemsOf(await ok(chief, `GET /organizations/acme/tokens?user=${bob.user.id}`))).toEqual([]);
  const client = String(all.find(({ id }) => id !== undefined)?.client);
  expect(itemsOf(await ok(chief, 'GET /organizations/acme/apps')).map((one) => one.client)).toContain(client);
  await ok(chief, 'POST /organizations/acme/tokens/revoke', { user: eve.user.id });
  await soon(() => t.callTool(eve.accessToken, '/acme/mcp/docs')).toBe(401);
  const { id: clientId } = bob.client;
  expect(await t.callTool(bob.accessToken, '/acme/mcp/docs')).toBe(200);
  await ok(chief, 'POST /organizations/acme/apps/block', { client: clientId, reason: 'no' });
  await soon(() => t.callTool(bob.accessToken, '/acme/mcp/docs')).toBe(403);
  expect(await t.callTool(bob.accessToken, '/other/mcp/docs')).toBe(200);
  await ok(chief, 'POST /organizations/acme/apps/unblock', { client: clientId });
  await soon(() => t.callTool(bob.accessToken, '/acme/mcp/docs')).toBe(200);
});
