/** `gatehouse connect` as programs start it: an official client over standard input and output (REQUIREMENTS S1.49). */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { openStdioBridge } from '#app/stdio-bridge.ts';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { type BrokeredWorld, startBrokeredWorld } from '#kit/brokered-world.ts';
import { createTestDatabase } from '#kit/postgres.ts';

const main = join(import.meta.dirname, '../../src/main.ts');
const keySchema = z.object({ key: z.string() });
const run = promisify(execFile);

let world: BrokeredWorld;
let home: string;
let key: string;
let url: string;
beforeAll(async () => {
  world = await startBrokeredWorld({ database: await createTestDatabase() });
  home = mkdtempSync(join(tmpdir(), 'gatehouse-connect-'));
  key = keySchema.parse(await world.gateway.cli('key', 'create', '--org', 'acme')).key;
  url = `${world.issuer}/acme/mcp/docs`;
}, 120_000);
afterAll(async () => {
  await world?.close();
  rmSync(home, { recursive: true, force: true });
});
beforeEach(() => world.upstream.clear());

const environment = (more: Readonly<Record<string, string>> = {}) => ({
  ...{ PATH: process.env.PATH ?? '', HOME: home, XDG_CONFIG_HOME: join(home, 'config'), BROWSER: 'none', ...more },
});

/** Whoever is at the browser signs in at the address that is printed. */
async function browse(line: string): Promise<void> {
  const address = /^Sign in with your browser: (\S+)$/.exec(line)?.[1];
  if (address === undefined) return;
  const redirectUri = new URL(address).searchParams.get('redirect_uri') ?? '';
  const back = await world.signIn(new URL(address), { with: 'local', redirectUri });
  // A page of elsewhere doesn't know the state, and is told nothing.
  const guess = await fetch(`${redirectUri}?code=guessed&state=guessed`);
  expect(guess.status).toBe(404);
  expect((await fetch(back)).status).toBe(200);
}

async function connect(args: readonly string[], more?: Readonly<Record<string, string>>) {
  const transport = new StdioClientTransport({
    ...{ command: process.execPath, args: [main, 'connect', ...args], env: environment(more), cwd: home },
    stderr: 'pipe',
  });
  const lines: string[] = [];
  let signIns = 0;
  if (transport.stderr instanceof Readable)
    createInterface({ input: transport.stderr }).on('line', (line) => {
      lines.push(line);
      if (line.startsWith('Sign in')) signIns++;
      void browse(line);
    });
  const client = new Client({ name: 'desk', version: '1' });
  await client.connect(transport);
  return { client, lines, signIns: () => signIns };
}

async function once(args: readonly string[], more?: Readonly<Record<string, string>>) {
  const child = run(process.execPath, [main, 'connect', ...args], { env: environment(more), cwd: home });
  if (child.child.stderr) createInterface({ input: child.child.stderr }).on('line', (line) => void browse(line));
  return child.then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (thrown: { code: number; stdout: string; stderr: string }) => thrown,
  );
}

test('a key in the environment is enough: lists and calls pass, the session ends with the client [S1.49]', async () => {
  const { client, signIns } = await connect([], { MCP_SERVER_URL: url, MCP_CLIENT_ACCESS_TOKEN: key });
  expect((await client.listTools()).tools.length).toBeGreaterThan(0);
  expect(JSON.stringify(await client.callTool({ name: 'echo', arguments: { a: 1 } }))).toContain('a');
  await client.close();
  expect(signIns()).toBe(0);
});

test('without one a person signs in, once; the next start has the tokens, in a file of this user only [S1.49]', async () => {
  const first = await connect([url]);
  expect((await first.client.listTools()).tools.length).toBeGreaterThan(0);
  await first.client.close();
  expect(first.signIns()).toBe(1);
  const file = join(home, 'config', 'gatehouse', 'connect.json');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const kept = z
    .record(z.string(), z.object({ tokens: z.object({ access_token: z.string() }) }))
    .parse(JSON.parse(readFileSync(file, 'utf8')));
  const second = await connect([url]);
  expect(JSON.stringify(await second.client.callTool({ name: 'echo', arguments: { b: 2 } }))).toContain('b');
  await second.client.close();
  expect(second.signIns()).toBe(0);
  expect([...first.lines, ...second.lines].join('\n')).not.toContain(kept[url]?.tokens.access_token);
}, 30_000);

test('one command each: --test-auth, --list-tools, -c, --raw, the client and its end, --reset-auth [S1.49]', async () => {
  expect((await once(['--token', url])).code).toBe(0);
  expect(await once(['--test-auth', '--server-url', url])).toMatchObject({
    code: 0,
    stderr: expect.stringContaining('takes the token'),
  });
  expect(JSON.parse((await once([url, '--list-tools'])).stdout)).toContainEqual(
    expect.objectContaining({ name: 'echo' }),
  );
  expect((await once([url, '-c', 'echo n=3 text="two words"'])).stdout).toContain('two words');
  expect((await once([url, '--raw', '{"jsonrpc":"2.0","id":1,"method":"ping"}'])).stdout.trim()).toBe('{}');
  const shown = await once([url, '--get-client-info']);
  expect([shown.stdout.includes('gatehouse connect'), shown.stdout.includes('reg-')]).toEqual([true, false]);
  expect((await once([url, '--update-client', 'client_name=Desk of Ada'])).stdout).toContain('Desk of Ada');
  expect((await once([url, '--delete-client'])).code).toBe(0);
  const refused = await once([url, '--test-auth']);
  expect(refused.code).not.toBe(0);
  writeFileSync(join(home, 'other.env'), `MCP_SERVER_URL=${url}\nMCP_CLIENT_ACCESS_TOKEN=${key}\n`);
  expect((await once(['--test-auth', '--env-file', join(home, 'other.env')])).code).toBe(0);
  expect((await once([url, '--reset-auth'])).stderr).toContain('forgotten');
}, 60_000);

test('a session that the server forgot begins anew, unseen by the client; it ends with the client [S1.49] [S1.31]', async () => {
  const script = join(import.meta.dirname, '../kit/children/mcp.ts');
  const start = (port: number) =>
    openStdioBridge(
      {
        ...{ host: '127.0.0.1', port, command: process.execPath, args: [script], env: {}, idleMs: 300_000 },
        token: undefined,
      },
      { clock: systemClock, log: silentLog, env: process.env },
    );
  const first = await start(0);
  const { client } = await connect([first.url]);
  const count = async () => JSON.stringify(await client.callTool({ name: 'count', arguments: {} }));
  expect([await count(), await count()]).toEqual([expect.stringContaining('1'), expect.stringContaining('2')]);
  await first.close();
  const second = await start(Number(new URL(first.url).port));
  expect(await count()).toContain('1');
  expect(second.sessions).toBe(1);
  await client.close();
  await expect.poll(() => second.sessions).toBe(0);
  await second.close();
}, 30_000);
