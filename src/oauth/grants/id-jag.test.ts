import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { type CryptoKey, decodeJwt, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { withPlatform } from '#db/scope.ts';
import { listenOnLoopback } from '#kit/listen.ts';
import { openTestServer, postForm, registerClient, signIn, type TestServer } from '#kit/oauth.ts';
import { asOauthClient, type MadeClient, makeProgramClient } from '#kit/program-clients.ts';
import { obtainByIdJag } from '#oauth/id-jag-client.ts';
import { jwtBearer } from '#oauth/program-clients.ts';
import { insertOrganization, type Organization } from '#records/organizations.ts';
import { ensureMember, findIdentityUser, setUserActive } from '#records/users.ts';

const { privateKey, publicKey } = await generateKeyPair('ES256');
const foreign = await generateKeyPair('ES256');

let idp: { readonly issuer: string; close(): Promise<void> };
let t: TestServer;
let acme: Organization;
let client: MadeClient;
beforeAll(async () => {
  const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256', use: 'sig' };
  let issuer = '';
  const listening = await listenOnLoopback(
    createServer((req, res) => {
      const metadata = { issuer, jwks_uri: `${issuer}/jwks` };
      const body =
        req.url === '/jwks' ? { keys: [jwk] } : req.url?.startsWith('/.well-known/openid') ? metadata : undefined;
      res.writeHead(body ? 200 : 404, { 'content-type': 'application/json' }).end(JSON.stringify(body ?? {}));
    }),
  );
  issuer = `http://127.0.0.1:${listening.port}`;
  idp = { issuer, close: () => listening.close() };
  const trusted = { issuer, organization: 'acme', identityProvider: 'corporate' };
  t = await openTestServer({ settings: { assertionIssuers: [trusted], resources: ['https://wiki.example'] } });
  acme = await withPlatform(t.database.db, (scope) => insertOrganization(scope, { slug: 'acme', name: 'Acme' }));
  await withPlatform(t.database.db, (scope) => insertOrganization(scope, { slug: 'other', name: 'Other' }));
  client = await makeProgramClient(t, acme.id, { grants: ['jwt-bearer'] });
});
afterAll(async () => {
  await t.close();
  await idp.close();
});

interface Change {
  readonly claims?: JWTPayload;
  readonly header?: { readonly typ?: string; readonly alg?: string };
  readonly key?: CryptoKey;
}

function assertion(sub: string, { claims = {}, header = {}, key = privateKey }: Change = {}): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const usual = {
    iss: idp.issuer,
    sub,
    aud: t.issuer,
    client_id: client.id,
    jti: randomUUID(),
    iat: now,
    exp: now + 300,
  };
  return new SignJWT({ ...usual, resource: `${t.issuer}/acme/mcp`, scope: 'mcp:read mcp:write', ...claims })
    .setProtectedHeader({ alg: 'ES256', kid: 'one', typ: 'oauth-id-jag+jwt', ...header })
    .sign(key);
}

const bring = (text: string, more: Readonly<Record<string, string>> = {}, as = client) =>
  postForm(`${t.url}/token`, { grant_type: jwtBearer, assertion: text, ...more }, { client: asOauthClient(as) });

describe('an identity assertion (ID-JAG)', () => {
  test('gets a person an access token for its resource, and nothing to refresh it with', async () => {
    const { status, body } = await bring(await assertion('ada', { claims: { email: 'ada@example.com', name: 'Ada' } }));
    expect(status).toBe(200);
    expect(body).toMatchObject({ token_type: 'Bearer', scope: 'mcp:read mcp:write', expires_in: 600 });
    expect(body).not.toHaveProperty('refresh_token');
    const claims = decodeJwt(String(body.access_token));
    expect(claims).toMatchObject({ aud: `${t.issuer}/acme/mcp`, org: acme.id, client_id: client.id, name: 'Ada' });
    const verified = await t.server.tokens.verify(String(body.access_token));
    expect(await t.server.tokens.memberships?.(verified.subject, acme.id)).toEqual({ roles: [] });
    const { body: seen } = await postForm(
      `${t.url}/introspect`,
      { token: String(body.access_token) },
      { client: asOauthClient(client) },
    );
    expect(seen).toMatchObject({ active: true, sub: verified.subject });
  });

  test('says that it is accepted in the metadata', async () => {
    const answer = await fetch(`${t.url}/.well-known/oauth-authorization-server`);
    expect(await answer.json()).toMatchObject({
      authorization_grant_profiles_supported: ['urn:ietf:params:oauth:grant-profile:id-jag'],
      grant_types_supported: expect.arrayContaining([jwtBearer]),
      token_endpoint_auth_methods_supported: expect.arrayContaining(['private_key_jwt', 'client_secret_basic']),
    });
  });

  test('is good once, whoever of twenty brings it first', async () => {
    const text = await assertion('grace');
    const answers = await Promise.all(Array.from({ length: 20 }, () => bring(text)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    for (const { status, body } of answers) if (status !== 200) expect(body.error).toBe('invalid_grant');
  });

  test('never gives more than it says, than was asked, than the client may', async () => {
    const read = await assertion('ada', { claims: { scope: 'mcp:read openid offline_access' } });
    expect((await bring(read, { scope: 'mcp:read mcp:write' })).body.scope).toBe('mcp:read');
    expect((await bring(await assertion('ada'), { scope: 'mcp:write' })).body.scope).toBe('mcp:write');
    const foreignScope = await assertion('ada', { claims: { scope: 'admin' } });
    expect((await bring(foreignScope)).body.error).toBe('invalid_scope');
  });

  const now = () => Math.floor(Date.now() / 1000);
  const wrong: Readonly<Record<string, () => Change>> = {
    'of another type': () => ({ header: { typ: 'JWT' } }),
    'an access token': () => ({ header: { typ: 'at+jwt' } }),
    'signed by somebody else': () => ({ key: foreign.privateKey }),
    'for another server': () => ({ claims: { aud: 'https://other.example' } }),
    'for two servers': () => ({ claims: { aud: [t.issuer, 'https://other.example'] } }),
    'for another client': () => ({ claims: { client_id: 'prg_other' } }),
    'for no client': () => ({ claims: { client_id: undefined } }),
    'of an issuer nobody trusts': () => ({ claims: { iss: 'https://evil.example' } }),
    'without an id': () => ({ claims: { jti: undefined } }),
    expired: () => ({ claims: { iat: now() - 900, exp: now() - 600 } }),
    'issued in the future': () => ({ claims: { iat: now() + 600, exp: now() + 900 } }),
    'good for a day': () => ({ claims: { exp: now() + 86_400 } }),
    'for all of the gateway': () => ({ claims: { resource: t.issuer } }),
    'for another organization': () => ({ claims: { resource: `${t.issuer}/other/mcp` } }),
    "for somebody else's resource": () => ({ claims: { resource: 'https://evil.example/mcp' } }),
  };
  for (const [what, change] of Object.entries(wrong)) {
    test(`${what} is refused`, async () => {
      const { status, body } = await bring(await assertion('ada', change()));
      expect([status, body.error]).toEqual([400, 'invalid_grant']);
      expect(JSON.stringify(body)).not.toContain('eyJ');
    });
  }

  test('unsigned is refused', async () => {
    const [, payload] = (await assertion('ada')).split('.');
    const header = Buffer.from(JSON.stringify({ alg: 'none', typ: 'oauth-id-jag+jwt' })).toString('base64url');
    expect((await bring(`${header}.${payload}.`)).body.error).toBe('invalid_grant');
    for (const junk of ['', 'x', 'a.b.c']) expect((await bring(junk)).status).toBe(400);
  });

  test('the resource asked for is one of those it names', async () => {
    const both = () =>
      assertion('ada', { claims: { resource: [`${t.issuer}/acme/mcp`, `${t.issuer}/acme/mcp/docs`] } });
    const asked = { resource: `${t.issuer}/acme/mcp/docs` };
    expect(decodeJwt(String((await bring(await both(), asked)).body.access_token)).aud).toBe(asked.resource);
    const elsewhere = await bring(await both(), { resource: 'https://wiki.example' });
    expect(elsewhere.body.error).toBe('invalid_target');
    const silent = await bring(await assertion('ada', { claims: { resource: undefined } }));
    expect(decodeJwt(String(silent.body.access_token)).aud).toBe(`${t.issuer}/acme/mcp`);
  });

  test('lets nobody back in who was put out', async () => {
    const find = (subject: string) =>
      withPlatform(t.database.db, (scope) => findIdentityUser(scope, { provider: 'corporate', subject }));
    await bring(await assertion('mallory'));
    await bring(await assertion('eve'));
    const [mallory, eve] = [await find('mallory'), await find('eve')];
    await withPlatform(t.database.db, (scope) =>
      setUserActive(scope, { userId: mallory?.id ?? '', active: false, nowMs: Date.now() }),
    );
    await t.database.sql('delete from gateway.members where user_id = $1', [eve?.id]);
    expect((await bring(await assertion('mallory'))).body.error).toBe('invalid_grant');
    expect((await bring(await assertion('eve'))).body.error).toBe('invalid_grant');
  });

  test('first brought by many at once makes one person', async () => {
    const texts = await Promise.all(Array.from({ length: 10 }, () => assertion('newcomer')));
    const answers = await Promise.all(texts.map((text) => bring(text)));
    expect(new Set(answers.map(({ body }) => decodeJwt(String(body.access_token)).sub)).size).toBe(1);
  });

  test('is for clients that operators registered for it, in that organization', async () => {
    const worker = await makeProgramClient(t, acme.id, { grants: ['client_credentials'] });
    const text = await assertion('ada', { claims: { client_id: worker.id } });
    expect((await bring(text, {}, worker)).status).toBe(400);
    const open = await registerClient(t);
    const claimed = await assertion('ada', { claims: { client_id: open.id } });
    const answer = await postForm(`${t.url}/token`, { grant_type: jwtBearer, assertion: claimed }, { client: open });
    expect(['invalid_request', 'unauthorized_client']).toContain(answer.body.error);
  });
});

test('this gateway gets a token at another one with an assertion that a third made', async () => {
  const home = await openTestServer();
  const homeOrg = await withPlatform(home.database.db, (scope) =>
    insertOrganization(scope, { slug: 'home', name: 'Home' }),
  );
  const trusted = { issuer: home.issuer, organization: 'away', identityProvider: 'home' };
  const away = await openTestServer({ settings: { assertionIssuers: [trusted] } });
  try {
    const awayOrg = await withPlatform(away.database.db, (scope) =>
      insertOrganization(scope, { slug: 'away', name: 'Away' }),
    );
    const there = await makeProgramClient(away, awayOrg.id, { grants: ['jwt-bearer'] });
    const here = await makeProgramClient(home, homeOrg.id, {
      grants: ['token-exchange'],
      assertionAudiences: { [away.issuer]: there.id },
    });
    const ada = await signIn(home);
    await withPlatform(home.database.db, (scope) =>
      ensureMember(scope, { userId: ada.user.id, provider: 'test', org: homeOrg.id, roles: [], groups: [] }),
    );
    const request = {
      identityProvider: { issuer: home.issuer, clientId: here.id, clientSecret: here.secret },
      subjectToken: { token: ada.accessToken, type: 'urn:ietf:params:oauth:token-type:access_token' },
      authorizationServer: { issuer: away.issuer, clientId: there.id, clientSecret: there.secret },
      resource: `${away.issuer}/away/mcp`,
      scope: 'mcp:read',
    };
    const deps = { fetch: globalThis.fetch, clock: systemClock };
    const obtained = await obtainByIdJag(deps, request);
    expect(obtained).toMatchObject({ scope: 'mcp:read', expiresAt: expect.any(Number) });
    const verified = await away.server.tokens.verify(obtained.accessToken);
    expect(verified).toMatchObject({ organization: awayOrg.id, subject: ada.user.subject, scopes: ['mcp:read'] });
    const stranger = { ...request, subjectToken: { ...request.subjectToken, token: 'junk' } };
    await expect(obtainByIdJag(deps, stranger)).rejects.toMatchObject({ code: 'identity_unavailable' });
  } finally {
    await away.close();
    await home.close();
  }
});
