/**
 * The whole gateway by the `.env` of a three-layer gateway (REQUIREMENTS S1.45) and nothing else that concerns sign-in:
 * from a call without a token to a call with one, and what each variable does.
 */
import { createHash, generateKeyPairSync } from 'node:crypto';
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { openBrowserJar } from '#kit/browser-jar.ts';
import { type RunningGateway, startGateway } from '#kit/gateway.ts';
import { bearer, call, send } from '#kit/http-client.ts';
import { type FakeGithub, startFakeGithub } from '#kit/identity/fake-github.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { type RecordingUpstream, startRecordingUpstream } from '#kit/recording-upstream.ts';
import { authorization } from '#kit/sign-in.ts';

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const { x, y } = privateKey.export({ format: 'jwk' });
const thumbprint = createHash('sha256')
  .update(JSON.stringify({ crv: 'P-256', kty: 'EC', x, y }))
  .digest('base64url');

let t: TestDatabase;
let fake: FakeGithub;
let upstream: RecordingUpstream;
let gateway: RunningGateway;
let issuer: string;
beforeAll(async () => {
  [t, fake, upstream] = await Promise.all([
    createTestDatabase(),
    startFakeGithub({ user: { id: 583231, login: 'octocat', name: 'monalisa octocat' } }),
    startRecordingUpstream(),
  ]);
  gateway = await startGateway({
    configYaml: `
servers: [{ key: plain, title: Plain, transport: { kind: http, url: '${upstream.url}/mcp' } }]
collections: [{ organization: default, name: open, allowedRoles: '*', bindings: [{ server: plain }] }]
enablements: [{ organization: default, server: plain, allMembers: true }]
egress: { allow: ['127.0.0.1'] }
`,
    env: {
      DATABASE_URL: t.url,
      ...fake.env,
      GATEWAY_JWT_SECRET: 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB',
      ALLOWED_GITHUB_USERS: '*',
      JWT_ALGORITHM: 'ES256',
      JWT_PRIVATE_KEY_B64: Buffer.from(pem).toString('base64'),
      ACCESS_TOKEN_LIFETIME: '120',
      OAUTH_REFRESH_TOKEN_LIFETIME: '7200',
      CLIENT_LIFETIME: '5000',
      SESSION_TIMEOUT: '3600s',
      MCP_CORS_ORIGINS: '*',
      ACME_EMAIL: 'ops@example.com',
      REDIS_PASSWORD: 'a-password-nobody-uses',
      LOG_FILE: './logs/auth.log',
      MCP_PROTOCOL_VERSION: '2025-06-18',
      MCP_FETCH_ENABLED: 'true',
      MCP_FILESYSTEM_ENABLED: 'false',
      OAUTH_INVENTED: 'x',
    },
  });
  issuer = `http://localhost:${new URL(gateway.url).port}`;
}, 60_000);
afterAll(async () => {
  await gateway?.stop();
  await Promise.all([upstream.close(), fake.close(), t.close()]);
});

const texts = z.record(z.string(), z.unknown());
const getJson = async (url: string) =>
  texts.parse((await send(url, { method: 'GET', headers: { accept: 'application/json' } })).json);

/** Knows the address of an endpoint and follows what it is told, as the documents say it (RFC 9728 5, RFC 8414 3). */
async function signInFrom(url: string) {
  const refused = await send(url, { body: call('echo') });
  const [, documentUrl = ''] =
    /^Bearer .*resource_metadata="([^"]+)"/.exec(refused.headers['www-authenticate'] ?? '') ?? [];
  const resource = await getJson(documentUrl);
  const [server] = z.array(z.string()).parse(resource.authorization_servers);
  const metadata = await getJson(`${server}/.well-known/oauth-authorization-server`);
  const redirectUri = 'https://client.example/callback';
  const registered = await send(String(metadata.registration_endpoint), {
    body: { redirect_uris: [redirectUri], token_endpoint_auth_method: 'client_secret_post' },
  });
  const client = z.looseObject({ client_id: z.string(), client_secret: z.string() }).parse(registered.json);
  const asked = authorization({
    issuer: String(metadata.authorization_endpoint).replace(/\/authorize$/, ''),
    clientId: client.client_id,
    redirectUri,
    resource: String(resource.resource),
  });
  const jar = openBrowserJar((to) => to.startsWith(redirectUri));
  const done = await jar.submit(await jar.open(asked.url), { with: 'github' });
  const form = new URLSearchParams({
    grant_type: 'authorization_code',
    client_id: client.client_id,
    client_secret: client.client_secret,
    redirect_uri: redirectUri,
    code: new URL(done.url).searchParams.get('code') ?? '',
    code_verifier: asked.verifier,
    resource: String(resource.resource),
  });
  const answer = await send(String(metadata.token_endpoint), {
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: form.toString(),
  });
  return { refused, resource, metadata, client, tokens: texts.parse(answer.json), asked, done };
}

let signedIn: Awaited<ReturnType<typeof signInFrom>>;
beforeAll(async () => {
  signedIn = await signInFrom(`${issuer}/mcp/open`);
});

test('from a bare URL: 401, discovery, registration, sign-in, token, and the call goes through [S1.26] [S1.12] [X1.6]', async () => {
  const { refused, resource, asked, done, tokens } = signedIn;
  expect([refused.status, refused.json]).toEqual([401, { error: 'No token provided.' }]);
  expect(resource.resource).toBe(`${issuer}/mcp/open`);
  expect(new URL(done.url).searchParams.get('state')).toBe(asked.state);
  const answer = await send(`${issuer}/mcp/open`, { headers: bearer(String(tokens.access_token)), body: call('echo') });
  expect(answer.status).toBe(200);
});

test('tokens are signed as the variables say, for this resource, under a key that is published [S1.17] [S1.18] [S1.45]', async () => {
  const { tokens, metadata, client } = signedIn;
  const token = String(tokens.access_token);
  expect(decodeProtectedHeader(token)).toMatchObject({ alg: 'ES256', kid: thumbprint });
  const jwks = createRemoteJWKSet(new URL(String(metadata.jwks_uri)));
  const { payload } = await jwtVerify(token, jwks, { issuer, audience: `${issuer}/mcp/open` });
  expect(payload).toMatchObject({ sub: '583231', username: 'octocat', client_id: client.client_id });
});

test('how long access tokens, refresh tokens and clients live is a setting each, by both of its names [S1.19] [S1.10] [S1.45]', async () => {
  const { tokens, client } = signedIn;
  expect(tokens.expires_in).toBe(120);
  const rows = await t.sql(
    "select round(extract(epoch from expires_at - now()))::int as left from gateway.oauth_records where model = 'RefreshToken'",
  );
  expect(rows).toHaveLength(1);
  expect(Number(rows[0]?.left)).toBeGreaterThan(7000);
  expect(Number(rows[0]?.left)).toBeLessThanOrEqual(7200);
  expect(Number(client.client_secret_expires_at) - Number(client.client_id_issued_at)).toBe(5000);
});

test('what means nothing here is said at the start, by name and with the reason; secrets are not [S1.45]', () => {
  const said = gateway.logs().map(({ msg }) => String(msg));
  for (const line of [
    'ACME_EMAIL has no effect: certificates are the business of the reverse proxy',
    'REDIS_PASSWORD has no effect: the password is part of REDIS_URL',
    'LOG_FILE has no effect: the log goes to standard output',
    'MCP_PROTOCOL_VERSION has no effect: every revision of the protocol is served',
    'OAUTH_INVENTED has no effect: there is no such setting',
  ]) {
    expect(said).toContain(line);
  }
  expect(said.filter((line) => /(?:JWT|LIFETIME|CORS|GITHUB|ENABLED)\S* has no effect/.test(line))).toEqual([]);
  expect(gateway.output()).not.toContain('a-password-nobody-uses');
});

test('user credentials and client credentials open nothing of each other [S1.25]', async () => {
  const { client, tokens } = signedIn;
  for (const credential of [client.client_secret, String(client.registration_access_token)]) {
    const answer = await send(`${issuer}/mcp/open`, { headers: bearer(credential), body: call('echo') });
    expect(answer.status).toBe(401);
  }
  const managing = { method: 'GET', headers: bearer(String(tokens.access_token)) };
  expect((await send(String(client.registration_client_uri), managing)).status).toBe(403);
  const asClient = await send(`${issuer}/token`, {
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: `grant_type=refresh_token&refresh_token=${tokens.refresh_token}&client_id=${client.client_id}&client_secret=${tokens.access_token}`,
  });
  expect([asClient.status, asClient.json]).toEqual([401, expect.objectContaining({ error: 'invalid_client' })]);
});

describe('MCP_CORS_ORIGINS=*', () => {
  const origin = 'https://any.example';

  test('any page may call, its preflight without a token, and never with credentials [S1.42] [S1.38]', async () => {
    const url = `${issuer}/mcp/open`;
    const asking = {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization',
    };
    const preflight = await send(url, { method: 'OPTIONS', headers: asking });
    expect([preflight.status, preflight.headers['access-control-allow-origin']]).toEqual([204, '*']);
    const good = await send(url, {
      headers: { origin, ...bearer(String(signedIn.tokens.access_token)) },
      body: call('echo'),
    });
    const refused = await send(url, { headers: { origin }, body: call('echo') });
    expect([good.status, refused.status]).toEqual([200, 401]);
    for (const { headers } of [preflight, good, refused]) {
      expect(headers['access-control-allow-origin']).toBe('*');
      expect(headers).not.toHaveProperty('access-control-allow-credentials');
    }
    expect(refused.headers['access-control-expose-headers']).toContain('WWW-Authenticate');
  });

  test('a page that hides where it is from may not [S1.38]', async () => {
    expect((await send(`${issuer}/mcp/open`, { headers: { origin: 'null' }, body: call('echo') })).status).toBe(403);
  });
});

test('health is public and says healthy, whatever comes behind [S1.22]', async () => {
  for (const path of ['/health', '/health?x=1', '/health/']) {
    const answer = await send(issuer + path, { method: 'GET', headers: {} });
    expect([answer.status, answer.json]).toEqual([
      200,
      { status: 'healthy', timestamp: expect.any(String), servers: {} },
    ]);
  }
});
