/**
 * What the engine is asked to create. Everything that hardens a container stands here as a constant: no definition of a
 * server can loosen it (SECURITY G7, G8).
 */
import { GatehouseError } from '#core/error.ts';
import type { RunResources } from '#core/run.ts';
import type { ContainerTransport } from '#core/transport.ts';
import type { Image } from './engine.ts';
import type { Bind } from './volumes.ts';

export interface CreateParts {
  readonly transport: ContainerTransport;
  readonly image: Image;
  readonly engine: 'docker' | 'podman';
  /** Complete. */
  readonly env: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly binds: readonly Bind[];
  /** `uid:gid`, neither of them root's. */
  readonly user: string;
  readonly runtime: string | undefined;
  /** Socket of the gateway's egress proxy for exactly this server, where its network is a list of hosts. */
  readonly egressSocket: string | undefined;
}

export const defaultResources: RunResources = { memoryMb: 256, cpus: 0.5, processes: 64, openFiles: 256, fileMb: 64 };

/** Where a container finds the proxy to the hosts it may reach. */
export const EGRESS_TARGET = '/run/gatehouse/egress.sock';

const MB = 1024 * 1024;
/** Counted by the kernel for a user of the host, over all containers: `PidsLimit` is the real limit. */
const USER_PROCESSES = 4096;
const scratchSpace = 'rw,noexec,nosuid,nodev,mode=1777';

export type CreateBody = ReturnType<typeof createBody>;

/** Throws GatehouseError `bad_request`. */
export function createBody(parts: CreateParts) {
  const { transport, image, env, runtime } = parts;
  const resources = { ...defaultResources, ...transport.resources };
  const port = transport.speaks === 'stdio' ? undefined : portOf(transport, image);
  const stdin = transport.speaks === 'stdio';
  return {
    // By its id, not by its name: what was checked is what runs.
    Image: image.id,
    ...(transport.args.length > 0 && { Cmd: transport.args.map(checkArgument) }),
    User: parts.user,
    Env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
    Labels: parts.labels,
    AttachStdin: stdin,
    OpenStdin: stdin,
    StdinOnce: stdin,
    AttachStdout: true,
    AttachStderr: true,
    Tty: false,
    ...(port !== undefined && { ExposedPorts: { [`${port}/tcp`]: {} } }),
    HostConfig: {
      ...confinement,
      ...limitsOf(resources),
      NetworkMode: networkOf(parts),
      PortBindings: port === undefined ? {} : { [`${port}/tcp`]: [{ HostIp: '127.0.0.1', HostPort: '' }] },
      Tmpfs: tmpfsOf(parts),
      Mounts: mountsOf(parts),
      ...(runtime !== undefined && { Runtime: runtime }),
    },
  };
}

const confinement = {
  Privileged: false,
  ReadonlyRootfs: true,
  CapDrop: ['ALL'],
  SecurityOpt: ['no-new-privileges'],
  IpcMode: 'private',
  RestartPolicy: { Name: 'no' },
  // What it prints is read over the attached connection and kept in a ring here: never on a disk.
  LogConfig: { Type: 'none' },
} as const;

function limitsOf({ memoryMb, cpus, processes, openFiles, fileMb }: RunResources) {
  const both = (name: string, value: number) => ({ Name: name, Soft: value, Hard: value });
  return {
    Memory: memoryMb * MB,
    // The sum of both: none.
    MemorySwap: memoryMb * MB,
    NanoCpus: Math.round(cpus * 1e9),
    PidsLimit: processes,
    ShmSize: 16 * MB,
    Ulimits: [both('nofile', openFiles), both('nproc', USER_PROCESSES), both('fsize', fileMb * MB), both('core', 0)],
  };
}

/** The only places that can be written, beside volumes; what an image declares as `VOLUME` would else be on the disk. */
function tmpfsOf({ image, binds, engine, user }: CreateParts): Record<string, string> {
  const [uid, gid] = user.split(':');
  // Where the image has such a folder, runtimes keep its mode, often root's alone: it must belong to whoever runs.
  const owned = engine === 'podman' ? 'notmpcopyup,U' : `uid=${uid},gid=${gid}`;
  const scratch = (mb: number) => `${scratchSpace},size=${mb}m,${owned}`;
  const places: [string, string][] = [['/tmp', scratch(64)]];
  for (const path of ['/run', '/var/tmp', ...image.volumes]) {
    if (!/^(?:\/[\w.@+-]+)+$/.test(path) || /\/\.{1,2}(?:\/|$)/.test(path)) {
      throw new GatehouseError('bad_request', { message: 'The image declares a volume whose path cannot be used' });
    }
    places.push([path, scratch(16)]);
  }
  return Object.fromEntries(places.filter(([path]) => !binds.some(({ target }) => target === path)));
}

function mountsOf({ binds, egressSocket }: CreateParts) {
  const bind = ({ source, target, readOnly }: Bind) => ({
    Type: 'bind' as const,
    Source: source,
    Target: target,
    ReadOnly: readOnly,
    BindOptions: { Propagation: 'rprivate' as const },
  });
  const proxy = egressSocket === undefined ? [] : [{ source: egressSocket, target: EGRESS_TARGET, readOnly: false }];
  return [...binds, ...proxy].map(bind);
}

/** What a list of hosts needs is there, or it is refused: never more network than was said. */
function networkOf({ transport, egressSocket }: CreateParts): 'none' | 'bridge' {
  const network = transport.permission?.network ?? 'none';
  if (network === 'full') return 'bridge';
  if (transport.speaks !== 'stdio') {
    throw new GatehouseError('bad_request', {
      message:
        'A container that listens needs a network: set permission.network to full, or let it speak over stdin and stdout',
    });
  }
  if (network !== 'none' && egressSocket === undefined) {
    throw new GatehouseError('bad_request', {
      message: 'A container with a list of allowed hosts needs the egress proxy, which is not there: use none or full',
    });
  }
  return 'none';
}

/** Where it listens. Throws GatehouseError `bad_request` when neither its definition nor its image says so. */
export function portOf({ port }: ContainerTransport, image: Image): number {
  const [only, ...others] = image.ports;
  const found = port ?? (others.length === 0 ? only : undefined);
  if (found !== undefined && Number.isInteger(found) && found > 0 && found <= 65_535) return found;
  throw new GatehouseError('bad_request', { message: 'The port that the container listens on is not given' });
}

function checkArgument(argument: string): string {
  if (argument.includes('\0')) throw new GatehouseError('bad_request', { message: 'An argument has a NUL byte' });
  return argument;
}
