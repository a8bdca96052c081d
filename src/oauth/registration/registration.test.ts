import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { type ManualClock, manualClock } from '#kit/identity/manual-clock.ts';
import {
  issueCode,
  openTestServer,
  redeem,
  registerClient,
  signIn,
  type TestClient,
  type TestServer,
} from '#kit/oauth.ts';

const day = 24 * 3_600_000;
const redirect_uris = ['https://client.example/callback'];
let t: TestServer;
let clock: ManualClock;
beforeAll(async () => {
  clock = manualClock();
  t = await openTestServer({ clock });
});
afterAll(() => t.close());

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

async function call(
  method: string,
  url: string,
  { body, token, headers = {} }: { body?: unknown; token?: string | undefined; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const answer = await fetch(url, {
    method,
    headers: {
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await answer.text();
  const parsed: unknown = text === '' ? {} : JSON.parse(text);
  return { status: answer.status, headers: answer.headers, body: z.record(z.string(), z.unknown()).parse(parsed) };
}

const register = (body: unknown, headers?: Record<string, string>) =>
  call('POST', `${t.url}/register`, { body, ...(headers && { headers }) });

async function registered(metadata: Record<string, unknown> = {}) {
  const { status, body } = await register({ redirect_uris, ...metadata });
  expect(status).toBe(201);
  const { client_id, registration_access_token } = z
    .looseObject({ client_id: z.string(), registration_access_token: z.string() })
    .parse(body);
  return { id: client_id, token: registration_access_token, url: `${t.url}/register/${client_id}`, body };
}

describe('registering', () => {
  test('anybody registers and gets everything a client needs, with defaults [S1.6] [S1.8] [S1.25] [X1.6]', async () => {
    const { status, headers, body } = await register({
      redirect_uris,
      client_name: 'Editor',
      client_uri: 'https://client.example',
      logo_uri: 'https://client.example/logo.png',
      contacts: ['ops@client.example'],
      tos_uri: 'https://client.example/tos',
      policy_uri: 'https://client.example/policy',
    });
    expect(status).toBe(201);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('access-control-allow-origin')).toBe('*');
    expect(body).toEqual({
      client_id: expect.stringMatching(/^client_[\w-]{16}$/),
      client_id_issued_at: Math.floor(clock.now() / 1000),
      client_secret: expect.stringMatching(/^[\w-]{43}$/),
      client_secret_expires_at: Math.floor(clock.now() / 1000) + 7_776_000,
      redirect_uris,
      client_name: 'Editor',
      client_uri: 'https://client.example',
      logo_uri: 'https://client.example/logo.png',
      contacts: ['ops@client.example'],
      tos_uri: 'https://client.example/tos',
      policy_uri: 'https://client.example/policy',
      scope: 'openid profile email',
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_basic',
      application_type: 'web',
      registration_access_token: expect.stringMatching(/^reg-[\w-]{32}$/),
      registration_client_uri: `${t.issuer}/register/${String(body.client_id)}`,
    });
  });

  test("an Authorization header changes nothing, be it broken, foreign or somebody else's token [S1.6] [S1.25]", async () => {
    const { token } = await registered();
    for (const authorization of ['Bearer x', `Bearer ${token}`, 'Basic !!!', 'nonsense'])
      expect((await register({ redirect_uris }, { authorization })).status).toBe(201);
  });

  test('a public client has no secret; it may ask for our scopes all the same [S1.8]', async () => {
    const client = await registerClient(t);
    expect(client.metadata).not.toHaveProperty('client_secret');
    expect(client.metadata.scope).toBe('openid profile email');
    const { scope } = await signIn(t, { client, scope: 'mcp:read mcp:write' });
    expect(scope).toBe('mcp:read mcp:write');
  });

  test('the secret must be shown at the token endpoint once there is one [X1.1]', async () => {
    const client = await registerClient(t, { token_endpoint_auth_method: 'client_secret_post' });
    const code = await issueCode(t, { client });
    const without = await redeem(t, { ...code, client: { ...client, secret: undefined } });
    expect(without.status).toBe(401);
    expect(without.body.error).toBe('invalid_client');
    expect((await redeem(t, code)).status).toBe(200);
  });

  test('what is unknown is ignored or dropped, and no grant without a person is given away [S1.8] [X1.1]', async () => {
    const { body } = await registered({
      invented: { deep: true },
      client_id: 'client_mine',
      client_secret: 'mine',
      registration_client_uri: 'https://evil.example',
      software_id: 'x',
      id_token_signed_response_alg: 'none',
      subject_type: 'pairwise',
      sector_identifier_uri: 'http://127.0.0.1/',
      scope: 'mcp:read admin:everything email',
      grant_types: [
        'authorization_code',
        'client_credentials',
        'urn:ietf:params:oauth:grant-type:token-exchange',
        'urn:ietf:params:oauth:grant-type:jwt-bearer',
        'password',
        'implicit',
      ],
    });
    expect(body.scope).toBe('mcp:read email');
    expect(body.grant_types).toEqual(['authorization_code']);
    expect(body.client_id).not.toBe('client_mine');
    expect(body.client_secret).not.toBe('mine');
    expect(Object.keys(body)).not.toEqual(expect.arrayContaining(['invented']));
    expect(Object.keys(body)).not.toEqual(expect.arrayContaining(['sector_identifier_uri']));
  });

  test.each([
    ['no redirect_uris', {}, 'invalid_client_metadata'],
    ['empty redirect_uris', { redirect_uris: [] }, 'invalid_client_metadata'],
    ['null', { redirect_uris: null }, 'invalid_client_metadata'],
    ['a string', { redirect_uris: 'https://client.example' }, 'invalid_client_metadata'],
    ['an array as body', [], 'invalid_client_metadata'],
    ['malformed JSON', '{"redirect_uris": [', 'invalid_client_metadata'],
    ['no body', '', 'invalid_client_metadata'],
    ['a NUL in a name', { redirect_uris, client_name: 'a\0b' }, 'invalid_client_metadata'],
    ['half a character', { redirect_uris, jwks: { keys: ['\ud800'] } }, 'invalid_client_metadata'],
    [
      'an unknown way to authenticate',
      { redirect_uris, token_endpoint_auth_method: 'magic' },
      'invalid_client_metadata',
    ],
    ['a key without keys', { redirect_uris, token_endpoint_auth_method: 'private_key_jwt' }, 'invalid_client_metadata'],
    ['no response type of ours', { redirect_uris, response_types: ['token'] }, 'invalid_client_metadata'],
    ['a logo that is no link', { redirect_uris, logo_uri: 'javascript:alert(1)' }, 'invalid_client_metadata'],
    ['one bad URI among good ones', { redirect_uris: [...redirect_uris, 'http://x.example/'] }, 'invalid_redirect_uri'],
  ])('%s is refused with 400 [S1.7]', async (_what, body, error) => {
    const answer = await register(body);
    expect([answer.status, answer.body.error]).toEqual([400, error]);
    expect(answer.body.error_description).toEqual(expect.any(String));
  });

  test('other methods are refused by name', async () => {
    const answer = await call('GET', `${t.url}/register`);
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'POST, OPTIONS']);
    expect((await call('POST', `${t.url}/register/client_x`, { body: {} })).status).toBe(405);
  });

  test('a name is kept as far as anybody would read it', async () => {
    const { body } = await registered({ client_name: 'n'.repeat(10_000) });
    expect(body.client_name).toBe('n'.repeat(256));
  });

  test('more than 32 KiB are not read [A25]', async () => {
    expect((await register({ redirect_uris, client_name: 'x'.repeat(40_000) })).status).toBe(413);
  });

  test('metadata says where the issuer is, whatever host was asked [S1.8] [X1.6]', async () => {
    const { body } = await register(
      { redirect_uris },
      { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https', forwarded: 'host=evil.example' },
    );
    expect(body.registration_client_uri).toBe(`${t.issuer}/register/${String(body.client_id)}`);
  });

  test('a browser may register from any page; the preflight needs no token [S1.6] [S1.42]', async () => {
    for (const url of [`${t.url}/register`, `${t.url}/register/client_x`]) {
      const answer = await fetch(url, {
        method: 'OPTIONS',
        headers: { origin: 'https://inspector.example', 'access-control-request-method': 'POST' },
      });
      expect(answer.status).toBe(204);
      expect(answer.headers.get('access-control-allow-origin')).toBe('*');
      expect(answer.headers.get('access-control-allow-headers')).toContain('Content-Type');
      expect(answer.headers.get('access-control-allow-credentials')).toBeNull();
    }
  });

  test('nothing that opens a door is in the database in clear [S1.8]', async () => {
    const { body, token } = await registered();
    const rows = await t.database.sql('select * from gateway.oauth_clients');
    expect(JSON.stringify(rows)).toContain(String(body.client_id));
    for (const secret of [token, String(body.client_secret)]) expect(JSON.stringify(rows)).not.toContain(secret);
  });

  test('a tool with the device flow only needs no redirect URI', async () => {
    const { body } = await register({ grant_types: ['urn:ietf:params:oauth:grant-type:device_code'] });
    expect(body).toMatchObject({ redirect_uris: [], response_types: [] });
  });
});

describe('managing', () => {
  test('who has no token, or no bearer token, is asked for one [S1.9]', async () => {
    const { url } = await registered();
    for (const method of ['GET', 'PUT', 'DELETE'])
      for (const authorization of ['', 'Basic Zm9vOmJhcg==', 'Bearer']) {
        const answer = await call(method, url, { headers: authorization === '' ? {} : { authorization } });
        expect(answer.status).toBe(401);
        expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="auth"');
      }
  });

  test("a wrong token, another client's and an OAuth token are forbidden, and stay good where they belong [S1.9] [S1.25]", async () => {
    const [mine, other] = [await registered(), await registered()];
    const { accessToken } = await signIn(t);
    for (const method of ['GET', 'PUT', 'DELETE'])
      for (const token of ['reg-wrong', other.token, accessToken, String(mine.body.client_secret)])
        expect((await call(method, mine.url, { token, ...(method === 'PUT' && { body: {} }) })).status).toBe(403);
    expect((await call('GET', other.url, { token: other.token })).status).toBe(200);
    expect((await call('GET', mine.url, { token: mine.token })).status).toBe(200);
  });

  test('an unknown client is not found [S1.9]', async () => {
    const { token } = await registered();
    for (const id of ['client_0123456789abcdef', 'x', '%00'])
      expect((await call('GET', `${t.url}/register/${id}`, { token })).status).toBe(404);
  });

  test('the registration is read as it was answered [S1.9]', async () => {
    const { url, token, body } = await registered({ client_name: 'Editor' });
    const answer = await call('GET', url, { token });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.body).toEqual(body);
  });

  test('a whole registration replaces the old one, by the same rules [S1.9]', async () => {
    const { url, token, body, id } = await registered({ client_name: 'Editor', client_uri: 'https://client.example' });
    const changed = await call('PUT', url, {
      token,
      body: { ...body, client_uri: null, client_name: 'Other', redirect_uris: ['https://client.example/other'] },
    });
    expect(changed.status).toBe(200);
    expect(changed.body).toMatchObject({ client_name: 'Other', client_secret: body.client_secret, client_id: id });
    expect(changed.body).not.toHaveProperty('client_uri');
    const known = await t.server.provider.Client.find(id);
    expect(known?.redirectUriAllowed('https://client.example/other')).toBe(true);
    expect(known?.redirectUriAllowed('https://client.example/callback')).toBe(false);
  });

  test('a part of a registration changes that part [S1.9]', async () => {
    const { url, token } = await registered({ client_uri: 'https://client.example' });
    const changed = await call('PUT', url, { token, body: { client_name: 'Renamed', client_secret_expires_at: 1 } });
    expect(changed.body).toMatchObject({
      client_name: 'Renamed',
      client_uri: 'https://client.example',
      redirect_uris,
    });
    expect(changed.body.client_secret_expires_at).not.toBe(1);
  });

  test.each([
    ['empty redirect_uris', { redirect_uris: [] }, 'invalid_client_metadata'],
    ['a forbidden redirect URI', { redirect_uris: ['javascript:alert(1)'] }, 'invalid_redirect_uri'],
    ['another id', { redirect_uris, client_id: 'client_other' }, 'invalid_client_metadata'],
    ['another secret', { redirect_uris, client_secret: 'chosen' }, 'invalid_client_metadata'],
    ['malformed JSON', '{', 'invalid_client_metadata'],
  ])('%s is refused with 400 and changes nothing [S1.9]', async (_what, change, error) => {
    const { url, token, body } = await registered();
    const answer = await call('PUT', url, { token, body: change });
    expect([answer.status, answer.body.error]).toEqual([400, error]);
    expect((await call('GET', url, { token })).body).toEqual(body);
  });

  test('deleting answers 204, then 404, and ends what was issued to the client [S1.9]', async () => {
    const client = await registerClient(t);
    const other = await signIn(t);
    const { accessToken } = await signIn(t, { client });
    await expect(t.server.tokens.verify(accessToken)).resolves.toHaveProperty('tokenId');
    const token = String(client.metadata.registration_access_token);
    const url = `${t.url}/register/${client.id}`;
    expect((await call('DELETE', url, { token })).status).toBe(204);
    expect((await call('DELETE', url, { token })).status).toBe(404);
    expect((await call('GET', url, { token })).status).toBe(404);
    await expect(t.server.tokens.verify(accessToken)).rejects.toThrow();
    await expect(t.server.tokens.verify(other.accessToken)).resolves.toHaveProperty('tokenId');
    const left = await t.database.sql('select 1 from gateway.oauth_records where client_id = $1', [client.id]);
    expect(left).toEqual([]);
  });
});

describe('lifetimes', () => {
  /** The mark is made beside the answer, not before it. */
  async function signInAndWait(server: TestServer, client: TestClient) {
    await signIn(server, { client });
    await vi.waitFor(async () => {
      const rows = await t.database.sql('select signed_in_at from gateway.oauth_clients where id = $1', [client.id]);
      expect(rows[0]?.signed_in_at).toBeInstanceOf(Date);
    });
  }

  test('a client nobody signed in through is gone after a day, one that was used is not [S1.10] [A25]', async () => {
    const [unused, used] = [await registered(), await registerClient(t)];
    await signInAndWait(t, used);
    clock.advance(day - 1000);
    expect((await call('GET', unused.url, { token: unused.token })).status).toBe(200);
    clock.advance(1000);
    expect((await call('GET', unused.url, { token: unused.token })).status).toBe(404);
    expect(await t.server.provider.Client.find(unused.id)).toBeUndefined();
    expect(await t.server.provider.Client.find(used.id)).toBeDefined();
  });

  test('CLIENT_LIFETIME runs from the registration, and anew from each change [S1.10]', async () => {
    const lifetime = 7_776_000;
    const client = await registerClient(t, { token_endpoint_auth_method: 'client_secret_basic' });
    await signInAndWait(t, client);
    const token = String(client.metadata.registration_access_token);
    const url = `${t.url}/register/${client.id}`;
    clock.advance((lifetime - 10) * 1000);
    const changed = await call('PUT', url, { token, body: { client_name: 'Still here' } });
    expect(changed.status).toBe(200);
    expect(changed.body.client_secret_expires_at).toBe(Math.floor(clock.now() / 1000) + lifetime);
    clock.advance((lifetime - 10) * 1000);
    expect((await call('GET', url, { token })).status).toBe(200);
    clock.advance(20_000);
    expect((await call('GET', url, { token })).status).toBe(404);
    expect(await t.server.provider.Client.find(client.id)).toBeUndefined();
  });

  test('a lifetime of 0 is for ever, and the secret says so [S1.8] [S1.10]', async () => {
    const eternal = await openTestServer({ clock, database: t.database, settings: { clientSeconds: 0 } });
    const client = await registerClient(eternal, { token_endpoint_auth_method: 'client_secret_basic' });
    expect(client.metadata.client_secret_expires_at).toBe(0);
    await signInAndWait(eternal, client);
    clock.advance(50 * 365 * day);
    expect(await eternal.server.provider.Client.find(client.id)).toMatchObject({ clientId: client.id });
    await eternal.close();
  });
});
