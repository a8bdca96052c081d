import { expect, test } from 'vitest';
import { identityContract } from '#adapters/identity/identity.contract.ts';
import type { GatehouseError } from '#core/error.ts';
import { silentLog } from '#core/log.ts';
import { openEgress } from '#http/egress.ts';
import { type FakeOidcOptions, startFakeOidc } from '#kit/identity/fake-oidc.ts';
import { manualClock } from '#kit/identity/manual-clock.ts';
import { createSigningKeys } from '#kit/identity/signing-keys.ts';
import { oidcAdapter } from './oidc.ts';

async function start(config: object = {}, options: FakeOidcOptions = {}) {
  const clock = manualClock();
  const fake = await startFakeOidc({ now: clock.now, ...options });
  const egress = openEgress({ allow: ['127.0.0.1'] });
  const settings = oidcAdapter.config.parse({ issuer: fake.issuer, audiences: [fake.audience], ...config });
  const provider = await oidcAdapter.open(settings, { fetch: egress.fetch, clock, log: silentLog });
  const close = async () => {
    await provider.close();
    await egress.close();
    await fake.close();
  };
  return { clock, fake, provider, close };
}

identityContract('oidc', async () => {
  const { clock, fake, provider, close } = await start();
  const foreign = await createSigningKeys('ES256');
  const header = { kid: fake.keys.jwks().keys[0]?.kid };
  return {
    provider,
    close,
    now: clock.now,
    sign: (claims, fields) => fake.signToken(claims, { header: fields ?? {} }),
    signWithForeignKey: async () =>
      foreign.sign(
        { ...JSON.parse(Buffer.from((await fake.signToken()).split('.')[1] ?? '', 'base64url').toString()) },
        { header },
      ),
    expectedSubject: 'user-1',
    expectedIssuer: fake.issuer,
    publicPem: await fake.keys.publicPem(),
    requiredClaims: ['exp', 'iat', 'sub'],
    checksAudience: true,
    limitsLifetime: true,
    keyRequests: () => fake.count('/keys'),
  };
});

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'verified',
    (error: GatehouseError) => error.code,
  );

test('claims come from where the configuration says, dotted paths and dotted names alike', async () => {
  const { fake, provider, close } = await start({
    organizationClaim: 'org.id',
    rolesClaim: 'https://example.com/roles',
    scopesClaim: 'scope',
  });
  const token = await fake.signToken({
    org: { id: 'acme' },
    'https://example.com/roles': ['admin', 5, ''],
    scope: 'mcp:read mcp:write',
    email: 'a@example.com',
    name: 'A',
  });
  expect(await provider.verify(token)).toMatchObject({
    organization: 'acme',
    roles: ['admin'],
    scopes: ['mcp:read', 'mcp:write'],
    email: 'a@example.com',
    name: 'A',
  });
  const bare = await provider.verify(await fake.signToken());
  expect(bare).toMatchObject({ roles: [], scopes: [] });
  expect(bare).not.toHaveProperty('organization');
  await close();
});

test('roles and scopes are unknown, not empty, where no claim is configured', async () => {
  const { fake, provider, close } = await start();
  const verified = await provider.verify(await fake.signToken({ roles: ['admin'], scope: 'x' }));
  expect(verified).not.toHaveProperty('roles');
  expect(verified).not.toHaveProperty('scopes');
  await close();
});

test('a key set URL that is given is used without discovery', async () => {
  const clock = manualClock();
  const fake = await startFakeOidc({ now: clock.now });
  const egress = openEgress({ allow: ['127.0.0.1'] });
  const settings = oidcAdapter.config.parse({ issuer: fake.issuer, audiences: [fake.audience], jwksUrl: fake.jwksUrl });
  const provider = await oidcAdapter.open(settings, { fetch: egress.fetch, clock, log: silentLog });
  expect(await codeOf(provider.verify(await fake.signToken()))).toBe('verified');
  expect(fake.count('/.well-known/')).toBe(0);
  await egress.close();
  await fake.close();
});

test('a discovery document of another issuer is not believed', async () => {
  const { fake, provider, close } = await start({}, { metadata: { issuer: 'https://honest.example' } });
  expect(await codeOf(provider.verify(await fake.signToken()))).toBe('identity_unavailable');
  expect(fake.count('/keys')).toBe(0);
  await close();
});

test('a discovered key set at a private address is not fetched [S1]', async () => {
  const { fake, provider, close } = await start({}, { metadata: { jwks_uri: 'http://169.254.169.254/keys' } });
  expect(await codeOf(provider.verify(await fake.signToken()))).toBe('identity_unavailable');
  await close();
});

test('an issuer may have a path', async () => {
  const { fake, provider, close } = await start({}, { path: '/realms/main' });
  expect(await codeOf(provider.verify(await fake.signToken()))).toBe('verified');
  expect(await provider.metadata?.()).toMatchObject({ issuer: fake.issuer });
  await close();
});

test('insisting on RFC 9068 refuses plain JWTs [B8]', async () => {
  const { fake, provider, close } = await start({ allowedTypes: ['application/at+jwt'] });
  expect(await codeOf(provider.verify(await fake.signToken()))).toBe('invalid_token');
  expect(await codeOf(provider.verify(await fake.signToken({}, { header: { typ: 'at+jwt' } })))).toBe('verified');
  await close();
});

test('a token without a key id is tried with each key', async () => {
  const { fake, provider, close } = await start();
  await fake.keys.rotate({ keepOld: true });
  expect(await codeOf(provider.verify(await fake.signToken({}, { header: { kid: undefined } })))).toBe('verified');
  await fake.keys.rotate({ keepOld: false });
  expect(await codeOf(provider.verify(await fake.signToken({}, { header: { kid: undefined } })))).toBe('invalid_token');
  await close();
});

test('symmetric and unknown algorithms can not be configured, nor an empty list of audiences', () => {
  const good = { issuer: 'https://a.example', audiences: ['a'] };
  expect(oidcAdapter.config.safeParse(good).success).toBe(true);
  for (const bad of [
    { algorithms: ['HS256'] },
    { algorithms: ['none'] },
    { algorithms: [] },
    { audiences: [] },
    { x: 1 },
  ]) {
    expect(oidcAdapter.config.safeParse({ ...good, ...bad }).success).toBe(false);
  }
});
