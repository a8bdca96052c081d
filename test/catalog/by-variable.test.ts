/** The catalogue at the start of a gateway: what a variable turns on, for whom, and what turns it off again. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { type App, openApp } from '#app.ts';
import { loadConfig } from '#config/load.ts';
import { openModernWire } from '#kit/modern-wire.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { cli } from '#kit/run-cli.ts';
import { startToolServer, type ToolServer } from '#kit/tool-server.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-catalog-'));
const secret = 'key-of-the-operator';
let database: TestDatabase;
let vendor: ToolServer;
let elsewhere: ToolServer;
let app: App | undefined;
let env: Record<string, string>;

const extra = () =>
  JSON.stringify({
    servers: [
      {
        ...{ key: 'tracker', title: 'Tracker', description: 'Tickets.', documentation: 'https://docs.example' },
        ...{ transport: { kind: 'http', url: vendor.url }, variable: 'TRACKER_KEY', aliases: ['OLD_TRACKER_KEY'] },
        auth: { kind: 'key', header: 'X-Tracker-Key', template: '{}' },
      },
      {
        ...{ key: 'program', title: 'Program', description: 'Runs.', documentation: 'https://docs.example' },
        ...{ transport: { kind: 'stdio', command: 'npx', args: ['a@1.0.0'], credentialEnv: 'KEY', network: 'none' } },
        ...{ auth: { kind: 'variable' }, variable: 'PROGRAM_KEY' },
      },
      {
        ...{ key: 'open', title: 'Open', description: 'No key.', documentation: 'https://docs.example' },
        ...{ transport: { kind: 'http', url: vendor.url }, auth: { kind: 'none' } },
      },
    ],
  });

const organizations = 'organizations: [{ slug: acme, name: Acme }, { slug: other, name: Other }]';

async function start(variables: Record<string, string>, yaml = 'catalog: { extra: [extra.json] }'): Promise<App> {
  await app?.close();
  const files: Record<string, string> = {
    [join(dataDir, 'gatehouse.yaml')]: `${organizations}\negress: { allow: ['127.0.0.1'] }\n${yaml}\n`,
    [join(dataDir, 'extra.json')]: extra(),
  };
  const given = { ...env, ...variables };
  app = await openApp(loadConfig({ env: given, cwd: dataDir, readFile: (path) => files[path] }), { version: '0.0.0' });
  return app;
}

beforeAll(async () => {
  [database, vendor, elsewhere] = await Promise.all([
    createTestDatabase(),
    startToolServer({ era: 'modern' }),
    startToolServer({ era: 'modern' }),
  ]);
  vendor.tools = [{ name: 'find', inputSchema: { type: 'object' } }];
  env = {
    ...{ PORT: '0', DATA_DIR: dataDir, LOG_LEVEL: 'error', DATABASE_URL: database.url },
    ENCRYPTION_KEY: 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB',
  };
}, 60_000);
afterEach(async () => {
  await app?.close();
  app = undefined;
});
afterAll(async () => {
  await Promise.all([vendor?.close(), elsewhere?.close(), database?.close()]);
  rmSync(dataDir, { recursive: true, force: true });
});

const run = (...args: string[]) => cli([...args, '--json'], { env });
const keyOf = async (org: string, ...more: string[]) =>
  z
    .object({ key: z.string() })
    .parse(JSON.parse((await run('key', 'create', '--org', org, '--name', crypto.randomUUID(), ...more)).out)).key;
const shownServers = z.array(z.object({ key: z.string(), active: z.boolean() }));
const servers = async () => shownServers.parse(JSON.parse((await run('server', 'list')).out));
const find = async (url: string, org: string, key: string): Promise<boolean> => {
  try {
    const wire = openModernWire(`${url}/${org}/mcp/tracker`, key, {});
    return 'content' in (await wire.request('tools/call', { name: 'find', arguments: {} }));
  } catch {
    return false;
  }
};
const enable = async (url: string, token: string, body: object) =>
  fetch(`${url}/admin/api/v1/organizations/acme/servers/tracker/enablement`, {
    ...{ method: 'PUT', headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' } },
    body: JSON.stringify(body),
  });

test('a server is on while its variable is there, for whom it is granted, with the key of the operator [S3.23] [S3.36]', async () => {
  const first = await start({});
  expect((await servers()).map(({ key }) => key)).not.toContain('tracker');
  expect(await find(first.url, 'acme', await keyOf('acme'))).toBe(false);

  const second = await start({ OLD_TRACKER_KEY: ` ${secret} ` });
  expect(await servers()).toContainEqual({ key: 'tracker', active: true });
  const key = await keyOf('acme');
  // Enabled, and for nobody.
  expect(await find(second.url, 'acme', key)).toBe(false);
  const admin = await keyOf('acme', '--roles', 'admin:*');
  expect((await enable(second.url, admin, { allMembers: true })).status).toBe(200);
  await expect.poll(() => find(second.url, 'acme', key)).toBe(true);
  expect(vendor.upstream.requests.at(-1)?.headers).toMatchObject({ 'x-tracker-key': secret });
  expect(await find(second.url, 'other', await keyOf('other'))).toBe(false);

  const third = await start({});
  expect(await servers()).toContainEqual({ key: 'tracker', active: false });
  expect(await find(third.url, 'acme', key)).toBe(false);

  const fourth = await start({ TRACKER_KEY: secret });
  expect(await find(fourth.url, 'acme', key)).toBe(true);
});

test('the key of the operator is stored nowhere [S3.36]', async () => {
  await start({ TRACKER_KEY: secret });
  const rows = await database.sql(
    "select string_agg(t::text, ' ') as all_of_it from gateway.servers t where key = 'tracker'",
  );
  expect(JSON.stringify(rows)).not.toContain(secret);
  const sealed = await database.sql('select count(*)::int as n from gateway.credentials');
  expect(sealed).toEqual([{ n: 0 }]);
});

test('whoever administers cannot send the key elsewhere: the catalogue alone says where a server is [S3.36]', async () => {
  const { url } = await start({ TRACKER_KEY: secret });
  const token = readFileSync(join(dataDir, 'admin.token'), 'utf8').trim();
  const answer = await fetch(`${url}/admin/api/v1/servers/tracker`, {
    ...{ method: 'PATCH', headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' } },
    body: JSON.stringify({ transport: { kind: 'http', url: elsewhere.url } }),
  });
  expect(answer.status).toBe(409);
  // The switch is at hand.
  const off = await fetch(`${url}/admin/api/v1/servers/tracker`, {
    ...{ method: 'PATCH', headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' } },
    body: JSON.stringify({ active: false }),
  });
  expect(off.status).toBe(200);
  await start({ TRACKER_KEY: secret });
  expect(await servers()).toContainEqual({ key: 'tracker', active: false });
});

test('what gatehouse.yaml defines under the same key is the file’s, and gets no key of the catalogue [S3.36]', async () => {
  const servers = `servers: [{ key: tracker, transport: { kind: http, url: '${elsewhere.url}' } }]`;
  const enablements = 'enablements: [{ organization: acme, server: tracker, allMembers: true }]';
  const own = await start({ TRACKER_KEY: secret }, `catalog: { extra: [extra.json] }\n${servers}\n${enablements}`);
  elsewhere.tools = [{ name: 'find', inputSchema: { type: 'object' } }];
  expect(await find(own.url, 'acme', await keyOf('acme'))).toBe(true);
  expect(elsewhere.upstream.requests.every(({ headers }) => headers['x-tracker-key'] === undefined)).toBe(true);
});

test('a program is not on by a variable alone; the operator says that programs may be [G1] [S3.36]', async () => {
  await start({ PROGRAM_KEY: 'x' });
  expect((await servers()).map(({ key }) => key)).not.toContain('program');
  await start({ PROGRAM_KEY: 'x' }, 'catalog: { extra: [extra.json], programs: true, organizations: [other] }');
  expect(await servers()).toContainEqual({ key: 'program', active: true });
});

test('an entry without a key is on by its name; a name that is not there is refused', async () => {
  await start({}, 'catalog: { extra: [extra.json], enable: [open] }');
  expect(await servers()).toContainEqual({ key: 'open', active: true });
  await expect(start({}, 'catalog: { enable: [nothing] }')).rejects.toThrow('there is no "nothing" in the catalogue');
  await expect(start({}, 'catalog: { enable: [linear] }')).rejects.toThrow('set LINEAR_API_KEY');
  await expect(start({}, 'catalog: { enable: [onedrive] }')).rejects.toThrow('set MICROSOFT_GRAPH_TOKEN');
});
