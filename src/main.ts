/** argv → one command. */
import { basename, relative, sep } from 'node:path';
import { readVersion } from '#app/version.ts';
import type { Io } from '#cli/io.ts';
import { runCli } from '#cli/program.ts';
import { commandOfAlias } from '#cli/server-commands.ts';
import { readTextFile } from '#config/read-text.ts';
import { environmentProxy, proxiedFetch } from '#http/proxied-fetch.ts';

const io: Io = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  outIsTerminal: process.stdout.isTTY === true,
  outColumns: process.stdout.columns,
  errIsTerminal: process.stderr.isTTY === true,
  inIsTerminal: process.stdin.isTTY === true,
  input: process.stdin,
  env: process.env,
  cwd: process.cwd(),
  command: commandOf(process.argv[1] ?? ''),
  readFile: readTextFile,
  fetch: proxiedFetch(environmentProxy(process.env)),
  exit: (code) => process.exit(code),
  onCrash(listener) {
    process.once('uncaughtException', listener);
    process.once('unhandledRejection', listener);
  },
  onSignal(listener) {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, listener);
  },
  onReload: (listener) => void process.on('SIGHUP', listener),
};

/** In the package the launcher is below node_modules, and npx finds it by the package's name. */
function commandOf(script: string): string {
  if (script.includes(`${sep}node_modules${sep}`)) return 'npx mcp-gatehouse';
  return script.endsWith('.mjs') || script.endsWith('.ts')
    ? `node ${relative(process.cwd(), script)}`
    : basename(script);
}

process.exitCode = await runCli(commandOfAlias(process.argv[1] ?? '', process.argv.slice(2)), io, readVersion());
