/** The demo with nothing set: people sign in with the account that it made, API keys go on working beside that. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as OldTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { openBrowserJar } from '#kit/browser-jar.ts';
import { type RunningGateway, startGateway } from '#kit/gateway.ts';
import { bearer, call, send } from '#kit/http-client.ts';
import { openSdkClient, sdkVersions } from '#kit/sdk-client.ts';

const redirectUrl = 'http://localhost:41733/callback';
const document = '/.well-known/oauth-protected-resource';
const info = { name: 'demo', version: '1.0.0' };
let dataDir: string;
let gateway: RunningGateway;
let password: string;
let key: string;
let keysUrl: string;
const accountLine = /^admin (\w{20})$/m;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'gatehouse-demo-'));
  gateway = await startGateway({ configYaml: '', dataDir });
  await vi.waitFor(() => expect(gateway.output()).toMatch(accountLine), 10_000);
  password = accountLine.exec(gateway.output())?.[1] ?? '';
  key = /^gw_test_\w+$/m.exec(gateway.output())?.[0] ?? '';
  keysUrl = String(gateway.logs().find(({ msg }) => msg === 'listening')?.keysUrl);
}, 120_000);
afterAll(async () => {
  await gateway?.stop();
  await rm(dataDir, { recursive: true, force: true });
});
const url = () => `${gateway.url.replace('127.0.0.1', 'localhost')}/demo/mcp/echo-stateful`;

const keyClients = {
  '1.x': async (address: string) => {
    const client = new OldClient(info);
    await client.connect(new OldTransport(new URL(address), { requestInit: { headers: bearer(key) } }));
    return client;
  },
  '2.x': async (address: string) => {
    const client = new Client(info);
    await client.connect(
      new StreamableHTTPClientTransport(new URL(address), { requestInit: { headers: bearer(key) } }),
    );
    return client;
  },
};

describe.each(sdkVersions)('the SDK %s', (version) => {
  test('signs in from the bare URL with the account of the first start', async () => {
    const client = openSdkClient({
      version,
      url: url(),
      redirectUrl,
      async browse(to) {
        const jar = openBrowserJar((target) => target.startsWith(redirectUrl));
        const page = await jar.open(to.href);
        return new URL((await jar.submit(page, { with: 'local', username: 'admin', password })).url);
      },
    });
    expect(await client.call('echo', { message: 'hi' })).toContain('hi');
    expect(client.signIns()).toBe(1);
    await client.close();
  });

  test('goes on with a configured API key, at the address that offers a sign-in too [X1.6]', async () => {
    for (const address of [url(), url().replace(/^http:\/\/[^/]+/, keysUrl)]) {
      const client = await keyClients[version](address);
      const { content } = await client.callTool({ name: 'echo', arguments: { message: 'hi' } });
      expect(JSON.stringify(content)).toContain('hi');
      await client.close();
    }
  });
});

test('an address beside it knows of no sign-in at all [X1.6]', async () => {
  for (const path of [document, `${document}/demo/mcp/time`, '/.well-known/oauth-authorization-server'])
    expect([path, (await send(keysUrl + path, { method: 'GET' })).status]).toEqual([path, 404]);
  const stranger = await send(`${keysUrl}/demo/mcp/time`, { body: call('x') });
  expect([stranger.status, stranger.headers['www-authenticate']]).toEqual([401, 'Bearer']);
});

test('the account of the first start administers the demo in the portal', async () => {
  const base = gateway.url.replace('127.0.0.1', 'localhost');
  const jar = openBrowserJar((target) => !target.startsWith(base));
  const page = await jar.open(`${base}/admin/sign-in`);
  const { url: landed } = await jar.submit(page, { with: 'local', username: 'admin', password });
  expect(landed).toBe(`${base}/admin`);
  const answer = await fetch(`${base}/admin/api/v1/session`, { headers: { cookie: jar.cookiesFor(`${base}/`) } });
  expect(await answer.json()).toMatchObject({ kind: 'person', isPlatform: true, gateway: { isDemo: true } });
});

test('whoever names an organization decides who signs in: the demo is then for API keys; the password is shown once', async () => {
  await gateway.stop();
  gateway = await startGateway({ configYaml: 'organizations: [{ slug: acme, name: Acme }]', dataDir });
  expect((await send(gateway.url + document, { method: 'GET' })).status).toBe(404);
  const stranger = await send(`${gateway.url}/demo/mcp/time`, { body: call('x') });
  expect([stranger.status, stranger.headers['www-authenticate']]).toEqual([401, 'Bearer']);
  await gateway.stop();
  gateway = await startGateway({ configYaml: '', dataDir });
  expect((await send(gateway.url + document, { method: 'GET' })).status).toBe(200);
  expect(gateway.output()).not.toMatch(accountLine);
}, 120_000);
