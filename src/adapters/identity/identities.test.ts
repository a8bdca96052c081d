import { expect, test } from 'vitest';
import type { GatehouseError } from '#core/error.ts';
import { silentLog } from '#core/log.ts';
import { openEgress } from '#http/egress.ts';
import { startFakeClerk } from '#kit/identity/fake-clerk.ts';
import { startFakeOidc } from '#kit/identity/fake-oidc.ts';
import { manualClock } from '#kit/identity/manual-clock.ts';
import { openIdentities } from './identities.ts';
import { identityAdapters } from './index.ts';

const secret = { kind: 'shared-secret', secret: 'x'.repeat(32) };

function depsFor(fetch: typeof globalThis.fetch = () => Promise.reject(new Error('no'))) {
  return { fetch, clock: manualClock(), log: silentLog };
}

const open = (config: unknown, deps = depsFor()) => identityAdapters.open(identityAdapters.config.parse(config), deps);
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'fine',
    (error: GatehouseError) => error.code,
  );

test('a token goes to the identity provider of its issuer, one from nowhere to nobody [B5]', async () => {
  const [first, second, stranger] = [await startFakeOidc(), await startFakeOidc(), await startFakeOidc()];
  const egress = openEgress({ allow: ['127.0.0.1'] });
  const deps = depsFor(egress.fetch);
  const configs = [first, second].map(({ issuer, audience }) => ({ kind: 'oidc', issuer, audiences: [audience] }));
  const identities = openIdentities(await Promise.all(configs.map((config) => open(config, deps))));

  const verified = await identities.verify(await second.signToken());
  expect(verified.provider).toBe(identities.providerFor(second.issuer));
  expect(verified.token).toMatchObject({ issuer: second.issuer, subject: 'user-1' });
  expect(first.requests).toHaveLength(0);

  expect(await codeOf(identities.verify(await second.signToken({ iss: first.issuer })))).toBe('invalid_token');
  expect(await codeOf(identities.verify(await stranger.signToken()))).toBe('invalid_token');
  for (const token of ['', 'gho_x', 'a.b.c', await first.signToken({ iss: undefined })]) {
    expect(await codeOf(identities.verify(token))).toBe('invalid_token');
  }
  expect(stranger.requests).toHaveLength(0);
  await identities.close();
  await Promise.all([first, second, stranger].map((fake) => fake.close()));
  await egress.close();
});

test('the same subject at two issuers stays two [B6]', async () => {
  const [first, second] = [await startFakeOidc(), await startFakeOidc()];
  const egress = openEgress({ allow: ['127.0.0.1'] });
  const configs = [first, second].map(({ issuer, audience }) => ({ kind: 'oidc', issuer, audiences: [audience] }));
  const identities = openIdentities(await Promise.all(configs.map((config) => open(config, depsFor(egress.fetch)))));
  const [a, b] = [await identities.verify(await first.signToken()), await identities.verify(await second.signToken())];
  expect(a.token.subject).toBe(b.token.subject);
  expect(a.token.issuer).not.toBe(b.token.issuer);
  await Promise.all([first, second].map((fake) => fake.close()));
  await egress.close();
});

test('a token that is no JWT goes to the one whose prefix it has, and to nobody else [X4.2]', async () => {
  const [clerk, oidc] = [await startFakeClerk(), await startFakeOidc()];
  const egress = openEgress({ allow: ['127.0.0.1'] });
  const deps = depsFor(egress.fetch);
  const entry = { kind: 'clerk', secretKey: clerk.secretKey, frontendApi: clerk.issuer, apiUrl: clerk.url };
  const providers = [
    await open({ kind: 'oidc', issuer: oidc.issuer, audiences: [oidc.audience] }, deps),
    await open(secret),
    await open(entry, deps),
  ];
  const identities = openIdentities(providers);
  const verified = await identities.verify(clerk.giveOpaque());
  expect([verified.provider.kind, verified.token.subject]).toEqual(['clerk', 'user_1']);
  const asked = clerk.requests.length;
  for (const token of ['gho_12345678', 'OAT_12345678', 'xoat_1234567', `oat_12345678.e30.x`]) {
    expect(await codeOf(identities.verify(token))).toBe('invalid_token');
  }
  // What a JWT starts with says nothing: its issuer does.
  const jwt = await oidc.signToken();
  expect((await identities.verify(jwt)).provider.kind).toBe('oidc');
  expect(clerk.requests).toHaveLength(asked);
  expect(oidc.requests.every(({ headers }) => headers.authorization === undefined)).toBe(true);

  const other = await startFakeClerk();
  const twice = { ...entry, name: 'clerk-two', frontendApi: other.issuer };
  const second = await open(twice, deps);
  expect(() => openIdentities([...providers, second])).toThrow(/tokens that start with oat_.*opaqueTokens: false/);
  const jwtOnly = await open({ ...twice, opaqueTokens: false }, deps);
  expect(openIdentities([...providers, jwtOnly]).providers).toHaveLength(4);
  await Promise.all([clerk, oidc, other].map((fake) => fake.close()));
  await egress.close();
});

test('two identity providers for the same tokens refuse to boot [B5]', async () => {
  const oidc = { kind: 'oidc', issuer: 'https://a.example', audiences: ['a'] };
  const twice = [await open(oidc), await open({ ...oidc, audiences: ['b'] })];
  expect(() => openIdentities(twice)).toThrow('Two identity providers are configured for the issuer https://a.example');
  const secrets = [await open(secret), await open({ ...secret, secret: 'y'.repeat(32) })];
  expect(() => openIdentities(secrets)).toThrow(/tokens without an issuer/);
});

test('the registry knows its kinds, and refuses others and unknown settings', () => {
  const kinds = identityAdapters.list.map(({ kind }) => kind);
  expect(kinds).toEqual(expect.arrayContaining(['workos', 'clerk', 'oidc', 'entra', 'shared-secret']));
  expect(identityAdapters.config.safeParse({ kind: 'saml' }).success).toBe(false);
  expect(identityAdapters.config.safeParse({ ...secret, sceret: 'typo' }).success).toBe(false);
  expect(identityAdapters.config.safeParse(secret).success).toBe(true);
});
