/**
 * The place of one container that listens: started when somebody needs it, stopped when nobody did for a while, and after
 * a crash not started again before a wait that grows.
 */
import { request } from 'undici';
import type { ProcessChild, ProcessExit } from '#adapters/upstream/stdio/process.ts';
import type { SlotOptions } from '#adapters/upstream/stdio/slot.ts';
import type { Upstream } from '#adapters/upstream/upstream.ts';
import type { Clock } from '#core/clock.ts';
import { asGatehouseError, GatehouseError } from '#core/error.ts';
import type { Log } from '#core/log.ts';
import type { ContainerSpec, Containers } from './containers.ts';

export type PlaceOptions = Pick<
  SlotOptions,
  'startMs' | 'idleMs' | 'maxLifeMs' | 'drainMs' | 'backoffMs' | 'maxBackoffMs' | 'healthyMs' | 'patienceMs'
>;

export interface PlaceParts {
  readonly spec: Omit<ContainerSpec, 'idle'>;
  readonly containers: Containers;
  readonly clock: Clock;
  readonly log: Log;
  readonly options: PlaceOptions;
  /** Of the container that listens at this origin. */
  readonly open: (origin: string) => Upstream;
  /** Path that it answers at, with whatever status. */
  readonly path: string;
}

/** One container. */
export interface Tenant {
  readonly upstream: Upstream;
  inFlight: number;
  /** It was used just now. */
  touch(): void;
}

interface Running extends Tenant {
  readonly child: ProcessChild;
  readonly startedAt: number;
  lastUsedAt: number;
}

const PROBE_MS = 100;

export class Place {
  readonly #parts: PlaceParts;
  readonly #all = new Set<Running>();
  #current: Running | undefined;
  #starting: Promise<Tenant> | undefined;
  /** What is being started, before it is a tenant. */
  #unready: ProcessChild | undefined;
  #failures = 0;
  #nextStartAt = 0;
  #closed = false;

  constructor(parts: PlaceParts) {
    this.#parts = parts;
  }

  get ready(): Tenant | undefined {
    return this.#current;
  }

  /** Nothing here is worth remembering. */
  get empty(): boolean {
    const forgiven = this.#failures === 0 || this.#parts.clock.monotonic() > this.#nextStartAt + 60_000;
    return this.#all.size === 0 && !this.#starting && forgiven;
  }

  /** Throws GatehouseError `upstream_busy`, `upstream_unreachable`, `shutting_down`. */
  open(): Promise<Tenant> {
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
    for (const tenant of this.#all) {
      const age = now - tenant.startedAt;
      const isIdle = tenant.inFlight === 0 && (now - tenant.lastUsedAt >= idleMs || age >= maxLifeMs);
      if (isIdle || age >= maxLifeMs + drainMs) void this.#end(tenant);
      else if (age >= maxLifeMs && this.#current === tenant) this.#current = undefined;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([this.#unready?.stop(), ...[...this.#all].map((tenant) => this.#end(tenant))]);
  }

  async #end(tenant: Running): Promise<void> {
    if (this.#current === tenant) this.#current = undefined;
    await tenant.child.stop();
  }

  async #start(): Promise<Tenant> {
    await this.#backOff();
    if (this.#closed) throw new GatehouseError('shutting_down');
    const started = await this.#spawn();
    const { child, listening, ended } = started;
    this.#unready = child;
    const signal = AbortSignal.any([AbortSignal.timeout(this.#parts.options.startMs), ended]);
    try {
      const origin = await settled(listening, signal);
      await untilItAnswers(new URL(this.#parts.path, origin).href, signal);
      return this.#settle(started, origin);
    } catch (cause) {
      if (!ended.aborted) this.#fail(false);
      child.kill('does not answer');
      if (this.#closed) throw new GatehouseError('shutting_down');
      throw new GatehouseError(ended.aborted ? 'upstream_unreachable' : 'upstream_timeout', { cause });
    } finally {
      this.#unready = undefined;
    }
  }

  #settle({ child, ended }: Started, origin: string): Tenant {
    const { clock, open } = this.#parts;
    const now = clock.monotonic();
    const upstream = open(origin);
    const touch = () => {
      tenant.lastUsedAt = clock.monotonic();
    };
    const tenant: Running = { upstream, child, startedAt: now, lastUsedAt: now, inFlight: 0, touch };
    this.#all.add(tenant);
    this.#current = tenant;
    const leave = () => {
      this.#all.delete(tenant);
      if (this.#current === tenant) this.#current = undefined;
      void upstream.close();
    };
    if (ended.aborted) leave();
    else ended.addEventListener('abort', leave, { once: true });
    return tenant;
  }

  async #spawn(): Promise<Started> {
    try {
      return this.#run();
    } catch (thrown) {
      const error = asGatehouseError(thrown);
      const { containers, spec } = this.#parts;
      if (error.code !== 'upstream_busy' || !(await containers.makeRoom(spec.owner))) throw error;
      return this.#run();
    }
  }

  #run(): Started {
    const { containers, spec, clock } = this.#parts;
    const { promise: listening, resolve } = Promise.withResolvers<string>();
    const ending = new AbortController();
    const startedAt = clock.monotonic();
    const child = containers.spawn(
      {
        ...spec,
        idle: {
          since: () => (this.#current?.inFlight === 0 ? this.#current.lastUsedAt : undefined),
          end: async () => void (this.#current && (await this.#end(this.#current))),
        },
      },
      {
        onLine() {},
        onListening: resolve,
        onExit: (exit) => {
          this.#onExit(exit, clock.monotonic() - startedAt);
          ending.abort(new Error(`the container ended: ${exit.reason}`));
        },
      },
    );
    return { child, listening, ended: ending.signal };
  }

  async #backOff(): Promise<void> {
    const waitMs = this.#nextStartAt - this.#parts.clock.monotonic();
    if (waitMs <= 0) return;
    if (waitMs > this.#parts.options.patienceMs) {
      const message = 'Upstream server keeps failing';
      throw new GatehouseError('upstream_busy', { message, retryAfterSeconds: Math.ceil(waitMs / 1000) });
    }
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }

  #onExit(exit: ProcessExit, livedMs: number): void {
    if (exit.reason === 'stopped' || exit.reason === 'does not answer') return;
    this.#fail(livedMs >= this.#parts.options.healthyMs);
    const { code, reason, stderr } = exit;
    const about = { server: this.#parts.spec.key, code, reason, livedMs, stderr: stderr.slice(-2000) };
    this.#parts.log.warn(about, 'a container ended unexpectedly');
  }

  #fail(wasHealthy: boolean): void {
    const { backoffMs, maxBackoffMs } = this.#parts.options;
    this.#failures = wasHealthy ? 0 : this.#failures + 1;
    const waitMs = wasHealthy ? 0 : Math.min(maxBackoffMs, backoffMs * 2 ** (this.#failures - 1));
    this.#nextStartAt = this.#parts.clock.monotonic() + waitMs;
  }
}

interface Started {
  readonly child: ProcessChild;
  readonly listening: Promise<string>;
  readonly ended: AbortSignal;
}

function settled<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject);
  });
}

/** Any status is an answer. Throws the signal's reason. */
async function untilItAnswers(url: string, signal: AbortSignal): Promise<void> {
  const headers = { accept: 'text/event-stream' };
  for (;;) {
    try {
      const { body } = await request(url, { method: 'GET', headers, signal, reset: true, headersTimeout: 5000 });
      body.on('error', () => {});
      body.destroy();
      return;
    } catch {
      signal.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, PROBE_MS));
    }
  }
}
