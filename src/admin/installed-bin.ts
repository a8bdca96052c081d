import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const manifest = z.object({
  version: z.string().optional(),
  bin: z.union([z.string(), z.record(z.string(), z.string())]),
});

/** The first entry of `bin` of the package in this folder; undefined: no such package is there. */
export function binOf(folder: string): { readonly file: string; readonly version: string | undefined } | undefined {
  const { bin, version } = readManifest(join(folder, 'package.json')) ?? {};
  const entry = typeof bin === 'string' ? bin : Object.values(bin ?? {})[0];
  return entry === undefined ? undefined : { file: join(folder, entry), version };
}

function readManifest(file: string): z.output<typeof manifest> | undefined {
  try {
    return manifest.safeParse(JSON.parse(readFileSync(file, 'utf8'))).data;
  } catch {
    // Not there: the package isn't installed in this folder.
    return undefined;
  }
}
