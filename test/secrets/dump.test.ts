/** A copy of the whole database, and everything that was logged, hold none of the secrets that went through the gateway. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { type RunningGateway, startGateway } from '#kit/gateway.ts';
import { openModernWire } from '#kit/modern-wire.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { cli } from '#kit/run-cli.ts';
import { runnable } from '#kit/run-world.ts';
import { startToolServer, type ToolServer } from '#kit/tool-server.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-dump-'));
let database: TestDatabase;
let upstream: ToolServer;
let app: RunningGateway;
let env: Record<string, string>;
/** By what they are. */
const canaries: Record<string, string> = {
  'root secret': 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB',
  'former root secret': 'Zp3xW8nB5vC1mK7jH4gF9dS2aQ6wE0rT',
  "a binding's credential": 'canary-binding-8f3a61',
  "a group's credential": 'canary-route-77bc02',
  "the operator's key": 'canary-operator-5d91ee',
  "a server's variable": 'canary-variable-2b7e90',
  'an argument': 'canary-argument-91ab3c',
  'a result': 'canary-result-04fe2d',
};

const yaml = () => `
organizations: [{ slug: acme, name: Acme }]
servers: [{ key: files, transport: { kind: http, url: '${upstream.url}' }, credential: '\${OPERATOR}' }]
collections: [{ organization: acme, name: shelf, allowedRoles: '*', bindings: [{ server: files, credential: '\${BINDING}' }] }]
credentials: [{ organization: acme, server: files, group: MCP-Admin, credential: '\${ROUTE}' }]
enablements: [{ organization: acme, server: files, allMembers: true }]
egress: { allow: ['127.0.0.1'] }
runner: { sandbox: none }
`;

beforeAll(async () => {
  [database, upstream] = await Promise.all([createTestDatabase(), startToolServer({ era: 'legacy' })]);
  upstream.tools = [{ name: 'retrieve', inputSchema: { type: 'object' } }];
  env = {
    ...{ PORT: '0', DATA_DIR: dataDir, LOG_LEVEL: 'debug', LOG_FORMAT: 'json', DATABASE_URL: database.url },
    ENCRYPTION_KEY: canaries['root secret'] ?? '',
    ENCRYPTION_KEY_PREVIOUS: canaries['former root secret'] ?? '',
    BINDING: canaries["a binding's credential"] ?? '',
    ROUTE: canaries["a group's credential"] ?? '',
    OPERATOR: canaries["the operator's key"] ?? '',
  };
  app = await startGateway({ configYaml: yaml(), env, dataDir });
}, 60_000);
afterAll(async () => {
  await app?.stop();
  await Promise.all([upstream?.close(), database?.close()]);
  rmSync(dataDir, { recursive: true, force: true });
});

/** Every row of every table of ours, as text. */
async function dump(): Promise<string> {
  const tables = await database.sql(
    `select table_name from information_schema.tables where table_schema = 'gateway' and table_type = 'BASE TABLE'`,
  );
  const texts = await Promise.all(
    tables.map(async ({ table_name: name }) =>
      JSON.stringify([name, await database.sql(`select t::text as row from gateway."${String(name)}" t`)]),
    ),
  );
  return texts.join('\n');
}

function spellings(secret: string): readonly string[] {
  const bytes = Buffer.from(secret);
  return [secret, bytes.toString('base64').replace(/=+$/, ''), bytes.toString('base64url'), bytes.toString('hex')];
}

test('a dump of the database, the logs and the data directory hold no secret in any spelling [I1] [I3] [X3.2]', async () => {
  const made = await cli(['key', 'create', '--org', 'acme', '--name', 't', '--json'], { env });
  const key = z.object({ key: z.string() }).parse(JSON.parse(made.out)).key;
  canaries['an API key'] = key;
  canaries["an API key's secret part"] = key.slice(30);
  const client = await cli(
    ['client', 'create', 'program', '--org', 'acme', '--grants', 'client_credentials', '--json'],
    { env },
  );
  canaries["a client's secret"] = z.object({ secret: z.string() }).parse(JSON.parse(client.out)).secret;
  canaries['the admin token'] = readFileSync(join(dataDir, 'admin.token'), 'utf8').trim();
  upstream.run = () => ({ content: [{ type: 'text', text: canaries['a result'] }] });
  const args = { q: canaries['an argument'] };
  const planted = { ...env, PLANTED: canaries["a server's variable"], PATH: process.env.PATH };
  const flags = ['--secret', 'PLANTED,target=API_TOKEN', '--organization', 'acme', '--yes'];
  const ran = await cli(['run', ...flags, process.execPath, 'program', '--', runnable], { env: planted });
  expect(ran.code).toBe(0);
  const started = await openModernWire(`${app.url}/acme/mcp/program`, key, {}).request('tools/call', {
    ...{ name: 'say', arguments: { line: canaries["a server's variable"] } },
  });
  expect(JSON.stringify(started)).toContain('said');
  for (const name of ['shelf', 'files'])
    await openModernWire(`${app.url}/acme/mcp/${name}`, key, {}).request('tools/call', {
      name: 'retrieve',
      arguments: args,
    });
  // Errors are where secrets get out: the server answers with what it was sent, and dies.
  upstream.upstream.script((request, res) => void res.writeHead(500).end(JSON.stringify(request.headers)));
  await openModernWire(`${app.url}/acme/mcp/shelf`, key, {})
    .request('tools/call', { name: 'retrieve', arguments: args })
    .catch(() => undefined);
  await fetch(`${app.url}/acme/mcp/shelf`, { method: 'POST', headers: { authorization: `Bearer ${key}x` }, body: '{' });
  await cli(['secrets', 'rotate'], { env });
  const logged = app.output();
  await app.stop();
  const rows = await dump();
  expect(rows).toContain('gw1.');
  const spool = readdirSync(dataDir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== 'admin.token')
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'));
  const everything = [rows, logged, ...spool].join('\n');
  expect(logged).toContain('retrieve');
  const found = Object.entries(canaries).filter(([, secret]) =>
    spellings(secret).some((spelling) => everything.includes(spelling)),
  );
  expect(found.map(([what]) => what)).toEqual([]);
});

test('without the root secret a copy of the database opens nothing [I1]', async () => {
  const { ENCRYPTION_KEY_PREVIOUS: _former, ...rest } = env;
  const stranger = { ...rest, ENCRYPTION_KEY: 'Qw3eR5tY7uI9oP1aS3dF5gH7jK9lZ1xC' };
  const configYaml = yaml()
    .replace(/^collections.*$/m, '')
    .replace(/^credentials.*$/m, '');
  app = await startGateway({ configYaml, env: stranger, dataDir });
  const refused = await fetch(`${app.url}/acme/mcp/shelf`, {
    method: 'POST',
    headers: { authorization: `Bearer ${canaries['an API key']}`, 'content-type': 'application/json' },
    body: '{}',
  });
  expect(refused.status).toBe(401);
  const made = await cli(['key', 'create', '--org', 'acme', '--name', 'u', '--json'], { env: stranger });
  const key = z.object({ key: z.string() }).parse(JSON.parse(made.out)).key;
  upstream.upstream.clear();
  await expect(
    openModernWire(`${app.url}/acme/mcp/shelf`, key, {}).request('tools/call', { name: 'retrieve', arguments: {} }),
  ).rejects.toThrow();
  expect(upstream.upstream.requests.filter(({ headers }) => headers.authorization !== undefined)).toEqual([]);
});
