import { expect, test } from 'vitest';
import { describeRedirectSignIn } from '#adapters/identity/redirect-sign-in.contract.ts';
import type { GatehouseError } from '#core/error.ts';
import { silentLog } from '#core/log.ts';
import { openEgress } from '#http/egress.ts';
import { type FakeOidcOptions, startFakeOidc } from '#kit/identity/fake-oidc.ts';
import { manualClock } from '#kit/identity/manual-clock.ts';
import { recordingLog } from '#kit/identity/recording-log.ts';
import { createSigningKeys } from '#kit/identity/signing-keys.ts';
import { oidcAdapter } from './oidc.ts';

const request = { redirectUri: 'https://gateway.test/base/callback', state: 'state-of-the-browser' };

async function open(config: object = {}, options: FakeOidcOptions = {}) {
  const clock = manualClock();
  const fake = await startFakeOidc({ now: clock.now, clientSecret: 's3cret:/ +', ...options });
  const egress = openEgress({ allow: ['127.0.0.1'] });
  const entry = { issuer: fake.issuer, clientId: fake.clientId, clientSecret: 's3cret:/ +', ...config };
  const provider = await oidcAdapter.open(oidcAdapter.config.parse(entry), {
    fetch: egress.fetch,
    clock,
    log: silentLog,
  });
  const signIn = provider.signIn?.method === 'redirect' ? provider.signIn : undefined;
  if (!signIn) throw new Error('no sign-in');
  return {
    clock,
    fake,
    provider,
    signIn,
    /** From the first redirect to what is known of the person; `change` meddles with the callback. */
    async run(change: (callback: URL, memory: string) => void = () => undefined) {
      const { url, memory } = await signIn.start(request);
      const callback = await fake.visit(url);
      change(callback, memory);
      return signIn.finish(callback, { ...request, memory });
    },
    async [Symbol.asyncDispose]() {
      await provider.close();
      await egress.close();
      await fake.close();
    },
  };
}

describeRedirectSignIn('oidc', async () => {
  const log = recordingLog();
  // Without RFC 9207: tests of its own below.
  const metadata = { authorization_response_iss_parameter_supported: undefined };
  const ada = { email: 'ada@example.com', email_verified: true, name: 'Ada' };
  const clientSecret = 'a-secret-of-the-client';
  const fake = await startFakeOidc({ clientSecret, metadata, user: { idToken: ada } });
  const foreign = await createSigningKeys('ES256');
  const egress = openEgress({ allow: ['127.0.0.1'] });
  const entry = { issuer: fake.issuer, clientId: fake.clientId, clientSecret };
  const deps = { fetch: egress.fetch, clock: manualClock(), log };
  const { signIn } = await oidcAdapter.open(oidcAdapter.config.parse(entry), deps);
  if (signIn?.method !== 'redirect') throw new Error('no sign-in');
  return {
    signIn,
    visit(url, answer) {
      fake.deny(answer === 'deny' ? 'access_denied' : undefined);
      return fake.visit(url);
    },
    expected: { subject: 'user-1', email: 'ada@example.com', emailVerified: true, name: 'Ada' },
    changeEmail: (email) => fake.setUser({ idToken: { ...ada, email } }),
    breakTokens: (fault) => fake.break(fault, '/token'),
    breakStart: (fault) => fake.break(fault, '/.well-known/'),
    secrets: () => [clientSecret, ...fake.issued],
    logged: log.text,
    hints: { loginHint: 'login_hint' },
    idToken: {
      change: (claims) => fake.setUser({ idToken: { ...ada, ...claims } }),
      useForeignKey: (used) => fake.setUser({ idToken: ada, ...(used && { keys: foreign }) }),
    },
    async close() {
      await egress.close();
      await fake.close();
    },
  };
});

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'signed in',
    (error: GatehouseError) => error.code,
  );

test('an entry with a client id signs people in: PKCE S256, nonce, state and redirect URI as given', async () => {
  await using subject = await open();
  expect(subject.provider.mode).toBe('broker');
  subject.fake.setUser({
    idToken: { email: 'a@example.com', email_verified: true, name: 'Ada', preferred_username: 'ada' },
  });
  const first = new URL((await subject.signIn.start({ ...request, loginHint: 'a@example.com' })).url);
  expect(Object.fromEntries(first.searchParams)).toMatchObject({
    response_type: 'code',
    client_id: 'gateway-client',
    redirect_uri: request.redirectUri,
    state: request.state,
    scope: 'openid profile email',
    code_challenge_method: 'S256',
    login_hint: 'a@example.com',
  });
  expect(first.searchParams.get('nonce')?.length).toBeGreaterThan(20);
  const second = new URL((await subject.signIn.start(request)).url);
  for (const name of ['nonce', 'code_challenge'])
    expect(second.searchParams.get(name)).not.toBe(first.searchParams.get(name));
  expect(await subject.run()).toMatchObject({
    subject: 'user-1',
    email: 'a@example.com',
    emailVerified: true,
    name: 'Ada',
    username: 'ada',
    roles: [],
    groups: [],
  });
  expect(subject.fake.count('/userinfo')).toBe(0);
});

test('a public client signs in without a secret, one with a secret only with it', async () => {
  await using open1 = await open({ clientSecret: undefined }, { clientSecret: undefined });
  expect(await codeOf(open1.run())).toBe('signed in');
  await using wrong = await open({ clientSecret: 'other' });
  expect(await codeOf(wrong.run())).toBe('identity_unavailable');
  await using basic = await open({}, { metadata: { token_endpoint_auth_methods_supported: ['client_secret_basic'] } });
  expect(await codeOf(basic.run())).toBe('signed in');
});

test('userinfo is asked for what the ID token leaves out, and never overrules it', async () => {
  await using subject = await open({ groupsClaim: 'groups', roleMapping: { Admins: ['admin'], dev: ['developer'] } });
  subject.fake.setUser({
    idToken: { name: 'Real' },
    userinfo: { email: 'a@example.com', groups: ['Admins', 'dev', 'other'], name: 'Other' },
  });
  expect(await subject.run()).toMatchObject({
    email: 'a@example.com',
    emailVerified: false,
    name: 'Real',
    groups: ['Admins', 'dev', 'other'],
    roles: ['admin', 'developer'],
  });
  subject.fake.setUser({ userinfo: { sub: 'somebody-else', email: 'b@example.com' } });
  expect(await codeOf(subject.run())).toBe('invalid_token');
});

test('an organization claim names organizations, each with the mapped roles', async () => {
  await using subject = await open({ organizationClaim: 'orgs', rolesClaim: 'app.roles' });
  subject.fake.setUser({ idToken: { email: 'a@b.c', orgs: ['o1', 'o2'], app: { roles: ['r'] } } });
  expect(await subject.run()).toMatchObject({
    organizations: [
      { id: 'o1', roles: ['r'] },
      { id: 'o2', roles: ['r'] },
    ],
  });
  subject.fake.setUser({ idToken: { email: 'a@b.c' } });
  expect(await subject.run()).not.toHaveProperty('organizations');
});

test('a denial and a failure at the identity provider are two things [S1.12]', async () => {
  await using subject = await open();
  subject.fake.deny('access_denied');
  expect(await codeOf(subject.run())).toBe('sign_in_denied');
  for (const error of ['server_error', 'temporarily_unavailable', 'invalid_scope']) {
    subject.fake.deny(error);
    expect(await codeOf(subject.run())).toBe('identity_unavailable');
  }
});

test('a callback with another issuer, without one, or with another state is refused (RFC 9207) [A11]', async () => {
  await using subject = await open();
  expect(await codeOf(subject.run((callback) => callback.searchParams.set('iss', 'https://evil.test')))).toBe(
    'invalid_token',
  );
  expect(await codeOf(subject.run((callback) => callback.searchParams.delete('iss')))).toBe('invalid_token');
  expect(await codeOf(subject.run((callback) => callback.searchParams.set('state', 'x')))).toBe('invalid_token');
  expect(await codeOf(subject.run((callback) => callback.searchParams.append('code', 'x')))).toBe('invalid_token');
  expect(subject.fake.count('/token')).toBe(0);
});

test('metadata that names another issuer is refused: nobody is sent there, and the secret stays here [A12]', async () => {
  await using subject = await open({}, { metadata: { issuer: 'https://honest.example' } });
  expect(await codeOf(subject.run())).toBe('identity_unavailable');
  const callback = new URL('https://gateway.test/base/callback?code=c&state=state-of-the-browser');
  const memory = JSON.stringify({ verifier: 'v'.repeat(43), nonce: 'n' });
  expect(await codeOf(subject.signIn.finish(callback, { ...request, memory }))).toBe('identity_unavailable');
  expect([subject.fake.count('/authorize'), subject.fake.count('/token')]).toEqual([0, 0]);
});

test('a code is good once, and with its own verifier only', async () => {
  await using subject = await open();
  const { url, memory } = await subject.signIn.start(request);
  const callback = await subject.fake.visit(url);
  expect(await codeOf(subject.signIn.finish(callback, { ...request, memory }))).toBe('signed in');
  expect(await codeOf(subject.signIn.finish(callback, { ...request, memory }))).toBe('invalid_token');
  const other = await subject.signIn.start(request);
  const stolen = await subject.fake.visit(other.url);
  expect(await codeOf(subject.signIn.finish(stolen, { ...request, memory }))).toBe('invalid_token');
});

test('an ID token is checked in full: nonce, audience, issuer, times, kind', async () => {
  await using subject = await open();
  const seconds = (offset: number) => Math.floor(subject.clock.now() / 1000) + offset;
  const bad = [
    { nonce: 'another' },
    { nonce: undefined },
    { aud: 'another-client' },
    { aud: ['gateway-client', 'another-client'] },
    { azp: 'another-client' },
    { iss: 'https://evil.test' },
    { exp: seconds(-61) },
    { iat: seconds(3600) },
    { sub: undefined },
    { token_use: 'access' },
    { typ: 'Bearer' },
    { events: {} },
  ];
  for (const idToken of bad) {
    subject.fake.setUser({ idToken });
    expect([idToken, await codeOf(subject.run())]).toEqual([idToken, 'invalid_token']);
  }
  subject.fake.setUser({ header: { typ: 'at+jwt' } });
  expect(await codeOf(subject.run())).toBe('invalid_token');
  subject.fake.setUser({ idToken: { exp: seconds(-59), at_hash: 'x' } });
  expect(await codeOf(subject.run())).toBe('signed in');
});

test('an ID token under a key that the provider does not publish is refused, a new key is found by itself', async () => {
  await using subject = await open();
  await subject.run();
  subject.fake.setUser({ header: { kid: 'unknown' } });
  expect(await codeOf(subject.run())).toBe('invalid_token');
  subject.fake.setUser({});
  subject.clock.advance(31_000);
  await subject.fake.keys.rotate();
  expect(await codeOf(subject.run())).toBe('signed in');
});

test("sign-in keeps to the gateway's clock, minutes away from the machine's", async () => {
  await using subject = await open();
  subject.clock.advance(-7_200_000);
  expect(await codeOf(subject.run())).toBe('signed in');
});

test('an outage of any endpoint is an outage, and over when it is over', async () => {
  await using subject = await open({ groupsClaim: 'groups' });
  for (const part of ['/keys', '/token', '/userinfo']) {
    for (const fault of [500, 'garbage', 'reset', 'empty'] as const) {
      subject.fake.break(fault, part);
      expect([part, fault, await codeOf(subject.run())]).toEqual([part, fault, 'identity_unavailable']);
      subject.fake.break(undefined, part);
    }
  }
  subject.clock.advance(11_000);
  expect(await codeOf(subject.run())).toBe('signed in');
});

test('no metadata, no sign-in: start says so', async () => {
  await using subject = await open();
  subject.fake.break(503, '/.well-known/');
  expect(await codeOf(subject.signIn.start(request))).toBe('identity_unavailable');
  subject.fake.break(undefined);
  subject.clock.advance(11_000);
  expect(await codeOf(subject.run())).toBe('signed in');
});

test('what sign-in sends cannot be overwritten by the entry, other parameters are passed on', async () => {
  await using subject = await open({ authorizationParameters: { prompt: 'login', audience: 'https://api.test' } });
  const { url } = await subject.signIn.start(request);
  expect(new URL(url).searchParams.get('audience')).toBe('https://api.test');
  const entry = { issuer: 'https://a.test', clientId: 'c' };
  for (const name of ['state', 'nonce', 'redirect_uri', 'code_challenge', 'scope']) {
    expect(oidcAdapter.config.safeParse({ ...entry, authorizationParameters: { [name]: 'x' } }).success).toBe(false);
  }
});

test('broker is what an entry with a client id is, direct is what it was before', () => {
  const parse = (entry: object) => oidcAdapter.config.safeParse({ issuer: 'https://a.test', ...entry }).success;
  expect(parse({ clientId: 'c' })).toBe(true);
  expect(parse({ audiences: ['a'] })).toBe(true);
  expect(parse({ mode: 'direct', clientId: 'c', audiences: ['a'] })).toBe(true);
  expect(parse({})).toBe(false);
  expect(parse({ mode: 'direct', clientId: 'c' })).toBe(false);
  expect(parse({ mode: 'broker', audiences: ['a'] })).toBe(false);
  expect(parse({ mode: 'bridge', clientId: 'c' })).toBe(false);
  expect(parse({ clientSecret: 's', audiences: ['a'] })).toBe(false);
  expect(parse({ clientId: 'c', scopes: ['email'] })).toBe(false);
});
