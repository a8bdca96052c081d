/**
 * What a program with all its children uses, looked up in /proc now and then: over its memory or number of processes it
 * is killed with the reason, over its share of the processors it is paused until the share has grown back. Works for
 * every user on every Linux, where control groups need to be handed over; between two looks a program may go over, but
 * not far: the kernel's own limits stand behind (arguments.ts).
 */
import { readdirSync, readFileSync } from 'node:fs';
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
  readonly bytes: number;
  readonly threads: number;
}

const LOOK_MS = 250;
/** A share that was not used is kept for so long: programs start with much work. */
const BURST_MS = 10_000;
const PAGE_BYTES = 4096;
/** USER_HZ of linux/asm/param.h. */
const TICK_MS = 10;
const MAX_PROCESSES = 20_000;

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
  const tree = descendants(watched.pid);
  const threads = tree.reduce((sum, one) => sum + one.threads, 0);
  const bytes = tree.reduce((sum, one) => sum + one.bytes, 0);
  if (threads > resources.processes) watched.kill('processes');
  else if (bytes > resources.memoryMb * 1024 * 1024) watched.kill('memory');
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

/** Without the sandbox's two own processes (bubblewrap outside and as process 1 inside). */
function descendants(pid: number): ProcessUsage[] {
  const found: ProcessUsage[] = [];
  const open = childrenOf(pid).flatMap(childrenOf);
  for (let next = open.pop(); next !== undefined && found.length < MAX_PROCESSES; next = open.pop()) {
    const usage = usageOf(next);
    if (usage) found.push(usage);
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

/** proc(5): fields of `stat` after the name, which may hold anything; `statm` in pages. */
function usageOf(pid: number): ProcessUsage | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [, resident = 0, shared = 0] = readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ').map(Number);
    const [user = 0, system = 0, childUser = 0, childSystem = 0] = fields.slice(11, 15).map(Number);
    return {
      pid,
      cpuMs: (user + system + childUser + childSystem) * TICK_MS,
      // What is shared is mostly the program's file, which many have in common.
      bytes: Math.max(0, resident - shared) * PAGE_BYTES,
      threads: Number(fields[17] ?? 1),
    };
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
