/** Imports and the catalogue through the admin API and the command line: who may, what is asked first, what is kept where. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { openModernWire } from '#kit/modern-wire.ts';
import { startToolServer, type ToolServer } from '#kit/tool-server.ts';
import { type CatalogWorld, openCatalogWorld } from './world.ts';

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-imports-'));
const secret = 'sealed-and-never-seen';
let world: CatalogWorld;
let vendor: ToolServer;
let registry: Server;
let registryUrl = '';
let admin = '';
const asked: string[] = [];

const remote = (name: string) => ({
  ...{ name: `com.acme/${name}`, version: '2.0.0', description: 'Weather' },
  remotes: [
    {
      ...{ type: 'streamable-http', url: vendor.url },
      headers: [{ name: 'X-Weather-Key', isSecret: true, isRequired: true }],
    },
  ],
});
const program = {
  ...{ name: 'com.acme/program', version: '1.2.3' },
  packages: [{ registryType: 'npm', identifier: '@acme/program', version: '1.2.3', transport: { type: 'stdio' } }],
};

beforeAll(async () => {
  vendor = await startToolServer({ era: 'modern' });
  vendor.tools = [{ name: 'find', inputSchema: { type: 'object' } }];
  registry = createServer((req, res) => {
    asked.push(req.url ?? '');
    const isThere = req.url === '/v0.1/servers/com.acme%2Fweather/versions/latest';
    res.writeHead(isThere ? 200 : req.url === '/moved' ? 302 : 404, { location: 'http://169.254.169.254/' });
    res.end(JSON.stringify(isThere ? { server: remote('weather'), _meta: {} } : {}));
  });
  await new Promise<void>((done) => registry.listen(0, '127.0.0.1', done));
  const address = registry.address();
  registryUrl = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
  world = await openCatalogWorld(`
organizations: [{ slug: acme, name: Acme }, { slug: other, name: Other }]
egress: { allow: ['127.0.0.1'] }
catalog: { registryUrl: '${registryUrl}' }
`);
  admin = await world.key('acme', '--roles', 'admin:*');
}, 60_000);
afterAll(async () => {
  await world?.close();
  await vendor?.close();
  registry?.close();
  rmSync(folder, { recursive: true, force: true });
});

const imports = '/organizations/acme/imports';
const count = async () => (await world.sql('select count(*)::int as n from gateway.servers'))[0];

test('a server of the registry is imported by its name, its key sealed, and called [S3.36]', async () => {
  const wish = { registry: 'com.acme/weather', allMembers: true };
  const preview = await world.post(imports, admin, { ...wish, dryRun: true });
  expect(JSON.parse(preview.body)).toMatchObject({
    ...{ kind: 'server.json' },
    servers: [
      { key: 'weather', url: vendor.url, made: false, needs: [{ name: 'x_weather_key', secret: true, given: false }] },
    ],
  });
  expect((await world.post(imports, admin, wish)).status).toBe(400);
  const answers = { x_weather_key: secret };
  const made = await world.post(imports, admin, { ...wish, answers });
  expect([made.status, made.body.includes(secret)]).toEqual([200, false]);
  expect(asked).toContain('/v0.1/servers/com.acme%2Fweather/versions/latest');
  const wire = openModernWire(`${world.local}/acme/mcp/weather`, await world.key('acme'), {});
  await vi.waitFor(() => wire.request('tools/call', { name: 'find', arguments: {} }), 5000);
  expect(vendor.upstream.requests.at(-1)?.headers).toMatchObject({ 'x-weather-key': secret });
  const rows = await world.sql(
    "select (select string_agg(s::text, ' ') from gateway.servers s) as a, (select string_agg(c::text, ' ') from gateway.credentials c) as b",
  );
  expect(JSON.stringify(rows)).not.toContain(secret);
});

test('an administrator of an organization imports no program, not by any door [G1]', async () => {
  const before = await count();
  const consent = [
    'npx -y @acme/program@1.2.3',
    'npx -y x@1.0.0',
    'npx -y @modelcontextprotocol/server-memory@2026.8.31',
  ];
  const documents = [program, { mcpServers: { x: { command: 'npx', args: ['-y', 'x@1.0.0'] } } }];
  for (const document of documents) {
    const refused = await world.post(imports, admin, { document: JSON.stringify(document), consent });
    expect(refused.status).toBe(403);
  }
  const fromCatalog = await world.post('/organizations/acme/catalog/memory', admin, { consent });
  expect(fromCatalog.status).toBe(403);
  expect(await count()).toEqual(before);
});

test('the operator agrees to the very command that is run [G1] [G2]', async () => {
  const document = JSON.stringify(program);
  for (const consent of [[], ['npx -y @acme/program@9.9.9']])
    expect((await world.post(imports, world.token, { document, consent })).status).toBe(400);
  const made = await world.post(imports, world.token, { document, consent: ['npx -y @acme/program@1.2.3'] });
  expect(made.status).toBe(200);
  const unpinned = {
    document: JSON.stringify({ mcpServers: { y: { command: 'npx', args: ['y'] } } }),
    consent: ['npx y'],
  };
  expect((await world.post(imports, world.token, unpinned)).body).toContain('has no exact version');
});

test.each([
  ['the inside', 'http://169.254.169.254/latest'],
  ['a file', 'file:///etc/passwd'],
])('nothing is fetched from %s [S1]', async (_what, url) => {
  expect((await world.post(imports, admin, { url })).status).toBe(400);
});

test('a redirect is not followed, and what is not in the registry is said to be missing [S1]', async () => {
  expect((await world.post(imports, admin, { url: `${registryUrl}/moved` })).body).toContain('answers 302');
  expect((await world.post(imports, admin, { registry: 'com.acme/none' })).body).toContain('nothing of this name');
});

test('an imported server leads nowhere private, and nobody imports for another organization [S1]', async () => {
  const document = JSON.stringify({ mcpServers: { inside: { url: 'http://10.0.0.1/mcp' } } });
  expect((await world.post(imports, admin, { document })).status).toBe(400);
  const open = JSON.stringify({ mcpServers: { open: { url: vendor.url } } });
  expect((await world.post('/organizations/other/imports', admin, { document: open })).status).toBe(403);
});

test('a file of a client is imported by the command line; secrets come from variables [S3.36]', async () => {
  const file = join(folder, 'mcp.json');
  const input = { type: 'promptString', id: 'WEATHER', password: true };
  const server = { type: 'http', url: vendor.url, headers: { 'X-Key': ['$', '{input:WEATHER}'].join('') } };
  writeFileSync(file, JSON.stringify({ inputs: [input], servers: { vscode: server } }));
  const shown = await world.run('import', file, '--org', 'acme', '--dry-run');
  expect([shown.code, shown.err]).toEqual([0, expect.stringContaining('needs WEATHER')]);
  const made = await world.run('import', file, '--org', 'acme', '--all-members', '--json');
  // Nobody answers: nothing is made.
  expect(made.code).toBe(1);
  const with_ = await world.runWith({ WEATHER: secret }, 'import', file, '--org', 'acme', '--all-members', '--json');
  expect([with_.code, JSON.parse(with_.out)]).toMatchObject([0, { servers: [{ key: 'vscode', made: true }] }]);
  expect(with_.out + with_.err).not.toContain(secret);
});

test('the catalogue is listed, shown and added from, with a key of the organization’s own [S3.36]', async () => {
  const list = await world.run('catalog', 'list', '--org', 'acme', '--json');
  expect(JSON.parse(list.out).length).toBeGreaterThanOrEqual(44);
  const shown = await world.run('catalog', 'show', 'filesystem', '--organization', 'acme');
  expect(shown.out).toContain('npx -y @modelcontextprotocol/server-filesystem@2026.8.31 /data');
  expect((await world.post('/organizations/acme/catalog/jenkins', admin, { credential: 'x' })).body).toContain(
    'give its address',
  );
  expect((await world.post('/organizations/acme/catalog/jenkins', admin, { url: vendor.url })).body).toContain(
    'needs its key',
  );
  const body = { credential: secret, url: vendor.url, allMembers: true, as: 'ci' };
  expect((await world.post('/organizations/acme/catalog/jenkins', admin, body)).status).toBe(201);
  const wire = openModernWire(`${world.local}/acme/mcp/ci`, await world.key('acme'), {});
  await vi.waitFor(() => wire.request('tools/call', { name: 'find', arguments: {} }), 5000);
  expect(vendor.upstream.requests.at(-1)?.headers).toMatchObject({ authorization: `Basic ${secret}` });
  expect((await world.post('/organizations/acme/catalog/clickup', admin, {})).status).toBe(403);
});
