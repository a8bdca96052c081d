/**
 * Where a command does its work: the gateway that `--url` and `--key` name, or the one that runs on this data directory,
 * or, when nothing runs, the database itself.
 */
import { existsSync } from 'node:fs';
import { z } from 'zod';
import {
  type AdminRoute,
  adminBase,
  hasBody,
  type RouteInput,
  type RouteName,
  type RouteOutput,
  routeOf,
} from '#admin/contract.ts';
import { findRunning } from '#admin/gateway-file.ts';
import { type ListName, listAll } from '#admin/lists.ts';
import { type WhoAmI, whoAmI, whoAmIPath } from '#admin/who-am-i.ts';
import { loadConfig } from '#config/load.ts';
import { type ErrorCode, errorTable, GatehouseError } from '#core/error.ts';
import { type Io, UsageError } from './io.ts';
import { type LoginStore, openLoginStore, placeOf } from './login-store.ts';

export interface Connection {
  /** Of the gateway; undefined when the database was opened directly. */
  readonly url: string | undefined;
  call<Name extends RouteName>(name: Name, input: RouteInput<Name>): Promise<RouteOutput<Name>>;
  /** Every item of a list, page after page. */
  list<Name extends ListName>(name: Name, input: RouteInput<Name>): Promise<RouteOutput<Name>['items']>;
  /** Every line of an answer that goes on, until it ends or the process is interrupted; undefined: no gateway runs. */
  readonly follow?: (path: string, hear: (line: string) => void) => Promise<void>;
  /** undefined: whoever opens the database is nobody in particular. */
  readonly whoAmI?: () => Promise<WhoAmI>;
  close(): Promise<void>;
}

export interface ConnectOptions {
  readonly url?: string | undefined;
  readonly key?: string | undefined;
}

export async function connect(io: Io, options: ConnectOptions): Promise<Connection> {
  // What a gateway requires is its own business: a command that talks to one needs to know only where it is.
  const { remote, dataDir, database } = loadConfig({ ...io, purpose: 'database' });
  const url = options.url ?? remote.url;
  if (url !== undefined) {
    const key = options.key ?? remote.key?.reveal();
    if (key !== undefined) return remoteConnection(io, url, byKey(key));
    const store = openLoginStore(io.env);
    const place = placeOf(parseUrl(url, '--url'));
    if (store.find(place)) return loginConnection(io, place, store);
    throw new UsageError(
      `--url needs a sign-in or a key: \`gatehouse login ${place}\`, or --key (GATEHOUSE_KEY) with an admin:* role`,
    );
  }
  const running = await findRunning(dataDir);
  if (running && (await isAnswering(io, running.url))) return remoteConnection(io, running.url, byKey(running.token));
  const store = openLoginStore(io.env);
  const current = store.current();
  // Whoever has a database here means that one.
  if (current !== undefined && store.find(current) && database.url === undefined && !existsSync(dataDir))
    return loginConnection(io, current, store);
  const { openLocal } = await import('./local.ts');
  return openLocal(loadConfig(io));
}

/** Work with a connection that is closed after it, however it ends. */
export async function connected<T>(
  io: Io,
  options: ConnectOptions,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  const connection = await connect(io, options);
  try {
    return await work(connection);
  } finally {
    await connection.close();
  }
}

/** What opens a gateway, and what to do where it doesn't. */
interface Opening {
  readonly bearer: () => Promise<string>;
  readonly whenUnknown: (base: string) => string;
  readonly whenForbidden: string;
}

const byKey = (key: string): Opening => ({
  bearer: async () => key,
  whenUnknown: (base) => `The key is not accepted by ${base}: make one with \`gatehouse key create\``,
  whenForbidden: 'The key may not do this: use one with an admin:* role of this organization',
});

const EARLY_MS = 30_000;

/** As whoever signed in there with `gatehouse login`; renewed when it is about to expire. */
export function loginConnection(io: Io, url: string, store: LoginStore): Connection {
  const signedOut = () =>
    new GatehouseError('invalid_token', {
      message: `You are not signed in at ${url} any more: \`gatehouse login ${url}\``,
    });
  const isFresh = (expiresAt: number) => Date.now() < expiresAt - EARLY_MS;
  const renewed = () =>
    store.alone(async () => {
      const found = store.find(url);
      if (!found) throw signedOut();
      // Another process was faster.
      if (isFresh(found.expiresAt)) return found.accessToken;
      const { renew } = await import('./login-oauth.ts');
      const next = await renew(io, found).catch((thrown: unknown) => {
        if (!(thrown instanceof GatehouseError) || thrown.code !== 'invalid_token') throw thrown;
        store.remove(url);
        throw signedOut();
      });
      store.replace(url, next);
      return next.accessToken;
    });
  return remoteConnection(io, url, {
    async bearer() {
      const found = store.find(url);
      return found && isFresh(found.expiresAt) ? found.accessToken : renewed();
    },
    whenUnknown: () => signedOut().message,
    whenForbidden: `You may not do this at ${url}: see what you administer with \`gatehouse whoami\``,
  });
}

/** A process id may have been given away again since a crash: only an answer proves that a gateway is there. */
async function isAnswering(io: Io, url: string): Promise<boolean> {
  try {
    return (await io.fetch(`${url}/health`, { signal: AbortSignal.timeout(2000) })).ok;
  } catch {
    return false;
  }
}

/** Throws UsageError. */
export function parseUrl(value: string, name: string): URL {
  if (URL.canParse(value) && /^https?:$/.test(new URL(value).protocol)) return new URL(value);
  throw new UsageError(`The ${name} must be a URL that starts with http:// or https://`);
}

function remoteConnection(io: Io, url: string, opening: Opening): Connection {
  const base = parseUrl(url, '--url') && url.replace(/\/+$/, '');
  const asked = async <T>(path: string, schema: Schema<T>, init: RequestInit = {}): Promise<T> => {
    const response = await send(io, { base, path, init, secret: await opening.bearer() });
    const answer: unknown = await response.json().catch(() => undefined);
    if (!response.ok) throw refusal(response.status, answer, { base, opening });
    const parsed = schema.safeParse(answer);
    if (parsed.success) return parsed.data;
    throw new GatehouseError('upstream_broken', {
      message: `${base} does not answer like a Gatehouse of this version: check --url`,
    });
  };
  const connection: Connection = {
    url: base,
    async call(name, input) {
      const route = routeOf(name);
      const { path, init } = requestOf(route, input);
      return (await asked(path, route.output, init)) as RouteOutput<typeof name>;
    },
    list: (name, input) => listAll(connection.call, name, input),
    follow: async (path, hear) =>
      followLines(io, { url: `${base}${adminBase}${path}`, secret: await opening.bearer(), opening }, hear),
    whoAmI: () => asked(whoAmIPath, whoAmI),
    close: async () => undefined,
  };
  return connection;
}

interface Schema<T> {
  safeParse(value: unknown): { readonly success: true; readonly data: T } | { readonly success: false };
}

function requestOf(route: AdminRoute, input: Readonly<Record<string, unknown>>) {
  const rest = { ...input };
  const path = route.path.replace(/:(\w+)/g, (_whole, name: string) => {
    const value = encodeURIComponent(String(rest[name]));
    delete rest[name];
    return value;
  });
  const { method } = route;
  if (hasBody(method))
    return { path, init: { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(rest) } };
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(rest)) if (value !== undefined) query.set(name, String(value));
  return { path: `${path}${query.size === 0 ? '' : `?${query}`}`, init: { method } };
}

interface Outgoing {
  readonly base: string;
  readonly path: string;
  readonly init: RequestInit;
  readonly secret: string;
}

async function send(io: Io, { base, path, init, secret }: Outgoing): Promise<Response> {
  try {
    return await io.fetch(`${base}${adminBase}${path}`, {
      ...init,
      headers: { ...(init.headers as Record<string, string>), authorization: `Bearer ${secret}` },
      signal: AbortSignal.timeout(30_000),
    });
  } catch (cause) {
    throw new GatehouseError('upstream_unreachable', {
      message: `No gateway answers at ${base}: start one with \`gatehouse serve\`, or correct --url`,
      cause,
    });
  }
}

/** A line is as long as the longest that a server writes: what is longer is not from here. */
const MAX_LINE_CHARACTERS = 1 << 20;

async function followLines(
  io: Io,
  { url, secret, opening }: { readonly url: string; readonly secret: string; readonly opening: Opening },
  hear: (line: string) => void,
): Promise<void> {
  const interrupted = new AbortController();
  io.onSignal(() => interrupted.abort());
  const response = await io.fetch(url, {
    headers: { authorization: `Bearer ${secret}` },
    signal: interrupted.signal,
  });
  if (!response.ok || !response.body) {
    const answer: unknown = await response.json().catch(() => undefined);
    throw refusal(response.status, answer, { base: new URL(url).origin, opening });
  }
  let rest = '';
  try {
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line.trim() !== '') hear(line);
      if (rest.length > MAX_LINE_CHARACTERS) throw new GatehouseError('upstream_broken');
    }
  } catch (thrown) {
    if (!interrupted.signal.aborted) throw thrown;
  }
}

const problemSchema = z.object({ code: z.string(), detail: z.string() });

interface Refusing {
  readonly base: string;
  readonly opening: Opening;
}

function refusal(status: number, answer: unknown, { base, opening }: Refusing): GatehouseError {
  const { code = '', detail } = problemSchema.safeParse(answer).data ?? {};
  const known = isErrorCode(code) ? code : status === 401 ? 'invalid_token' : status === 403 ? 'forbidden' : 'internal';
  if (status === 401) return new GatehouseError(known, { message: opening.whenUnknown(base) });
  if (status === 403 && known === 'forbidden' && detail === errorTable.forbidden.message)
    return new GatehouseError(known, { message: opening.whenForbidden });
  if (known === 'internal') {
    return new GatehouseError('upstream_broken', { message: `${base} answered ${status}: look into its log` });
  }
  return new GatehouseError(known, { message: detail ?? `${base} answered ${status}: look into its log` });
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorTable, code);
}
