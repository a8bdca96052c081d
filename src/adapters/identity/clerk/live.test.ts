/** What Clerk is asked about live: opaque tokens and memberships. */
import { afterEach, describe, expect, test } from 'vitest';
import { askClerk, codeOf, startClerk } from '#kit/identity/clerk-subject.ts';

const path = '/organization_memberships';
const verifyPath = '/access_tokens/verify';

const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0)) await close();
});

async function startForTest(...options: Parameters<typeof startClerk>) {
  const started = await startClerk(...options);
  opened.push(started.close);
  return started;
}

describe('OAuth access tokens', () => {
  test('as JWTs they name a person and no organization unless one was chosen [X4.2]', async () => {
    const { fake, provider } = await startForTest();
    const plain = await provider.verify(await fake.signOauth());
    expect([plain.subject, plain.organization, plain.scopes]).toEqual(['user_1', undefined, undefined]);
    const chosen = await provider.verify(await fake.signOauth({ org_id: 'org_2', scope: 'openid mcp:read' }));
    expect(chosen).toMatchObject({ organization: 'org_2', scopes: ['mcp:read'] });
    expect(await codeOf(provider.verify(await fake.signOauth({ sub: 'mch_1' })))).toBe('invalid_token');
    expect(await codeOf(provider.verify(await fake.signOauth({ aud: 'https://other.test' })))).toBe('invalid_token');
  });

  test('opaque ones are asked about once a minute, however many calls [X4.2]', async () => {
    const { clock, fake, provider } = await startForTest();
    const token = fake.giveOpaque();
    const verified = await Promise.all(Array.from({ length: 50 }, () => provider.verify(token)));
    expect(verified[0]).toMatchObject({
      subject: 'user_1',
      issuer: fake.issuer,
      expiresAt: clock.now() + 60_000,
      claims: { sub: 'user_1', client_id: fake.clientId, scope: 'openid email' },
    });
    clock.advance(59_000);
    await provider.verify(token);
    expect(fake.count(verifyPath)).toBe(1);
    clock.advance(1001);
    await provider.verify(token);
    expect(fake.count(verifyPath)).toBe(2);
    expect(fake.count('jwks')).toBe(0);
  });

  test('a revoked or expired opaque token is out within a minute, at once where we are told [X4.2]', async () => {
    const { clock, fake, provider } = await startForTest();
    const [revoked, told, short] = [
      fake.giveOpaque(),
      fake.giveOpaque(),
      fake.giveOpaque({ expiration: clock.now() + 5000 }),
    ];
    for (const token of [revoked, told, short]) expect(await codeOf(provider.verify(token))).toBe('fine');
    fake.setOpaque(revoked, { revoked: true });
    fake.setOpaque(told, { revoked: true });
    provider.forget?.('user_1');
    expect(await codeOf(provider.verify(told))).toBe('invalid_token');
    clock.advance(5001);
    expect(await codeOf(provider.verify(short))).toBe('invalid_token');
    clock.advance(60_000);
    expect(await codeOf(provider.verify(revoked))).toBe('invalid_token');
  });

  test('what Clerk does not know is asked about once, what does not look like a token never', async () => {
    const { clock, fake, provider } = await startForTest();
    for (let call = 0; call < 5; call++)
      expect(await codeOf(provider.verify('oat_made_up_12345'))).toBe('invalid_token');
    expect(fake.count(verifyPath)).toBe(1);
    for (const token of [
      'oat_',
      'oat_x',
      `oat_${'a'.repeat(600)}`,
      'oat_a b c d e f g',
      'oat_aaaaaaaa/../x',
      'oat_é12345678',
    ]) {
      expect(await codeOf(provider.verify(token))).toBe('invalid_token');
    }
    expect(fake.count(verifyPath)).toBe(1);
    clock.advance(30_001);
    await codeOf(provider.verify('oat_made_up_12345'));
    expect(fake.count(verifyPath)).toBe(2);
  });

  test('machines, other audiences and missing audiences are refused in the opaque form too [X0.3]', async () => {
    const { fake, provider } = await startForTest();
    expect(await codeOf(provider.verify(fake.giveOpaque({ user: 'mch_1' })))).toBe('invalid_token');
    expect(await codeOf(provider.verify(fake.giveOpaque({ audience: ['https://other.test'] })))).toBe('invalid_token');
    const strict = await startForTest({ audiences: ['https://gw.test'] });
    expect(await codeOf(strict.provider.verify(strict.fake.giveOpaque()))).toBe('invalid_token');
    const named = strict.fake.giveOpaque({ audience: ['https://gw.test', 'https://other.test'] });
    expect(await codeOf(strict.provider.verify(named))).toBe('fine');
  });

  test('one that never expires is believed for a minute at a time', async () => {
    const { clock, fake, provider } = await startForTest();
    const verified = await provider.verify(fake.giveOpaque({ expiration: null }));
    expect(verified.expiresAt).toBe(clock.now() + 60_000);
  });

  test.each([500, 401, 429, 'garbage', 'empty', 'huge', 'reset', 'silent', 'redirect'] as const)(
    'during an outage (%s) known ones serve out their minute, then it is 503, never 401',
    async (fault) => {
      const { clock, fake, provider } = await startForTest();
      const token = fake.giveOpaque();
      await provider.verify(token);
      fake.break(fault, verifyPath);
      clock.advance(30_000);
      expect(await codeOf(provider.verify(token))).toBe('fine');
      clock.advance(30_001);
      expect(await codeOf(provider.verify(token))).toBe('identity_unavailable');
      fake.break(undefined);
      clock.advance(60_000);
      expect(await codeOf(provider.verify(token))).toBe('fine');
    },
  );

  test('they can be switched off', async () => {
    const { fake, provider } = await startForTest({ opaqueTokens: false });
    expect(provider.tokenPrefixes).toBeUndefined();
    expect(await codeOf(provider.verify(fake.giveOpaque()))).toBe('invalid_token');
    expect(fake.requests).toHaveLength(0);
  });

  test('no token, and no secret key, is in the log', async () => {
    const { clock, fake, log, provider } = await startForTest();
    const token = fake.giveOpaque();
    for (const fault of [401, 500, 'garbage', 'empty', 'reset'] as const) {
      fake.break(fault, verifyPath);
      await codeOf(provider.verify(token));
      fake.break(fault, path);
      await codeOf(askClerk(provider));
      fake.break(undefined);
      clock.advance(61_000);
    }
    expect(log.text()).toContain('CLERK_SECRET_KEY');
    expect(log.text()).not.toContain(token);
    expect(log.text()).not.toContain(fake.secretKey);
  });
});

describe('memberships', () => {
  test('are asked live: organization and role [S4.2]', async () => {
    const { fake, provider } = await startForTest();
    expect(await askClerk(provider)).toEqual({ roles: ['org:admin'] });
    expect(await askClerk(provider, 'user_1', 'org_2')).toEqual({ roles: ['org:member'] });
    expect(await askClerk(provider, 'user_2')).toBeUndefined();
    expect(await askClerk(provider, 'user_nobody')).toBeUndefined();
    expect(await provider.organizations?.('user_1')).toEqual(['org_1', 'org_2']);
    expect(fake.count(path)).toBe(3);
  });

  test('all pages count', async () => {
    const { fake, provider } = await startForTest();
    for (let index = 100; index < 350; index++) fake.setMembership('user_1', `org_${index}`, 'org:member');
    expect(await askClerk(provider, 'user_1', 'org_349')).toEqual({ roles: ['org:member'] });
    expect(await provider.organizations?.('user_1')).toHaveLength(252);
    expect(fake.count(path)).toBe(3);
  });

  test('somebody else’s do not count, and names stay inside their part of the address', async () => {
    const { fake, provider } = await startForTest();
    fake.ignoreFilters(true);
    expect(await askClerk(provider, 'user_2', 'org_1')).toBeUndefined();
    await askClerk(provider, 'user_1/../user_2?x=1');
    expect(fake.requests.at(-1)?.path).toBe('/v1/users/user_1%2F..%2Fuser_2%3Fx%3D1/organization_memberships');
  });

  test('questions at once and within the minute are one request, an old answer is never used [R25]', async () => {
    const { clock, fake, provider } = await startForTest();
    await Promise.all(Array.from({ length: 100 }, () => askClerk(provider)));
    clock.advance(39_000);
    await askClerk(provider);
    expect(fake.count(path)).toBe(1);
    fake.setMembership('user_1', 'org_1', undefined);
    clock.advance(21_001);
    expect(await askClerk(provider)).toBeUndefined();
  });

  test('"no member" is asked again after ten seconds: somebody may have been invited', async () => {
    const { clock, fake, provider } = await startForTest();
    expect(await askClerk(provider, 'user_2', 'org_1')).toBeUndefined();
    fake.setMembership('user_2', 'org_1', 'org:member');
    expect(await askClerk(provider, 'user_2', 'org_1')).toBeUndefined();
    clock.advance(10_001);
    expect(await askClerk(provider, 'user_2', 'org_1')).toEqual({ roles: ['org:member'] });
  });

  test.each([500, 429, 401, 'garbage', 'empty', 'huge', 'reset', 'redirect', 'silent'] as const)(
    'during an outage (%s) the answer serves out its minute, then it is 503 [S4.2]',
    async (fault) => {
      const { clock, fake, provider } = await startForTest();
      await askClerk(provider);
      fake.break(fault, path);
      clock.advance(59_000);
      expect(await askClerk(provider)).toEqual({ roles: ['org:admin'] });
      expect(await codeOf(askClerk(provider, 'user_2'))).toBe('identity_unavailable');
      clock.advance(2000);
      expect(await codeOf(askClerk(provider))).toBe('identity_unavailable');
      fake.break(undefined);
      clock.advance(61_000);
      expect(await askClerk(provider)).toEqual({ roles: ['org:admin'] });
    },
  );

  test('forgetting a person asks anew', async () => {
    const { fake, provider } = await startForTest();
    await askClerk(provider);
    fake.setMembership('user_1', 'org_1', undefined);
    provider.forget?.('user_1');
    expect(await askClerk(provider)).toBeUndefined();
  });
});
