import { expect, test } from 'vitest';
import { describeRedirectSignIn } from '#adapters/identity/redirect-sign-in.contract.ts';
import type { GatehouseError } from '#core/error.ts';
import type { Log } from '#core/log.ts';
import { openEgress } from '#http/egress.ts';
import { type FakeGithubOptions, startFakeGithub } from '#kit/identity/fake-github.ts';
import { manualClock } from '#kit/identity/manual-clock.ts';
import { recordingLog } from '#kit/identity/recording-log.ts';
import { githubAdapter } from './github.ts';

const request = { redirectUri: 'https://gateway.test/callback', state: 'state-of-the-browser' };
const octocat = { id: 583231, login: 'octocat', name: 'monalisa octocat' };

async function open(config: object = { allowedUsers: ['*'] }, options: FakeGithubOptions = {}) {
  const fake = await startFakeGithub(options);
  const egress = openEgress({ allow: ['127.0.0.1'] });
  const warnings: string[] = [];
  const log: Log = { debug() {}, info() {}, error() {}, warn: (_fields, message) => void warnings.push(message) };
  const { baseUrl, clientId, clientSecret } = fake;
  const settings = githubAdapter.config.parse({
    baseUrl,
    clientId,
    clientSecret,
    apiUrl: `${baseUrl}/api/v3`,
    ...config,
  });
  const provider = await githubAdapter.open(settings, { fetch: egress.fetch, clock: manualClock(), log });
  const signIn = provider.signIn?.method === 'redirect' ? provider.signIn : undefined;
  if (!signIn) throw new Error('no sign-in');
  return {
    fake,
    provider,
    signIn,
    warnings,
    async run(change: (callback: URL) => void = () => undefined) {
      const { url, memory } = await signIn.start(request);
      const callback = await fake.visit(url);
      change(callback);
      return signIn.finish(callback, { ...request, memory });
    },
    async [Symbol.asyncDispose]() {
      await egress.close();
      await fake.close();
    },
  };
}

describeRedirectSignIn('github', async () => {
  const log = recordingLog();
  const fake = await startFakeGithub();
  const egress = openEgress({ allow: ['127.0.0.1'] });
  const { baseUrl, clientId, clientSecret } = fake;
  const settings = githubAdapter.config.parse({ baseUrl, clientId, clientSecret, allowedUsers: ['*'], groups: true });
  const { signIn } = await githubAdapter.open(settings, { fetch: egress.fetch, clock: manualClock(), log });
  if (signIn?.method !== 'redirect') throw new Error('no sign-in');
  return {
    signIn,
    visit(url, answer) {
      fake.deny(answer === 'deny' ? 'access_denied' : undefined);
      return fake.visit(url);
    },
    expected: { subject: '583231', username: 'octocat', email: 'octocat@github.com', emailVerified: true },
    changeEmail: (email) => fake.setUser({ ...octocat, emails: [{ email, primary: true, verified: true }] }),
    breakTokens: (fault) => fake.break(fault, '/access_token'),
    secrets: () => [clientSecret, ...fake.issued()],
    logged: log.text,
    hints: { loginHint: 'login' },
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

test('somebody is signed in by their number, with their primary verified address [S1.17] [B6]', async () => {
  await using subject = await open();
  expect(await subject.run()).toEqual({
    subject: '583231',
    username: 'octocat',
    name: 'monalisa octocat',
    email: 'octocat@github.com',
    emailVerified: true,
    groups: [],
    roles: [],
    claims: { id: 583231, login: 'octocat' },
  });
});

test('it asks for user:email, with state and PKCE; for read:org only where organizations count [S1.11] [S1.13]', async () => {
  await using plain = await open();
  const { url } = await plain.signIn.start(request);
  expect(Object.fromEntries(new URL(url).searchParams)).toMatchObject({
    client_id: 'Iv1.test',
    redirect_uri: request.redirectUri,
    scope: 'user:email',
    state: request.state,
    code_challenge_method: 'S256',
  });
  await plain.run();
  expect(plain.fake.count('/memberships')).toBe(0);
  for (const config of [{ groups: true }, { roleMapping: { acme: ['dev'] } }]) {
    await using more = await open({ allowedUsers: ['*'], ...config });
    expect((await more.signIn.start(request)).url).toContain('scope=user%3Aemail+read%3Aorg');
  }
});

test('an address that is not verified, or not the primary one, is not taken', async () => {
  await using subject = await open();
  for (const emails of [[{ email: 'a@b.c', primary: true }], [{ email: 'a@b.c', verified: true }], []]) {
    subject.fake.setUser({ ...octocat, emails });
    expect(await subject.run()).not.toHaveProperty('email');
  }
});

test('only users of the list may sign in, whatever the case; "*" admits everybody [S1.12] [S1.14]', async () => {
  await using listed = await open({ allowedUsers: ['hubot', 'OctoCat'] });
  expect(await codeOf(listed.run())).toBe('signed in');
  listed.fake.setUser({ id: 2, login: 'mallory' });
  expect(await codeOf(listed.run())).toBe('sign_in_denied');
  listed.fake.setUser({ id: 3, login: 'octocat2' });
  expect(await codeOf(listed.run())).toBe('sign_in_denied');
  await using all = await open();
  all.fake.setUser({ id: 2, login: 'mallory' });
  expect(await codeOf(all.run())).toBe('signed in');
});

test('a list that admits nobody is refused at the start, and so is one that contradicts itself [X1.3] [B15]', () => {
  const parse = (entry: object) =>
    githubAdapter.config.safeParse({ clientId: 'a', clientSecret: 'b', ...entry }).success;
  expect(parse({ allowedUsers: ['octocat'] })).toBe(true);
  expect(parse({ allowedOrganizations: ['acme'] })).toBe(true);
  expect(parse({ allowedUsers: [], allowedTeams: ['acme/platform'] })).toBe(true);
  for (const bad of [
    {},
    { allowedUsers: [] },
    { allowedUsers: [], allowedOrganizations: [], allowedTeams: [] },
    { allowedUsers: ['*'], allowedOrganizations: ['acme'] },
    { allowedUsers: [''] },
    { allowedTeams: ['platform'] },
    { allowedUsers: ['*'], mode: 'direct' },
    { allowedUsers: ['*'], groupsClaim: 'groups' },
  ]) {
    expect([bad, parse(bad)]).toEqual([bad, false]);
  }
});

test('organizations and teams are groups, mapped to roles; a pending invitation is none', async () => {
  await using subject = await open({
    allowedOrganizations: ['acme'],
    roleMapping: { acme: ['user'], 'acme/platform': ['admin'], 'other/platform': ['never'] },
  });
  subject.fake.setUser({
    ...octocat,
    organizations: { Acme: 'active', acme: 'active', Evil: 'pending' },
    teams: ['acme/platform'],
  });
  expect(await subject.run()).toMatchObject({ groups: ['Acme', 'acme', 'acme/platform'], roles: ['admin', 'user'] });
  subject.fake.setUser({ ...octocat, organizations: { acme: 'pending' } });
  expect(await codeOf(subject.run())).toBe('sign_in_denied');
});

test('a team admits its members, and nobody of a team of that name elsewhere', async () => {
  await using subject = await open({ allowedTeams: ['acme/platform'] });
  subject.fake.setUser({ ...octocat, teams: ['ACME/platform'] });
  expect(await codeOf(subject.run())).toBe('signed in');
  subject.fake.setUser({
    ...octocat,
    organizations: { acme: 'active' },
    teams: ['evil/platform', 'acme/platform-guests'],
  });
  expect(await codeOf(subject.run())).toBe('sign_in_denied');
});

test('all pages are read', async () => {
  await using subject = await open({ allowedUsers: ['*'], groups: true });
  const teams = Array.from({ length: 250 }, (_, index) => `acme/team-${index}`);
  subject.fake.setUser({ ...octocat, teams });
  expect((await subject.run()).groups).toEqual(teams);
  expect(subject.fake.count('/user/teams')).toBe(3);
});

test('what an organization hides counts as nothing, and is said in the log', async () => {
  await using subject = await open({ allowedUsers: ['octocat'], allowedOrganizations: ['acme'] });
  subject.fake.setUser({ ...octocat, organizations: { acme: 'active' } });
  subject.fake.closeLists('hidden');
  expect((await subject.run()).groups).toEqual([]);
  expect(subject.warnings.join()).toContain('does not show this');
  subject.fake.setUser({ id: 9, login: 'member', organizations: { acme: 'active' } });
  expect(await codeOf(subject.run())).toBe('sign_in_denied');
  subject.fake.closeLists('partial');
  expect(await codeOf(subject.run())).toBe('signed in');
  expect(subject.warnings.join()).toContain('single sign-on');
  subject.fake.closeLists('limited');
  expect(await codeOf(subject.run())).toBe('identity_unavailable');
});

test('errors of the token endpoint are seen although they come with status 200 [S1.12]', async () => {
  await using subject = await open();
  const expected = {
    bad_verification_code: 'invalid_token',
    incorrect_client_credentials: 'identity_unavailable',
    redirect_uri_mismatch: 'identity_unavailable',
    unverified_user_email: 'sign_in_denied',
  };
  for (const [error, code] of Object.entries(expected)) {
    subject.fake.failToken(error);
    expect([error, await codeOf(subject.run())]).toEqual([error, code]);
  }
});

test('a denial and trouble with the application are two things [S1.12]', async () => {
  await using subject = await open();
  subject.fake.deny('access_denied');
  expect(await codeOf(subject.run())).toBe('sign_in_denied');
  subject.fake.deny('application_suspended');
  expect(await codeOf(subject.run())).toBe('identity_unavailable');
});

test('a callback with another state, without a code, or with two is refused before anything is asked', async () => {
  await using subject = await open();
  const changes: readonly ((callback: URL) => void)[] = [
    (callback) => callback.searchParams.set('state', 'x'),
    (callback) => callback.searchParams.delete('code'),
    (callback) => callback.searchParams.append('code', 'x'),
  ];
  for (const change of changes) expect(await codeOf(subject.run(change))).toBe('invalid_token');
  expect(subject.fake.count('/access_token')).toBe(0);
});

test("another application's code is refused, and no token of GitHub's is ever accepted from a caller [B5]", async () => {
  await using subject = await open(undefined, { apps: { 'Iv1.test': 'github-secret', 'Iv1.other': 'other' } });
  const { url, memory } = await subject.signIn.start(request);
  const foreign = await subject.fake.visit(url.replace('Iv1.test', 'Iv1.other'));
  expect(await codeOf(subject.signIn.finish(foreign, { ...request, memory }))).toBe('invalid_token');
  for (const token of ['gho_16C7e42F292c6912E7710c838347Ae178B4a', 'ghp_x', '']) {
    expect(await codeOf(subject.provider.verify(token))).toBe('invalid_token');
  }
});

test('a code is good once, and with its own verifier only', async () => {
  await using subject = await open();
  const { url, memory } = await subject.signIn.start(request);
  const other = await subject.signIn.start(request);
  const callback = await subject.fake.visit(url);
  expect(await codeOf(subject.signIn.finish(callback, { ...request, memory: other.memory }))).toBe('invalid_token');
  expect(await codeOf(subject.signIn.finish(callback, { ...request, memory }))).toBe('invalid_token');
});

test('an outage is an outage, at each step', async () => {
  await using subject = await open({ allowedUsers: ['octocat'], groups: true });
  for (const part of ['/access_token', '/user', '/emails', '/orgs', '/teams']) {
    for (const fault of [500, 503, 'garbage', 'reset', 'empty', 'redirect'] as const) {
      subject.fake.break(fault, part);
      expect([part, fault, await codeOf(subject.run())]).toEqual([part, fault, 'identity_unavailable']);
      subject.fake.break(undefined, part);
    }
  }
  expect(await codeOf(subject.run())).toBe('signed in');
});

test('a GitHub Enterprise Server answers under its own address', async () => {
  await using subject = await open({ allowedUsers: ['*'], apiUrl: undefined });
  expect(await codeOf(subject.run())).toBe('signed in');
  expect(subject.fake.count('/api/v3/user')).toBeGreaterThan(0);
});
