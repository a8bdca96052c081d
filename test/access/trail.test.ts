/** Who administers is named in the trail, and whoever is erased is in it no more; the chain is good all the same. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { openPeopleWorld, type PeopleWorld, soon } from './people-world.ts';

let t: PeopleWorld;
beforeAll(async () => {
  t = await openPeopleWorld();
}, 120_000);
afterAll(() => t?.close());

const rows = z.array(z.record(z.string(), z.unknown()));
const sql = async (text: string, ...values: unknown[]) => rows.parse(await t.world.database.sql(text, values));
const settled = { timeout: 5000, interval: 50 };
const adminScope = 'admin:* mcp:read mcp:write';

async function ask(line: string, token: string, body?: object, headers: Record<string, string> = {}) {
  const [method = 'GET', path = ''] = line.split(' ');
  const type = body ? { 'content-type': 'application/json' } : {};
  const answer = await fetch(`${t.url}/admin/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...type, ...headers },
    body: body ? JSON.stringify(body) : null,
  });
  return answer.status;
}

const events = (action: string) => () =>
  sql(
    `select kind, action, target, principal_kind, issuer, subject, email, client_address, user_agent, request_id, decision, reason, detail, open
     from gateway.audit where action = $1 and not open order by at desc`,
    action,
  );

test('whoever administers is named: the person, the key, the admin token; and from where, by which request [S3.33]', async () => {
  const chief = await t.person('chief@example.com', { acme: ['admin'] }, adminScope);
  const from = { 'user-agent': 'curl/8', 'x-request-id': 'req-of-chief-1' };
  expect(await ask('POST /organizations/acme/groups', chief.accessToken, { name: 'Named' }, from)).toBe(201);
  await expect.poll(events('group.create'), settled).toMatchObject([
    {
      ...{ kind: 'admin', principal_kind: 'user', issuer: 'https://gw.example', subject: chief.user.subject },
      ...{ email: 'chief@example.com', client_address: '127.0.0.1', user_agent: 'curl/8' },
      ...{ request_id: 'req-of-chief-1', target: 'Named', decision: 'allow', detail: { by: 'person' } },
    },
  ]);
  // What is refused is too.
  const plain = await t.person('plain@example.com', { acme: [] }, adminScope);
  expect(await ask('POST /organizations/acme/groups', plain.accessToken, { name: 'No' }, from)).toBe(403);
  await expect
    .poll(events('group.create'), settled)
    .toContainEqual(expect.objectContaining({ email: 'plain@example.com', decision: 'deny', reason: 'forbidden' }));
  const made = await t.good('POST /organizations/acme/keys', { name: 'robot', roles: ['admin:*'] });
  expect(await ask('POST /organizations/acme/groups', String(made.key), { name: 'ByKey' })).toBe(201);
  await expect
    .poll(events('group.create'), settled)
    .toContainEqual(expect.objectContaining({ principal_kind: 'api-key', subject: made.id, target: 'ByKey' }));
  expect(await events('key.create')()).toContainEqual(
    expect.objectContaining({ subject: 'admin token', target: 'robot' }),
  );
});

test('a credential that is set is an event of its own kind, without its value [S3.33]', async () => {
  const chief = await t.person('chief@example.com', { acme: ['admin'] }, adminScope);
  const credential = 'sk-canary-of-this-credential';
  expect(await ask('POST /organizations/acme/credentials', chief.accessToken, { server: 'plain', credential })).toBe(
    200,
  );
  await expect
    .poll(events('credential.set'), settled)
    .toMatchObject([{ kind: 'credential', email: 'chief@example.com', target: 'plain' }]);
  expect(JSON.stringify(await sql('select * from gateway.audit'))).not.toContain(credential);
});

test('an erased person is in no row, figure or export made afterwards, and the chain is still good [S3.33] [I5]', async () => {
  const address = 'Gone.Person@example.com';
  const gone = await t.person(address, { acme: ['admin'] }, adminScope);
  await t.good('PUT /organizations/acme/grants', { email: address, collection: 'team' });
  await soon(() => t.callTool(gone.accessToken)).toBe(200);
  await ask('POST /organizations/acme/groups', gone.accessToken, { name: 'OfGone' });
  await t.good('GET /organizations/acme/audit?limit=5');
  const about = async () =>
    Number(
      (await sql(`select count(*) as n from gateway.audit where lower(email) = lower($1) and not open`, address))[0]?.n,
    );
  await expect.poll(about, settled).toBeGreaterThan(1);
  const before = await t.good('GET /audit/verify');
  expect(before.problems).toEqual([]);
  const { pseudonym } = await t.good(`DELETE /people/${gone.user.id}`);
  await expect
    .poll(events('person.erase'), settled)
    .toMatchObject([{ target: null, decision: 'allow', detail: { pseudonym } }]);
  const shown = [
    await t.good('GET /organizations/acme/audit?limit=1000'),
    await t.good('GET /audit?limit=1000'),
    await t.good('GET /organizations/acme/usage?by=user'),
    await sql('select * from gateway.audit'),
    await sql('select * from gateway.usage'),
  ];
  for (const each of shown) {
    const text = JSON.stringify(each).toLowerCase();
    for (const word of [address, gone.user.id, gone.user.subject]) expect(text).not.toContain(word.toLowerCase());
  }
  expect(JSON.stringify(shown[0])).toContain(String(pseudonym));
  const report = await t.good('GET /audit/verify');
  expect(report).toMatchObject({ problems: [] });
  expect(Number(report.erased)).toBeGreaterThan(1);
});
