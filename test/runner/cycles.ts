/** Starts and stops of children, counted, and what they leave behind. Linux. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { Runner } from '#runner/runner.ts';

export interface Remains {
  readonly orphans: number;
  readonly zombies: number;
  readonly descriptors: number;
  readonly rssMb: number;
}

/** One child that answers a line, and is then stopped. Returns its process number. */
export async function cycle(runner: Runner): Promise<number> {
  const answered = Promise.withResolvers<void>();
  const child = runner.spawn(
    { command: '/bin/cat', args: [], env: {} },
    { onLine: () => answered.resolve(), onExit: (exit) => answered.reject(new Error(`${exit.reason} ${exit.stderr}`)) },
  );
  child.write(Buffer.from('{}'));
  await answered.promise;
  await child.stop();
  return child.pid ?? 0;
}

/** `pids`: of children that were stopped. */
export function findRemains(pids: readonly number[]): Remains {
  const ours = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && parentOf(name) === process.pid);
  return {
    orphans: pids.filter((pid) => existsSync(`/proc/${pid}`)).length,
    zombies: ours.filter((pid) => /^State:\s*Z/m.test(statusOf(pid))).length,
    descriptors: readdirSync('/proc/self/fd').length,
    rssMb: Math.round(process.memoryUsage().rss / 1024 / 1024),
  };
}

const parentOf = (pid: string) => Number(/^PPid:\s*(\d+)/m.exec(statusOf(pid))?.[1]);

function statusOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'latin1');
  } catch {
    return '';
  }
}
