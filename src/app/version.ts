/** Where the product is and which version: package.json is beside `src` in a clone, beside `dist` in the package. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

const manifest = z.object({ name: z.literal('mcp-gatehouse'), version: z.string() });

function findRoot(): string {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    if (readManifest(folder)) return folder;
    if (folder === dirname(folder)) return fileURLToPath(new URL('..', import.meta.url));
  }
}

function readManifest(folder: string): z.output<typeof manifest> | undefined {
  try {
    return manifest.safeParse(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))).data;
  } catch {
    // Not in this folder: the one above has it.
    return undefined;
  }
}

export const productRoot = findRoot();

export function readVersion(): string {
  return readManifest(productRoot)?.version ?? '0.0.0';
}

/** Where the prepared seed of the embedded database is: made once in a clone, shipped in the package. */
export const seedFolder = existsSync(join(productRoot, 'src'))
  ? join(productRoot, '.cache')
  : join(productRoot, 'dist', 'seed');
