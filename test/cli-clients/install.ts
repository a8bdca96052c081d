/** Clients come from npm into .cache, pinned; they are no dependency of anything here. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { type CliClient, Skipped } from './client.ts';
import { runCommand } from './command.ts';

const installTimeoutMs = 300_000;
const described = z.object({ version: z.string() });

/** Path of the client's program. Throws Skipped where it can't be installed. */
export async function install(client: CliClient, cache: string): Promise<string> {
  const folder = join(cache, client.key);
  const program = join(folder, 'node_modules/.bin', client.program);
  if (installedVersion(client, folder) === client.version && existsSync(program)) return program;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{"private":true}\n');
  const { code, timedOut, text } = await runCommand(
    ['npm', 'install', '--no-audit', '--no-fund', '--save-exact', `${client.package}@${client.version}`],
    { cwd: folder, env: inherited(), timeoutMs: installTimeoutMs },
  );
  if (timedOut) throw new Skipped(`not installed within ${installTimeoutMs / 1000} s`);
  if (code !== 0) throw new Skipped(`can't be installed: ${/npm error (?!code).*/.exec(text)?.[0] ?? `exit ${code}`}`);
  return program;
}

function installedVersion(client: CliClient, folder: string): string | undefined {
  const file = join(folder, 'node_modules', client.package, 'package.json');
  return existsSync(file) ? described.parse(JSON.parse(readFileSync(file, 'utf8'))).version : undefined;
}

/** npm needs the registry's settings of whoever runs the lane. */
function inherited(): Record<string, string> {
  return Object.fromEntries(Object.entries(process.env).flatMap(([name, value]) => (value ? [[name, value]] : [])));
}
