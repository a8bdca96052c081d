/** `check`: greets servers as a client does (REQUIREMENTS S1.34): who answers, with which revision, how fast. */
import { z } from 'zod';
import { type NamedWish, namedServers } from '#admin/named-servers.ts';
import { loadConfig } from '#config/load.ts';
import { GatehouseError } from '#core/error.ts';
import { otherSpelling } from '#core/mcp-path.ts';
import { borrowKey } from './call.ts';
import { type Connection, type ConnectOptions, connect } from './connection.ts';
import type { Io } from './io.ts';
import { chooseOrganization } from './organization.ts';
import { printable, printJson } from './output.ts';
import { printTable } from './table.ts';

interface CheckOptions extends ConnectOptions {
  readonly org?: string;
  readonly json?: boolean;
}

interface Checked {
  readonly server: string;
  readonly url: string;
  readonly state: 'well' | 'off' | 'failed';
  readonly protocolVersion: string | undefined;
  readonly ms: number;
  readonly problem: string | undefined;
}

/** Throws GatehouseError `upstream_unreachable` when one isn't well. */
export async function checkServers(io: Io, keys: readonly string[], options: CheckOptions): Promise<void> {
  const { named } = loadConfig({ ...io, purpose: 'database' });
  const connection = await connect(io, options);
  const organization = await chooseOrganization(connection, options.org);
  const wanted = keys.length > 0 ? keys : await defaultKeys(connection, named);
  const target = await borrowKey(connection, { organization, name: undefined, key: options.key });
  try {
    const all = wanted.flatMap((server) => {
      const urls = wishFor(named, server)?.urls ?? [];
      const own = [`${target.url.href}/${server}`];
      return (urls.length > 0 ? urls : own).map((url) => ({ server, url }));
    });
    const checked: Checked[] = [];
    for (const one of all) checked.push(await greet(io, one, { key: target.key, origin: target.url.origin }));
    print(io, checked, options);
    const failed = checked.filter(({ state }) => state === 'failed');
    if (failed.length > 0)
      throw new GatehouseError('upstream_unreachable', {
        message: `Not well: ${failed.map(({ server }) => server).join(', ')}: look into the gateway's log`,
      });
  } finally {
    await target.close();
  }
}

const wishFor = (named: readonly NamedWish[], key: string): NamedWish | undefined =>
  named.find(({ name }) => name === key || name === otherSpelling(key));

/** Those whose variable says so; else all, without those whose variable says no. */
async function defaultKeys(connection: Connection, named: readonly NamedWish[]): Promise<readonly string[]> {
  const items = await connection.list('listServers', {});
  const all = items.map(({ key }) => key);
  const chosen = all.filter((key) => wishFor(named, key)?.tested === true);
  return chosen.length > 0 ? chosen : all.filter((key) => wishFor(named, key)?.tested !== false);
}

const PATIENCE_MS = 20_000;
const hello = z.object({
  result: z.object({ protocolVersion: z.string() }).optional(),
  error: z.object({ message: z.string(), data: z.unknown().optional() }).optional(),
});

async function greet(
  io: Io,
  { server, url }: Pick<Checked, 'server' | 'url'>,
  { key, origin }: { readonly key: string | undefined; readonly origin: string },
): Promise<Checked> {
  const startedAt = performance.now();
  const pinned = namedServers.find(({ name }) => name === server || name === otherSpelling(server))?.protocolVersion;
  const wanted = pinned ?? '2025-11-25';
  const done = (state: Checked['state'], protocolVersion?: string, problem?: string): Checked => ({
    ...{ server, url, state, protocolVersion, ms: Math.round(performance.now() - startedAt), problem },
  });
  // A key for the gateway is not for whoever else is asked.
  const headers = {
    ...{ 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
    ...(key !== undefined && new URL(url).origin === origin && { authorization: `Bearer ${key}` }),
  };
  const clientInfo = { name: 'gatehouse-check', version: '1' };
  const params = { protocolVersion: wanted, capabilities: {}, clientInfo };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params });
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const answer = await io.fetch(url, { method: 'POST', headers, body, signal, redirect: 'manual' });
    const { result, error } = readHello(await answer.text());
    const session = answer.headers.get('mcp-session-id');
    if (session !== null) await end(io, url, { ...headers, 'mcp-session-id': session });
    if (/is not enabled/.test(String(error?.data))) return done('off');
    if (!result) return done('failed', undefined, error?.message ?? `status ${answer.status}`);
    const isOther = pinned !== undefined && result.protocolVersion !== pinned;
    return done(isOther ? 'failed' : 'well', result.protocolVersion, isOther ? `wants ${pinned}` : undefined);
  } catch (thrown) {
    return done('failed', undefined, thrown instanceof Error ? thrown.message : 'no answer');
  }
}

async function end(io: Io, url: string, headers: Record<string, string>): Promise<void> {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  await io.fetch(url, { method: 'DELETE', headers, signal, redirect: 'manual' }).catch(() => undefined);
}

/** JSON, or the first event of a stream. */
function readHello(text: string): z.output<typeof hello> {
  const data = /^data: ?(.*)$/m.exec(text)?.[1] ?? text;
  try {
    return hello.safeParse(JSON.parse(data)).data ?? {};
  } catch {
    return {};
  }
}

function print(io: Io, checked: readonly Checked[], { json }: CheckOptions): void {
  if (json) {
    printJson(io, checked);
    return;
  }
  printTable(
    io,
    ['SERVER', 'STATE', 'REVISION', 'MS', 'URL', 'PROBLEM'],
    checked.map(({ server, state, protocolVersion, ms, url, problem }) => [
      ...[server, state, protocolVersion ?? '-', String(ms), url, printable(problem ?? '')],
    ]),
  );
}
