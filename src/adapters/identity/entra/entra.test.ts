import { afterEach, describe, expect, test } from 'vitest';
import { identityContract } from '#adapters/identity/identity.contract.ts';
import type { GatehouseError } from '#core/error.ts';
import type { Log } from '#core/log.ts';
import { openEgress } from '#http/egress.ts';
import { ada, anotherTenant, aTenant, type FakeEntraOptions, startFakeEntra } from '#kit/identity/fake-entra.ts';
import { consumersTenant, type EntraUser } from '#kit/identity/fake-entra-tokens.ts';
import { manualClock } from '#kit/identity/manual-clock.ts';
import { createSigningKeys } from '#kit/identity/signing-keys.ts';
import { entraAdapter } from './entra.ts';

const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0)) await close();
});

const eve: EntraUser = { ...ada, oid: '22222222-0000-4000-8000-000000000002', upn: 'eve@fabrikam.example' };
const crowd = Array.from({ length: 450 }, (_, at) => `93000000-0000-4000-8000-${String(at).padStart(12, '0')}`);
const busy: EntraUser = { ...ada, oid: '33333333-0000-4000-8000-000000000003', groups: crowd };

async function start(config: object = {}, options: FakeEntraOptions = {}) {
  const clock = manualClock();
  const fake = await startFakeEntra({ now: clock.now, ...options });
  const egress = openEgress({ hostMap: fake.hostMap, totalMs: 300 });
  const lines: string[] = [];
  const write = (fields: object, message: string) => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const log: Log = { debug: write, info: write, warn: write, error: write };
  const settings = entraAdapter.config.parse({ tenantId: fake.tenant, clientId: fake.clientId, ...config });
  const provider = await entraAdapter.open(settings, { fetch: egress.fetch, clock, log });
  const close = async () => {
    await provider.close();
    await egress.close();
    await fake.close();
  };
  return { clock, fake, provider, lines, close };
}

async function startForTest(config: object = {}, options: FakeEntraOptions = {}) {
  const started = await start(config, options);
  opened.push(started.close);
  return started;
}

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'verified',
    (error: GatehouseError) => error.code,
  );

identityContract('entra', async () => {
  const { clock, fake, provider, close } = await start();
  const foreign = await createSigningKeys('RS256');
  const sample = () => fake.tokens.accessToken(fake.tenant, fake.user);
  return {
    provider,
    close,
    now: clock.now,
    sign: (claims, fields) => fake.tokens.accessToken(fake.tenant, fake.user, claims, { header: fields ?? {} }),
    signWithForeignKey: async () =>
      foreign.sign(JSON.parse(Buffer.from((await sample()).split('.')[1] ?? '', 'base64url').toString()), {
        header: { kid: fake.tokens.keys.jwks().keys[0]?.kid },
      }),
    expectedSubject: `${aTenant}.${ada.oid}`,
    expectedIssuer: `https://login.microsoftonline.com/${aTenant}/v2.0`,
    publicPem: await fake.tokens.keys.publicPem(),
    requiredClaims: ['exp', 'iat', 'sub', 'aud', 'iss', 'tid', 'oid'],
    checksAudience: true,
    limitsLifetime: true,
    keyRequests: () => fake.count('/keys'),
  };
});

describe('tokens accepted directly', () => {
  test('versions 1.0 and 2.0 for our application name the same person, by directory and object id [B6]', async () => {
    const { fake, provider } = await startForTest({ organization: 'acme' });
    const { tokens, tenant, user } = fake;
    const two = await provider.verify(await tokens.accessToken(tenant, user));
    const one = await provider.verify(await tokens.accessTokenV1(tenant, user));
    expect([one.subject, two.subject]).toEqual([`${tenant}.${ada.oid}`, `${tenant}.${ada.oid}`]);
    expect(two).toMatchObject({ organization: 'acme', email: ada.email, name: ada.name, roles: [] });
  });

  test('an ID token is no access token, though it has the same type and audience [B8]', async () => {
    const { fake, provider } = await startForTest();
    expect(await codeOf(provider.verify(await fake.tokens.idToken(fake.tenant, fake.user)))).toBe('invalid_token');
  });

  test('a token of the same application from another directory is refused, also one that names ours [B5]', async () => {
    const { fake, provider } = await startForTest({}, { tenants: { [aTenant]: [ada], [anotherTenant]: [eve] } });
    const { tokens } = fake;
    const foreign = [
      tokens.accessToken(anotherTenant, eve),
      tokens.accessTokenV1(anotherTenant, eve),
      tokens.accessToken(anotherTenant, eve, { tid: aTenant }),
      tokens.accessToken(aTenant, ada, { tid: anotherTenant }),
      tokens.accessToken(aTenant, ada, { tid: undefined }),
      tokens.accessToken(consumersTenant, ada),
      tokens.accessToken(aTenant, ada, { iss: 'https://login.microsoftonline.com/common/v2.0' }),
      tokens.accessToken(aTenant, ada, { iss: 'https://login.microsoftonline.com/{tenantid}/v2.0' }),
    ];
    for (const token of foreign) expect(await codeOf(provider.verify(await token))).toBe('invalid_token');
  });

  test('each listed directory leads to its own organization, whatever its tokens claim [B5] [B6]', async () => {
    const { fake, provider } = await startForTest(
      { organization: 'acme', organizationClaim: 'org', tenants: { [anotherTenant]: 'fabrikam' } },
      { tenants: { [aTenant]: [ada], [anotherTenant]: [{ ...ada }] } },
    );
    const { tokens } = fake;
    const here = await provider.verify(await tokens.accessToken(aTenant, ada));
    const there = await provider.verify(await tokens.accessToken(anotherTenant, ada, { org: 'acme' }));
    expect([here.organization, there.organization]).toEqual(['acme', 'fabrikam']);
    // Same object id, same e-mail address: still somebody else.
    expect(here.subject).not.toBe(there.subject);
    const named = await provider.verify(await tokens.accessToken(aTenant, ada, { org: 'subsidiary' }));
    expect(named.organization).toBe('subsidiary');
  });

  test('without a directory, or with "common", nothing opens [B5]', () => {
    const parse = (value: object) => entraAdapter.config.safeParse({ clientId: 'c', ...value }).success;
    const wrong = [
      {},
      { tenants: {} },
      { tenantId: 'common' },
      { tenantId: 'organizations' },
      { tenantId: 'a.example' },
    ];
    expect(wrong.map(parse)).toEqual([false, false, false, false, false]);
    expect(parse({ tenantId: aTenant.toUpperCase() })).toBe(true);
  });

  test('a token for Microsoft Graph is refused, and the log says what to do [S2.6]', async () => {
    const { fake, provider, lines } = await startForTest();
    const token = await fake.tokens.graphToken(fake.tenant, fake.user);
    expect(await codeOf(provider.verify(token))).toBe('invalid_token');
    expect(lines.join()).toContain('Microsoft Graph was presented');
    expect(lines.join()).not.toContain(token);
  });

  test('applications without a user are refused unless allowed', async () => {
    const closed = await startForTest();
    const robot = '44444444-0000-4000-8000-000000000004';
    const marks = [{ idtyp: 'app' }, {}, { azp: undefined, appid: closed.fake.clientId }];
    for (const claims of marks) {
      const token = await closed.fake.tokens.appToken(aTenant, robot, claims);
      expect(await codeOf(closed.provider.verify(token))).toBe('invalid_token');
    }
    const open = await startForTest({ allowApplications: true });
    const token = await open.fake.tokens.appToken(aTenant, robot, { idtyp: 'app', roles: ['Tools.Call'] });
    expect(await open.provider.verify(token)).toMatchObject({ subject: `${aTenant}.${robot}`, roles: ['Tools.Call'] });
  });

  test('app roles stay, groups and directory roles become roles where they are mapped', async () => {
    const { fake, provider } = await startForTest({
      roleMapping: { 'Tools.Admin': ['admin'], [crowd[0] ?? '']: ['staff'], 'wid-1': ['auditor'] },
    });
    const token = await fake.tokens.accessToken(fake.tenant, {
      ...ada,
      roles: ['Tools.Admin', 'Reader'],
      groups: crowd.slice(0, 3),
      wids: ['wid-1', 'wid-2'],
    });
    expect((await provider.verify(token)).roles).toEqual(['Reader', 'admin', 'auditor', 'staff']);
  });

  test('what the directory publishes is relayed, with PKCE that it supports but does not mention', async () => {
    const { fake, provider } = await startForTest();
    expect(await provider.metadata?.()).toMatchObject({
      issuer: `https://login.microsoftonline.com/${fake.tenant}/v2.0`,
      code_challenge_methods_supported: ['S256'],
    });
  });
});

describe('more than 200 groups', () => {
  const tenants = { [aTenant]: [busy] };
  const roleMapping = { [crowd[449] ?? '']: ['last'] };

  test('are denied without a secret to ask Graph with, and the log says why [X2.2]', async () => {
    const { fake, provider, lines } = await startForTest({}, { tenants });
    const token = await fake.tokens.accessToken(fake.tenant, busy);
    expect(await codeOf(provider.verify(token))).toBe('forbidden');
    const hint = await fake.tokens.accessToken(fake.tenant, ada, { hasgroups: true });
    expect(await codeOf(provider.verify(hint))).toBe('forbidden');
    expect(lines.join()).toMatch(/Denied: Entra left the groups out.*ENTRA_CLIENT_SECRET.*GroupMember\.Read\.All/);
  });

  test('are all found at Graph, page by page, and kept for less than a minute [X2.2]', async () => {
    const { fake, provider, clock } = await startForTest(
      { mode: 'direct', clientSecret: 'entra-client-secret~value', roleMapping },
      { tenants, graphPage: 100 },
    );
    const verify = async () => provider.verify(await fake.tokens.accessToken(fake.tenant, busy));
    const verified = await verify();
    expect(verified.roles).toEqual(['last']);
    expect(verified.claims.groups).toEqual(crowd);
    await verify();
    expect(fake.count('getMemberObjects')).toBe(5);
    clock.advance(61_000);
    await verify();
    expect(fake.count('getMemberObjects')).toBe(10);
    expect(fake.requests.some(({ headers }) => headers.host?.includes('graph.windows.net'))).toBe(false);
    provider.forget?.(verified.subject);
    await verify();
    expect(fake.count('getMemberObjects')).toBe(15);
  });

  test('are denied where Graph refuses, and nobody is let in while Graph is away [X2.2]', async () => {
    const { fake, provider, lines, clock } = await startForTest(
      { mode: 'direct', clientSecret: 'entra-client-secret~value', roleMapping },
      { tenants },
    );
    const verify = async () => codeOf(provider.verify(await fake.tokens.accessToken(fake.tenant, busy)));
    fake.refuseGraph(true);
    expect(await verify()).toBe('forbidden');
    expect(lines.join()).toContain('GroupMember.Read.All and User.ReadBasic.All');
    fake.refuseGraph(false);
    for (const fault of [500, 'silent', 'garbage', 'empty', 'reset'] as const) {
      clock.advance(61_000);
      fake.break(fault, 'getMemberObjects');
      expect([fault, await verify()]).toEqual([fault, 'identity_unavailable']);
    }
    fake.break(undefined);
    clock.advance(61_000);
    expect(await verify()).toBe('verified');
  });

  test('a wrong secret lets nobody in and is said in the log, without the secret', async () => {
    const { fake, provider, lines } = await startForTest({ mode: 'direct', clientSecret: 'wrong-secret' }, { tenants });
    expect(await codeOf(provider.verify(await fake.tokens.accessToken(fake.tenant, busy)))).toBe(
      'identity_unavailable',
    );
    expect(lines.join()).toContain('Entra refuses the client secret');
    expect(lines.join()).not.toContain('wrong-secret');
  });
});

describe('bridge mode', () => {
  test('the ID token of our application counts, one of another application does not [S2.9] [X2.2]', async () => {
    const { fake, provider } = await startForTest({ mode: 'bridge', organization: 'acme' });
    const { tokens, tenant, user } = fake;
    expect(await provider.verify(await tokens.idToken(tenant, user))).toMatchObject({
      subject: `${tenant}.${ada.oid}`,
      organization: 'acme',
    });
    const expired = Math.floor(Date.now() / 1000) - 7200;
    const wrong = [
      { aud: 'another-application' },
      { aud: `api://${fake.clientId}` },
      { aud: [fake.clientId, 'another-application'] },
      { iss: `https://login.microsoftonline.com/${anotherTenant}/v2.0` },
      { iat: expired - 3600, nbf: expired - 3600, exp: expired },
      { tid: anotherTenant },
      { events: {} },
    ];
    for (const claims of wrong) {
      const token = await tokens.idToken(tenant, user, claims);
      expect([claims, await codeOf(provider.verify(token))]).toEqual([claims, 'invalid_token']);
    }
    const [head, payload] = (await tokens.idToken(tenant, user)).split('.');
    expect(await codeOf(provider.verify(`${head}.${payload}.AAAA`))).toBe('invalid_token');
  });

  test('a Graph token is refused with advice in the log, an ID token with too many groups is denied [X2.2] [S2.6]', async () => {
    const { fake, provider, lines } = await startForTest({ mode: 'bridge' }, { tenants: { [aTenant]: [busy] } });
    expect(await codeOf(provider.verify(await fake.tokens.graphToken(fake.tenant, busy)))).toBe('invalid_token');
    expect(lines.join()).toContain('clients must sign in through this gateway');
    expect(await codeOf(provider.verify(await fake.tokens.idToken(fake.tenant, busy)))).toBe('forbidden');
  });
});
