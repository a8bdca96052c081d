import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createKey } from '#kit/gateway.ts';
import { bearer, call, send } from '#kit/http-client.ts';
import { sendRaw } from '#kit/raw-client.ts';
import { startWorld, type World } from '#kit/world.ts';

describe('who is let in', () => {
  let world: World;
  let staffKey: string;
  beforeAll(async () => {
    // With an identity provider configured: only then is there metadata to point to.
    world = await startWorld({
      env: {
        ENCRYPTION_KEY: 'a-root-secret-of-the-access-tests-only',
        WORKOS_API_KEY: 'sk_test_of_the_access_tests',
        WORKOS_CLIENT_ID: 'client_of_the_access_tests',
        WORKOS_AUTHORIZATION_SERVER_URL: 'https://127.0.0.1:9/auth/v1',
      },
    });
    staffKey = await createKey(world.gateway, 'demo', '--roles', 'staff');
  });
  afterAll(() => world?.close());
  beforeEach(() => world.upstream.clear());

  const post = (name: string, headers: Record<string, string> = {}, path = `/demo/mcp/${name}`) =>
    send(world.gateway.url + path, { headers, body: call('echo', { a: 1 }) });
  const untouched = () => expect(world.upstream.bytes().length).toBe(0);

  test('without a token the answer is 401 with the address of the endpoint metadata [S0.15] [S0.16]', async () => {
    const answer = await post('open');
    expect(answer.status).toBe(401);
    expect(answer.json).toEqual({ error: 'No token provided.' });
    expect(answer.headers['www-authenticate']).toMatch(
      /^Bearer resource_metadata="http:\/\/[^"/]+\/\.well-known\/oauth-protected-resource\/demo\/mcp\/open"$/,
    );
    untouched();
  });

  test('a bad token is 401 and says invalid_token [S0.15] [S0.16] [X0.4]', async () => {
    for (const token of ['nonsense', 'gh_0000', `${world.key}x`, world.key.slice(0, -1), 'a.b.c']) {
      const answer = await post('open', bearer(token));
      expect(answer.status).toBe(401);
      expect(answer.json).toEqual({ error: 'Invalid bearer token.' });
      expect(answer.headers['www-authenticate']).toContain('error="invalid_token"');
      expect(answer.headers['www-authenticate']).toContain('/.well-known/oauth-protected-resource/demo/mcp/open"');
    }
    untouched();
  });

  test('the scheme is read without case and nothing but Bearer is one [S0.19] [B10]', async () => {
    for (const scheme of ['Bearer', 'bearer', 'BEARER'])
      expect((await post('open', { authorization: `${scheme} ${world.key}` })).status).toBe(200);
    world.upstream.clear();
    for (const value of [`Basic ${world.key}`, world.key, 'Bearer', 'Bearer ', `Bearer ${world.key} x`])
      expect((await post('open', { authorization: value })).status, value).toBe(401);
    untouched();
  });

  test('a token in the address is no token [B10]', async () => {
    for (const query of [`access_token=${world.key}`, `token=${world.key}`, `key=${world.key}`])
      expect((await post('open', {}, `/demo/mcp/open?${query}`)).status).toBe(401);
    untouched();
  });

  test('strangers cannot tell a collection that exists from one that does not [S0.6] [X0.4]', async () => {
    const answers = await Promise.all([post('open'), post('no-such'), post('x', {}, '/nowhere/mcp/open')]);
    for (const { status, json } of answers) expect([status, json]).toEqual([401, { error: 'No token provided.' }]);
    const bad = await Promise.all([post('open', bearer('bad')), post('no-such', bearer('bad'))]);
    for (const { status, json } of bad) expect([status, json]).toEqual([401, { error: 'Invalid bearer token.' }]);
    untouched();
  });

  test('of a foreign organization one learns nothing but 403 [S0.3] [S0.6]', async () => {
    for (const path of ['/other/mcp/secret', '/other/mcp/no-such', '/other/mcp', '/nowhere/mcp/secret']) {
      const answer = await post('', world.auth, path);
      expect([path, answer.status, answer.json]).toEqual([path, 403, { error: 'Access denied' }]);
    }
    untouched();
  });

  test('members learn by 404 that a collection does not exist [S0.5] [S0.15]', async () => {
    const answer = await post('no-such', world.auth);
    expect([answer.status, answer.json]).toEqual([404, { error: 'Collection not found' }]);
    untouched();
  });

  test('a role that is not allowed is 403 with metadata and no error code [S0.4] [S0.15] [S0.16]', async () => {
    const answer = await post('staff', world.auth);
    expect([answer.status, answer.json]).toEqual([403, { error: 'Access denied' }]);
    expect(answer.headers['www-authenticate']).toContain('resource_metadata=');
    expect(answer.headers['www-authenticate']).not.toContain('error=');
    untouched();
  });

  test('one allowed role is enough, and a star admits every member [S0.4] [S0.27]', async () => {
    expect((await post('staff', bearer(staffKey))).status).toBe(200);
    expect((await post('open', bearer(staffKey))).status).toBe(200);
    expect((await post('open', world.auth)).status).toBe(200);
  });

  test('an empty role list admits nobody [S0.4]', async () => {
    expect((await post('nobody', bearer(staffKey))).status).toBe(403);
    expect((await post('nobody', world.auth)).status).toBe(403);
    untouched();
  });

  test('a server that is not enabled answers in JSON-RPC under the id of the call [X4.1]', async () => {
    const answer = await send(world.url('unused'), { headers: world.auth, body: call('echo', {}, 'abc') });
    expect(answer.status).toBe(200);
    expect(answer.json).toEqual({
      jsonrpc: '2.0',
      id: 'abc',
      error: {
        code: -32000,
        message: 'Access Denied',
        data: "Service 'unused' is not enabled for your organization",
      },
    });
    untouched();
  });

  test('the organization is named by slug or by the identity provider id [S0.3] [S0.14]', async () => {
    expect((await post('', world.auth, '/demo/mcp/open')).status).toBe(200);
    expect((await post('', world.auth, '/org_123/mcp/open')).status).toBe(200);
  });

  test('both slash forms are served, and nothing is redirected [X0.5]', async () => {
    for (const path of ['/demo/mcp/open', '/demo/mcp/open/', '/org_123/mcp/filtered/', '/demo/mcp/open?x=1']) {
      const answer = await post('', world.auth, path);
      expect([path, answer.status]).toEqual([path, 200]);
    }
    for (const path of ['/demo/mcp/open', '/demo/mcp/open/']) expect((await post('', {}, path)).status).toBe(401);
  });

  /** HTTP clients tidy a path up before they send it: this one does not. */
  async function rawStatus(path: string, authorization: string): Promise<number> {
    const body = JSON.stringify(call('echo', {}));
    const { answers } = await sendRaw(
      world.port,
      `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${world.port}\r\n${authorization}Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    return answers[0]?.status ?? 0;
  }

  test('odd spellings of a path are never more allowed than the plain one [E20] [C13]', async () => {
    const spellings = [
      '/demo/mcp/..%2fopen',
      '/demo/mcp/%2e%2e/open',
      '/demo/mcp/..;/open',
      '/demo/mcp/%252e/open',
      '/demo/mcp/%c0%ae/open',
      '/demo/mcp/%ff',
      '/demo/mcp/open%00',
      '/demo/mcp/open%0d%0aX:y',
      '/demo/mcp\\open',
      '/demo/mcp%5copen',
      '//demo/mcp/open',
      '/demo//mcp/open',
      '/demo/mcp//open',
      '/demo/./mcp/open',
      '/demo/mcp/open;x=1',
      '/DEMO/mcp/open',
      '/demo/MCP/open',
      '/demo/mcp/Open',
      '/demo/mcp/%6fpen',
      '/demo/mcp/open%3fx',
      '/demo/mcp/open%23x',
      '/other/../demo/mcp/open',
      '/demo%2f..%2fdemo/mcp/open',
      `/demo/mcp/${'x'.repeat(8192)}`,
    ];
    for (const path of spellings) {
      const stranger = await rawStatus(path, '');
      expect([path, stranger >= 400], path).toEqual([path, true]);
      const member = await rawStatus(path, `Authorization: Bearer ${world.key}\r\n`);
      expect([400, 403, 404, 414, 431], `${path.slice(0, 60)} → ${member}`).toContain(member);
    }
    untouched();
  });

  test('a revoked key is refused within a second', async () => {
    const made = await world.gateway.cli('key', 'create', '--org', 'demo', '--name', 'short-lived');
    const { key, id } = made as { readonly key: string; readonly id: string };
    expect((await post('open', bearer(key))).status).toBe(200);
    await world.gateway.cli('key', 'revoke', id);
    const deadline = Date.now() + 1000;
    let status = 200;
    while (status === 200 && Date.now() < deadline) status = (await post('open', bearer(key))).status;
    expect(status).toBe(401);
  });

  test('authenticated answers are not stored by caches [E21]', async () => {
    const answer = await post('open', world.auth);
    expect(answer.headers['cache-control']).toContain('no-store');
  });
});
