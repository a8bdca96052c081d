/** `login`, `logout`, `whoami`: a person at a gateway, in the place of a key. */
import { findRunning } from '#admin/gateway-file.ts';
import type { WhoAmI } from '#admin/who-am-i.ts';
import { loadConfig } from '#config/load.ts';
import { GatehouseError } from '#core/error.ts';
import { type ConnectOptions, connect, loginConnection, parseUrl } from './connection.ts';
import { type Io, UsageError } from './io.ts';
import { endAtServer, findGateway, signInWithBrowser, signInWithDevice } from './login-oauth.ts';
import { type LoginStore, openLoginStore, placeOf } from './login-store.ts';
import { printable, printJson } from './output.ts';

interface LoginOptions {
  readonly browser: boolean;
  readonly json?: boolean;
}

export async function login(io: Io, given: string | undefined, options: LoginOptions): Promise<void> {
  const url = placeOf(parseUrl(given ?? (await findUrl(io)), 'URL of the gateway'));
  const store = openLoginStore(io.env);
  const gateway = await findGateway(io, url);
  const made = await (options.browser ? signInWithBrowser(io, gateway) : signInWithDevice(io, gateway));
  const before = store.find(url);
  await store.alone(async () => store.begin(url, made));
  // What it held before is nobody's any more.
  if (before) await endAtServer(io, before).catch(() => undefined);
  const connection = loginConnection(io, url, store);
  const who = await connection.whoAmI?.();
  if (options.json) printJson(io, { url, ...who });
  else io.err(`Signed in at ${url}${who ? ` as ${nameOf(who)}` : ''}: commands go there from now on.\n`);
  if (!options.json && who) io.err(`${reachOf(who)}\n`);
}

/** GATEHOUSE_URL, else the gateway that runs on this data directory. */
async function findUrl(io: Io): Promise<string> {
  const { remote, dataDir, http, baseUrlGiven } = loadConfig({ ...io, purpose: 'database' });
  if (remote.url !== undefined) return remote.url;
  const running = await findRunning(dataDir);
  if (!running) throw new UsageError('Say which gateway: gatehouse login https://gateway.example.com');
  return baseUrlGiven ? http.baseUrl : running.url.replace('//127.0.0.1:', '//localhost:');
}

interface LogoutOptions {
  readonly all?: boolean;
  readonly json?: boolean;
}

export async function logout(io: Io, given: string | undefined, options: LogoutOptions): Promise<void> {
  const store = openLoginStore(io.env);
  const named = given === undefined ? store.current() : placeOf(parseUrl(given, 'URL of the gateway'));
  const urls = options.all ? store.urls() : named === undefined ? [] : [named];
  const known = urls.filter((url) => store.find(url));
  if (known.length === 0)
    throw new GatehouseError('invalid_token', {
      message: given === undefined ? 'You are signed in nowhere' : `You are not signed in at ${named}`,
    });
  for (const url of known) await leave(io, store, url);
  if (options.json) printJson(io, { signedOut: known });
  else io.err(`Signed out at ${known.join(', ')}.\n`);
}

/** Forgotten here whatever the gateway says. */
async function leave(io: Io, store: LoginStore, url: string): Promise<void> {
  await store.alone(async () => {
    const found = store.find(url);
    store.remove(url);
    if (!found) return;
    await endAtServer(io, found).catch(() =>
      io.err(`${url} does not answer: the sign-in is forgotten here, and ends there by itself within 30 days.\n`),
    );
  });
}

export async function whoAmI(io: Io, options: ConnectOptions & { readonly json?: boolean }): Promise<void> {
  const connection = await connect(io, options);
  try {
    const who = await connection.whoAmI?.();
    const url = connection.url ?? null;
    if (options.json) return printJson(io, { url, ...who });
    if (!who) return io.out('The database of this data directory, without a gateway: everything is allowed.\n');
    io.out(`${nameOf(who)} at ${url}\n${reachOf(who)}\n`);
  } finally {
    await connection.close();
  }
}

function nameOf({ kind, user, key }: WhoAmI): string {
  if (kind === 'key') return `the API key ${key ?? ''}`;
  return user ? printable(user.email ?? user.username ?? user.name ?? user.id) : 'whoever holds the data directory';
}

function reachOf({ isPlatform, organizations }: WhoAmI): string {
  if (isPlatform) return 'Administers the whole gateway.';
  const own = organizations.filter(({ isAdministrator }) => isAdministrator).map(({ slug }) => slug);
  if (own.length > 0) return `Administers ${own.join(', ')}.`;
  return 'Administers nothing: ask an administrator of your organization for a role.';
}
