/** From the Open WebUI tool gateway: its schema `mcp_proxy`, in place beside Open WebUI's own tables, and from afar. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { App } from '#app.ts';
import { signWebui, webuiSecret } from '#kit/access-world.ts';
import { call, send } from '#kit/http-client.ts';
import { type RecordingUpstream, startRecordingUpstream } from '#kit/recording-upstream.ts';
import { type ImportReport, type ImportWorld, loadData, startImportWorld } from './world.ts';

let upstream: RecordingUpstream;
let t: ImportWorld;
let app: App;
let planned: ImportReport;

const yamlFor = (url: string) => `
servers: [{ key: tracker, title: Tracker, keyName: TRACKER_TOKEN, transport: { kind: http, url: '${url}/common' } }]
egress: { allow: ['127.0.0.1'] }
`;

beforeAll(async () => {
  upstream = await startRecordingUpstream();
  const url = await loadData('open-webui.sql', { UPSTREAM: `${upstream.url}/of-acme` });
  const env = { WEBUI_SECRET_KEY: webuiSecret, OLD_DATABASE_URL: url };
  t = await startImportWorld({ url, env, yaml: yamlFor(upstream.url) });
  app = await t.open();
  planned = await t.report('open-webui', 'env:OLD_DATABASE_URL', '--dry-run');
}, 120_000);
afterAll(async () => {
  await t?.close();
  await upstream?.close();
});

const changed = ({ changes }: ImportReport) => changes.map(({ action, what }) => `${action} ${what}`);
const asPerson = async (id: string) =>
  send(`${app.url}/mcp/tracker`, {
    headers: { authorization: `Bearer ${await signWebui(id)}` },
    body: call('echo'),
  });

test('a dry run says what would come, who gains what and what cannot come, and changes nothing [S3.35]', async () => {
  expect(planned.applied).toBe(false);
  expect(changed(planned)).toEqual(
    expect.arrayContaining(['add server linear', 'add credential default/Tenant-AcmeCorp/tracker/TRACKER_TOKEN']),
  );
  expect(planned.access).toContainEqual(expect.objectContaining({ who: { name: 'Tenant-AcmeCorp' }, gains: ['*'] }));
  const said = planned.leftOut.map(({ what, reason }) => `${what}: ${reason}`).join('\n');
  for (const part of ['"no address"', '"bad name; drop table x"', 'server homemade', '"Not_A_Key"', '"mallory@acme'])
    expect(said).toContain(part);
  for (const part of ['tool_embeddings, 2 rows', 'user_admin_status', 'tenant_endpoint_overrides, 1 rows'])
    expect(said).toContain(part);
  expect(said).toContain('egress.allow');
  expect(said).toContain('"OTHER_TOKEN": the server asks for TRACKER_TOKEN');
  expect(JSON.stringify(planned)).not.toContain('open-secret');
  expect(await t.sql('select from mcp_proxy.tenant_server_keys')).toEqual([]);
});

test('nobody is asked where there is no terminal, and nothing is done without --yes', async () => {
  const { code, out, err } = await t.run('open-webui', 'env:OLD_DATABASE_URL');
  expect([code, err]).toEqual([2, expect.stringContaining('--yes')]);
  expect(out + err).not.toContain('open-secret');
  expect(await t.sql(`select from gateway.servers where key = 'linear'`)).toEqual([]);
});

test('members, mappings, keys and addresses of groups work for the next call [S3.13] [S3.14] [S3.16] [S3.35]', async () => {
  const { code, out, err } = await t.run('open-webui', 'env:OLD_DATABASE_URL', '--yes');
  expect([code, err]).toEqual([0, expect.stringContaining('Imported')]);
  expect(out + err).not.toContain('open-secret');
  await expect.poll(async () => (await asPerson('u1')).status, { timeout: 5000 }).toBe(200);
  const request = upstream.requests.at(-1);
  expect([request?.target, request?.headers.authorization]).toEqual(['/of-acme', 'Bearer open-secret-of-acme']);
  // The other group has neither: the common address, and no key of somebody else.
  expect((await asPerson('u2')).status).toBe(200);
  expect(upstream.requests.at(-1)).toMatchObject({ target: '/common' });
  expect(upstream.requests.at(-1)?.headers.authorization).toBeUndefined();
  const seen = await t.sql('select tenant_id, server_id, key_name from mcp_proxy.tenant_server_keys');
  expect(seen).toEqual(
    expect.arrayContaining([{ tenant_id: 'Tenant-AcmeCorp', server_id: 'tracker', key_name: 'TRACKER_TOKEN' }]),
  );
  const [stored] = await t.sql('select string_agg(sealed, $$ $$) as text from gateway.credentials');
  expect(stored?.text).toMatch(/^gw1\./);
  expect(await t.sql('select id from public.chat')).toEqual([{ id: 'c1' }]);
});

test('a second time there is nothing to change, and no request is counted twice [S3.35]', async () => {
  const again = await t.report('open-webui', 'env:OLD_DATABASE_URL', '--yes');
  expect([again.changes, again.applied]).toEqual([[], false]);
  const [{ n } = {}] = await t.sql(
    `select count(*)::int as n from gateway.usage where endpoint like '/tracker/call/%'`,
  );
  expect(n).toBe(1500);
  const { out } = await t.run('open-webui', 'env:OLD_DATABASE_URL');
  expect(out).toContain('Nothing to change');
});

test('from a database elsewhere all of it comes, its requests too; what is here already stays', async () => {
  const far = await loadData('open-webui.sql', { UPSTREAM: `${upstream.url}/of-acme` });
  const here = await startImportWorld({ env: { OLD_DATABASE_URL: far }, yaml: yamlFor(upstream.url) });
  try {
    await here.open();
    const first = await here.report('open-webui', 'env:OLD_DATABASE_URL', '--org', 'acme', '--yes');
    expect(changed(first)).toEqual(
      expect.arrayContaining(['add organization acme', 'add group acme/MCP-GitHub', 'add usage acme: 1501 requests']),
    );
    expect(first.leftOut.map(({ what }) => what)).toContain('mcp_proxy.api_analytics "1502"');
    const people = await here.sql(`select user_email, group_name from mcp_proxy.user_group_membership order by 1, 2`);
    expect(people.map(({ user_email: who, group_name: group }) => `${who} ${group}`)).toEqual([
      'ann@acme.example MCP-GitHub',
      'ann@acme.example Tenant-AcmeCorp',
      'bob@acme.example MCP-GitHub',
      'cy@acme.example MCP-Admin',
    ]);
    await here.command('credential', 'set', 'tracker', '--org', 'acme', '--group', 'MCP-GitHub', '--key-env', 'NONE');
    expect((await here.report('open-webui', 'env:OLD_DATABASE_URL', '--org', 'acme', '--yes')).changes).toEqual([]);
    const exported = await here.command('export');
    expect(exported.out).toContain('Tenant-AcmeCorp');
    expect(exported.out).not.toContain('open-secret');
  } finally {
    await here.close();
  }
});

test('a database that does not answer is named without its password', async () => {
  const { code, err } = await t.run('open-webui', 'postgresql://gone:hush-hush@127.0.0.1:9/none', '--dry-run');
  expect(code).toBe(1);
  expect(err).toContain('cannot be read');
  expect(err).not.toContain('hush');
});
