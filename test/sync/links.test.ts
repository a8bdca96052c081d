/** Who of a directory's people somebody is who signs in: never by a word that they could have chosen themselves. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SignedIn } from '#adapters/identity/identity.ts';
import { systemClock } from '#core/clock.ts';
import { asOrgId } from '#core/ids.ts';
import { silentLog } from '#core/log.ts';
import { principalKey, type UserPrincipal } from '#core/principal.ts';
import { holderOf } from '#gateway/rights/reach.ts';
import { type ScimWorld, startScimWorld } from '#kit/scim-world.ts';
import { provision } from '#oauth/interaction/provision.ts';
import { openDirectAccounts } from '#records/direct-accounts.ts';
import { findHoldings } from '#records/holdings.ts';

let world: ScimWorld;
let acme: string;
beforeAll(async () => {
  world = await startScimWorld();
  acme = String((await world.database.sql(`select id from gateway.organizations where slug = 'acme'`))[0]?.id);
}, 120_000);
afterAll(() => world?.close());

const add = async (userName: string, more: object = {}, client = world.acme) => {
  const { body } = await client.request('POST', '/Users', { userName, ...more });
  return String(body.id);
};
const signIn = (provider: { kind: string; name?: string; organization?: string }, person: Partial<SignedIn>) =>
  provision(
    { db: world.database.db, clock: systemClock, log: silentLog },
    { name: provider.kind, ...provider },
    { subject: randomUUID(), roles: [], groups: [], claims: {}, ...person },
  );
const isLinked = async (id: string, userId: string) =>
  (await world.database.sql('select user_id = $2 as linked from gateway.scim_users where id = $1', [id, userId]))[0]
    ?.linked;

test('by a proved address, with all that the directory gave them', async () => {
  const id = await add('linked@acme.example');
  const group = await world.acme.request('POST', '/Groups', { displayName: 'Linked', members: [{ value: id }] });
  const user = await signIn({ kind: 'github' }, { email: 'Linked@acme.example', emailVerified: true });
  expect(await isLinked(id, user.id)).toBe(true);
  const holdings = await findHoldings(world.database.db, asOrgId(acme), { kind: 'user', id: user.id });
  expect([...holdings.groups]).toEqual([group.body.id]);
  expect(
    await world.database.sql(`select from gateway.users where subject like 'scim|%' and email = 'linked@acme.example'`),
  ).toEqual([]);
  expect((await world.acme.request('GET', `/Groups/${group.body.id}`)).body.members).toMatchObject([{ value: id }]);
});

test.each([
  ['an address that is not proved', { kind: 'oidc', organization: 'acme' }, { email: 'victim@acme.example' }],
  ['a user name that people choose', { kind: 'github', organization: 'acme' }, { username: 'victim@acme.example' }],
  ['a user name at an OpenID provider', { kind: 'oidc', organization: 'acme' }, { username: 'victim@acme.example' }],
  ["an id of a provider that is nobody's own", { kind: 'oidc' }, { subject: 'victim-id' }],
  [
    "a proved address, by another organization's provider",
    { kind: 'oidc', organization: 'other' },
    { email: 'victim@acme.example', emailVerified: true },
  ],
  ["an id of another organization's provider", { kind: 'oidc', organization: 'other' }, { subject: 'victim-id' }],
] as const)('not by %s', async (_what, provider, person) => {
  const name = `victim${randomUUID()}@acme.example`;
  const id = await add(name, { externalId: `victim-id-${name}` });
  const said = JSON.parse(
    JSON.stringify(person).replaceAll('victim@acme.example', name).replaceAll('victim-id', `victim-id-${name}`),
  );
  expect(await isLinked(id, (await signIn(provider, said)).id)).toBe(false);
});

test("by the id that the organization's own directory has for them, or Entra's user name", async () => {
  const byId = await add('by-id', { externalId: 'okta-00u1' });
  expect(
    await isLinked(byId, (await signIn({ kind: 'oidc', organization: 'acme' }, { subject: 'okta-00u1' })).id),
  ).toBe(true);
  const byOid = await add('by-oid@acme.example', { externalId: '6f1e-oid' });
  expect(
    await isLinked(byOid, (await signIn({ kind: 'entra', organization: 'acme' }, { subject: 'tenant.6f1e-oid' })).id),
  ).toBe(true);
  const byName = await add('upn@acme.example');
  expect(
    await isLinked(
      byName,
      (await signIn({ kind: 'entra', organization: 'acme' }, { subject: 'tenant.x', username: 'UPN@acme.example' })).id,
    ),
  ).toBe(true);
});

test('whom the directory has shut out comes in by no sign-in; groups of the identity provider count by id, never by name [H9] [X2.2]', async () => {
  const id = await add('out@acme.example');
  await world.acme.request('DELETE', `/Users/${id}`);
  const out = await signIn({ kind: 'oidc', organization: 'acme' }, { email: 'out@acme.example', emailVerified: true });
  const barred = await findHoldings(world.database.db, asOrgId(acme), { kind: 'user', id: out.id });
  expect(barred.barred).toBe('here');
  await add('in@acme.example');
  await world.database.sql(
    `insert into gateway.groups (org_id, name, external_id) values ($1, 'From-Token', 'token-guid')`,
    [acme],
  );
  const inside = await signIn(
    { kind: 'entra', organization: 'acme' },
    { email: 'in@acme.example', emailVerified: true, groups: ['token-guid', 'MCP-Admin'], roles: ['staff'] },
  );
  const held = await findHoldings(world.database.db, asOrgId(acme), { kind: 'user', id: inside.id });
  const names = await world.database.sql('select name from gateway.groups where id = any($1)', [[...held.groups]]);
  // A name that the identity provider chose is no id of a group: nobody becomes an administrator by it.
  expect([held.barred, names]).toEqual([undefined, [{ name: 'From-Token' }]]);
  expect(await world.database.sql('select roles, active from gateway.members where user_id = $1', [inside.id])).toEqual(
    [{ roles: ['staff'], active: true }],
  );
});

describe('somebody who brings the token of their identity provider', () => {
  const direct = async (person: { subject: string; email?: string; emailVerified?: boolean }, isVouched = true) => {
    const { subject, email, emailVerified } = person;
    const accounts = openDirectAccounts({ db: world.database.db, clock: systemClock });
    const userId = await accounts.ensure({ provider: 'corp', ...person });
    const issuer = 'https://corp.example';
    const principal: UserPrincipal = {
      ...{ kind: 'user', key: principalKey(issuer, subject), issuer, subject, email, scopes: [] },
      ...{ expiresAt: Date.now() + 60_000, claims: { email_verified: emailVerified } },
    };
    const holder = holderOf({ principal, provider: { kind: 'oidc', name: 'corp' }, userId }, isVouched);
    if (!holder) throw new Error('nobody');
    return { userId, holdings: await findHoldings(world.database.db, asOrgId(acme), holder) };
  };
  const group = async (displayName: string, member: string) =>
    String((await world.acme.request('POST', '/Groups', { displayName, members: [{ value: member }] })).body.id);

  test('holds what the directory gave them beside what their own row has', async () => {
    const id = await add('direct@acme.example', { externalId: 'corp-direct' });
    const fromDirectory = await group('Direct', id);
    const { userId } = await direct({ subject: 'corp-direct' });
    const [own] = await world.database.sql(
      `insert into gateway.groups (org_id, name) values ($1, 'By-Hand') returning id`,
      [acme],
    );
    await world.database.sql('insert into gateway.group_members (org_id, group_id, user_id) values ($1, $2, $3)', [
      ...[acme, own?.id, userId],
    ]);
    const { holdings } = await direct({ subject: 'corp-direct' });
    expect([holdings.userId, new Set(holdings.groups)]).toEqual([userId, new Set([fromDirectory, own?.id])]);
  });

  test('is shut out as soon as the directory says so', async () => {
    const id = await add('direct-out@acme.example');
    const person = { subject: randomUUID(), email: 'direct-out@acme.example', emailVerified: true };
    expect((await direct(person)).holdings.barred).toBeUndefined();
    await world.acme.request('DELETE', `/Users/${id}`);
    expect((await direct(person)).holdings.barred).toBe('here');
  });

  test('is nobody by an id where their identity provider does not vouch, nor by an address that is not proved', async () => {
    const id = await add('prey@acme.example', { externalId: 'prey-id' });
    await group('Prey', id);
    const byId = await direct({ subject: 'prey-id' }, false);
    const byAddress = await direct({ subject: randomUUID(), email: 'prey@acme.example' });
    expect([byId.holdings.groups.size, byAddress.holdings.groups.size]).toEqual([0, 0]);
  });
});
