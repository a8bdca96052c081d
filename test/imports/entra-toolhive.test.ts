/** From the gateway for Entra ID with ToolHive: its `.env`, Cedar files, and what `thv export` wrote. */
import { cpSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import type { App } from '#app.ts';
import { send } from '#kit/http-client.ts';
import { startToolServer, type ToolServer } from '#kit/tool-server.ts';
import { type ImportReport, type ImportWorld, startImportWorld } from './world.ts';

let upstream: ToolServer;
let t: ImportWorld;
let app: App;

beforeAll(async () => {
  upstream = await startToolServer({ era: 'legacy' });
  upstream.tools = ['forecast', 'remove_everything'].map((name) => ({ name, inputSchema: { type: 'object' } }));
  t = await startImportWorld({ yaml: "egress: { allow: ['127.0.0.1'] }" });
  const old = join(t.folder, 'old');
  cpSync(join(import.meta.dirname, 'data/entra-toolhive'), old, { recursive: true });
  renameSync(join(old, 'env.txt'), join(old, '.env'));
  writeFileSync(join(old, 'exports/torn.json'), '{ not json: [');
  const weather = join(old, 'exports/weather.json');
  writeFileSync(weather, readFileSync(weather, 'utf8').replace('{{UPSTREAM}}', upstream.url));
  app = await t.open();
}, 120_000);
afterAll(async () => {
  await t?.close();
  await upstream?.close();
});

const changed = ({ changes }: ImportReport) => changes.map(({ action, what }) => `${action} ${what}`);
const saidOf = ({ leftOut }: ImportReport) => leftOut.map(({ what, reason }) => `${what}: ${reason}`).join('\n');
const secrets = ['token-that-nobody-may-see', 'hidden-in-an-export'];

test('a dry run names servers, policies and settings, and what cannot come, and shows no secret [S2.14] [S2.29]', async () => {
  const { code, out, err } = await t.run('entra-toolhive', 'old', '--org', 'acme', '--dry-run');
  expect(code).toBe(0);
  for (const secret of secrets) expect(out + err).not.toContain(secret);
  for (const line of ['+ server github', '+ server weather', '+ policies acme/github-example-authz'])
    expect(out).toContain(line);
  expect(out).toMatch(/Runs here, for github: .*ghcr\.io\/github\/github-mcp-server:latest stdio/);
  for (const part of [
    '"inside"',
    '"Privileged_One"',
    '"from-npx"',
    '"exports/torn.json"',
    'NOT_HERE_TOKEN',
    'oidc_config',
  ])
    expect(err).toContain(part);
  expect(err).toContain('policies "authz/nobodys.cedar": no workload names them');
  expect(err).toContain('policies "authz/broken.json"');
  expect(err).not.toContain('unrelated');
  expect(err).toContain('Setting ENTRA_TENANT_ID: is read as it is');
  for (const name of ['MCP_PORT_GITHUB', 'TLS_CERT_PATH', 'HTTPS_PROXY', 'NO_PROXY'])
    expect(err).toContain(`Setting ${name}: is read as it is`);
  expect(err).toContain('Setting GATEWAY_DOMAIN: has no effect: BASE_URL names the host');
  expect(await t.sql('select from gateway.servers')).toEqual([]);
});

test('a workload comes as it ran: image, arguments, permissions, tools, port; its secrets sealed [S2.13] [S2.14] [S2.15]', async () => {
  const report = await t.report('entra-toolhive', 'old', '--org', 'acme', '--yes');
  expect(report.applied).toBe(true);
  const [github] = await t.sql(`select transport, port from gateway.servers where key = 'github'`);
  expect(github).toMatchObject({
    port: 9100,
    transport: {
      ...{ kind: 'container', image: 'ghcr.io/github/github-mcp-server:latest', args: ['stdio'], speaks: 'stdio' },
      env: { GITHUB_TOOLSETS: 'issues', MCP_TRANSPORT: 'stdio' },
      permission: { network: { allow: ['api.github.com:443'] } },
      volumes: [{ source: '/srv/work', target: '/work', readOnly: true }],
    },
  });
  expect(await t.sql('select name from gateway.server_variables order by 1')).toEqual([
    { name: 'API_KEY' },
    { name: 'GITHUB_PERSONAL_ACCESS_TOKEN' },
  ]);
  const stored = JSON.stringify(
    await t.sql(
      'select transport, (select string_agg(sealed, $$ $$) from gateway.server_variables) from gateway.servers',
    ),
  );
  for (const secret of secrets) expect(stored).not.toContain(secret);
  const [collection] = await t.sql(
    `select b.tools from gateway.bindings b join gateway.collections c on c.id = b.collection_id`,
  );
  expect(collection?.tools).toEqual({
    choose: ['get_issue', 'search_code'],
    rename: { search_code: { name: 'my_search' } },
  });
  const [{ everyone } = {}] = await t.sql(
    `select e.all_members as everyone from gateway.enablements e join gateway.servers s on s.id = e.server_id where s.key = 'github'`,
  );
  expect(everyone).toBe(false);
  expect(await t.sql(`select slug, external_id from gateway.organizations`)).toEqual([
    { slug: 'acme', external_id: '8f1c0c4e-3b6c-4f0e-9d1b-2f6f1d3c5a7b' },
  ]);
});

test('policies hold at the server whose they are, and at no other [S2.17] [S2.39]', async () => {
  const made = await t.command('key', 'create', '--org', 'acme', '--name', 'one', '--json');
  const { key } = z.object({ key: z.string() }).parse(JSON.parse(made.out));
  const ask = async (tool: string) => {
    const headers = { authorization: `Bearer ${key}`, accept: 'application/json' };
    return (await send(`${app.url}/mcp/weather/${tool}`, { headers, body: {} })).status;
  };
  await expect.poll(() => ask('forecast'), { timeout: 5000 }).toBe(200);
  expect(await ask('remove_everything')).toBe(403);
  const rows = await t.sql(
    `select p.name, s.key, p.on_error, p.mode from gateway.policies p left join gateway.servers s on s.id = p.server_id order by 1`,
  );
  expect(rows).toEqual([
    { name: 'github-example-authz', key: 'github', on_error: 'deny', mode: 'enforce' },
    { name: 'weather-authz', key: 'weather', on_error: 'deny', mode: 'enforce' },
  ]);
});

test('a second time there is nothing to change; a secret that was missing comes with its variable', async () => {
  expect((await t.report('entra-toolhive', 'old', '--org', 'acme', '--yes')).changes).toEqual([]);
  writeFileSync(join(t.folder, 'old/.env'), `${readFileSync(join(t.folder, 'old/.env'), 'utf8')}NOT_HERE_TOKEN=late\n`);
  const late = await t.report('entra-toolhive', 'old', '--org', 'acme', '--yes');
  expect(changed(late)).toContain('add variable NOT_HERE_TOKEN of server github');
  const again = await t.report('entra-toolhive', 'old', '--org', 'acme', '--yes');
  expect([again.changes, saidOf(again).includes('NOT_HERE_TOKEN')]).toEqual([[], false]);
});

test('a folder that is not there, or is empty of all this, is said', async () => {
  const gone = await t.run('entra-toolhive', 'nowhere', '--org', 'acme', '--dry-run');
  expect([gone.code, gone.err]).toEqual([1, expect.stringContaining('There is no')]);
  rmSync(join(t.folder, 'old'), { recursive: true });
});
