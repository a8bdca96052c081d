/**
 * What a program with all its children uses, looked up in /proc now and then: over its memory or number of processes it
 * is killed with the reason, over its share of the processors it is paused until the share has grown back. Works for
 * every user on every Linux, where control groups need to be handed over; between two looks a program may go over, but
 * not far: the kernel's own limits stand behind (arguments.ts).
 */
import { readdirSync, readFileSync, statfsSync } from 'node:fs';
import type { Clock } from '#core/clock.ts';
import type { RunResources } from '#core/run.ts';

export interface UsageWatch {
  /** `pid`: the sandbox's own process. `kill`: what to do with one that is over. */
  add(pid: number, resources: RunResources, kill: (reason: string) => void): void;
  remove(pid: number): void;
  /** Looks once: for tests; otherwise it happens by itself. */
  look(): void;
  close(): void;
}

interface Watched {
  readonly pid: number;
  readonly resources: RunResources;
  readonly kill: (reason: string) => void;
  /** Processor milliseconds that it may use before it is paused. */
  budgetMs: number;
  usedMs: number;
  lookedAt: number;
  paused: boolean;
}

interface ProcessUsage {
  readonly pid: number;
  readonly cpuMs: number;
  /** What is its own alone, with the tables that map it. */
  readonly bytes: number;
  /** Shared memory that it has in sight: perhaps the same as another one's. */
  readonly sharedBytes: number;
  readonly threads: number;
}

const LOOK_MS = 250;
/** A share that was not used is kept for so long: programs start with much work. */
const BURST_MS = 10_000;
/** What the kernel keeps of a file without bytes; about that much. */
const FILE_BYTES = 1024;
/** Of the sandbox: in memory, their bytes are bounded already, their number isn't (arguments.ts). */
const scratchPlaces = ['/tmp', '/work', '/dev/shm'];
/** USER_HZ of linux/asm/param.h. */
const TICK_MS = 10;

export function watchUsage({ clock }: { readonly clock: Clock }): UsageWatch {
  const all = new Map<number, Watched>();
  let timer: NodeJS.Timeout | undefined;

  function look(): void {
    for (const watched of all.values()) check(watched, clock.monotonic());
  }

  return {
    add(pid, resources, kill) {
      const state = { budgetMs: BURST_MS * resources.cpus, usedMs: 0, lookedAt: clock.monotonic(), paused: false };
      all.set(pid, { pid, resources, kill, ...state });
      timer ??= setInterval(look, LOOK_MS).unref();
    },
    remove(pid) {
      all.delete(pid);
      if (all.size > 0) return;
      clearInterval(timer);
      timer = undefined;
    },
    look,
    close() {
      clearInterval(timer);
      all.clear();
    },
  };
}

function check(watched: Watched, now: number): void {
  const { resources } = watched;
  const tree = descendants(watched.pid, resources.processes);
  const threads = tree.reduce((sum, one) => sum + one.threads, 0);
  // What comes after it is no more than it had: whoever bears children without end is not looked at any longer.
  if (threads > resources.processes) {
    watched.kill('processes');
    return;
  }
  if (isOverMemory(tree, resources.memoryMb * 1024 * 1024)) watched.kill('memory');
  const usedMs = tree.reduce((sum, { cpuMs }) => sum + cpuMs, 0);
  const grownMs = (now - watched.lookedAt) * resources.cpus;
  const spentMs = Math.max(0, usedMs - watched.usedMs);
  watched.budgetMs = Math.min(BURST_MS * resources.cpus, watched.budgetMs + grownMs - spentMs);
  watched.usedMs = usedMs;
  watched.lookedAt = now;
  if (watched.paused ? watched.budgetMs > 0 : watched.budgetMs < 0) {
    watched.paused = !watched.paused;
    for (const { pid } of tree) signal(pid, watched.paused ? 'SIGSTOP' : 'SIGCONT');
  }
}

function isOverMemory(tree: readonly ProcessUsage[], limit: number): boolean {
  const own = tree.reduce((sum, one) => sum + one.bytes, fileBytesOf(tree[0]));
  if (own > limit) return true;
  const shared = tree.filter(({ sharedBytes }) => sharedBytes > 0);
  if (own + shared.reduce((sum, one) => sum + one.sharedBytes, 0) <= limit) return false;
  // Counted for each who has it in sight: only now is it worth while to divide it among them.
  return own + shared.reduce((sum, one) => sum + sharePartOf(one), 0) > limit;
}

/** proc(5), `smaps_rollup`. */
function sharePartOf({ pid, sharedBytes }: ProcessUsage): number {
  const text = textOf(`/proc/${pid}/smaps_rollup`);
  return text === undefined ? sharedBytes : (kilobytesIn(text, 'Pss_Shmem') ?? 0) * 1024;
}

/** All processes of a sandbox see the same folders. */
function fileBytesOf(one: ProcessUsage | undefined): number {
  let count = 0;
  for (const place of one ? scratchPlaces : []) {
    try {
      const { files, ffree } = statfsSync(`/proc/${one?.pid}/root${place}`);
      count += files - ffree;
    } catch {
      // It has ended meanwhile.
    }
  }
  return count * FILE_BYTES;
}

/**
 * Without the sandbox's two own processes (bubblewrap outside and as process 1 inside). Not many more than have
 * `maxThreads` together: to know that there are too many takes no longer than to know that there are just enough.
 */
function descendants(pid: number, maxThreads: number): ProcessUsage[] {
  const found: ProcessUsage[] = [];
  let threads = 0;
  const open = childrenOf(pid).flatMap(childrenOf);
  for (let next = open.pop(); next !== undefined && threads <= maxThreads; next = open.pop()) {
    const usage = usageOf(next);
    if (usage) found.push(usage);
    threads += usage?.threads ?? 0;
    open.push(...childrenOf(next));
  }
  return found;
}

function childrenOf(pid: number): number[] {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const texts = threads.map((thread) => readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1'));
    return texts.flatMap((text) => text.split(' ').filter(Boolean).map(Number));
  } catch {
    // It has ended meanwhile.
    return [];
  }
}

/** proc(5): fields of `stat` after the name, which may hold anything; lines of `status`. */
function usageOf(pid: number): ProcessUsage | undefined {
  const stat = textOf(`/proc/${pid}/stat`);
  const status = textOf(`/proc/${pid}/status`);
  if (stat === undefined || status === undefined) return undefined;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [user = 0, system = 0, childUser = 0, childSystem = 0] = fields.slice(11, 15).map(Number);
  const bytes = (...names: readonly string[]) =>
    names.reduce((sum, name) => sum + (kilobytesIn(status, name) ?? 0), 0) * 1024;
  return {
    pid,
    cpuMs: (user + system + childUser + childSystem) * TICK_MS,
    // Not what is mapped of files: that is mostly the program itself, which many have in common.
    bytes: bytes('RssAnon', 'VmSwap', 'VmPTE'),
    sharedBytes: bytes('RssShmem'),
    threads: Number(fields[17] ?? 1),
  };
}

/** `RssAnon:     1234 kB` */
function kilobytesIn(text: string, name: string): number | undefined {
  const [, value] = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text) ?? [];
  return value === undefined ? undefined : Number(value);
}

/** undefined: it has ended meanwhile. */
function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}

function signal(pid: number, name: 'SIGSTOP' | 'SIGCONT'): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended meanwhile.
  }
}
