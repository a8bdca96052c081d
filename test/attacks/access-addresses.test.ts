/** Whoever runs one organization's identity provider can make it say any address: elsewhere that proves nothing. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { asOrgId } from '#core/ids.ts';
import { withPlatform } from '#db/scope.ts';
import { call, send } from '#kit/http-client.ts';
import { startFakeOidc } from '#kit/identity/fake-oidc.ts';
import { startSignedInWorld } from '#kit/signed-in-world.ts';
import { findHoldings } from '#records/holdings.ts';
import { insertMemberByEmail } from '#records/members.ts';
import { insertScimUsers } from '#records/scim-users.ts';

let theirs: Awaited<ReturnType<typeof startFakeOidc>>;
let world: Awaited<ReturnType<typeof startSignedInWorld>>;
let acme: string;
let url = '';

beforeAll(async () => {
  theirs = await startFakeOidc({ audience: 'https://gw.example' });
  world = await startSignedInWorld({
    identityYaml: `  - { kind: oidc, name: theirs, mode: direct, issuer: '${theirs.issuer}', clientId: x, audiences: ['${theirs.audience}'], organization: other }\n`,
    oauthYaml: ', administrators: [boss@example.com]',
  });
  acme = world.organizationIds.acme ?? '';
  url = world.gateways[0]?.url ?? '';
}, 120_000);
afterAll(async () => {
  await world?.close();
  await theirs?.close();
});

/** Signs in with `other`'s identity provider, which says that the address is theirs. */
async function claim(subject: string, email: string): Promise<string> {
  const token = await theirs.signToken({ sub: subject, email, email_verified: true });
  await send(`${url}/other/mcp/docs`, { headers: { authorization: `Bearer ${token}` }, body: call('x') });
  const [row] = await world.database.sql(
    'select u.id, u.email, u.email_verified from gateway.users u join gateway.identities i on i.user_id = u.id where i.subject = $1',
    [subject],
  );
  expect(row).toMatchObject({ email, email_verified: true });
  return String(row?.id);
}
const memberships = (user: string) =>
  world.database.sql('select org_id from gateway.members where user_id = $1 and org_id = $2', [user, acme]);

test("an invitation is not accepted by another organization's identity provider [B14]", async () => {
  await world.database.sql('insert into gateway.invitations (org_id, email) values ($1, $2)', [
    acme,
    'cfo@acme.example',
  ]);
  const liar = await claim('liar-1', 'cfo@acme.example');
  expect(await memberships(liar)).toEqual([]);
  expect(
    await world.database.sql("select email from gateway.invitations where email = 'cfo@acme.example'"),
  ).toHaveLength(1);
  const real = await world.signIn({ subject: 'cfo', email: 'cfo@acme.example' }, {});
  expect(await memberships(real.user.id)).toHaveLength(1);
});

test('nor is a person who claims it there made a member by their address', async () => {
  const liar = await claim('liar-2', 'cto@acme.example');
  const made = await withPlatform(world.database.db, (scope) =>
    insertMemberByEmail(scope, { org: asOrgId(acme), email: 'cto@acme.example', roles: ['admin'] }),
  );
  expect(made.userId).toBeUndefined();
  expect(await memberships(liar)).toEqual([]);
});

test('grants and groups of an address are not theirs, in that organization they are', async () => {
  const liar = await claim('liar-3', 'ceo@acme.example');
  for (const slug of ['acme', 'other']) {
    const org = world.organizationIds[slug] ?? '';
    await world.database.sql(
      `insert into gateway.group_members (org_id, group_id, email)
       select org_id, id, 'ceo@acme.example' from gateway.groups where builtin and org_id = $1`,
      [org],
    );
    const held = await findHoldings(world.database.db, asOrgId(org), { kind: 'user', id: liar });
    expect([slug, held.groups.size]).toEqual([slug, slug === 'acme' ? 0 : 1]);
  }
});

test('a directory does not take them for its own person of that address', async () => {
  const liar = await claim('liar-4', 'coo@acme.example');
  await world.database.sql('insert into gateway.members (org_id, user_id) values ($1, $2)', [acme, liar]);
  const person = {
    userName: 'coo@acme.example',
    externalId: 'coo',
    active: true,
    roles: [],
    resource: {},
    email: undefined,
    name: undefined,
  };
  const [made] = await withPlatform(world.database.db, (scope) => insertScimUsers(scope, asOrgId(acme), [person]));
  const [row] = await world.database.sql('select user_id from gateway.scim_users where id = $1', [made?.id]);
  expect(row?.user_id).not.toBe(liar);
});

test('an address that changes hands loses what was given to it', async () => {
  const token = await world.signIn({ subject: 'mover', email: 'old@acme.example' });
  await world.database.sql(
    `insert into gateway.group_members (org_id, group_id, email)
     select org_id, id, 'old@acme.example' from gateway.groups where builtin and org_id = $1`,
    [acme],
  );
  const held = () => findHoldings(world.database.db, asOrgId(acme), { kind: 'user', id: token.user.id });
  expect((await held()).groups.size).toBe(1);
  for (const email of ['old+x@acme.example', 'оld@acme.example', ' old@acme.example', 'old@acme.example.']) {
    await world.database.sql('update gateway.users set email = $2 where id = $1', [token.user.id, email]);
    expect([email, (await held()).groups.size]).toEqual([email, 0]);
  }
});
