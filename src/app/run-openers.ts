/** What the gateway runs itself: the runner with its sandbox, and the adapters for programs. */
import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { openProcessUpstream, openStdioUpstream } from '#adapters/upstream/index.ts';
import type { FindVariables, Upstream, UpstreamTarget } from '#adapters/upstream/upstream.ts';
import { asInstalled } from '#admin/package-commands.ts';
import type { RunnerStatus } from '#admin/run-storage.ts';
import { openProgramFinder } from '#admin/server-programs.ts';
import type { Config } from '#config/load.ts';
import type { Clock } from '#core/clock.ts';
import type { ProcessTransport, StdioTransport } from '#core/transport.ts';
import type { Egress } from '#http/egress.ts';
import type { RootLog } from '#http/log.ts';
import { openRunner } from '#runner/runner.ts';
import { openRuns, type Runs } from '#runner/runs.ts';
import { openSandbox } from '#runner/sandbox/sandbox.ts';
import type { Closers } from './closers.ts';
import { productRoot } from './version.ts';

export type RunTarget = UpstreamTarget & { readonly transport: StdioTransport | ProcessTransport };
export type OpenRun = (target: RunTarget) => Upstream;

export interface RunOpeners {
  readonly openRun: OpenRun;
  readonly runs: Runs;
  status(): Omit<RunnerStatus, 'containers'>;
}

export interface RunOpenerDeps {
  readonly clock: Clock;
  readonly log: RootLog;
  readonly egress: Pick<Egress, 'guard' | 'proxyFor'>;
  readonly closers: Closers;
  /** Of this process: programs get an allow-list of it. */
  readonly env: NodeJS.ProcessEnv;
  readonly variables?: FindVariables;
}

const TEST_AFTER_MS = 1000;

export function openRunOpeners(config: Config, deps: RunOpenerDeps): RunOpeners {
  const { clock, log, egress, closers, env, variables } = deps;
  const runs = openRuns({ clock });
  const find = openProgramFinder({ dataDir: resolve(config.dataDir), path: env.PATH, root: productRoot });
  const isSandboxed = config.runner.sandbox === 'auto' && !config.demo;
  const kept = { secret: [homedir(), process.cwd()], dataDir: resolve(config.dataDir) };
  const sandbox = isSandboxed ? openSandbox({ clock, log, env, egress, ...kept }) : undefined;
  const { stopMs, killMs, startMs, idleMs, lifeMs } = config.runner;
  const limits = {
    closeGraceMs: stopMs,
    termGraceMs: killMs,
    maxChildrenPerOwner: config.limits.organization.children,
  };
  const runner = openRunner({ clock, log, env, runs, limits, ...(sandbox && { sandbox }) });
  // Once the gateway serves: it takes a moment, and a call that needs it first starts it sooner.
  const testing = setTimeout(() => void sandbox?.check(), TEST_AFTER_MS).unref();
  closers.add('runner', async () => {
    clearTimeout(testing);
    await runner.close();
    await sandbox?.close();
  });
  const options = { startMs, idleMs, maxLifeMs: lifeMs };
  const { sockets, queuedCalls } = config.limits.upstream;
  const http = { connections: sockets, queue: queuedCalls, connectTimeoutMs: config.limits.timeouts.connectMs };
  const rest = { clock, log, runner, options, ...(variables && { variables }) };
  return {
    runs,
    status: () => ({ sandbox: sandbox?.status ?? { kind: 'none', state: 'ready' }, running: runner.size }),
    openRun(target) {
      if (!sandbox)
        log.warn({ server: target.key }, 'a program runs without a sandbox, with the rights of the gateway');
      const transport = sandbox ? asInstalled(target.transport, find) : target.transport;
      if (transport.kind === 'stdio') return openStdioUpstream({ ...target, transport }, rest);
      return openProcessUpstream({ ...target, transport }, { ...rest, http });
    },
  };
}
