/** The real product as a process: `node src/main.ts serve` on a free loopback port with a data directory of its own. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface GatewayOptions {
  /** Contents of gatehouse.yaml. */
  readonly configYaml: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Kept after `stop`; without it a fresh one is made and removed. */
  readonly dataDir?: string;
  /**
   * The embedded database, where there is a choice. Else a gateway with a configuration and no data directory of its own
   * has a copy of the run's migrated database: what it does is the same, and it starts in a third of the time.
   */
  readonly embedded?: boolean;
  /** After `serve`. */
  readonly args?: readonly string[];
  /** Milliseconds; embedded database on a cold disk. */
  readonly startTimeoutMs?: number;
  /** Throw away what the process prints once it listens: for load, where reading it would cost the tester time. */
  readonly quiet?: boolean;
}

export type LogLine = Readonly<Record<string, unknown>>;

export interface RunningGateway {
  /** Without trailing slash. */
  readonly url: string;
  readonly pid: number;
  readonly dataDir: string;
  /** Every JSON line on standard output and standard error so far. */
  logs(): readonly LogLine[];
  /** All output so far, also what is no JSON. */
  output(): string;
  /** Standard output of `gatehouse <args> --json` on the same data directory, parsed. Throws with its standard error. */
  cli(...args: string[]): Promise<unknown>;
  /** SIGTERM; the exit code (null: killed by a signal). */
  stop(): Promise<number | null>;
  /** SIGKILL, and waits until the process is gone. */
  kill9(): Promise<void>;
  /** Settles when the process ends for any reason. */
  readonly exited: Promise<number | null>;
}

const main = join(import.meta.dirname, '../../src/main.ts');
const run = promisify(execFile);

/** What of this process's environment a gateway under test sees: nothing that could configure it. */
const inherited = ['PATH', 'HOME', 'TMPDIR', 'LANG', 'NODE_V8_COVERAGE', 'NODE_COMPILE_CACHE'] as const;

export async function startGateway(options: GatewayOptions): Promise<RunningGateway> {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'gatehouse-test-'));
  const configDir = mkdtempSync(join(tmpdir(), 'gatehouse-config-'));
  const database = await databaseFor(options);
  const configFile = join(configDir, 'gatehouse.yaml');
  writeFileSync(configFile, options.configYaml);
  const env: Record<string, string> = {};
  for (const name of inherited) if (process.env[name] !== undefined) env[name] = process.env[name];
  Object.assign(env, {
    PORT: '0',
    HOST: '127.0.0.1',
    LOG_FORMAT: 'json',
    DATA_DIR: dataDir,
    GATEHOUSE_CONFIG: configFile,
    ...(database && { DATABASE_URL: database.url, ENCRYPTION_KEY: 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB' }),
    ...options.env,
  });
  const child = spawn(process.execPath, [main, 'serve', ...(options.args ?? [])], {
    cwd: configDir,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const stopWithParent = () => child.kill('SIGKILL');
  process.once('exit', stopWithParent);
  const output = collectOutput(child, options.quiet === true);
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  const cleaned = exited.then(async (code) => {
    process.off('exit', stopWithParent);
    rmSync(configDir, { recursive: true, force: true });
    await database?.drop();
    return code;
  });
  const removeData = () => {
    if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true });
  };

  const patience = setTimeout(() => child.kill('SIGKILL'), options.startTimeoutMs ?? 45_000);
  const failed = cleaned.then((code) => {
    throw new Error(`The gateway did not start (exit ${code}):\n${output.text()}`);
  });
  const url = await Promise.race([output.listening, failed]).finally(() => clearTimeout(patience));
  failed.catch(() => undefined);

  return {
    url,
    pid: child.pid ?? 0,
    dataDir,
    exited: cleaned,
    logs: output.lines,
    output: output.text,
    async cli(...args) {
      const { stdout } = await run(process.execPath, [main, ...args, '--json'], { cwd: configDir, env });
      return JSON.parse(stdout);
    },
    async stop() {
      child.kill('SIGTERM');
      const code = await cleaned;
      removeData();
      return code;
    },
    async kill9() {
      child.kill('SIGKILL');
      await cleaned;
    },
  };
}

async function databaseFor({ embedded, dataDir, configYaml, env }: GatewayOptions) {
  if (embedded || dataDir !== undefined || configYaml === '' || env?.DATABASE_URL !== undefined) return undefined;
  // Benchmarks and lanes of their own have no run with a PostgreSQL.
  if (process.env.VITEST === undefined) return undefined;
  return (await import('./postgres.ts')).copyTemplate();
}

/** An API key of the organization, in clear text, made by the command line. */
export async function createKey(gateway: RunningGateway, organization = 'demo', ...flags: string[]): Promise<string> {
  const name = `test-${Math.random().toString(36).slice(2, 8)}`;
  const made = await gateway.cli('key', 'create', '--org', organization, '--name', name, ...flags);
  if (typeof made === 'object' && made !== null && 'key' in made && typeof made.key === 'string') return made.key;
  throw new Error(`key create printed ${JSON.stringify(made)}`);
}

function collectOutput(child: ChildProcess, quiet: boolean) {
  let listens = false;
  const lines: LogLine[] = [];
  let all = '';
  let found: (url: string) => void = () => {};
  const listening = new Promise<string>((resolve) => {
    found = resolve;
  });
  for (const stream of [child.stdout, child.stderr]) {
    let rest = '';
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      if (quiet && listens) return;
      all += chunk;
      const parts = (rest + chunk).split('\n');
      rest = parts.pop() ?? '';
      for (const part of parts) {
        const line = parseLine(part);
        if (!line) continue;
        lines.push(line);
        if (line.msg !== 'listening' || typeof line.url !== 'string') continue;
        listens = true;
        found(line.url.replace(/\/$/, ''));
      }
    });
  }
  return { listening, lines: () => lines, text: () => all };
}

function parseLine(line: string): LogLine | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
