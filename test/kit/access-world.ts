/**
 * An organization with one server of tools behind many rights, and people who have each of them: signed in as Open WebUI
 * signs them in. A second gateway on the same database shows tools through three that stand for them.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { z } from 'zod';
import { type App, openApp } from '#app.ts';
import { loadConfig } from '#config/load.ts';
import { call, send } from './http-client.ts';
import { createTestDatabase, type TestDatabase } from './postgres.ts';
import { cli } from './run-cli.ts';
import { startToolServer, type ToolServer } from './tool-server.ts';

export const webuiSecret = 'open-webui-shares-this-secret-with-us';

export const signWebui = (id: string, key = webuiSecret) =>
  new SignJWT({ id, exp: Math.floor(Date.now() / 1000) + 3600, jti: crypto.randomUUID() })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .sign(new TextEncoder().encode(key));

export interface AccessWorld {
  readonly app: App;
  /** In meta mode. */
  readonly short: App;
  readonly database: TestDatabase;
  readonly upstream: ToolServer;
  /** UUID of `acme`. */
  readonly org: string;
  readonly env: Readonly<Record<string, string>>;
  token(person: string): Promise<string>;
  /** `flags`: of `gatehouse key create`. */
  key(name: string, ...flags: readonly string[]): Promise<string>;
  /** Ids of rows. */
  userId(person: string): Promise<string>;
  serverId(key: string): Promise<string>;
  /** A group with this server, or some tools of it, and these people in it. */
  addGroup(group: {
    readonly name: string;
    readonly server: string;
    readonly tools?: readonly string[];
    readonly people: readonly string[];
  }): Promise<string>;
  close(): Promise<void>;
}

export interface AccessWorldOptions {
  readonly people: readonly string[];
  /** Keys: each is the same upstream. */
  readonly servers: readonly string[];
  /** YAML below what is said already: `enablements` and more. */
  readonly yaml: string;
  /** Of each server's entry. */
  readonly trusted?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** What the upstream speaks; default: modern. */
  readonly era?: 'legacy' | 'modern';
  /** Of the servers, in the place of the world's own. */
  readonly url?: string;
  /** Default: yes. */
  readonly hasShort?: boolean;
}

export async function startAccessWorld(options: AccessWorldOptions): Promise<AccessWorld> {
  const [database, upstream] = await Promise.all([
    createTestDatabase(),
    startToolServer({ era: options.era ?? 'modern' }),
  ]);
  upstream.tools = ['retrieve', 'other'].map((name) => ({ name, inputSchema: { type: 'object' } }));
  await database.sql(`create table public."user" (
    id text primary key, name text not null, email text not null, role text not null)`);
  for (const id of options.people)
    await database.sql(`insert into public."user" values ($1, $1, $2, 'user')`, [id, `${id}@Example.com`]);
  const folders: string[] = [];
  const open = async (more: Readonly<Record<string, string>>) => {
    const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-access-'));
    folders.push(dataDir);
    const env = { ...baseEnv(database.url, dataDir), ...options.env, ...more };
    const file = join(dataDir, 'gatehouse.yaml');
    const yaml = yamlOf(options, options.url ?? upstream.url);
    const readFile = (path: string) => (path === file ? yaml : undefined);
    return { env, app: await openApp(loadConfig({ env, cwd: dataDir, readFile }), { version: '0.0.0' }) };
  };
  const { app, env } = await open({});
  const { app: short } = options.hasShort === false ? { app } : await open({ META_TOOLS_MODE: 'true' });
  const one = async (sql: string, values: readonly unknown[]) => {
    const [row] = await database.sql(sql, values);
    return z.object({ id: z.string() }).parse(row).id;
  };
  const org = await one('select id from gateway.organizations where slug = $1', ['acme']);
  // Everybody has been here once: their rows are made with their first call.
  for (const id of options.people)
    await send(`${app.url}/acme/mcp`, { headers: { authorization: `Bearer ${await signWebui(id)}` }, body: call('x') });
  const userId = (person: string) => one('select user_id as id from gateway.identities where subject = $1', [person]);
  const serverId = (key: string) => one('select id from gateway.servers where key = $1', [key]);
  return {
    ...{ app, short, database, upstream, org, env, userId, serverId },
    token: (person) => signWebui(person),
    async key(name, ...flags) {
      const made = await cli(['key', 'create', '--org', 'acme', '--name', name, '--json', ...flags], { env });
      return z.object({ key: z.string() }).parse(JSON.parse(made.out)).key;
    },
    async addGroup({ name, server, tools, people }) {
      const group = await one('insert into gateway.groups (org_id, name) values ($1, $2) returning id', [org, name]);
      await database.sql(
        'insert into gateway.grants (org_id, group_id, server_id, tools) values ($1, $2, $3, $4::jsonb)',
        [org, group, await serverId(server), tools ? JSON.stringify(tools) : null],
      );
      for (const person of people)
        await database.sql('insert into gateway.group_members (org_id, group_id, user_id) values ($1, $2, $3)', [
          org,
          group,
          await userId(person),
        ]);
      return group;
    },
    async close() {
      if (short !== app) await short.close();
      await app.close();
      await upstream.close();
      await database.close();
      for (const folder of folders) rmSync(folder, { recursive: true, force: true });
    },
  };
}

const baseEnv = (url: string, dataDir: string) => ({
  ...{ PORT: '0', DATA_DIR: dataDir, LOG_LEVEL: 'error', DATABASE_URL: url },
  ENCRYPTION_KEY: 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB',
  WEBUI_SECRET_KEY: webuiSecret,
});

function yamlOf({ servers, yaml, trusted = false }: AccessWorldOptions, url: string): string {
  const entries = servers.map(
    (key) => `  - { key: ${key}, trusted: ${trusted}, transport: { kind: http, url: '${url}' } }`,
  );
  return `
organizations: [{ slug: acme, name: Acme }, { slug: other, name: Other }]
identity: [{ kind: shared-secret, preset: open-webui, secret: '\${WEBUI_SECRET_KEY}', organization: acme }]
servers:
${entries.join('\n')}
egress: { allow: ['127.0.0.1'] }
limits: { principal: { requestsPerMinute: 100000 }, organization: { requestsPerMinute: 100000 }, address: { requestsPerMinute: 100000 } }
${yaml}`;
}
