import { afterEach, describe, expect, test } from 'vitest';
import { identityContract } from '#adapters/identity/identity.contract.ts';
import type { IdentityProvider } from '#adapters/identity/identity.ts';
import type { GatehouseError } from '#core/error.ts';
import { silentLog } from '#core/log.ts';
import { openEgress } from '#http/egress.ts';
import { type FakeWorkosOptions, startFakeWorkos } from '#kit/identity/fake-workos.ts';
import { manualClock } from '#kit/identity/manual-clock.ts';
import { createSigningKeys } from '#kit/identity/signing-keys.ts';
import { workosAdapter } from './workos.ts';

const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0)) await close();
});

const path = '/organization_memberships';

async function start(config: object = {}, options: FakeWorkosOptions = {}) {
  const clock = manualClock();
  const fake = await startFakeWorkos({ organizations: { org_1: { user_1: ['admin'] } }, now: clock.now, ...options });
  const egress = openEgress({ allow: ['127.0.0.1'], totalMs: 300 });
  const settings = workosAdapter.config.parse({
    apiKey: fake.apiKey,
    clientId: fake.clientId,
    authorizationServerUrl: fake.issuer,
    apiBaseUrl: fake.url,
    ...config,
  });
  const provider = await workosAdapter.open(settings, { fetch: egress.fetch, clock, log: silentLog });
  const close = async () => {
    await provider.close();
    await egress.close();
    await fake.close();
  };
  return { clock, fake, provider, close };
}

async function startForTest(config: object = {}, options: FakeWorkosOptions = {}) {
  const started = await start(config, options);
  opened.push(started.close);
  return started;
}

const codeOf = (work: Promise<unknown> | undefined) =>
  Promise.resolve(work).then(
    () => 'fine',
    (error: GatehouseError) => error.code,
  );

const ask = (provider: IdentityProvider, user = 'user_1', organization = 'org_1') =>
  provider.memberships?.(user, organization) ?? Promise.reject(new Error('no memberships'));

identityContract('workos', async () => {
  const { clock, fake, provider, close } = await start();
  const foreign = await createSigningKeys('RS256');
  const header = { kid: fake.keys.jwks().keys[0]?.kid };
  const claims = () => ({ iss: fake.issuer, aud: fake.clientId, sub: 'user_1' });
  const seconds = () => Math.floor(clock.now() / 1000);
  return {
    provider,
    close,
    now: clock.now,
    sign: (changes, fields) => fake.signToken(changes, { header: fields ?? {} }),
    signWithForeignKey: () => foreign.sign({ ...claims(), iat: seconds(), exp: seconds() + 60 }, { header }),
    expectedSubject: 'user_1',
    expectedIssuer: fake.issuer,
    publicPem: await fake.keys.publicPem(),
    requiredClaims: ['exp', 'iat', 'sub', 'aud', 'iss'],
    checksAudience: true,
    limitsLifetime: true,
    keyRequests: () => fake.count('jwks'),
  };
});

describe('issuers and audiences', () => {
  test.each(['/auth/v1', '', '/deep/er/path'])('an authorization server at path "%s" is found [S0.2]', async (at) => {
    const { fake, provider } = await startForTest({}, { path: at });
    expect(await codeOf(provider.verify(await fake.signToken()))).toBe('fine');
    expect(fake.requests.map((request) => request.path)).toEqual([`${at}/oauth2/jwks`]);
    expect(provider.authorizationServer).toBe(fake.issuer);
  });

  test('a slash after the configured URL changes nothing [S0.2] [S0.21]', async () => {
    const fake = await startFakeWorkos();
    const egress = openEgress({ allow: ['127.0.0.1'] });
    opened.push(() => egress.close(), fake.close);
    const settings = workosAdapter.config.parse({
      apiKey: fake.apiKey,
      clientId: fake.clientId,
      authorizationServerUrl: `${fake.issuer}/`,
      apiBaseUrl: `${fake.url}/`,
    });
    const clock = manualClock();
    const provider = await workosAdapter.open(settings, { fetch: egress.fetch, clock, log: silentLog });
    expect(await codeOf(provider.verify(await fake.signToken()))).toBe('fine');
    expect(await codeOf(provider.verify(await fake.signToken({ iss: `${fake.issuer}/` })))).toBe('fine');
    expect(await provider.metadata?.()).toMatchObject({ issuer: fake.issuer });
    expect(await ask(provider)).toBeUndefined();
  });

  test('the documented example has its keys and documents below /auth/v1 [S0.21]', async () => {
    const asked: string[] = [];
    const clock = manualClock();
    const settings = workosAdapter.config.parse({
      apiKey: 'sk_x',
      clientId: 'client_x',
      authorizationServerUrl: 'https://api.workos.com/auth/v1',
    });
    const fetch = async (url: string | URL | Request) => {
      asked.push(String(url));
      return new Response('{}', { status: 404 });
    };
    const provider = await workosAdapter.open(settings, { fetch, clock, log: silentLog });
    const keys = await createSigningKeys('RS256');
    await codeOf(provider.verify(await keys.sign({ iss: 'https://api.workos.com/auth/v1', sub: 'user_1' })));
    await codeOf(provider.metadata?.());
    await codeOf(ask(provider));
    expect(asked).toEqual([
      'https://api.workos.com/auth/v1/oauth2/jwks',
      'https://api.workos.com/auth/v1/.well-known/oauth-authorization-server',
      'https://api.workos.com/.well-known/oauth-authorization-server/auth/v1',
      'https://api.workos.com/user_management/organization_memberships?user_id=user_1&organization_id=org_1&statuses=active&limit=100',
    ]);
  });

  test('configured resource indicators are the audience instead of the client id [X0.3]', async () => {
    const { fake, provider } = await startForTest({ audiences: ['https://gw.example/acme/mcp'] });
    expect(await codeOf(provider.verify(await fake.signToken()))).toBe('invalid_token');
    expect(await codeOf(provider.verify(await fake.signToken({ aud: ['https://gw.example/acme/mcp'] })))).toBe('fine');
  });

  test('session tokens are refused until their issuer is listed, then need no audience [X0.3]', async () => {
    const plain = await startForTest();
    expect(await codeOf(plain.provider.verify(await plain.fake.signSessionToken()))).toBe('invalid_token');

    const { fake, provider } = await startForTest({}, { port: 0 });
    const listed = workosAdapter.config.parse({
      apiKey: fake.apiKey,
      clientId: fake.clientId,
      authorizationServerUrl: fake.issuer,
      apiBaseUrl: fake.url,
      issuers: [{ issuer: fake.sessionIssuer, audiences: [] }],
    });
    const egress = openEgress({ allow: ['127.0.0.1'] });
    opened.push(() => egress.close());
    const both = await workosAdapter.open(listed, { fetch: egress.fetch, clock: manualClock(), log: silentLog });
    expect(both.issuers).toEqual([...provider.issuers, fake.sessionIssuer]);
    expect(await codeOf(both.verify(await fake.signSessionToken()))).toBe('fine');
    expect(await codeOf(both.verify(await fake.signSessionToken({ aud: 'client_other' })))).toBe('invalid_token');
    expect(await codeOf(both.verify(await fake.signToken({ aud: undefined })))).toBe('invalid_token');
    expect(fake.count(`/sso/jwks/${fake.clientId}`)).toBe(1);
  });

  test('an issuer without audiences or keys refuses to boot, unless it names the client itself [X0.3]', async () => {
    const elsewhere = { issuer: 'https://api.workos.com', jwksUrl: 'https://api.workos.com/x', audiences: [] };
    await expect(startForTest({ issuers: [elsewhere] })).rejects.toThrow(/at least one audience/);
    await expect(startForTest({ issuers: [{ issuer: 'https://a.example', audiences: ['a'] }] })).rejects.toThrow(
      /jwksUrl/,
    );
  });

  test('the organization in a token is passed on as a wish, its role and scope are not', async () => {
    const { fake, provider } = await startForTest();
    const verified = await provider.verify(
      await fake.signToken({ org_id: 'org_1', role: 'admin', roles: ['admin'], scope: 'openid', email: 'a@b.example' }),
    );
    expect(verified).toMatchObject({ organization: 'org_1', email: 'a@b.example', subject: 'user_1' });
    expect(verified).not.toHaveProperty('roles');
    expect(verified).not.toHaveProperty('scopes');
  });
});

describe('memberships', () => {
  test('the question carries user, organization and status, and the API key [S0.3]', async () => {
    const { fake, provider } = await startForTest();
    expect(await ask(provider)).toEqual({ roles: ['admin'] });
    const [request] = fake.requests;
    expect(Object.fromEntries(request?.query ?? [])).toMatchObject({
      user_id: 'user_1',
      organization_id: 'org_1',
      statuses: 'active',
    });
    expect(request?.headers.authorization).toBe(`Bearer ${fake.apiKey}`);
  });

  test('all role slugs count, each once [S0.4]', async () => {
    const { fake, provider } = await startForTest();
    fake.setMembership('user_2', 'org_1', { roles: ['editor', 'member'] });
    expect(await ask(provider, 'user_2')).toEqual({ roles: ['editor', 'member'] });
  });

  test('somebody else’s, another organization’s and inactive memberships do not count, whatever comes back [S0.4]', async () => {
    const { fake, provider } = await startForTest();
    fake.ignoreFilters(true);
    fake.setMembership('user_3', 'org_1', { roles: ['admin'], status: 'inactive' });
    fake.setMembership('user_4', 'org_1', { roles: ['admin'], status: 'pending' });
    fake.setMembership('user_5', 'org_2', { roles: ['admin'] });
    for (const user of ['user_2', 'user_3', 'user_4', 'user_5', 'USER_1']) {
      expect(await ask(provider, user)).toBeUndefined();
    }
    expect(await ask(provider)).toEqual({ roles: ['admin'] });
  });

  test('ids from outside stay inside their query parameter', async () => {
    const { fake, provider } = await startForTest();
    await ask(provider, 'user_1&user_id=user_2', 'org_1?x=1#/../y');
    expect(fake.requests[0]?.path).toBe('/user_management/organization_memberships');
    expect(fake.requests[0]?.query.getAll('user_id')).toEqual(['user_1&user_id=user_2']);
    expect(fake.requests[0]?.query.get('organization_id')).toBe('org_1?x=1#/../y');
  });

  test.each([400, 404, 422])('ids that WorkOS answers with %i belong to no member', async (status) => {
    const { fake, provider } = await startForTest();
    fake.break(status, path);
    expect(await ask(provider)).toBeUndefined();
  });
});

describe('membership cache', () => {
  test('questions at once and within the minute are one request [X0.4] [R25]', async () => {
    const { clock, fake, provider } = await startForTest();
    await Promise.all(Array.from({ length: 100 }, () => ask(provider)));
    clock.advance(39_000);
    await ask(provider);
    expect(fake.count(path)).toBe(1);
  });

  test('an answer in use is renewed before it is old: the next caller does not wait [X0.4]', async () => {
    const { clock, fake, provider } = await startForTest();
    await ask(provider);
    fake.setMembership('user_1', 'org_1', { roles: ['member'] });
    clock.advance(45_000);
    expect(await ask(provider)).toEqual({ roles: ['admin'] });
    await expect.poll(() => ask(provider)).toEqual({ roles: ['member'] });
    expect(fake.count(path)).toBe(2);
  });

  test('an answer is never used past 60 seconds', async () => {
    const { clock, fake, provider } = await startForTest();
    await ask(provider);
    fake.setMembership('user_1', 'org_1', undefined);
    clock.advance(60_001);
    expect(await ask(provider)).toBeUndefined();
    expect(fake.count(path)).toBe(2);
  });

  test('"no member" is asked again after ten seconds: somebody may have been invited', async () => {
    const { clock, fake, provider } = await startForTest();
    expect(await ask(provider, 'user_2')).toBeUndefined();
    fake.setMembership('user_2', 'org_1', { roles: ['member'] });
    clock.advance(10_001);
    expect(await ask(provider, 'user_2')).toEqual({ roles: ['member'] });
  });

  test.each([500, 503, 429, 401, 'garbage', 'empty', 'huge', 'reset', 'redirect', 'silent'] as const)(
    'during an outage (%s) the answer serves out its minute, then it is 503 [X0.4]',
    async (fault) => {
      const { clock, fake, provider } = await startForTest();
      await ask(provider);
      fake.break(fault, path);
      clock.advance(59_000);
      expect(await ask(provider)).toEqual({ roles: ['admin'] });
      expect(await codeOf(ask(provider, 'user_9'))).toBe('identity_unavailable');
      clock.advance(2000);
      expect(await codeOf(ask(provider))).toBe('identity_unavailable');
      fake.break(undefined);
      clock.advance(61_000);
      expect(await ask(provider)).toEqual({ roles: ['admin'] });
    },
  );

  test('after a 429 nobody is asked about until WorkOS wants to hear again', async () => {
    const { clock, fake, provider } = await startForTest();
    fake.break(429, path);
    for (const user of ['user_1', 'user_2', 'user_3']) {
      expect(await codeOf(ask(provider, user))).toBe('identity_unavailable');
    }
    expect(fake.count(path)).toBe(1);
    fake.break(undefined);
    clock.advance(1001);
    expect(await ask(provider)).toEqual({ roles: ['admin'] });
  });

  test('forgetting a subject asks anew for it, and only for it; an answer on its way does not come back', async () => {
    const { fake, provider } = await startForTest();
    fake.setMembership('user_12', 'org_1', { roles: ['member'] });
    fake.break('slow', path);
    const onItsWay = ask(provider);
    await ask(provider, 'user_12');
    provider.forget?.('user_1');
    fake.setMembership('user_1', 'org_1', undefined);
    await onItsWay;
    fake.break(undefined);
    expect(await ask(provider)).toBeUndefined();
    await ask(provider, 'user_12');
    expect(fake.count(path)).toBe(3);
  });
});

describe('relayed metadata', () => {
  test('is WorkOS’s own document, fetched once an hour [S0.13]', async () => {
    const { clock, fake, provider } = await startForTest();
    const document = await provider.metadata?.();
    expect(document).toMatchObject({
      issuer: fake.issuer,
      token_endpoint: `${fake.issuer}/oauth2/token`,
      code_challenge_methods_supported: ['S256'],
    });
    clock.advance(59 * 60_000);
    await provider.metadata?.();
    expect(fake.count('.well-known')).toBe(1);
    clock.advance(2 * 60_000);
    await provider.metadata?.();
    await expect.poll(() => fake.count('.well-known')).toBe(2);
  });

  test.each([500, 404, 'garbage', 'empty', 'huge', 'redirect', 'reset', 'silent'] as const)(
    'an answer of %s is not relayed [X0.4]',
    async (fault) => {
      const { fake, provider } = await startForTest();
      fake.break(fault, '.well-known');
      expect(await codeOf(provider.metadata?.())).toBe('identity_unavailable');
    },
  );
});
