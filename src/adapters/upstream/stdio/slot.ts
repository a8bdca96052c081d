/**
 * The place of one child: at most one is current, it starts when somebody needs it, stops when nobody did for a while,
 * and after a crash waits longer each time before it starts again.
 */
import { Connection, type WireEvents } from '#adapters/upstream/message-stream/connection.ts';
import type { Line } from '#adapters/upstream/message-stream/line.ts';
import { Router } from '#adapters/upstream/message-stream/router.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import type { Log } from '#core/log.ts';
import type { Secret } from '#core/secret.ts';
import { Backoff, type BackoffOptions } from './backoff.ts';
import { childWire } from './child-wire.ts';
import type { ProcessExit, ProcessRunner, ProcessSpec } from './process.ts';
import { findEnvironment, spawnWithRoom } from './spawning.ts';

export interface SlotOptions extends BackoffOptions {
  /** Until the child answered `initialize` or `server/discover`. */
  readonly startMs: number;
  /** Without a call. */
  readonly idleMs: number;
  /** From its start; what is in flight then may still end within `drainMs`. */
  readonly maxLifeMs: number;
  readonly drainMs: number;
  /** How long a child's question waits for a stream to be asked on. */
  readonly questionMs: number;
  readonly maxGarbagePerMinute: number;
}

export interface SlotParts {
  readonly spec: Omit<ProcessSpec, 'idle'>;
  readonly shared: boolean;
  readonly clock: Clock;
  readonly log: Log;
  readonly runner: ProcessRunner;
  /** Sealed variables of the server, looked up at each start. */
  readonly variables?: (() => Promise<Readonly<Record<string, Secret>>>) | undefined;
  readonly options: SlotOptions;
  /** Makes the fresh child ready; throws to give it up. */
  readonly prepare: (connection: Connection) => Promise<void>;
}

export class Slot {
  readonly router: Router;
  readonly #parts: SlotParts;
  readonly #backoff: Backoff;
  readonly #all = new Set<Connection>();
  #current: Connection | undefined;
  #starting: Promise<Connection> | undefined;
  #stopping: Promise<void> | undefined;
  #closed = false;

  constructor(parts: SlotParts) {
    this.#parts = parts;
    this.#backoff = new Backoff(parts.clock, parts.options);
    this.router = new Router({ shared: parts.shared, log: parts.log, patienceMs: parts.options.questionMs });
  }

  /** A running child without calls: it may be stopped for the sake of others. */
  get evictable(): boolean {
    return this.ready !== undefined && !this.ready.busy;
  }

  /** Nothing here is worth remembering. */
  get empty(): boolean {
    return this.#all.size === 0 && !this.#starting && !this.router.hasStreams && this.#backoff.forgiven;
  }

  /** The running child, if it can take a call now. */
  get ready(): Connection | undefined {
    return this.#current?.usable && !this.#starting ? this.#current : undefined;
  }

  /** Starts a child if there is none; all who ask meanwhile get the same one. */
  open(): Promise<Connection> {
    const ready = this.ready;
    if (ready) return Promise.resolve(ready);
    this.#starting ??= this.#start().finally(() => {
      this.#starting = undefined;
    });
    return this.#starting;
  }

  /** Called now and then. */
  sweep(): void {
    const now = this.#parts.clock.monotonic();
    const { idleMs, maxLifeMs, drainMs } = this.#parts.options;
    for (const connection of this.#all) {
      const age = now - connection.startedAt;
      if (connection === this.#current && this.#starting) continue;
      if (!connection.busy && (now - connection.lastUsedAt >= idleMs || age >= maxLifeMs)) this.#stop(connection);
      else if (age >= maxLifeMs + drainMs) this.#stop(connection);
      else if (age >= maxLifeMs) connection.retired = true;
    }
  }

  /** Stops the current child; the next call starts another. */
  stop(): Promise<void> {
    if (this.#current) this.#stop(this.#current);
    return this.#stopping ?? Promise.resolve();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.router.close();
    await Promise.all([...this.#all].map((connection) => connection.stop()));
  }

  #stop(connection: Connection): void {
    if (this.#current === connection) this.#current = undefined;
    const stopped = connection.stop();
    const done = stopped.finally(() => {
      if (this.#stopping === done) this.#stopping = undefined;
    });
    this.#stopping = done;
  }

  async #start(): Promise<Connection> {
    await this.#stopping;
    await this.#backoff.wait();
    if (this.#closed) throw new GatehouseError('shutting_down');
    const env = await findEnvironment(this.#parts);
    if (this.#closed) throw new GatehouseError('shutting_down');
    const connection = await spawnWithRoom(this.#parts, () => this.#connect(env));
    this.#all.add(connection);
    this.#current = connection;
    try {
      await this.#parts.prepare(connection);
    } catch (thrown) {
      if (connection.alive) this.#backoff.fail(0);
      this.#stop(connection);
      throw thrown;
    }
    if (!connection.usable) throw new GatehouseError('upstream_unreachable');
    return connection;
  }

  #connect(env: ProcessSpec['env']): Connection {
    const { runner, spec, clock, log, options } = this.#parts;
    const idle = {
      since: () => (this.evictable ? this.#current?.lastUsedAt : undefined),
      end: () => this.stop(),
    };
    let ended: ProcessExit | undefined;
    const open = ({ onMessage, onEnd }: WireEvents) => {
      const onExit = (exit: ProcessExit) => {
        ended = exit;
        onEnd();
      };
      return childWire(runner.spawn({ ...spec, env, idle }, { onLine: onMessage, onExit }));
    };
    return new Connection(open, {
      clock,
      log,
      maxGarbagePerMinute: options.maxGarbagePerMinute,
      events: {
        onMessage: (line: Line, connection) => this.router.fromChild(line, connection),
        onEnd: (connection) => ended && this.#onExit(ended, connection),
      },
    });
  }

  #onExit(exit: ProcessExit, connection: Connection): void {
    this.#all.delete(connection);
    if (this.#current === connection) this.#current = undefined;
    this.router.onExit(connection);
    if (this.#all.size === 0) this.router.prune(0);
    if (exit.reason === 'stopped') return;
    const livedMs = this.#parts.clock.monotonic() - connection.startedAt;
    this.#backoff.fail(livedMs);
    const { code, signal, reason } = exit;
    this.#parts.log.warn(
      { server: this.#parts.spec.label, code, signal, reason, livedMs, stderr: exit.stderr.slice(-2000) },
      'a child ended unexpectedly',
    );
  }
}
