/**
 * With which credential and at which address a server is reached, for whom, through every door: never another group's,
 * never one group's address with another's key, never the operator's key where a group has its own.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { type App, openApp } from '#app.ts';
import { loadConfig } from '#config/load.ts';
import { withPlatform } from '#db/scope.ts';
import { openModernWire } from '#kit/modern-wire.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { cli } from '#kit/run-cli.ts';
import { startToolServer, type ToolServer } from '#kit/tool-server.ts';
import { openSocket } from '#kit/web-socket-client.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-routes-'));
let database: TestDatabase;
let home: ToolServer;
let away: ToolServer;
let app: App;
let env: Record<string, string>;
const keys: Record<string, string> = {};

const gatehouseYaml = () => `
organizations: [{ slug: acme, name: Acme }, { slug: other, name: Other }]
servers:
  - { key: files, transport: { kind: http, url: '${home.url}' }, credential: '\${FILES_TOKEN}', trusted: true }
collections:
  - { organization: acme, name: shelf, allowedRoles: '*', bindings: [{ server: files }] }
  - { organization: acme, name: fixed, allowedRoles: '*', bindings: [{ server: files, credential: '\${FIXED}' }] }
enablements:
  - { organization: acme, server: files, allMembers: true }
  - { organization: other, server: files, allMembers: true }
egress: { allow: ['127.0.0.1'] }
limits: { principal: { requestsPerMinute: 100000 }, organization: { requestsPerMinute: 100000 } }
`;

async function run(...args: string[]): Promise<string> {
  const done = await cli(args, { env });
  expect([args.join(' '), done.code, done.err]).toEqual([args.join(' '), 0, expect.anything()]);
  return done.out;
}

beforeAll(async () => {
  [database, home, away] = await Promise.all([
    createTestDatabase(),
    startToolServer({ era: 'legacy' }),
    startToolServer({ era: 'legacy' }),
  ]);
  for (const server of [home, away]) server.tools = [{ name: 'retrieve', inputSchema: { type: 'object' } }];
  env = {
    ...{ PORT: '0', DATA_DIR: dataDir, LOG_LEVEL: 'error', DATABASE_URL: database.url },
    ENCRYPTION_KEY: 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB',
    ...{ FILES_TOKEN: 'operator-key-value', FIXED: 'binding-key-value' },
    ...{ KEY_A: 'group-a-key-value', KEY_B: 'group-b-key-value', KEY_D: 'default-key-value' },
  };
  const file = join(dataDir, 'gatehouse.yaml');
  const readFile = (path: string) => (path === file ? gatehouseYaml() : undefined);
  app = await openApp(loadConfig({ env, cwd: dataDir, readFile }), { version: '0.0.0' });
  for (const [org, name] of [
    ['acme', 'a'],
    ['acme', 'b'],
    ['acme', 'ab'],
    ['acme', 'u'],
    ['acme', 'none'],
    ['other', 'o'],
  ]) {
    const out = await run('key', 'create', '--org', org ?? '', '--name', name ?? '', '--json');
    keys[name ?? ''] = z.object({ key: z.string() }).parse(JSON.parse(out)).key;
  }
  await withPlatform(database.db, async ({ tx }) => {
    const { id: org_id } = await tx
      .selectFrom('organizations')
      .select('id')
      .where('slug', '=', 'acme')
      .executeTakeFirstOrThrow();
    // By name the order would be another one: priority decides.
    const groups = { 'Tenant-A': [20, ['a', 'ab']], 'Tenant-B': [10, ['b', 'ab']], 'Tenant-U': [30, ['u']] } as const;
    for (const [name, [priority, members]] of Object.entries(groups)) {
      const { id: group_id } = await tx
        .insertInto('groups')
        .values({ org_id, name, priority, external_id: null })
        .returning('id')
        .executeTakeFirstOrThrow();
      for (const member of members) {
        const { id: key_id } = await tx
          .selectFrom('api_keys')
          .select('id')
          .where('name', '=', member)
          .executeTakeFirstOrThrow();
        await tx.insertInto('group_members').values({ org_id, group_id, key_id }).execute();
      }
    }
  });
  const set = (...args: string[]) => run('credential', 'set', 'files', '--org', 'acme', ...args);
  await set('--group', 'Tenant-A', '--value-env', 'KEY_A', '--endpoint', away.url);
  await set('--group', 'Tenant-B', '--value-env', 'KEY_B');
  await set('--group', 'Tenant-U', '--endpoint', away.url);
  await vi.waitFor(async () => {
    const [seen] = await arrivals('b', () => rest('b', '/api/servers/files/tools/retrieve'));
    expect(seen?.token).toBe('Bearer group-b-key-value');
  }, 5000);
}, 60_000);
afterAll(async () => {
  await app?.close();
  await Promise.all([home?.close(), away?.close(), database?.close()]);
  rmSync(dataDir, { recursive: true, force: true });
});
beforeEach(() => {
  home.upstream.clear();
  away.upstream.clear();
});

const auth = (who: string) => ({ authorization: `Bearer ${keys[who]}` });

async function rest(who: string, path: string, body: object = {}): Promise<void> {
  const headers = { ...auth(who), 'content-type': 'application/json' };
  const answer = await fetch(`${app.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  expect([path, answer.status, await answer.text()]).toEqual([path, 200, expect.anything()]);
}

async function official(transport: StreamableHTTPClientTransport | SSEClientTransport, name: string): Promise<void> {
  const client = new Client({ name: 'c', version: '1' });
  // Its own types differ under exactOptionalPropertyTypes.
  await client.connect(transport as never);
  expect((await client.listTools()).tools.map((tool) => tool.name)).toContain(name);
  await client.callTool({ name, arguments: {} });
  await client.close();
}

const old = (who: string, path: string) =>
  new StreamableHTTPClientTransport(new URL(`${app.url}${path}`), { requestInit: { headers: auth(who) } });

async function socket(who: string): Promise<void> {
  const open = await openSocket(`${app.url}/mcp/files/ws`, { headers: auth(who) });
  const hello = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } };
  open.send({ jsonrpc: '2.0', id: 1, method: 'initialize', params: hello });
  await open.next();
  open.send({ jsonrpc: '2.0', method: 'notifications/initialized' });
  open.send({ jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name: 'retrieve', arguments: {} } });
  expect(await open.next()).toHaveProperty('result');
  await open.close();
}

const surfaces: Readonly<Record<string, (who: string) => Promise<unknown>>> = {
  'streamable HTTP, server': (who) => official(old(who, '/mcp/files'), 'retrieve'),
  'streamable HTTP, collection': (who) => official(old(who, '/mcp/shelf'), 'retrieve'),
  'streamable HTTP, everything': (who) => official(old(who, '/mcp'), 'files_retrieve'),
  'a client of 2026-07-28': (who) =>
    openModernWire(`${app.url}/mcp/files`, keys[who] ?? '', {}).request('tools/call', {
      name: 'retrieve',
      arguments: {},
    }),
  'HTTP+SSE': (who) =>
    official(
      new SSEClientTransport(new URL(`${app.url}/mcp/files/sse`), { requestInit: { headers: auth(who) } }),
      'retrieve',
    ),
  WebSocket: socket,
  'REST façade': (who) => rest(who, '/api/servers/files/tools/retrieve'),
  'older façade': (who) => rest(who, '/mcp/files/retrieve'),
  'flat route': (who) => rest(who, '/mcp/files_retrieve'),
  'meta call_tool': (who) => rest(who, '/meta/call_tool', { tool_name: 'files_retrieve', arguments: {} }),
};

interface Arrival {
  readonly where: 'home' | 'away';
  readonly token: string | undefined;
}

/** Everything that either server was sent, by address and credential: one line each. */
async function arrivals(who: string, work: (who: string) => Promise<unknown>): Promise<readonly Arrival[]> {
  home.upstream.clear();
  away.upstream.clear();
  await work(who);
  const of = (where: Arrival['where'], server: ToolServer) =>
    server.upstream.requests.map(({ headers }) => ({ where, token: headers.authorization }));
  const seen = [...of('home', home), ...of('away', away)].map((one) => JSON.stringify(one));
  return [...new Set(seen)].map((one) => JSON.parse(one) as Arrival);
}

const expected: Readonly<Record<string, Arrival>> = {
  a: { where: 'away', token: 'Bearer group-a-key-value' },
  b: { where: 'home', token: 'Bearer group-b-key-value' },
  // In both: the group that comes first decides, wholly.
  ab: { where: 'home', token: 'Bearer group-b-key-value' },
  // An address without a credential gets none: not the operator's, not another group's.
  u: { where: 'away', token: undefined },
  none: { where: 'home', token: 'Bearer operator-key-value' },
  o: { where: 'home', token: 'Bearer operator-key-value' },
};

describe.each(Object.entries(surfaces))('%s', (surface, work) => {
  for (const [who, wanted] of Object.entries(expected)) {
    if (who === 'o' && surface.includes('collection')) continue;
    test(`reaches the server as the groups of "${who}" say, and in no other way [S3.13] [S3.14] [X3.2]`, async () => {
      // All that there is includes the collection whose binding has a credential of its own.
      const seen = (await arrivals(who, work)).filter(({ token }) => token !== 'Bearer binding-key-value');
      expect(seen).toEqual([wanted]);
    });
  }
});

test("a credential that a binding has of its own stays, with the server's own address [S3.13] [S3.14]", async () => {
  for (const who of ['a', 'b', 'u', 'none'])
    expect(await arrivals(who, () => official(old(who, '/mcp/fixed'), 'retrieve'))).toEqual([
      { where: 'home', token: 'Bearer binding-key-value' },
    ]);
});

test('identity headers go to no address that an organization entered [S3.14]', async () => {
  await rest('a', '/api/servers/files/tools/retrieve');
  expect(JSON.stringify(away.upstream.requests.map(({ headers }) => headers))).not.toContain('x-user-id');
  await rest('b', '/api/servers/files/tools/retrieve');
  expect(JSON.stringify(home.upstream.requests.map(({ headers }) => headers))).toContain('x-user-id');
});

test('the default of the organization goes before the key of the operator, live, and is removed live [S3.13]', async () => {
  const token = async () => (await arrivals('none', surfaces['REST façade'] ?? rest.bind(null, 'none')))[0]?.token;
  await run('credential', 'set', 'files', '--org', 'acme', '--value-env', 'KEY_D');
  await expect.poll(token).toBe('Bearer default-key-value');
  expect((await arrivals('b', surfaces['flat route'] ?? socket))[0]?.token).toBe('Bearer group-b-key-value');
  // Never another organization's.
  expect((await arrivals('o', surfaces['flat route'] ?? socket))[0]?.token).toBe('Bearer operator-key-value');
  await run('credential', 'remove', 'files', '--org', 'acme');
  await expect.poll(token).toBe('Bearer operator-key-value');
});

test('values go in and never come out; the address changes only with its credential [S3.13] [X3.2]', async () => {
  const list = await run('credential', 'list', '--org', 'acme', '--json');
  expect(list).not.toMatch(/key-value/);
  expect(JSON.parse(list)).toContainEqual(
    expect.objectContaining({ group: 'Tenant-A', configured: true, url: away.url }),
  );
  expect(await run('credential', 'list', '--org', 'acme')).toContain('Configured');
  const moved = await cli(
    ['credential', 'set', 'files', '--org', 'acme', '--group', 'Tenant-A', '--keep', '--endpoint', home.url],
    { env },
  );
  expect([moved.code, moved.err]).not.toEqual([0, expect.anything()]);
  const rows = await withPlatform(database.db, ({ tx }) => tx.selectFrom('server_routes').selectAll().execute());
  expect(JSON.stringify(rows)).not.toContain('key-value');
});
