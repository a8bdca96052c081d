/** `connect`: a server over HTTP as one over standard input and output, signing in where that is needed (REQUIREMENTS S1.49). */
import { createInterface } from 'node:readline';
import { SdkHttpError, UnauthorizedError } from '@modelcontextprotocol/client';
import { parseDotenv } from '#config/dotenv.ts';
import { GatehouseError } from '#core/error.ts';
import { isJsonObject, type JsonObject, parseJson } from '#core/json.ts';
import { changeClient, keepingRegistration } from './connect-client.ts';
import { type Link, openLink } from './connect-link.ts';
import { openSignIn } from './connect-sign-in.ts';
import { type ConnectStore, openConnectStore } from './connect-store.ts';
import { parseUrl } from './connection.ts';
import { type Io, UsageError } from './io.ts';
import { printable, printJson } from './output.ts';

export interface ConnectOptions {
  readonly url?: string | undefined;
  readonly serverUrl?: string;
  readonly envFile?: string;
  readonly logLevel: string;
  readonly token?: true;
  readonly testAuth?: true;
  readonly resetAuth?: true;
  readonly command?: string;
  readonly raw?: string;
  readonly listTools?: true;
  readonly listResources?: true;
  readonly listPrompts?: true;
  readonly getClientInfo?: true;
  readonly updateClient?: readonly string[];
  readonly deleteClient?: true;
}

/** A client of ours, its server and what is kept of it. */
interface Seat {
  readonly io: Io;
  readonly url: URL;
  readonly store: ConnectStore;
  readonly options: ConnectOptions;
}

export async function connectServer(given: Io, options: ConnectOptions): Promise<void> {
  const env = readEnvironment(given, options.envFile);
  const io = { ...given, env };
  const text = options.url ?? options.serverUrl ?? env.MCP_SERVER_URL;
  if (text === undefined) throw new UsageError('Give the URL of the server, or set MCP_SERVER_URL');
  const url = parseUrl(text, 'server URL');
  const seat = { io, url, store: openConnectStore(env, url.href), options };
  if (options.resetAuth) {
    seat.store.forget();
    io.err('Tokens and client are forgotten.\n');
    return;
  }
  const { getClientInfo, updateClient, deleteClient } = options;
  if (getClientInfo || updateClient || deleteClient)
    return changeClient(io, seat.store, { fields: updateClient, isEnd: deleteClient === true });
  const ask = questionOf(options);
  if (ask) return askOnce(seat, ask);
  return relay(seat);
}

function readEnvironment(io: Io, file: string | undefined): Io['env'] {
  const text = io.readFile(file ?? `${io.cwd}/.env`);
  if (text === undefined && file !== undefined) throw new UsageError(`There is no file ${file}`);
  return { ...(text !== undefined && parseDotenv(text, io.env)), ...io.env };
}

type Ask = (request: (method: string, params?: JsonObject) => Promise<JsonObject>) => Promise<unknown>;

/** What is printed; undefined: nothing but that it worked. */
function questionOf(options: ConnectOptions): Ask | undefined {
  const { command, raw } = options;
  if (options.token || options.testAuth) return async () => undefined;
  if (options.listTools) return (request) => pages(request, 'tools');
  if (options.listResources) return (request) => pages(request, 'resources');
  if (options.listPrompts) return (request) => pages(request, 'prompts');
  if (command !== undefined) return (request) => request('tools/call', parseCall(command));
  if (raw === undefined) return undefined;
  const message = readMessage(raw);
  if (typeof message?.method !== 'string') throw new UsageError('--raw is one JSON-RPC request: {"method": …}');
  const { method, params } = message;
  return (request) => request(method, isJsonObject(params) ? params : {});
}

const MAX_PAGES = 1000;

async function pages(request: Parameters<Ask>[0], name: 'tools' | 'resources' | 'prompts'): Promise<unknown> {
  const items: unknown[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < MAX_PAGES; page++) {
    const answer = await request(`${name}/list`, cursor === undefined ? {} : { cursor });
    if (Array.isArray(answer[name])) items.push(...answer[name]);
    if (typeof answer.nextCursor !== 'string') break;
    cursor = answer.nextCursor;
  }
  return items;
}

/** `name {"a": 1}` or `name a=1 b=text`. */
function parseCall(text: string): JsonObject {
  const [, name = '', rest = ''] = /^\s*(\S+)\s*([\s\S]*)$/.exec(text) ?? [];
  if (name === '') throw new UsageError('-c is the name of a tool and its arguments, such as "echo message=hello"');
  if (rest.startsWith('{')) {
    const given = readMessage(rest);
    if (!given) throw new UsageError('The arguments after the tool are no JSON object');
    return { name, arguments: given };
  }
  const words = rest.match(/[^\s=]+=(?:"[^"]*"|\S*)/g) ?? [];
  const pairs = words.map((word) => {
    const at = word.indexOf('=');
    return [word.slice(0, at), parseWord(word.slice(at + 1))] as const;
  });
  return { name, arguments: Object.fromEntries(pairs) };
}

function parseWord(text: string): JsonObject[string] {
  if (/^(?:-?\d+(?:\.\d+)?|true|false|null|".*")$/.test(text)) return parseJson(text);
  return text;
}

function readMessage(text: string): JsonObject | undefined {
  try {
    const value = parseJson(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

async function askOnce({ io, url, store, options }: Seat, ask: Ask): Promise<void> {
  const signIn = await openSignIn(io, store, !options.testAuth);
  const waiting = new Map<unknown, PromiseWithResolvers<JsonObject>>();
  const link = openLink({
    ...{ url, signIn, fetch: keepingRegistration(io.fetch, store), onError: logErrors(io, options) },
    onMessage: (message) => waiting.get(message.id)?.resolve(message),
  });
  let count = 0;
  const request = async (method: string, params: JsonObject = {}): Promise<JsonObject> => {
    const id = ++count;
    const answer = Promise.withResolvers<JsonObject>();
    waiting.set(id, answer);
    await link.send({ jsonrpc: '2.0', id, method, params });
    const { result, error } = await answer.promise;
    if (isJsonObject(result)) return result;
    const said = isJsonObject(error) && typeof error.message === 'string' ? error.message : 'no result';
    throw new GatehouseError('upstream_broken', { message: `The server says: ${printable(said)}` });
  };
  try {
    const clientInfo = { name: 'gatehouse-connect', version: '1' };
    await request('initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo });
    await link.send({ jsonrpc: '2.0', method: 'notifications/initialized' });
    const found = await ask(request);
    if (found === undefined) io.err(`${url.href} takes the token.\n`);
    else printJson(io, found);
  } catch (thrown) {
    throw explain(thrown, url);
  } finally {
    await link.close();
  }
}

function explain(thrown: unknown, url: URL): unknown {
  if (thrown instanceof GatehouseError || thrown instanceof UsageError) return thrown;
  if (thrown instanceof UnauthorizedError || (thrown instanceof SdkHttpError && thrown.status === 401))
    return new GatehouseError('invalid_token', { message: `${url.host} does not take the token`, cause: thrown });
  const message = thrown instanceof Error ? printable(thrown.message) : 'unknown error';
  return new GatehouseError('upstream_unreachable', { message: `${url.host}: ${message}`, cause: thrown });
}

const logErrors = (io: Io, { logLevel }: ConnectOptions): ((error: Error) => void) =>
  logLevel === 'debug' ? (error) => io.err(`${printable(error.message)}\n`) : () => undefined;

const DRAIN_MS = 30_000;

/** Until standard input ends, or a signal comes. */
async function relay({ io, url, store, options }: Seat): Promise<void> {
  const signIn = await openSignIn(io, store, true);
  const open = new Set<unknown>();
  const idle = { wake: (): void => undefined };
  const out = (message: JsonObject) => {
    if (message.method === undefined) open.delete(message.id);
    io.out(`${JSON.stringify(message)}\n`);
    if (open.size === 0) idle.wake();
  };
  const link = openLink({
    url,
    signIn,
    fetch: keepingRegistration(io.fetch, store),
    onMessage: out,
    onError: logErrors(io, options),
  });
  const lines = createInterface({ input: io.input, crlfDelay: Number.POSITIVE_INFINITY });
  io.onSignal(() => {
    open.clear();
    lines.close();
    idle.wake();
  });
  let gate: Promise<void> = Promise.resolve();
  for await (const line of lines) {
    const message = line.trim() === '' ? undefined : readMessage(line);
    if (!message) {
      if (line.trim() !== '') out({ jsonrpc: '2.0', id: null, error: { code: -32700, message: 'Parse error' } });
      continue;
    }
    const isRequest = message.method !== undefined && message.id !== undefined;
    if (isRequest) open.add(message.id);
    const sent = gate.then(() => deliver(link, message, out));
    // A request may take long; what follows a notification must come after it.
    if (!isRequest || message.method === 'initialize') gate = sent;
  }
  await gate;
  if (open.size > 0) {
    await new Promise<void>((resolve) => {
      idle.wake = () => resolve(undefined);
      setTimeout(resolve, DRAIN_MS).unref();
    });
  }
  await link.close();
}

/** What the server refuses is its answer. Never rejects. */
async function deliver(link: Link, message: JsonObject, out: (message: JsonObject) => void): Promise<void> {
  try {
    await link.send(message);
  } catch (thrown) {
    if (message.method === undefined || message.id === undefined) return;
    out(refusalOf(thrown, message.id));
  }
}

function refusalOf(thrown: unknown, id: JsonObject[string] | undefined): JsonObject {
  const text = thrown instanceof SdkHttpError ? thrown.data.text : undefined;
  const said = typeof text === 'string' ? readMessage(text) : undefined;
  const message = thrown instanceof Error ? printable(thrown.message) : 'The server cannot be reached';
  const error = isJsonObject(said?.error) ? said.error : { code: -32603, message };
  return { jsonrpc: '2.0', id: id ?? null, error };
}
