/**
 * Who owns which files of the spool. Every process writes into a directory of its own, `<spool>/<instance>/`; what a dead
 * process left is taken over by moving its files one by one (a rename has one winner), so no two processes ever insert
 * and delete the same segment.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '#core/clock.ts';

const ownerFile = 'owner.json';
const segmentForm = /^\d{10}\.jsonl$/;
/** A process on another machine that has not been seen for so long is dead. */
const silentMs = 60_000;

export interface FoundSegment {
  readonly path: string;
  readonly bytes: number;
}

interface Owner {
  readonly machine: string;
  readonly pid: number;
  readonly started: string;
}

export class SpoolDirectory {
  readonly #root: string;
  readonly #own: string;
  readonly #clock: Clock;
  readonly #seen = new Map<string, { mtimeMs: number; at: number }>();
  #sequence = 0;

  constructor(root: string, instance: string, clock: Clock) {
    this.#root = root;
    this.#own = join(root, instance);
    this.#clock = clock;
    this.#claim();
  }

  nextPath(): string {
    this.#sequence += 1;
    return join(this.#own, `${String(this.#sequence).padStart(10, '0')}.jsonl`);
  }

  /** For records that the database refuses for what they hold. */
  get quarantinePath(): string {
    return join(this.#root, 'refused.jsonl');
  }

  /** Says that this process lives. False: the directory was taken over while this process was stopped; a new one is made. */
  beat(): boolean {
    const now = new Date(this.#clock.now());
    try {
      utimesSync(join(this.#own, ownerFile), now, now);
      return true;
    } catch {
      this.#claim();
      return false;
    }
  }

  /** Segments of processes that are no more, oldest first; they belong to this process from now on. */
  adopt(): FoundSegment[] {
    const found: FoundSegment[] = [];
    for (const entry of readdirSync(this.#root, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = join(this.#root, entry.name);
      if (entry.isDirectory() && path !== this.#own && !path.endsWith('.new') && this.#isDead(path))
        found.push(...this.#take(path));
    }
    return found;
  }

  /** Leaves: what is still here is anybody's. */
  release(): void {
    rmSync(join(this.#own, ownerFile), { force: true });
    removeIfEmpty(this.#own);
  }

  #claim(): void {
    // Made under another name and moved: nobody ever sees a directory of ours without its owner.
    const draft = existsSync(this.#own) ? this.#own : `${this.#own}.new`;
    mkdirSync(draft, { recursive: true, mode: 0o700 });
    const owner: Owner = { machine: machineName(), pid: process.pid, started: startOf(process.pid) ?? '' };
    writeFileSync(join(draft, ownerFile), JSON.stringify(owner), { mode: 0o600 });
    if (draft !== this.#own) renameSync(draft, this.#own);
  }

  #take(directory: string): FoundSegment[] {
    const taken: FoundSegment[] = [];
    for (const name of listSegments(directory)) {
      const path = this.nextPath();
      if (!tryRename(join(directory, name), path)) continue;
      taken.push({ path, bytes: statSync(path).size });
    }
    removeIfEmpty(directory);
    return taken;
  }

  #isDead(directory: string): boolean {
    const owner = readOwner(directory);
    if (owner?.machine === machineName()) return startOf(owner.pid) !== owner.started;
    if (!owner) return true;
    const mtimeMs = statSync(join(directory, ownerFile), { throwIfNoEntry: false })?.mtimeMs ?? 0;
    const last = this.#seen.get(directory);
    if (last?.mtimeMs === mtimeMs) return this.#clock.monotonic() - last.at > silentMs;
    this.#seen.set(directory, { mtimeMs, at: this.#clock.monotonic() });
    return false;
  }
}

function listSegments(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => segmentForm.test(name))
      .sort();
  } catch {
    return []; // Another process has taken it over.
  }
}

/** Only if: a segment that came meanwhile stays for the next look. */
function removeIfEmpty(directory: string): void {
  if (listSegments(directory).length > 0) return;
  try {
    rmSync(join(directory, ownerFile), { force: true });
    rmdirSync(directory);
  } catch {
    // Not empty after all, or already gone.
  }
}

function tryRename(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch {
    return false; // Another process was faster.
  }
}

function readOwner(directory: string): Owner | undefined {
  try {
    return JSON.parse(readFileSync(join(directory, ownerFile), 'utf8'));
  } catch {
    return undefined; // Released.
  }
}

/** Process ids mean something only within one boot of one host and one process namespace. */
function machineName(): string {
  const parts = [hostname()];
  try {
    parts.push(readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(), readlinkSync('/proc/self/ns/pid'));
  } catch {
    // Not Linux: the host name must do.
  }
  return parts.join(' ');
}

/** What tells a process from a later one of the same id; undefined: there is no such process. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return isRunning(pid) ? 'running' : undefined;
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.platform !== 'linux' && process.kill(pid, 0);
  } catch {
    return false;
  }
}
