/**
 * The sandbox of programs: bubblewrap with a system call filter, limits, and no network but what the permission says.
 * It is tested once before the first program runs in it; where it does not hold, programs do not run (SECURITY R14).
 */
import { accessSync, closeSync, constants, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, isAbsolute, join, resolve } from 'node:path';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import type { Log } from '#core/log.ts';
import { noNetwork, type RunResources } from '#core/run.ts';
import type { Egress } from '#http/egress.ts';
import { buildEnvironment } from '#runner/environment.ts';
import type { Launch } from '#runner/launch.ts';
import type { ChildSpec } from '#runner/runner.ts';
import { GIVEN, sandboxLine, WORK } from './arguments.ts';
import { checkPaths } from './check-paths.ts';
import { openEgressProxy } from './egress-proxy.ts';
import { type ForwardSettings, forwarderText, PROXY_PORT } from './forwarder.ts';
import { findProgramFiles } from './program-files.ts';
import { seccompProgram } from './seccomp.ts';
import { testSandbox } from './self-test.ts';
import { openTunnel, type Tunnel } from './tunnel.ts';
import { watchUsage } from './usage.ts';

export interface SandboxStatus {
  readonly kind: 'bubblewrap';
  /** `untested`: nobody has needed it yet. */
  readonly state: 'untested' | 'ready' | 'unavailable';
  /** Why it is unavailable: for administrators. */
  readonly reason?: string;
}

export interface Sandbox {
  readonly status: SandboxStatus;
  /** Tests it, once for all who ask. Never rejects. */
  check(): Promise<SandboxStatus>;
  /** Throws GatehouseError `upstream_unreachable` where the sandbox does not hold, or there is no such program. */
  launch(spec: ChildSpec, mark: Readonly<Record<string, string>>): Launch;
  close(): Promise<void>;
}

export interface SandboxDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** This process's environment: where programs are searched, and the language. */
  readonly env: NodeJS.ProcessEnv;
  /** Judges the hosts that permissions name, and leads to them. */
  readonly egress: Pick<Egress, 'guard' | 'proxyFor'>;
  /** Folders that no program may see by way of where its own file lies. */
  readonly secret: readonly string[];
  /** The gateway's data: in no program's sight, whatever its definition says. */
  readonly dataDir: string;
}

/** SECURITY G8, with more memory: an idle Node takes a hundred megabytes. */
export const defaultResources: RunResources = { memoryMb: 512, cpus: 0.5, processes: 64, openFiles: 256, fileMb: 64 };

const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const stubs: Readonly<Record<string, string>> = {
  passwd: `sandbox:x:65534:65534:sandbox:${WORK}:/usr/sbin/nologin\n`,
  group: 'sandbox:x:65534:\n',
  hosts: '127.0.0.1 localhost\n::1 localhost\n',
};

/** In the place of /dev/zero, which is memory for whoever maps it: as much as anybody reads of it, and bounded. */
const ZERO_BYTES = 64 * 1024 * 1024;

export function openSandbox(deps: SandboxDeps): Sandbox {
  const { log, env } = deps;
  const usage = watchUsage(deps);
  let places: Places | undefined;
  let status: SandboxStatus = { kind: 'bubblewrap', state: 'untested' };
  let testing: Promise<SandboxStatus> | undefined;

  async function test(): Promise<SandboxStatus> {
    try {
      const made = openPlaces(env.PATH ?? systemPath);
      places = made;
      const tested = { command: process.execPath, env: {} };
      const reason = await testSandbox((args) => prepare({ ...tested, args }, { ...deps, places: made, mark: {} }));
      status = reason === undefined ? { kind: 'bubblewrap', state: 'ready' } : unavailable(reason);
    } catch (thrown) {
      status = unavailable(thrown instanceof Error ? thrown.message : 'it could not be tested');
    }
    if (status.state === 'ready') log.info({ sandbox: status.kind }, 'programs run in a sandbox');
    else log.warn({ reason: status.reason }, 'there is no sandbox here: servers that are programs are unavailable');
    // RLIMIT_NPROC does not hold for root (setrlimit(2)): too many processes are ended when they are counted, seconds later.
    if (status.state === 'ready' && process.getuid?.() === 0)
      log.warn(
        {},
        'the gateway is root: how many processes a program starts is watched only; give it a user of its own',
      );
    return status;
  }

  return {
    get status() {
      return status;
    },
    check() {
      testing ??= test();
      return testing;
    },
    launch(spec, mark) {
      if (status.state !== 'ready' || !places) {
        throw new GatehouseError('upstream_unreachable', {
          cause: new Error(`sandbox: ${status.reason ?? status.state}`),
        });
      }
      const launch = prepare(spec, { ...deps, places, mark });
      const resources = { ...defaultResources, ...spec.resources };
      let watched: number | undefined;
      return {
        ...launch,
        onStarted(pid, kill) {
          watched = pid;
          usage.add(pid, resources, kill);
        },
        release() {
          if (watched !== undefined) usage.remove(watched);
          launch.release?.();
        },
      };
    },
    async close() {
      usage.close();
      await testing;
      if (places) rmSync(places.folder, { recursive: true, force: true });
    },
  };
}

const unavailable = (reason: string): SandboxStatus => ({ kind: 'bubblewrap', state: 'unavailable', reason });

interface Places {
  /** Of bubblewrap. */
  readonly program: string;
  /** Private folder for sockets and stubs; short, because a socket's path may have 107 bytes only. */
  readonly folder: string;
  /** Makes names for sockets. */
  next(): number;
}

/** Throws an Error that says what is missing. */
function openPlaces(path: string): Places {
  const filter = process.platform === 'linux' ? seccompProgram(process.arch) : undefined;
  if (!filter) throw new Error(`there is none for ${process.platform} on ${process.arch}`);
  const folders = path.split(delimiter).filter((folder) => isAbsolute(folder));
  const program = folders.map((folder) => join(folder, 'bwrap')).find(isExecutable);
  if (program === undefined) throw new Error('bubblewrap (bwrap) is not installed');
  for (const tool of ['/usr/bin/prlimit', '/usr/bin/nice']) {
    if (!isExecutable(tool)) throw new Error(`${tool} is not installed`);
  }
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-'));
  writeFileSync(join(folder, 'filter'), filter);
  writeFileSync(join(folder, 'forward.cjs'), forwarderText);
  for (const [name, text] of Object.entries(stubs)) writeFileSync(join(folder, name), text);
  writeFileSync(join(folder, 'zero'), '');
  truncateSync(join(folder, 'zero'), ZERO_BYTES);
  let count = 0;
  return { program, folder, next: () => ++count };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

interface PrepareDeps extends SandboxDeps {
  readonly places: Places;
  readonly mark: Readonly<Record<string, string>>;
}

function prepare(spec: ChildSpec, deps: PrepareDeps): Launch {
  const { places, env, secret } = deps;
  const permission = spec.permission ?? noNetwork;
  const cwd = spec.cwd === undefined ? undefined : resolve(spec.cwd);
  checkPaths({ ...spec, cwd }, deps);
  const files = found(() =>
    findProgramFiles(spec, { path: env.PATH ?? systemPath, secret: [...secret, deps.dataDir] }),
  );
  const search = [...files.search, dirname(process.execPath)].filter(
    (folder) => !systemPath.split(':').includes(folder),
  );
  const inherited = { PATH: [...new Set(search), systemPath].join(':'), HOME: WORK, TMPDIR: '/tmp', LANG: env.LANG };
  const own = buildEnvironment(inherited, spec.env);
  const ways = openWays(spec, deps);
  const line = sandboxLine(
    {
      command: files.command,
      args: spec.args,
      env: { ...own, ...ways.env },
      cwd,
      permission,
      volumes: spec.volumes ?? [],
      files: [...new Set([...files.paths, process.execPath])],
      resources: { ...defaultResources, ...spec.resources },
      given: { ...givenFiles(places, permission.network === 'full'), ...ways.given },
      launcher: ways.launcher,
    },
    { args: 3, seccomp: 4 },
  );
  // Its own descriptor each time: the position in a file is shared by all who inherit it.
  const filter = openSync(join(places.folder, 'filter'), 'r');
  let isOpen = true;
  const closeFilter = () => {
    if (isOpen) closeSync(filter);
    isOpen = false;
  };
  return {
    command: places.program,
    args: line.args,
    env: deps.mark,
    cwd: '/',
    extra: [Buffer.from(line.hidden.map((argument) => `${argument}\0`).join('')), filter],
    sandbox: 'bubblewrap',
    ...(ways.tunnel && { connect: ways.tunnel.connect }),
    onSpawned: closeFilter,
    release() {
      closeFilter();
      ways.close();
    },
  };
}

function found<T>(find: () => T): T {
  try {
    return find();
  } catch (cause) {
    throw new GatehouseError('upstream_unreachable', { cause });
  }
}

function givenFiles({ folder }: Places, isNetworkFull: boolean): Record<string, string> {
  return {
    [join(folder, 'forward.cjs')]: `${GIVEN}/forward.cjs`,
    [join(folder, 'passwd')]: '/etc/passwd',
    [join(folder, 'group')]: '/etc/group',
    [join(folder, 'zero')]: '/dev/zero',
    [isNetworkFull ? '/etc/hosts' : join(folder, 'hosts')]: '/etc/hosts',
  };
}

interface Ways {
  readonly env: Readonly<Record<string, string>>;
  readonly given: Readonly<Record<string, string>>;
  readonly launcher: readonly string[];
  readonly tunnel?: Tunnel;
  close(): void;
}

/** What leads out of a sandbox and into it, where the permission is not the whole network. */
function openWays(spec: ChildSpec, { places, egress, log, clock }: PrepareDeps): Ways {
  const { network } = spec.permission ?? noNetwork;
  const isListening = spec.listens === true && network !== 'full';
  if (typeof network === 'string' && !isListening) return { env: {}, given: {}, launcher: [], close() {} };
  const name = join(places.folder, String(places.next()));
  const settings: ForwardSettings = {
    egress: typeof network === 'object' ? `${GIVEN}/egress` : undefined,
    tunnel: isListening ? `${GIVEN}/tunnel` : undefined,
  };
  const server = spec.label ?? '';
  const closeEgress =
    typeof network === 'object'
      ? openEgressProxy({ path: `${name}e`, allow: network.allow, egress, log, clock, server })
      : undefined;
  const tunnel = isListening ? openTunnel(`${name}t`) : undefined;
  return {
    env: closeEgress ? proxyVariables : {},
    given: {
      ...(closeEgress && { [`${name}e`]: `${GIVEN}/egress` }),
      ...(tunnel && { [`${name}t`]: `${GIVEN}/tunnel` }),
    },
    launcher: [process.execPath, `${GIVEN}/forward.cjs`, JSON.stringify(settings)],
    ...(tunnel && { tunnel }),
    close() {
      closeEgress?.();
      tunnel?.close();
    },
  };
}

const proxyUrl = `http://127.0.0.1:${PROXY_PORT}`;
const proxyVariables: Readonly<Record<string, string>> = {
  HTTP_PROXY: proxyUrl,
  HTTPS_PROXY: proxyUrl,
  http_proxy: proxyUrl,
  https_proxy: proxyUrl,
  NO_PROXY: '127.0.0.1,localhost',
  no_proxy: '127.0.0.1,localhost',
  // Without it Node's own fetch asks no proxy.
  NODE_USE_ENV_PROXY: '1',
};
