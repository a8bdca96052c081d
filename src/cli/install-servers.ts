/** `servers install`: the official programs of servers, at exact versions, into DATA_DIR/servers; no script of theirs runs. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { builtinCatalog } from '#admin/catalog/catalog.ts';
import { namedServers } from '#admin/named-servers.ts';
import { packageOf, readPackageCommand } from '#admin/package-commands.ts';
import { type ProgramPackage, programsFolder } from '#admin/server-programs.ts';
import { loadConfig } from '#config/load.ts';
import { GatehouseError } from '#core/error.ts';
import { otherSpelling } from '#core/mcp-path.ts';
import { type Io, UsageError } from './io.ts';

/** One command line of npm, python or pip. Rejects when it fails. */
type Run = (command: string, args: readonly string[]) => Promise<void>;

export async function installServers(io: Io, names: readonly string[], run: Run = runHere): Promise<void> {
  const { dataDir } = loadConfig({ ...io, purpose: 'database' });
  const folder = programsFolder(dataDir);
  const programs = names.map(programOf);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const { from, name, version } of programs) {
    if (from === 'gatehouse') continue;
    io.err(`Installing ${name} ${version} into ${folder} …\n`);
    for (const [command, args] of from === 'npm' ? npmLines(folder, name, version) : pipLines(folder, name, version))
      await run(command, args);
  }
  io.err('Installed. Servers that run it find it at their next start.\n');
}

type Line = readonly [command: string, args: readonly string[]];

const npmLines = (folder: string, name: string, version: string): readonly Line[] => {
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--save-exact'];
  return [['npm', ['install', '--prefix', folder, ...flags, `${name}@${version}`]]];
};

function pipLines(folder: string, name: string, version: string): readonly Line[] {
  const venv: readonly Line[] = existsSync(join(folder, 'bin', 'pip')) ? [] : [['python3', ['-m', 'venv', folder]]];
  const flags = ['--only-binary', ':all:', '--disable-pip-version-check'];
  return [...venv, [join(folder, 'bin', 'pip'), ['install', ...flags, `${name}==${version}`]]];
}

function programOf(name: string): ProgramPackage {
  const given = name.includes('==') ? packageOf('pypi', name) : /.@/.test(name) ? packageOf('npm', name) : undefined;
  if (given && 'problem' in given) throw new UsageError(given.problem);
  if (given) return given;
  const named = namedServers.find((one) => one.name === name || one.name === otherSpelling(name));
  if (named?.program) return named.program;
  if (named) throw new UsageError(`${named.name} is part of the gateway: there is nothing to install`);
  const entry = builtinCatalog.find(({ key }) => key === name)?.transport;
  const found = entry?.kind === 'stdio' ? readPackageCommand(entry.command, entry.args)?.program : undefined;
  if (found) return found;
  const known = namedServers.filter(({ program }) => program).map((one) => one.name);
  throw new UsageError(
    `There is no server ${name}: name a package at an exact version (name@1.2.3, name==1.2.3), an entry of the catalogue, or one of ${known.join(', ')}`,
  );
}

function runHere(command: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 2, 2], shell: process.platform === 'win32' });
    const fail = (cause?: Error) =>
      reject(new GatehouseError('setting', { message: `${command} could not install it: see above`, cause }));
    child.once('error', fail);
    child.once('exit', (code) => (code === 0 ? resolve() : fail()));
  });
}
