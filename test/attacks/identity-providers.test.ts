/** Identity providers that lie, or whose people do: about other organizations, about who acts, about who somebody is. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { oidcAdapter } from '#adapters/identity/oidc/oidc.ts';
import { withPlatform } from '#db/scope.ts';
import { bearer, call, send } from '#kit/http-client.ts';
import { type FakeOidc, startFakeOidc } from '#kit/identity/fake-oidc.ts';
import { type FakeWorkos, startFakeWorkos } from '#kit/identity/fake-workos.ts';
import { createTestDatabase } from '#kit/postgres.ts';
import { startWorld, type World } from '#kit/world.ts';
import { upsertIdentity } from '#records/users.ts';

let world: World;
let tenant: FakeOidc;
let workos: FakeWorkos;
beforeAll(async () => {
  tenant = await startFakeOidc();
  workos = await startFakeWorkos({ organizations: { org_123: { user_1: ['admin'] } } });
  world = await startWorld({
    extraYaml: `
identity:
  - { kind: oidc, name: tenant, preset: auth0, mode: direct, issuer: '${tenant.issuer}', organization: demo, audiences: ['${tenant.audience}'] }
`,
    env: {
      ENCRYPTION_KEY: 'a-root-secret-of-the-identity-attacks-only',
      WORKOS_API_KEY: workos.apiKey,
      WORKOS_CLIENT_ID: workos.clientId,
      WORKOS_AUTHORIZATION_SERVER_URL: workos.issuer,
      WORKOS_API_BASE_URL: workos.url,
    },
  });
}, 120_000);
afterAll(async () => {
  await world?.close();
  await tenant?.close();
  await workos?.close();
});

const knock = async (token: string, path: string) =>
  (await send(`${world.gateway.url}${path}`, { headers: bearer(token), body: call('echo') })).status;

test('an identity provider that is one organization’s speaks for no other, whatever its tokens say [B5] [B16]', async () => {
  const claims = [{}, { org_id: 'other' }, { org_id: 'org_999' }, { organization: 'other', org: 'other' }];
  for (const claim of claims) {
    const token = await tenant.signToken(claim);
    expect([claim, await knock(token, '/other/mcp/secret'), await knock(token, '/demo/mcp/open')]).toEqual([
      claim,
      403,
      200,
    ]);
  }
  const both = { issuer: tenant.issuer, audiences: ['a'], organization: 'demo', organizationClaim: 'org' };
  const refused = oidcAdapter.config.safeParse(both);
  expect(refused.error?.issues.map(({ path }) => path)).toEqual([['organizationClaim']]);
});

test('who acts as another person at WorkOS is not that person here [B5]', async () => {
  expect(await knock(await workos.signToken(), '/org_123/mcp/open')).toBe(200);
  const acting = await workos.signToken({ act: { sub: 'support@vendor.example' } });
  expect(await knock(acting, '/org_123/mcp/open')).toBe(401);
});

test('a subject that looks like another’s takes nobody’s place, and keeps nobody out [B6]', async () => {
  const t = await createTestDatabase();
  try {
    const people = [
      { provider: 'auth0', subject: 'github|12345' },
      { provider: 'corp', subject: '12345' },
      { provider: 'github', subject: '12345' },
      { provider: 'corp', subject: 'github|12345' },
    ];
    const ids = new Set<string>();
    const subjects = new Set<string>();
    for (const person of [...people, ...people]) {
      const user = await withPlatform(t.db, (scope) => upsertIdentity(scope, person, Date.now()));
      ids.add(user.id);
      subjects.add(user.subject);
    }
    expect([ids.size, subjects.size]).toEqual([4, 4]);
  } finally {
    await t.close();
  }
});
