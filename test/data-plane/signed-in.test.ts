import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { bearer, call, send } from '#kit/http-client.ts';
import { type FakeWorkos, startFakeWorkos } from '#kit/identity/fake-workos.ts';
import { startWorld, type World } from '#kit/world.ts';

const organizations = {
  org_123: { user_staff: ['staff', 'member'], user_member: ['member'], user_bare: [] },
  org_999: { user_foreign: ['staff'] },
};

describe('people who signed in at WorkOS', () => {
  let fake: FakeWorkos;
  let world: World;
  beforeAll(async () => {
    fake = await startFakeWorkos({ organizations });
    world = await startWorld({
      env: {
        ENCRYPTION_KEY: 'a-root-secret-of-the-signed-in-tests-only',
        FAKE_WORKOS_KEY: fake.apiKey,
      },
      extraYaml: `
identity:
  - kind: workos
    apiKey: \${FAKE_WORKOS_KEY}
    clientId: ${fake.clientId}
    authorizationServerUrl: ${fake.issuer}
    apiBaseUrl: ${fake.url}
`,
    });
  });
  afterAll(async () => {
    await world?.close();
    await fake?.close();
  });
  beforeEach(() => world.upstream.clear());

  const post = async (subject: string, name = 'open', path = `/org_123/mcp/${name}`) =>
    send(world.gateway.url + path, {
      headers: bearer(await fake.signToken({ sub: subject })),
      body: call('retrieve', { filter: null }),
    });
  const untouched = () => expect(world.upstream.bytes().length).toBe(0);

  test('an active member reaches the collection of the organization in the path [S0.1] [S0.2] [S0.3]', async () => {
    for (const user of ['user_staff', 'user_member', 'user_bare']) {
      const answer = await post(user);
      expect([user, answer.status]).toEqual([user, 200]);
    }
  });

  test('what goes upstream carries the credential of the collection and the enforced filter, never the token [S0.8] [S0.18]', async () => {
    const token = await fake.signToken({ sub: 'user_member' });
    const answer = await send(`${world.gateway.url}/org_123/mcp/filtered`, {
      headers: bearer(token),
      body: call('retrieve', { query: 'q', filter: { team: 'blue' } }),
    });
    expect(answer.status).toBe(200);
    expect(world.upstream.requests.at(-1)?.rpc.params?.arguments).toEqual({
      query: 'q',
      filter: { team: 'red', level: 3 },
    });
    expect(world.upstream.bytes().includes(token)).toBe(false);
    expect(world.upstream.bytes().includes('user_member')).toBe(false);
  });

  test('only roles of the own membership in this organization count [S0.4]', async () => {
    expect((await post('user_staff', 'staff')).status).toBe(200);
    world.upstream.clear();
    fake.ignoreFilters(true);
    for (const user of ['user_member', 'user_bare', 'user_foreign']) {
      const answer = await post(user, 'staff');
      expect([user, answer.status, answer.json]).toEqual([user, 403, { error: 'Access denied' }]);
    }
    fake.ignoreFilters(false);
    untouched();
  });

  test('who is not a member learns nothing of what exists [S0.3] [S0.6] [X0.4]', async () => {
    for (const path of ['/org_123/mcp/open', '/org_123/mcp/no-such', '/org_999/mcp/x', '/org_nowhere/mcp/open']) {
      const answer = await post('user_stranger', '', path);
      expect([path, answer.status, answer.json]).toEqual([path, 403, { error: 'Access denied' }]);
    }
    untouched();
  });

  test('a member gets 404 for a collection that does not exist [S0.5] [S0.6]', async () => {
    const answer = await post('user_member', 'no-such');
    expect([answer.status, answer.json]).toEqual([404, { error: 'Collection not found' }]);
  });

  test('tokens of others, for others, expired or unsigned are 401 [S0.2] [S0.15] [X0.3] [X0.4]', async () => {
    const now = Math.floor(Date.now() / 1000);
    const tokens = await Promise.all([
      fake.signToken({ aud: 'client_of_another_application' }),
      fake.signToken({ aud: undefined }),
      fake.signToken({ iss: 'https://evil.example' }),
      fake.signToken({ exp: now - 3600, iat: now - 7200 }),
      fake.signToken({ sub: undefined }),
      fake.signToken({ sub: '' }),
    ]);
    const [header = '', payload = ''] = (await fake.signToken()).split('.');
    const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`;
    for (const token of [...tokens, none, `${header}.${payload}.AAAA`]) {
      const answer = await send(world.url('open'), { headers: bearer(token), body: call('echo') });
      expect([answer.status, answer.json]).toEqual([401, { error: 'Invalid bearer token.' }]);
    }
    untouched();
  });

  test('a warm call asks WorkOS nothing [X0.4]', async () => {
    await post('user_member');
    const before = fake.requests.length;
    for (let i = 0; i < 10; i++) expect((await post('user_member')).status).toBe(200);
    expect(fake.requests.length).toBe(before);
  });

  test('the protected-resource document names the endpoint and the authorization server [S0.10] [S0.12] [X0.4]', async () => {
    const challenge = (await send(world.url('open'), { body: call('echo') })).headers['www-authenticate'];
    const url = /resource_metadata="([^"]+)"/.exec(challenge ?? '')?.[1] ?? '';
    const { pathname } = new URL(url);
    const answer = await send(world.gateway.url + pathname, { method: 'GET', headers: { accept: 'application/json' } });
    expect(answer.status).toBe(200);
    expect(answer.json).toMatchObject({
      resource: expect.stringMatching(/\/demo\/mcp\/open$/),
      authorization_servers: [fake.issuer],
      bearer_methods_supported: ['header'],
    });
    const root = await send(`${world.gateway.url}/.well-known/oauth-protected-resource`, { method: 'GET' });
    expect(root.status).toBe(200);
    expect(root.json).toMatchObject({ authorization_servers: [fake.issuer], bearer_methods_supported: ['header'] });
  });

  test('the authorization-server document is the one of WorkOS, relayed [S0.13]', async () => {
    const answer = await send(`${world.gateway.url}/.well-known/oauth-authorization-server`, { method: 'GET' });
    expect(answer.status).toBe(200);
    expect(answer.json).toMatchObject({ issuer: fake.issuer });
  });

  test('the welcome page is HTML and public [S0.11]', async () => {
    const answer = await send(`${world.gateway.url}/welcome`, { method: 'GET', headers: { accept: 'text/html' } });
    expect([answer.status, answer.headers['content-type']?.split(';')[0]]).toEqual([200, 'text/html']);
  });

  test('each request leaves one line with method, path, status and time, and no secret in any [S0.42]', async () => {
    const token = await fake.signToken({ sub: 'user_member' });
    await send(`${world.url('open')}?secret=in-the-query`, { headers: bearer(token), body: call('echo') });
    await send(world.url('open'), { body: call('echo') });
    const line = (status: number) =>
      world.gateway
        .logs()
        .findLast(
          ({ msg }) =>
            typeof msg === 'string' && /^POST \/demo\/mcp\/open \d+/.test(msg) && msg.includes(` ${status} `),
        );
    await expect.poll(() => line(200)).toBeDefined();
    await expect.poll(() => line(401)?.level).toBe('warn');
    const all = world.gateway.output();
    for (const secret of [token, world.key, fake.apiKey, 'in-the-query', 'tnt_upstream'])
      expect(all).not.toContain(secret);
  });
});
