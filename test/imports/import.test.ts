/** What holds for every gateway that is imported from: asked first, all or nothing, in the trail, and with the embedded database. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startGateway } from '#kit/gateway.ts';
import { sqlOf } from '#kit/postgres.ts';
import { cli } from '#kit/run-cli.ts';
import { encryptionKey, type ImportWorld, loadData, startImportWorld } from './world.ts';

const mapping = (organization = 'org_map') => ({
  [organization]: { docs: { partition: 'mapped', apiKey: 'tnt_mapped', allowedRoles: ['admin'] } },
});

let t: ImportWorld;
beforeAll(async () => {
  t = await startImportWorld();
  writeFileSync(join(t.folder, 'mapping.json'), JSON.stringify(mapping()));
}, 60_000);
afterAll(() => t?.close());

const collections = () => t.sql('select name from gateway.collections');

/** Somebody at a terminal, who types this. */
const typed = (answer: string) => {
  const person = new PassThrough();
  person.write(`${answer}\n`);
  return cli(['import', '--from', 'ragie-workos', 'mapping.json'], { env: t.env, cwd: t.folder, person });
};

test('whoever sits there is shown all of it and asked; anything but "yes" changes nothing', async () => {
  const no = await typed('no');
  expect([no.code, no.out]).toEqual([1, expect.stringContaining('+ collection org-map/docs')]);
  expect(no.err).toContain('Nothing was changed');
  expect(await collections()).toEqual([]);
  expect((await typed('yes')).code).toBe(0);
  expect(await collections()).toEqual([{ name: 'docs' }]);
});

test('it stands in the trail who imported from what; a dry run does not [S3.33]', async () => {
  await t.run('ragie-workos', 'mapping.json', '--dry-run');
  const rows = await t.sql(`select action, target, detail from gateway.audit where action = 'system.import'`);
  expect(rows).toHaveLength(1);
  expect(rows[0]).toMatchObject({ target: 'ragie-workos' });
  expect(JSON.stringify(rows)).not.toContain('tnt_');
});

test('what goes wrong at the end undoes the beginning', async () => {
  writeFileSync(join(t.folder, 'more.json'), JSON.stringify(mapping('org_more')));
  await t.sql(`create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$`);
  await t.sql('create trigger refuse before insert on gateway.bindings for each row execute function refuse()');
  const failed = await t.run('ragie-workos', 'more.json', '--yes');
  expect(failed.code).toBe(1);
  await t.sql('drop trigger refuse on gateway.bindings');
  expect(await t.sql(`select from gateway.organizations where external_id = 'org_more'`)).toEqual([]);
  expect((await t.report('ragie-workos', 'more.json', '--yes')).applied).toBe(true);
});

test('a system, a source or an organization that is none is a mistake of the command line', async () => {
  for (const [args, said] of [
    [
      ['nonsense', 'mapping.json'],
      '--from must be one of open-webui, ragie-workos, clerk, entra-toolhive, github-oauth',
    ],
    [['open-webui', 'mapping.json', '--org', 'acme'], 'postgresql://'],
    [['clerk', 'env:NOT_SET'], 'The variable NOT_SET is not set'],
    [['entra-toolhive', '.', '--org', 'No Slug'], '--org must be'],
    [['ragie-workos', 'mapping.json', '--url', 'http://127.0.0.1:1'], 'without --url'],
  ] as const) {
    const { code, err } = await t.run(...args);
    expect([code === 0, err]).toEqual([false, expect.stringContaining(said)]);
  }
  const two = await t.command('import', 'a.json', 'b.json');
  expect([two.code, two.err]).toEqual([2, expect.stringContaining('Give one source')]);
});

describe('with the embedded database', () => {
  let dataDir: string;
  beforeAll(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-import-embedded-'));
  });
  afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

  test('it is the same, while no gateway has it open', async () => {
    const env = { DATA_DIR: dataDir, ENCRYPTION_KEY: encryptionKey };
    const run = (...more: string[]) =>
      cli(['import', '--from', 'ragie-workos', 'mapping.json', ...more], { env, cwd: t.folder });
    const plan = await run('--dry-run');
    expect([plan.code, plan.out]).toEqual([0, expect.stringContaining('+ collection org-map/docs')]);
    expect((await run('--yes')).err).toContain('Imported');
    expect((await run('--yes')).out).toContain('Nothing to change');
    const gateway = await startGateway({ configYaml: '', dataDir, env, embedded: true });
    try {
      const refused = await run('--yes');
      expect([refused.code, refused.err]).toEqual([2, expect.stringContaining('stop it first')]);
    } finally {
      await gateway.stop();
    }
  }, 120_000);
});

test("the other gateway's database is read and not changed", async () => {
  const old = await loadData('clerk.sql', { UPSTREAM: 'https://mcp.example.com', HASH: 'x' });
  const count = `select (select count(*) from organizations) + (select count(*) from mcp_servers) as rows,
    (select count(*) from pg_class where relnamespace = 'public'::regnamespace) as relations`;
  const before = await sqlOf(old, count);
  await t.run('clerk', old, '--yes');
  expect(await sqlOf(old, count)).toEqual(before);
});
