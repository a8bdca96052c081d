/** Pages, single reads, conditions and repeated requests, through HTTP. */
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { withPlatform } from '#db/scope.ts';
import { type AdminApi, openAdminApi } from '#kit/admin-api.ts';

let api: AdminApi;
let send: AdminApi['send'];

beforeAll(async () => {
  api = await openAdminApi();
  send = api.send;
  await send('POST /organizations', { body: { slug: 'acme', name: 'Acme' } });
}, 120_000);

afterAll(() => api.close());

/** Every page, by `next`. */
async function walk(path: string): Promise<readonly Record<string, unknown>[]> {
  const all: Record<string, unknown>[] = [];
  let next: string | null = '';
  while (next !== null) {
    const { status, json } = await send(`GET ${path}${next === '' ? '' : `&cursor=${next}`}`);
    expect([status, json.detail]).toEqual([200, undefined]);
    all.push(...json.items);
    next = json.next;
  }
  return all;
}

test('a list comes page by page, in any order it offers, and a cursor of another order is refused', async () => {
  for (const key of ['ape', 'bee', 'cat', 'dog', 'eel'])
    await send('POST /servers', {
      body: { key, title: `T ${key}`, transport: { kind: 'http', url: 'https://x.test' } },
    });
  const keys = async (query: string) => (await walk(`/servers?${query}`)).map(({ key }) => key);
  expect(await keys('limit=2')).toEqual(['ape', 'bee', 'cat', 'dog', 'eel']);
  expect(await keys('limit=2&sort=-key')).toEqual(['eel', 'dog', 'cat', 'bee', 'ape']);
  expect(await keys('limit=1&search=T%20B')).toEqual(['bee']);
  const { json } = await send('GET /servers?limit=2');
  expect((await send(`GET /servers?limit=2&sort=title&cursor=${json.next}`)).status).toBe(400);
  for (const wrong of ['limit=0', 'limit=1001', 'limit=x', 'sort=id', 'cursor=bad', 'limit=1&limit=2', 'other=1'])
    expect([wrong, (await send(`GET /servers?${wrong}`)).status]).toEqual([wrong, 400]);
  // What was shown last may be gone by the time of the next page.
  await send('DELETE /servers/bee');
  expect((await send(`GET /servers?limit=2&cursor=${json.next}`)).json.items[0].key).toBe('cat');
});

test('members are paged by the database, quickly among 15,000, and then those who are invited', async () => {
  await withPlatform(api.database.db, async ({ tx }) => {
    await sql`insert into gateway.users (subject, name, email, email_verified)
      select 'p' || n, 'Person ' || n, 'p' || lpad(n::text, 5, '0') || '@acme.test', true
      from generate_series(1, 15000) n`.execute(tx);
    await sql`insert into gateway.members (org_id, user_id, roles)
      select o.id, u.id, '["staff"]' from gateway.organizations o, gateway.users u where o.slug = 'acme'`.execute(tx);
  });
  for (const email of ['z@later.test', 'y@later.test'])
    await send('POST /organizations/acme/members', { body: { email } });
  const base = '/organizations/acme/members';
  const all = await walk(`${base}?limit=1000`);
  expect(all.length).toBe(15_002);
  expect(new Set(all.map(({ email }) => email)).size).toBe(15_002);
  expect(all.slice(-2).map(({ user, email }) => [user, email])).toEqual([
    [null, 'y@later.test'],
    [null, 'z@later.test'],
  ]);
  // A page that ends where people end still leads to who is invited.
  expect((await walk(`${base}?limit=750&sort=-name`)).length).toBe(15_002);
  expect((await walk(`${base}?limit=1&state=invited`)).length).toBe(2);
  expect((await walk(`${base}?limit=10&state=inactive`)).length).toBe(0);
  expect((await walk(`${base}?limit=10&search=P01234`)).map(({ email }) => email)).toEqual(['p01234@acme.test']);
  const begun = performance.now();
  const last = await send(`GET ${base}?limit=100&sort=-name`);
  expect(last.json.items[0].email).toBe('p15000@acme.test');
  expect(performance.now() - begun).toBeLessThan(3000);
  expect((await walk('/people?limit=1000&sort=-createdAt')).length).toBe(15_000);
  const one = all[0]?.user;
  expect(all[0]).toEqual((await send(`GET ${base}/${one}`)).json);
}, 60_000);

test('groups, who is in them, and keys are paged', async () => {
  const base = '/organizations/acme';
  for (const name of ['red', 'green', 'blue']) await send(`POST ${base}/groups`, { body: { name } });
  for (const n of [1, 2, 3]) {
    await send(`POST ${base}/groups/red/members`, { body: { email: `m${n}@acme.test` } });
    await send(`POST ${base}/keys`, { body: { name: `key ${n}`, expiresInSeconds: n * 1000 } });
  }
  expect((await walk(`${base}/groups?limit=1&sort=name`)).map(({ name }) => name)).toEqual(
    expect.arrayContaining(['blue', 'green', 'red']),
  );
  expect((await walk(`${base}/groups?limit=1`)).length).toBe((await walk(`${base}/groups?limit=99`)).length);
  expect((await walk(`${base}/groups/red/members?limit=2`)).map(({ email }) => email)).toEqual([
    ...['m1@acme.test', 'm2@acme.test', 'm3@acme.test'],
  ]);
  const keys = async (query: string) => (await walk(`${base}/keys?limit=2&${query}`)).map(({ name }) => name);
  expect(await keys('sort=-expiresAt')).toEqual(['key 3', 'key 2', 'key 1']);
  expect(await keys('sort=createdAt&state=active')).toEqual(['key 1', 'key 2', 'key 3']);
  expect(await keys('state=revoked')).toEqual([]);
});

test('a change to what was changed meanwhile is refused, and one to what was looked at is made', async () => {
  const path = '/organizations/acme/groups/green';
  const { etag } = (await send(`GET ${path}`)).headers;
  const change = (title: string, ifMatch?: string) =>
    send(`PATCH ${path}`, { body: { title }, headers: ifMatch === undefined ? {} : { 'if-match': ifMatch } });
  expect((await change('First', String(etag))).status).toBe(200);
  const refused = await change('Second', String(etag));
  expect([refused.status, refused.json.code]).toEqual([412, 'precondition_failed']);
  expect((await send(`GET ${path}`)).json.title).toBe('First');
  expect((await send(`DELETE ${path}`, { headers: { 'if-match': String(etag) } })).status).toBe(412);
  expect((await change('Third', '*')).status).toBe(200);
  expect((await change('Fourth')).status).toBe(200);
  const now = String((await send(`GET ${path}`)).headers.etag);
  const both = await Promise.all([change('A', now), change('B', now)]);
  expect(both.map(({ status }) => status).sort()).toEqual([200, 412]);
  const server = await send('GET /servers/cat');
  expect(server.json).toMatchObject({ key: 'cat', transport: { kind: 'http', url: 'https://x.test' }, auth: null });
  const stale = { 'if-match': '"0"' };
  expect((await send('PATCH /servers/cat', { body: { title: 'x' }, headers: stale })).status).toBe(412);
});

test('a repeated request with the same Idempotency-Key is done once; a secret is not shown twice', async () => {
  const headers = { 'idempotency-key': 'k-1' };
  const path = '/organizations/acme/groups';
  const make = (name: string) => send(`POST ${path}`, { body: { name }, headers });
  const first = await make('once');
  expect(first.status).toBe(201);
  const second = await make('once');
  expect([second.status, second.json]).toEqual([201, first.json]);
  expect(second.headers['idempotent-replayed']).toBe('true');
  const other = await make('twice');
  expect([other.status, other.json.code]).toEqual([422, 'idempotency_mismatch']);
  // A failure is not kept: it may be tried again.
  const failing = { 'idempotency-key': 'k-2' };
  expect((await send(`POST ${path}`, { body: { name: 'once' }, headers: failing })).status).toBe(409);
  expect((await send(`POST ${path}`, { body: { name: 'again' }, headers: failing })).status).toBe(201);
  const key = () => send('POST /organizations/acme/keys', { body: { name: 'secret' }, headers });
  expect((await key()).status).toBe(201);
  const repeated = await key();
  expect([repeated.status, repeated.json.detail]).toEqual([409, expect.stringContaining('shown once')]);
  const atOnce = await Promise.all(
    [1, 2, 3].map(() => send(`POST ${path}`, { body: { name: 'race' }, headers: { 'idempotency-key': 'k-3' } })),
  );
  expect(atOnce.filter(({ status }) => status === 201).length).toBeGreaterThan(0);
  expect(atOnce.every(({ status }) => status === 201 || status === 409)).toBe(true);
});

test('a NUL character and endless nesting are wrong requests, not failures', async () => {
  const deep = JSON.parse(`${'{"a":'.repeat(500)}1${'}'.repeat(500)}`);
  for (const body of [{ name: 'a\0b' }, { name: 'deep', policies: 'x', config: deep }]) {
    const { status, json } = await send('POST /organizations/acme/policies', { body });
    expect([status, json.code]).toEqual([400, 'bad_request']);
  }
});
