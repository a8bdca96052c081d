/** Who comes to the door without being an MCP client: browsers, and health checks that don't know the public name. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningGateway, startGateway } from '#kit/gateway.ts';
import { send } from '#kit/http-client.ts';

let gateway: RunningGateway;
beforeAll(async () => {
  const env = {
    // On loopback, and yet no address that counts as such: as in the container, Host is checked against BASE_URL alone.
    HOST: '127.1',
    BASE_URL: 'https://mcp.example.com',
    ENCRYPTION_KEY: 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB',
    WORKOS_API_KEY: 'sk_test_unused',
    WORKOS_CLIENT_ID: 'client_unused',
    WORKOS_AUTHORIZATION_SERVER_URL: 'http://127.0.0.1:9/auth/v1',
    WORKOS_API_BASE_URL: 'http://127.0.0.1:9',
  };
  gateway = await startGateway({ configYaml: '', env });
}, 60_000);
afterAll(() => gateway?.stop());

const get = (path: string, headers: Record<string, string>) => send(gateway.url + path, { method: 'GET', headers });
const challenge =
  'Bearer resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/org_123/mcp/docs"';

test('health is answered under any name, the image’s own check under localhost, MCP only under ours and this machine’s [S0.37]', async () => {
  for (const host of ['localhost:3000', '10.1.2.3', 'mcp.example.com']) {
    for (const path of ['/health', '/ready']) {
      expect([host, path, (await get(path, { host })).status]).toEqual([host, path, 200]);
    }
  }
  for (const host of ['localhost:3000', 'mcp.example.com']) {
    const document = await get('/.well-known/oauth-protected-resource', { host });
    expect([host, document.status]).toEqual([host, 200]);
    expect(document.json).toMatchObject({ resource: 'https://mcp.example.com/' });
  }
  for (const host of ['10.1.2.3', 'evil.example', 'localhost.evil.example']) {
    expect([host, (await get('/org_123/mcp/docs', { host })).status]).toEqual([host, 421]);
  }
  expect((await get('/org_123/mcp/docs', { host: 'localhost:3000' })).status).toBe(401);
  expect((await get('/org_123/mcp/docs', { host: 'mcp.example.com' })).status).toBe(401);
});

test('a browser without a token is told in HTML what the address is for, with the same status and challenge', async () => {
  const accept = 'text/html,application/xhtml+xml,*/*;q=0.8';
  const page = await get('/org_123/mcp/docs', { host: 'mcp.example.com', accept });
  expect([page.status, page.headers['content-type']]).toEqual([401, 'text/html; charset=utf-8']);
  expect(page.headers['www-authenticate']).toBe(challenge);
  expect(page.headers['cache-control']).toBe('no-store');
  expect(page.headers['content-security-policy']).toContain("default-src 'none'");
  expect(page.text).toContain('https://mcp.example.com/org_123/mcp/docs');
  expect(page.text).not.toContain('<script');
});

test('whoever does not ask for HTML, or does not GET, gets the JSON body [S0.15]', async () => {
  const host = 'mcp.example.com';
  const answers = [
    await get('/org_123/mcp/docs', { host, accept: 'text/event-stream' }),
    await get('/org_123/mcp/docs', { host, accept: '*/*' }),
    await send(`${gateway.url}/org_123/mcp/docs`, { headers: { host, accept: 'text/html' }, body: {} }),
    await get('/org_123/mcp/docs', { host, accept: 'text/html', authorization: 'Bearer nonsense' }),
  ];
  expect(answers.map(({ json }) => json)).toEqual([
    ...Array(3).fill({ error: 'No token provided.' }),
    { error: 'Invalid bearer token.' },
  ]);
});
