/**
 * The servers that come with the gateway: `echo` (with and without sessions), `time` and `fetch`. Ordinary MCP servers
 * of both eras, in this process, on a socket that only this user can reach; the HTTP adapter calls them like any other.
 */

import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, type McpServerFactory } from '@modelcontextprotocol/server';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import type { Log } from '#core/log.ts';
import { readBody } from '#http/body.ts';
import { echoServer } from './echo.ts';
import { type GuardedFetch, openFetchServer } from './fetch.ts';
import { refuse } from './refuse.ts';
import { openSessionful } from './sessionful.ts';
import { timeServer } from './time.ts';

export interface BuiltinDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** Refuses private addresses, follows no redirect (http/egress.ts): what the `fetch` server reaches the world by. */
  readonly fetch: GuardedFetch;
  readonly options?: Partial<BuiltinOptions>;
}

export interface BuiltinOptions {
  /** Sessions of `echo-stateful` without a request. */
  readonly sessionTtlMs: number;
  readonly maxSessions: number;
  readonly maxBodyBytes: number;
  /** What the echo servers are asked, without what is in it, goes to the log. */
  readonly logEchoes: boolean;
}

export interface Builtins {
  readonly names: readonly string[];
  /** Where the server answers. Throws GatehouseError `upstream_unreachable` for an unknown name. */
  addressOf(name: string): BuiltinAddress;
  socketPathFor(name: string): string;
  close(): Promise<void>;
}

export interface BuiltinAddress {
  readonly url: string;
  /** Unix socket, on Windows a named pipe. */
  readonly socketPath: string;
}

type Handler = (req: IncomingMessage, res: ServerResponse, body: unknown) => Promise<void>;

interface Served {
  readonly handle: Handler;
  close(): Promise<void>;
}

const defaults: BuiltinOptions = {
  ...{ sessionTtlMs: 3_600_000, maxSessions: 10_000, maxBodyBytes: 1024 * 1024 },
  logEchoes: false,
};

export async function openBuiltins(deps: BuiltinDeps): Promise<Builtins> {
  const options = { ...defaults, ...deps.options };
  const { clock, log } = deps;
  const stateful = openSessionful({
    clock,
    ttlMs: options.sessionTtlMs,
    maxSessions: options.maxSessions,
    server: (session) => echoServer({ clock, session }),
    modern: stateless(() => echoServer({ clock, session: undefined }), log, 'reject'),
  });
  const fetchServer = openFetchServer(deps);
  const served = new Map<string, Served>([
    ['echo', stateful],
    ['echo-stateful', stateful],
    ['echo-stateless', stateless(() => echoServer({ clock, session: undefined }), log)],
    ['time', stateless(() => timeServer(clock), log)],
    ['fetch', stateless(fetchServer, log)],
  ]);
  const server = createServer((req, res) => {
    if (options.logEchoes && req.url?.startsWith('/echo')) log.info({ method: req.method, path: req.url }, 'echo');
    route(served, req, res, options.maxBodyBytes).catch((thrown: unknown) => {
      log.error({ err: thrown }, 'a builtin server failed');
      if (!res.headersSent) refuse(res, 500, -32603, 'Internal error');
      else res.destroy();
    });
  });
  const { socketPath, remove } = await listen(server);
  const addressOf = (name: string): BuiltinAddress => {
    if (!served.has(name)) throw new GatehouseError('upstream_unreachable', { cause: `No builtin server ${name}` });
    return { url: `http://builtin.invalid/${name}/mcp`, socketPath };
  };
  return {
    names: [...served.keys()],
    addressOf,
    socketPathFor: (name) => addressOf(name).socketPath,
    async close() {
      await Promise.all([...new Set(served.values())].map((one) => one.close()));
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
      await remove();
    },
  };
}

/** One server object per request, for both eras. */
function stateless(factory: McpServerFactory, log: Log, legacy: 'stateless' | 'reject' = 'stateless'): Served {
  const onerror = (error: Error) => log.debug({ err: error }, 'a builtin server refused a request');
  const handler = createMcpHandler(factory, { legacy, onerror });
  const node = toNodeHandler(handler, { onerror });
  return {
    handle: (req, res, body) => node(req, res, body),
    close: () => handler.close(),
  };
}

async function route(
  served: ReadonlyMap<string, Served>,
  req: IncomingMessage,
  res: ServerResponse,
  maxBytes: number,
): Promise<void> {
  const found = served.get(/^\/([a-z-]+)\/mcp\/?$/.exec(req.url ?? '')?.[1] ?? '');
  if (!found) return refuse(res, 404, -32000, 'Not found');
  if (req.method !== 'POST') return found.handle(req, res, undefined);
  const body = await readJson(req, maxBytes);
  if (body === undefined) return refuse(res, 400, -32700, 'Parse error');
  if (Array.isArray(body)) return refuse(res, 400, -32600, 'Batch requests are not supported');
  return found.handle(req, res, body);
}

function readJson(req: IncomingMessage, maxBytes: number): Promise<unknown> {
  return new Promise((resolve) => {
    readBody(req, maxBytes, {
      done(bytes) {
        try {
          resolve(JSON.parse(bytes.toString('utf8')));
        } catch {
          resolve(undefined);
        }
      },
      fail: () => resolve(undefined),
    });
  });
}

/** In a folder of mode 0700 with a name nobody can guess beforehand. */
async function listen(server: Server): Promise<{ socketPath: string; remove: () => Promise<void> }> {
  if (process.platform === 'win32') {
    const socketPath = `\\\\.\\pipe\\gatehouse-${randomBytes(16).toString('hex')}`;
    await listening(server, socketPath);
    return { socketPath, remove: () => Promise.resolve() };
  }
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-builtin-'));
  await chmod(folder, 0o700);
  const socketPath = join(folder, 'builtin.sock');
  await listening(server, socketPath);
  return { socketPath, remove: () => rm(folder, { recursive: true, force: true }) };
}

function listening(server: Server, socketPath: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(socketPath, () => {
      server.off('error', reject);
      server.unref();
      resolve();
    });
  });
}
