/** `login`, `logout`, `whoami`: people with local accounts at a running gateway, without a key. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Io } from '#cli/io.ts';
import { runCli } from '#cli/program.ts';
import { readTextFile } from '#config/read-text.ts';
import { openBrowserJar } from '#kit/browser-jar.ts';
import { listenOnLoopback } from '#kit/listen.ts';
import { type PortalWorld, portalPassword, startPortalWorld } from '#kit/portal-world.ts';
import { cli } from '#kit/run-cli.ts';

let world: PortalWorld;
let url = '';
const home = mkdtempSync(join(tmpdir(), 'gatehouse-login-'));
const store = join(home, '.config', 'gatehouse', 'logins.json');
const env = { HOME: home, BROWSER: 'none' };

beforeAll(async () => {
  world = await startPortalWorld();
  url = world.url.replace('127.0.0.1', 'localhost');
}, 120_000);
afterAll(async () => {
  await world?.close();
  rmSync(home, { recursive: true, force: true });
});

/** Runs a command; whoever sees its standard error plays the person at the browser. */
async function interactive(args: readonly string[], onError: (text: string) => void, extra = {}) {
  const [out, err]: [string[], string[]] = [[], []];
  const io: Io = {
    out: (text) => void out.push(text),
    err(text) {
      err.push(text);
      onError(text);
    },
    ...{ outIsTerminal: false, errIsTerminal: false, inIsTerminal: false, input: Readable.from([]) },
    ...{ env: { ...env, ...extra }, cwd: home, command: 'gatehouse', readFile: readTextFile },
    ...{ fetch: globalThis.fetch, exit: () => undefined, onCrash: () => undefined, onSignal: () => undefined },
  };
  const code = await runCli(args, io, '1.2.3');
  return { code, out: out.join(''), err: err.join('') };
}

async function enter(address: string, username: string): Promise<void> {
  const jar = openBrowserJar(() => false);
  const page = await jar.open(address);
  await jar.submit(page, { with: 'local', username, password: portalPassword });
}

const login = (username: string, args: readonly string[] = []) => {
  let going: Promise<void> | undefined;
  return interactive(['login', url, ...args], (text) => {
    const [address] = /http\S+\/authorize\S+/.exec(text) ?? [];
    if (address) going ??= enter(address, username);
  }).finally(() => going);
};
const run = (...args: readonly string[]) => cli(args, { env, cwd: home });
const kept = () => JSON.parse(readFileSync(store, 'utf8'));

test('whoever signed in administers without a key, and commands go there by themselves', async () => {
  expect(await login('ada')).toMatchObject({ code: 0, err: expect.stringContaining('Administers acme.') });
  expect(statSync(store).mode & 0o777).toBe(0o600);
  expect(await run('key', 'list', '--org', 'acme', '--url', url)).toMatchObject({ code: 0 });
  // The only organization that is theirs.
  expect((await run('member', 'list')).out).toContain('admin');
  expect((await run('whoami')).out).toBe(`ada at ${url}\nAdministers acme.\n`);
  expect(JSON.parse((await run('whoami', '--json')).out)).toMatchObject({
    ...{ url, kind: 'person', isPlatform: false },
    organizations: [{ slug: 'acme', roles: ['admin'], isAdministrator: true }],
  });
  expect(await run('member', 'list', '--org', 'other')).toMatchObject({ code: 3 });
  const refused = await run('server', 'list');
  expect(refused).toMatchObject({ code: 3, err: expect.stringContaining('gatehouse whoami') });
  expect(JSON.stringify(await run('whoami', '--json'))).not.toContain(kept().logins[url].accessToken);
});

test('a token that is about to expire is renewed, once however many commands need it', async () => {
  const before = kept();
  const expired = { ...before.logins[url], expiresAt: 0 };
  writeFileSync(store, JSON.stringify({ ...before, logins: { [url]: expired } }));
  const all = await Promise.all([run('member', 'list'), run('whoami'), run('group', 'list')]);
  expect(all.map(({ code }) => code)).toEqual([0, 0, 0]);
  const after = kept().logins[url];
  expect(after.accessToken).not.toBe(expired.accessToken);
  expect(after.expiresAt).toBeGreaterThan(Date.now());
  expect(existsSync(`${store}.lock`)).toBe(false);
});

test('who signs out is nobody there any more, and their refresh token is worth nothing', async () => {
  const { refreshToken, client } = kept().logins[url];
  expect(await run('logout')).toMatchObject({ code: 0, err: `Signed out at ${url}.\n` });
  const answer = await fetch(`${url}/token`, {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: refreshToken, client_id: client.id }),
  });
  expect(answer.status).toBeGreaterThanOrEqual(400);
  expect(kept()).toEqual({ logins: {} });
  expect(await run('logout')).toMatchObject({ code: 3, err: 'You are signed in nowhere\n' });
  const refused = await run('org', 'list', '--url', url);
  expect(refused).toMatchObject({ code: 2, err: expect.stringContaining(`gatehouse login ${url}`) });
});

test('a sign-in that ended at the gateway is said to be over, with what to do', async () => {
  await login('root');
  expect((await run('whoami')).out).toContain('Administers the whole gateway.');
  expect((await run('org', 'list')).code).toBe(0);
  await world.database.sql('delete from gateway.oauth_records');
  const before = kept();
  writeFileSync(store, JSON.stringify({ ...before, logins: { [url]: { ...before.logins[url], expiresAt: 0 } } }));
  const { code, err } = await run('org', 'list', '--url', url);
  expect({ code, err }).toEqual({
    code: 3,
    err: `You are not signed in at ${url} any more: \`gatehouse login ${url}\`\n`,
  });
});

test('without a browser here, a code is entered in one elsewhere', async () => {
  let going: Promise<void> | undefined;
  const device = async (place: string, code: string) => {
    const jar = openBrowserJar(() => false);
    const confirm = await jar.open(`${place}?user_code=${code}`);
    const page = await jar.submit(confirm, { user_code: code, confirm: 'yes' });
    await jar.submit(page, { with: 'local', username: 'ada', password: portalPassword });
  };
  const done = await interactive(['login', url, '--no-browser', '--json'], (text) => {
    const [, place, code] = /Open (\S+) .*enter (\S+)/.exec(text) ?? [];
    if (place && code) going ??= device(place, code);
  });
  await going;
  expect(done).toMatchObject({ code: 0 });
  expect(JSON.parse(done.out)).toMatchObject({ url, user: { username: 'ada' } });
  expect((await run('logout', '--all', '--json')).out).toBe(`{"signedOut":["${url}"]}\n`);
}, 60_000);

test('an address that says it is another gateway gets no token for that one', async () => {
  const lure = createServer((_req, res) => {
    res.end(JSON.stringify({ resource: `${url}/`, authorization_servers: [url] }));
  });
  const listening = await listenOnLoopback(lure);
  try {
    const place = `http://127.0.0.1:${listening.port}`;
    const { code, err } = await run('login', place);
    expect({ code, err }).toEqual({
      code: 1,
      err: `The gateway at ${place} calls itself ${url}: sign in with \`gatehouse login ${url}\`\n`,
    });
  } finally {
    await listening.close();
  }
});

test.each([
  [['login'], 2, 'Say which gateway'],
  [['login', 'ftp://x'], 2, 'http:// or https://'],
  [['login', 'http://127.0.0.1:1'], 1, 'No gateway answers'],
] as const)('%j says what is wrong', async (args, code, text) => {
  const done = await run(...args);
  expect(done).toMatchObject({ code, out: '', err: expect.stringContaining(text) });
});

test('a key says of itself what it may', async () => {
  const made = (await world.run('key', 'create', '--org', 'acme', '--roles', 'admin:*')) as { readonly key: string };
  const { out } = await run('whoami', '--url', url, '--key', made.key);
  expect(out).toMatch(/^the API key \S+ at .*\nAdministers acme\.\n$/);
});
