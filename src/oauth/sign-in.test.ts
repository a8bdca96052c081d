import { decodeJwt } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestServer, refresh, signIn, type TestServer } from '#kit/oauth.ts';

let t: TestServer;
beforeAll(async () => {
  t = await openTestServer();
});
afterAll(() => t.close());

test('a person signed in has tokens that are good here', async () => {
  const { accessToken, user } = await signIn(t, { resource: `${t.issuer}/acme/mcp` });
  expect(decodeJwt(accessToken)).toMatchObject({ aud: `${t.issuer}/acme/mcp`, sub: user.subject });
  await expect(t.server.tokens.verify(accessToken)).resolves.toMatchObject({ subject: user.subject });
});

test('a refresh token gives a new access token and its successor', async () => {
  const signedIn = await signIn(t);
  const { status, body } = await refresh(t, signedIn);
  expect(status).toBe(200);
  expect(body.refresh_token).not.toBe(signedIn.refreshToken);
});
