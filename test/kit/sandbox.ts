/** Programs in a real sandbox, each closed after its test. */
import { afterEach } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { type AddressGuardOptions, addressGuard } from '#http/address-guard.ts';
import type { ChildExit } from '#runner/child.ts';
import { type ChildSpec, openRunner, type Runner, type RunnerDeps } from '#runner/runner.ts';
import { openSandbox, type Sandbox, type SandboxDeps } from '#runner/sandbox/sandbox.ts';

export interface SandboxOptions extends Partial<Pick<SandboxDeps, 'log' | 'env' | 'secret' | 'dataDir'>> {
  readonly egress?: AddressGuardOptions;
  readonly runner?: Partial<RunnerDeps>;
}

export interface Run {
  readonly stdout: string;
  readonly exit: ChildExit;
}

export const openTestSandbox = ({ egress = {}, ...rest }: SandboxOptions = {}): Sandbox =>
  openSandbox({
    ...{ clock: systemClock, log: silentLog, env: process.env, secret: [], dataDir: '/var/lib/gatehouse' },
    ...rest,
    egress: { guard: addressGuard(egress), proxyFor: () => undefined },
  });

const tried = openTestSandbox();
const { state, reason } = await tried.check();
await tried.close();

/** For `test.skipIf`: why there are no real sandboxes here, '' where there are. */
export const noSandbox = state === 'ready' ? '' : `no sandbox here: ${reason}`;
if (noSandbox !== '') console.warn(`Tests of real sandboxes are left out: ${noSandbox}`);

export interface SandboxedRunner {
  readonly runner: Runner;
  readonly sandbox: Sandbox;
}

export function openSandboxedRunners(): (options?: SandboxOptions) => Promise<SandboxedRunner> {
  const opened: SandboxedRunner[] = [];
  afterEach(async () => {
    for (const { runner, sandbox } of opened.splice(0)) {
      await runner.close();
      await sandbox.close();
    }
  });
  return async (options = {}) => {
    const sandbox = openTestSandbox(options);
    const runner = openRunner({
      ...{ clock: systemClock, log: silentLog, env: process.env, sandbox },
      limits: { closeGraceMs: 500, termGraceMs: 500 },
      ...options.runner,
    });
    opened.push({ runner, sandbox });
    await runner.ready();
    return { runner, sandbox };
  };
}

/** A program in the language of the gateway's own Node, to its end. */
export const runScript = ({ runner }: Pick<SandboxedRunner, 'runner'>, script: string, spec: Partial<ChildSpec> = {}) =>
  new Promise<Run>((resolve) => {
    const lines: string[] = [];
    runner.spawn(
      { command: process.execPath, args: ['-e', script], env: {}, ...spec },
      {
        onLine: (line) => lines.push(line.toString()),
        onExit: (exit) => resolve({ stdout: lines.join('\n'), exit }),
      },
    );
  });

/** What a script prints as JSON. */
export async function ask(sandboxed: Pick<SandboxedRunner, 'runner'>, script: string, spec: Partial<ChildSpec> = {}) {
  const { stdout, exit } = await runScript(sandboxed, `console.log(JSON.stringify((() => { ${script} })()))`, spec);
  if (exit.code !== 0) throw new Error(`it ended with ${exit.code} (${exit.reason}): ${exit.stderr}`);
  return JSON.parse(stdout);
}
