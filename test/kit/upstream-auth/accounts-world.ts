/** A gateway in this process with two people who sign in by password, and servers that want accounts of theirs. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { type App, openApp } from '#app.ts';
import { loadConfig } from '#config/load.ts';
import { type BrowserJar, openBrowserJar, type Visited } from '#kit/browser-jar.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { cli } from '#kit/run-cli.ts';
import { authorization } from '#kit/sign-in.ts';

export interface AccountPerson {
  readonly name: string;
  readonly token: string;
  readonly jar: BrowserJar;
  readonly fields: Readonly<Record<string, string>>;
}

export interface AccountsWorld {
  readonly app: App;
  readonly database: TestDatabase;
  readonly env: Readonly<Record<string, string>>;
  readonly ada: AccountPerson;
  readonly bob: AccountPerson;
  readonly key: string;
  /** Opens a page of ours as them, signing in where that is asked. */
  open(person: AccountPerson, url: string): Promise<Visited>;
  /** The whole way: page, yes, the authorization server, back. The last page. */
  connect(person: AccountPerson, url: string): Promise<Visited>;
  close(): Promise<void>;
}

const redirectUri = 'https://client.example/callback';
const made = z.object({ password: z.string() });

/** `servers`: as gatehouse.yaml has them, one line each; all are enabled for every member of `acme`. */
export async function startAccountsWorld(
  servers: Readonly<Record<string, string>>,
  more: Readonly<Record<string, string>> = {},
): Promise<AccountsWorld> {
  const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-accounts-'));
  const database = await createTestDatabase();
  const enablements = Object.keys(servers).map((key) => `  - { organization: acme, server: ${key}, allMembers: true }`);
  const yaml = `
organizations: [{ slug: acme, name: Acme }]
servers:
${Object.values(servers).join('\n')}
enablements:
${enablements.join('\n')}
identity: [{ kind: local }]
egress: { allow: ['127.0.0.1'] }
`;
  const env = {
    ...{ PORT: '0', DATA_DIR: dataDir, LOG_LEVEL: 'error', DATABASE_URL: database.url },
    ENCRYPTION_KEY: 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB',
    ...more,
  };
  const file = join(dataDir, 'gatehouse.yaml');
  const readFile = (path: string) => (path === file ? yaml : undefined);
  const app = await openApp(loadConfig({ env, cwd: dataDir, readFile }), { version: '0.0.0' });
  const issuer = app.url;
  const run = async (...args: string[]) => {
    const { out, err } = await cli([...args, '--json'], { env });
    if (out === '') throw new Error(err);
    return JSON.parse(out);
  };

  async function person(name: string): Promise<AccountPerson> {
    const { password } = made.parse(await run('user', 'create', name, '--org', 'acme'));
    const jar = openBrowserJar((url) => url.startsWith(redirectUri));
    const fields = { with: 'local', username: name, password };
    return { name, jar, fields, token: await tokenFor(issuer, jar, fields) };
  }

  const open: AccountsWorld['open'] = async ({ jar, fields }, url) => {
    const page = await jar.open(url);
    if (!page.url.includes('/interaction/')) return page;
    // Already signed in: their yes is enough.
    return jar.submit(page, page.html.includes('name="password"') ? fields : { do: 'allow' });
  };
  const world: AccountsWorld = {
    ...{ app, database, env, open },
    ada: await person('ada'),
    bob: await person('bob'),
    key: z.object({ key: z.string() }).parse(await run('key', 'create', '--org', 'acme', '--name', 't')).key,
    async connect(who, url) {
      const page = await open(who, url);
      return who.jar.submit(page, { do: 'connect' });
    },
    async close() {
      await app.close();
      await database.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
  return world;
}

async function tokenFor(issuer: string, jar: BrowserJar, fields: Readonly<Record<string, string>>): Promise<string> {
  const registered = await fetch(`${issuer}/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      client_name: `Client ${randomBytes(3).toString('hex')}`,
      redirect_uris: [redirectUri],
      token_endpoint_auth_method: 'none',
    }),
  });
  const { client_id: clientId } = z.object({ client_id: z.string() }).parse(await registered.json());
  const asked = authorization({ issuer, clientId, redirectUri, resource: issuer });
  const done = await jar.submit(await jar.open(asked.url), fields);
  const body = {
    grant_type: 'authorization_code',
    code: new URL(done.url).searchParams.get('code') ?? '',
    client_id: clientId,
    code_verifier: asked.verifier,
    redirect_uri: redirectUri,
    resource: issuer,
  };
  const answer = await fetch(`${issuer}/token`, { method: 'POST', body: new URLSearchParams(body) });
  return z.object({ access_token: z.string() }).parse(await answer.json()).access_token;
}
