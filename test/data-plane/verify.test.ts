/** Forward authentication: services behind other host names, whose reverse proxy asks the gateway. */
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { send } from '#kit/http-client.ts';
import { type Listening, listenOnLoopback } from '#kit/listen.ts';
import { hasNginx, type Nginx, startNginx } from '#kit/nginx.ts';
import { type Person, type SignedInWorld, startSignedInWorld } from '#kit/signed-in-world.ts';
import { removeOauthRecordsOf } from '#records/oauth-records.ts';

const echo = 'https://echo.example/mcp';
const plain = 'http://plain.example/mcp';
let world: SignedInWorld;
let person: Person;
beforeAll(async () => {
  world = await startSignedInWorld({
    resources: [echo, 'https://fetch.example', plain],
    env: { TRUSTED_PROXIES: '127.0.0.1' },
  });
  person = await world.signIn({ resource: echo, name: 'Ada Łovelace\r\nX-Evil: 1' });
}, 120_000);
afterAll(() => world?.close());

/** As Traefik sends it (trustForwardHeader off): the client's own headers, these on top. */
const traefik = (url: string, method = 'POST') => {
  const { protocol, host, pathname, search } = new URL(url);
  return {
    'x-forwarded-method': method,
    'x-forwarded-proto': protocol.slice(0, -1),
    'x-forwarded-host': host,
    'x-forwarded-uri': pathname + search,
    'x-forwarded-for': '203.0.113.9',
  };
};
const verify = (headers: Readonly<Record<string, string>>, method = 'GET') =>
  send(`${world.gateways[0]?.url}/verify`, { method, headers: { host: 'gatehouse:3000', accept: '*/*', ...headers } });

describe('as a proxy asks', () => {
  test('a good token is 200 with who it is in headers, by GET and POST, below the resource and with a query [S1.24] [X1.4]', async () => {
    for (const url of [echo, `${echo}/`, `${echo}?x=1`, `${echo}/deeper`]) {
      for (const method of ['GET', 'POST']) {
        const answer = await verify({ ...person.auth, ...traefik(url) }, method);
        expect([url, method, answer.status, answer.text]).toEqual([url, method, 200, '']);
        expect(answer.headers).toMatchObject({
          'x-user-id': person.user.subject,
          'x-user-name': 'Ada %C5%81ovelace%0D%0AX-Evil: 1',
          'x-user-email': 'ada@example.com',
          'x-organization-id': world.organizationIds.acme,
          'x-auth-token': '',
          'cache-control': 'no-store',
        });
      }
    }
  });

  test('no token or a bad one is 401 with a challenge for the forwarded address [S1.24] [S1.26] [X1.4]', async () => {
    const metadata = 'resource_metadata="https://echo.example/.well-known/oauth-protected-resource/mcp"';
    const none = await verify(traefik(echo));
    expect([none.status, none.headers['www-authenticate']]).toEqual([
      401,
      `Bearer scope="mcp:read mcp:write", ${metadata}`,
    ]);
    const bad = await verify({ authorization: 'Bearer nonsense', ...traefik(echo) });
    expect([bad.status, bad.headers['www-authenticate']]).toEqual([
      401,
      `Bearer error="invalid_token", scope="mcp:read mcp:write", ${metadata}`,
    ]);
    for (const answer of [none, bad]) expect(answer.headers['x-user-id']).toBeUndefined();
  });

  test('a token for something else is 403 invalid_audience, that of the whole gateway too [S1.24] [B1]', async () => {
    const gatewayWide = await world.signIn();
    const ofEndpoint = await world.signIn({ resource: `${world.issuer}/acme/mcp/docs` });
    const asked = [
      [person, 'https://fetch.example/mcp'],
      [person, 'https://echo.example/other'],
      [person, 'https://echo.example/mcpx'],
      [person, 'http://echo.example/mcp'],
      [person, 'https://unknown.example/mcp'],
      [person, `${world.issuer}/acme/mcp/docs`],
      [gatewayWide, echo],
      [ofEndpoint, echo],
    ] as const;
    for (const [{ auth }, url] of asked) {
      const answer = await verify({ ...auth, ...traefik(url) });
      expect([url, answer.status, answer.json]).toEqual([
        url,
        403,
        expect.objectContaining({ error: 'invalid_audience' }),
      ]);
    }
    // Nor is a token for a service good at the gateway's own endpoints.
    const own = await send(`${world.gateways[0]?.url}/acme/mcp/docs`, { headers: person.auth, body: {} });
    expect(own.status).toBe(401);
  });

  test('no client chooses what it is judged for by a header of its own [X1.4] [B13]', async () => {
    const other = traefik('https://fetch.example/mcp');
    const tricks: Readonly<Record<string, string>>[] = [
      { ...other, 'x-original-url': echo },
      { ...other, 'x-forwarded-path': '/mcp' },
      { ...other, 'x-forwarded-host': 'fetch.example, echo.example' },
      { ...other, 'x-forwarded-host': 'echo.example@fetch.example' },
      { ...traefik(echo), 'x-forwarded-uri': '/mcp/../admin' },
      { ...traefik(echo), 'x-forwarded-uri': '/mcp/%2e%2e/admin' },
      { ...traefik(echo), 'x-forwarded-uri': 'mcp' },
      { 'x-forwarded-host': 'echo.example' },
      { 'x-original-url': '/mcp' },
      {},
    ];
    for (const headers of tricks) {
      const answer = await verify({ ...person.auth, ...headers });
      expect([headers, answer.status]).toEqual([headers, 403]);
    }
    expect((await verify({ ...person.auth, 'x-original-url': `${echo}?x=1`, 'x-original-method': 'GET' })).status).toBe(
      200,
    );
  });

  test('an API key, and a token that was revoked, are 401', async () => {
    const key = await world.gateways[0]?.cli('key', 'create', '--org', 'acme', '--name', 'k');
    const text = typeof key === 'object' && key !== null && 'key' in key ? String(key.key) : '';
    expect(text).toMatch(/^gw_/);
    expect((await verify({ authorization: `Bearer ${text}`, ...traefik(echo) })).status).toBe(401);
    const gone = await world.signIn({ resource: echo });
    expect((await verify({ ...gone.auth, ...traefik(echo) })).status).toBe(200);
    await removeOauthRecordsOf(world.database.db, 'grant_id', gone.grantId);
    await expect
      .poll(async () => (await verify({ ...gone.auth, ...traefik(echo) })).status, { timeout: 1000 })
      .toBe(401);
  });

  test('discovery is public on the host of each service [S1.4] [X1.4]', async () => {
    const prefix = '/.well-known/oauth-protected-resource';
    const get = (host: string, path: string) =>
      send(`${world.gateways[0]?.url}${path}`, { method: 'GET', headers: { host, accept: 'application/json' } });
    for (const path of [`${prefix}/mcp`, prefix]) {
      const answer = await get('echo.example', path);
      expect([answer.status, answer.json]).toEqual([
        200,
        expect.objectContaining({ resource: echo, authorization_servers: [world.issuer] }),
      ]);
    }
    expect((await get('fetch.example', prefix)).json).toMatchObject({ resource: 'https://fetch.example' });
    const server = await get('echo.example', '/.well-known/oauth-authorization-server');
    expect([server.status, server.json]).toEqual([200, expect.objectContaining({ issuer: world.issuer })]);
  });
});

test('whoever is no trusted proxy finds nothing there [X1.4]', async () => {
  const other = await startSignedInWorld({ resources: [echo], env: { TRUSTED_PROXIES: '192.0.2.0/24' } });
  try {
    const caller = await other.signIn({ resource: echo });
    const answer = await send(`${other.gateways[0]?.url}/verify`, {
      method: 'GET',
      headers: { ...caller.auth, ...traefik(echo) },
    });
    expect([answer.status, answer.headers['x-user-id']]).toEqual([404, undefined]);
  } finally {
    await other.close();
  }
}, 60_000);

describe.skipIf(!hasNginx())('behind a real nginx with auth_request (skipped where nginx is not installed)', () => {
  let service: Listening;
  let nginx: Nginx;
  const seen: IncomingHttpHeaders[] = [];
  beforeAll(async () => {
    const http = createServer((req, res) => {
      seen.push(req.headers);
      res.end('served');
    });
    service = await listenOnLoopback(http);
    nginx = await startNginx(`
    location / {
      auth_request /_verify;
      auth_request_set $user $upstream_http_x_user_id;
      auth_request_set $organization $upstream_http_x_organization_id;
      proxy_set_header X-User-Id $user;
      proxy_set_header X-Organization-Id $organization;
      proxy_set_header Authorization "";
      proxy_pass http://127.0.0.1:${service.port};
    }
    location /.well-known/ { proxy_set_header Host $host; proxy_pass ${world.gateways[0]?.url}; }
    location = /_verify {
      internal;
      proxy_pass ${world.gateways[0]?.url}/verify;
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $host;
      proxy_set_header X-Forwarded-Uri $request_uri;
      proxy_set_header X-Forwarded-Method $request_method;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Original-URL $scheme://$host$request_uri;
    }`);
  });
  afterAll(async () => {
    await nginx?.close();
    await service?.close();
  });
  const through = (headers: Readonly<Record<string, string>>, path = '/mcp') =>
    send(`${nginx.url}${path}`, { headers: { host: 'plain.example', ...headers }, body: { a: 1 } });

  test('only a good token for this service comes through, as who it is, without the token [S1.3] [S1.4] [S1.24]', async () => {
    const caller = await world.signIn({ resource: plain });
    const spoofed = { 'x-user-id': 'root', 'x-forwarded-host': 'echo.example', 'x-original-url': echo };
    const served = await through({ ...caller.auth, ...spoofed });
    expect([served.status, served.text]).toEqual([200, 'served']);
    expect(seen.at(-1)).toMatchObject({
      'x-user-id': caller.user.subject,
      'x-organization-id': world.organizationIds.acme,
    });
    expect(seen.at(-1)).not.toHaveProperty('authorization');
    const before = seen.length;
    const refused = await through(spoofed);
    expect([refused.status, refused.headers['www-authenticate']]).toEqual([
      401,
      'Bearer scope="mcp:read mcp:write", resource_metadata="http://plain.example/.well-known/oauth-protected-resource/mcp"',
    ]);
    expect((await through({ ...person.auth, ...spoofed })).status).toBe(403);
    expect((await through(caller.auth, '/elsewhere')).status).toBe(403);
    expect(seen).toHaveLength(before);
    const document = await send(`${nginx.url}/.well-known/oauth-protected-resource/mcp`, {
      method: 'GET',
      headers: { host: 'plain.example' },
    });
    expect(document.json).toMatchObject({ resource: plain });
  });
});
