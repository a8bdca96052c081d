import { decodeJwt, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Change } from '#db/change-feed.ts';
import { withOrganization, withPlatform } from '#db/scope.ts';
import { openTestServer, postForm, refresh, registerClient, signIn, type TestServer } from '#kit/oauth.ts';
import { asOauthClient, makeProgramClient } from '#kit/program-clients.ts';
import { insertOrganization, type Organization } from '#records/organizations.ts';
import { removeProgramClient } from '#records/program-clients.ts';
import { ensureMember, setUserActive } from '#records/users.ts';
import { shadowOf } from './claims.ts';

let t: TestServer;
let acme: Organization;
beforeAll(async () => {
  t = await openTestServer();
  acme = await withPlatform(t.database.db, (scope) => insertOrganization(scope, { slug: 'acme', name: 'Acme' }));
});
afterAll(() => t.close());

const introspect = (client: Parameters<typeof asOauthClient>[0], token: string, more = {}) =>
  postForm(`${t.url}/introspect`, { token, ...more }, { client: asOauthClient(client) });
const revoke = (client: Parameters<typeof asOauthClient>[0], token: string, more = {}) =>
  postForm(`${t.url}/revoke`, { token, ...more }, { client: asOauthClient(client) });
const inactive = { status: 200, body: { active: false } };

describe('introspection', () => {
  test('says of a living access token what RFC 7662 has, to its own client [S1.20]', async () => {
    const signedIn = await signIn(t, { username: 'ada', resource: `${t.issuer}/acme/mcp` });
    const claims = decodeJwt(signedIn.accessToken);
    const { status, headers, body } = await introspect(signedIn.client, signedIn.accessToken);
    expect(status).toBe(200);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(body).toMatchObject({
      active: true,
      scope: 'mcp:read mcp:write',
      client_id: signedIn.client.id,
      username: 'ada',
      token_type: 'Bearer',
      exp: claims.exp,
      iat: claims.iat,
      sub: signedIn.user.subject,
      aud: `${t.issuer}/acme/mcp`,
      iss: t.issuer,
      jti: claims.jti,
    });
  });

  test('knows refresh tokens, whatever the hint says [S1.20]', async () => {
    const signedIn = await signIn(t, { username: 'grace' });
    for (const hint of [{}, { token_type_hint: 'access_token' }, { token_type_hint: 'refresh_token' }]) {
      const { body } = await introspect(signedIn.client, signedIn.refreshToken, hint);
      expect(body).toMatchObject({ active: true, client_id: signedIn.client.id, username: 'grace', aud: t.issuer });
      expect(body).toMatchObject({ iss: t.issuer, sub: signedIn.user.subject, jti: expect.any(String) });
      expect(body.jti).not.toBe(signedIn.refreshToken);
    }
  });

  test("answers the same 200 for nothing, for junk and for another client's token [S1.20] [A26] [X1.1]", async () => {
    const mine = await signIn(t);
    const theirs = await signIn(t);
    const jti = String(decodeJwt(theirs.accessToken).jti);
    const { privateKey } = await generateKeyPair('RS256');
    const forged = await new SignJWT({ ...decodeJwt(mine.accessToken) })
      .setProtectedHeader({ alg: 'RS256', typ: 'at+jwt' })
      .sign(privateKey);
    const ownJti = String(decodeJwt(mine.accessToken).jti);
    const tokens = ['', 'junk', 'a.b.c', forged, `jwt.${ownJti}`, `jwt.${jti}`, shadowOf(ownJti), theirs.accessToken];
    for (const token of [...tokens, theirs.refreshToken]) {
      expect(await introspect(mine.client, token), token).toMatchObject(inactive);
    }
  });

  test('calls no token of somebody alive who may not come in any more [S1.20]', async () => {
    const gone = await signIn(t);
    await withPlatform(t.database.db, (scope) =>
      setUserActive(scope, { userId: gone.user.id, active: false, nowMs: Date.now() }),
    );
    expect(await introspect(gone.client, gone.accessToken)).toMatchObject(inactive);
    expect(await introspect(gone.client, gone.refreshToken)).toMatchObject(inactive);
  });

  test('wants to know who asks [X1.1]', async () => {
    const { accessToken } = await signIn(t);
    for (const client_id of ['', 'client_nobody']) {
      const { status, body } = await postForm(`${t.url}/introspect`, { token: accessToken, client_id });
      expect(status).toBeGreaterThanOrEqual(400);
      expect(body).not.toHaveProperty('active');
    }
  });

  test('a registered resource server sees the tokens for its resources in its own organization only [A26]', async () => {
    const resource = `${t.issuer}/acme/mcp`;
    const server = await makeProgramClient(t, acme.id, { introspects: [resource] });
    const other = await withPlatform(t.database.db, (scope) => insertOrganization(scope, { slug: 'other', name: 'O' }));
    const stranger = await makeProgramClient(t, other.id, { introspects: [resource, t.issuer] });
    const worker = await makeProgramClient(t, acme.id, { grants: ['client_credentials'] });
    const got = await postForm(
      `${t.url}/token`,
      { grant_type: 'client_credentials', resource },
      { client: asOauthClient(worker) },
    );
    const token = String(got.body.access_token);
    expect((await introspect(server, token)).body).toMatchObject({ active: true, sub: worker.id, org: acme.id });
    expect(await introspect(stranger, token)).toMatchObject(inactive);
    const wide = await postForm(
      `${t.url}/token`,
      { grant_type: 'client_credentials' },
      { client: asOauthClient(worker) },
    );
    expect(await introspect(server, String(wide.body.access_token))).toMatchObject(inactive);
  });
});

describe('revocation', () => {
  /** Announcements of tokens while `work` runs. */
  async function heardWhile(tokenId: string, work: () => Promise<unknown>): Promise<Change> {
    const heard = Promise.withResolvers<Change>();
    const stop = t.feed.subscribe(
      (change) => change.kind === 'token' && change.id === tokenId && heard.resolve(change),
    );
    await work();
    const change = await heard.promise;
    stop();
    return change;
  }

  test('ends an access token at once, and says so to every replica [S1.21]', async () => {
    const signedIn = await signIn(t);
    const tokenId = shadowOf(String(decodeJwt(signedIn.accessToken).jti));
    const change = await heardWhile(tokenId, async () => {
      expect((await revoke(signedIn.client, signedIn.accessToken)).status).toBe(200);
    });
    expect(change).toEqual({ kind: 'token', id: tokenId });
    expect(await introspect(signedIn.client, signedIn.accessToken)).toMatchObject(inactive);
    await expect(t.server.tokens.verify(signedIn.accessToken)).rejects.toMatchObject({ code: 'invalid_token' });
  });

  test('of a refresh token ends the access tokens of the grant too [S1.21]', async () => {
    const signedIn = await signIn(t);
    const tokenId = shadowOf(String(decodeJwt(signedIn.accessToken).jti));
    await heardWhile(tokenId, () => revoke(signedIn.client, signedIn.refreshToken));
    await expect(t.server.tokens.verify(signedIn.accessToken)).rejects.toMatchObject({ code: 'invalid_token' });
    expect(await refresh(t, signedIn)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
  });

  test("is 200 for whatever it is given, and leaves others' tokens alone [S1.21] [A26] [X1.1]", async () => {
    const mine = await signIn(t);
    const theirs = await signIn(t);
    const confidential = await makeProgramClient(t, acme.id, {});
    const jti = String(decodeJwt(theirs.accessToken).jti);
    for (const client of [mine.client, confidential]) {
      for (const token of ['', 'junk', 'a.b.c', `jwt.${jti}`, theirs.accessToken, theirs.refreshToken]) {
        expect((await revoke(client, token)).status, token).toBe(200);
      }
    }
    await expect(t.server.tokens.verify(theirs.accessToken)).resolves.toMatchObject({ subject: theirs.user.subject });
    expect((await introspect(theirs.client, theirs.refreshToken)).body.active).toBe(true);
  });

  test('while others introspect: no answer calls a token alive once its revocation was answered [S1.21]', async () => {
    const signedIn = await signIn(t);
    let revoked = false;
    const asking = Array.from({ length: 30 }, async (_, turn) => {
      if (turn === 10) {
        await revoke(signedIn.client, signedIn.accessToken);
        revoked = true;
        return;
      }
      const before = revoked;
      const { status, body } = await introspect(signedIn.client, signedIn.accessToken);
      expect(status).toBe(200);
      if (before) expect(body).toEqual({ active: false });
    });
    await Promise.all(asking);
    expect(await introspect(signedIn.client, signedIn.accessToken)).toMatchObject(inactive);
  });

  test("a removed client's tokens end with it", async () => {
    const worker = await makeProgramClient(t, acme.id, { grants: ['client_credentials'] });
    const form = { grant_type: 'client_credentials' };
    const token = String((await postForm(`${t.url}/token`, form, { client: asOauthClient(worker) })).body.access_token);
    const tokenId = shadowOf(String(decodeJwt(token).jti));
    await heardWhile(tokenId, () =>
      withOrganization(t.database.db, acme.id, (scope) => removeProgramClient(scope, worker.id)),
    );
    await expect(t.server.tokens.verify(token)).rejects.toMatchObject({ code: 'invalid_token' });
    expect((await postForm(`${t.url}/token`, form, { client: asOauthClient(worker) })).status).toBe(401);
  });

  test('a subject that looks like a registered client is not one', async () => {
    const worker = await makeProgramClient(t, acme.id, { grants: ['client_credentials'], roles: ['admin'] });
    const impostor = await signIn(t, { subject: worker.id, provider: 'evil' });
    expect(impostor.user.subject).not.toBe(worker.id);
    await withPlatform(t.database.db, (scope) =>
      ensureMember(scope, { userId: impostor.user.id, provider: 'evil', org: acme.id, roles: [], groups: [] }),
    );
    expect(await t.server.tokens.memberships?.(impostor.user.subject, acme.id)).toEqual({ roles: [] });
    expect(await t.server.tokens.memberships?.(worker.id, acme.id)).toEqual({ roles: ['admin'] });
  });
});

test('clients that register themselves get no client credentials [X1.1]', async () => {
  const refused = registerClient(t, {
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    token_endpoint_auth_method: 'client_secret_basic',
  }).then(async (client) => {
    const { status, body } = await postForm(`${t.url}/token`, { grant_type: 'client_credentials' }, { client });
    expect(status).toBe(400);
    throw new Error(String(body.error));
  });
  await expect(refused).rejects.toThrow(/unauthorized_client|invalid_request|registration answered 400/);
});
