/**
 * A container engine: the calls of Docker's Engine API that the gateway needs, which Podman answers too. Nothing is ever
 * pulled but by `pull`.
 */
import type { Duplex } from 'node:stream';
import { z } from 'zod';
import type { Secret } from '#core/secret.ts';
import { type EngineAddress, EngineError, type EngineHttp, openEngineHttp, parseAnswer, plain } from './engine-http.ts';
import { frameReader } from './frames.ts';

export interface Engine {
  readonly name: 'docker' | 'podman';
  readonly version: string;
  /** undefined: it is reached over TCP. */
  readonly socketPath: string | undefined;
  /** An image that is here; undefined: it isn't. */
  findImage(reference: string): Promise<Image | undefined>;
  /** Downloads an image: a platform administrator's wish, never a call's. `hear`: one line of progress. */
  pull(reference: string, options?: PullOptions): Promise<void>;
  /** Returns the id. */
  create(name: string, body: object): Promise<string>;
  /** Before `start`, so that nothing is missed. Half-closing it closes the container's stdin. */
  attach(id: string, options: { readonly stdin: boolean }): Promise<Duplex>;
  start(id: string): Promise<void>;
  /** The image's stop signal, then SIGKILL. Resolves when it has ended. */
  stop(id: string, graceSeconds: number): Promise<void>;
  kill(id: string): Promise<void>;
  /** With its anonymous volumes, running or not. No failure if it is gone already. */
  remove(id: string): Promise<void>;
  /** undefined: there is no such container. */
  inspect(id: string): Promise<Inspection | undefined>;
  /** Running or not, all that carry the label. */
  list(label: string): Promise<readonly Listed[]>;
  /** What the engine itself kept of its output; the gateway's own containers keep nothing there. */
  logs(id: string, lines: number): Promise<string>;
  close(): Promise<void>;
}

export interface PullOptions {
  /** Base64url of the registry's account, as Docker's X-Registry-Auth. */
  readonly auth?: Secret;
  readonly hear?: (line: string) => void;
  readonly timeoutMs?: number;
}

export interface Image {
  /** `sha256:…`. */
  readonly id: string;
  readonly digests: readonly string[];
  /** Paths that the image wants to write, `VOLUME`. */
  readonly volumes: readonly string[];
  /** TCP ports it says it listens on, `EXPOSE`. */
  readonly ports: readonly number[];
}

export interface Inspection {
  readonly running: boolean;
  readonly pid: number;
  readonly exitCode: number;
  readonly outOfMemory: boolean;
  /** Host ports by port of the container. */
  readonly published: ReadonlyMap<number, number>;
}

export interface Listed {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
}

const id = z.string().regex(/^[0-9a-f]{12,64}$/);
const created = z.object({ Id: id });
const keys = z
  .record(z.string().max(4096), z.unknown())
  .nullish()
  .transform((value) => Object.keys(value ?? {}).slice(0, 64));
const image = z.object({
  Id: z.string().transform((value) => (value.startsWith('sha256:') ? value : `sha256:${value}`)),
  RepoDigests: z
    .array(z.string())
    .nullish()
    .transform((value) => value ?? []),
  Config: z.object({ Volumes: keys, ExposedPorts: keys.optional() }),
});
const bindings = z.array(z.object({ HostPort: z.string().regex(/^\d{1,5}$/) })).nullish();
const inspection = z.object({
  State: z.object({
    Running: z.boolean(),
    Pid: z.number().default(0),
    ExitCode: z.number().default(0),
    OOMKilled: z.boolean().default(false),
  }),
  NetworkSettings: z.object({ Ports: z.record(z.string(), bindings).nullish() }).nullish(),
});
const listed = z
  .array(z.object({ Id: id, Labels: z.record(z.string(), z.string()).nullish() }))
  .max(10_000)
  .transform((all) => all.map((each) => ({ id: each.Id, labels: each.Labels ?? {} })));
const version = z.object({
  Version: z.string(),
  Components: z.array(z.object({ Name: z.string() })).nullish(),
});
const progress = z.object({ status: z.string().optional(), id: z.string().optional(), error: z.string().optional() });

const TIMEOUT_MS = 30_000;
const PULL_MS = 1_800_000;

/** Throws EngineError when nobody answers there, or something that isn't an engine. */
export async function openEngine(
  address: EngineAddress,
  options: { readonly timeoutMs?: number } = {},
): Promise<Engine> {
  const { timeoutMs = TIMEOUT_MS } = options;
  const http = openEngineHttp(address, { timeoutMs, connectTimeoutMs: Math.min(3000, timeoutMs) });
  try {
    await http.send({ method: 'GET', path: '/_ping' });
    const about = await http.read({ method: 'GET', path: '/version' }, version);
    const isPodman = about.Components?.some(({ Name }) => /podman/i.test(Name)) === true;
    return {
      name: isPodman ? 'podman' : 'docker',
      version: plain(about.Version),
      socketPath: address.socketPath,
      ...imagesOf(http),
      ...containersOf(http, timeoutMs),
    };
  } catch (thrown) {
    await http.close();
    throw thrown;
  }
}

function imagesOf(http: EngineHttp): Pick<Engine, 'findImage' | 'pull'> {
  return {
    async findImage(reference) {
      const { status, body } = await http.send({
        method: 'GET',
        path: `/images/${pathOf(reference)}/json`,
        also: [404],
      });
      if (status === 404) return undefined;
      const found = parseAnswer(body, image, status);
      return {
        id: found.Id,
        digests: found.RepoDigests,
        volumes: found.Config.Volumes,
        ports: (found.Config.ExposedPorts ?? [])
          .flatMap((text) => /^(\d{1,5})(?:\/tcp)?$/.exec(text)?.[1] ?? [])
          .map(Number),
      };
    },
    async pull(reference, { auth, hear, timeoutMs = PULL_MS } = {}) {
      checkImageName(reference);
      let failure: string | undefined;
      const headers = auth && { 'x-registry-auth': auth.reveal() };
      await http.lines(
        {
          method: 'POST',
          path: '/images/create',
          query: { fromImage: tagged(reference) },
          timeoutMs,
          ...(headers && { headers }),
        },
        (line) => {
          const step = parseAnswer(line, progress);
          failure ??= step.error;
          hear?.(plain([step.id, step.status ?? step.error].filter(Boolean).join(': ')));
        },
      );
      if (failure !== undefined) throw new EngineError(`the image could not be pulled: ${plain(failure)}`);
    },
  };
}

function containersOf(
  http: EngineHttp,
  timeoutMs: number,
): Omit<Engine, 'name' | 'version' | 'socketPath' | 'findImage' | 'pull'> {
  const post = (path: string, more: { query?: Record<string, string>; also?: number[]; timeoutMs?: number } = {}) =>
    http.send({ method: 'POST', path: `/containers/${path}`, ...more });
  return {
    async create(name, body) {
      return (await http.read({ method: 'POST', path: '/containers/create', query: { name }, body }, created)).Id;
    },
    attach: (of, { stdin }) =>
      http.hijack({
        method: 'POST',
        path: `/containers/${of}/attach`,
        query: { stream: '1', stdout: '1', stderr: '1', ...(stdin && { stdin: '1' }) },
      }),
    // 304: it is so already.
    start: async (of) => void (await post(`${of}/start`, { also: [304] })),
    stop: async (of, graceSeconds) =>
      void (await post(`${of}/stop`, {
        query: { t: String(graceSeconds) },
        also: [304, 404],
        timeoutMs: timeoutMs + graceSeconds * 1000,
      })),
    kill: async (of) => void (await post(`${of}/kill`, { query: { signal: 'KILL' }, also: [404, 409] })),
    remove: async (of) =>
      void (await http.send({
        method: 'DELETE',
        path: `/containers/${of}`,
        query: { force: '1', v: '1' },
        also: [404, 409],
      })),
    async inspect(of) {
      const { status, body } = await http.send({ method: 'GET', path: `/containers/${of}/json`, also: [404] });
      return status === 404 ? undefined : readInspection(parseAnswer(body, inspection, status));
    },
    list: (label) =>
      http.read(
        { method: 'GET', path: '/containers/json', query: { all: '1', filters: JSON.stringify({ label: [label] }) } },
        listed,
      ),
    async logs(of, lines) {
      const query = { stdout: '1', stderr: '1', tail: String(lines) };
      const { body } = await http.send({ method: 'GET', path: `/containers/${of}/logs`, query });
      const parts: Buffer[] = [];
      const take = (part: Buffer) => void parts.push(part);
      frameReader({ onStdout: take, onStderr: take, onBroken() {} }).push(body);
      return Buffer.concat(parts).toString('utf8');
    },
    close: () => http.close(),
  };
}

function readInspection({ State: state, NetworkSettings: network }: z.output<typeof inspection>): Inspection {
  const published = new Map<number, number>();
  for (const [inside, hosts] of Object.entries(network?.Ports ?? {})) {
    const [first] = hosts ?? [];
    if (first) published.set(Number.parseInt(inside, 10), Number(first.HostPort));
  }
  const { Running: running, Pid: pid, ExitCode: exitCode, OOMKilled: outOfMemory } = state;
  return { running, pid, exitCode, outOfMemory, published };
}

const component = '[a-z0-9]+(?:[._-]{1,3}[a-z0-9]+)*';
const imageName = new RegExp(
  `^(?:(?:[A-Za-z0-9][A-Za-z0-9.-]*(?::\\d{1,5})?/)?${component}(?:/${component})*(?::\\w[\\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?|sha256:[0-9a-f]{64})$`,
);

/** Throws EngineError: what isn't a name of an image could name something else of the engine. */
export function checkImageName(reference: string): void {
  if (reference.length > 500 || !imageName.test(reference)) {
    throw new EngineError(`${JSON.stringify(reference.slice(0, 100))} is not the name of an image`);
  }
}

function pathOf(reference: string): string {
  checkImageName(reference);
  return reference.split('/').map(encodeURIComponent).join('/');
}

/** Without a tag engines would pull all tags there are. */
const tagged = (reference: string) => (/[:@][^/]*$/.test(reference) ? reference : `${reference}:latest`);
