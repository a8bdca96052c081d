import { createHash, generateKeyPairSync } from 'node:crypto';
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, type JSONWebKeySet, jwtVerify, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { IdentityProvider } from '#adapters/identity/identity.ts';
import { Secret } from '#core/secret.ts';
import { withPlatform } from '#db/scope.ts';
import { type ManualClock, manualClock } from '#kit/identity/manual-clock.ts';
import { openTestServer, refresh, signIn, type TestServer } from '#kit/oauth.ts';
import { insertOrganization } from '#records/organizations.ts';
import { setMemberships, setUserActive } from '#records/users.ts';

let clock: ManualClock;
let t: TestServer;
let asked: string[];
const vendor = {
  kind: 'vendor',
  name: 'vendor',
  title: 'Vendor',
  mode: 'broker',
  issuers: [],
  verify: () => Promise.reject(new Error('not asked')),
  async memberships(subject, org) {
    asked.push(`${subject} ${org}`);
    return org === 'org_live' && subject.startsWith('live') ? { roles: ['from-vendor'] } : undefined;
  },
  close: async () => undefined,
} as const satisfies IdentityProvider;

beforeAll(async () => {
  clock = manualClock();
  asked = [];
  t = await openTestServer({ clock, brokers: [vendor] });
});
afterAll(() => t.close());

const organization = (slug: string, externalId?: string) =>
  withPlatform(t.database.db, (scope) => insertOrganization(scope, { slug, externalId, name: slug }));

function join(
  userId: string,
  orgs: readonly Awaited<ReturnType<typeof organization>>[],
  roles = ['user'],
  provider = 'test',
) {
  const memberships = orgs.map(({ id }) => ({ org: id, roles, groups: [] }));
  return withPlatform(t.database.db, (scope) => setMemberships(scope, { userId, provider, memberships }));
}

describe('what an access token says', () => {
  test('the claims of S1.17, typ at+jwt, RS256 by default, and the key is the one published [S1.17] [S1.18]', async () => {
    const resource = `${t.issuer}/acme/mcp`;
    const session = await signIn(t, {
      subject: '583231',
      username: 'octocat',
      email: 'o@example.com',
      name: 'Octo',
      resource,
    });
    const jwks: JSONWebKeySet = JSON.parse(await (await fetch(`${t.url}/jwks`)).text());
    const header = decodeProtectedHeader(session.accessToken);
    expect(header).toMatchObject({ alg: 'RS256', typ: 'at+jwt' });
    const { payload } = await jwtVerify(session.accessToken, createLocalJWKSet(jwks));
    expect(payload).toMatchObject({
      sub: '583231',
      username: 'octocat',
      email: 'o@example.com',
      name: 'Octo',
      scope: 'mcp:read mcp:write',
      client_id: session.client.id,
      azp: session.client.id,
      iss: t.issuer,
      aud: resource,
    });
    expect(payload.jti).toEqual(expect.any(String));
    expect(Number(payload.exp) - Number(payload.iat)).toBe(600);
    expect(payload).not.toHaveProperty('roles');
    expect(payload).not.toHaveProperty('org');
    for (const key of jwks.keys) expect(Object.keys(key).sort()).toEqual(['alg', 'e', 'kid', 'kty', 'n', 'use']);
  });

  test('without a resource the audience is the issuer [S1.17]', async () => {
    expect(decodeJwt((await signIn(t)).accessToken).aud).toBe(t.issuer);
  });

  test('org is that of the endpoint if the person is its member, else their only one, else absent', async () => {
    const [red, blue] = [await organization('red', 'org_red'), await organization('blue')];
    const session = await signIn(t, { resource: `${t.issuer}/org_red/mcp` });
    const orgNow = async () => {
      clock.advance(11_000);
      const { body } = await refresh(t, session);
      Object.assign(session, { refreshToken: body.refresh_token });
      return decodeJwt(String(body.access_token)).org;
    };
    expect(decodeJwt(session.accessToken).org).toBeUndefined();
    await join(session.user.id, [blue]);
    expect(await orgNow()).toBe(blue.id);
    await join(session.user.id, [red, blue]);
    expect(await orgNow()).toBe(red.id);
    const gatewayWide = await signIn(t, { subject: session.user.subject });
    expect(decodeJwt(gatewayWide.accessToken).org).toBeUndefined();
  });
});

describe('judging it', () => {
  test('a token ends with its grant, and the change feed names it', async () => {
    const session = await signIn(t);
    const verified = await t.server.tokens.verify(session.accessToken);
    expect(verified).toMatchObject({
      userId: session.user.id,
      scopes: ['mcp:read', 'mcp:write'],
      email: 'ada@example.com',
    });
    const heard: string[] = [];
    const stop = t.feed.subscribe((change) => 'id' in change && heard.push(`${change.kind} ${change.id}`));
    await t.server.provider.AccessToken.revokeByGrantId(session.grantId);
    await expect(t.server.tokens.verify(session.accessToken)).rejects.toMatchObject({ code: 'invalid_token' });
    await vi.waitFor(() => expect(heard).toContain(`token ${verified.tokenId}`));
    stop();
  });

  test('tokens of other keys, types, issuers and audiences are refused [B2] [B4] [B8]', async () => {
    const session = await signIn(t, { scope: 'openid mcp:read' });
    const claims = decodeJwt(session.accessToken);
    const header = { alg: 'RS256', typ: 'at+jwt', kid: decodeProtectedHeader(session.accessToken).kid };
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const forged = await new SignJWT(claims).setProtectedHeader(header).sign(privateKey);
    const none = `${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url')}.${session.accessToken.split('.')[1]}.`;
    for (const token of [forged, none, `${session.accessToken}x`]) {
      await expect(t.server.tokens.verify(token)).rejects.toMatchObject({ code: 'invalid_token' });
    }
  });

  test('an unknown key id costs at most one look into the database per half minute [B3]', async () => {
    const session = await signIn(t);
    const [, payload, signature] = session.accessToken.split('.');
    const spy = vi.spyOn(t.database.db, 'transaction');
    for (let i = 0; i < 20; i++) {
      const header = Buffer.from(JSON.stringify({ alg: 'RS256', typ: 'at+jwt', kid: `' or ${i}=${i}` })).toString(
        'base64url',
      );
      await expect(t.server.tokens.verify(`${header}.${payload}.${signature}`)).rejects.toMatchObject({
        code: 'invalid_token',
      });
    }
    expect(spy.mock.calls.length).toBeLessThanOrEqual(1);
    spy.mockRestore();
  });
});

describe('memberships', () => {
  const membership = (subject: string, org: string) => t.server.tokens.memberships?.(subject, org);

  test('are kept for a minute without a statement, asked once by many, and a change is heard at once [B11] [B16]', async () => {
    const org = await organization('green');
    const { user } = await signIn(t);
    const heard: string[] = [];
    const stop = t.feed.subscribe((change) => 'id' in change && heard.push(change.id));
    await join(user.id, [org], ['admin']);
    await vi.waitFor(() => expect(heard).toContain(user.id));
    stop();
    await vi.waitFor(async () => expect(await membership(user.subject, org.id)).toEqual({ roles: ['admin'] }));
    const spy = vi.spyOn(t.database.db, 'transaction');
    await Promise.all(Array.from({ length: 20 }, () => membership(user.subject, org.id)));
    expect(spy).toHaveBeenCalledTimes(0);
    clock.advance(60_001);
    await Promise.all(Array.from({ length: 20 }, () => membership(user.subject, org.id)));
    expect(spy).toHaveBeenCalledTimes(1);
    spy.mockRestore();
    await join(user.id, [org], ['viewer']);
    await vi.waitFor(async () => expect(await membership(user.subject, org.id)).toEqual({ roles: ['viewer'] }));
    await join(user.id, []);
    await vi.waitFor(async () => expect(await membership(user.subject, org.id)).toBeUndefined());
    await join(user.id, [org], ['viewer']);
    await vi.waitFor(async () => expect(await membership(user.subject, org.id)).toEqual({ roles: ['viewer'] }));
    await withPlatform(t.database.db, (scope) =>
      setUserActive(scope, { userId: user.id, active: false, nowMs: clock.now() }),
    );
    await vi.waitFor(async () => expect(await membership(user.subject, org.id)).toBeUndefined());
  });

  test('are the live word of an identity provider that can be asked, not the table [B16]', async () => {
    const live = await organization('live', 'org_live');
    const left = await organization('left', 'org_left');
    const { user } = await signIn(t, { provider: 'vendor', subject: 'live-1' });
    await join(user.id, [live, left], ['from-table'], 'vendor');
    await vi.waitFor(async () => expect(await membership(user.subject, live.id)).toEqual({ roles: ['from-vendor'] }));
    expect(await membership(user.subject, left.id)).toBeUndefined();
    expect(asked).toContain('live-1 org_live');
  });
});

test('ES256 where it is set [S1.17]', async () => {
  const es = await openTestServer({ settings: { signingAlgorithm: 'ES256' } });
  const { accessToken } = await signIn(es);
  expect(decodeProtectedHeader(accessToken).alg).toBe('ES256');
  await expect(es.server.tokens.verify(accessToken)).resolves.toHaveProperty('tokenId');
  await es.close();
});

test('a key that the operator gives signs, under its thumbprint [S1.45]', async () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const signingKey = new Secret(Buffer.from(pem).toString('base64'));
  const given = await openTestServer({ database: t.database, issuer: t.issuer, settings: { signingKey } });
  const { accessToken } = await signIn(given);
  const { kid } = decodeProtectedHeader(accessToken);
  const { n, e } = privateKey.export({ format: 'jwk' });
  expect(kid).toBe(
    createHash('sha256')
      .update(JSON.stringify({ e, kty: 'RSA', n }))
      .digest('base64url'),
  );
  await expect(given.server.tokens.verify(accessToken)).resolves.toHaveProperty('tokenId');
  await given.close();
  for (const wrong of ['-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----', 'AAAA']) {
    await expect(
      openTestServer({ database: t.database, issuer: t.issuer, settings: { signingKey: new Secret(wrong) } }),
    ).rejects.toMatchObject({
      code: 'setting',
    });
  }
});
