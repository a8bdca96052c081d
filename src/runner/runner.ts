/**
 * Starts programs and makes sure they end: no shell, an environment built from nothing, pipes only, each in its own
 * process group, none outliving the gateway. Knows nothing of MCP.
 */
import { randomBytes } from 'node:crypto';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import type { OrgId, ServerId } from '#core/ids.ts';
import type { Log } from '#core/log.ts';
import type { PermissionProfile, RunResources, Volume } from '#core/run.ts';
import { type Child, type ChildEvents, type ChildExit, watchChild } from './child.ts';
import { buildEnvironment, type EnvironmentValue, secretsOf } from './environment.ts';
import { type Launch, startLaunch } from './launch.ts';
import type { Runs } from './runs.ts';
import type { Sandbox } from './sandbox/sandbox.ts';
import { openStderr } from './stderr.ts';
import { MARK_VARIABLE, noWatchdog, openWatchdog } from './watchdog.ts';

export interface RunnerDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** This process's environment, of which an allow-list passes. */
  readonly env: NodeJS.ProcessEnv;
  /** Every program runs inside it, or not at all; left out: with the rights of the gateway. */
  readonly sandbox?: Pick<Sandbox, 'check' | 'launch'>;
  /** Where what runs is on record. */
  readonly runs?: Runs;
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
  /** Whose program it is: without it, it is on no record. */
  readonly server?: ServerId;
  readonly org?: OrgId | undefined;
  readonly permission?: PermissionProfile | undefined;
  readonly volumes?: readonly Volume[] | undefined;
  readonly resources?: Partial<RunResources> | undefined;
  /** It accepts connections on its loopback: `Child.connect`. */
  readonly listens?: boolean;
  /** Where it listens, for people who look. */
  readonly url?: string | undefined;
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
  /** Before `spawn`. Rejects GatehouseError `upstream_unreachable` where there is no sandbox and one is needed. */
  ready(): Promise<void>;
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

  function launchOf(spec: ChildSpec, mark: string): Launch {
    if (spec.command.includes('\0')) refuse();
    const marked = { [MARK_VARIABLE]: mark };
    if (deps.sandbox) return deps.sandbox.launch(spec, marked);
    const env = { ...buildEnvironment(deps.env, spec.env), ...marked };
    return { command: spec.command, args: spec.args, env, cwd: spec.cwd, sandbox: 'none' };
  }

  return {
    async ready() {
      const status = await deps.sandbox?.check();
      if (status === undefined || status.state === 'ready') return;
      throw new GatehouseError('upstream_unreachable', { cause: new Error(`sandbox: ${status.reason}`) });
    },
    spawn(spec, events) {
      if (closing) throw new GatehouseError('shutting_down');
      if (children.size >= limits.maxChildren || isGreedy(spec.owner)) throw new GatehouseError('upstream_busy');
      const mark = `${prefix}${++count}.`;
      const launch = launchOf(spec, mark);
      const process_ = startLaunch(launch);
      const entry = openEntry(deps, { spec, launch, id: mark.slice(0, -1), pid: process_.pid });
      const child = watchChild({
        process: process_,
        stderr: openStderr({
          clock: deps.clock,
          secrets: secretsOf(spec.env),
          keepBytes: limits.stderrKeepBytes,
          linesPerSecond: limits.stderrLinesPerSecond,
          onLine: entry.log,
          onDropped: entry.dropped,
        }),
        maxLineBytes: limits.maxLineBytes,
        times: limits,
        events,
        ...(launch.connect && { connect: launch.connect }),
        onGone(exit) {
          children.delete(child);
          launch.release?.();
          if (process_.pid !== undefined) watchdog.remove(process_.pid, mark);
          entry.end(exit);
        },
      });
      children.set(child, spec);
      if (process_.pid !== undefined) {
        watchdog.add(process_.pid, mark);
        launch.onStarted?.(process_.pid, (reason) => child.kill(reason));
        entry.begin(async () => void (await child.stop()));
      }
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

interface Starting {
  readonly spec: ChildSpec;
  readonly launch: Launch;
  readonly id: string;
  readonly pid: number | undefined;
}

/** What is told of one child: to the log, and to the record of what runs. */
function openEntry({ clock, log, runs }: RunnerDeps, { spec, launch, id, pid }: Starting) {
  const { server, label = '', org, url } = spec;
  const fields = { server: spec.label, pid };
  return {
    begin(end: () => Promise<void>): void {
      if (server === undefined) return;
      const { sandbox } = launch;
      runs?.add({ id, server, key: label, org, kind: 'process', pid, startedAt: clock.now(), url, sandbox }, end);
    },
    log(text: string): void {
      log.info({ ...fields, stderr: text }, 'child wrote to stderr');
      if (server !== undefined) runs?.log(server, id, text);
    },
    dropped(count: number): void {
      log.warn({ ...fields, dropped: count }, 'child writes too much to stderr');
    },
    end({ code, signal, reason }: ChildExit): void {
      if (server !== undefined) runs?.remove(id, { at: clock.now(), code, signal, reason });
    },
  };
}
