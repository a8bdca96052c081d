/** What is proved of a backup: that it holds no secret in clear, and that what it holds opens, with the right key alone. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { adminTokenFile } from '#admin/admin-token.ts';
import { openProgress } from '#cli/progress.ts';
import { type RunningGateway, startGateway } from '#kit/gateway.ts';
import { createEmptyDatabase, createTestDatabase, sqlOf, type TestDatabase } from '#kit/postgres.ts';
import { cli } from '#kit/run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-backup-verify-'));
const file = join(folder, 'all.backup');
const canary = 'canary-credential-8f3a61';
const rootSecret = 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB';
let database: TestDatabase;
let app: RunningGateway;
const env = (url: string, key = rootSecret) => ({
  ...{ DATABASE_URL: url, ENCRYPTION_KEY: key, DATA_DIR: join(folder, 'data'), SHELF: canary },
});

const configYaml = `
organizations: [{ slug: acme, name: Acme }]
servers: [{ key: files, transport: { kind: http, url: 'https://files.example/mcp' } }]
collections: [{ organization: acme, name: shelf, allowedRoles: '*', bindings: [{ server: files, credential: '\${SHELF}' }] }]
`;

beforeAll(async () => {
  database = await createTestDatabase();
  const { DATA_DIR: _own, ...rest } = env(database.url);
  app = await startGateway({ configYaml, env: rest });
  for (const name of ['one', 'two']) await app.cli('key', 'create', '--org', 'acme', '--name', name);
  await app.cli('signing-key', 'rotate');
}, 60_000);
afterAll(async () => {
  await app?.stop();
  await database?.close();
  rmSync(folder, { recursive: true, force: true });
});

test('a backup beside a running gateway holds no secret in clear, and is in the trail [R27] [I1]', async () => {
  const taken = await cli(['backup', file], { env: env(database.url) });
  expect(taken).toMatchObject({ code: 0 });
  expect(taken.err).toContain('ENCRYPTION_KEY only, which is not in it');
  const text = gunzipSync(readFileSync(file)).toString('utf8');
  expect(text).toContain('gw1.');
  const spellings = [canary, rootSecret].flatMap((secret) => {
    const bytes = Buffer.from(secret);
    return [secret, bytes.toString('base64').replace(/=+$/, ''), bytes.toString('base64url'), bytes.toString('hex')];
  });
  expect(spellings.filter((spelling) => text.includes(spelling))).toEqual([]);
  const kept = await database.sql(`select kind, subject from gateway.audit where action = 'database.backup'`);
  expect(kept).toEqual([{ kind: 'admin', subject: 'command line' }]);
  expect(text).toContain('database.backup');
  expect((await fetch(`${app.url}/ready`)).status).toBe(200);
});

describe('verification', () => {
  test('a restored database has the counts, a trail that holds and credentials that open [R27]', async () => {
    const url = await createEmptyDatabase();
    const run = await cli(['restore', file, '--verify', '--json'], { env: env(url) });
    expect(run).toMatchObject({ code: 0, err: '' });
    const { verified } = JSON.parse(run.out);
    expect(verified).toMatchObject({ different: {}, trail: { problems: [] }, sealed: { locked: {} } });
    expect(verified.sealed.tried).toBeGreaterThan(1);
    expect(verified.trail.rows).toBeGreaterThan(2);
    expect(await sqlOf(url, `select action from gateway.audit where action = 'database.restore'`)).toHaveLength(1);
    expect((await cli(['audit', 'verify'], { env: env(url) })).code).toBe(0);
  });

  test('with another ENCRYPTION_KEY credentials are locked, and it is said [R27] [I1]', async () => {
    const url = await createEmptyDatabase();
    const run = await cli(['restore', file, '--verify'], { env: env(url, 'Zp3xW8nB5vC1mK7jH4gF9dS2aQ6wE0rT') });
    expect(run.code).toBe(1);
    expect(run.err).toMatch(/credentials\.sealed.* are locked: ENCRYPTION_KEY is not the one/);
    expect(await sqlOf(url, `select slug from gateway.organizations`)).toEqual([{ slug: 'acme' }]);
  });

  test('the file alone is tried out, and no database is touched [R27]', async () => {
    const url = await createEmptyDatabase();
    const run = await cli(['restore', file, '--dry-run', '--verify'], { env: env(url) });
    expect(run).toMatchObject({ code: 0 });
    expect(run.err).toMatch(/Nothing was changed.*0 problems.*Sealed values: (\d+) of \1 tried open/s);
    expect(await sqlOf(url, `select to_regclass('gateway.organizations') as made`)).toEqual([{ made: null }]);
  }, 60_000);

  test('a row of the trail that was changed before the backup is found after it [R27]', async () => {
    const changed = join(folder, 'changed.backup');
    const url = await createEmptyDatabase();
    await cli(['restore', file], { env: env(url) });
    await sqlOf(url, 'alter table gateway.audit disable trigger user');
    await sqlOf(url, `update gateway.audit set action = 'key.list' where action = 'key.create'`);
    await cli(['backup', changed], { env: env(url) });
    const run = await cli(['restore', changed, '--verify', '--replace'], { env: env(url) });
    expect(run.code).toBe(1);
    expect(run.err).toContain('the trail is not as it was written');
  });
});

test('the database of running replicas is not replaced under them [R27]', async () => {
  const run = await cli(['restore', file, '--replace'], { env: env(database.url) });
  expect(run.code).toBe(1);
  expect(run.err).toMatch(/A gateway runs on this database \(\d+ connections\): stop every replica first/);
  expect((await fetch(`${app.url}/ready`)).status).toBe(200);
});

test('the embedded database of a running gateway is left alone: it says whom to stop [R27]', async () => {
  const own = { DATA_DIR: join(folder, 'running') };
  expect((await cli(['backup', join(folder, 'none.backup')], { env: own })).err).toContain('does not exist');
  mkdirSync(own.DATA_DIR);
  writeFileSync(join(own.DATA_DIR, 'gateway.json'), JSON.stringify({ url: 'http://127.0.0.1:9', pid: process.pid }));
  writeFileSync(join(own.DATA_DIR, adminTokenFile), 'token');
  for (const args of [
    ['backup', join(folder, 'none.backup')],
    ['restore', file],
  ]) {
    const run = await cli(args, { env: own });
    expect(run.code).toBe(1);
    expect(run.err).toContain(`(process ${process.pid}) has the embedded database: stop it before`);
  }
});

test('a long backup says on a terminal how far it is', async () => {
  const said: string[] = [];
  let at = 0;
  const progress = openProgress({ err: (text) => void said.push(text), errIsTerminal: true }, 'Backing up', {
    monotonic: () => at,
  });
  at = 2000;
  progress.report({ progress: 4000, message: 'rows, audit' });
  progress.close();
  expect(said.join('')).toContain('Backing up 4000 rows, audit 2.0 s');
});
