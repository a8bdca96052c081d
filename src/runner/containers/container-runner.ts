/**
 * Runs servers as containers of a Docker or Podman engine: hardened by construction, limited in number, on record in
 * `Runs`, and removed also when the gateway was killed. Knows nothing of MCP.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import type { OrgId, ServerId } from '#core/ids.ts';
import type { Log } from '#core/log.ts';
import type { Secret } from '#core/secret.ts';
import type { ContainerTransport } from '#core/transport.ts';
import type { Child, ChildExit, ChildTimes } from '#runner/child.ts';
import { buildEnvironment, type EnvironmentValue, secretsOf } from '#runner/environment.ts';
import type { Idle } from '#runner/runner.ts';
import type { Runs } from '#runner/runs.ts';
import { openStderr, type StderrSink } from '#runner/stderr.ts';
import { ContainerChild, type ContainerEvents, type Prepared } from './container-child.ts';
import { createBody, EGRESS_TARGET, portOf } from './create-body.ts';
import type { Engine } from './engine.ts';
import { EngineError } from './engine-http.ts';
import { explain } from './explain.ts';
import { checkImage } from './images.ts';
import type { Instance } from './instance.ts';
import { HOST_LABEL, LABEL, RUN_LABEL, reap, SERVER_LABEL } from './reaper.ts';
import { bindsOf } from './volumes.ts';

export interface ContainerSpec {
  readonly server: ServerId;
  /** The server's key: for the log and the record. */
  readonly key: string;
  /** Whose calls start it. */
  readonly org: OrgId | undefined;
  readonly transport: ContainerTransport;
  /** Instead of the transport's: with the credential. */
  readonly env: Readonly<Record<string, EnvironmentValue>>;
  /** Whose share of the containers it counts against. */
  readonly owner: string;
  readonly idle?: Idle;
}

export interface ContainerRunner {
  /**
   * Returns at once; a container that cannot be started shows as `onExit` with reason `unspawned`.
   * Throws GatehouseError `upstream_busy` (too many containers), `shutting_down`.
   */
  spawn(spec: ContainerSpec, events: ContainerEvents): Omit<Child, 'connect'>;
  /** Ends the longest idle container that stands in the way of another one of `owner`; false: there is none. */
  makeRoom(owner: string): Promise<boolean>;
  readonly size: number;
  /** One pass: how many were left behind. Throws EngineError. */
  reap(): Promise<number>;
  /** Stops every container, each with its graces, and waits for them. */
  close(): Promise<void>;
}

/**
 * Gives the path of a unix socket that proxies to the allowed hosts and no others (CONNECT), for one server. It is mounted
 * into the container at `/run/gatehouse/egress.sock`, where GATEHOUSE_EGRESS_SOCKET points, and must be writable by `user`.
 */
export type EgressSocket = (
  server: { readonly id: ServerId; readonly key: string },
  allow: readonly string[],
) => Promise<string>;

export interface ContainerRunnerDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly runs: Runs;
  readonly instance: Instance;
  /** Called before each start and each pass of the reaper: keeps what it found. */
  readonly engine: () => Promise<Engine>;
  readonly settings: ContainerSettings;
  /** Variables of a server that are sealed where they are kept. */
  readonly findVariables?: (server: ServerId) => Promise<Readonly<Record<string, Secret>>>;
  readonly egressSocket?: EgressSocket;
  readonly limits?: Partial<ContainerLimits>;
}

export interface ContainerSettings {
  /** `uid:gid`. */
  readonly user: string;
  readonly runtime: string | undefined;
  /** undefined: any image that is here. */
  readonly images: readonly string[] | undefined;
  /** Paths of the host that no container may see, beside those that none may anywhere. */
  readonly refusedSources: readonly string[];
}

export interface ContainerLimits extends ChildTimes {
  readonly maxLineBytes: number;
  readonly stderrKeepBytes: number;
  readonly stderrLinesPerSecond: number;
  readonly maxContainers: number;
  readonly maxContainersPerOwner: number;
}

const defaults: ContainerLimits = {
  maxLineBytes: 4 * 1024 * 1024,
  stderrKeepBytes: 64 * 1024,
  stderrLinesPerSecond: 100,
  closeGraceMs: 2000,
  termGraceMs: 3000,
  maxContainers: 200,
  maxContainersPerOwner: 20,
};

export function openContainerRunner(deps: ContainerRunnerDeps): ContainerRunner {
  const limits = { ...defaults, ...deps.limits };
  const children = new Map<string, { readonly child: Omit<Child, 'connect'>; readonly spec: ContainerSpec }>();
  let closing = false;
  const specs = () => [...children.values()].map(({ spec }) => spec);
  const isGreedy = (owner: string) =>
    specs().filter((spec) => spec.owner === owner).length >= limits.maxContainersPerOwner;

  return {
    spawn(spec, events) {
      if (closing) throw new GatehouseError('shutting_down');
      if (children.size >= limits.maxContainers || isGreedy(spec.owner)) throw new GatehouseError('upstream_busy');
      const run = randomUUID();
      const { runs, clock } = deps;
      let started = false;
      const child = new ContainerChild({
        prepare: () => prepare({ spec, run, limits, deps }),
        ...{ events, log: deps.log, times: limits, maxLineBytes: limits.maxLineBytes },
        onStarted({ engine, id, origin }) {
          started = true;
          const { server, key, org } = spec;
          const about = { id: run, server, key, org, kind: 'container' as const, container: id, sandbox: engine.name };
          runs.add({ ...about, startedAt: clock.now(), url: origin }, async () => void (await child.stop()));
        },
        onGone(exit: ChildExit) {
          children.delete(run);
          if (started) runs.remove(run, { at: clock.now(), code: exit.code, signal: exit.signal, reason: exit.reason });
        },
      });
      children.set(run, { child, spec });
      return child;
    },
    async makeRoom(owner) {
      const others = specs().filter((spec) => !isGreedy(owner) || spec.owner === owner);
      const idle = others.filter((spec) => spec.idle?.since() !== undefined);
      const longest = idle.sort((a, b) => (a.idle?.since() ?? 0) - (b.idle?.since() ?? 0))[0]?.idle;
      await longest?.end();
      return longest !== undefined;
    },
    get size() {
      return children.size;
    },
    async reap() {
      deps.instance.beat();
      return reap(await deps.engine(), { ...deps, isLive: (run) => children.has(run) });
    },
    async close() {
      closing = true;
      await Promise.all([...children.values()].map(({ child }) => child.stop()));
    },
  };
}

interface Preparation {
  readonly spec: ContainerSpec;
  readonly run: string;
  readonly limits: ContainerLimits;
  readonly deps: ContainerRunnerDeps;
}

/** Every refusal happens here, before the engine is asked to create anything. */
async function prepare({ spec, run, limits, deps }: Preparation): Promise<Prepared> {
  const { settings, instance } = deps;
  const { transport, server, key } = spec;
  const { refusedSources: refused } = settings;
  const engine = await deps.engine();
  const image = await engine.findImage(transport.image);
  if (!image) {
    throw new EngineError(`The image ${transport.image} is not here: pull it first, nothing is pulled at a call`);
  }
  checkImage(transport.image, image, settings.images);
  const network = transport.permission?.network ?? 'none';
  const allow = typeof network === 'object' ? network.allow : undefined;
  const egressSocket = allow && (await deps.egressSocket?.({ id: server, key }, allow));
  const port = transport.speaks === 'stdio' ? undefined : portOf(transport, image);
  const given = { ...spec.env, ...(await deps.findVariables?.(server)) };
  const own = { HOME: '/tmp', ...(port !== undefined && { PORT: String(port) }) };
  const proxy: Record<string, string> = egressSocket === undefined ? {} : { GATEHOUSE_EGRESS_SOCKET: EGRESS_TARGET };
  const body = createBody({
    ...{ transport, image, egressSocket, engine: engine.name, user: settings.user, runtime: settings.runtime },
    env: { ...own, ...buildEnvironment({}, given), ...proxy },
    labels: { [LABEL]: instance.id, [HOST_LABEL]: instance.host, [SERVER_LABEL]: server, [RUN_LABEL]: run },
    binds: bindsOf(transport, engine.socketPath === undefined ? refused : [...refused, engine.socketPath]),
  });
  const stderr = sinkOf({ spec, run, limits, deps }, given);
  return { engine: explaining(engine), name: `gatehouse-${run}`, body, stderr, port };
}

function explaining(engine: Engine): Engine {
  const rethrow = (thrown: unknown): never => {
    throw explain(thrown);
  };
  return {
    ...engine,
    create: (name, body) => engine.create(name, body).catch(rethrow),
    start: (id) => engine.start(id).catch(rethrow),
  };
}

function sinkOf({ spec, run, limits, deps }: Preparation, env: ContainerSpec['env']): StderrSink {
  const { log, runs, clock } = deps;
  const about = { server: spec.key, run };
  return openStderr({
    clock,
    secrets: secretsOf(env),
    keepBytes: limits.stderrKeepBytes,
    linesPerSecond: limits.stderrLinesPerSecond,
    onLine(text) {
      runs.log(spec.server, run, text);
      log.info({ ...about, stderr: text }, 'container wrote to its log');
    },
    onDropped: (dropped) => log.warn({ ...about, dropped }, 'container writes too much to its log'),
  });
}
