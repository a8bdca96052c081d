/** A migrated, empty cluster as a tar file, made once: initdb inside WebAssembly takes seconds, unpacking does not. */
import { openAsBlob } from 'node:fs';
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * The seed `name` of `folder`, made by `make` when it is missing; seeds of other versions are removed. A folder that
 * cannot be written to costs only the time.
 */
export async function getSeed(folder: string, name: string, make: () => Promise<Blob>): Promise<Blob> {
  const path = join(folder, name);
  if (await isFile(path)) return openAsBlob(path);
  const seed = await make();
  await keep(folder, name, seed).catch(() => undefined);
  return seed;
}

async function keep(folder: string, name: string, seed: Blob): Promise<void> {
  await mkdir(folder, { recursive: true });
  const partial = join(folder, `${name}.${process.pid}.partial`);
  await writeFile(partial, Buffer.from(await seed.arrayBuffer()));
  await rename(partial, join(folder, name));
  const outdated = (await readdir(folder)).filter((file) => /^seed-.*\.tar$/.test(file) && file !== name);
  await Promise.all(outdated.map((file) => rm(join(folder, file), { force: true })));
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}
