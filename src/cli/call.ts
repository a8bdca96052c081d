/** `tools` and `call`: a real MCP client, of either era, against an endpoint of a gateway or any MCP URL. */
import { randomUUID } from 'node:crypto';
import {
  Client,
  ProtocolError,
  SdkHttpError,
  StreamableHTTPClientTransport,
  type Tool,
  UnauthorizedError,
} from '@modelcontextprotocol/client';
import { loadConfig } from '#config/load.ts';
import { GatehouseError } from '#core/error.ts';
import { type Connection, type ConnectOptions, connect, parseUrl } from './connection.ts';
import { type Io, UsageError } from './io.ts';
import { chooseOrganization } from './organization.ts';
import { printable, printJson } from './output.ts';
import { openProgress } from './progress.ts';
import { printTable } from './table.ts';

interface CallOptions extends ConnectOptions {
  readonly json?: boolean;
  readonly version: string;
  /** Seconds. */
  readonly timeout?: number;
}

export function listTools(io: Io, endpoint: string, options: CallOptions): Promise<void> {
  return withClient(io, { endpoint, options }, async (client) => {
    const tools: Tool[] = [];
    let cursor: string | undefined;
    do {
      const page = await client.listTools(cursor === undefined ? {} : { cursor });
      tools.push(...page.tools);
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    if (options.json) return printJson(io, tools);
    printTable(
      io,
      ['TOOL', 'DESCRIPTION'],
      tools.map(({ name, description = '' }) => [name, firstLine(description)]),
    );
  });
}

function firstLine(text: string): string {
  const [line = ''] = text.trim().split('\n');
  return line.length > 100 ? `${line.slice(0, 99)}…` : line;
}

export interface ToolCall {
  readonly endpoint: string;
  readonly tool: string;
  /** Arguments as JSON. */
  readonly text: string | undefined;
}

export async function callTool(io: Io, { endpoint, tool, text }: ToolCall, options: CallOptions): Promise<void> {
  const args = parseArguments(text);
  const progress = openProgress(io, tool);
  try {
    await withClient(io, { endpoint, options }, async (client) => {
      const timeoutMs = (options.timeout ?? 600) * 1000;
      const result = await client.callTool(
        { name: tool, arguments: args },
        { timeout: timeoutMs, maxTotalTimeout: timeoutMs, onprogress: progress.report },
      );
      progress.close();
      if (options.json) printJson(io, result);
      else printContent(io, result);
      if (result.isError)
        throw new GatehouseError('upstream_broken', { message: `The tool ${tool} answered with an error: see above` });
    });
  } finally {
    progress.close();
  }
}

function parseArguments(text: string | undefined): Record<string, unknown> {
  if (text === undefined) return {};
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  } catch {
    // Said below, as for any other value that is no object.
  }
  throw new UsageError('The arguments must be one JSON object, such as \'{"message":"hi"}\'');
}

interface ToolResult {
  readonly content?: readonly { readonly type: string }[];
  readonly structuredContent?: unknown;
}

function printContent(io: Io, { content = [], structuredContent }: ToolResult): void {
  for (const block of content) {
    const text = 'text' in block && typeof block.text === 'string' ? block.text : undefined;
    io.out(`${text === undefined ? JSON.stringify(block) : io.outIsTerminal ? printable(text) : text}\n`);
  }
  if (content.length === 0 && structuredContent !== undefined) printJson(io, structuredContent);
}

interface Reaching {
  readonly endpoint: string;
  readonly options: CallOptions;
}

async function withClient(
  io: Io,
  { endpoint, options }: Reaching,
  work: (client: Client) => Promise<void>,
): Promise<void> {
  const target = await openTarget(io, endpoint, options);
  const client = new Client(
    { name: 'gatehouse-cli', version: options.version },
    { versionNegotiation: { mode: 'auto' } },
  );
  const headers = target.key === undefined ? {} : { authorization: `Bearer ${target.key}` };
  try {
    await client.connect(new StreamableHTTPClientTransport(target.url, { requestInit: { headers }, fetch: io.fetch }));
    await work(client);
  } catch (thrown) {
    throw explain(thrown, target.url);
  } finally {
    await client.close().catch(() => undefined);
    await target.close();
  }
}

interface Target {
  readonly url: URL;
  readonly key: string | undefined;
  close(): Promise<void>;
}

async function openTarget(io: Io, endpoint: string, options: CallOptions): Promise<Target> {
  const { remote } = loadConfig({ ...io, purpose: 'database' });
  const close = async () => undefined;
  const gateway = options.url ?? remote.url;
  if (/^https?:\/\//.test(endpoint)) {
    const url = parseUrl(endpoint, 'endpoint');
    // A key kept for the gateway is not for whoever else is asked.
    const isOurs = gateway !== undefined && parseUrl(gateway, '--url').origin === url.origin;
    return { url, key: options.key ?? (isOurs ? remote.key?.reveal() : undefined), close };
  }
  const place = parsePlace(endpoint);
  if (gateway !== undefined) {
    const path = [place.organization, 'mcp', place.name].filter((part) => part !== undefined).join('/');
    return {
      url: parseUrl(`${gateway.replace(/\/+$/, '')}/${path}`, '--url'),
      key: options.key ?? remote.key?.reveal(),
      close,
    };
  }
  const connection = await connect(io, options);
  const organization = place.organization ?? (await chooseOrganization(connection, undefined));
  return borrowKey(connection, { organization, name: place.name, key: options.key });
}

interface Place {
  /** Undefined: the caller's own. */
  readonly organization: string | undefined;
  /** Undefined: everything there. */
  readonly name: string | undefined;
}

/** `ORGANIZATION/NAME`, `ORGANIZATION/` for everything there, `NAME`, `/` for everything of the only organization. */
function parsePlace(endpoint: string): Place {
  const [first = '', second, ...more] = endpoint.split('/');
  if (more.length > 0 || (first === '' && second !== ''))
    throw new UsageError('Write the endpoint as ORGANIZATION/NAME, ORGANIZATION/ for everything there, NAME, or a URL');
  if (second === undefined) return { organization: undefined, name: first };
  return { organization: first === '' ? undefined : first, name: second === '' ? undefined : second };
}

interface Borrowing {
  readonly organization: string;
  readonly name: string | undefined;
  readonly key: string | undefined;
}

/** Without a key of the caller's: one for this endpoint and five minutes, revoked when the command ends. */
export async function borrowKey(connection: Connection, { organization, name, key }: Borrowing): Promise<Target> {
  if (connection.url === undefined) {
    await connection.close();
    throw new GatehouseError('upstream_unreachable', {
      message: 'No gateway runs on this data directory: start one with `gatehouse serve`, or give --url',
    });
  }
  const url = new URL(`${connection.url}/${organization}/mcp${name === undefined ? '' : `/${name}`}`);
  if (key !== undefined) return { url, key, close: () => connection.close() };
  const items = await connection.list('listCollections', { organization });
  const here = items.filter((item) => name === undefined || item.name === name);
  const roles = here.flatMap(({ allowedRoles }) => (allowedRoles === '*' ? [] : allowedRoles));
  const made = await connection.call('createKey', {
    organization,
    name: `command line ${randomUUID().slice(0, 8)}`,
    roles: roles.length === 0 ? ['member'] : [...new Set(roles)],
    ...(name === undefined ? {} : { endpoints: [name] }),
    expiresInSeconds: 300,
  });
  return {
    url,
    key: made.key,
    async close() {
      // It would expire by itself: a failure here is no failure of the command.
      await connection.call('revokeKey', { organization, id: made.id }).catch(() => undefined);
      await connection.close();
    },
  };
}

function explain(thrown: unknown, url: URL): unknown {
  if (thrown instanceof GatehouseError || thrown instanceof UsageError) return thrown;
  const status = thrown instanceof SdkHttpError ? thrown.status : thrown instanceof UnauthorizedError ? 401 : undefined;
  const message = thrown instanceof Error ? printable(thrown.message) : 'unknown error';
  if (status === 401)
    return new GatehouseError('invalid_token', {
      message: `${url.host} wants a key: give --key, or make one with \`gatehouse key create\``,
      cause: thrown,
    });
  if (status === 403)
    return new GatehouseError('forbidden', {
      message: `The key may not use ${url.pathname}: grant it with \`gatehouse grant add\`, or use a key with an allowed role`,
      cause: thrown,
    });
  if (status === 404)
    return new GatehouseError('unknown_endpoint', {
      message: `There is nothing at ${url.pathname}: look with \`gatehouse server list\` and \`gatehouse collection list\``,
      cause: thrown,
    });
  if (isNoAnswer(thrown))
    return new GatehouseError('upstream_unreachable', {
      message: `Nothing answers at ${url.origin}: start the gateway with \`gatehouse serve\`, or correct the address`,
      cause: thrown,
    });
  if (/^Tool .* not found$|^Unknown tool\b/i.test(message))
    return new GatehouseError('invalid_params', {
      message: `${message}: list what there is with \`gatehouse tools\``,
      cause: thrown,
    });
  if (thrown instanceof ProtocolError && thrown.code === -32602)
    return new GatehouseError('invalid_params', {
      message: `${message}: see what the tool takes with \`gatehouse tools --json\``,
      cause: thrown,
    });
  if (status !== undefined && status >= 502 && status <= 504)
    return new GatehouseError('upstream_unreachable', {
      message: `The server behind ${url.pathname} is away, busy or too slow (${status}): look into the gateway's log`,
      cause: thrown,
    });
  return new GatehouseError('upstream_broken', {
    message: `${url.host} could not do that (${message}): look into its log`,
    cause: thrown,
  });
}

/** Nobody took the connection: Node's `fetch` says so as the innermost cause, the SDK wraps it. */
function isNoAnswer(thrown: unknown): boolean {
  for (let error = thrown; error instanceof Error; error = error.cause) {
    if (error.message === 'fetch failed') return true;
    if ('code' in error && /^E(CONNREFUSED|CONNRESET|NOTFOUND|HOSTUNREACH|TIMEDOUT)$/.test(String(error.code)))
      return true;
  }
  return thrown instanceof Error && thrown.message.endsWith(': fetch failed');
}
