/** One gateway in this process on PostgreSQL, and a client of its SCIM server. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { type App, openApp } from '#app.ts';
import { loadConfig } from '#config/load.ts';
import { createTestDatabase, type TestDatabase } from './postgres.ts';
import { cli } from './run-cli.ts';

export interface ScimAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: Record<string, unknown>;
}

export interface ScimClient {
  request(method: string, path: string, body?: unknown): Promise<ScimAnswer>;
}

export interface ScimWorld {
  readonly app: App;
  readonly database: TestDatabase;
  /** Of an organization by its slug. */
  readonly acme: ScimClient;
  readonly other: ScimClient;
  client(key: string): ScimClient;
  key(org: string, name: string, ...roles: readonly string[]): Promise<string>;
  close(): Promise<void>;
}

export async function startScimWorld({ yaml = '', env: more = {} } = {}): Promise<ScimWorld> {
  const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-scim-'));
  const database = await createTestDatabase();
  const env = {
    ...{ PORT: '0', DATA_DIR: dataDir, LOG_LEVEL: 'error', DATABASE_URL: database.url },
    ...{ ENCRYPTION_KEY: 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB', ...more },
  };
  const text = `organizations: [{ slug: acme, name: Acme, externalId: org_acme }, { slug: other, name: Other, externalId: org_other }]\n${yaml}`;
  const file = join(dataDir, 'gatehouse.yaml');
  const readFile = (path: string) => (path === file ? text : undefined);
  const app = await openApp(loadConfig({ env, cwd: dataDir, readFile }), { version: '0.0.0' });
  const key = async (org: string, name: string, ...roles: readonly string[]) => {
    const given = roles.flatMap((role) => ['--roles', role]);
    const made = await cli(['key', 'create', '--org', org, '--name', name, ...given, '--json'], { env });
    return z.object({ key: z.string() }).parse(JSON.parse(made.out)).key;
  };
  const client = (token: string): ScimClient => ({
    async request(method, path, body) {
      const answer = await fetch(`${app.url}/scim/v2${path}`, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body !== undefined && { 'content-type': 'application/scim+json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      const said = await answer.text();
      const type = answer.headers.get('content-type') ?? '';
      return { status: answer.status, type, body: said === '' ? {} : JSON.parse(said) };
    },
  });
  return {
    app,
    database,
    client,
    key,
    acme: client(await key('acme', 'scim', 'admin:scim:write')),
    other: client(await key('other', 'scim', 'admin:scim:write')),
    async close() {
      await app.close();
      await database.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
