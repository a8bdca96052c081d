/**
 * The portal's build in a clone: made when it is missing or older than its sources, once, whoever asks at the same time.
 * `node scripts/portal.ts` makes sure that there is one; the package brings its own.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { brotliCompress, gzip as gzipText, type ZlibOptions } from 'node:zlib';

const run = promisify(execFile);
const gzip = promisify<Buffer, ZlibOptions, Buffer>(gzipText);
const brotli = promisify<Buffer, Buffer>(brotliCompress);

/** Of everything that the build is made from. */
function fingerprint(root: string): string {
  const files = globSync('portal/{index.html,vite.config.ts,{src,public}/**/*.*}', { cwd: root }).sort();
  const hash = createHash('sha256');
  for (const file of [...files, 'package-lock.json']) hash.update(file).update(readFileSync(join(root, file)));
  // How it is built.
  hash.update(readFileSync(import.meta.filename));
  return hash.digest('hex');
}

/** Resolves when portal/dist is as its sources are; whether it had to be made. Throws when it can't be built. */
export async function ensurePortal(root: string): Promise<boolean> {
  const dist = join(root, 'portal', 'dist');
  const stamp = join(dist, '.built-from');
  const lock = join(root, '.cache', 'portal.lock');
  const wanted = fingerprint(root);
  const isCurrent = () => existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted;
  mkdirSync(join(root, '.cache'), { recursive: true });
  while (!isCurrent()) {
    if (!take(lock)) {
      await pause(100);
      continue;
    }
    try {
      await build(root, { dist, wanted });
      return true;
    } finally {
      rmSync(lock, { force: true });
    }
  }
  return false;
}

/** Elsewhere first, so that a gateway which serves the old files never serves half of the new. */
async function build(root: string, { dist, wanted }: { readonly dist: string; readonly wanted: string }) {
  const fresh = join(root, 'portal', 'dist.new');
  const vite = join(root, 'node_modules', 'vite', 'bin', 'vite.js');
  const args = [
    vite,
    'build',
    '--config',
    join(root, 'portal', 'vite.config.ts'),
    '--outDir',
    fresh,
    '--logLevel',
    'warn',
  ];
  // Whoever asks: a test's environment would build React's development edition.
  await run(process.execPath, args, { cwd: root, env: { ...process.env, NODE_ENV: 'production' } });
  await compress(fresh);
  writeFileSync(join(fresh, '.built-from'), wanted);
  rmSync(dist, { recursive: true, force: true });
  renameSync(fresh, dist);
}

/** Beside each file what browsers would rather have: the gateway sends it as it is. */
async function compress(folder: string): Promise<void> {
  for (const file of globSync('assets/*.{js,css}', { cwd: folder })) {
    const text = readFileSync(join(folder, file));
    const [gz, br] = await Promise.all([gzip(text, { level: 9 }), brotli(text)]);
    writeFileSync(join(folder, `${file}.gz`), gz);
    writeFileSync(join(folder, `${file}.br`), br);
  }
}

/** A build takes seconds: a lock of two minutes is of somebody who is gone. */
function take(lock: string): boolean {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' });
    return true;
  } catch {
    if (existsSync(lock) && Date.now() - statSync(lock).mtimeMs > 120_000) rmSync(lock, { force: true });
    return false;
  }
}

if (import.meta.main) await ensurePortal(join(import.meta.dirname, '..'));
