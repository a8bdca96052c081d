/**
 * Where a command does its work: the gateway that `--url` and `--key` name, or the one that runs on this data directory,
 * or, when nothing runs, the database itself.
 */
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
import { loadConfig } from '#config/load.ts';
import { type ErrorCode, errorTable, GatehouseError } from '#core/error.ts';
import { type Io, UsageError } from './io.ts';

export interface Connection {
  /** Of the gateway; undefined when the database was opened directly. */
  readonly url: string | undefined;
  call<Name extends RouteName>(name: Name, input: RouteInput<Name>): Promise<RouteOutput<Name>>;
  /** Every item of a list, page after page. */
  list<Name extends ListName>(name: Name, input: RouteInput<Name>): Promise<RouteOutput<Name>['items']>;
  /** Every line of an answer that goes on, until it ends or the process is interrupted; undefined: no gateway runs. */
  readonly follow?: (path: string, hear: (line: string) => void) => Promise<void>;
  close(): Promise<void>;
}

export interface ConnectOptions {
  readonly url?: string | undefined;
  readonly key?: string | undefined;
}

export async function connect(io: Io, options: ConnectOptions): Promise<Connection> {
  // What a gateway requires is its own business: a command that talks to one needs to know only where it is.
  const { remote, dataDir } = loadConfig({ ...io, purpose: 'database' });
  const url = options.url ?? remote.url;
  if (url !== undefined) {
    const key = options.key ?? remote.key?.reveal();
    if (key === undefined)
      throw new UsageError('--url needs --key (or GATEHOUSE_KEY): give an API key with an admin:* role');
    return remoteConnection(io, url, key);
  }
  const running = await findRunning(dataDir);
  if (running && (await isAnswering(io, running.url))) return remoteConnection(io, running.url, running.token);
  const { openLocal } = await import('./local.ts');
  return openLocal(loadConfig(io));
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

function remoteConnection(io: Io, url: string, secret: string): Connection {
  const base = parseUrl(url, '--url') && url.replace(/\/+$/, '');
  const connection: Connection = {
    url: base,
    async call(name, input) {
      const response = await send(io, { base, secret, route: routeOf(name), input });
      const answer: unknown = await response.json().catch(() => undefined);
      if (!response.ok) throw refusal(response.status, answer, base);
      const parsed = routeOf(name).output.safeParse(answer);
      if (parsed.success) return parsed.data as RouteOutput<typeof name>;
      throw new GatehouseError('upstream_broken', {
        message: `${base} does not answer like a Gatehouse of this version: check --url`,
      });
    },
    list: (name, input) => listAll(connection.call, name, input),
    follow: (path, hear) => followLines(io, { url: `${base}${adminBase}${path}`, secret }, hear),
    close: async () => undefined,
  };
  return connection;
}

interface Outgoing {
  readonly base: string;
  readonly secret: string;
  readonly route: AdminRoute;
  readonly input: Readonly<Record<string, unknown>>;
}

async function send(io: Io, { base, secret, route, input }: Outgoing): Promise<Response> {
  const rest = { ...input };
  const path = route.path.replace(/:(\w+)/g, (_whole, name: string) => {
    const value = encodeURIComponent(String(rest[name]));
    delete rest[name];
    return value;
  });
  const query = new URLSearchParams();
  if (!hasBody(route.method))
    for (const [name, value] of Object.entries(rest)) if (value !== undefined) query.set(name, String(value));
  const headers = {
    authorization: `Bearer ${secret}`,
    ...(hasBody(route.method) && { 'content-type': 'application/json' }),
  };
  try {
    return await io.fetch(`${base}${adminBase}${path}${query.size === 0 ? '' : `?${query}`}`, {
      method: route.method,
      headers,
      body: hasBody(route.method) ? JSON.stringify(rest) : null,
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
  { url, secret }: { readonly url: string; readonly secret: string },
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
    throw refusal(response.status, answer, new URL(url).origin);
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

function refusal(status: number, answer: unknown, base: string): GatehouseError {
  const { code = '', detail } = problemSchema.safeParse(answer).data ?? {};
  const known = isErrorCode(code) ? code : status === 401 ? 'invalid_token' : status === 403 ? 'forbidden' : 'internal';
  if (status === 401)
    return new GatehouseError(known, {
      message: `The key is not accepted by ${base}: make one with \`gatehouse key create\``,
    });
  if (status === 403 && known === 'forbidden' && detail === errorTable.forbidden.message) {
    return new GatehouseError(known, {
      message: 'The key may not do this: use one with an admin:* role of this organization',
    });
  }
  if (known === 'internal') {
    return new GatehouseError('upstream_broken', { message: `${base} answered ${status}: look into its log` });
  }
  return new GatehouseError(known, { message: detail ?? `${base} answered ${status}: look into its log` });
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorTable, code);
}
