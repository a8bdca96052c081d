/** argv → one command. */
import { readVersion } from '#app/version.ts';
import type { Io } from '#cli/io.ts';
import { runCli } from '#cli/program.ts';
import { readTextFile } from '#config/read-text.ts';

const io: Io = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  outIsTerminal: process.stdout.isTTY === true,
  errIsTerminal: process.stderr.isTTY === true,
  inIsTerminal: process.stdin.isTTY === true,
  input: process.stdin,
  env: process.env,
  cwd: process.cwd(),
  readFile: readTextFile,
  fetch: globalThis.fetch,
  exit: (code) => process.exit(code),
  onSignal(listener) {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, listener);
  },
};

process.exitCode = await runCli(process.argv.slice(2), io, readVersion());
