/**
 * Whose containers are whose. Each carries two labels: the data directory it was started for, which outlives the gateway,
 * and the process that started it, of which another one can say whether it lives.
 */
import { randomUUID } from 'node:crypto';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

export interface Instance {
  /** Of the data directory. */
  readonly host: string;
  /** Of this process. */
  readonly id: string;
  /** False only when that process is certainly gone. */
  isAlive(id: string): boolean;
  /** Says that this process lives, to those who can't see it. */
  beat(): void;
  close(): void;
}

export interface InstanceOptions {
  readonly dataDir: string;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Default: this process. */
  readonly id?: string;
}

const SUFFIX = '.alive';
/** Without a beat for so long, a process of another container is gone. */
const SILENT_MS = 120_000;

export function openInstance({ dataDir, now, ...given }: InstanceOptions): Instance {
  const folder = join(dataDir, 'containers');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const host = hostOf(join(folder, 'host'));
  const here = { boot: bootId(), space: pidSpace() };
  const { pid } = process;
  const id = given.id ?? [here.boot, here.space, pid, startOf(pid) ?? 0, randomUUID().slice(0, 8)].join('.');
  const file = (of: string) => join(folder, `${of}${SUFFIX}`);
  const isRecent = (of: string) => {
    try {
      return now() - statSync(file(of)).mtimeMs < SILENT_MS;
    } catch {
      return false;
    }
  };
  const isAlive = (of: string) => {
    const parsed = parseId(of);
    // Not of our making: nothing is known of it.
    if (!parsed) return true;
    if (parsed.boot !== here.boot) return false;
    return parsed.space === here.space ? startOf(parsed.pid) === parsed.start : isRecent(of);
  };
  for (const name of readdirSync(folder)) {
    if (name.endsWith(SUFFIX) && !isAlive(name.slice(0, -SUFFIX.length))) rmSync(join(folder, name), { force: true });
  }
  return {
    host,
    id,
    isAlive,
    beat() {
      const at = new Date(now());
      writeFileSync(file(id), '', { mode: 0o600 });
      utimesSync(file(id), at, at);
    },
    close: () => rmSync(file(id), { force: true }),
  };
}

function hostOf(path: string): string {
  try {
    writeFileSync(path, randomUUID(), { flag: 'wx', mode: 0o600 });
  } catch (thrown) {
    if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'EEXIST')) throw thrown;
  }
  return z.uuid().parse(readFileSync(path, 'utf8').trim());
}

function parseId(id: string) {
  const [, boot = '', space = '', pid = '', start = ''] = /^([\w-]+)\.(\w+)\.(\d+)\.(\d+)\.[0-9a-f]{8}$/.exec(id) ?? [];
  return boot === '' ? undefined : { boot, space, pid: Number(pid), start: Number(start) };
}

const read = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
};

/** Of the running kernel; a machine without /proc has one that never changes. */
const bootId = () => read('/proc/sys/kernel/random/boot_id')?.trim() ?? 'none';

/** Process ids mean something in one namespace only: each container has its own. */
function pidSpace(): string {
  try {
    return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0';
  } catch {
    return '0';
  }
}

/** When the process started, clock ticks since boot (0 without /proc); undefined: there is none, or it is a zombie. */
function startOf(pid: number): number | undefined {
  const stat = read(`/proc/${pid}/stat`);
  if (stat !== undefined) {
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : Number(fields[19]);
  }
  if (read('/proc/self/stat') !== undefined) return undefined;
  try {
    process.kill(pid, 0);
    return 0;
  } catch {
    return undefined;
  }
}
