/** The command line of bubblewrap for one program: everything is taken away, then little is given. */
import { existsSync, readlinkSync, statSync } from 'node:fs';
import type { PermissionProfile, RunResources, Volume } from '#core/run.ts';

export interface SandboxSpec {
  /** Absolute. */
  readonly command: string;
  readonly args: readonly string[];
  /** The program's whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute path of the host; left out: an empty folder of its own. */
  readonly cwd?: string | undefined;
  readonly permission: PermissionProfile;
  readonly volumes: readonly Volume[];
  /** What the program is made of, read-only. */
  readonly files: readonly string[];
  readonly resources: RunResources;
  /** What is laid over: sockets and stubs, host path → path inside. */
  readonly given: Readonly<Record<string, string>>;
  /** A program that starts the program, with the arguments before its own. */
  readonly launcher: readonly string[];
}

/** Memory that a program may fill with files: /tmp, and as much again in its working folder. Bytes. */
export const SCRATCH_BYTES = 64 * 1024 * 1024;
const SHARED_MEMORY_BYTES = 64 * 1024 * 1024;
export const WORK = '/work';
export const GIVEN = '/run/gatehouse';
const NOBODY = '65534';
const systemFolders = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'];
const systemFiles = [
  ...['ssl/certs', 'ssl/openssl.cnf', 'ca-certificates', 'pki', 'nsswitch.conf', 'alternatives', 'ld.so.cache'],
  ...['ld.so.conf', 'ld.so.conf.d', 'localtime', 'fonts', 'protocols', 'services', 'mime.types'],
].map((path) => `/etc/${path}`);

export interface SandboxLine {
  /** On the command line: nothing here is secret. */
  readonly args: readonly string[];
  /** Read by bubblewrap from a descriptor: the fence itself and the environment, which nobody sees in `ps`. */
  readonly hidden: readonly string[];
}

export function sandboxLine(spec: SandboxSpec, descriptors: { readonly args: number; readonly seccomp: number }) {
  const program = [...limitLine(spec.resources), ...spec.launcher, spec.command, ...spec.args];
  const args = ['--args', String(descriptors.args), '--seccomp', String(descriptors.seccomp), '--', ...program];
  return { args, hidden: fence(spec) } satisfies SandboxLine;
}

function fence(spec: SandboxSpec): readonly string[] {
  const { permission, volumes, files, env, cwd } = spec;
  return [
    ...['--unshare-user', '--unshare-all', '--disable-userns', '--die-with-parent', '--new-session', '--clearenv'],
    ...['--cap-drop', 'ALL', '--uid', NOBODY, '--gid', NOBODY, '--hostname', 'sandbox'],
    ...(permission.network === 'full' ? ['--share-net'] : []),
    ...systemFolders.flatMap(systemFolder),
    ...systemFiles.flatMap((path) => ['--ro-bind-try', path, path]),
    ...(permission.network === 'full' ? ['--ro-bind-try', '/etc/resolv.conf', '/etc/resolv.conf'] : []),
    ...['--proc', '/proc', '--dev', '/dev'],
    ...['--size', String(SHARED_MEMORY_BYTES), '--tmpfs', '/dev/shm', '--remount-ro', '/dev'],
    ...['--size', String(SCRATCH_BYTES), '--tmpfs', '/tmp', '--size', String(SCRATCH_BYTES), '--tmpfs', WORK],
    ...files.flatMap((path) => ['--ro-bind', path, path]),
    ...(cwd === undefined ? [] : ['--ro-bind', cwd, cwd]),
    ...(permission.read ?? []).flatMap((path) => ['--ro-bind', path, path]),
    ...(permission.write ?? []).flatMap((path) => ['--bind', path, path]),
    ...volumes.flatMap(({ source, target, readOnly }) => [readOnly ? '--ro-bind' : '--bind', source, target]),
    ...Object.entries(spec.given).flatMap(([source, target]) => ['--ro-bind', source, target]),
    // Last: it is a tmpfs of the sandbox's own user, and would be a place to fill the memory with.
    ...['--remount-ro', '/', '--chdir', cwd ?? WORK],
    ...Object.entries(env).flatMap(([name, value]) => ['--setenv', name, value]),
  ];
}

/** Where /bin is a link to /usr/bin it is one inside too. */
function systemFolder(path: string): readonly string[] {
  if (!existsSync(path)) return [];
  const found = statSync(path, { throwIfNoEntry: false });
  const target = linkOf(path);
  if (target !== undefined) return ['--symlink', target, path];
  return found?.isDirectory() ? ['--ro-bind', path, path] : [];
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/**
 * Limits of the kernel per process. `--data` only stops what outruns the watch on memory (watch.ts): programs reserve
 * far more than they use.
 */
function limitLine({ memoryMb, processes, openFiles, fileMb }: RunResources): readonly string[] {
  const data = (memoryMb * 2 + 512) * 1024 * 1024;
  return [
    ...['/usr/bin/nice', '-n', '5', '/usr/bin/prlimit', `--nofile=${openFiles}`, `--nproc=${processes}`],
    ...[`--fsize=${fileMb * 1024 * 1024}`, `--data=${data}`, '--core=0'],
  ];
}
