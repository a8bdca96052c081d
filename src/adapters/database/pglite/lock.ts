/**
 * One process per data directory: two that open the same PGlite directory diverge without any error. The lock file
 * names its holder by machine, process id and the process's start, so a lock left by kill -9 is recognized even when
 * its process id has been given away again.
 */
import { randomUUID } from 'node:crypto';
import { link, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { GatehouseError } from '#core/error.ts';

const holderSchema = z.object({ host: z.string(), pid: z.int(), started: z.string(), token: z.string() });
type Holder = z.output<typeof holderSchema>;

const touchMs = 5_000;
/** A holder on another machine (a shared volume) is alive while its file is touched. */
const foreignStaleMs = 30_000;

/** Takes the lock and returns what gives it back. Throws `setting` naming the holder when another process has it. */
export async function lockDirectory(directory: string): Promise<() => Promise<void>> {
  const path = join(directory, 'postgres.lock');
  const own: Holder = {
    host: hostname(),
    pid: process.pid,
    started: (await startOf(process.pid)) ?? '',
    token: randomUUID(),
  };
  for (let attempt = 0; attempt < 5; attempt++) {
    if (await tryCreate(path, own)) return hold(path, own);
    const holder = await readHolder(path);
    if (holder && (await isAlive(path, holder)))
      throw lockedError(directory, `process ${holder.pid} on ${holder.host}`);
    if (await replaceStale(path, holder, own)) return hold(path, own);
  }
  throw lockedError(directory, 'another process');
}

/** Linked, not opened: the file appears with its content, never empty. */
async function tryCreate(path: string, own: Holder): Promise<boolean> {
  const draft = `${path}.${own.token}`;
  await writeFile(draft, `${JSON.stringify(own)}\n`, { mode: 0o600 });
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

function hold(path: string, own: Holder): () => Promise<void> {
  const timer = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => undefined);
  }, touchMs).unref();
  return async () => {
    clearInterval(timer);
    if ((await readHolder(path))?.token === own.token) await rm(path, { force: true });
  };
}

/**
 * Puts our lock in the place of a stale one, in one step: the place is never empty, so nobody can take it meanwhile. Only
 * who holds the guard of that very lock may replace it, and looks again before.
 */
async function replaceStale(path: string, stale: Holder | undefined, own: Holder): Promise<boolean> {
  const guard = `${path}.${stale?.token ?? 'unreadable'}.takeover`;
  if (!(await tryCreate(guard, own))) {
    const other = await readHolder(guard);
    // A takeover that was itself cut short by a kill.
    if (other && !(await isAlive(guard, other))) await rm(guard, { force: true });
    return false;
  }
  const draft = `${path}.${own.token}`;
  try {
    // In this order: a lock that appears in between has its content from the first moment.
    if (!(await stat(path).catch(() => undefined))) return false;
    if ((await readHolder(path))?.token !== stale?.token) return false;
    await writeFile(draft, `${JSON.stringify(own)}\n`, { mode: 0o600 });
    await rename(draft, path);
    return true;
  } finally {
    await rm(guard, { force: true });
  }
}

async function isAlive(path: string, holder: Holder): Promise<boolean> {
  if (holder.host !== hostname()) {
    const touched = await stat(path).catch(() => undefined);
    return touched !== undefined && Date.now() - touched.mtimeMs < foreignStaleMs;
  }
  if (!isRunning(holder.pid)) return false;
  const started = await startOf(holder.pid);
  return started === undefined || started === holder.started;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** Boot and start time of a process on Linux (proc(5), field 22); undefined where the system doesn't say. */
async function startOf(pid: number): Promise<string | undefined> {
  try {
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
    const line = await readFile(`/proc/${pid}/stat`, 'utf8');
    const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
    // A zombie has ended, though its parent hasn't looked yet.
    return fields[0] === 'Z' ? 'ended' : `${boot.trim()}:${fields[19]}`;
  } catch {
    return undefined;
  }
}

async function readHolder(path: string): Promise<Holder | undefined> {
  try {
    return holderSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return undefined;
  }
}

function lockedError(directory: string, holder: string): GatehouseError {
  return new GatehouseError('setting', {
    message: `The data directory ${directory} is locked by ${holder}: stop it, or set DATA_DIR to another folder`,
  });
}
