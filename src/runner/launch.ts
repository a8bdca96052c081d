/** What is really started for a program: by itself, or inside a sandbox. */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { Readable, Writable } from 'node:stream';
import { GatehouseError } from '#core/error.ts';

export type RunningProcess = Pick<ChildProcess, 'pid' | 'on' | 'kill'> & {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
};

export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  /** Of the process that is started: a sandbox gives the program its own. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string | undefined;
  /** Descriptors from 3 on: bytes that it reads to their end, or an open file. */
  readonly extra?: readonly (Buffer | number)[];
  readonly sandbox: 'bubblewrap' | 'none';
  /** The process has its descriptors, or there is none: ours may be closed. */
  onSpawned?(): void;
  /** It has a process number. `kill`: to end it for a reason. */
  onStarted?(pid: number, kill: (reason: string) => void): void;
  /** To a port where the program listens; left out: it is this machine's loopback. */
  connect?(port: number, timeoutMs: number): Promise<Socket>;
  /** Once, also when it could not be started. */
  release?(): void;
}

/** Throws GatehouseError `upstream_unreachable`, after `release`; a missing program shows as the process's `error` event. */
export function startLaunch(launch: Launch): RunningProcess {
  const { command, args, env, cwd, extra = [] } = launch;
  try {
    const more = extra.map((one) => (typeof one === 'number' ? one : ('pipe' as const)));
    const child = spawn(command, args, {
      env: { ...env },
      cwd,
      shell: false,
      stdio: ['pipe', 'pipe', 'pipe', ...more],
      // POSIX: setsid, so that the child leads a process group that can be ended as a whole.
      detached: process.platform !== 'win32',
      windowsHide: true,
    });
    launch.onSpawned?.();
    const { stdin, stdout, stderr } = child;
    if (!(stdin instanceof Writable) || !(stdout instanceof Readable) || !(stderr instanceof Readable)) {
      throw new Error('the program has no pipes');
    }
    for (const [i, bytes] of extra.entries()) {
      const pipe = child.stdio[i + 3];
      if (!(pipe instanceof Writable) || typeof bytes === 'number') continue;
      pipe.on('error', () => {});
      pipe.end(bytes);
    }
    const { pid } = child;
    return { pid, on: child.on.bind(child), kill: child.kill.bind(child), stdin, stdout, stderr };
  } catch (cause) {
    launch.release?.();
    throw new GatehouseError('upstream_unreachable', { cause });
  }
}
