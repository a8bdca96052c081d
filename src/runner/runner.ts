/**
 * Starts programs and makes sure they end: no shell, an environment built from nothing, pipes only, each in its own
 * process group, none outliving the gateway. Knows nothing of MCP.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import type { Readable, Writable } from 'node:stream';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import type { Log } from '#core/log.ts';
import { type Child, type ChildEvents, watchChild } from './child.ts';
import { buildEnvironment, type EnvironmentValue, secretsOf } from './environment.ts';
import { openStderr } from './stderr.ts';
import { MARK_VARIABLE, noWatchdog, openWatchdog } from './watchdog.ts';

export interface RunnerDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** This process's environment, of which an allow-list passes. */
  readonly env: NodeJS.ProcessEnv;
  /** The seam for a sandbox: what is started instead. */
  readonly wrap?: (command: string, args: readonly string[]) => Program;
  readonly limits?: Partial<RunnerLimits>;
}

export interface Program {
  readonly command: string;
  readonly args: readonly string[];
}

export interface RunnerLimits {
  readonly maxLineBytes: number;
  readonly stderrKeepBytes: number;
  readonly stderrLinesPerSecond: number;
  readonly closeGraceMs: number;
  readonly termGraceMs: number;
  /** All children of this gateway together. */
  readonly maxChildren: number;
  /** Children of one `owner`: nobody takes all of them. */
  readonly maxChildrenPerOwner: number;
}

export interface ChildSpec extends Program {
  /** Values that are a `Secret` are hidden in whatever the child writes to stderr. */
  readonly env: Readonly<Record<string, EnvironmentValue>>;
  readonly cwd?: string | undefined;
  /** For the log: which server this is. */
  readonly label?: string;
  /** Whose share of the children it counts against. */
  readonly owner?: string;
  /** How to end it for the sake of others while nobody uses it. */
  readonly idle?: Idle;
}

export interface Idle {
  /** Monotonic milliseconds; undefined: in use. */
  since(): number | undefined;
  /** Resolves when the child is gone. */
  end(): Promise<void>;
}

export interface Runner {
  /**
   * Returns at once; a program that cannot be started shows as `onExit` with reason `unspawned`.
   * Throws GatehouseError `bad_request` (refused variable, NUL), `upstream_busy` (too many children), `shutting_down`.
   */
  spawn(spec: ChildSpec, events: ChildEvents): Child;
  /** Ends the longest idle child that stands in the way of another one of `owner`; false: there is none. */
  makeRoom(owner: string): Promise<boolean>;
  readonly size: number;
  /** Stops every child, each with its graces, and waits for them. */
  close(): Promise<void>;
}

const defaults: RunnerLimits = {
  maxLineBytes: 4 * 1024 * 1024,
  stderrKeepBytes: 64 * 1024,
  stderrLinesPerSecond: 100,
  closeGraceMs: 2000,
  termGraceMs: 3000,
  maxChildren: 500,
  maxChildrenPerOwner: 20,
};

export function openRunner(deps: RunnerDeps): Runner {
  const limits = { ...defaults, ...deps.limits };
  const prefix = `${randomBytes(9).toString('hex')}.`;
  const watchdog = process.platform === 'win32' ? noWatchdog : openWatchdog(prefix, deps);
  const children = new Map<Child, ChildSpec>();
  let count = 0;
  let closing = false;

  function isGreedy(owner: string | undefined): boolean {
    if (owner === undefined) return false;
    let share = 0;
    for (const other of children.values()) if (other.owner === owner) share++;
    return share >= limits.maxChildrenPerOwner;
  }

  return {
    spawn(spec, events) {
      if (closing) throw new GatehouseError('shutting_down');
      if (children.size >= limits.maxChildren || isGreedy(spec.owner)) throw new GatehouseError('upstream_busy');
      const mark = `${prefix}${++count}.`;
      const program = spec.command.includes('\0') ? refuse() : (deps.wrap?.(spec.command, spec.args) ?? spec);
      const environment = buildEnvironment(deps.env, spec.env);
      const process_ = start(program, { ...environment, [MARK_VARIABLE]: mark }, spec.cwd);
      const log = { server: spec.label, pid: process_.pid };
      const stderr = openStderr({
        clock: deps.clock,
        secrets: secretsOf(spec.env),
        keepBytes: limits.stderrKeepBytes,
        linesPerSecond: limits.stderrLinesPerSecond,
        onLine: (text) => deps.log.info({ ...log, stderr: text }, 'child wrote to stderr'),
        onDropped: (dropped) => deps.log.warn({ ...log, dropped }, 'child writes too much to stderr'),
      });
      const onGone = () => {
        children.delete(child);
        if (process_.pid !== undefined) watchdog.remove(process_.pid, mark);
      };
      const child = watchChild({
        process: process_,
        stderr,
        maxLineBytes: limits.maxLineBytes,
        times: limits,
        events,
        onGone,
      });
      children.set(child, spec);
      if (process_.pid !== undefined) watchdog.add(process_.pid, mark);
      return child;
    },
    async makeRoom(owner) {
      const others = [...children.values()].filter((spec) => !isGreedy(owner) || spec.owner === owner);
      const idle = others.filter((spec) => spec.idle?.since() !== undefined);
      const longest = idle.sort((a, b) => (a.idle?.since() ?? 0) - (b.idle?.since() ?? 0))[0]?.idle;
      await longest?.end();
      return longest !== undefined;
    },
    get size() {
      return children.size;
    },
    async close() {
      closing = true;
      await Promise.all([...children.keys()].map((child) => child.stop()));
      await watchdog.close();
    },
  };
}

function refuse(): never {
  throw new GatehouseError('bad_request', { message: 'A command has a NUL byte' });
}

function start(
  program: Program,
  env: Record<string, string>,
  cwd: string | undefined,
): ChildProcessByStdio<Writable, Readable, Readable> {
  try {
    return spawn(program.command, program.args, {
      env,
      cwd,
      shell: false,
      stdio: ['pipe', 'pipe', 'pipe'],
      // POSIX: setsid, so that the child leads a process group that can be ended as a whole.
      detached: process.platform !== 'win32',
      windowsHide: true,
    });
  } catch (cause) {
    throw new GatehouseError('upstream_unreachable', { cause });
  }
}
