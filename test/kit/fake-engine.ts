/**
 * An emulated container engine on a unix socket that answers like Docker: chunked JSON, errors with `message`, attach by
 * upgrade with multiplexed frames. Its containers are functions of this process. It can be told to misbehave.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';

export interface FakeContainer {
  readonly id: string;
  readonly name: string;
  readonly body: CreatedBody;
  running: boolean;
  exitCode: number;
  outOfMemory: boolean;
  stdin: Duplex | undefined;
  /** Ports of the host by port inside. */
  readonly published: Map<string, number>;
  stdout(text: string): void;
  stderr(text: string): void;
  exit(code: number): void;
}

export interface CreatedBody {
  readonly Image?: string;
  readonly Cmd?: readonly string[];
  readonly Env?: readonly string[];
  readonly Labels?: Readonly<Record<string, string>>;
  readonly HostConfig?: Readonly<Record<string, unknown>>;
}

/** What a container does once started. `onInput`: what comes on its stdin; `onInputEnd`; `onStop`: a stop signal. */
export interface Behaviour {
  started?(container: FakeContainer): void;
  input?(container: FakeContainer, text: string): void;
  inputEnd?(container: FakeContainer): void;
  /** True: it obeys. */
  stop?(container: FakeContainer): boolean;
}

/** Instead of an answer, at paths that match. */
export interface Misbehaviour {
  readonly path: RegExp;
  readonly method?: string;
  act(req: IncomingMessage, res: ServerResponse): void;
}

export interface FakeEngine {
  readonly socketPath: string;
  readonly containers: ReadonlyMap<string, FakeContainer>;
  readonly requests: readonly string[];
  behaviour: Behaviour;
  misbehaviour: Misbehaviour | undefined;
  images: Record<string, object>;
  podman: boolean;
  /** As another gateway would have made it. */
  add(labels: Readonly<Record<string, string>>): FakeContainer;
  close(): Promise<void>;
}

type Reply = (status: number, value?: object) => void;

export const fakeImage = (extra: object = {}): object => ({
  Id: `sha256:${'a'.repeat(64)}`,
  RepoDigests: [`registry.example/tool@sha256:${'d'.repeat(64)}`],
  Config: { Volumes: null, ExposedPorts: { '8080/tcp': {} }, ...extra },
});

function frame(stream: 1 | 2, text: string): Buffer {
  const bytes = Buffer.from(text);
  const head = Buffer.alloc(8);
  head.writeUInt8(stream, 0);
  head.writeUInt32BE(bytes.length, 4);
  return Buffer.concat([head, bytes]);
}

export async function startFakeEngine(): Promise<FakeEngine> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-engine-'));
  const socketPath = join(folder, 'engine.sock');
  const containers = new Map<string, FakeContainer>();
  const attached = new Map<string, Duplex>();
  const requests: string[] = [];
  const sockets = new Set<Socket>();

  function make(name: string, body: CreatedBody): FakeContainer {
    const id = randomBytes(32).toString('hex');
    const write = (stream: 1 | 2, text: string) => void attached.get(id)?.write(frame(stream, text));
    const container: FakeContainer = {
      ...{ id, name, body, running: false, exitCode: 0, outOfMemory: false, stdin: undefined, published: new Map() },
      stdout: (text) => write(1, text),
      stderr: (text) => write(2, text),
      exit(code) {
        if (!container.running) return;
        container.running = false;
        container.exitCode = code;
        attached.get(id)?.end();
      },
    };
    containers.set(id, container);
    return container;
  }

  const engine: FakeEngine = {
    ...{ socketPath, containers, requests, podman: false },
    ...{ behaviour: {}, misbehaviour: undefined, images: { 'registry.example/tool:1': fakeImage() } },
    add(labels) {
      const container = make('other', { Labels: labels });
      container.running = true;
      return container;
    },
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => {
          rmSync(folder, { recursive: true, force: true });
          resolve();
        });
        for (const socket of sockets) socket.destroy();
      }),
  };

  const server = createServer(async (req, res) => {
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk);
    const url = new URL(req.url ?? '', 'http://engine');
    const path = url.pathname.replace(/^\/v[\d.]+/, '');
    requests.push(`${req.method} ${path}${url.search}`);
    const bad = engine.misbehaviour;
    if (bad?.path.test(path) && (bad.method ?? req.method) === req.method) {
      bad.act(req, res);
      return;
    }
    answer({ method: req.method ?? '', path, url, body: Buffer.concat(chunks).toString() }, res);
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
  });
  server.on('upgrade', (req, socket, head) => {
    const url = new URL(req.url ?? '', 'http://engine');
    requests.push(`${req.method} ${url.pathname.replace(/^\/v[\d.]+/, '')}${url.search}`);
    const id = /containers\/(\w+)\/attach/.exec(url.pathname)?.[1] ?? '';
    const container = containers.get(id);
    socket.on('error', () => {});
    if (!container) {
      socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n');
      return;
    }
    socket.write(
      'HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n',
    );
    socket.unshift(head);
    attached.set(id, socket);
    container.stdin = socket;
    socket.on('data', (chunk: Buffer) => engine.behaviour.input?.(container, chunk.toString()));
    socket.on('end', () => engine.behaviour.inputEnd?.(container));
  });

  interface Asked {
    readonly method: string;
    readonly path: string;
    readonly url: URL;
    readonly body: string;
  }

  function answer({ method, path, url, body }: Asked, res: ServerResponse): void {
    // Without a length: Node sends it in chunks, as Docker does.
    const reply: Reply = (status, value) => {
      res.writeHead(status, { 'content-type': 'application/json' });
      res.end(value === undefined ? undefined : `${JSON.stringify(value)}\n`);
    };
    const [, image] = /^\/images\/(.+)\/json$/.exec(path) ?? [];
    const [, id = '', verb = ''] = /^\/containers\/(\w{64})(?:\/(\w+))?$/.exec(path) ?? [];
    const container = containers.get(id);
    const Name = engine.podman ? 'Podman Engine' : 'Engine';
    if (path === '/_ping') res.end('OK');
    else if (path === '/version') reply(200, { Version: '27.0.1', Components: [{ Name }] });
    else if (image !== undefined) {
      const found = engine.images[decodeURIComponent(image)];
      reply(found ? 200 : 404, found ?? { message: `No such image: ${image}` });
    } else if (path === '/images/create') {
      for (const status of ['Pulling from tool', 'Download complete']) {
        res.write(`${JSON.stringify({ status, id: '1' })}\r\n`);
      }
      res.end();
    } else if (path === '/containers/create') {
      reply(201, { Id: make(url.searchParams.get('name') ?? '', JSON.parse(body)).id, Warnings: [] });
    } else if (path === '/containers/json') reply(200, labelled(url));
    else if (container) onContainer(container, method === 'DELETE' ? 'remove' : verb, reply);
    else reply(404, { message: `No such container: ${id}` });
  }

  function labelled(url: URL): object {
    const [label = ''] = JSON.parse(url.searchParams.get('filters') ?? '{}').label ?? [];
    const [name = '', value] = label.split('=');
    const all = [...containers.values()].filter(({ body: made }) => made.Labels?.[name] === value);
    return all.map(({ id, body: made }) => ({ Id: id, Labels: made.Labels }));
  }

  function onContainer(container: FakeContainer, verb: string, reply: Reply): void {
    if (verb === 'start') {
      container.running = true;
      reply(204);
      engine.behaviour.started?.(container);
    } else if (verb === 'json') {
      const { running, exitCode, outOfMemory, published } = container;
      const Ports = Object.fromEntries(
        [...published].map(([inside, port]) => [inside, [{ HostIp: '127.0.0.1', HostPort: `${port}` }]]),
      );
      const State = { Running: running, Pid: running ? 4242 : 0, ExitCode: exitCode, OOMKilled: outOfMemory };
      reply(200, { Id: container.id, State, NetworkSettings: { Ports } });
    } else if (verb === 'stop' || verb === 'kill') {
      if (verb === 'kill' || engine.behaviour.stop?.(container) !== true) container.exit(137);
      reply(204);
    } else if (verb === 'remove') {
      container.exit(137);
      containers.delete(container.id);
      reply(204);
    } else if (verb === 'logs') {
      reply(200);
    } else reply(404, { message: 'page not found' });
  }

  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  return engine;
}

/** A stranger's answer that never ends; returns how to look whether it was cut. */
export function endless(res: ServerResponse): void {
  res.writeHead(200, { 'content-type': 'application/json' });
  const block = Buffer.alloc(65_536, ' ');
  const write = () => {
    while (!res.destroyed && res.write(block));
  };
  res.on('drain', write);
  write();
}
