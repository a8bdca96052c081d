/** Each vendor's own payloads, from its documents, at its own issuer (sources in presets.ts). */
import { expect, test } from 'vitest';
import type { GatehouseError } from '#core/error.ts';
import { silentLog } from '#core/log.ts';
import { openEgress } from '#http/egress.ts';
import { type FakeOidcOptions, type FakeUser, startFakeOidc } from '#kit/identity/fake-oidc.ts';
import { manualClock } from '#kit/identity/manual-clock.ts';
import { oidcAdapter } from './oidc.ts';

const request = { redirectUri: 'https://gateway.test/callback', state: 'state-of-the-browser' };

async function open(issuer: string, entry: object, options: FakeOidcOptions = {}) {
  const clock = manualClock();
  const fake = await startFakeOidc({ now: clock.now, alg: 'RS256', issuer, clientSecret: 's', ...options });
  const egress = openEgress({ hostMap: { [new URL(issuer).hostname]: fake.url } });
  const provider = await oidcAdapter.open(oidcAdapter.config.parse(entry), {
    fetch: egress.fetch,
    clock,
    log: silentLog,
  });
  return {
    fake,
    provider,
    async authorization(hints: { readonly organization?: string } = {}) {
      if (provider.signIn?.method !== 'redirect') throw new Error('no sign-in');
      return new URL((await provider.signIn.start({ ...request, ...hints })).url).searchParams;
    },
    async run(user: FakeUser) {
      if (provider.signIn?.method !== 'redirect') throw new Error('no sign-in');
      fake.setUser(user);
      const { url, memory } = await provider.signIn.start(request);
      return provider.signIn.finish(await fake.visit(url), { ...request, memory });
    },
    async [Symbol.asyncDispose]() {
      await egress.close();
      await fake.close();
    },
  };
}

const client = { clientId: 'gateway-client', clientSecret: 's' };
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'accepted',
    (error: GatehouseError) => error.code,
  );
const problems = (entry: object) => {
  const { error } = oidcAdapter.config.safeParse(entry);
  return error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) ?? [];
};

const googleUser = {
  azp: 'gateway-client',
  sub: '10769150350006150715113082367',
  at_hash: 'HK6E_P6Dh8Y93mRNtsDB1Q',
  hd: 'example.com',
  email: 'jsmith@example.com',
  email_verified: 'true',
  name: 'J Smith',
};

test('Google: the hosted domain of the account decides, never the domain of an address', async () => {
  const entry = { preset: 'google', ...client, allowedDomains: ['Example.com'] };
  await using google = await open('https://accounts.google.com', entry);
  expect(google.provider).toMatchObject({ title: 'Google', mode: 'broker', issuers: ['https://accounts.google.com'] });
  expect((await google.authorization()).get('hd')).toBe('Example.com');
  expect(await google.run({ idToken: googleUser })).toMatchObject({
    subject: '10769150350006150715113082367',
    email: 'jsmith@example.com',
    emailVerified: true,
    groups: [],
  });
  for (const hd of [undefined, 'evil.example', 'example.com.evil.test', ['example.com'], '']) {
    expect(await codeOf(google.run({ idToken: { ...googleUser, hd } }))).toBe('sign_in_denied');
  }
  expect(await codeOf(google.run({ idToken: { ...googleUser, hd: undefined }, userinfo: { hd: 'example.com' } }))).toBe(
    'sign_in_denied',
  );
});

test('Google: every account only where that is written, and its tokens are nobody else’s to check', async () => {
  await using google = await open('https://accounts.google.com', {
    preset: 'google',
    ...client,
    allowedDomains: ['*'],
  });
  expect((await google.authorization()).has('hd')).toBe(false);
  expect(await codeOf(google.run({ idToken: { ...googleUser, hd: undefined } }))).toBe('accepted');
  expect(problems({ preset: 'google', ...client }).join()).toContain('allowedDomains');
  expect(problems({ preset: 'google', ...client, allowedDomains: [] }).join()).toContain('allowedDomains');
  expect(problems({ preset: 'google', audiences: ['a'], allowedDomains: ['*'] }).join()).toContain('must be broker');
  expect(problems({ issuer: 'https://a.test', ...client, allowedDomains: ['a'] }).join()).toContain(
    'only for preset google',
  );
});

const oktaUser = {
  sub: '00uixa271s6x7qt8I0h7',
  ver: 1,
  jti: 'ID.LPQaDhnBhZ9wy-B5BvamTBs7E2C8EzXuLA5P8Uyx-IE',
  amr: ['mfa', 'pwd'],
  idp: '00oixa26ycdNcX0VT0h7',
  auth_time: 1574117006,
};

test('Okta: the org server has groups for a scope, and in userinfo where the ID token is thin', async () => {
  const entry = { preset: 'okta', domain: 'acme.okta.com', ...client, roleMapping: { IT: ['admin'] } };
  await using okta = await open('https://acme.okta.com', entry);
  expect((await okta.authorization()).get('scope')).toBe('openid profile email groups');
  const userinfo = {
    name: 'Ann',
    email: 'ann@acme.test',
    email_verified: true,
    preferred_username: 'ann',
    groups: ['IT'],
  };
  const person = {
    subject: '00uixa271s6x7qt8I0h7',
    email: 'ann@acme.test',
    username: 'ann',
    groups: ['IT'],
    roles: ['admin'],
  };
  expect(await okta.run({ idToken: oktaUser, userinfo })).toMatchObject(person);
  expect(await okta.run({ idToken: { ...oktaUser, ...userinfo } })).toMatchObject(person);
  expect(problems({ preset: 'okta', domain: 'acme.okta.com', audiences: ['a'] }).join()).toContain('must be broker');
  expect(problems({ preset: 'okta', ...client }).join()).toContain('needs domain');
});

test('Okta: a custom server is asked for no scope that nobody made there, and its tokens can be accepted', async () => {
  const custom = { preset: 'okta', domain: 'acme.okta.com', authorizationServerId: 'default' };
  const issuer = 'https://acme.okta.com/oauth2/default';
  await using broker = await open(issuer, { ...custom, ...client });
  expect((await broker.authorization()).get('scope')).toBe('openid profile email');
  await using direct = await open(issuer, { ...custom, audiences: ['api://default'], roleMapping: { IT: ['admin'] } });
  expect(direct.provider.mode).toBe('direct');
  const token = { aud: 'api://default', cid: '0oa1', uid: '00u1', scp: ['openid'], groups: ['IT', 'Everyone'] };
  expect(await direct.provider.verify(await direct.fake.signToken(token))).toMatchObject({ roles: ['admin'] });
});

test('Auth0: the issuer ends in a slash, own claims have their prefix, organizations are named by id', async () => {
  const entry = {
    preset: 'auth0',
    domain: 'acme.eu.auth0.com',
    claimNamespace: 'https://namespace.exampleco.com/',
    ...client,
  };
  await using auth0 = await open('https://acme.eu.auth0.com/', entry);
  const parameters = await auth0.authorization({ organization: 'org_9ybsU1dN2dKfDkBi' });
  expect(parameters.get('organization')).toBe('org_9ybsU1dN2dKfDkBi');
  expect((await auth0.authorization()).has('organization')).toBe(false);
  const idToken = {
    sub: 'auth0|602c0dcab993d10073daf680',
    'https://namespace.exampleco.com/roles': ['editor'],
    'https://namespace.exampleco.com/groups': ['staff'],
    org_id: 'org_9ybsU1dN2dKfDkBi',
    nickname: 'ann',
    name: 'Ann',
    email: 'ann@exampleco.com',
    email_verified: true,
  };
  expect(await auth0.run({ idToken })).toMatchObject({
    subject: 'auth0|602c0dcab993d10073daf680',
    username: 'ann',
    organizations: [{ id: 'org_9ybsU1dN2dKfDkBi', roles: ['editor'] }],
    groups: ['staff'],
  });
  expect(await codeOf(auth0.run({ idToken: { ...idToken, iss: 'https://acme.eu.auth0.com' } }))).toBe('invalid_token');
});

const keycloakRoles = {
  typ: 'Bearer',
  realm_access: { roles: ['default-roles-main', 'operator'] },
  resource_access: { 'my.gateway': { roles: ['editor'] }, other: { roles: ['never'] } },
  scope: 'openid profile email',
};

test('Keycloak: roles of the realm and of this client are read from the access token, groups are paths', async () => {
  const issuer = 'https://sso.example.com/realms/main';
  const entry = {
    preset: 'keycloak',
    issuer,
    clientId: 'my.gateway',
    clientSecret: 's',
    roleMapping: { '/acme/dev': ['dev'] },
  };
  await using keycloak = await open(issuer, entry, { clientId: 'my.gateway' });
  const idToken = {
    sub: 'f1c4f64e-2c0c-4cda-8c9f-9f3f8f3a2b0e',
    typ: 'ID',
    azp: 'my.gateway',
    preferred_username: 'ada',
    email: 'ada@example.com',
    email_verified: true,
    groups: ['/acme/dev', '/acme'],
  };
  expect(await keycloak.run({ idToken, accessToken: { aud: 'account', ...keycloakRoles } })).toMatchObject({
    subject: 'f1c4f64e-2c0c-4cda-8c9f-9f3f8f3a2b0e',
    username: 'ada',
    groups: ['/acme/dev', '/acme'],
    roles: ['default-roles-main', 'dev', 'editor', 'operator'],
  });
  for (const bad of [{ azp: 'other' }, { sub: 'somebody-else' }, { iss: 'https://evil.test' }, { typ: 'Refresh' }]) {
    const accessToken = { aud: 'account', ...keycloakRoles, ...bad };
    expect([bad, await codeOf(keycloak.run({ idToken, accessToken }))]).toEqual([bad, 'invalid_token']);
  }
});

test('Keycloak: organizations come as a list or as an object', async () => {
  const issuer = 'https://sso.example.com/realms/main';
  await using keycloak = await open(issuer, {
    preset: 'keycloak',
    issuer,
    ...client,
    organizationClaim: 'organization',
  });
  const idToken = { typ: 'ID', email: 'a@b.c' };
  for (const organization of [['acme'], { acme: { id: '42c3e46f-2477-44d7-a85b-d3b43f6b31fa' } }]) {
    expect(await keycloak.run({ idToken: { ...idToken, organization } })).toMatchObject({
      organizations: [{ id: 'acme' }],
    });
  }
});

const cognitoIssuer = 'https://cognito-idp.us-west-2.amazonaws.com/us-west-2_example';
const cognitoAccess = {
  sub: 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
  aud: undefined,
  'cognito:groups': ['testgroup'],
  version: 2,
  client_id: 'gateway-client',
  origin_jti: 'dddddddd-eeee-ffff-0000-111111111111',
  token_use: 'access',
  scope: 'phone openid profile email',
  username: 'my-test-user',
};

test('Cognito: the issuer follows from the pool, groups and user name have its prefix', async () => {
  await using cognito = await open(cognitoIssuer, { preset: 'cognito', userPoolId: 'us-west-2_example', ...client });
  const idToken = {
    sub: 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
    'cognito:groups': ['test-group-a', 'test-group-b'],
    'cognito:username': 'my-test-user',
    email_verified: true,
    token_use: 'id',
    email: 'my-test-user@example.com',
  };
  expect(await cognito.run({ idToken })).toMatchObject({
    subject: 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
    username: 'my-test-user',
    groups: ['test-group-a', 'test-group-b'],
  });
  expect(await codeOf(cognito.run({ idToken: { ...idToken, token_use: 'access' } }))).toBe('invalid_token');
});

test('Cognito: an access token says in client_id whom it is for [B1]', async () => {
  const entry = { preset: 'cognito', userPoolId: 'us-west-2_example', audiences: ['gateway-client'] };
  await using cognito = await open(cognitoIssuer, entry);
  const verify = async (claims: object) =>
    codeOf(cognito.provider.verify(await cognito.fake.signToken({ ...cognitoAccess, ...claims })));
  expect(await verify({})).toBe('accepted');
  expect(await verify({ aud: 'gateway-client', client_id: 'x' })).toBe('accepted');
  for (const bad of [
    { client_id: 'another-app' },
    { client_id: undefined },
    { client_id: ['gateway-client', 'x'], token_use: undefined },
    { aud: 'https://another.test' },
    { aud: [] },
    { token_use: 'id' },
    { token_use: undefined },
  ]) {
    expect([bad, await verify(bad)]).toEqual([bad, 'invalid_token']);
  }
});
