/** What clients of ToolHive's API find here (REQUIREMENTS S2.15). */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createKey } from '#kit/gateway.ts';
import { freePort, type RunWorld, runnable, startRunWorld } from '#kit/run-world.ts';

let world: RunWorld;
let port: number;
let token: string;

beforeAll(async () => {
  [port, world] = await Promise.all([freePort(), startRunWorld({})]);
  token = readFileSync(join(world.gateway.dataDir, 'admin.token'), 'utf8').trim();
}, 60_000);
afterAll(() => world?.close());

async function ask(line: string, body?: object, as = token) {
  const [method = 'GET', path = ''] = line.split(' ');
  const response = await fetch(`${world.gateway.url}/api/v1beta${path}`, {
    method,
    headers: { authorization: `Bearer ${as}`, ...(body && { 'content-type': 'application/json' }) },
    body: body ? JSON.stringify(body) : null,
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') === true;
  return { status: response.status, text, json: isJson ? JSON.parse(text) : undefined };
}

/** Beside the demo's own. */
async function mine(query = ''): Promise<unknown[]> {
  const { json } = await ask(`GET /workloads${query}`);
  return json.workloads.filter(({ name }: { readonly name: string }) => name === 'hive');
}

const request = () => ({
  ...{
    name: 'hive',
    command: process.execPath,
    cmd_arguments: [runnable, 'one'],
    transport: 'stdio',
    proxy_port: port,
  },
  ...{ env_vars: { GREETING: 'hello', API_TOKEN: 'canary-hive' }, secrets: [], volumes: ['/srv:/data:ro'], host: '' },
  ...{
    oidc: { issuer: '', audience: '' },
    authz_config: '',
    group: 'default',
    network_isolation: true,
    organization: 'acme',
  },
  permission_profile: {
    name: 'github',
    network: {
      outbound: { insecure_allow_all: false, allow_host: ['.github.com', 'api.acme.example'], allow_port: [443] },
    },
  },
});

test('a workload is created, listed, called, read, exported, stopped, restarted, edited and deleted [S2.15]', async () => {
  expect(await ask('POST /workloads', request())).toMatchObject({ status: 201, json: { name: 'hive', port } });
  expect(await world.call(`http://localhost:${port}/mcp`, 'started', { name: 'API_TOKEN' })).toEqual({
    ...{ args: ['one'], value: 'canary-hive' },
  });
  expect(await mine()).toMatchObject([
    {
      name: 'hive',
      port,
      url: `http://localhost:${port}/mcp`,
      status: 'running',
      transport_type: 'stdio',
      tool_type: 'mcp',
    },
  ]);
  const { json: again } = await ask('GET /workloads/hive');
  expect(again).toMatchObject({
    ...{ name: 'hive', cmd_arguments: [runnable, 'one'], proxy_port: port, env_vars: { GREETING: 'hello' } },
    ...{ secrets: [{ name: 'API_TOKEN', target: 'API_TOKEN' }], volumes: ['/srv:/data:ro'], transport: 'stdio' },
    permission_profile: {
      network: { outbound: { allow_host: ['.github.com', 'api.acme.example'], allow_port: [443] } },
    },
  });
  expect((await ask('GET /workloads/hive/export')).json).toMatchObject({
    name: 'hive',
    cmd_args: [runnable, 'one'],
    port,
  });
  expect((await ask('GET /workloads/hive/logs')).text).toContain('it begins');
  expect((await ask('GET /workloads/hive/proxy-logs')).status).toBe(200);
  expect((await ask('POST /workloads/hive/stop')).status).toBe(202);
  expect((await ask('GET /workloads/hive/status')).json).toEqual({ status: 'stopped' });
  expect(await mine()).toEqual([]);
  expect(await mine('?all=true')).toHaveLength(1);
  expect((await ask('POST /workloads/restart', { names: ['hive'] })).status).toBe(202);
  expect((await ask('POST /workloads/hive/edit', { ...request(), cmd_arguments: [runnable, 'two'] })).status).toBe(200);
  expect(await world.call(`http://localhost:${port}/mcp`, 'started', { name: 'API_TOKEN' })).toEqual({
    ...{ args: ['two'], value: 'canary-hive' },
  });
  expect((await ask('GET /secrets/default/keys')).json.keys).toContainEqual({ key: 'hive/API_TOKEN' });
  expect((await ask('DELETE /workloads/hive')).status).toBe(202);
  expect((await ask('GET /workloads/hive')).status).toBe(404);
});

test('version, groups, clients, registry, secrets and discovery answer in their shapes, and /health beside them [S2.15]', async () => {
  expect((await ask('GET /version')).json).toMatchObject({ version: expect.any(String) });
  expect((await ask('GET /groups')).json.groups).toContainEqual({ name: 'default', registered_clients: [] });
  expect((await ask('GET /clients')).json).toEqual([]);
  expect((await ask('GET /registry')).json).toEqual({ registries: [] });
  expect((await ask('GET /discovery/clients')).json).toEqual({ clients: [] });
  expect((await ask('GET /secrets')).json).toMatchObject({ provider_type: 'encrypted' });
  expect((await fetch(`${world.gateway.url}/health`)).ok).toBe(true);
});

test('what is asked for and cannot be had is refused, nothing of it is left out silently [S2.15] [S2.16]', async () => {
  for (const [change, why] of [
    [{ oidc: { issuer: 'https://id.example' } }, 'identity in gatehouse.yaml'],
    [{ authz_config: 'x.json' }, 'gatehouse policy put'],
    [{ url: 'https://mcp.example' }, 'gatehouse.yaml'],
    [{ permission_profile: { privileged: true } }, 'never given'],
    [{ secrets: [{ name: 'a', target: 'B' }] }, 'set by value'],
    [{ command: undefined }, 'image is missing'],
    [{ env_vars: { NODE_OPTIONS: '--require /x' } }, 'NODE_OPTIONS'],
    [{ name: 'No Name' }, 'key is wrong'],
  ] as const) {
    const { status, text } = await ask('POST /workloads', { ...request(), ...change });
    expect([status, text]).toEqual([400, expect.stringContaining(why)]);
  }
  expect(await mine('?all=true')).toEqual([]);
});

test('it is for administrators of the platform alone, and unknown paths are nothing [S2.15] [X2.1] [G1]', async () => {
  // Of everything in its organization, and of nothing beside it.
  const administrator = await createKey(world.gateway, 'acme', '--roles', 'admin:*');
  for (const path of [
    '/workloads',
    '/version',
    '/groups',
    '/clients',
    '/secrets/default/keys',
    '/secrets',
    '/registry',
    '/workloads/hive/logs',
  ]) {
    expect((await fetch(`${world.gateway.url}/api/v1beta${path}`)).status, path).toBe(401);
    for (const key of [world.key, administrator])
      expect((await ask(`GET ${path}`, undefined, key)).status, path).toBe(403);
  }
  for (const order of ['/workloads', '/workloads/stop', '/workloads/hive/restart', '/workloads/hive/edit'])
    for (const key of [world.key, administrator])
      expect((await ask(`POST ${order}`, { ...request(), names: ['hive'] }, key)).status, order).toBe(403);
  expect((await fetch(`${world.gateway.url}/api/v1beta/unknown`)).status).toBe(404);
});
