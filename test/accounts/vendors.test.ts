/** Vendors' authorization servers with what is particular of each: linked, renewed, refused. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openModernWire } from '#kit/modern-wire.ts';
import { type AccountsWorld, startAccountsWorld } from '#kit/upstream-auth/accounts-world.ts';
import {
  type FakeAuthorizationServer,
  startFakeAuthorizationServer,
  type Vendor,
} from '#kit/upstream-auth/fake-authorization-server.ts';
import { type GuardedServer, startGuardedServer } from '#kit/upstream-auth/guarded-server.ts';

const vendors = ['github', 'atlassian', 'google'] as const satisfies readonly Vendor[];
type Named = (typeof vendors)[number];

let world: AccountsWorld;
const servers = new Map<Named, { readonly as: FakeAuthorizationServer; readonly upstream: GuardedServer }>();

beforeAll(async () => {
  const lines: Record<string, string> = {};
  const secrets: Record<string, string> = {};
  for (const vendor of vendors) {
    const as = await startFakeAuthorizationServer(vendor);
    const upstream = await startGuardedServer(as, { era: vendor === 'github' ? 'legacy' : 'modern' });
    servers.set(vendor, { as, upstream });
    const name = `SECRET_OF_${vendor.toUpperCase()}`;
    secrets[name] = as.client.secret;
    const auth = `{ kind: connected, preset: ${vendor}, issuer: '${as.issuer}', clientId: ${as.client.id}, clientSecret: '\${${name}}', scopes: [read] }`;
    lines[vendor] =
      `  - { key: ${vendor}, title: ${vendor}, transport: { kind: http, url: '${upstream.url}' }, auth: ${auth} }`;
  }
  world = await startAccountsWorld(lines, secrets);
}, 60_000);
afterAll(async () => {
  await world?.close();
  for (const { as, upstream } of servers.values()) await Promise.all([as.close(), upstream.close()]);
});

function at(vendor: Named) {
  const found = servers.get(vendor);
  if (!found) throw new Error('no such vendor');
  const wire = openModernWire(`${world.app.url}/acme/mcp/${vendor}`, world.ada.token, {});
  const page = `${world.app.url}/connect/acme/${vendor}`;
  return { ...found, page, call: () => wire.request('tools/call', { name: 'whoami', arguments: {} }) };
}

const renewals = (as: FakeAuthorizationServer) =>
  as.requests.filter(({ body }) => body.includes('grant_type=refresh_token')).length;

test.each(vendors)('an account at %s is linked, used, and renewed when its token ends', async (vendor) => {
  const { as, page, call } = at(vendor);
  as.signedInAs = `ada-at-${vendor}`;
  // Over at once: the first call has to renew it.
  as.lifeSeconds = 0;
  expect((await world.connect(world.ada, page)).html).toContain('Your account is connected');
  as.lifeSeconds = 28_800;
  expect(await call()).toMatchObject({ content: [{ text: `ada-at-${vendor}` }] });
  expect(renewals(as)).toBe(1);
  expect(await call()).toMatchObject({ content: [{ text: `ada-at-${vendor}` }] });
  expect(renewals(as)).toBe(1);
  const asked = as.requests.find(({ path }) => /authorize$|auth$/.test(path))?.query;
  expect(asked?.get('code_challenge_method')).toBe('S256');
  expect(asked?.get('resource')).toBeNull();
});

test("GitHub's refusals come as 200, and are refusals", async () => {
  const { as, page, call } = at('github');
  as.lifeSeconds = 0;
  await world.connect(world.ada, page);
  as.revoke('ada-at-github');
  as.lifeSeconds = 3600;
  expect(await call()).toMatchObject({
    isError: true,
    content: [{ text: expect.stringContaining('no longer works') }],
  });
  const [row] = await world.database.sql(
    `select failed_reason from gateway.connected_accounts a join gateway.servers s on s.id = a.server_id where s.key = 'github'`,
  );
  expect(row).toEqual({ failed_reason: 'bad_refresh_token' });
});

test('a token without an end is used until it is refused', async () => {
  const { as, page, call } = at('github');
  as.lifeSeconds = undefined;
  await world.connect(world.ada, page);
  expect(await call()).toMatchObject({ content: [{ text: 'ada-at-github' }] });
  as.revoke('ada-at-github');
  expect(await call()).toMatchObject({
    isError: true,
    content: [{ text: expect.stringContaining('/connect/acme/github') }],
  });
});

test('Atlassian is asked for its audience and for a refresh token, Google for consent each time', async () => {
  const query = (vendor: Named) =>
    at(vendor).as.requests.find(({ path }) => /authorize$|auth$/.test(path))?.query ?? new URLSearchParams();
  expect(query('atlassian').get('audience')).toBe('api.atlassian.com');
  expect(query('atlassian').get('scope')).toBe('read offline_access');
  expect(query('google').get('access_type')).toBe('offline');
  const { as, page, call } = at('google');
  // Linked a second time: there is a refresh token again.
  as.lifeSeconds = 0;
  await world.connect(world.ada, page);
  as.lifeSeconds = 3600;
  expect(await call()).toMatchObject({ content: [{ text: 'ada-at-google' }] });
});

test('client secrets of the file are sealed in the database', async () => {
  const dump = JSON.stringify(await world.database.sql('select auth::text from gateway.servers'));
  for (const { as } of servers.values()) for (const secret of as.secrets) expect(dump).not.toContain(secret);
  expect(dump).toContain('sealedSecret');
});
