/** The trail of a whole gateway: calls, administration, credentials, receivers, spans, figures. */
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { type App, openApp } from '#app.ts';
import { loadConfig } from '#config/load.ts';
import { openModernWire } from '#kit/modern-wire.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { cli } from '#kit/run-cli.ts';
import { startToolServer, type ToolServer } from '#kit/tool-server.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-audit-'));
const canary = 'sk-canary-0123456789abcdef';
const received: { readonly path: string; readonly body: string }[] = [];
const collector = createServer(async (req: IncomingMessage, res) => {
  received.push({ path: req.url ?? '', body: await text(req) });
  res.writeHead(200, { 'content-type': 'application/json' }).end('{}');
});
const syslog: string[] = [];
let syslogServer: Server | undefined;
let database: TestDatabase;
let upstream: ToolServer;
let app: App;
let key: string;
let env: Record<string, string>;

const portOf = (server: Server | typeof collector) => (server.address() as AddressInfo).port;
const jsonl = join(dataDir, 'trail.jsonl');

beforeAll(async () => {
  [database, upstream] = await Promise.all([createTestDatabase(), startToolServer({ era: 'modern' })]);
  upstream.tools = [{ name: 'retrieve', inputSchema: { type: 'object' } }];
  await once(collector.listen(0, '127.0.0.1'), 'listening');
  const otlp = `http://127.0.0.1:${portOf(collector)}`;
  // Away at first: a port where nobody listens yet.
  const probe = createTcpServer();
  await once(probe.listen(0, '127.0.0.1'), 'listening');
  const syslogPort = portOf(probe);
  probe.close();
  const yaml = `
organizations: [{ slug: acme, name: Acme }]
servers: [{ key: files, transport: { kind: http, url: '${upstream.url}' } }]
collections: [{ organization: acme, name: docs, allowedRoles: '*', bindings: [{ server: files, credential: '\${CANARY}' }] }]
egress: { allow: ['127.0.0.1'] }
audit:
  export:
    - { kind: jsonl, file: '${jsonl}' }
    - { kind: otlp, url: '${otlp}/v1/logs' }
    - { kind: syslog, url: 'tcp://127.0.0.1:${syslogPort}' }
telemetry: { otlp: '${otlp}' }
`;
  env = {
    ...{ PORT: '0', DATA_DIR: dataDir, LOG_LEVEL: 'error', DATABASE_URL: database.url, METRICS_KEY: 'k'.repeat(32) },
    ...{ ENCRYPTION_KEY: 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB', CANARY: canary },
  };
  const file = join(dataDir, 'gatehouse.yaml');
  const readFile = (path: string) => (path === file ? yaml : undefined);
  app = await openApp(loadConfig({ env, cwd: dataDir, readFile }), { version: '0.0.0' });
  const made = await cli(['key', 'create', '--org', 'acme', '--name', 't', '--json'], { env });
  key = z.object({ key: z.string() }).parse(JSON.parse(made.out)).key;
  syslogServer = createTcpServer({ allowHalfOpen: true }, async (socket) => {
    syslog.push(await text(socket));
    socket.end();
  });
  setTimeout(() => syslogServer?.listen(syslogPort, '127.0.0.1'), 2500);
});
afterAll(async () => {
  await app?.close();
  await upstream?.close();
  await database?.close();
  collector.close();
  syslogServer?.close();
  rmSync(dataDir, { recursive: true, force: true });
});

const call = (args: object) =>
  openModernWire(`${app.url}/acme/mcp/docs`, key, {}).request('tools/call', { name: 'retrieve', arguments: args });
const answer = z.object({
  items: z.array(z.looseObject({ id: z.string().optional() })).default([]),
  content: z.unknown().optional(),
});
const rowsOf = async (...more: string[]) =>
  z
    .array(z.looseObject({ kind: z.string(), action: z.string().nullable(), argumentDigest: z.string().nullable() }))
    .parse(JSON.parse((await cli(['audit', 'list', '--json', ...more], { env })).out));

test('a call leaves its decision, argument digest and credential; equal arguments the same digest [S3.33] [S4.21]', async () => {
  await call({ query: 'one' });
  await call({ query: 'one' });
  await call({ query: 'two' });
  const tools = ['--org', 'acme', '--tool', 'retrieve'];
  await expect.poll(async () => (await rowsOf(...tools)).length).toBe(3);
  const rows = await rowsOf(...tools);
  expect(rows[0]).toMatchObject({ decision: 'allow', server: 'files', detail: { credential: expect.any(String) } });
  expect(new Set(rows.map((row) => row.argumentDigest)).size).toBe(2);
  expect(JSON.stringify(rows)).not.toContain('one');
});

test('a change is in the trail with who made it, and stands there before it is made [S4.16]', async () => {
  const rows = await rowsOf('--kind', 'admin');
  const created = ({ action }: { readonly action: string | null }) => action === 'key.create';
  expect(rows.find(created)).toMatchObject({ decision: 'allow', open: false });
  await database.sql('alter table gateway.api_keys rename to away');
  const failed = await cli(['key', 'create', '--org', 'acme', '--name', 'lost'], { env });
  await database.sql('alter table gateway.away rename to api_keys');
  expect(failed.code).not.toBe(0);
  await expect
    .poll(async () => (await rowsOf('--kind', 'admin')).find(created))
    .toMatchObject({ decision: 'deny', open: false });
});

test('content is kept only by choice, without secrets, and read by itself', async () => {
  const api = async (path: string, body?: object) => {
    const token = readFileSync(join(dataDir, 'admin.token'), 'utf8').trim();
    const init = body
      ? { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
      : {};
    const headers = { ...init.headers, authorization: `Bearer ${token}` };
    return answer.parse(await (await fetch(`${app.url}/admin/api/v1${path}`, { ...init, headers })).json());
  };
  await api('/organizations/acme/audit/settings', { content: 'redacted' });
  await expect
    .poll(async () => {
      await call({ query: 'chosen', password: canary, note: `see ${canary}` });
      const { items } = await api('/organizations/acme/audit?tool=retrieve&limit=1');
      return (await api(`/organizations/acme/audit/${items[0]?.id}/content`)).content;
    })
    .toBe('{"query":"chosen","password":"[redacted]","note":"see [redacted]"}');
  const usage = await api('/organizations/acme/usage?by=server,tool&every=hour');
  expect(usage.items[0]).toMatchObject({ group: { server: 'files', tool: 'retrieve' }, failures: 0 });
});

test('the trail is checked and exported by the command line, and a changed export is found out [I5]', async () => {
  expect((await cli(['audit', 'verify', '--org', 'acme'], { env })).code).toBe(0);
  const whole = await cli(['audit', 'verify', '--json'], { env });
  expect(JSON.parse(whole.out)).toMatchObject({ problems: [] });
  const exported = await cli(['audit', 'export', '--org', 'acme'], { env });
  const file = join(dataDir, 'export.jsonl');
  writeFileSync(file, exported.out);
  expect(await cli(['audit', 'verify', '--file', file], { env })).toMatchObject({ code: 0 });
  writeFileSync(file, exported.out.replace('"decision":"allow"', '"decision":"deny"'));
  const found = await cli(['audit', 'verify', '--file', file], { env });
  expect(found.code).toBe(2);
  expect(found.out).toMatch(/^changed at \d+ of chain/m);
});

test('receivers get all of it, one that was away when it is back, and the file can be checked [S3.33]', {
  timeout: 20_000,
}, async () => {
  const kept = async () => Number((await database.sql('select count(*) as n from gateway.audit'))[0]?.n);
  const lines = () => readFileSync(jsonl, 'utf8').trimEnd().split('\n');
  await expect
    .poll(() => syslog.join('').match(/gatehouse \d+ admin - \ufeff/g)?.length ?? 0, { timeout: 15_000 })
    .toBeGreaterThan(0);
  await expect
    .poll(async () => new Set(lines().map((line) => JSON.parse(line).id)).size >= (await kept()), { timeout: 10_000 })
    .toBe(true);
  expect((await cli(['audit', 'verify', '--file', jsonl], { env })).code).toBe(0);
  expect(syslog.join('')).toMatch(/^\d+ <109>1 \d{4}-/);
  expect(
    received
      .filter(({ path }) => path === '/v1/logs')
      .map(({ body }) => body)
      .join(''),
  ).toContain('key.create');
});

test('a span goes on from the caller, in the words of the conventions, and no secret is in it', async () => {
  const [traceId, another] = ['a'.repeat(32), 'c'.repeat(32)];
  const send = (headers: Record<string, string>, meta: object) => {
    const params = {
      ...{ name: 'retrieve', arguments: {} },
      _meta: {
        'io.modelcontextprotocol/protocolVersion': '2026-07-28',
        'io.modelcontextprotocol/clientCapabilities': {},
        'io.modelcontextprotocol/clientInfo': { name: 'traced', version: '1' },
        ...meta,
      },
    };
    return fetch(`${app.url}/acme/mcp/docs`, {
      method: 'POST',
      headers: {
        ...{ authorization: `Bearer ${key}`, 'content-type': 'application/json', 'mcp-method': 'tools/call' },
        ...{ accept: 'application/json, text/event-stream', 'mcp-protocol-version': '2026-07-28' },
        ...{ 'mcp-name': 'retrieve', ...headers },
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params }),
    });
  };
  await send({}, { traceparent: `00-${another}-${'b'.repeat(16)}-01` });
  await send({ traceparent: `00-${traceId}-${'b'.repeat(16)}-01` }, {});
  const spans = () =>
    received
      .filter(({ path }) => path === '/v1/traces')
      .map(({ body }) => body)
      .join('');
  await expect.poll(spans, { timeout: 5000 }).toContain(traceId);
  expect(spans()).toContain(another);
  expect(spans()).toContain('tools/call retrieve');
  expect(spans()).toContain('"gen_ai.tool.name"');
  expect(spans()).toContain('"mcp.method.name"');
  const [last] = upstream.upstream.requests.slice(-1);
  expect(last?.headers.traceparent).toMatch(new RegExp(`^00-${traceId}-(?!b{16})[0-9a-f]{16}-01$`));
  expect(JSON.stringify(received) + syslog.join('')).not.toContain(canary);
});

test('figures name organizations and servers, queries and token checks, and open with a key from elsewhere [S4.15]', async () => {
  const from = (headers: Record<string, string>) => fetch(`${app.url}/metrics`, { headers });
  const elsewhere = { 'x-forwarded-for': '203.0.113.9' };
  expect((await from(elsewhere)).status).toBe(403);
  expect((await from({ ...elsewhere, authorization: 'Bearer wrong' })).status).toBe(403);
  const shown = await (await from({ ...elsewhere, authorization: `Bearer ${'k'.repeat(32)}` })).text();
  expect(shown).toMatch(/gatehouse_organization_calls_total\{organization="[0-9a-f-]{36}",result="success"\} [1-9]/);
  expect(shown).toMatch(/gatehouse_server_calls_total\{server="files",result="success"\} [1-9]/);
  expect(shown).toMatch(/gatehouse_query_seconds_count [1-9]/);
  expect(shown).toMatch(/gatehouse_audit_events_total\{kind="admin",result="success"\} [1-9]/);
});
