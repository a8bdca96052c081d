import { afterEach, describe, expect, test } from 'vitest';
import { describeRedirectSignIn, identityContract } from '#adapters/identity/identity.contract.ts';
import type { IdentityProvider } from '#adapters/identity/identity.ts';
import type { GatehouseError } from '#core/error.ts';
import { openEgress } from '#http/egress.ts';
import { type FakeClerkOptions, startFakeClerk } from '#kit/identity/fake-clerk.ts';
import { manualClock } from '#kit/identity/manual-clock.ts';
import { recordingLog } from '#kit/identity/recording-log.ts';
import { createSigningKeys } from '#kit/identity/signing-keys.ts';
import { clerkAdapter } from './clerk.ts';

const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0)) await close();
});

const redirectUri = 'https://gateway.test/callback';
const broker = { clientId: 'oauthClient01TEST', clientSecret: 'oauth_secret_of_the_tests' };
const path = '/organization_memberships';
const verifyPath = '/access_tokens/verify';

async function start(config: object = {}, options: FakeClerkOptions = {}) {
  const clock = manualClock();
  const log = recordingLog();
  const organizations = { org_1: { user_1: 'org:admin' }, org_2: { user_1: 'org:member', user_2: 'org:member' } };
  const fake = await startFakeClerk({ organizations, now: clock.now, ...options });
  const egress = openEgress({ allow: ['127.0.0.1'], totalMs: 300 });
  const entry = { secretKey: fake.secretKey, frontendApi: fake.issuer, apiUrl: fake.url, ...config };
  const provider = await clerkAdapter.open(clerkAdapter.config.parse(entry), { fetch: egress.fetch, clock, log });
  const close = async () => {
    await provider.close();
    await egress.close();
    await fake.close();
  };
  return { clock, fake, log, provider, close };
}

async function startForTest(config: object = {}, options: FakeClerkOptions = {}) {
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

async function visit(url: string): Promise<URL> {
  const answer = await fetch(url, { redirect: 'manual' });
  const location = answer.headers.get('location');
  if (location === null) throw new Error(`no redirect: ${answer.status}`);
  return new URL(location);
}

async function signInOf(provider: IdentityProvider) {
  const { signIn } = provider;
  if (signIn?.method !== 'redirect') throw new Error('no sign-in by redirect');
  const request = { redirectUri, state: crypto.randomUUID() };
  const { url, memory } = await signIn.start(request);
  return signIn.finish(await visit(url), { ...request, memory });
}

for (const kind of ['session', 'oauth'] as const) {
  identityContract(`clerk, ${kind} tokens`, async () => {
    const started = await start(kind === 'oauth' ? { audiences: ['https://gw.test/mcp'] } : {});
    const { clock, fake, provider, close } = started;
    const audience = kind === 'oauth' ? { aud: 'https://gw.test/mcp' } : {};
    const foreign = await createSigningKeys('RS256');
    const seconds = Math.floor(clock.now() / 1000);
    const bare = { iss: fake.issuer, sub: 'user_1', sid: 'sess_1', iat: seconds, exp: seconds + 60, ...audience };
    const header = { kid: fake.keys.jwks().keys[0]?.kid, ...(kind === 'oauth' && { typ: 'at+jwt' }) };
    return {
      provider,
      close,
      now: clock.now,
      sign: (claims, fields) =>
        kind === 'oauth'
          ? fake.signOauth({ ...audience, scope: undefined, sid: 'sess_1', ...claims }, { header: fields ?? {} })
          : fake.signSession(claims, { header: fields ?? {} }),
      signWithForeignKey: () => foreign.sign(bare, { header }),
      expectedSubject: 'user_1',
      expectedIssuer: fake.issuer,
      publicPem: await fake.keys.publicPem(),
      requiredClaims: ['exp', 'iat', 'sub', 'iss', ...(kind === 'oauth' ? ['aud'] : ['sid'])],
      checksAudience: kind === 'oauth' ? true : 'where named',
      limitsLifetime: true,
      keyRequests: () => fake.count('jwks'),
    };
  });
}

describeRedirectSignIn('clerk', async () => {
  const { fake, log, provider, close } = await start(broker);
  const { signIn } = provider;
  if (signIn?.method !== 'redirect') throw new Error('no sign-in by redirect');
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
      username: 'one',
      organizations: [
        { id: 'org_1', roles: ['org:admin'] },
        { id: 'org_2', roles: ['org:member'] },
      ],
    },
    changeEmail: (email) => fake.setUser({ id: 'user_1', email }),
    breakTokens: (fault) => fake.break(fault, '/oauth/token'),
    breakStart: (fault) => fake.break(fault, '/.well-known/o'),
    secrets: () => [fake.secretKey, fake.clientSecret, ...fake.issued],
    logged: () => log.text(),
    hints: { loginHint: 'login_hint' },
    idToken: { change: (claims) => fake.changeIdToken(claims), useForeignKey: (used) => fake.useForeignKey(used) },
  };
});

describe('session tokens', () => {
  test('version 2 says who, in which organization, and with which role [S4.2]', async () => {
    const { fake, provider } = await startForTest();
    const o = { id: 'org_1', slg: 'acme', rol: 'admin', per: 'read,write', fpm: '3,2' };
    const verified = await provider.verify(await fake.signSession({ o, fea: 'o:mcp,u:mail,o:billing' }));
    expect(verified).toMatchObject({ subject: 'user_1', organization: 'org_1', roles: ['org:admin'] });
    expect(verified.claims).toMatchObject({
      org_id: 'org_1',
      org_slug: 'acme',
      org_role: 'org:admin',
      org_permissions: ['org:mcp:read', 'org:mcp:write', 'org:billing:write'],
    });
  });

  test('version 1 comes out the same [S4.2]', async () => {
    const { fake, provider } = await startForTest();
    const verified = await provider.verify(
      await fake.signSessionV1({ id: 'org_1', slug: 'acme', role: 'admin' }, { org_permissions: ['org:mcp:read'] }),
    );
    expect(verified).toMatchObject({ subject: 'user_1', organization: 'org_1', roles: ['org:admin'] });
    expect(verified.claims).toMatchObject({ org_role: 'org:admin', org_permissions: ['org:mcp:read'] });
  });

  test('without an active organization there is none, whatever the other version would say [S4.2]', async () => {
    const { fake, provider } = await startForTest();
    for (const claims of [{}, { o: {} }, { o: null }, { o: 'org_1' }, { o: { id: 5 } }, { org_id: 'org_1' }]) {
      const verified = await provider.verify(await fake.signSession(claims));
      expect([claims, verified.organization, verified.roles]).toEqual([claims, undefined, undefined]);
    }
    const first = await provider.verify(await fake.signSessionV1(undefined, { o: { id: 'org_1', rol: 'admin' } }));
    expect(first.organization).toBeUndefined();
  });

  test('roles are mapped as the configuration says', async () => {
    const { fake, provider } = await startForTest({ roleMapping: { 'org:admin': ['admin', 'member'] } });
    const verified = await provider.verify(await fake.signSession({ o: { id: 'org_1', rol: 'admin' } }));
    expect(verified.roles).toEqual(['admin', 'member']);
    expect(await ask(provider)).toEqual({ roles: ['admin', 'member'] });
  });

  test('a token made for another page is refused, one that names none too [X4.2] [X0.3]', async () => {
    const { fake, provider } = await startForTest({ authorizedParties: ['https://app.test', 'https://two.test'] });
    const at = async (azp: unknown) => codeOf(provider.verify(await fake.signSession({ azp })));
    expect(await at('https://app.test')).toBe('fine');
    expect(await at('https://two.test')).toBe('fine');
    for (const azp of [
      'https://evil.test',
      'https://app.test.evil.test',
      'https://app.test/',
      '',
      undefined,
      null,
      ['https://app.test'],
    ]) {
      expect([azp, await at(azp)]).toEqual([azp, 'invalid_token']);
    }
  });

  test('without a list of pages the log says that every page may call [X4.2]', async () => {
    expect((await startForTest()).log.text()).toContain('authorizedParties');
    expect((await startForTest({ authorizedParties: ['https://app.test'] })).log.text()).toBe('');
  });

  test('tokens for machines, of templates, of unfinished and of borrowed sessions are nobody’s [B8]', async () => {
    const { fake, provider } = await startForTest();
    const bad: readonly (readonly [object, object?])[] = [
      [{ sub: 'mch_1' }],
      [{ sub: 'user@example.com' }],
      [{ sid: undefined }],
      [{ sts: 'pending' }],
      [{ act: { sub: 'user_support' } }],
      [{}, { cat: 'cl_B7d4PD222AAA' }],
      [{}, { cat: 'cl_B7d4PD333AAA' }],
    ];
    for (const [claims, header] of bad) {
      const token = await fake.signSession({ ...claims }, { header: { ...header } });
      expect([claims, header, await codeOf(provider.verify(token))]).toEqual([claims, header, 'invalid_token']);
    }
    for (const cat of ['cl_B7d4PD111AAA', 'cl_I7d4PD111III', undefined]) {
      expect(await codeOf(provider.verify(await fake.signSession({}, { header: { cat } })))).toBe('fine');
    }
  });

  test('an ID token of the same instance opens nothing [B8] [X4.3]', async () => {
    const { fake, provider } = await startForTest();
    const idToken = { aud: fake.clientId, sid: undefined, azp: undefined, email: 'user_1@example.com' };
    expect(await codeOf(provider.verify(await fake.signSession(idToken)))).toBe('invalid_token');
    expect(await codeOf(provider.verify(await fake.signSession({ ...idToken, sid: 'sess_1' })))).toBe('invalid_token');
  });
});

describe('keys', () => {
  test('come from the Backend API, and from the Frontend API where that is out of order', async () => {
    const { fake, provider } = await startForTest();
    fake.break(503, '/v1/jwks');
    expect(await codeOf(provider.verify(await fake.signSession()))).toBe('fine');
    expect(fake.requests.map((request) => request.path)).toEqual(['/v1/jwks', '/.well-known/jwks.json']);
    expect(fake.requests[1]?.headers.authorization).toBeUndefined();
  });

  test('a new key is found at once, and an outage signs nobody out (R19) [X4.3]', async () => {
    const { clock, fake, provider } = await startForTest();
    await provider.verify(await fake.signSession());
    clock.advance(31_000);
    await fake.keys.rotate();
    expect(await codeOf(provider.verify(await fake.signSession()))).toBe('fine');
    expect(fake.count('/v1/jwks')).toBe(2);
    fake.break(500, 'jwks');
    clock.advance(3_600_000);
    expect(await codeOf(provider.verify(await fake.signSession()))).toBe('fine');
  });

  test('no keys at all: nobody is judged, nobody is let in', async () => {
    const { fake, provider } = await startForTest();
    fake.break('reset', 'jwks');
    expect(await codeOf(provider.verify(await fake.signSession()))).toBe('identity_unavailable');
  });
});

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
      await codeOf(ask(provider));
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
    expect(await ask(provider)).toEqual({ roles: ['org:admin'] });
    expect(await ask(provider, 'user_1', 'org_2')).toEqual({ roles: ['org:member'] });
    expect(await ask(provider, 'user_2')).toBeUndefined();
    expect(await ask(provider, 'user_nobody')).toBeUndefined();
    expect(await provider.organizations?.('user_1')).toEqual(['org_1', 'org_2']);
    expect(fake.count(path)).toBe(3);
  });

  test('all pages count', async () => {
    const { fake, provider } = await startForTest();
    for (let index = 100; index < 350; index++) fake.setMembership('user_1', `org_${index}`, 'org:member');
    expect(await ask(provider, 'user_1', 'org_349')).toEqual({ roles: ['org:member'] });
    expect(await provider.organizations?.('user_1')).toHaveLength(252);
    expect(fake.count(path)).toBe(3);
  });

  test('somebody else’s do not count, and names stay inside their part of the address', async () => {
    const { fake, provider } = await startForTest();
    fake.ignoreFilters(true);
    expect(await ask(provider, 'user_2', 'org_1')).toBeUndefined();
    await ask(provider, 'user_1/../user_2?x=1');
    expect(fake.requests.at(-1)?.path).toBe('/v1/users/user_1%2F..%2Fuser_2%3Fx%3D1/organization_memberships');
  });

  test('questions at once and within the minute are one request, an old answer is never used [R25]', async () => {
    const { clock, fake, provider } = await startForTest();
    await Promise.all(Array.from({ length: 100 }, () => ask(provider)));
    clock.advance(39_000);
    await ask(provider);
    expect(fake.count(path)).toBe(1);
    fake.setMembership('user_1', 'org_1', undefined);
    clock.advance(21_001);
    expect(await ask(provider)).toBeUndefined();
  });

  test('"no member" is asked again after ten seconds: somebody may have been invited', async () => {
    const { clock, fake, provider } = await startForTest();
    expect(await ask(provider, 'user_2', 'org_1')).toBeUndefined();
    fake.setMembership('user_2', 'org_1', 'org:member');
    expect(await ask(provider, 'user_2', 'org_1')).toBeUndefined();
    clock.advance(10_001);
    expect(await ask(provider, 'user_2', 'org_1')).toEqual({ roles: ['org:member'] });
  });

  test.each([500, 429, 401, 'garbage', 'empty', 'huge', 'reset', 'redirect', 'silent'] as const)(
    'during an outage (%s) the answer serves out its minute, then it is 503 [X4.1]',
    async (fault) => {
      const { clock, fake, provider } = await startForTest();
      await ask(provider);
      fake.break(fault, path);
      clock.advance(59_000);
      expect(await ask(provider)).toEqual({ roles: ['org:admin'] });
      expect(await codeOf(ask(provider, 'user_2'))).toBe('identity_unavailable');
      clock.advance(2000);
      expect(await codeOf(ask(provider))).toBe('identity_unavailable');
      fake.break(undefined);
      clock.advance(61_000);
      expect(await ask(provider)).toEqual({ roles: ['org:admin'] });
    },
  );

  test('forgetting a person asks anew', async () => {
    const { fake, provider } = await startForTest();
    await ask(provider);
    fake.setMembership('user_1', 'org_1', undefined);
    provider.forget?.('user_1');
    expect(await ask(provider)).toBeUndefined();
  });
});

describe('signing in at Clerk', () => {
  test('an entry with a client id signs people in, one without accepts tokens', async () => {
    expect((await startForTest()).provider).toMatchObject({ mode: 'direct', name: 'clerk', title: 'Clerk' });
    expect((await startForTest(broker)).provider).toMatchObject({ mode: 'broker' });
    expect((await startForTest({ ...broker, mode: 'direct' })).provider.signIn).toBeUndefined();
  });

  test('roles are mapped, and a membership of a moment ago counts', async () => {
    const { fake, provider } = await startForTest({ ...broker, roleMapping: { 'org:admin': ['admin'] } });
    await ask(provider);
    fake.setMembership('user_1', 'org_9', 'org:admin');
    const { organizations } = await signInOf(provider);
    expect(organizations).toContainEqual({ id: 'org_9', roles: ['admin'] });
  });

  test('an unverified e-mail address is said to be one', async () => {
    const { fake, provider } = await startForTest(broker);
    fake.setUser({ id: 'user_1', email: 'x@example.com', emailVerified: false });
    expect(await signInOf(provider)).toMatchObject({ email: 'x@example.com', emailVerified: false });
  });

  test('memberships that cannot be read are an outage', async () => {
    const { fake, provider } = await startForTest(broker);
    fake.break(500, path);
    expect(await codeOf(signInOf(provider))).toBe('identity_unavailable');
  });

  test('a wrong client secret is the fault of the gateway', async () => {
    const { provider } = await startForTest({ ...broker, clientSecret: 'another' });
    expect(await codeOf(signInOf(provider))).toBe('identity_unavailable');
  });
});

describe('settings', () => {
  const parse = (entry: object) => clerkAdapter.config.safeParse({ secretKey: 'sk_test_x', ...entry });
  const pk = (text: string) => `pk_live_${Buffer.from(text).toString('base64')}`;

  test('the publishable key names the issuer [S4.6]', async () => {
    const entry = { secretKey: 'sk', publishableKey: pk('clerk.Example.com$') };
    const deps = { fetch, clock: manualClock(), log: recordingLog() };
    const provider = await clerkAdapter.open(clerkAdapter.config.parse(entry), deps);
    expect(provider.issuers).toEqual(['https://clerk.example.com']);
    expect(provider.authorizationServer).toBe('https://clerk.example.com');
  });

  test('what cannot work is refused with what to do', () => {
    expect(parse({}).error?.issues[0]?.message).toContain('frontendApi');
    for (const text of ['clerk.example.com', 'localhost$', 'a.b$c.d$', 'evil.test/x$', 'a b.c$', '']) {
      expect([text, parse({ publishableKey: pk(text) }).success]).toEqual([text, false]);
    }
    for (const publishableKey of ['sk_live_x', 'pk_live_', 'pk_other_Y2xlcmsuYSQ']) {
      expect(parse({ publishableKey }).success).toBe(false);
    }
    const good = { frontendApi: 'https://clerk.example.com/' };
    expect(parse(good).success).toBe(true);
    for (const more of [{ mode: 'bridge' }, { mode: 'broker' }, { clientSecret: 's' }, { typo: 1 }]) {
      expect([more, parse({ ...good, ...more }).success]).toEqual([more, false]);
    }
  });

  test('relayed metadata is Clerk’s own', async () => {
    const { fake, provider } = await startForTest();
    expect(await provider.metadata?.()).toMatchObject({
      issuer: fake.issuer,
      authorization_endpoint: `${fake.issuer}/oauth/authorize`,
    });
  });
});
