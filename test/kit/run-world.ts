/** A gateway that runs programs without a sandbox, its command line, and official clients of what it runs. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { createKey, type RunningGateway, startGateway } from './gateway.ts';
import { type CliRun, cli } from './run-cli.ts';

export const runnable = join(import.meta.dirname, 'children/runnable.ts');

export interface RunWorld {
  readonly gateway: RunningGateway;
  readonly key: string;
  /** As an operator types it on the gateway's machine. */
  run(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<CliRun>;
  /** `gatehouse run` of `runnable`. */
  runServer(name: string, flags?: readonly string[], more?: RunMore): Promise<CliRun>;
  /** A tool's answer, by the official client. */
  call(url: string, tool: string, args?: Readonly<Record<string, unknown>>): Promise<unknown>;
  close(): Promise<void>;
}

export interface RunMore {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export async function startRunWorld(options: {
  readonly configYaml?: string;
  readonly env?: Readonly<Record<string, string>>;
}): Promise<RunWorld> {
  const configYaml = `organizations: [{ slug: acme, name: Acme }]\nrunner: { sandbox: none }\n${options.configYaml ?? ''}`;
  // Commands find it by its data directory alone, as on an operator's own machine.
  const gateway = await startGateway({ configYaml, embedded: true, ...(options.env && { env: options.env }) });
  const key = await createKey(gateway, 'acme');
  const run = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
    cli(args, { env: { PATH: process.env.PATH, ...env, DATA_DIR: gateway.dataDir } });
  return {
    gateway,
    key,
    run,
    runServer: (name, flags = [], { args = [], env = {} } = {}) =>
      run(['run', ...flags, '--organization', 'acme', '--yes', process.execPath, name, '--', runnable, ...args], env),
    call: (url, tool, args = {}) => callTool({ url, key }, tool, args),
    close: async () => void (await gateway.stop()),
  };
}

async function callTool(
  { url, key }: { readonly url: string; readonly key: string },
  name: string,
  args: Readonly<Record<string, unknown>>,
): Promise<unknown> {
  const client = new Client({ name: 'test', version: '1' });
  const headers = { authorization: `Bearer ${key}` };
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
  try {
    const { content } = await client.callTool({ name, arguments: { ...args } });
    const [first] = content;
    if (first?.type !== 'text') throw new Error('no text');
    return JSON.parse(first.text);
  } finally {
    await client.close();
  }
}

/** Free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

export interface Followed {
  /** Resolves at the first line that holds `text`. */
  line(text: string): Promise<string>;
  /** As Ctrl-C does. */
  interrupt(): Promise<number | null>;
}

/** `gatehouse logs -f` as a process of its own. */
export function follow(gateway: RunningGateway, name: string): Followed {
  const main = join(import.meta.dirname, '../../src/main.ts');
  const child: ChildProcess = spawn(process.execPath, [main, 'logs', '-f', name], {
    env: { PATH: process.env.PATH, DATA_DIR: gateway.dataDir },
    cwd: gateway.dataDir,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  const wanted = new Set<() => void>();
  if (child.stdout)
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line);
      for (const look of wanted) look();
    });
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  return {
    line: (text) =>
      new Promise((resolve) => {
        const look = () => {
          const found = lines.find((line) => line.includes(text));
          if (found === undefined) return;
          wanted.delete(look);
          resolve(found);
        };
        wanted.add(look);
        look();
      }),
    interrupt() {
      child.kill('SIGINT');
      return exited;
    },
  };
}
