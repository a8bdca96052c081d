/** A warm call with a token of our own costs no statement either, however live it is against revocation. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { type App, openApp } from '#app.ts';
import { loadConfig } from '#config/load.ts';
import { call, send } from '#kit/http-client.ts';
import { rootSecret, type SignedInWorld, startSignedInWorld, worldYaml } from '#kit/signed-in-world.ts';

const calls = 200;
const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-warm-own-'));
const statements: string[] = [];
let world: SignedInWorld;
let app: App;
beforeAll(async () => {
  world = await startSignedInWorld({ replicas: 1 });
  const file = join(dataDir, 'gatehouse.yaml');
  const env = {
    PORT: '0',
    DATA_DIR: dataDir,
    LOG_LEVEL: 'error',
    DATABASE_URL: world.database.url,
    ENCRYPTION_KEY: rootSecret,
    BASE_URL: world.issuer,
  };
  const readFile = (path: string) => (path === file ? worldYaml(world.upstream.url) : undefined);
  const config = loadConfig({ env, cwd: dataDir, readFile });
  app = await openApp(config, { version: '0.0.0', onStatement: (sql) => statements.push(sql) });
}, 120_000);
afterAll(async () => {
  await app?.close();
  await world?.close();
  rmSync(dataDir, { recursive: true, force: true });
});

const localUrl = () =>
  z.object({ url: z.string() }).parse(JSON.parse(readFileSync(join(dataDir, 'gateway.json'), 'utf8'))).url;

/** Of the rows that say who somebody is. */
const listAboutPeople = () =>
  statements.filter((sql) => /oauth_records|program_clients|"users"|"members"|"identities"/.test(sql));

test('the first call with a new token asks once each for the token, the membership and what its holder is granted', async () => {
  const known = await world.signIn({ resource: world.issuer });
  await send(`${localUrl()}/acme/mcp/docs`, { headers: known.auth, body: call('echo') });
  for (const path of ['/acme/mcp/docs', '/mcp/docs']) {
    const person = await world.signIn({ resource: world.issuer + path });
    statements.length = 0;
    const { status } = await send(localUrl() + path, { headers: person.auth, body: call('echo') });
    expect([path, status, listAboutPeople().length]).toEqual([path, 200, 3]);
  }
});

test('two hundred warm calls with our own token run no statement of their own [X0.4]', async () => {
  const local = localUrl();
  for (const resource of [`${world.issuer}/acme/mcp/docs`, `${world.issuer}/mcp/docs`]) {
    const path = resource.slice(world.issuer.length);
    const person = await world.signIn({ resource });
    const ask = () => send(`${local}${path}`, { headers: person.auth, body: call('echo') });
    for (let n = 0; n < 5; n++) expect((await ask()).status).toBe(200);
    statements.length = 0;
    for (let n = 0; n < calls / 20; n++) {
      const answers = await Promise.all(Array.from({ length: 20 }, ask));
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    }
    const during = statements.filter((sql) => /oauth_records|"users"|"members"|"organizations"/.test(sql));
    expect([path, during]).toEqual([path, []]);
  }
});
