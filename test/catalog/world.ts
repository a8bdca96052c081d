/** A gateway with two organizations, and documents on loopback that it may fetch. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { type App, openApp } from '#app.ts';
import { loadConfig } from '#config/load.ts';
import { createTestDatabase } from '#kit/postgres.ts';
import { cli } from '#kit/run-cli.ts';

export interface CatalogWorld {
  readonly app: App;
  readonly url: string;
  /** Where this machine reaches it, whatever clients call it. */
  readonly local: string;
  /** Of whoever holds the machine. */
  readonly token: string;
  run(...args: string[]): Promise<{ readonly code: number; readonly out: string; readonly err: string }>;
  /** With further variables. */
  runWith(variables: Record<string, string>, ...args: string[]): ReturnType<CatalogWorld['run']>;
  key(org: string, ...more: string[]): Promise<string>;
  /** POST of the admin API. */
  post(path: string, token: string, body: object): Promise<{ readonly status: number; readonly body: string }>;
  sql(text: string): Promise<readonly object[]>;
  close(): Promise<void>;
}

export async function openCatalogWorld(yaml: string, more: Record<string, string> = {}): Promise<CatalogWorld> {
  const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-import-'));
  const database = await createTestDatabase();
  const env = {
    ...{ PORT: '0', DATA_DIR: dataDir, LOG_LEVEL: 'error', DATABASE_URL: database.url, ...more },
    ENCRYPTION_KEY: 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB',
  };
  const readFile = (path: string) => (path === join(dataDir, 'gatehouse.yaml') ? yaml : undefined);
  const app = await openApp(loadConfig({ env, cwd: dataDir, readFile }), { version: '0.0.0' });
  const { url: local } = z
    .object({ url: z.string() })
    .parse(JSON.parse(readFileSync(join(dataDir, 'gateway.json'), 'utf8')));
  const run = (...args: string[]) => cli(args, { env: { ...env } });
  const made = z.object({ key: z.string() });
  return {
    app,
    url: app.url,
    local,
    token: readFileSync(join(dataDir, 'admin.token'), 'utf8').trim(),
    run,
    runWith: (variables, ...args) => cli(args, { env: { ...env, ...variables } }),
    key: async (org, ...flags) => {
      const { out } = await run('key', 'create', '--org', org, '--name', crypto.randomUUID(), ...flags, '--json');
      return made.parse(JSON.parse(out)).key;
    },
    async post(path, token, body) {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
      const answer = await fetch(`${local}/admin/api/v1${path}`, {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
      });
      return { status: answer.status, body: await answer.text() };
    },
    sql: (text) => database.sql(text),
    async close() {
      await app.close();
      await database.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
