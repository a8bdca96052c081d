/**
 * The place of one child: at most one is current, it starts when somebody needs it, stops when nobody did for a while,
 * and after a crash waits longer each time before it starts again.
 */
import { Connection, type WireEvents } from '#adapters/upstream/message-stream/connection.ts';
import type { Line } from '#adapters/upstream/message-stream/line.ts';
import { Router } from '#adapters/upstream/message-stream/router.ts';
import type { Clock } from '#core/clock.ts';
import { asGatehouseError, GatehouseError } from '#core/error.ts';
import type { Log } from '#core/log.ts';
import type { Secret } from '#core/secret.ts';
import { childWire } from './child-wire.ts';
import type { ProcessExit, ProcessRunner, ProcessSpec } from './process.ts';

export interface SlotOptions {
  /** Until the child answered `initialize` or `server/discover`. */
  readonly startMs: number;
  /** Without a call. */
  readonly idleMs: number;
  /** From its start; what is in flight then may still end within `drainMs`. */
  readonly maxLifeMs: number;
  readonly drainMs: number;
  /** First wait after a crash; doubles up to the maximum. */
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
  /** A child that lived this long is no crash loop. */
  readonly healthyMs: number;
  /** How long a call waits for the end of a backoff before it is refused at once. */
  readonly patienceMs: number;
  /** How long a child's question waits for a stream to be asked on. */
  readonly questionMs: number;
  readonly maxGarbagePerMinute: number;
}

export interface SlotParts {
  readonly spec: Omit<ProcessSpec, 'idle'>;
  /** Sealed variables, asked at each start. */
  readonly variables?: (() => Promise<Readonly<Record<string, Secret>>>) | undefined;
  readonly shared: boolean;
  readonly clock: Clock;
  readonly log: Log;
  readonly runner: ProcessRunner;
  readonly options: SlotOptions;
  /** Makes the fresh child ready; throws to give it up. */
  readonly prepare: (connection: Connection) => Promise<void>;
}

export class Slot {
  readonly router: Router;
  readonly #parts: SlotParts;
  readonly #all = new Set<Connection>();
  #current: Connection | undefined;
  #starting: Promise<Connection> | undefined;
  #stopping: Promise<void> | undefined;
  #failures = 0;
  #nextStartAt = 0;
  #closed = false;

  constructor(parts: SlotParts) {
    this.#parts = parts;
    this.router = new Router({ shared: parts.shared, log: parts.log, patienceMs: parts.options.questionMs });
  }

  /** A running child without calls: it may be stopped for the sake of others. */
  get evictable(): boolean {
    return this.ready !== undefined && !this.ready.busy;
  }

  /** Nothing here is worth remembering. */
  get empty(): boolean {
    const forgiven = this.#failures === 0 || this.#parts.clock.monotonic() > this.#nextStartAt + 60_000;
    return this.#all.size === 0 && !this.#starting && !this.router.hasStreams && forgiven;
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
    await this.#backOff();
    if (this.#closed) throw new GatehouseError('shutting_down');
    const connection = await this.#spawn(await this.#parts.variables?.());
    this.#all.add(connection);
    this.#current = connection;
    try {
      await this.#parts.prepare(connection);
    } catch (thrown) {
      if (connection.alive) this.#fail(false);
      this.#stop(connection);
      throw thrown;
    }
    if (!connection.usable) throw new GatehouseError('upstream_unreachable');
    return connection;
  }

  async #backOff(): Promise<void> {
    const waitMs = this.#nextStartAt - this.#parts.clock.monotonic();
    if (waitMs <= 0) return;
    if (waitMs > this.#parts.options.patienceMs) {
      throw new GatehouseError('upstream_busy', {
        message: 'Upstream server keeps failing',
        retryAfterSeconds: Math.ceil(waitMs / 1000),
      });
    }
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }

  async #spawn(variables: Readonly<Record<string, Secret>> = {}): Promise<Connection> {
    try {
      return this.#connect(variables);
    } catch (thrown) {
      const error = asGatehouseError(thrown);
      const { runner, spec } = this.#parts;
      if (error.code !== 'upstream_busy' || !(await runner.makeRoom(spec.owner))) throw error;
      return this.#connect(variables);
    }
  }

  #connect(variables: Readonly<Record<string, Secret>>): Connection {
    const { runner, clock, log, options } = this.#parts;
    const spec = { ...this.#parts.spec, env: { ...this.#parts.spec.env, ...variables } };
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
      return childWire(runner.spawn({ ...spec, idle }, { onLine: onMessage, onExit }));
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
    this.#fail(livedMs >= this.#parts.options.healthyMs);
    const { code, signal, reason } = exit;
    this.#parts.log.warn(
      { server: this.#parts.spec.label, code, signal, reason, livedMs, stderr: exit.stderr.slice(-2000) },
      'a child ended unexpectedly',
    );
  }

  #fail(wasHealthy: boolean): void {
    const { backoffMs, maxBackoffMs } = this.#parts.options;
    this.#failures = wasHealthy ? 0 : this.#failures + 1;
    const waitMs = wasHealthy ? 0 : Math.min(maxBackoffMs, backoffMs * 2 ** (this.#failures - 1));
    this.#nextStartAt = this.#parts.clock.monotonic() + waitMs;
  }
}
