import { afterAll, beforeAll, expect, test } from 'vitest';
import { postForm } from '#kit/oauth.ts';
import { authorization } from '#kit/sign-in.ts';
import { answerOf, openSignInWorld, type SignInWorld, withSso } from '#kit/sign-in-world.ts';

let world: SignInWorld;
beforeAll(async () => {
  world = await openSignInWorld();
});
afterAll(() => world.close());

/** What a token is good for in the end. */
async function scopeOf(asked: string | undefined, resource: string | undefined): Promise<unknown> {
  const client = await world.register();
  const { id: clientId, redirectUri } = client;
  const { url, verifier } = authorization({
    issuer: world.issuer,
    clientId,
    redirectUri,
    ...(resource && { resource }),
  });
  const target = new URL(url);
  if (asked === undefined) target.searchParams.delete('scope');
  else target.searchParams.set('scope', asked);
  const jar = world.jar();
  const done = await jar.submit(await jar.open(target.href), withSso);
  const { code = '' } = answerOf(done);
  const form = { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: redirectUri };
  return (await postForm(`${world.url}/token`, form, { client })).body.scope;
}

const endpoint = () => `${world.issuer}/corp/mcp/docs`;

test('who asks for no scope, or for none that we have, gets the usual two [S1.11] [S1.16]', async () => {
  for (const resource of [undefined, endpoint()]) {
    for (const asked of [undefined, '', 'claudeai', 'read:all write:all'])
      expect([asked, resource, await scopeOf(asked, resource)]).toEqual([asked, resource, 'mcp:read mcp:write']);
  }
});

test('who names an endpoint and asks who the person is, can use it as well', async () => {
  expect(await scopeOf('openid profile email', endpoint())).toBe('openid profile email mcp:read mcp:write');
});

test('who asks for less gets no more', async () => {
  expect(await scopeOf('mcp:read', endpoint())).toBe('mcp:read');
  expect(await scopeOf('openid email', undefined)).toBe('openid email');
});
