/** Addresses that an organization may enter, and those that strangers name: none leads into the house. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type App, openApp } from '#app.ts';
import { loadConfig } from '#config/load.ts';
import type { GatehouseError } from '#core/error.ts';
import { openEgress } from '#http/egress.ts';
import { listenOnLoopback } from '#kit/listen.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-urls-'));
let database: TestDatabase;
let app: App;
let connections = 0;
let sink: { readonly port: number; close(): Promise<unknown> };
const keys = new Map<string, string>();

const yaml = `
organizations: [{ slug: acme, name: Acme }]
servers: [{ key: files, transport: { kind: http, url: 'https://files.example/mcp' } }]
collections: [{ organization: acme, name: docs, allowedRoles: '*', bindings: [{ server: files }] }]
`;

beforeAll(async () => {
  const counting: Server = createServer((socket) => {
    connections++;
    socket.destroy();
  });
  [database, sink] = await Promise.all([createTestDatabase(), listenOnLoopback(counting)]);
  const env = {
    ...{ PORT: '0', DATA_DIR: dataDir, LOG_LEVEL: 'error', DATABASE_URL: database.url },
    ENCRYPTION_KEY: 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB',
  };
  const file = join(dataDir, 'gatehouse.yaml');
  const readFile = (path: string) => (path === file ? yaml : undefined);
  app = await openApp(loadConfig({ env, cwd: dataDir, readFile }), { version: '0.0.0' });
  for (const role of ['admin:*', 'admin:credentials:*', 'admin:audit:read']) {
    const { json } = await ask('POST', '/admin/api/v1/organizations/acme/keys', {
      body: { name: role, roles: [role] },
    });
    keys.set(role, z.object({ key: z.string() }).parse(json).key);
  }
}, 60_000);
afterAll(async () => {
  await app?.close();
  await Promise.all([database?.close(), sink?.close()]);
  rmSync(dataDir, { recursive: true, force: true });
});

async function ask(method: string, path: string, { body, as }: { readonly body?: object; readonly as?: string } = {}) {
  const token = as ?? readFileSync(join(dataDir, 'admin.token'), 'utf8').trim();
  const response = await fetch(app.url + path, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
    body: body ? JSON.stringify(body) : null,
  });
  const text = await response.text();
  return { status: response.status, text, json: JSON.parse(text) as unknown };
}

const privateHosts = [
  ...['127.0.0.1', '127.1', '127.0.1', '0177.0.0.1', '0x7f.0.0.1', '0x7f000001', '2130706433', '0', '0.0.0.0'],
  ...['127.0.0.1.', '127.255.255.254', '10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.0.1', '100.64.0.1'],
  ...['169.254.169.254', '169.254.170.2', '168.63.129.16', '192.0.0.192', '198.18.0.1', '203.0.113.1', '224.0.0.1'],
  ...['240.0.0.1', '255.255.255.255', '[::]', '[::1]', '[0:0:0:0:0:0:0:1]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]'],
  ...['[::127.0.0.1]', '[64:ff9b::7f00:1]', '[64:ff9b:1::a00:1]', '[2002:7f00:1::]', '[2001::1]', '[fec0::1]'],
  ...['[fc00::1]', '[fd00:ec2::254]', '[fe80::1]', '[ff02::1]', '[2001:db8::1]', '[100::1]', '[5f00::1]'],
  ...[
    'localhost',
    'localhost.',
    'LOCALHOST',
    'a.localhost',
    'metadata.google.internal',
    'printer.local',
    'x.home.arpa',
  ],
  ...['①②⑦.⓪.⓪.①', '127。0。0。1', 'loc\u00adalhost', '%6c%6f%63%61%6c%68%6f%73%74'],
];
const payloads = [
  ...privateHosts.flatMap((host) => [`https://${host}/mcp`, `http://${host}/mcp`]),
  ...['https://user:pass@example.com/', 'https://example.com@127.0.0.1/', 'https://example.com\\@127.0.0.1/'],
  ...[
    'https:\\\\127.0.0.1',
    'https://exa\tmple.com/',
    ' https://example.com/',
    'http://example.com/',
    '//example.com/',
  ],
  ...['https://example.com:22/', 'https://example.com:6379/', 'https://example.com:2375/', 'file:///etc/passwd'],
  ...[
    'ftp://example.com/',
    'gopher://127.0.0.1:6379/_x',
    'javascript:alert(1)',
    'data:text/plain,x',
    'ws://example.com/',
  ],
  ...['unix:/var/run/docker.sock', 'https://{partition}.example.com/', 'https://example.com/#@127.0.0.1/'],
];
const atSink = () =>
  ['127.0.0.1', 'localhost', '[::ffff:127.0.0.1]', '127.1'].map((host) => `https://${host}:${sink.port}/`);

describe('what an organization enters', () => {
  test('is refused when it is saved, with one and the same answer, whatever the reason [S1] [S5] [S6] [S3.14]', async () => {
    const as = keys.get('admin:credentials:*') ?? '';
    const path = '/admin/api/v1/organizations/acme/credentials';
    const answers = new Map<string, string>();
    for (const url of [...payloads, ...atSink()]) {
      const { status, text } = await ask('POST', path, {
        as,
        body: { server: 'files', url, credential: 'secret-value' },
      });
      expect([url, status]).toEqual([url, 400]);
      expect(text).not.toContain('secret-value');
      answers.set(text, url);
    }
    expect([...answers.keys()]).toHaveLength(1);
    expect(await database.sql('select url from gateway.server_routes where url is not null')).toEqual([]);
    expect(connections).toBe(0);
  });

  test('by the older admin API as well [S1] [S6] [S3.14]', async () => {
    const as = keys.get('admin:*') ?? '';
    const at = { tenant_id: 'MCP-Admin', server_id: 'files' };
    for (const url of [...payloads, ...atSink()]) {
      const { status } = await ask('POST', '/mcp-admin/api/endpoints', { as, body: { ...at, endpoint_url: url } });
      expect([url, status]).toEqual([url, 400]);
    }
    const good = { ...at, endpoint_url: 'https://EU.files.example:443/a/../mcp' };
    const { json } = await ask('POST', '/mcp-admin/api/endpoints', { as, body: good });
    expect(json).toMatchObject({ endpoint_url: 'https://eu.files.example/mcp' });
    expect(await database.sql('select url from gateway.server_routes where url is not null')).toEqual([
      { url: 'https://eu.files.example/mcp' },
    ]);
  });

  test('no server is made by an organization: neither a command of this machine nor an address [C17]', async () => {
    const transports = [
      { kind: 'stdio', command: 'sh', args: ['-c', 'id'] },
      { kind: 'http', url: 'https://example.com/mcp' },
      { kind: 'builtin', name: 'knowledge' },
    ];
    for (const as of keys.values())
      for (const transport of transports) {
        const body = { key: `own-${transport.kind}`, transport, enableFor: 'acme' };
        expect((await ask('POST', '/admin/api/v1/servers', { as, body })).status).toBe(403);
      }
    expect(await database.sql(`select key from gateway.servers where key like 'own-%'`)).toEqual([]);
  });

  test('a header of a request names no target [S7]', async () => {
    const sunk = `http://127.0.0.1:${sink.port}/mcp`;
    const names = [
      'x-mcp-url',
      'x-upstream-url',
      'x-target-url',
      'mcp-init-host',
      'x-forwarded-host',
      'x-original-url',
    ];
    await fetch(`${app.url}/acme/mcp/docs`, {
      method: 'POST',
      headers: {
        ...Object.fromEntries(names.map((name) => [name, sunk])),
        ...{
          authorization: `Bearer ${keys.get('admin:*')}`,
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
        },
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} }),
    });
    expect(connections).toBe(0);
  });
});

describe('what is connected to', () => {
  test('is judged again by the one client that all such requests go through [S1] [S2] [S5]', async () => {
    const said = new Set<string>();
    const egress = openEgress({
      resolve: async () => [{ address: '127.0.0.1', family: 4 }],
      timeouts: { connectMs: 200 },
    });
    const hosts = [...payloads, ...atSink(), `https://rebound.example:8443/`, 'https://evil.example/'];
    for (const url of hosts) {
      const thrown = await egress.fetch(url.replace('{partition}', 'x')).then(
        () => undefined,
        (error: GatehouseError) => error,
      );
      expect([url, thrown instanceof Error]).toEqual([url, true]);
      said.add(`${thrown}`);
    }
    await egress.close();
    expect([...said]).toEqual(['GatehouseError: Upstream server is unreachable']);
    expect(connections).toBe(0);
  });

  test('one private address among public ones, and another answer each time, connect to nothing [S2]', async () => {
    let turn = 0;
    const answers = [['93.184.216.34', '127.0.0.1'], ['127.0.0.1'], ['::1', '2606:2800:220:1::1'], ['::ffff:7f00:1']];
    const egress = openEgress({
      resolve: async () =>
        (answers[turn++ % answers.length] ?? []).map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    });
    for (let i = 0; i < 200; i++)
      await expect(egress.fetch(`https://n${i}.example:8443/`)).rejects.toMatchObject({ code: 'upstream_unreachable' });
    await egress.close();
    expect(connections).toBe(0);
  });
});

describe('what is kept of arguments', () => {
  test('is read by auditors only, not by whoever administers, and is sealed for its organization', async () => {
    const path = '/admin/api/v1/organizations/acme/audit/01a1fd76-c22c-7ad4-9081-81c0afeeeb3d/content';
    for (const as of keys.values()) expect((await ask('GET', path, { as })).status).toBe(403);
    const body = { name: 'auditor', roles: ['admin:audit-content:read'] };
    // Nobody who administers an organization makes themselves its auditor.
    const own = await ask('POST', '/admin/api/v1/organizations/acme/keys', { as: keys.get('admin:*') ?? '', body });
    expect(own.status).toBe(403);
    const { json } = await ask('POST', '/admin/api/v1/organizations/acme/keys', { body });
    const auditor = z.object({ key: z.string() }).parse(json).key;
    expect((await ask('GET', path, { as: auditor })).status).toBe(404);
    expect((await ask('GET', '/admin/api/v1/organizations/acme/members', { as: auditor })).status).toBe(403);
  });
});
