/** Host names for servers below BASE_DOMAIN, and the addresses that take API keys only. */
import { auth } from '@modelcontextprotocol/sdk/client/auth.js';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createKey } from '#kit/gateway.ts';
import { bearer, call, type Sent, send } from '#kit/http-client.ts';
import { freePort } from '#kit/listen.ts';
import { answerMcp } from '#kit/recording-upstream.ts';
import { type SignedInWorld, startSignedInWorld } from '#kit/signed-in-world.ts';
import { startWorld } from '#kit/world.ts';

const prefix = '/.well-known/oauth-protected-resource';
const domain = 'gw.example';
let world: SignedInWorld;
let keysPort: number;
let key: string;
beforeAll(async () => {
  keysPort = await freePort();
  world = await startSignedInWorld({
    domain,
    env: { KEYS_PORT: String(keysPort), MCP_CORS_ORIGINS: 'https://inspector.example' },
  });
  const [gateway] = world.gateways;
  if (gateway) key = await createKey(gateway, 'acme');
}, 120_000);
afterAll(() => world?.close());
beforeEach(() => world.upstream.clear());

/** A request for `url`, whose host name leads to the gateway. */
function to(url: string, sent: Sent = {}) {
  const { host, pathname, search } = new URL(url);
  return send(`${world.gateways[0]?.url}${pathname}${search}`, { ...sent, headers: { host, ...sent.headers } });
}
const get = (url: string, headers: Readonly<Record<string, string>> = {}) =>
  to(url, { method: 'GET', headers: { accept: 'application/json', ...headers } });
const docs = 'https://docs.gw.example';

describe('a host name for each server', () => {
  test('its /mcp serves it, with and without a slash, to a token for this very URL [S1.4]', async () => {
    const person = await world.signIn({ resource: `${docs}/mcp` });
    for (const url of [`${docs}/mcp`, `${docs}/mcp/`, `${docs}/mcp?x=1`]) {
      const answer = await to(url, { headers: person.auth, body: call('echo') });
      expect([url, answer.status]).toEqual([url, 200]);
    }
    const byKey = await to(`${docs}/mcp`, { headers: bearer(key), body: call('echo') });
    expect(byKey.status).toBe(200);
    expect(world.upstream.requests).toHaveLength(4);
  });

  test('a token for one of its URLs is good at all of them, and at no other endpoint', async () => {
    const byHost = await world.signIn({ resource: `${docs}/mcp` });
    const byPath = await world.signIn({ resource: `${world.issuer}/acme/mcp/docs` });
    const urls = [`${docs}/mcp`, `${world.issuer}/mcp/docs`, `${world.issuer}/acme/mcp/docs`];
    for (const person of [byHost, byPath]) {
      for (const url of urls) {
        const answer = await to(url, { headers: person.auth, body: call('echo') });
        expect([person.resource, url, answer.status]).toEqual([person.resource, url, 200]);
      }
      for (const url of ['https://wiki.gw.example/mcp', `${world.issuer}/other/mcp/docs`]) {
        const answer = await to(url, { headers: person.auth, body: call('echo') });
        expect([person.resource, url, answer.status]).toEqual([person.resource, url, 401]);
      }
    }
  });

  test('discovery is public there, and names the URL that was typed [S1.4] [X1.6]', async () => {
    for (const path of [prefix, `${prefix}/mcp`, `${prefix}/mcp/`]) {
      const { status, json, headers } = await get(docs + path);
      expect([path, status, headers['access-control-allow-origin']]).toEqual([path, 200, '*']);
      expect(json).toMatchObject({ resource: `${docs}/mcp`, authorization_servers: [world.issuer] });
    }
    expect((await get(`${docs}${prefix}/mcp?x=1`)).json).toMatchObject({ resource: `${docs}/mcp?x=1` });
    expect((await get('https://nobody.gw.example/.well-known/oauth-protected-resource/mcp')).status).toBe(200);
    expect((await get(`${docs}${prefix}/acme/mcp/docs`)).status).toBe(404);
    const server = await get(`${docs}/.well-known/oauth-authorization-server`);
    expect(server.json).toMatchObject({ issuer: 'https://auth.gw.example' });
    const challenge = await to(`${docs}/mcp/?x=1`, { body: call('echo') });
    expect([challenge.status, challenge.headers['www-authenticate']]).toEqual([
      401,
      `Bearer scope="mcp:read mcp:write", resource_metadata="${docs}${prefix}/mcp?x=1"`,
    ]);
  });

  test('the official client finds its way from the bare URL to the consent page [S1.4] [S1.26]', async () => {
    const fetchFn = async (input: URL | string, init: RequestInit = {}): Promise<Response> => {
      const answer = await to(String(input), {
        method: init.method ?? 'GET',
        headers: Object.fromEntries(new Headers(init.headers)),
        body: init.body === undefined ? undefined : String(init.body),
      });
      const { status, headers, bytes } = answer;
      return new Response(new Uint8Array(bytes), {
        status,
        headers: { 'content-type': headers['content-type'] ?? '' },
      });
    };
    let sentTo: URL | undefined;
    let information: { client_id: string } | undefined;
    const provider = {
      redirectUrl: 'http://localhost:9/callback',
      clientMetadata: {
        client_name: 't',
        redirect_uris: ['http://localhost:9/callback'],
        token_endpoint_auth_method: 'none',
      },
      clientInformation: () => information,
      saveClientInformation: (made: { client_id: string }) => {
        information = made;
      },
      tokens: () => undefined,
      saveTokens: () => undefined,
      redirectToAuthorization: (url: URL) => {
        sentTo = url;
      },
      saveCodeVerifier: () => undefined,
      codeVerifier: () => '',
    };
    expect(await auth(provider, { serverUrl: `${docs}/mcp`, fetchFn })).toBe('REDIRECT');
    expect(sentTo?.origin).toBe('https://auth.gw.example');
    expect(sentTo?.searchParams.get('resource')).toBe(`${docs}/mcp`);
    const page = await get(sentTo?.href ?? '', { accept: 'text/html' });
    expect([page.status, page.headers.location]).toEqual([303, expect.stringContaining('/interaction/')]);
  });

  test('its document and its tools by REST are there as well [S3.19] [S3.20]', async () => {
    const document = await to(`${docs}/mcp/openapi.json`, { method: 'GET', headers: bearer(key) });
    expect(document.json).toMatchObject({ servers: [{ url: `${docs}/mcp` }], paths: { '/echo': expect.anything() } });
    const answer = await to(`${docs}/mcp/echo`, { headers: bearer(key), body: { a: 1 } });
    expect([answer.status, answer.json]).toEqual([200, { a: 1 }]);
    for (const path of [
      '/servers',
      '/openapi.json',
      '/api/servers',
      '/mcp/servers',
      '/mcp/meta/stats',
      '/mcp/docs/echo',
    ])
      expect([path, (await to(docs + path, { method: 'GET', headers: bearer(key) })).status]).toEqual([path, 404]);
    expect((await to(`${docs}/mcp/wiki/echo`, { headers: bearer(key), body: {} })).status).toBe(404);
  });

  test('only one lower-case label below the domain is a host, and nothing but /mcp is on it', async () => {
    for (const host of [
      'a.docs.gw.example',
      'docs.gw.example.evil.example',
      'ws.gw.example',
      'gw.example',
      'docs_.gw.example',
    ])
      expect([host, (await to(`https://${host}/mcp`, { headers: bearer(key), body: call('echo') })).status]).toEqual([
        host,
        421,
      ]);
    for (const path of ['/acme/mcp/docs', '/mcp/wiki', '/mcp/docs']) {
      const answer = await to(docs + path, { headers: bearer(key), body: call('echo') });
      expect([path, answer.status]).toEqual([path, 404]);
    }
    for (const path of ['/', '/authorize', '/token', '/admin/api/v1/organizations', '/welcome', '/metrics', '/jwks'])
      expect([path, (await get(docs + path)).status]).toEqual([path, 404]);
    expect(world.upstream.requests).toHaveLength(0);
    expect((await get(`${docs}/health`)).status).toBe(200);
  });

  test('a host name says nothing of what exists', async () => {
    const answers = await Promise.all(
      ['docs', 'none'].map((name) => to(`https://${name}.gw.example/mcp`, { body: call('echo') })),
    );
    expect(answers.map(({ status, text }) => [status, text])).toEqual([
      [401, '{"error":"No token provided."}'],
      [401, '{"error":"No token provided."}'],
    ]);
    expect((await to('https://none.gw.example/mcp', { headers: bearer(key), body: call('echo') })).status).toBe(404);
  });

  test('with and without mcp- it is the same server, for tokens too', async () => {
    const person = await world.signIn({ resource: 'https://mcp-docs.gw.example/mcp' });
    for (const url of ['https://mcp-docs.gw.example/mcp', `${docs}/mcp`, `${world.issuer}/acme/mcp/mcp-docs`]) {
      const answer = await to(url, { headers: person.auth, body: call('echo') });
      expect([url, answer.status]).toEqual([url, 200]);
    }
    const wiki = await to('https://mcp-wiki.gw.example/mcp', { headers: person.auth, body: call('echo') });
    expect(wiki.status).toBe(401);
  });

  test('pages of allowed origins may ask first, browsers see a page that names this address [S1.27] [S1.42]', async () => {
    const preflight = await to(`${docs}/mcp`, {
      method: 'OPTIONS',
      headers: { origin: 'https://inspector.example', 'access-control-request-method': 'POST' },
    });
    expect([preflight.status, preflight.headers['access-control-allow-origin']]).toEqual([
      204,
      'https://inspector.example',
    ]);
    const page = await get(`${docs}/mcp`, { accept: 'text/html' });
    expect([page.status, page.headers['content-type']]).toEqual([401, 'text/html; charset=utf-8']);
    expect(page.text).toContain(`claude mcp add --transport http gatehouse ${docs}/mcp`);
    expect(page.text).toContain('href="https://auth.gw.example/welcome"');
  });

  test('auth.{BASE_DOMAIN} is the issuer, and has the OAuth endpoints [S1.22]', async () => {
    const { json } = await get('https://auth.gw.example/.well-known/oauth-authorization-server');
    expect(json).toMatchObject({
      issuer: 'https://auth.gw.example',
      authorization_endpoint: 'https://auth.gw.example/authorize',
      token_endpoint: 'https://auth.gw.example/token',
    });
    expect((await get('https://auth.gw.example/jwks')).status).toBe(200);
    expect(
      (await to('https://auth.gw.example/acme/mcp/docs', { headers: bearer(key), body: call('echo') })).status,
    ).toBe(200);
  });
});

describe.each(['host', 'port'] as const)('an address for API keys only, by %s', (kind) => {
  const at = (path: string, sent: Sent = {}) =>
    kind === 'host' ? to(`https://keys.gw.example${path}`, sent) : send(`http://127.0.0.1:${keysPort}${path}`, sent);

  test('serves the MCP paths to API keys [X1.6]', async () => {
    for (const path of ['/acme/mcp/docs', '/mcp/docs', '/org_123/mcp/docs/', '/mcp/mcp-docs']) {
      const answer = await at(path, { headers: bearer(key), body: call('echo') });
      expect([path, answer.status]).toEqual([path, 200]);
    }
    expect((await at('/acme/mcp/docs', { headers: { 'x-api-key': key }, body: call('echo') })).status).toBe(200);
  });

  test('refuses tokens, and says nothing of a sign-in [X1.6]', async () => {
    const person = await world.signIn();
    const good = await to(`${world.issuer}/acme/mcp/docs`, { headers: person.auth, body: call('echo') });
    expect(good.status).toBe(200);
    world.upstream.clear();
    const refused = await at('/acme/mcp/docs', { headers: person.auth, body: call('echo') });
    expect([refused.status, refused.headers['www-authenticate']]).toEqual([401, 'Bearer error="invalid_token"']);
    const stranger = await at('/acme/mcp/docs', { body: call('echo') });
    expect([stranger.status, stranger.headers['www-authenticate']]).toEqual([401, 'Bearer']);
    const page = await at('/acme/mcp/docs', { method: 'GET', headers: { accept: 'text/html' } });
    expect(page.text).toContain('needs an API key');
    expect(world.upstream.requests).toHaveLength(0);
  });

  test('has no document and no OAuth endpoint, the root included [X1.6]', async () => {
    const documents = ['oauth-protected-resource', 'oauth-authorization-server', 'openid-configuration'];
    const paths = documents.flatMap((name) =>
      ['', '/', '/mcp', '/acme/mcp/docs'].map((path) => `/.well-known/${name}${path}`),
    );
    const oauth = ['/authorize', '/token', '/register', '/par', '/jwks', '/device', '/callback', '/revoke', '/verify'];
    for (const path of [...paths, ...oauth, '/', '/welcome', '/interaction/x', '/admin/api/v1/organizations']) {
      for (const method of ['GET', 'POST', 'OPTIONS']) {
        const answer = await at(path, { method, headers: { accept: '*/*' } });
        expect([method, path, answer.status]).toEqual([method, path, 404]);
      }
    }
    expect((await at('/health', { method: 'GET' })).status).toBe(200);
  });
});

test('the listener for API keys knows its own hosts only', async () => {
  const answer = await send(`http://127.0.0.1:${keysPort}/acme/mcp/docs`, {
    headers: { ...bearer(key), host: 'evil.example' },
    body: call('echo'),
  });
  expect(answer.status).toBe(421);
});

test('SIGTERM lets calls at the address for API keys finish, too [X0.4]', async () => {
  const own = await startWorld({ env: { KEYS_PORT: '0' } });
  const keysUrl = String(own.gateway.logs().find(({ msg }) => msg === 'listening')?.keysUrl);
  let release = () => {};
  own.upstream.script((request, res) => {
    release = () => void answerMcp(request, res);
  });
  const inFlight = send(`${keysUrl}/demo/mcp/open`, { headers: own.auth, body: call('echo') });
  await own.upstream.waitFor(({ rpc }) => rpc.method === 'tools/call');
  const stopped = own.gateway.stop();
  await expect
    .poll(() =>
      send(`${keysUrl}/health`, { method: 'GET' }).then(
        ({ status }) => status,
        () => 'refused',
      ),
    )
    .not.toBe(200);
  release();
  expect((await inFlight).status).toBe(200);
  expect(await stopped).toBe(0);
  await own.upstream.close();
});

test('a port that is taken is named by its own setting', async () => {
  const taken = { KEYS_PORT: String(keysPort) };
  await expect(startWorld({ env: taken })).rejects.toThrow(/Port \d+ on 127.0.0.1 is taken.*set KEYS_PORT to another/);
});
