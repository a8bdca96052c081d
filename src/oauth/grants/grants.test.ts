import { decodeJwt, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withOrganization, withPlatform } from '#db/scope.ts';
import {
  issueCode,
  openTestServer,
  postForm,
  redeem,
  refresh,
  registerClient,
  signIn,
  type TestServer,
} from '#kit/oauth.ts';
import { asOauthClient, type MadeClient, makeProgramClient } from '#kit/program-clients.ts';
import { ensureOrganization, insertOrganization, type Organization } from '#records/organizations.ts';
import { ensureMember, setUserActive, type User } from '#records/users.ts';

let t: TestServer;
let acme: Organization;
let other: Organization;
beforeAll(async () => {
  t = await openTestServer({ settings: { resources: ['https://wiki.example'] } });
  [acme, other] = await withPlatform(t.database.db, async (scope) => [
    await insertOrganization(scope, { slug: 'acme', externalId: 'org_acme', name: 'Acme' }),
    await insertOrganization(scope, { slug: 'other', name: 'Other' }),
  ]);
});
afterAll(() => t.close());

const token = (client: MadeClient, form: Readonly<Record<string, string>>) =>
  postForm(`${t.url}/token`, form, { client: asOauthClient(client) });

describe('client credentials', () => {
  test('a registered client gets a token for itself, of its organization, with its roles read live', async () => {
    const worker = await makeProgramClient(t, acme.id, { grants: ['client_credentials'], roles: ['robot'] });
    const { status, body, headers } = await token(worker, { grant_type: 'client_credentials' });
    expect(status).toBe(200);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(body).toMatchObject({ token_type: 'Bearer', scope: 'mcp:read mcp:write' });
    expect(body).not.toHaveProperty('refresh_token');
    const claims = decodeJwt(String(body.access_token));
    expect(claims).toMatchObject({ sub: worker.id, client_id: worker.id, org: acme.id, aud: t.issuer });
    expect(claims).not.toHaveProperty('roles');
    const verified = await t.server.tokens.verify(String(body.access_token));
    expect(verified).toMatchObject({ subject: worker.id, organization: acme.id, scopes: ['mcp:read', 'mcp:write'] });
    expect(await t.server.tokens.memberships?.(worker.id, acme.id)).toEqual({ roles: ['robot'] });
    expect(await t.server.tokens.memberships?.(worker.id, other.id)).toBeUndefined();
  });

  test('never more scope than it was registered with, never another organization [A10]', async () => {
    const reader = await makeProgramClient(t, acme.id, { grants: ['client_credentials'], scopes: ['mcp:read'] });
    const form = { grant_type: 'client_credentials' };
    expect((await token(reader, form)).body).toMatchObject({ scope: 'mcp:read' });
    expect((await token(reader, { ...form, scope: 'mcp:read mcp:write' })).body.error).toBe('invalid_scope');
    expect((await token(reader, { ...form, resource: `${t.issuer}/other/mcp` })).body.error).toBe('invalid_target');
    expect((await token(reader, { ...form, resource: 'https://evil.example/' })).body.error).toBe('invalid_target');
    // Behind another proxy, of no organization: an organization's administrator hands out nothing for it.
    expect((await token(reader, { ...form, resource: 'https://wiki.example' })).body.error).toBe('invalid_target');
    const { body } = await token(reader, { ...form, resource: `${t.issuer}/org_acme/mcp/docs` });
    expect(decodeJwt(String(body.access_token)).aud).toBe(`${t.issuer}/org_acme/mcp/docs`);
  });

  test('its secret opens, in the header or in the body, and nothing else does', async () => {
    const worker = await makeProgramClient(t, acme.id, { grants: ['client_credentials'] });
    const secret = worker.secret ?? '';
    const form = { grant_type: 'client_credentials', client_id: worker.id };
    expect((await postForm(`${t.url}/token`, { ...form, client_secret: secret })).status).toBe(200);
    const rows = await t.database.sql('select secret_digest from gateway.program_clients where id = $1', [worker.id]);
    for (const wrong of [`${secret}x`, 'x', String(rows[0]?.secret_digest)]) {
      const { status, body } = await postForm(`${t.url}/token`, { ...form, client_secret: wrong });
      expect([status, body.error]).toEqual([401, 'invalid_client']);
    }
    expect((await postForm(`${t.url}/token`, form)).body.error).toBe('invalid_client');
    const dump = JSON.stringify(await t.database.sql('select * from gateway.program_clients'));
    expect(dump).not.toContain(secret);
  });

  test('a client with keys signs an assertion, good once', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    const jwks = { keys: [{ ...(await exportJWK(publicKey)), alg: 'ES256', use: 'sig', kid: 'one' }] };
    const worker = await makeProgramClient(t, acme.id, { grants: ['client_credentials'], jwks });
    expect(worker.secret).toBeUndefined();
    const assertion = (aud: string) =>
      new SignJWT({ jti: crypto.randomUUID() })
        .setProtectedHeader({ alg: 'ES256', kid: 'one' })
        .setIssuer(worker.id)
        .setSubject(worker.id)
        .setAudience(aud)
        .setIssuedAt()
        .setExpirationTime('2m')
        .sign(privateKey);
    const form = async (text: string) => ({
      grant_type: 'client_credentials',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: text,
    });
    const good = await form(await assertion(t.issuer));
    const answers = await Promise.all(Array.from({ length: 8 }, () => postForm(`${t.url}/token`, good)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect((await postForm(`${t.url}/token`, good)).status).not.toBe(200);
    expect((await postForm(`${t.url}/token`, await form(await assertion('https://evil.example')))).status).toBe(401);
  });
});

async function member(org: Organization, options: Parameters<typeof signIn>[1] = {}) {
  const signedIn = await signIn(t, options);
  await join(signedIn.user, org);
  return signedIn;
}

const join = (user: User, org: Organization) =>
  withPlatform(t.database.db, (scope) =>
    ensureMember(scope, { userId: user.id, provider: 'test', org: org.id, roles: [], groups: [] }),
  );

const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token';
const exchange = (client: MadeClient, subject: string, more: Readonly<Record<string, string>> = {}) =>
  token(client, {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: subject,
    subject_token_type: accessTokenType,
    resource: `${t.issuer}/acme/mcp/docs`,
    ...more,
  });

describe('token exchange', () => {
  let agent: MadeClient;
  beforeAll(async () => {
    agent = await makeProgramClient(t, acme.id, { grants: ['token-exchange'] });
  });

  test("a person's token becomes one for another resource, that says who acts", async () => {
    const ada = await member(acme, { resource: 'https://wiki.example', scope: 'mcp:read' });
    const { status, body } = await exchange(agent, ada.accessToken);
    expect(status).toBe(200);
    expect(body).toMatchObject({ issued_token_type: accessTokenType, token_type: 'Bearer', scope: 'mcp:read' });
    expect(body).not.toHaveProperty('refresh_token');
    const claims = decodeJwt(String(body.access_token));
    expect(claims).toMatchObject({ sub: ada.user.subject, client_id: agent.id, org: acme.id, act: { sub: agent.id } });
    expect(claims.aud).toBe(`${t.issuer}/acme/mcp/docs`);
    expect(claims.exp).toBeLessThanOrEqual(Number(decodeJwt(ada.accessToken).exp));
    await expect(t.server.tokens.verify(String(body.access_token))).resolves.toMatchObject({
      subject: ada.user.subject,
    });
    const second = await exchange(agent, String(body.access_token), { resource: `${t.issuer}/acme/mcp/more` });
    expect(decodeJwt(String(second.body.access_token)).act).toEqual({ sub: agent.id, act: { sub: agent.id } });
  });

  test('nothing gets wider: scopes are cut, and targets stay in the organization [A10]', async () => {
    const ada = await member(acme, { scope: 'mcp:read' });
    expect((await exchange(agent, ada.accessToken, { scope: 'mcp:read mcp:write' })).body.scope).toBe('mcp:read');
    expect((await exchange(agent, ada.accessToken, { scope: 'mcp:write' })).body.error).toBe('invalid_scope');
    for (const resource of [t.issuer, `${t.issuer}/other/mcp`, `${t.issuer}/nowhere/mcp`, 'https://wiki.example']) {
      expect((await exchange(agent, ada.accessToken, { resource })).body.error, resource).toBe('invalid_target');
    }
  });

  test('only tokens that live, of active members, that are good in the organization', async () => {
    const ada = await member(acme);
    const stranger = await signIn(t);
    const elsewhere = await member(acme, { resource: `${t.issuer}/other/mcp` });
    const worker = await makeProgramClient(t, acme.id, { grants: ['client_credentials'] });
    const own = String((await token(worker, { grant_type: 'client_credentials' })).body.access_token);
    for (const bad of [stranger.accessToken, elsewhere.accessToken, ada.refreshToken, own, 'junk']) {
      expect((await exchange(agent, bad)).body.error).toBe('invalid_grant');
    }
    const gone = await member(acme);
    await withPlatform(t.database.db, (scope) =>
      setUserActive(scope, { userId: gone.user.id, active: false, nowMs: Date.now() }),
    );
    expect((await exchange(agent, gone.accessToken)).body.error).toBe('invalid_grant');
    await postForm(`${t.url}/revoke`, { token: ada.accessToken }, { client: ada.client });
    expect((await exchange(agent, ada.accessToken)).body.error).toBe('invalid_grant');
  });

  test("what was exchanged ends with the person's grant", async () => {
    const ada = await member(acme);
    const { body } = await exchange(agent, ada.accessToken);
    await postForm(`${t.url}/revoke`, { token: ada.refreshToken }, { client: ada.client });
    await expect(t.server.tokens.verify(String(body.access_token))).rejects.toMatchObject({ code: 'invalid_token' });
  });

  test('only for clients that operators gave the right to', async () => {
    const ada = await member(acme);
    const worker = await makeProgramClient(t, acme.id, { grants: ['client_credentials'] });
    const foreign = await makeProgramClient(t, other.id, { grants: ['token-exchange'] });
    expect((await exchange(worker, ada.accessToken)).status).toBe(400);
    expect((await exchange(foreign, ada.accessToken)).body.error).toBe('invalid_grant');
    const self = await postForm(
      `${t.url}/token`,
      {
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token: ada.accessToken,
        subject_token_type: accessTokenType,
      },
      { client: ada.client },
    );
    expect(self.status).toBe(400);
    expect(['invalid_request', 'unauthorized_client']).toContain(self.body.error);
    const claimed = await registerClient(t, {
      grant_types: ['authorization_code', 'urn:ietf:params:oauth:grant-type:token-exchange'],
    }).catch(() => undefined);
    if (claimed) {
      const answer = await exchange({ id: claimed.id, secret: claimed.secret }, ada.accessToken);
      expect(['unauthorized_client', 'invalid_request']).toContain(answer.body.error);
    }
  });
});

describe('the token endpoint', () => {
  test('takes forms only, each parameter once, nothing in the URL [A22]', async () => {
    const worker = await makeProgramClient(t, acme.id, { grants: ['client_credentials'] });
    const url = `${t.url}/token`;
    const credentials = { client_id: worker.id, client_secret: worker.secret ?? '' };
    const form = new URLSearchParams({ grant_type: 'client_credentials', ...credentials });
    const json = { 'content-type': 'application/json' };
    const post = (to: string, body: string, headers = { 'content-type': 'application/x-www-form-urlencoded' }) =>
      fetch(to, { method: 'POST', headers, body });
    const answers = [
      await post(
        url,
        `grant_type=client_credentials&grant_type=authorization_code&${new URLSearchParams(credentials)}`,
      ),
      await post(url, `${form}&scope=mcp%3Aread&scope=mcp%3Awrite`),
      await post(url, JSON.stringify({ grant_type: 'client_credentials', ...credentials }), json),
      await post(`${url}?${form}`, ''),
      await post(`${url}?client_secret=${credentials.client_secret}`, `${form}`),
      await post(`${t.url}/introspect?token=x`, `${form}`),
    ];
    for (const answer of answers) {
      expect(answer.status).toBe(400);
      expect(await answer.json()).toMatchObject({ error: 'invalid_request' });
      expect(answer.headers.get('cache-control')).toBe('no-store');
    }
    expect((await fetch(`${url}?${form}`)).status).toBe(405);
    expect((await post(url, `${form}`)).status).toBe(200);
  });

  test('fifty redeem one code at once: one of them gets tokens [A8]', async () => {
    const code = await issueCode(t);
    const answers = await Promise.all(Array.from({ length: 50 }, () => redeem(t, code)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    for (const { status, body } of answers) if (status !== 200) expect(body.error).toBe('invalid_grant');
  });

  test('a refresh is never wider than the sign-in, nor for another resource [A10]', async () => {
    const signedIn = await signIn(t, { resource: `${t.issuer}/acme/mcp`, scope: 'mcp:read' });
    const wider = await refresh(t, { ...signedIn, scope: 'mcp:read mcp:write' });
    expect(wider).toMatchObject({ status: 400, body: { error: 'invalid_scope' } });
    const elsewhere = {
      client: signedIn.client,
      refreshToken: signedIn.refreshToken,
      resource: `${t.issuer}/other/mcp`,
    };
    expect(await refresh(t, elsewhere)).toMatchObject({ status: 400, body: { error: 'invalid_target' } });
  });
});

test('operators register clients that people sign in through too', async () => {
  const web = await makeProgramClient(t, acme.id, {
    grants: ['token-exchange'],
    redirectUris: ['https://client.example/callback'],
    assertionAudiences: { 'https://as.example': 'gatehouse-there' },
  });
  const ada = await member(acme, { client: asOauthClient(web), scope: 'openid mcp:read' });
  const answer = await refresh(t, ada);
  const idToken = String(answer.body.id_token);
  const idJag = {
    subject_token_type: 'urn:ietf:params:oauth:token-type:id_token',
    requested_token_type: 'urn:ietf:params:oauth:token-type:id-jag',
  };
  const form = { ...idJag, audience: 'https://as.example', resource: 'https://api.example/mcp', scope: 'read' };
  const { body } = await exchange(web, idToken, form);
  expect(body).toMatchObject({ token_type: 'N_A', issued_token_type: idJag.requested_token_type, expires_in: 300 });
  expect(decodeJwt(String(body.access_token))).toMatchObject({
    iss: t.issuer,
    sub: ada.user.subject,
    aud: 'https://as.example',
    client_id: 'gatehouse-there',
    resource: 'https://api.example/mcp',
    scope: 'read',
    jti: expect.any(String),
  });
  expect((await exchange(web, idToken, { ...form, audience: 'https://evil.example' })).body.error).toBe(
    'invalid_target',
  );
  const agent = await makeProgramClient(t, acme.id, { grants: ['token-exchange'], assertionAudiences: { a: 'b' } });
  expect((await exchange(agent, idToken, { ...idJag, audience: 'a' })).body.error).toBe('invalid_grant');
});

test('a client of a removed organization is none', async () => {
  const gone = await withPlatform(t.database.db, (scope) => ensureOrganization(scope, 'gone'));
  const worker = await makeProgramClient(t, gone, { grants: ['client_credentials'] });
  await t.database.sql('update gateway.organizations set deleted_at = now() where id = $1', [gone]);
  expect((await token(worker, { grant_type: 'client_credentials' })).status).toBe(401);
  await expect(withOrganization(t.database.db, gone, async () => 'still a scope')).resolves.toBe('still a scope');
});
