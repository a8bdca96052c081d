import { afterEach, describe, expect, test } from 'vitest';
import { describeRedirectSignIn, identityContract } from '#adapters/identity/identity.contract.ts';
import type { IdentityProvider } from '#adapters/identity/identity.ts';
import { askClerk, codeOf, startClerk, visit } from '#kit/identity/clerk-subject.ts';
import { manualClock } from '#kit/identity/manual-clock.ts';
import { recordingLog } from '#kit/identity/recording-log.ts';
import { createSigningKeys } from '#kit/identity/signing-keys.ts';
import { clerkAdapter } from './clerk.ts';

const redirectUri = 'https://gateway.test/callback';
const broker = { clientId: 'oauthClient01TEST', clientSecret: 'oauth_secret_of_the_tests' };
const path = '/organization_memberships';

const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0)) await close();
});

async function startForTest(...options: Parameters<typeof startClerk>) {
  const started = await startClerk(...options);
  opened.push(started.close);
  return started;
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
    const started = await startClerk(kind === 'oauth' ? { audiences: ['https://gw.test/mcp'] } : {});
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
  const { fake, log, provider, close } = await startClerk(broker);
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
    expect(await askClerk(provider)).toEqual({ roles: ['admin', 'member'] });
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

describe('signing in at Clerk', () => {
  test('an entry with a client id signs people in, one without accepts tokens', async () => {
    expect((await startForTest()).provider).toMatchObject({ mode: 'direct', name: 'clerk', title: 'Clerk' });
    expect((await startForTest(broker)).provider).toMatchObject({ mode: 'broker' });
    expect((await startForTest({ ...broker, mode: 'direct' })).provider.signIn).toBeUndefined();
  });

  test('roles are mapped, and a membership of a moment ago counts', async () => {
    const { fake, provider } = await startForTest({ ...broker, roleMapping: { 'org:admin': ['admin'] } });
    await askClerk(provider);
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
