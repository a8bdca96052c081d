/** What a program needs of the host's files to start at all: its own file, its interpreter's, its package. */
import { closeSync, existsSync, openSync, readSync, realpathSync, statSync } from 'node:fs';
import { basename, delimiter, dirname, isAbsolute, join, resolve, sep } from 'node:path';

export interface ProgramFiles {
  /** Absolute. */
  readonly command: string;
  /** Absolute paths to show, read-only. */
  readonly paths: readonly string[];
  /** Folders to search for programs before the system's. */
  readonly search: readonly string[];
}

export interface ProgramPlaces {
  /** PATH of the gateway. */
  readonly path: string;
  /** Folders that no program may see by way of its own place: the gateway's data, people's homes. */
  readonly secret: readonly string[];
}

export interface ProgramLine {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string | undefined;
}

const systemFolders = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'];

export const isInside = (path: string, folder: string): boolean =>
  path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);

/** Throws an Error that names the command, when there is no such program. */
export function findProgramFiles(line: ProgramLine, places: ProgramPlaces): ProgramFiles {
  const command = findCommand(line, places.path);
  if (command === undefined) throw new Error(`there is no program ${JSON.stringify(line.command)}`);
  const files = [command, ...interpreterOf(command), ...scriptOf(line)];
  const paths = new Set<string>();
  for (const file of files) for (const path of neededBy(file, places.secret)) paths.add(path);
  const outside = [...paths].filter((path) => !systemFolders.some((folder) => isInside(path, folder)));
  const isCovered = (path: string) => outside.some((other) => other !== path && isInside(path, other));
  return { command, paths: outside.filter((path) => !isCovered(path)).sort(), search: [dirname(command)] };
}

function findCommand({ command, cwd }: ProgramLine, path: string): string | undefined {
  if (command.includes('/')) {
    const file = resolve(cwd ?? '/', command);
    return isFile(file) ? file : undefined;
  }
  const folders = path.split(delimiter).filter((folder) => isAbsolute(folder));
  return folders.map((folder) => join(folder, command)).find(isFile);
}

/** The first argument that is no option, where it is a file: `node /srv/files/server.js`, `python server.py`. */
function scriptOf({ args, cwd }: ProgramLine): string[] {
  const first = args.find((argument) => !argument.startsWith('-'));
  if (first === undefined || first.includes('\0') || (!isAbsolute(first) && cwd === undefined)) return [];
  const file = resolve(cwd ?? '/', first);
  return isFile(file) ? [file] : [];
}

/** `#!/opt/x/python` at the start of a script. */
function interpreterOf(file: string): string[] {
  const head = Buffer.alloc(256);
  let descriptor: number | undefined;
  try {
    descriptor = openSync(file, 'r');
    const length = readSync(descriptor, head, 0, head.length, 0);
    const [, interpreter] = /^#!\s*(\/[^\s]+)/.exec(head.toString('latin1', 0, length)) ?? [];
    return interpreter !== undefined && isFile(interpreter) ? [interpreter] : [];
  } catch {
    // Not readable for us: then it will not start either, and its end says why.
    return [];
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** A file as it is written and as it really is, each with the package that it belongs to. */
function neededBy(file: string, secret: readonly string[]): string[] {
  return [file, realpathSync(file)].flatMap((path) => {
    const folder = packageOf(path);
    const isOpen = folder !== undefined && folder !== sep && !secret.some((other) => isInside(other, folder));
    if (folder === undefined || !isOpen) return [path];
    // Beside an environment there may be what isn't of it: what other programs keep.
    if (existsSync(join(folder, 'pyvenv.cfg'))) return [path, ...environmentOf(folder)];
    const modules = join(folder, 'node_modules');
    const linked = existsSync(modules) ? [realpathSync(modules)] : [];
    return [folder, realpathSync(folder), ...linked];
  });
}

/** What Python's environments are made of. */
const environmentOf = (folder: string): string[] =>
  ['bin', 'lib', 'lib64', 'pyvenv.cfg'].map((name) => join(folder, name)).filter((path) => existsSync(path));

/** The outermost node_modules around it, its Python environment, or the nearest folder with a package.json. */
function packageOf(file: string): string | undefined {
  const modules = file.indexOf(`${sep}node_modules${sep}`);
  if (modules !== -1) return file.slice(0, modules + `${sep}node_modules`.length);
  for (let folder = dirname(file); folder !== dirname(folder); folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json')) || existsSync(join(folder, 'pyvenv.cfg'))) return folder;
  }
  return undefined;
}

function isFile(path: string): boolean {
  if (basename(path) === '') return false;
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
