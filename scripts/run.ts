/**
 * Development scripts by name: `node bin/gatehouse.mjs --run NAME [arguments]`. The launcher has installed what was
 * missing, runs under Node 24 by now and has put node_modules/.bin first in PATH.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');

/** A command line per script; what the user adds is appended to it. */
const commands: Readonly<Record<string, readonly string[]>> = {
  dev: ['node', '--watch-preserve-output', '--watch', 'src/main.ts', 'serve'],
  'test:watch': ['vitest', 'watch'],
  'test:accounts': ['node', 'test/real-accounts/run.ts'],
  'test:cli-clients': ['node', 'test/cli-clients/run.ts'],
  'test:coverage': ['vitest', 'run', '--coverage'],
  typecheck: ['tsc'],
  lint: ['biome', 'check', '.'],
  'lint:fix': ['biome', 'check', '--write', '.'],
  format: ['biome', 'format', '--write', '.'],
  structure: ['node', 'scripts/check-structure.ts'],
  unused: ['knip'],
  build: ['node', 'scripts/build.ts'],
  'build:portal': ['node', 'scripts/portal.ts'],
  clean: ['node', 'scripts/clean.ts'],
  docs: ['node', 'scripts/docs.ts'],
  site: ['node', 'scripts/site.ts'],
  compatibility: ['node', 'test/bridge/matrix/write.ts'],
  includes: ['node', 'scripts/includes.ts'],
  topology: ['node', 'test/topology/run.ts'],
  bench: ['node', 'bench/run.ts'],
  conformance: ['node', 'test/conformance/run.ts'],
  requirements: ['node', 'test/requirements.ts'],
  'fuzz:isolation': ['vitest', 'run', '--mode', 'fuzz', 'test/access/isolation-fuzz.test.ts'],
  'sync:scale': ['vitest', 'run', '--mode', 'scale', 'test/sync/scale.test.ts'],
  'test:portal': ['vitest', 'run', '--mode', 'portal', 'test/portal/browser'],
  'soak:runner': ['node', 'test/runner/soak.ts'],
  'sign-in-runs': ['node', 'test/sign-in/record.ts'],
};

export const scriptNames: readonly string[] = ['test', ...Object.keys(commands)];

export async function runScript(name: string, rest: readonly string[]): Promise<void> {
  const command = commands[name];
  if (name === 'test') {
    // Imported late: an image is built without the test folder, which this one needs.
    const { runTests } = await import('./test.ts');
    process.exitCode = await runTests(root, rest);
  } else if (command === undefined) {
    process.stderr.write(`There is no script "${name}". There are: ${scriptNames.join(', ')}.\n`);
    process.exitCode = 2;
  } else {
    runCommand([...command, ...rest]);
  }
}

function runCommand([program = '', ...args]: readonly string[]): void {
  const script = args.find((argument) => argument.endsWith('.ts'));
  if (program === 'node' && script !== undefined && !existsSync(join(root, script))) {
    process.stderr.write(`${script} isn't part of this copy.\n`);
    process.exitCode = 1;
    return;
  }
  const child = spawn(program, args, { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' });
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  process.on('SIGINT', () => {
    if (!process.stdin.isTTY) child.kill('SIGINT');
  });
  child.on('error', (error) => {
    process.stderr.write(`${program} could not be started: ${error.message}\n`);
    process.exit(1);
  });
  child.on('exit', (code) => process.exit(code ?? 1));
}
