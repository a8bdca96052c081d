/** From the Ragie/WorkOS collection gateway: its table with its ciphertexts, from afar and in place, and its older mapping file. */
import { createCipheriv, pbkdf2Sync, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import type { App } from '#app.ts';
import { call, send } from '#kit/http-client.ts';
import { sqlOf } from '#kit/postgres.ts';
import { type RecordingUpstream, startRecordingUpstream } from '#kit/recording-upstream.ts';
import { encryptionKey, type ImportReport, type ImportWorld, loadData, startImportWorld } from './world.ts';

const foreignKey = 'a key that the other gateway had itself';

/** As the other gateway writes it (S0.26). */
function seal(plain: string, secret: string): string {
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', pbkdf2Sync(secret, 'mcp-gateway-salt', 100_000, 32, 'sha256'), iv);
  return Buffer.concat([iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()]).toString('base64');
}

const load = () =>
  loadData('ragie-workos.sql', {
    KEY_A: seal('tnt_secret_a', encryptionKey),
    KEY_B: seal('tnt_secret_b', encryptionKey),
    KEY_FOREIGN: seal('tnt_secret_foreign', foreignKey),
  });

let upstream: RecordingUpstream;
let t: ImportWorld;
let app: App;

beforeAll(async () => {
  upstream = await startRecordingUpstream();
  const env = { OLD_DATABASE_URL: await load(), RAGIE_BASE_URL: `${upstream.url}/` };
  t = await startImportWorld({ env, yaml: "egress: { allow: ['127.0.0.1'] }" });
  app = await t.open();
}, 120_000);
afterAll(async () => {
  await t?.close();
  await upstream?.close();
});

const changed = ({ changes }: ImportReport) => changes.map(({ action, what }) => `${action} ${what}`);
const saidOf = ({ leftOut }: ImportReport) => leftOut.map(({ what, reason }) => `${what}: ${reason}`).join('\n');

async function retrieve(path: string, organization: string, roles = 'admin', at = app, world = t) {
  const flags = ['--org', organization, '--roles', roles, '--name', randomBytes(4).toString('hex'), '--json'];
  const made = await world.command('key', 'create', ...flags);
  const { key } = z.object({ key: z.string() }).parse(JSON.parse(made.out));
  const answer = await send(`${at.url}${path}`, {
    headers: { authorization: `Bearer ${key}` },
    body: call('retrieve', { query: 'q', filter: { department: 'sales', year: 2026 } }),
  });
  return { status: answer.status, request: upstream.requests.at(-1) };
}

test('a dry run names what comes and what cannot, with its reason, and changes nothing [S0.25]', async () => {
  const plan = await t.report('ragie-workos', 'env:OLD_DATABASE_URL', '--dry-run');
  expect(changed(plan)).toEqual(
    expect.arrayContaining(['add collection org-123/policies', 'add collection org-123/open', 'add server ragie']),
  );
  const said = saidOf(plan);
  for (const name of ['"../etc/passwd"', '"foreign"', '"broken"', '"roles"', '"filters"', '"no-partition"'])
    expect(said).toContain(name);
  expect(said).toContain('"policies": an older row of the same organization');
  expect(said).toContain('ENCRYPTION_KEY_PREVIOUS');
  expect(JSON.stringify(plan)).not.toContain('tnt_');
  expect(await t.sql('select from gateway.collections')).toEqual([]);
});

test('a collection comes with partition, key, roles and filter, and is called like that [S0.25] [S0.26]', async () => {
  const { code, out, err } = await t.run('ragie-workos', 'env:OLD_DATABASE_URL', '--yes');
  expect([code, err]).toEqual([0, expect.stringContaining('Imported')]);
  expect(out + err).not.toContain('tnt_');
  const { status, request } = await retrieve('/org_123/mcp/policies', 'org_123');
  expect([status, request?.target, request?.headers.authorization]).toEqual([200, '/mcp/soc2/', 'Bearer tnt_secret_a']);
  expect(request?.rpc.params?.arguments).toEqual({ query: 'q', filter: { department: 'legal', year: 2026 } });
  expect((await retrieve('/org_123/mcp/policies', 'org_123', 'guest')).status).toBe(403);
  expect((await retrieve('/org_123/mcp/open', 'org_123', 'guest')).request?.target).toBe('/mcp/everyone/');
});

test('organizations whose ids differ in capitals only stay two', async () => {
  const { status, request } = await retrieve('/ORG_123/mcp/policies', 'ORG_123');
  expect([status, request?.target, request?.headers.authorization]).toEqual([
    200,
    '/mcp/theirs/',
    'Bearer tnt_secret_b',
  ]);
});

test('a second time there is nothing to change; a key that was changed over there is said, not taken', async () => {
  const again = await t.report('ragie-workos', 'env:OLD_DATABASE_URL', '--yes');
  expect([again.changes, again.applied]).toEqual([[], false]);
  await t.sql(`update gateway.bindings set partition = 'ours' where partition = 'everyone'`);
  const kept = await t.report('ragie-workos', 'env:OLD_DATABASE_URL', '--yes');
  expect(kept.changes).toEqual([]);
  expect(saidOf(kept)).toContain('collection org-123/open: it is here already, and says something else');
});

test('what another key sealed comes with that key, among those of the past', async () => {
  const url = await load();
  const env = { OLD_DATABASE_URL: url, ENCRYPTION_KEY_PREVIOUS: foreignKey, RAGIE_BASE_URL: `${upstream.url}/` };
  const here = await startImportWorld({ env, yaml: "egress: { allow: ['127.0.0.1'] }" });
  try {
    const at = await here.open();
    await here.report('ragie-workos', 'env:OLD_DATABASE_URL', '--yes');
    const { request } = await retrieve('/org_123/mcp/foreign', 'org_123', 'guest', at, here);
    expect(request?.headers.authorization).toBe('Bearer tnt_secret_foreign');
  } finally {
    await here.close();
  }
});

test('in place the rows are taken over already: the import seals their keys anew and says what stayed behind [S0.26]', async () => {
  const url = await load();
  await sqlOf(url, `delete from collections where name = 'filters'`);
  const here = await startImportWorld({ url, env: { OLD_DATABASE_URL: url } });
  try {
    const plan = await here.report('ragie-workos', 'env:OLD_DATABASE_URL', '--dry-run');
    expect(changed(plan)).toEqual(expect.arrayContaining([expect.stringMatching(/^add seal of \d older keys$/)]));
    await here.report('ragie-workos', 'env:OLD_DATABASE_URL', '--yes');
    const older = await here.sql(`select from gateway.credentials where starts_with(sealed, 's0.')`);
    // One is sealed by a key that nobody has, one is no ciphertext.
    expect(older).toHaveLength(2);
    const again = await here.report('ragie-workos', 'env:OLD_DATABASE_URL', '--yes');
    expect(again.changes).toEqual([]);
    expect(saidOf(again)).toContain('older key');
  } finally {
    await here.close();
  }
});

test('a mapping file becomes rows, and is not needed any more [S0.24]', async () => {
  const mapping = { org_map: { docs: { partition: 'mapped', apiKey: 'tnt_mapped', allowedRoles: ['admin'] } } };
  writeFileSync(join(t.folder, 'mapping.json'), JSON.stringify(mapping));
  const plan = await t.report('ragie-workos', 'mapping.json', '--dry-run');
  expect(changed(plan)).toContain('add collection org-map/docs');
  expect((await t.report('ragie-workos', 'mapping.json', '--yes')).applied).toBe(true);
  const { status, request } = await retrieve('/org_map/mcp/docs', 'org_map');
  expect([status, request?.target, request?.headers.authorization]).toEqual([200, '/mcp/mapped/', 'Bearer tnt_mapped']);
  expect((await t.report('ragie-workos', 'mapping.json', '--yes')).changes).toEqual([]);
  writeFileSync(join(t.folder, 'mapping.json'), JSON.stringify({ org_map: { docs: { partition: 'mapped' } } }));
  const wrong = await t.run('ragie-workos', 'mapping.json', '--dry-run');
  expect([wrong.code, wrong.err]).toEqual([1, expect.stringContaining('org_map.docs.apiKey')]);
});
