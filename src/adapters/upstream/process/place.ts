/**
 * The place of one program that listens: at most one runs, it starts when somebody calls and counts as started once it
 * accepts a connection, it stops when nobody called for a while, and after a crash it waits before it starts again.
 */
import { createServer } from 'node:net';
import { Backoff, type BackoffOptions } from '#adapters/upstream/stdio/backoff.ts';
import type { ListeningChild, ProcessExit, ProcessRunner, ProcessSpec } from '#adapters/upstream/stdio/process.ts';
import { findEnvironment, type Spawning, spawnWithRoom } from '#adapters/upstream/stdio/spawning.ts';
import type { Upstream } from '#adapters/upstream/upstream.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import type { Log } from '#core/log.ts';

export interface PlaceOptions extends BackoffOptions {
  /** Until the program listens. */
  readonly startMs: number;
  readonly idleMs: number;
  readonly maxLifeMs: number;
  /** What is in flight at the end of its life may still end within this. */
  readonly drainMs: number;
  /** Between two tries to connect to a program that starts. */
  readonly knockMs: number;
  readonly connectMs: number;
}

export interface PlaceParts extends Pick<Spawning, 'variables'> {
  readonly spec: Omit<ProcessSpec, 'idle' | 'url'>;
  /** Left out: a free one at each start. */
  readonly port: number | undefined;
  readonly path: string;
  readonly runner: ProcessRunner<ListeningChild>;
  readonly clock: Clock;
  readonly log: Log;
  readonly options: PlaceOptions;
  /** How calls reach the program once it listens. */
  readonly openUpstream: (child: ListeningChild, port: number) => Upstream;
}

export interface Running {
  readonly child: ListeningChild;
  readonly upstream: Upstream;
  readonly startedAt: number;
  lastUsedAt: number;
  inFlight: number;
  ended: boolean;
}

export class Place {
  readonly #parts: PlaceParts;
  readonly #backoff: Backoff;
  readonly #all = new Set<Running>();
  #current: Running | undefined;
  #starting: Promise<Running> | undefined;
  #closed = false;

  constructor(parts: PlaceParts) {
    this.#parts = parts;
    this.#backoff = new Backoff(parts.clock, parts.options);
  }

  /** Nothing here is worth remembering. */
  get empty(): boolean {
    return this.#all.size === 0 && !this.#starting && this.#backoff.forgiven;
  }

  get ready(): Running | undefined {
    return this.#current;
  }

  /** Starts the program if it does not run; all who ask meanwhile get the same one. */
  open(): Promise<Running> {
    if (this.#current) return Promise.resolve(this.#current);
    this.#starting ??= this.#start().finally(() => {
      this.#starting = undefined;
    });
    return this.#starting;
  }

  /** Called now and then. */
  sweep(): void {
    const now = this.#parts.clock.monotonic();
    const { idleMs, maxLifeMs, drainMs } = this.#parts.options;
    for (const running of this.#all) {
      const age = now - running.startedAt;
      const isIdle = running.inFlight === 0 && now - running.lastUsedAt >= idleMs;
      const isOld = age >= maxLifeMs && (running.inFlight === 0 || age >= maxLifeMs + drainMs);
      if (age >= maxLifeMs && this.#current === running) this.#current = undefined;
      if (isIdle || isOld) void this.#end(running);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#all].map((running) => this.#end(running)));
  }

  async #end(running: Running): Promise<void> {
    if (this.#current === running) this.#current = undefined;
    await Promise.all([running.upstream.close(), running.child.stop()]);
  }

  async #start(): Promise<Running> {
    await this.#backoff.wait();
    const env = await findEnvironment(this.#parts);
    const port = this.#parts.port ?? (await findFreePort());
    if (this.#closed) throw new GatehouseError('shutting_down');
    const running = await spawnWithRoom(this.#parts, () => this.#spawn(env, port));
    try {
      await this.#untilListening(running, port);
    } catch (thrown) {
      if (!running.ended) this.#backoff.fail(0);
      void this.#end(running);
      throw thrown;
    }
    this.#current = running;
    return running;
  }

  #spawn(env: ProcessSpec['env'], port: number): Running {
    const { runner, spec, path, clock, openUpstream } = this.#parts;
    const startedAt = clock.monotonic();
    const args = spec.args.map((argument) => argument.replaceAll('{port}', String(port)));
    const state = { inFlight: 0, ended: false, lastUsedAt: startedAt };
    const idle = {
      since: () => (running === this.#current && running.inFlight === 0 ? running.lastUsedAt : undefined),
      end: () => this.#end(running),
    };
    const child = runner.spawn(
      {
        ...spec,
        ...{ args, idle, url: `http://127.0.0.1:${port}${path}` },
        env: { ...env, PORT: String(port), MCP_PORT: String(port) },
      },
      // What it prints is for its log; calls go by its port.
      { onLine() {}, onExit: (exit) => this.#onExit(exit, running) },
    );
    const running: Running = { child, startedAt, upstream: openUpstream(child, port), ...state };
    this.#all.add(running);
    return running;
  }

  async #untilListening(running: Running, port: number): Promise<void> {
    const { clock, options } = this.#parts;
    const until = clock.monotonic() + options.startMs;
    while (!running.ended) {
      try {
        const socket = await running.child.connect(port, options.connectMs);
        socket.on('error', () => undefined);
        socket.destroy();
        return;
      } catch {
        // Not yet.
      }
      if (clock.monotonic() >= until) throw new GatehouseError('upstream_timeout');
      await new Promise((resolve) => setTimeout(resolve, options.knockMs));
    }
    throw new GatehouseError('upstream_unreachable');
  }

  #onExit(exit: ProcessExit, running: Running): void {
    running.ended = true;
    this.#all.delete(running);
    if (this.#current === running) this.#current = undefined;
    running.upstream.close().catch(() => undefined);
    if (exit.reason === 'stopped') return;
    const livedMs = this.#parts.clock.monotonic() - running.startedAt;
    this.#backoff.fail(livedMs);
    const { code, signal, reason } = exit;
    this.#parts.log.warn(
      { server: this.#parts.spec.label, code, signal, reason, livedMs, stderr: exit.stderr.slice(-2000) },
      'a child ended unexpectedly',
    );
  }
}

/** Free now: another program may take it before ours does, which then ends and is started again. */
function findFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
