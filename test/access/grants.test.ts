/** What a key may use by its groups, live: no restart, no new token. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { type App, openApp } from '#app.ts';
import { loadConfig } from '#config/load.ts';
import { withPlatform } from '#db/scope.ts';
import { openModernWire, WireRefusal } from '#kit/modern-wire.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { cli } from '#kit/run-cli.ts';
import { startToolServer, type ToolServer } from '#kit/tool-server.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-grants-'));
let database: TestDatabase;
let upstream: ToolServer;
let app: App;
let key: string;
let org: string;

const gatehouseYaml = () => `
organizations: [{ slug: acme, name: Acme }]
servers: [{ key: files, transport: { kind: http, url: '${upstream.url}' } }]
enablements: [{ organization: acme, server: files, allowedRoles: [nobody] }]
egress: { allow: ['127.0.0.1'] }
`;

beforeAll(async () => {
  [database, upstream] = await Promise.all([createTestDatabase(), startToolServer({ era: 'modern' })]);
  upstream.tools = ['retrieve', 'other'].map((name) => ({ name, inputSchema: { type: 'object' } }));
  const env = {
    ...{ PORT: '0', DATA_DIR: dataDir, LOG_LEVEL: 'error', DATABASE_URL: database.url },
    ENCRYPTION_KEY: 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB',
  };
  const file = join(dataDir, 'gatehouse.yaml');
  const readFile = (path: string) => (path === file ? gatehouseYaml() : undefined);
  app = await openApp(loadConfig({ env, cwd: dataDir, readFile }), { version: '0.0.0' });
  const made = await cli(['key', 'create', '--org', 'acme', '--name', 't', '--json'], { env });
  key = z.object({ key: z.string() }).parse(JSON.parse(made.out)).key;
  org = await withPlatform(database.db, async ({ tx }) => {
    const row = await tx.selectFrom('organizations').select('id').where('slug', '=', 'acme').executeTakeFirstOrThrow();
    return row.id;
  });
});
afterAll(async () => {
  await app?.close();
  await upstream?.close();
  await database?.close();
  rmSync(dataDir, { recursive: true, force: true });
});

const callTool = (name: string) =>
  openModernWire(`${app.url}/acme/mcp/files`, key, {})
    .request('tools/call', { name, arguments: {} })
    .then(
      () => 200,
      (thrown) => (thrown instanceof WireRefusal ? thrown.status : 403),
    );

test('a grant to a group admits its keys within a second, and only to the tools it names [S3.12]', async () => {
  expect(await callTool('retrieve')).toBe(403);
  await withPlatform(database.db, async ({ tx }) => {
    const group = await tx
      .insertInto('groups')
      .values({ org_id: org, name: 'MCP-Tools', external_id: null })
      .returning('id')
      .executeTakeFirstOrThrow();
    const { id } = await tx.selectFrom('api_keys').select('id').executeTakeFirstOrThrow();
    await tx.insertInto('group_members').values({ org_id: org, group_id: group.id, key_id: id }).execute();
    const server = await tx.selectFrom('servers').select('id').where('key', '=', 'files').executeTakeFirstOrThrow();
    await tx
      .insertInto('grants')
      .values({ org_id: org, group_id: group.id, server_id: server.id, tools: JSON.stringify(['retrieve']) })
      .execute();
  });
  await expect.poll(() => callTool('retrieve')).toBe(200);
  expect(await callTool('other')).toBe(403);
  await withPlatform(database.db, ({ tx }) => tx.deleteFrom('group_members').execute());
  await expect.poll(() => callTool('retrieve')).toBe(403);
});

test("a member's refused call is on their organization's record [S4.15]", async () => {
  expect(await callTool('retrieve')).toBe(403);
  const refused = () =>
    withPlatform(database.db, ({ tx }) =>
      tx.selectFrom('audit').select(['org_id', 'decision']).where('reason', '=', 'role_denied').execute(),
    );
  await expect.poll(refused, { timeout: 5000 }).toContainEqual({ org_id: org, decision: 'deny' });
  expect(new Set((await refused()).map((row) => row.org_id))).toEqual(new Set([org]));
});
