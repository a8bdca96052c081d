/** What clients find out before they have a token, under a plain base URL and under one with a path. */
import { auth } from '@modelcontextprotocol/sdk/client/auth.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { call, send } from '#kit/http-client.ts';
import { type SignedInWorld, startSignedInWorld } from '#kit/signed-in-world.ts';

const prefix = '/.well-known/oauth-protected-resource';

describe('under a base URL without a path', () => {
  let world: SignedInWorld;
  beforeAll(async () => {
    world = await startSignedInWorld({
      env: { TRUSTED_PROXIES: '127.0.0.1', MCP_CORS_ORIGINS: 'https://inspector.example' },
    });
  }, 120_000);
  afterAll(() => world?.close());
  const get = (path: string, headers: Readonly<Record<string, string>> = {}) =>
    send(`${world.gateways[0]?.url}${path}`, { method: 'GET', headers: { accept: 'application/json', ...headers } });

  test('each URL of an endpoint has a document that names this very URL [S1.22] [X1.6]', async () => {
    for (const path of [
      '/acme/mcp/docs',
      '/org_123/mcp/docs',
      '/mcp/docs',
      '/mcp',
      '/nobody/mcp/none',
      '/acme/mcp?x=1',
    ]) {
      const answer = await get(prefix + path);
      expect([path, answer.status, answer.headers['access-control-allow-origin']]).toEqual([path, 200, '*']);
      expect(answer.json).toEqual({
        resource: world.issuer + path,
        resource_name: `Gatehouse ${path.replace(/\?.*/, '')}`,
        authorization_servers: [world.issuer],
        bearer_methods_supported: ['header'],
        scopes_supported: ['mcp:read', 'mcp:write'],
        dpop_signing_alg_values_supported: expect.arrayContaining(['ES256']),
        dpop_bound_access_tokens_required: false,
      });
    }
    const slash = await get(`${prefix}/acme/mcp/docs/`);
    expect(slash.json).toMatchObject({ resource: `${world.issuer}/acme/mcp/docs` });
    expect((await get(prefix)).json).toMatchObject({
      resource: `${world.issuer}/`,
      authorization_servers: [world.issuer],
    });
    for (const path of ['/acme', '/admin/mcp/x', '/acme/mcp/a/b', '/acme/mcpx'])
      expect([path, (await get(prefix + path)).status]).toEqual([path, 404]);
  });

  test('a stranger who asks by HEAD, as Gemini CLI does, is challenged too; with a token there is nothing by HEAD', async () => {
    const url = `${world.gateways[0]?.url}/acme/mcp/docs`;
    const stranger = await send(url, { method: 'HEAD', headers: { accept: 'application/json' } });
    expect([stranger.status, stranger.headers['www-authenticate']]).toEqual([
      401,
      `Bearer scope="mcp:read mcp:write", resource_metadata="${world.issuer}${prefix}/acme/mcp/docs"`,
    ]);
    const person = await world.signIn({ resource: `${world.issuer}/acme/mcp/docs` });
    expect((await send(url, { method: 'HEAD', headers: person.auth })).status).toBe(405);
  });

  test('a challenge leads to the document of the address that was called, its query kept', async () => {
    const answer = await send(`${world.gateways[0]?.url}/org_123/mcp/docs?x=1`, { body: call('echo') });
    expect([answer.status, answer.headers['www-authenticate']]).toEqual([
      401,
      `Bearer scope="mcp:read mcp:write", resource_metadata="${world.issuer}${prefix}/org_123/mcp/docs?x=1"`,
    ]);
    const person = await world.signIn({ resource: `${world.issuer}/acme/mcp/docs?x=1` });
    const good = await send(`${world.gateways[0]?.url}/acme/mcp/docs?x=1`, {
      headers: person.auth,
      body: call('echo'),
    });
    expect(good.status).toBe(200);
  });

  test('pages of an allowed origin may call MCP endpoints, never with cookies; any may read documents and, without cookies, sign in [S1.38] [S1.42] [E15]', async () => {
    const preflight = (path: string, origin: string) =>
      send(`${world.gateways[0]?.url}${path}`, {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' },
      });
    for (const path of ['/acme/mcp/docs', '/mcp']) {
      const good = await preflight(path, 'https://inspector.example');
      expect([path, good.status, good.headers['access-control-allow-origin']]).toEqual([
        path,
        204,
        'https://inspector.example',
      ]);
      expect(good.headers['access-control-allow-credentials']).toBeUndefined();
      const evil = await preflight(path, 'https://evil.example');
      expect([path, evil.headers['access-control-allow-origin']]).toEqual([path, undefined]);
      expect(evil.status).toBeGreaterThanOrEqual(400);
    }
    for (const path of [`${prefix}/acme/mcp/docs`, prefix, '/token', '/register', '/jwks']) {
      const open = await preflight(path, 'https://anywhere.example');
      expect([path, open.status, open.headers['access-control-allow-credentials']]).toEqual([path, 204, undefined]);
      expect(open.headers['access-control-allow-origin']).toMatch(/^(?:\*|https:\/\/anywhere\.example)$/);
    }
    for (const origin of ['https://evil.example', 'null']) {
      const refused = await send(`${world.gateways[0]?.url}/acme/mcp/docs`, {
        headers: { origin },
        body: call('echo'),
      });
      expect([origin, refused.status]).toEqual([origin, 403]);
    }
  });

  test('a cookie signs nobody in at an MCP endpoint [S1.39]', async () => {
    const answer = await send(`${world.gateways[0]?.url}/acme/mcp/docs`, {
      headers: { cookie: '_session=abc; __Host-gw_s=def' },
      body: call('echo'),
    });
    expect([answer.status, answer.json]).toEqual([401, { error: 'No token provided.' }]);
  });

  test('what comes in the clear behind a proxy is sent to https, or refused where it carried a secret [S1.44]', async () => {
    const clear = { 'x-forwarded-proto': 'http', accept: 'text/html' };
    const pages = await Promise.all(['/welcome?x=1', '/acme/mcp/docs'].map((path) => get(path, clear)));
    expect(pages.map(({ status, headers }) => [status, headers.location])).toEqual([
      [308, `${world.issuer}/welcome?x=1`],
      [308, `${world.issuer}/acme/mcp/docs`],
    ]);
    const person = await world.signIn();
    const mcp = await send(`${world.gateways[0]?.url}/acme/mcp/docs`, {
      headers: { ...person.auth, 'x-forwarded-proto': 'http' },
      body: call('echo'),
    });
    expect([mcp.status, mcp.json]).toEqual([403, { error: 'This address is served over https only' }]);
    const form = await send(`${world.gateways[0]?.url}/token`, { headers: { 'x-forwarded-proto': 'http' }, body: {} });
    expect(form.status).toBe(403);
    expect((await get('/welcome', { 'x-forwarded-proto': 'https' })).headers['strict-transport-security']).toMatch(
      /^max-age=31536000/,
    );
    // Health checks and documents are asked for from inside.
    for (const path of ['/health', prefix]) expect((await get(path, clear)).status).toBe(200);
  });

  test('who asks the OAuth endpoints is in the log, without codes and secrets [S1.51] [A23]', async () => {
    await get('/authorize?client_id=none&code=secret-code-in-the-query&state=secret-state', {
      'x-forwarded-for': '203.0.113.7',
      'x-forwarded-host': 'typed.example',
      'user-agent': 'probe/1.0',
    });
    const line = () => world.gateways[0]?.logs().find(({ userAgent }) => userAgent === 'probe/1.0');
    await expect.poll(line).toMatchObject({
      method: 'GET',
      path: '/authorize',
      status: 400,
      durationMs: expect.any(Number),
      clientAddress: '203.0.113.7',
      forwardedHost: 'typed.example',
    });
    expect(world.gateways[0]?.output()).not.toContain('secret-');
  });

  test('a browser is told what the address is for; whoever reads JSON gets JSON [S1.27]', async () => {
    const page = await get('/acme/mcp/docs', { accept: 'text/html,*/*;q=0.8' });
    expect([page.status, page.headers['content-type']]).toEqual([401, 'text/html; charset=utf-8']);
    expect(page.text).toContain('sign in');
    expect(page.headers['www-authenticate']).toContain('resource_metadata=');
    const both = await get('/acme/mcp/docs', { accept: 'text/html, application/json' });
    expect([both.status, both.json]).toEqual([401, { error: 'No token provided.' }]);
  });
});

describe('under a base URL with a path', () => {
  const folder = '/tools/gw';
  let world: SignedInWorld;
  beforeAll(async () => {
    world = await startSignedInWorld({ issuer: `https://host.example${folder}` });
  }, 120_000);
  afterAll(() => world?.close());

  /** A proxy: all of the host leads to the gateway, with the folder left on or taken off. */
  const through =
    (strips: boolean, seen: string[] = []) =>
    async (input: URL | string, init?: RequestInit): Promise<Response> => {
      const url = new URL(input);
      expect(url.origin).toBe('https://host.example');
      seen.push(url.pathname);
      const path = strips && url.pathname.startsWith(`${folder}/`) ? url.pathname.slice(folder.length) : url.pathname;
      return fetch(`${world.gateways[0]?.url}${path}${url.search}`, { ...init, redirect: 'manual' });
    };

  for (const strips of [false, true]) {
    test(`the official client finds its way to sign-in, the path ${strips ? 'taken off' : 'left on'} by the proxy [S1.26]`, async () => {
      const seen: string[] = [];
      const fetchFn = through(strips, seen);
      const serverUrl = `${world.issuer}/acme/mcp/docs`;
      const first = await fetchFn(serverUrl, {
        method: 'POST',
        body: JSON.stringify(call('echo')),
        headers: { 'content-type': 'application/json' },
      });
      expect(first.status).toBe(401);
      const metadata = /resource_metadata="([^"]+)"/.exec(first.headers.get('www-authenticate') ?? '')?.[1] ?? '';
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
      expect(await auth(provider, { serverUrl, resourceMetadataUrl: new URL(metadata), fetchFn })).toBe('REDIRECT');
      expect(sentTo?.href).toMatch(new RegExp(`^https://host\\.example${folder}/authorize\\?`));
      expect(sentTo?.searchParams.get('resource')).toBe(serverUrl);
      // Its own way, without a hint: the path behind the well-known prefix (RFC 9728 3.1, RFC 8414 3.1).
      information = undefined;
      expect(await auth(provider, { serverUrl, fetchFn })).toBe('REDIRECT');
      expect(seen).toContain(`${prefix}${folder}/acme/mcp/docs`);
      const page = await fetchFn(sentTo ?? '');
      expect(page.status).toBe(303);
      expect(page.headers.get('location')).toMatch(new RegExp(`^(?:https://host\\.example)?${folder}/interaction/`));
    });
  }

  test('a token for an endpoint is good there, under both forms of the path', async () => {
    const person = await world.signIn({ resource: `${world.issuer}/acme/mcp/docs` });
    for (const path of [`${folder}/acme/mcp/docs`, '/acme/mcp/docs', `${folder}/acme/mcp/docs/`]) {
      const answer = await send(`${world.gateways[0]?.url}${path}`, { headers: person.auth, body: call('echo') });
      expect([path, answer.status]).toEqual([path, 200]);
    }
    for (const path of [`${folder}x/acme/mcp/docs`, `${folder}${folder}/acme/mcp/docs`]) {
      const answer = await send(`${world.gateways[0]?.url}${path}`, { headers: person.auth, body: call('echo') });
      expect([path, answer.status]).toEqual([path, 404]);
    }
  });
});
