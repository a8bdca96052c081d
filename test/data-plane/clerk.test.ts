import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { bearer, call, send } from '#kit/http-client.ts';
import { type FakeClerk, startFakeClerk } from '#kit/identity/fake-clerk.ts';
import { startWorld, type World } from '#kit/world.ts';

const organizations = {
  org_123: { user_staff: 'org:staff', user_member: 'org:member' },
  org_999: { user_foreign: 'org:staff' },
};

describe('people who signed in at Clerk', () => {
  let fake: FakeClerk;
  let world: World;
  beforeAll(async () => {
    fake = await startFakeClerk({ organizations });
    world = await startWorld({
      env: {
        ENCRYPTION_KEY: 'a-root-secret-of-the-clerk-tests-alone-here',
        FAKE_CLERK_KEY: fake.secretKey,
      },
      extraYaml: `
identity:
  - kind: clerk
    secretKey: \${FAKE_CLERK_KEY}
    frontendApi: ${fake.issuer}
    apiUrl: ${fake.url}
    authorizedParties: ['https://app.test']
    roleMapping: { 'org:staff': [staff] }
`,
    });
  });
  afterAll(async () => {
    await world?.close();
    await fake?.close();
  });
  beforeEach(() => world.upstream.clear());

  const post = (token: string, name = 'open', path = `/org_123/mcp/${name}`) =>
    send(world.gateway.url + path, { headers: bearer(token), body: call('echo', {}) });
  const session = (sub: string, claims: object = {}) => fake.signSession({ sub, ...claims });
  const untouched = () => expect(world.upstream.bytes().length).toBe(0);

  test('a member reaches a collection with a session token of either version, and with both kinds of OAuth token [S4.2] [X4.2]', async () => {
    const tokens = [
      await session('user_member'),
      await session('user_member', { o: { id: 'org_123', rol: 'member' } }),
      await fake.signSessionV1({ id: 'org_123', role: 'member' }, { sub: 'user_member' }),
      await fake.signOauth({ sub: 'user_member' }),
      fake.giveOpaque({ user: 'user_member' }),
    ];
    for (const [at, token] of tokens.entries()) expect([at, (await post(token)).status]).toEqual([at, 200]);
    for (const token of tokens) expect(world.upstream.bytes().includes(token)).toBe(false);
  });

  test('the role that counts is the live one, not the one in the token [S4.2]', async () => {
    expect((await post(await session('user_staff'), 'staff')).status).toBe(200);
    world.upstream.clear();
    const claimed = await session('user_member', { o: { id: 'org_123', rol: 'staff' } });
    expect([(await post(claimed, 'staff')).status, (await post(claimed)).status]).toEqual([403, 200]);
  });

  test('who is no member is refused, whatever organization the token names [X4.2]', async () => {
    const tokens = [
      await session('user_foreign', { o: { id: 'org_123', rol: 'staff' } }),
      await session('user_stranger'),
      fake.giveOpaque({ user: 'user_foreign' }),
    ];
    for (const token of tokens) {
      const answer = await post(token);
      expect([answer.status, answer.json]).toEqual([403, { error: 'Access denied' }]);
    }
    untouched();
  });

  test('a token of another page, of another instance, or that was only written is refused [X0.3] [X4.2] [X4.3]', async () => {
    const other = await startFakeClerk({ organizations });
    const [head, payload] = (await session('user_staff')).split('.');
    const unsigned = Buffer.from(JSON.stringify({ alg: 'none', typ: 'JWT' })).toString('base64url');
    const tokens = [
      await session('user_member', { azp: 'https://evil.test' }),
      await session('user_member', { azp: undefined }),
      await other.signSession({ sub: 'user_member' }),
      await other.signSession({ sub: 'user_member', iss: fake.issuer }),
      other.giveOpaque({ user: 'user_member' }),
      `${head}.${payload}.AAAA`,
      `${unsigned}.${payload}.`,
    ];
    for (const [at, token] of tokens.entries()) {
      const answer = await post(token);
      expect([at, answer.status]).toEqual([at, 401]);
      expect(answer.headers['www-authenticate']).toContain('error="invalid_token"');
    }
    untouched();
    await other.close();
  });

  test('an outage of Clerk is 503 for people it was not asked about before, never 401', async () => {
    const token = await session('user_late');
    fake.break(500, '/organization_memberships');
    expect((await post(token)).status).toBe(503);
    fake.break(503, '/access_tokens/verify');
    expect((await post(fake.giveOpaque({ user: 'user_member' }))).status).toBe(503);
    fake.break(undefined);
    untouched();
  });

  test('discovery names Clerk as the authorization server', async () => {
    const answer = await fetch(`${world.gateway.url}/.well-known/oauth-protected-resource/org_123/mcp/open`);
    expect(await answer.json()).toMatchObject({ authorization_servers: [fake.issuer] });
  });
});
