/**
 * A real Podman of its own: storage, state and socket in a temporary folder, and one image made of the Node.js that runs
 * the tests. Where that can't be had, `findPodman` says why and the tests that need it are skipped.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export interface Podman {
  /** `unix://…`. */
  readonly socket: string;
  readonly socketPath: string;
  /** Entry point `/bin/node`; test/kit/children/{mcp,listening-mcp}.ts are in `/app`. Declares the volume `/data`. */
  readonly image: string;
  cli(...args: string[]): string;
  close(): Promise<void>;
}

const kit = join(import.meta.dirname, 'children');

/** A reason instead of a Podman: there is none, or it can't run anything here. */
export async function findPodman(): Promise<Podman | string> {
  if (process.platform !== 'linux') return 'not Linux';
  if (process.getuid?.() !== 0) return 'Podman is tested as root only: its storage is in a folder of its own';
  const paths = (process.env.PATH ?? '').split(':').concat('/usr/sbin');
  for (const program of ['podman', 'runc', 'tar']) {
    if (!paths.some((path) => existsSync(join(path, program)))) return `${program} is not installed`;
  }
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-podman-'));
  const podman = openPodman(folder);
  try {
    await podman.ready;
    return podman;
  } catch (thrown) {
    await podman.close();
    return `Podman cannot run containers here: ${String(thrown instanceof Error ? thrown.message : thrown).slice(0, 500)}`;
  }
}

function openPodman(folder: string): Podman & { readonly ready: Promise<void> } {
  const inside = (name: string) => join(folder, name);
  for (const name of ['root', 'run', 'tmp', 'net']) mkdirSync(inside(name));
  const socketPath = inside('engine.sock');
  const image = 'localhost/gatehouse-test:1';
  const flags = [
    ...['--root', inside('root'), '--runroot', inside('run'), '--tmpdir', inside('tmp')],
    ...['--network-config-dir', inside('net'), '--runtime', 'runc', '--cgroup-manager', 'cgroupfs'],
    ...['--events-backend', 'none'],
  ];
  const cli = (...args: string[]) =>
    execFileSync('podman', [...flags, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 30_000,
    });
  let server: ChildProcess | undefined;

  async function start(): Promise<void> {
    makeImage(folder);
    const changes = ['ENTRYPOINT ["/bin/node"]', 'ENV PATH=/bin', 'EXPOSE 8080/tcp', 'VOLUME /data'];
    cli('import', ...changes.flatMap((change) => ['--change', change]), inside('image.tar'), image);
    const limits = ['--ulimit', 'nofile=256', '--ulimit', 'nproc=4096', '--network', 'none'];
    cli('run', '--rm', ...limits, image, '-e', '0');
    server = spawn('podman', [...flags, 'system', 'service', '--time', '0', `unix://${socketPath}`], {
      stdio: 'ignore',
    });
    for (let tries = 0; !existsSync(socketPath); tries++) {
      if (tries > 100) throw new Error('its socket does not appear');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  return {
    ...{ socketPath, image, cli, socket: `unix://${socketPath}`, ready: start() },
    async close() {
      try {
        cli('rm', '--all', '--force', '--time', '0');
      } catch {
        // It never worked.
      }
      if (server) {
        const ended = new Promise((resolve) => server?.once('exit', resolve));
        server.kill('SIGKILL');
        await ended;
      }
      try {
        execFileSync('umount', [inside('root/overlay')], { stdio: 'ignore' });
      } catch {
        // Not mounted.
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function makeImage(folder: string): void {
  const root = join(folder, 'image');
  const add = (from: string, to: string) => {
    mkdirSync(dirname(join(root, to)), { recursive: true });
    copyFileSync(from, join(root, to));
  };
  const node = realpathSync(process.execPath);
  add(node, '/bin/node');
  for (const [library] of execFileSync('ldd', [node], { encoding: 'utf8' }).matchAll(/\/lib\S*/g))
    add(library, library);
  for (const script of ['mcp.ts', 'listening-mcp.ts']) add(join(kit, script), `/app/${script}`);
  for (const name of ['tmp', 'proc', 'sys', 'dev', 'etc', 'run', 'data', 'var/tmp']) {
    mkdirSync(join(root, name), { recursive: true });
  }
  writeFileSync(join(root, 'etc/passwd'), 'nobody:x:65534:65534:nobody:/:/bin/false\n');
  execFileSync('tar', ['-C', root, '-cf', join(folder, 'image.tar'), '.']);
  rmSync(root, { recursive: true });
}
