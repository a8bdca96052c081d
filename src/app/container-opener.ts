/** Servers that run in containers: the engine is looked for when the first of them is called. */
import { existsSync, mkdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { openContainerUpstream, openHttpUpstream, openSseUpstream } from '#adapters/upstream/index.ts';
import type { FindVariables, Upstream, UpstreamTarget } from '#adapters/upstream/upstream.ts';
import type { Config } from '#config/load.ts';
import type { Clock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import type { ContainerTransport } from '#core/transport.ts';
import { type ContainerRunner, type EgressSocket, openContainerRunner } from '#runner/containers/container-runner.ts';
import type { Engine } from '#runner/containers/engine.ts';
import { findEngine } from '#runner/containers/find-engine.ts';
import { openInstance } from '#runner/containers/instance.ts';
import { openPulls, type PullImage } from '#runner/containers/pulls.ts';
import type { Runs } from '#runner/runs.ts';

export interface ContainerOpener {
  open(target: UpstreamTarget & { readonly transport: ContainerTransport }): Upstream;
  readonly pullImage: PullImage;
  status(): ContainersStatus;
  close(): Promise<void>;
}

export interface ContainersStatus {
  /** undefined: nobody has needed one yet. */
  readonly engine: string | undefined;
  /** Why there is none: for administrators. */
  readonly reason: string | undefined;
  readonly running: number;
}

export interface ContainerOpenerDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly env: NodeJS.ProcessEnv;
  readonly runs: Runs;
  /** Of each HTTP upstream. */
  readonly http: { readonly connections: number; readonly queue: number; readonly connectTimeoutMs: number };
  readonly findVariables?: FindVariables;
  /** Left out: servers whose network is a list of hosts are refused. */
  readonly egressSocket?: EgressSocket;
}

const REAP_MS = 30_000;

export function openContainerOpener(config: Config, deps: ContainerOpenerDeps): ContainerOpener {
  const { clock, log } = deps;
  const finder = openFinder(config, deps);
  let running: { readonly runner: ContainerRunner; readonly close: () => Promise<void> } | undefined;
  const containers = (): ContainerRunner => {
    running ??= openRunning(config, deps, finder.find);
    return running.runner;
  };
  // Containers were run here before: a gateway that was killed may have left some.
  if (config.runner.engine !== 'none' && existsSync(join(config.dataDir, 'containers'))) containers();
  return {
    pullImage: openPulls(finder.find, config.runner.images),
    status: () => ({ ...finder.status(), running: running?.runner.size ?? 0 }),
    open: (target) =>
      openContainerUpstream(target, {
        ...{ clock, log, options: optionsOf(config) },
        containers: {
          spawn: (spec, events) => containers().spawn(spec, events),
          makeRoom: (owner) => containers().makeRoom(owner),
        },
        openUpstream: (kind, url) =>
          kind === 'sse'
            ? openSseUpstream({ ...deps.http, transport: { kind, url }, clock, log })
            : openHttpUpstream({ ...deps.http, transport: { kind, url } }),
      }),
    async close() {
      await running?.close();
      await finder.close();
    },
  };
}

/** Kept once found; looked for again after a failure. */
function openFinder({ runner }: Config, { env, log }: ContainerOpenerDeps) {
  let found: Promise<Engine> | undefined;
  let status: Omit<ContainersStatus, 'running'> = { engine: undefined, reason: undefined };
  const find = (): Promise<Engine> => {
    if (found) return found;
    const finding = findEngine({ setting: runner.engine, env });
    found = finding;
    finding.then(
      ({ name, version }) => {
        status = { engine: `${name} ${version}`, reason: undefined };
        log.info({ engine: name, version }, 'servers run in containers of this engine');
      },
      (thrown: unknown) => {
        found = undefined;
        status = { engine: undefined, reason: thrown instanceof Error ? thrown.message : 'none was found' };
      },
    );
    return finding;
  };
  const close = async () => {
    const engine = await found?.catch(() => undefined);
    await engine?.close();
  };
  return { find, close, status: () => status };
}

function openRunning(config: Config, deps: ContainerOpenerDeps, engine: () => Promise<Engine>) {
  const { clock, log } = deps;
  const { runner: settings, dataDir } = config;
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const instance = openInstance({ dataDir, now: () => clock.now() });
  const runner = openContainerRunner({
    ...deps,
    ...{ instance, engine },
    limits: {
      ...{ closeGraceMs: settings.stopMs, termGraceMs: settings.killMs },
      maxContainersPerOwner: config.limits.organization.containers,
    },
    settings: {
      user: settings.containerUser,
      runtime: settings.containerRuntime,
      images: settings.images,
      refusedSources: [realpathSync(dataDir)],
    },
  });
  const reap = () => {
    runner
      .reap()
      .catch((err: unknown) => log.warn({ err }, 'containers that were left behind could not be looked for'));
  };
  reap();
  const timer = setInterval(reap, REAP_MS).unref();
  const close = async () => {
    clearInterval(timer);
    await runner.close();
    instance.close();
  };
  return { runner, close };
}

function optionsOf({ runner }: Config) {
  return { startMs: runner.startMs, idleMs: runner.idleMs, maxLifeMs: runner.lifeMs };
}
