/** Files of another gateway: those that are named, and of a folder those that may be settings, policies or definitions. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { GivenFile } from '#admin/imports/systems/entra-toolhive.ts';
import { GatehouseError } from '#core/error.ts';

const wanted = /(?:^|\/)\.env$|\.(?:cedar|json|ya?ml)$/;
const skipped: ReadonlySet<string> = new Set(['node_modules', '.git', '.venv', 'venv']);
const MAX_FILES = 500;
const MAX_BYTES = 1_048_576;
const MAX_DEPTH = 4;

/** By path. Throws GatehouseError `bad_request` for what is not there or is more than can be meant. */
export function readGivenFiles(paths: readonly string[]): readonly GivenFile[] {
  const found = paths.flatMap((path) => {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (!stat) throw bad(`There is no ${path}`);
    return stat.isDirectory() ? filesIn(path, '', 1) : [{ path: basename(path), full: path }];
  });
  if (found.length > MAX_FILES) throw bad(`More than ${MAX_FILES} files: name those that are meant`);
  return found.map(({ path, full }) => {
    if (statSync(full).size > MAX_BYTES) throw bad(`${path} is larger than 1 MiB`);
    return { path, text: readFileSync(full, 'utf8') };
  });
}

interface Place {
  readonly path: string;
  readonly full: string;
}

/** Symbolic links lead nowhere. */
function filesIn(root: string, folder: string, depth: number): readonly Place[] {
  const entries = readdirSync(join(root, folder), { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  return entries.flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) return depth >= MAX_DEPTH || skipped.has(entry.name) ? [] : filesIn(root, path, depth + 1);
    return entry.isFile() && wanted.test(path) ? [{ path, full: join(root, path) }] : [];
  });
}

const bad = (message: string) => new GatehouseError('bad_request', { message });
