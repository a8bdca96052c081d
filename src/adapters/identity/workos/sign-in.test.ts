import { WorkOS } from '@workos-inc/node';
import { afterEach, describe, expect, test } from 'vitest';
import { describeRedirectSignIn } from '#adapters/identity/identity.contract.ts';
import type { GatehouseError } from '#core/error.ts';
import { openEgress } from '#http/egress.ts';
import { type FakeWorkos, type FakeWorkosOptions, startFakeWorkos } from '#kit/identity/fake-workos.ts';
import { manualClock } from '#kit/identity/manual-clock.ts';
import { recordingLog } from '#kit/identity/recording-log.ts';
import { workosAdapter } from './workos.ts';

const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0)) await close();
});

const redirectUri = 'https://gateway.test/callback';

async function start(config: object = {}, options: FakeWorkosOptions = {}) {
  const clock = manualClock();
  const log = recordingLog();
  const fake = await startFakeWorkos({
    organizations: { org_1: { user_1: ['admin', 'editor'] }, org_2: { user_1: ['member'], user_2: ['member'] } },
    now: clock.now,
    ...options,
  });
  const egress = openEgress({ allow: ['127.0.0.1'], totalMs: 1000 });
  const settings = workosAdapter.config.parse({
    mode: 'broker',
    apiKey: fake.apiKey,
    clientId: fake.clientId,
    authorizationServerUrl: fake.issuer,
    apiBaseUrl: fake.url,
    ...config,
  });
  const provider = await workosAdapter.open(settings, { fetch: egress.fetch, clock, log });
  const { signIn } = provider;
  if (signIn?.method !== 'redirect') throw new Error('no sign-in by redirect');
  const close = async () => {
    await provider.close();
    await egress.close();
    await fake.close();
  };
  return { clock, fake, log, provider, signIn, close };
}

async function startForTest(config: object = {}, options: FakeWorkosOptions = {}) {
  const started = await start(config, options);
  opened.push(started.close);
  return started;
}

/** A browser at WorkOS: the address it is sent back to. */
async function visit(url: string | URL): Promise<URL> {
  const answer = await fetch(url, { redirect: 'manual' });
  const location = answer.headers.get('location');
  if (answer.status !== 302 || location === null) throw new Error(`no redirect: ${answer.status}`);
  return new URL(location);
}

async function signInOf({ signIn }: Awaited<ReturnType<typeof start>>) {
  const request = { redirectUri, state: crypto.randomUUID() };
  const { url, memory } = await signIn.start(request);
  return signIn.finish(await visit(url), { ...request, memory });
}

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'fine',
    (error: GatehouseError) => error.code,
  );

describeRedirectSignIn('workos', async () => {
  const { fake, log, signIn, close } = await start();
  return {
    signIn,
    close,
    async visit(url, answer) {
      fake.setVisitor(answer === 'allow' ? 'user_1' : undefined);
      return visit(url);
    },
    expected: {
      subject: 'user_1',
      email: 'user_1@example.com',
      emailVerified: true,
      name: 'User One',
      organizations: [
        { id: 'org_1', roles: ['admin', 'editor'] },
        { id: 'org_2', roles: ['member'] },
      ],
    },
    changeEmail: (email) => fake.setUser({ id: 'user_1', email }),
    breakTokens: (fault) => fake.break(fault, '/user_management/authenticate'),
    secrets: () => [fake.apiKey, ...fake.issued],
    logged: () => log.text(),
    hints: { organization: 'organization_id', loginHint: 'login_hint' },
  };
});

describe('signing in at WorkOS', () => {
  test('the mode has to be asked for: settings as they always were leave direct mode on', async () => {
    const plain = workosAdapter.config.parse({ apiKey: 'k', clientId: 'c', authorizationServerUrl: 'https://w.test' });
    const clock = manualClock();
    const provider = await workosAdapter.open(plain, { fetch, clock, log: recordingLog() });
    expect([provider.mode, provider.signIn]).toEqual(['direct', undefined]);
    const open = () => workosAdapter.open({ ...plain, mode: 'bridge' }, { fetch, clock, log: recordingLog() });
    expect(open).toThrow('WorkOS has no mode bridge');
  });

  test('roles are those of active memberships, mapped, page after page', async () => {
    const started = await startForTest({ roleMapping: { owner: ['admin', 'member'] } });
    const { fake } = started;
    fake.setMembership('user_1', 'org_1', { roles: ['owner'] });
    fake.setMembership('user_1', 'org_2', { roles: ['owner'], status: 'inactive' });
    for (let index = 100; index < 350; index++) fake.setMembership('user_1', `org_${index}`, { roles: ['member'] });
    const { organizations = [] } = await signInOf(started);
    expect(organizations).toHaveLength(251);
    expect(organizations[0]).toEqual({ id: 'org_1', roles: ['admin', 'member'] });
    expect(await started.provider.organizations?.('user_1')).toHaveLength(251);
    expect(fake.count('/organization_memberships')).toBe(3);
  });

  test('memberships of others are none of hers, whatever comes back [S0.4]', async () => {
    const started = await startForTest();
    started.fake.ignoreFilters(true);
    started.fake.setVisitor('user_2');
    expect((await signInOf(started)).organizations).toEqual([{ id: 'org_2', roles: ['member'] }]);
  });

  test('a membership that was given a moment ago counts', async () => {
    const started = await startForTest();
    expect(await started.provider.memberships?.('user_1', 'org_9')).toBeUndefined();
    await signInOf(started);
    started.fake.setMembership('user_1', 'org_9', { roles: ['member'] });
    expect((await signInOf(started)).organizations).toContainEqual({ id: 'org_9', roles: ['member'] });
    expect(await started.provider.memberships?.('user_1', 'org_9')).toEqual({ roles: ['member'] });
  });

  test('who acts as somebody else is not let in', async () => {
    const started = await startForTest();
    const impersonator = { email: 'support@vendor.example', reason: 'ticket' };
    started.fake.setUser({ id: 'user_1', email: 'user_1@example.com', impersonator });
    expect(await codeOf(signInOf(started))).toBe('sign_in_denied');
    expect(started.log.text()).toContain('acts as another person');
    expect(started.log.text()).not.toContain('support@vendor.example');
  });

  test('memberships that cannot be read are an outage, not a person without any', async () => {
    const started = await startForTest();
    started.fake.break(500, '/organization_memberships');
    expect(await codeOf(signInOf(started))).toBe('identity_unavailable');
  });

  test.each([400, 403, 422])('a refusal (%i) is denied and named in the log', async (status) => {
    const started = await startForTest();
    started.fake.break(status, '/user_management/authenticate');
    expect(await codeOf(signInOf(started))).toBe('sign_in_denied');
    expect(started.log.text()).toContain(`status: ${status}`);
  });

  test('a wrong API key is the fault of the gateway: unavailable, and said in the log', async () => {
    const started = await startForTest({ apiKey: 'sk_wrong' });
    expect(await codeOf(signInOf(started))).toBe('identity_unavailable');
    expect(started.log.text()).toContain('WORKOS_API_KEY');
    expect(started.log.text()).not.toContain('sk_wrong');
  });
});

describe('the emulator under the vendor’s own SDK', () => {
  const sdkFor = (fake: FakeWorkos, apiKey = fake.apiKey) =>
    new WorkOS(apiKey, {
      apiHostname: '127.0.0.1',
      port: Number(new URL(fake.url).port),
      https: false,
      clientId: fake.clientId,
    });

  test('signs in with PKCE, refreshes once, and its session token is one of ours to verify', async () => {
    const issuers = (fake: FakeWorkos) => [{ issuer: fake.sessionIssuer, audiences: [] }];
    const { fake, clock } = await startForTest();
    const { userManagement } = sdkFor(fake);
    const { url, state, codeVerifier } = await userManagement.getAuthorizationUrlWithPKCE({
      provider: 'authkit',
      redirectUri,
      organizationId: 'org_2',
    });
    const callback = await visit(url);
    expect(callback.searchParams.get('state')).toBe(state);
    const code = callback.searchParams.get('code') ?? '';
    const answer = await userManagement.authenticateWithCode({ code, codeVerifier });
    expect(answer).toMatchObject({
      user: { id: 'user_1', email: 'user_1@example.com', emailVerified: true, firstName: 'User' },
      organizationId: 'org_2',
      authenticationMethod: 'Password',
    });
    await expect(userManagement.authenticateWithCode({ code, codeVerifier })).rejects.toThrow(/invalid/);

    const { refreshToken } = answer;
    expect(await userManagement.authenticateWithRefreshToken({ refreshToken })).toMatchObject({
      user: { id: 'user_1' },
    });
    await expect(userManagement.authenticateWithRefreshToken({ refreshToken })).rejects.toThrow(/invalid/);

    const egress = openEgress({ allow: ['127.0.0.1'] });
    opened.push(() => egress.close());
    const settings = workosAdapter.config.parse({
      apiKey: fake.apiKey,
      clientId: fake.clientId,
      authorizationServerUrl: fake.issuer,
      apiBaseUrl: fake.url,
      issuers: issuers(fake),
    });
    const direct = await workosAdapter.open(settings, { fetch: egress.fetch, clock, log: recordingLog() });
    const verified = await direct.verify(answer.accessToken);
    expect(verified).toMatchObject({ subject: 'user_1', organization: 'org_2' });
    expect(verified.claims).toMatchObject({ role: 'member', roles: ['member'] });
  });

  test('plain authorization URL, keys, and a code without its verifier refused', async () => {
    const { fake } = await startForTest();
    const { userManagement } = sdkFor(fake);
    const keys = await (await fetch(userManagement.getJwksUrl(fake.clientId))).json();
    expect(keys).toEqual(fake.keys.jwks());
    const url = userManagement.getAuthorizationUrl({ provider: 'authkit', redirectUri, state: 's' });
    const code = (await visit(url)).searchParams.get('code') ?? '';
    expect(await userManagement.authenticateWithCode({ code })).toMatchObject({ user: { id: 'user_1' } });
    const { url: withPkce } = await userManagement.getAuthorizationUrlWithPKCE({ provider: 'authkit', redirectUri });
    const second = (await visit(withPkce)).searchParams.get('code') ?? '';
    await expect(userManagement.authenticateWithCode({ code: second })).rejects.toThrow(/invalid/);
  });

  test('lists memberships by cursor and status, users and organizations', async () => {
    const { fake } = await startForTest();
    for (let index = 100; index < 125; index++) fake.setMembership('user_1', `org_${index}`, { roles: ['member'] });
    fake.setMembership('user_1', 'org_500', { roles: ['admin'], status: 'pending' });
    const { userManagement, organizations } = sdkFor(fake);
    const active = await userManagement.listOrganizationMemberships({ userId: 'user_1', statuses: ['active'] });
    expect(active.data).toHaveLength(10);
    expect(await active.autoPagination()).toHaveLength(27);
    const pending = await userManagement.listOrganizationMemberships({ userId: 'user_1', statuses: ['pending'] });
    expect(pending.data).toMatchObject([{ organizationId: 'org_500', status: 'pending', role: { slug: 'admin' } }]);
    expect(await userManagement.getUser('user_2')).toMatchObject({ id: 'user_2', email: 'user_2@example.com' });
    expect(await organizations.getOrganization('org_2')).toMatchObject({ id: 'org_2', object: 'organization' });
    await expect(userManagement.getUser('user_none')).rejects.toThrow(/Could not find/);
    await expect(sdkFor(fake, 'sk_other').userManagement.getUser('user_1')).rejects.toMatchObject({ status: 401 });
  });
});
