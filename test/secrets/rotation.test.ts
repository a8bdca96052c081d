/** Keys of every level are rotated while calls run, and an organization's secrets are destroyed. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type App, openApp } from '#app.ts';
import { loadConfig } from '#config/load.ts';
import { deriveKey } from '#core/derive.ts';
import { openSealer } from '#core/sealer.ts';
import { withPlatform } from '#db/scope.ts';
import { awsKeyId, startAwsEmulator } from '#kit/kms/aws.ts';
import type { KmsEmulator } from '#kit/kms/emulator.ts';
import { openModernWire } from '#kit/modern-wire.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { cli } from '#kit/run-cli.ts';
import { startToolServer, type ToolServer } from '#kit/tool-server.ts';
import { sealedColumns } from '#records/sealed-columns.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-rotation-'));
const first = 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB';
const second = 'Zp3xW8nB5vC1mK7jH4gF9dS2aQ6wE0rT';
const account = { accessKeyId: 'AKIAGATEHOUSE', secretAccessKey: 'the-secret-access-key' };
let database: TestDatabase;
let upstream: ToolServer;
let kms: KmsEmulator;
let app: App;
let env: Record<string, string>;
let key = '';
let aheadMs = 0;
const clock = { now: () => Date.now() + aheadMs, monotonic: () => performance.now() };

const status = z.object({
  kekId: z.string(),
  items: z.array(
    z.object({
      organization: z.string(),
      keys: z.array(z.object({ dekId: z.string(), kekId: z.string(), state: z.string() })),
      ...{ fields: z.number(), staleFields: z.number(), staleKeys: z.number() },
    }),
  ),
});

const gatehouseYaml = (inAws: boolean) => `
${inAws ? `secrets: { kms: { kind: aws, keyId: '${awsKeyId}', region: eu-central-1, endpoint: '${kms.url}', accessKeyId: '${account.accessKeyId}', secretAccessKey: '\${AWS_SECRET}' } }` : ''}
organizations: [{ slug: acme, name: Acme }, { slug: beta, name: Beta }]
servers: [{ key: files, transport: { kind: http, url: '${upstream.url}' } }]
collections:
  - { organization: acme, name: shelf, allowedRoles: '*', bindings: [{ server: files, credential: '\${SHELF}' }] }
  - { organization: beta, name: shelf, allowedRoles: '*', bindings: [{ server: files, credential: '\${SHELF}' }] }
egress: { allow: ['127.0.0.1'] }
limits: { principal: { requestsPerMinute: 1000000 }, organization: { requestsPerMinute: 1000000 } }
`;

async function start(given: Record<string, string>, inAws = false): Promise<void> {
  await app?.close();
  env = {
    ...{ PORT: '0', DATA_DIR: dataDir, LOG_LEVEL: 'error', DATABASE_URL: database.url },
    ...{ SHELF: 'shelf-credential-value', AWS_SECRET: account.secretAccessKey, ...given },
  };
  const file = join(dataDir, 'gatehouse.yaml');
  const readFile = (path: string) => (path === file ? gatehouseYaml(inAws) : undefined);
  app = await openApp(loadConfig({ env, cwd: dataDir, readFile }), { version: '0.0.0', clock });
}

async function run(...args: string[]): Promise<string> {
  const done = await cli(args, { env });
  expect([args.join(' '), done.code, done.err]).toEqual([args.join(' '), 0, expect.anything()]);
  return done.out;
}

const read = async () => status.parse(JSON.parse(await run('secrets', 'status', '--json')));
const acme = async () => (await read()).items.find(({ organization }) => organization === 'acme');

const call = (): Promise<unknown> =>
  openModernWire(`${app.url}/acme/mcp/shelf`, key, {}).request('tools/call', { name: 'retrieve', arguments: {} });

let keptId = '';

async function api(method: string, path: string, body?: object): Promise<string> {
  const headers = { authorization: `Bearer ${readFileSync(join(dataDir, 'admin.token'), 'utf8').trim()}` };
  const response = await fetch(`${app.url}/admin/api/v1${path}`, {
    method,
    body: body ? JSON.stringify(body) : null,
    headers: { ...headers, ...(body && { 'content-type': 'application/json' }) },
  });
  const text = await response.text();
  expect([path, response.ok, text]).toEqual([path, true, text]);
  return text;
}

const keptWords = () => api('GET', `/organizations/acme/audit/${keptId}/content`);

/** As this root secret alone opens it. */
async function serverSecret(root: string): Promise<string | undefined> {
  const [row] = await database.sql(`select auth->>'sealedSecret' as sealed from gateway.servers where key = 'linked'`);
  return openSealer(deriveKey(root, 'upstream-accounts')).open('server-auth:ours', String(row?.sealed));
}

/** Calls all the time while the work is done: none fails, each with the credential. */
async function underLoad(work: () => Promise<unknown>): Promise<number> {
  let isOver = false;
  upstream.upstream.clear();
  const callers = Array.from({ length: 4 }, async () => {
    for (let calls = 0; ; calls++) {
      if (isOver && calls > 3) return calls;
      await call();
    }
  });
  await work();
  isOver = true;
  const calls = (await Promise.all(callers)).reduce((sum, one) => sum + one, 0);
  const tokens = new Set(upstream.upstream.requests.map(({ headers }) => headers.authorization));
  expect([...tokens]).toEqual(['Bearer shelf-credential-value']);
  return calls;
}

beforeAll(async () => {
  [database, upstream, kms] = await Promise.all([
    createTestDatabase(),
    startToolServer({ era: 'modern' }),
    startAwsEmulator(account),
  ]);
  upstream.tools = [{ name: 'retrieve', inputSchema: { type: 'object' } }];
  await start({ ENCRYPTION_KEY: first });
  key = z
    .object({ key: z.string() })
    .parse(JSON.parse(await run('key', 'create', '--org', 'acme', '--name', 't', '--json'))).key;
}, 60_000);
afterAll(async () => {
  await app?.close();
  await Promise.all([upstream?.close(), database?.close(), kms?.close()]);
  rmSync(dataDir, { recursive: true, force: true });
});

test('every column that holds something sealed is known to rotation [I1]', async () => {
  const { rows } = await withPlatform(database.db, ({ tx }) =>
    sql<{ place: string }>`
      select table_name || '.' || column_name as place from information_schema.columns
      where table_schema = 'gateway' and column_name like '%sealed%' order by 1`.execute(tx),
  );
  const inTables = rows.map(({ place }) => place);
  expect(sealedColumns.map(({ table, column }) => `${table}.${column}`).sort()).toEqual(inTables);
});

describe('rotation', () => {
  test('a new data key seals every field anew while calls run, and no call fails [I1]', async () => {
    await call();
    const before = await acme();
    const version = async () =>
      withPlatform(database.db, ({ tx }) =>
        tx.selectFrom('credentials').select(['id', 'version', 'sealed']).orderBy('id').execute(),
      );
    const rows = await version();
    const calls = await underLoad(async () => {
      for (let turn = 0; turn < 3; turn++) await run('secrets', 'rotate', '--level', 'dek');
    });
    expect(calls).toBeGreaterThan(10);
    const after = await acme();
    expect(after?.keys.length).toBe((before?.keys.length ?? 0) + 3);
    expect([after?.fields, after?.staleFields]).toEqual([1, 0]);
    // Another seal, the same secret: what is kept by version upstream goes on.
    const now = await version();
    expect(now.map((row) => row.version)).toEqual(rows.map((row) => row.version));
    for (const [i, row] of now.entries()) expect(row.sealed).not.toBe(rows[i]?.sealed);
  });

  test('data keys that nothing needs any more are removed by a later rotation', async () => {
    await run('secrets', 'rotate', '--level', 'fields');
    const kept = (await acme())?.keys.length ?? 0;
    // A replica that had not heard of the newest one may still have sealed with the one before.
    expect(kept).toBeGreaterThan(1);
    aheadMs = 660_000;
    await underLoad(() => run('secrets', 'rotate', '--level', 'fields'));
    aheadMs = 0;
    expect((await acme())?.keys.map(({ state }) => state)).toEqual(['active']);
  });

  test('what is kept of arguments opens after rotations of data keys, which stay as long as it does [I1]', async () => {
    await api('POST', '/servers', {
      ...{ key: 'linked', transport: { kind: 'http', url: 'https://linked.example/mcp' } },
      auth: { kind: 'connected', issuer: 'https://as.example', clientId: 'ours', clientSecret: 'the-client-secret' },
    });
    await api('POST', '/organizations/acme/audit/settings', { content: 'redacted' });
    await expect
      .poll(async () => {
        await openModernWire(`${app.url}/acme/mcp/shelf`, key, {}).request('tools/call', {
          ...{ name: 'retrieve', arguments: { query: 'kept-words' } },
        });
        const [row] = await database.sql('select id from gateway.audit where content is not null limit 1');
        keptId = String(row?.id ?? '');
        return keptId;
      })
      .not.toBe('');
    await run('secrets', 'rotate', '--level', 'dek');
    aheadMs = 660_000;
    await run('secrets', 'rotate', '--level', 'fields');
    aheadMs = 0;
    expect(await keptWords()).toContain('kept-words');
    await api('POST', '/organizations/acme/audit/settings', { content: 'digest' });
  });

  test('another ENCRYPTION_KEY takes over while the former one is still known, and then alone [I1]', async () => {
    await start({ ENCRYPTION_KEY: second, ENCRYPTION_KEY_PREVIOUS: first });
    await call();
    expect((await acme())?.staleKeys).toBeGreaterThan(0);
    expect(await serverSecret(first)).toBe('the-client-secret');
    await underLoad(() => run('secrets', 'rotate', '--level', 'kek'));
    expect(await serverSecret(second)).toBe('the-client-secret');
    expect(await serverSecret(first)).toBeUndefined();
    expect((await read()).items.map(({ staleKeys }) => staleKeys)).toEqual([0, 0]);
    await start({ ENCRYPTION_KEY: second });
    await underLoad(async () => undefined);
    expect(await keptWords()).toContain('kept-words');
  });

  test('key management moves to a service while calls run, and the environment is needed no more [I1]', async () => {
    await start({ ENCRYPTION_KEY: second }, true);
    await underLoad(() => run('secrets', 'rotate', '--level', 'all'));
    const now = await read();
    expect(now.kekId).toBe(`aws:${awsKeyId}`);
    expect(now.items.flatMap(({ keys }) => keys.map(({ kekId }) => kekId)).every((id) => id === now.kekId)).toBe(true);
  });

  test('with the service away calls go on with the keys in memory; a restart leaves the credentials locked [I1]', async () => {
    await call();
    kms.away = true;
    await underLoad(async () => undefined);
    await start({ ENCRYPTION_KEY: second }, true);
    await expect(call()).rejects.toThrow();
    // Whatever needs no credential goes on: the gateway is there, and says so.
    expect((await fetch(`${app.url}/health`)).status).toBe(200);
    kms.away = false;
    await expect
      .poll(
        () =>
          call().then(
            () => true,
            () => false,
          ),
        { timeout: 10_000 },
      )
      .toBe(true);
  });

  test('a shredded organization opens nothing, and the others go on [I1] [I2]', async () => {
    const wrong = await cli(['org', 'shred', 'acme', '--confirm', 'beta'], { env });
    expect(wrong.code).not.toBe(0);
    await run('org', 'shred', 'beta', '--confirm', 'beta');
    const keys = await withPlatform(database.db, ({ tx }) =>
      tx
        .selectFrom('organization_keys as k')
        .innerJoin('organizations as o', 'o.id', 'k.org_id')
        .select('o.slug')
        .execute(),
    );
    expect(new Set(keys.map(({ slug }) => slug))).toEqual(new Set(['acme']));
    await call();
  });
});
