import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { cli } from '#kit/run-cli.ts';

let database: TestDatabase;
let folder: string;
beforeAll(async () => {
  database = await createTestDatabase();
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-client-'));
  await run('org', 'create', 'acme');
}, 120_000);
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await database.close();
});

const run = (...args: readonly string[]) =>
  cli(args, { env: { DATABASE_URL: database.url, ENCRYPTION_KEY: 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB' } });

const made = z.looseObject({ id: z.string(), secret: z.string().nullable() });

test('operators register a client, see it without its secret, and remove it', async () => {
  const { code, out, err } = await run(
    'client',
    'create',
    'nightly',
    '--grants',
    'client_credentials',
    '--roles',
    'robot',
  );
  expect(code).toBe(0);
  expect(err).toContain('shown once');
  const created = made.parse(JSON.parse(out));
  expect(created).toMatchObject({ name: 'nightly', org: 'acme', roles: ['robot'], scopes: ['mcp:read', 'mcp:write'] });
  expect(created.id).toMatch(/^prg_/);
  expect(created.secret).toMatch(/^prs_.{43}$/);
  const dump = JSON.stringify(await database.sql('select * from gateway.program_clients'));
  expect(dump).not.toContain(created.secret);
  const list = await run('client', 'list');
  expect(list.out).toContain('nightly');
  expect(list.out).not.toContain(created.secret ?? '');
  expect((await run('client', 'create', 'nightly')).code).toBe(1);
  expect(await run('client', 'remove', created.id)).toMatchObject({ code: 0, err: expect.stringContaining('nightly') });
  expect(JSON.parse((await run('client', 'list', '--json')).out)).toEqual([]);
  expect((await run('client', 'remove', created.id)).code).toBe(1);
});

test('a client with keys has no secret; assertions go where operators say', async () => {
  const { publicKey } = await generateKeyPair('ES256');
  const file = join(folder, 'jwks.json');
  writeFileSync(file, JSON.stringify({ keys: [await exportJWK(publicKey)] }));
  const audiences = 'https://a.example=client-there,https://b.example';
  const { out } = await run('client', 'create', 'signer', '--jwks', file, '--assertions-for', audiences, '--json');
  expect(JSON.parse(out)).toMatchObject({
    secret: null,
    authentication: 'keys',
    assertionAudiences: { 'https://a.example': 'client-there', 'https://b.example': 'signer' },
  });
});

test('what cannot be is refused', async () => {
  expect((await run('client', 'create', 'x', '--grants', 'password')).code).toBe(2);
  expect((await run('client', 'create', 'x', '--jwks', join(folder, 'none.json'))).code).toBe(2);
  expect((await run('client', 'create', 'x', '--redirect-uris', 'javascript:alert(1)')).code).toBe(1);
  expect((await run('client', 'create', 'x', '--introspects', 'http://evil.example/')).code).toBe(1);
});
