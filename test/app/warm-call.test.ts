/** What a warm call costs beside the upstream: no SQL statement, and no other machine is asked. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { mkdtempSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { type App, openApp } from '#app.ts';
import { loadConfig } from '#config/load.ts';
import { bearer, call, send } from '#kit/http-client.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { type RecordingUpstream, startRecordingUpstream } from '#kit/recording-upstream.ts';
import { cli } from '#kit/run-cli.ts';

const calls = 200;
const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-warm-'));
const statements: string[] = [];
/** `port` of every socket that this process opened; a path for a local one. */
const reached = new Set<string>();
let database: TestDatabase;
let upstream: RecordingUpstream;
let app: App;
let key: string;

const gatehouseYaml = () => `
organizations: [{ slug: acme, name: Acme }]
servers:
  - { key: ragie, transport: { kind: http, url: '${upstream.url}/mcp/{partition}/' } }
  - { key: plain, transport: { kind: http, url: '${upstream.url}/mcp' } }
collections:
  - organization: acme
    name: docs
    allowedRoles: [reader]
    bindings:
      - server: ragie
        partition: soc2
        credential: \${UPSTREAM_KEY}
        enforced: { retrieve: { filter: { team: red } } }
  - organization: acme
    name: two
    allowedRoles: '*'
    bindings: [{ server: ragie, partition: soc2 }, { server: plain }]
enablements: [{ organization: acme, server: ragie, allMembers: true }]
egress: { allow: ['127.0.0.1'] }
`;

function noteSocket(message: unknown): void {
  const socket = typeof message === 'object' && message !== null && 'socket' in message ? message.socket : undefined;
  if (!(socket instanceof Socket)) throw new Error('no socket in net.client.socket');
  socket.once('connect', () => reached.add(`${socket.remoteAddress}:${socket.remotePort}`));
}

beforeAll(async () => {
  [database, upstream] = await Promise.all([createTestDatabase(), startRecordingUpstream()]);
  subscribe('net.client.socket', noteSocket);
  const env = {
    PORT: '0',
    DATA_DIR: dataDir,
    LOG_LEVEL: 'error',
    DATABASE_URL: database.url,
    ENCRYPTION_KEY: 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB',
    UPSTREAM_KEY: 'tnt_secret',
  };
  const file = join(dataDir, 'gatehouse.yaml');
  const readFile = (path: string) => (path === file ? gatehouseYaml() : undefined);
  const config = loadConfig({ env, cwd: dataDir, readFile });
  app = await openApp(config, { version: '0.0.0', onStatement: (sql) => statements.push(sql) });
  const made = await cli(['key', 'create', '--org', 'acme', '--name', 't', '--roles', 'reader', '--json'], { env });
  key = z.object({ key: z.string() }).parse(JSON.parse(made.out)).key;
});

afterAll(async () => {
  await app?.close();
  unsubscribe('net.client.socket', noteSocket);
  await upstream?.close();
  await database?.close();
  rmSync(dataDir, { recursive: true, force: true });
});

const retrieve = () =>
  send(`${app.url}/acme/mcp/docs`, { headers: bearer(key), body: call('retrieve', { query: 'q', filter: null }) });

/** What runs by the clock, however many calls there are: batches of the spool, marks of use, the change counter. */
const byTheClock = [
  /insert into gateway\.(audit|usage) as kept/,
  // The chain of the trail, once for each batch.
  /^\s*select id, open from gateway\.audit where id in /,
  /"gateway"\."audit_(heads|writers|checkpoints)"|insert into gateway\.audit_heads as kept/,
  /^update "gateway"\."api_keys" set "last_used_at"/,
  /^select "value" from "gateway"\."change_counter"$/,
];
const framesTransaction = /^(start transaction|commit$|select set_config\('role', 'gatehouse_platform')/;

test('two hundred warm calls run no statement of their own: only batches of call records are inserted [X0.4]', async () => {
  for (let n = 0; n < 5; n++) expect((await retrieve()).status).toBe(200);
  upstream.clear();
  statements.length = 0;
  for (let n = 0; n < calls / 20; n++) {
    const answers = await Promise.all(Array.from({ length: 20 }, retrieve));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  }
  const during = [...statements];
  expect(upstream.requests).toHaveLength(calls);
  expect(upstream.requests.at(-1)?.headers.authorization).toBe('Bearer tnt_secret');
  expect(upstream.requests.at(-1)?.rpc.params?.arguments).toEqual({ query: 'q', filter: { team: 'red' } });
  const work = during.filter((sql) => !framesTransaction.test(sql));
  expect(work.filter((sql) => !byTheClock.some((known) => known.test(sql)))).toEqual([]);
  expect(work.length).toBeLessThan(calls / 2);
  // Nor is there a transaction without work in it.
  expect(during.filter((sql) => sql.startsWith('start transaction')).length).toBeLessThanOrEqual(work.length);
});

const modern = (method: string, params: Record<string, unknown> = {}) => {
  const headers = { ...bearer(key), 'mcp-protocol-version': '2026-07-28', 'mcp-method': method };
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': {},
  };
  return send(`${app.url}/acme/mcp/two`, {
    headers: { ...headers, ...(typeof params.name === 'string' ? { 'mcp-name': params.name } : {}) },
    body: { jsonrpc: '2.0', id: 1, method, params: { ...params, _meta } },
  });
};

test('neither do merged lists and calls of several servers behind one endpoint', async () => {
  const once = async () => {
    expect((await modern('tools/list')).status).toBe(200);
    expect((await modern('tools/call', { name: 'plain_echo', arguments: { n: 1 } })).status).toBe(200);
  };
  for (let n = 0; n < 3; n++) await once();
  statements.length = 0;
  for (let n = 0; n < 30; n++) await once();
  const work = statements.filter((sql) => !framesTransaction.test(sql));
  expect(work.filter((sql) => !byTheClock.some((known) => known.test(sql)))).toEqual([]);
});

test('every call is in the audit trail nevertheless', async () => {
  const count = async () =>
    (await database.sql('select count(*)::int as n from gateway.audit where name = $1', ['retrieve']))[0];
  await expect.poll(count, { timeout: 10_000 }).toEqual({ n: calls + 5 });
});

test('without REDIS_URL nothing but PostgreSQL, the upstream and the gateway itself is reached', () => {
  const known = [database.url, upstream.url, app.url].map((url) => new URL(url).port);
  expect(
    [...reached].map((address) => address.split(':').at(-1) ?? '').filter((port) => !known.includes(port)),
  ).toEqual([]);
  expect(new Set([...reached].map((address) => address.split(':').at(-1)))).toEqual(new Set(known));
});
