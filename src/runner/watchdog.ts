/**
 * No orphans: one tiny shell process per gateway learns the process group of every child over a pipe. When the pipe
 * closes, because the gateway ended in whatever way (SIGKILL too), it ends those groups. Grandchildren that left their
 * group are found by a mark in their environment where /proc exists. On Windows there is no such process: children see
 * their stdin close.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Log } from '#core/log.ts';

export const MARK_VARIABLE = 'CHILD_OF_GATEHOUSE';

export interface Watchdog {
  add(group: number, mark: string): void;
  /** The group is gone; strays that carry `mark` are killed. */
  remove(group: number, mark: string): void;
  /** Ends what is still there. */
  close(): Promise<void>;
}

/** $1: what the marks of all children of this gateway begin with. */
const script = `
trap '' INT TERM HUP
sweep() {
  [ -r /proc/self/environ ] || return 0
  for round in 1 2 3 4 5; do
    found=$(grep -lsF "${MARK_VARIABLE}=$1" /proc/[0-9]*/environ 2>/dev/null)
    [ -n "$found" ] || return 0
    for file in $found; do pid=\${file#/proc/}; kill -KILL "\${pid%%/*}" 2>/dev/null; done
  done
}
groups=' '
while read -r verb group mark; do
  case "$verb" in
    add) groups="$groups$group " ;;
    remove)
      case "$groups" in *" $group "*) groups="\${groups%% $group *} \${groups#* $group }" ;; esac
      sweep "$mark" ;;
  esac
done
for group in $groups; do kill -TERM -- "-$group" 2>/dev/null; left=1; done
[ -z "$left" ] || sleep 1
for group in $groups; do kill -KILL -- "-$group" 2>/dev/null; done
sweep "$1"
`;

export interface WatchdogDeps {
  readonly env: NodeJS.ProcessEnv;
  readonly log: Log;
}

export function openWatchdog(prefix: string, { env, log }: WatchdogDeps): Watchdog {
  const groups = new Map<number, string>();
  let process_: ChildProcess | undefined;
  let closed = false;

  function start(): ChildProcess {
    const child = spawn('/bin/sh', ['-c', script, 'gatehouse-watchdog', prefix], {
      env: { PATH: env.PATH ?? '/usr/bin:/bin' },
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
      cwd: '/',
    });
    child.on('error', (cause) => log.warn({ err: cause }, 'no watchdog: children may outlive a killed gateway'));
    child.on('exit', () => {
      if (process_ !== child) return;
      process_ = undefined;
      if (!closed && groups.size > 0) process_ = start();
    });
    child.stdin?.on('error', () => {});
    child.unref();
    if (child.stdin && 'unref' in child.stdin && typeof child.stdin.unref === 'function') child.stdin.unref();
    for (const [group, mark] of groups) child.stdin?.write(`add ${group} ${mark}\n`);
    return child;
  }

  return {
    add(group, mark) {
      groups.set(group, mark);
      if (process_) process_.stdin?.write(`add ${group} ${mark}\n`);
      else process_ = start();
    },
    remove(group, mark) {
      if (groups.delete(group)) process_?.stdin?.write(`remove ${group} ${mark}\n`);
    },
    close() {
      closed = true;
      const child = process_;
      if (!child || child.exitCode !== null) return Promise.resolve();
      return new Promise((resolve) => {
        child.ref();
        child.once('exit', () => resolve());
        child.once('error', () => resolve());
        child.stdin?.end();
      });
    },
  };
}

export const noWatchdog: Watchdog = { add() {}, remove() {}, close: () => Promise.resolve() };
