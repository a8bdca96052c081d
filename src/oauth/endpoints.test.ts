import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { send } from '#kit/http-client.ts';
import {
  openTestServer,
  postForm,
  refresh,
  registerClient,
  signIn,
  type TestClient,
  type TestServer,
} from '#kit/oauth.ts';

let t: TestServer;
let client: TestClient;
const challenge = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM';

beforeAll(async () => {
  t = await openTestServer();
  client = await registerClient(t);
});
afterAll(() => t.close());

const get = (url: string, headers: Readonly<Record<string, string>> = { accept: 'text/html' }) =>
  send(url, { method: 'GET', headers });

/** What a well-behaved client asks; undefined takes a parameter away. */
function authorize(changed: Readonly<Record<string, string | undefined>> = {}) {
  const url = new URL(`${t.url}/authorize`);
  const params = {
    client_id: client.id,
    redirect_uri: client.redirectUri,
    response_type: 'code',
    state: 'state-1',
    code_challenge: challenge,
    code_challenge_method: 'S256',
    scope: 'mcp:read mcp:write',
    resource: t.issuer,
    ...changed,
  };
  for (const [name, value] of Object.entries(params)) if (value !== undefined) url.searchParams.set(name, value);
  return get(url.href);
}

/** Of a redirect back to the client. */
function errorOf(location: string | undefined) {
  expect(location).toMatch(/^https:\/\/client\.example\/callback\?/);
  const { searchParams } = new URL(location ?? '');
  return { error: searchParams.get('error'), state: searchParams.get('state'), iss: searchParams.get('iss') };
}

describe('/authorize', () => {
  test('asks the person, by a cookie for this sign-in alone [S1.11] [S1.39]', async () => {
    const { status, headers } = await authorize();
    expect(status).toBe(303);
    expect(headers.location).toMatch(new RegExp(`^${t.issuer}/interaction/[\\w-]+$`));
    expect(headers['cache-control']).toBe('no-store');
    expect(headers['referrer-policy']).toBe('no-referrer');
    const cookies = headers['set-cookie'] ?? [];
    expect(cookies.length).toBeGreaterThan(0);
    for (const cookie of cookies) {
      expect(cookie).toMatch(/; httponly/i);
      expect(cookie).toMatch(/; samesite=lax/i);
    }
  });

  test('an unknown client gets a page of its own with 400, and no redirect [S1.11] [A6]', async () => {
    const answer = await authorize({ client_id: 'client_"><script>alert(1)</script>' });
    expect(answer.status).toBe(400);
    expect(answer.headers.location).toBeUndefined();
    expect(answer.headers['content-type']).toContain('text/html');
    expect(answer.text).not.toContain('<script>');
    expect(answer.headers['content-security-policy']).toContain("default-src 'none'");
    expect(answer.headers['x-frame-options']).toBe('DENY');
  });

  test.each([
    'https://client.example/callback/',
    'https://client.example/callback?x=1',
    'https://client.example.evil.example/callback',
    'https://evil.example/callback',
    'http://client.example/callback',
    'javascript:alert(1)//https://client.example/callback',
    'https://client.example@evil.example/callback',
    'https://CLIENT.example/callback',
  ])(
    'an unregistered redirect URI (%s) is answered 400 invalid_redirect_uri, never followed [S1.11] [A4] [X1.3]',
    async (redirect_uri) => {
      const answer = await authorize({ redirect_uri });
      expect(answer.status).toBe(400);
      expect(answer.headers.location).toBeUndefined();
      expect(answer.text).toContain('invalid_redirect_uri');
    },
  );

  test('another response type goes back to the client as unsupported_response_type [S1.11] [A11]', async () => {
    for (const response_type of ['token', 'code id_token', 'none']) {
      const { headers } = await authorize({ response_type });
      const expected = { error: 'unsupported_response_type', state: 'state-1', iss: t.issuer };
      // With a token in it the answer would be in the fragment.
      expect(errorOf(headers.location?.replace('#', '?'))).toEqual(expected);
    }
  });

  test('a resource that is no URL goes back as invalid_resource, a foreign one as invalid_target [S1.11] [S1.23]', async () => {
    expect(errorOf((await authorize({ resource: 'not a url' })).headers.location).error).toBe('invalid_resource');
    expect(errorOf((await authorize({ resource: 'https://elsewhere.example/mcp' })).headers.location).error).toBe(
      'invalid_target',
    );
    expect(errorOf((await authorize({ resource: `${t.issuer}/admin` })).headers.location).error).toBe('invalid_target');
  });

  test('state is required, but of clients that name their resource [S1.11] [S1.13]', async () => {
    const { headers } = await authorize({ state: undefined, resource: undefined });
    expect(errorOf(headers.location).error).toBe('invalid_request');
    expect((await authorize({ state: undefined })).headers.location).toContain('/interaction/');
  });

  test('no challenge, and any method but S256, is refused [S1.5] [A7] [X1.1]', async () => {
    const missing = await authorize({ code_challenge: undefined, code_challenge_method: undefined });
    expect(errorOf(missing.headers.location).error).toBe('invalid_request');
    for (const code_challenge_method of ['plain', 's256', 'S512']) {
      const answer = await authorize({ code_challenge_method });
      expect(answer.status).toBe(400);
      expect(answer.headers.location).toBeUndefined();
      expect(answer.text).toContain('invalid_request');
    }
    const short = await authorize({ code_challenge: 'short' });
    expect(errorOf(short.headers.location).error).toBe('invalid_request');
    // No method means plain (RFC 7636 4.3).
    expect(errorOf((await authorize({ code_challenge_method: undefined })).headers.location).error).toBe(
      'invalid_request',
    );
  });

  test('a parameter sent twice is refused [A22]', async () => {
    const { headers } = await authorize();
    expect(headers.location).toContain('/interaction/');
    const url = `${t.url}/authorize?client_id=${client.id}&redirect_uri=${encodeURIComponent(client.redirectUri)}&response_type=code&state=a&state=b&code_challenge=${challenge}&code_challenge_method=S256`;
    const answer = await get(url);
    expect(answer.headers.location ?? answer.text).toContain('invalid_request');
  });
});

describe('/token', () => {
  test.each([
    [
      'parameters twice',
      'application/x-www-form-urlencoded',
      'grant_type=authorization_code&grant_type=refresh_token&client_id=ID',
    ],
    [
      'a client twice',
      'application/x-www-form-urlencoded',
      'grant_type=refresh_token&refresh_token=x&client_id=ID&client_id=ID',
    ],
    ['JSON', 'application/json', '{"grant_type":"authorization_code","client_id":"ID"}'],
    ['multipart', 'multipart/form-data; boundary=x', '--x\r\n--x--'],
    [
      'more than 56 KiB',
      'application/x-www-form-urlencoded',
      `client_id=ID&grant_type=refresh_token&x=${'x'.repeat(60_000)}`,
    ],
  ])('%s: 400 invalid_request, kept by nobody [A22]', async (_what, type, body) => {
    const answer = await send(`${t.url}/token`, {
      headers: { 'content-type': type, accept: '*/*' },
      body: body.replaceAll('ID', client.id),
    });
    expect(answer.status).toBe(400);
    expect(answer.json).toMatchObject({ error: 'invalid_request' });
    expect(answer.headers['cache-control']).toBe('no-store');
  });

  test('credentials in the URL: 400; another method: 405 [A22]', async () => {
    const inUrl = await send(`${t.url}/token?client_id=${client.id}&client_secret=x`, {
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: 'grant_type=client_credentials',
    });
    expect([inUrl.status, inUrl.json]).toMatchObject([400, { error: 'invalid_request' }]);
    expect((await get(`${t.url}/token?grant_type=client_credentials`)).status).toBe(405);
  });

  test('errors have the codes of RFC 6749 5.2 [S1.15]', async () => {
    expect(await postForm(`${t.url}/token`, { grant_type: 'password' }, { client })).toMatchObject({
      status: 400,
      body: { error: 'unsupported_grant_type' },
    });
    expect(await postForm(`${t.url}/token`, { grant_type: 'authorization_code' }, { client })).toMatchObject({
      status: 400,
      body: { error: 'invalid_request' },
    });
    const confidential = await registerClient(t, { token_endpoint_auth_method: 'client_secret_basic' });
    const wrong = { ...confidential, secret: 'wrong' };
    const refused = await postForm(
      `${t.url}/token`,
      { grant_type: 'refresh_token', refresh_token: 'x' },
      { client: wrong },
    );
    expect(refused).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
    expect(refused.headers.get('www-authenticate')).toMatch(/^Basic /);
    // Leaving the secret out is no way in (X1.1).
    const without = await postForm(`${t.url}/token`, {
      grant_type: 'refresh_token',
      refresh_token: 'x',
      client_id: confidential.id,
    });
    expect(without).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
  });

  test('its answer has what S1.16 lists, and is kept by nobody [S1.16]', async () => {
    const session = await signIn(t);
    const { headers, body } = await refresh(t, session);
    expect(body).toEqual({
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 600,
      refresh_token: expect.any(String),
      scope: 'mcp:read mcp:write',
    });
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
  });
});

describe('metadata', () => {
  const documents = ['/.well-known/oauth-authorization-server', '/.well-known/openid-configuration'];
  const urls = z.record(z.string(), z.unknown());

  test.each(documents)('%s says what there is, whatever Host says [S1.22] [A7] [A11]', async (path) => {
    const answer = await get(t.url + path, {
      host: 'evil.example',
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'https',
    });
    expect(answer.status).toBe(200);
    expect(answer.text).not.toContain('evil');
    expect(answer.headers['cache-control']).toBe('public, max-age=300');
    expect(answer.headers['access-control-allow-origin']).toBe('*');
    const at = (endpoint: string) => t.issuer + endpoint;
    expect(answer.json).toMatchObject({
      issuer: t.issuer,
      authorization_endpoint: at('/authorize'),
      token_endpoint: at('/token'),
      registration_endpoint: at('/register'),
      revocation_endpoint: at('/revoke'),
      introspection_endpoint: at('/introspect'),
      device_authorization_endpoint: at('/device/authorize'),
      pushed_authorization_request_endpoint: at('/par'),
      jwks_uri: at('/jwks'),
      response_types_supported: ['code'],
      code_challenge_methods_supported: ['S256'],
      authorization_response_iss_parameter_supported: true,
      resource_indicators_supported: true,
      mcp_protocol_version: '2025-06-18',
    });
    const {
      scopes_supported: scopes,
      token_endpoint_auth_methods_supported: methods,
      grant_types_supported: grants,
    } = urls.parse(answer.json);
    expect(scopes).toEqual(
      expect.arrayContaining(['openid', 'profile', 'email', 'mcp:read', 'mcp:write', 'mcp:session']),
    );
    expect(methods).toEqual(
      expect.arrayContaining(['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt']),
    );
    expect(grants).toEqual(expect.arrayContaining(['authorization_code', 'refresh_token']));
    expect(grants).not.toContain('implicit');
    // Every endpoint named is there.
    for (const [name, url] of Object.entries(urls.parse(answer.json))) {
      if (!/_(endpoint|uri)$/.test(name)) continue;
      const method = name === 'registration_endpoint' ? 'POST' : 'GET';
      expect((await send(String(url).replace(t.issuer, t.url), { method })).status, name).not.toBe(404);
    }
  });

  test('below a path there is none, since the issuer has none', async () => {
    for (const path of documents) expect((await get(`${t.url}${path}/acme/mcp`)).status).toBe(404);
    expect((await get(`${t.url}/acme/.well-known/openid-configuration`)).status).toBe(404);
  });

  test('what is switched off is not named', async () => {
    const off = await openTestServer({
      database: t.database,
      issuer: t.issuer,
      settings: { registration: { enabled: false, perAddressPerHour: 1, pending: 1 } },
    });
    const { json } = await get(`${off.url}${documents[0]}`);
    expect(json).not.toHaveProperty('registration_endpoint');
    await off.close();
  });

  test('an issuer with a path: documents at the origin and below it, endpoints below it', async () => {
    const issuer = 'https://gateway.example/tools/mcp-gw';
    const below = await openTestServer({ database: t.database, issuer });
    // As the front hands them on: the prefix taken off, but for documents at the origin.
    const places = [
      '/.well-known/oauth-authorization-server/tools/mcp-gw',
      '/.well-known/openid-configuration/tools/mcp-gw',
      '/.well-known/openid-configuration',
    ];
    for (const path of places) {
      const { status, json } = await get(below.url + path);
      expect([path, status]).toEqual([path, 200]);
      expect(json).toMatchObject({ issuer, token_endpoint: `${issuer}/token`, jwks_uri: `${issuer}/jwks` });
    }
    const { metadata } = await registerClient(below);
    expect(metadata.registration_client_uri).toBe(`${issuer}/register/${String(metadata.client_id)}`);
    const query = new URLSearchParams({
      client_id: String(metadata.client_id),
      redirect_uri: 'https://client.example/callback',
      response_type: 'code',
      state: 's',
      code_challenge: challenge,
      code_challenge_method: 'S256',
    });
    const { headers } = await get(`${below.url}/authorize?${query}`);
    expect(headers.location).toContain(`${issuer}/interaction/`);
    const cookies = headers['set-cookie'] ?? [];
    expect(cookies.length).toBeGreaterThan(0);
    for (const cookie of cookies) {
      expect(cookie).toMatch(/^__(Host|Secure)-gw_/);
      expect(cookie).toMatch(/; secure/i);
      if (cookie.startsWith('__Host-')) expect(cookie).toMatch(/; path=\/(;|$)/i);
      else expect(cookie).toMatch(/; path=\/tools\/mcp-gw\//i);
    }
    await below.close();
  });
});

describe('browser-based clients', () => {
  test.each(['/token', '/register', '/revoke', '/introspect', '/par', '/device/authorize', '/register/client_x'])(
    '%s may be called from any origin, without cookies [S1.42]',
    async (path) => {
      const headers = {
        origin: 'http://localhost:6274',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'content-type',
      };
      const preflight = await send(t.url + path, { method: 'OPTIONS', headers });
      expect(preflight.status).toBe(204);
      expect(preflight.headers['access-control-allow-origin']).toBe('*');
      expect(preflight.headers['access-control-allow-headers']).toMatch(/content-type/i);
      expect(preflight.headers).not.toHaveProperty('access-control-allow-credentials');
    },
  );

  test('answers, refusals too, can be read there', async () => {
    const { headers } = await postForm(
      `${t.url}/token`,
      { grant_type: 'nonsense' },
      { client, headers: { origin: 'http://localhost:6274' } },
    );
    expect(headers.get('access-control-allow-origin')).toMatch(/^(\*|http:\/\/localhost:6274)$/);
  });

  test('pages cannot', async () => {
    const answer = await send(`${t.url}/authorize`, { method: 'GET', headers: { origin: 'https://evil.example' } });
    expect(answer.headers).not.toHaveProperty('access-control-allow-origin');
  });
});

test('nothing of a sign-in is in the log [A23]', async () => {
  const lines: unknown[] = [];
  const keep = (fields: object, message: string) => void lines.push(fields, message);
  const logged = await openTestServer({
    database: t.database,
    issuer: t.issuer,
    log: { debug: keep, info: keep, warn: keep, error: keep },
  });
  const session = await signIn(logged);
  const next = await refresh(logged, session);
  await refresh(logged, { ...session, refreshToken: 'nonsense-token-value' });
  await t.database.sql('alter table gateway.oauth_records rename to oauth_records_away');
  const broken = await refresh(logged, session);
  await t.database.sql('alter table gateway.oauth_records_away rename to oauth_records');
  expect(broken.status).toBeGreaterThanOrEqual(500);
  expect(lines.length).toBeGreaterThan(0);
  const text = JSON.stringify(lines, (_key, value: unknown) =>
    value instanceof Error ? { ...value, message: value.message, stack: value.stack } : value,
  );
  for (const secret of [
    session.code,
    session.verifier,
    session.refreshToken,
    session.accessToken,
    next.body.refresh_token,
    'nonsense-token-value',
  ]) {
    expect(text).not.toContain(secret);
  }
  await logged.close();
});
