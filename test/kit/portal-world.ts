/** One gateway in this process with people who sign in to the portal, a clock that tests move, and a portal of two files. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { absoluteMs } from '#admin/portal/sessions.ts';
import { type App, openApp } from '#app.ts';
import { loadConfig } from '#config/load.ts';
import { type BrowserJar, openBrowserJar, type Visited } from './browser-jar.ts';
import { type ManualClock, manualClock } from './identity/manual-clock.ts';
import { createTestDatabase, type TestDatabase } from './postgres.ts';
import { cli } from './run-cli.ts';

export const portalPassword = 'correct horse battery staple';

export interface PortalAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** `{}` where it isn't JSON. */
  readonly body: Record<string, unknown>;
}

/** A browser that is signed in, or isn't: `cookie` as it would send it. */
export interface PortalBrowser {
  readonly jar: BrowserJar;
  readonly cookie: () => string;
  /** As a page of ours would ask, unless `headers` say otherwise (undefined: left out). */
  ask(
    method: string,
    path: string,
    more?: { readonly body?: unknown; readonly headers?: Readonly<Record<string, string | undefined>> },
  ): Promise<PortalAnswer>;
  csrf(): Promise<string>;
}

export interface PortalWorld {
  readonly app: App;
  readonly url: string;
  readonly clock: ManualClock;
  readonly database: TestDatabase;
  readonly env: Readonly<Record<string, string>>;
  browser(): PortalBrowser;
  /** Through the gateway's own pages. */
  signIn(
    username: string,
    path?: string,
    browser?: PortalBrowser,
  ): Promise<PortalBrowser & { readonly landed: Visited }>;
  /** Signed in now, without the pages: those let an account try ten times. */
  enter(username: string): Promise<PortalBrowser>;
  run(...args: readonly string[]): Promise<unknown>;
  close(): Promise<void>;
}

const yamlText = (more: string) => `
organizations: [{ slug: acme, name: Acme }, { slug: other, name: Other }]
oauth: { administrators: ['root@example.com'] }
${more}`;

const indexHtml = `<!doctype html><html><head><meta name="csp-nonce" content="__CSP_NONCE__">
<script type="module" src="./assets/app-1a2b3c.js"></script></head><body><div id="root"></div></body></html>`;

export interface PortalWorldOptions {
  readonly yaml?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly isBuilt?: boolean;
  readonly local?: boolean;
  /** Instead of the two files: a build. */
  readonly portalFolder?: string;
  /** More of them, as `gatehouse user create` takes them. */
  readonly people?: readonly (readonly string[])[];
  /** Before the gateway starts. */
  readonly prepare?: (database: TestDatabase) => Promise<unknown>;
}

/** ada administers acme, bob is a member of it, eve of nothing, root is an administrator of the gateway. */
export async function startPortalWorld(options: PortalWorldOptions = {}): Promise<PortalWorld> {
  const { yaml = '', env: more = {}, isBuilt = true, local = true } = options;
  const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-portal-'));
  const { portalFolder = join(dataDir, 'portal') } = options;
  if (isBuilt && options.portalFolder === undefined) writePortal(portalFolder);
  const database = await createTestDatabase();
  await options.prepare?.(database);
  const env = {
    ...{ PORT: '0', DATA_DIR: dataDir, LOG_LEVEL: 'error', DATABASE_URL: database.url },
    ...{ ENCRYPTION_KEY: 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB', ...more },
  };
  const text = yamlText((local ? 'identity: [{ kind: local }]\n' : '') + yaml);
  const readFile = (path: string) => (path === join(dataDir, 'gatehouse.yaml') ? text : undefined);
  const clock = manualClock();
  const config = loadConfig({ env, cwd: dataDir, readFile });
  const app = await openApp(config, { version: '1.2.3', clock, portalFolder });
  const run = async (...args: readonly string[]): Promise<unknown> =>
    JSON.parse((await cli([...args, '--json'], { env })).out);
  if (local) for (const args of [...people, ...(options.people ?? [])]) await run('user', 'create', ...args);
  const { url } = app;
  if (local) await setPasswords(database);
  const browser = () => openBrowser(url);
  return {
    ...{ app, url, clock, database, env, browser, run },
    async signIn(username, path = '/admin', given = browser()) {
      const page = await given.jar.open(url + path);
      const landed = await given.jar.submit(page, { with: 'local', username, password: portalPassword });
      return { ...given, landed };
    },
    async enter(username) {
      const value = randomBytes(32).toString('base64url');
      const now = new Date(clock.now());
      const times = [now, now, new Date(clock.now() + absoluteMs)];
      await database.sql(
        `insert into gateway.portal_sessions (digest, user_id, signed_in_at, seen_at, expires_at)
         select $1, id, $3, $4, $5 from gateway.users where username = $2`,
        [createHash('sha256').update(value).digest('base64url'), username, ...times],
      );
      return openBrowser(url, `gw_admin=${value}`);
    },
    async close() {
      await app.close();
      await database.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

const people = [
  ['ada', '--name', 'Ada', '--org', 'acme', '--roles', 'admin'],
  ['bob', '--org', 'acme'],
  ['eve'],
  ['root', '--email', 'root@example.com'],
] as const;

async function setPasswords({ sql }: TestDatabase): Promise<void> {
  const { hashPassword } = await import('#core/password.ts');
  await sql('update gateway.local_accounts set digest = $1', [await hashPassword(portalPassword)]);
}

function writePortal(folder: string): void {
  const assets = join(folder, 'assets');
  mkdirSync(assets, { recursive: true });
  writeFileSync(join(folder, 'index.html'), indexHtml);
  writeFileSync(join(assets, 'app-1a2b3c.js'), 'console.log(1)\n');
  writeFileSync(join(assets, 'app-1a2b3c.js.gz'), gzipSync('console.log(1)\n'));
}

export function openBrowser(url: string, given?: string): PortalBrowser {
  const jar = openBrowserJar((target) => !target.startsWith(url));
  const cookie = () => given ?? jar.cookiesFor(`${url}/`);
  const browser: PortalBrowser = {
    jar,
    cookie,
    async ask(method, path, { body, headers = {} } = {}) {
      const isUnsafe = method !== 'GET';
      const sent: Record<string, string | undefined> = {
        cookie: cookie(),
        'sec-fetch-site': 'same-origin',
        ...(isUnsafe && { origin: url }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      };
      const pairs = Object.entries(sent).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]));
      const answer = await fetch(url + path, {
        method,
        headers: Object.fromEntries(pairs),
        redirect: 'manual',
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      const text = await answer.text();
      const isJson = /json/.test(answer.headers.get('content-type') ?? '');
      return { status: answer.status, headers: answer.headers, text, body: isJson ? JSON.parse(text) : {} };
    },
    csrf: async () => String((await browser.ask('GET', '/admin/api/v1/session')).body.csrf),
  };
  return browser;
}
