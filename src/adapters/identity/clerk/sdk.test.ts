/** Clerk's own SDK, unmodified, against the emulator; and what both read of the same tokens, side by side. */
import { createClerkClient, verifyToken } from '@clerk/backend';
import { verifyMachineAuthToken } from '@clerk/backend/internal';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { IdentityProvider } from '#adapters/identity/identity.ts';
import { silentLog } from '#core/log.ts';
import { type Egress, openEgress } from '#http/egress.ts';
import { type FakeClerk, startFakeClerk } from '#kit/identity/fake-clerk.ts';
import { manualClock } from '#kit/identity/manual-clock.ts';
import { clerkAdapter } from './clerk.ts';

let fake: FakeClerk;
let egress: Egress;
let provider: IdentityProvider;
beforeEach(async () => {
  fake = await startFakeClerk({
    organizations: { org_1: { user_1: 'org:admin' }, org_2: { user_1: 'org:member', user_2: 'org:member' } },
  });
  egress = openEgress({ allow: ['127.0.0.1'] });
  const entry = {
    secretKey: fake.secretKey,
    frontendApi: fake.issuer,
    apiUrl: fake.url,
    authorizedParties: ['https://app.test'],
  };
  const deps = { fetch: egress.fetch, clock: manualClock(), log: silentLog };
  provider = await clerkAdapter.open(clerkAdapter.config.parse(entry), deps);
});
afterEach(async () => {
  await provider.close();
  await egress.close();
  await fake.close();
});

const client = () => createClerkClient({ secretKey: fake.secretKey, apiUrl: fake.url });
const machineOptions = () => ({ secretKey: fake.secretKey, apiUrl: fake.url, skipJwksCache: true });
const options = () => ({ ...machineOptions(), authorizedParties: ['https://app.test'] });

test('memberships, users and organizations come through the SDK page by page', async () => {
  const { users, organizations } = client();
  const first = await users.getOrganizationMembershipList({ userId: 'user_1', limit: 1 });
  expect([first.totalCount, first.data.length]).toEqual([2, 1]);
  const second = await users.getOrganizationMembershipList({ userId: 'user_1', limit: 1, offset: 1 });
  expect(second.data[0]).toMatchObject({
    role: 'org:member',
    organization: { id: 'org_2' },
    publicUserData: { userId: 'user_1' },
  });
  const members = await organizations.getOrganizationMembershipList({ organizationId: 'org_2' });
  expect(members.data.map((one) => one.publicUserData?.userId)).toEqual(['user_1', 'user_2']);
  const user = await users.getUser('user_1');
  expect([user.id, user.primaryEmailAddress?.emailAddress, user.fullName]).toEqual([
    'user_1',
    'user_1@example.com',
    'User One',
  ]);
  await expect(users.getUser('user_none')).rejects.toMatchObject({
    status: 404,
    errors: [{ code: 'resource_not_found' }],
  });
  const stranger = createClerkClient({ secretKey: 'sk_test_other', apiUrl: fake.url });
  await expect(stranger.users.getUser('user_1')).rejects.toMatchObject({ status: 401 });
});

test('session tokens of both versions: the SDK and the adapter agree [S4.2] [X4.2]', async () => {
  const o = { id: 'org_1', slg: 'acme', rol: 'admin' };
  const accepted = [await fake.signSession({ o }), await fake.signSessionV1({ id: 'org_1', role: 'admin' })];
  for (const token of accepted) {
    const theirs = await verifyToken(token, options());
    const ours = await provider.verify(token);
    expect([theirs.sub, theirs.iss]).toEqual([ours.subject, ours.issuer]);
    expect([ours.organization, ours.roles]).toEqual(['org_1', ['org:admin']]);
  }
  const seconds = Math.floor(Date.now() / 1000);
  const refused = [
    await fake.signSession({ azp: 'https://other.test' }),
    await fake.signSession({ azp: undefined }),
    await fake.signSession({ exp: seconds - 120 }),
    await fake.signSession({ nbf: seconds + 120 }),
    await fake.signSession({ sub: undefined }),
    await fake.signSession({}, { header: { typ: 'at+jwt', cat: 'cl_B7d4PD333AAA' } }),
  ];
  for (const token of refused.slice(0, 5)) {
    await expect(verifyToken(token, options())).rejects.toThrow();
    await expect(provider.verify(token)).rejects.toMatchObject({ code: 'invalid_token' });
  }
});

test('permissions of version 2 past 53 bits are read as the SDK reads them [S4.2]', async () => {
  const names = Array.from({ length: 90 }, (_, index) => `p${index}`);
  const mask = (bits: readonly number[]) => bits.reduce((sum, bit) => sum + 2n ** BigInt(bit), 0n).toString();
  const bits = [[0, 53, 54, 89], [52, 88], []];
  const o = { id: 'org_1', rol: 'admin', per: names.join(','), fpm: bits.map(mask).join(',') };
  const token = await fake.signSession({ o, fea: 'o:mcp,u:mail,uo:files,o:none,ou:more' });
  const state = await client().authenticateRequest(
    new Request('https://app.test/', { headers: { authorization: `Bearer ${token}` } }),
    {
      publishableKey: 'pk_test_Y2xlcmsuZXhhbXBsZS5jb20k',
      authorizedParties: ['https://app.test'],
      skipJwksCache: true,
    },
  );
  const auth = state.toAuth();
  if (!auth || !('orgPermissions' in auth)) throw new Error('the SDK did not sign in');
  const { claims } = await provider.verify(token);
  expect(auth.orgPermissions).toContain('org:mcp:p89');
  expect(claims.org_permissions).toEqual(auth.orgPermissions);
  expect([claims.org_id, claims.org_role]).toEqual([auth.orgId, auth.orgRole]);
});

test('OAuth access tokens, opaque and JWT: the SDK and the adapter agree [X4.2]', async () => {
  const opaque = fake.giveOpaque({ scopes: ['openid', 'profile'] });
  const theirs = await client().idPOAuthAccessToken.verify(opaque);
  const ours = await provider.verify(opaque);
  expect(ours.claims).toMatchObject({
    sub: theirs.subject,
    client_id: theirs.clientId,
    scope: theirs.scopes.join(' '),
  });

  const jwt = await fake.signOauth();
  const machine = await verifyMachineAuthToken(jwt, machineOptions());
  expect(machine).toMatchObject({ tokenType: 'oauth_token', data: { subject: 'user_1', clientId: fake.clientId } });
  expect((await provider.verify(jwt)).subject).toBe('user_1');

  const unknown = await verifyMachineAuthToken('oat_unknown_12345', machineOptions());
  expect(unknown.errors?.[0]).toMatchObject({ status: 404 });
  await expect(provider.verify('oat_unknown_12345')).rejects.toMatchObject({ code: 'invalid_token' });
});
