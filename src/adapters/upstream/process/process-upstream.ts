/**
 * Servers that are programs with a port of their own: started at the first call, reached over loopback or, where the
 * sandbox has a network of its own, through the runner. Who shares one is as with stdio: a stateful one serves one
 * caller and credential, a stateless one an organization, none ever two organizations (SECURITY C10).
 */
import type { Pool } from 'undici';
import { type HttpUpstreamOptions, openHttpUpstream } from '#adapters/upstream/http/http-upstream.ts';
import { openSseUpstream } from '#adapters/upstream/sse/sse.ts';
import type { ListeningChild, ProcessRunner } from '#adapters/upstream/stdio/process.ts';
import { environment } from '#adapters/upstream/stdio/stdio.ts';
import type {
  FindVariables,
  Upstream,
  UpstreamCall,
  UpstreamDeps,
  UpstreamExchange,
  UpstreamSink,
  UpstreamTarget,
} from '#adapters/upstream/upstream.ts';
import { asGatehouseError, GatehouseError } from '#core/error.ts';
import type { ProcessTransport } from '#core/transport.ts';
import { Place, type PlaceOptions, type Running } from './place.ts';

export interface ProcessDeps extends UpstreamDeps {
  readonly runner: ProcessRunner<ListeningChild>;
  readonly variables?: FindVariables;
  readonly http: Pick<HttpUpstreamOptions, 'connections' | 'queue' | 'connectTimeoutMs'>;
  readonly options?: Partial<ProcessOptions>;
}

export interface ProcessOptions extends PlaceOptions {
  readonly sweepMs: number;
}

const defaults: ProcessOptions = {
  startMs: 10_000,
  idleMs: 300_000,
  maxLifeMs: 3_600_000,
  drainMs: 60_000,
  backoffMs: 1000,
  maxBackoffMs: 60_000,
  healthyMs: 60_000,
  patienceMs: 2000,
  knockMs: 50,
  connectMs: 3000,
  sweepMs: 5000,
};

type ProcessTarget = UpstreamTarget & { readonly transport: ProcessTransport };

export function openProcessUpstream(target: ProcessTarget, deps: ProcessDeps): Upstream {
  return new ProcessUpstream(target, deps);
}

class ProcessUpstream implements Upstream {
  readonly #target: ProcessTarget;
  readonly #deps: ProcessDeps;
  readonly #options: ProcessOptions;
  readonly #places = new Map<string, Place>();
  readonly #sweeper: NodeJS.Timeout;
  #closed = false;

  constructor(target: ProcessTarget, deps: ProcessDeps) {
    this.#target = target;
    this.#deps = deps;
    this.#options = { ...defaults, ...deps.options };
    this.#sweeper = setInterval(() => this.#sweep(), this.#options.sweepMs).unref();
  }

  start(call: UpstreamCall, sink: UpstreamSink): UpstreamExchange {
    if (this.#closed) {
      queueMicrotask(() => sink.onError(new GatehouseError('shutting_down')));
      return { sent: false, abort() {}, resume() {} };
    }
    const place = this.#placeOf(call);
    const exchange = new WaitingExchange(call, sink, () => this.#deps.clock.monotonic());
    const { ready } = place;
    if (ready) exchange.begin(ready);
    else
      place
        .open()
        .then((running) => exchange.begin(running))
        .catch((thrown) => exchange.fail(thrown));
    return exchange;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#sweeper);
    await Promise.all([...this.#places.values()].map((place) => place.close()));
    this.#places.clear();
  }

  #placeOf(call: UpstreamCall): Place {
    const { transport, id, key } = this.#target;
    const shared = transport.state === 'stateless';
    const name = JSON.stringify([call.org, shared ? '' : call.principal, call.credentialKey]);
    const known = this.#places.get(name);
    if (known) return known;
    const { clock, log, runner, variables } = this.#deps;
    const { command, args, cwd, permission, volumes, resources, port, path } = transport;
    const place = new Place({
      spec: {
        ...{ server: id, org: call.org, owner: call.org, label: key, listens: true },
        ...{ command, args, cwd, env: environment(transport, call.credential) },
        ...(permission && { permission }),
        ...(volumes && { volumes }),
        ...(resources && { resources }),
      },
      ...{ port, path, clock, log, runner, options: this.#options },
      variables: variables && (() => variables(id)),
      openUpstream: (child, at) => this.#reach(child, at),
    });
    this.#places.set(name, place);
    return place;
  }

  #reach(child: ListeningChild, port: number): Upstream {
    const { http, clock, log } = this.#deps;
    const { speaks, path } = this.#target.transport;
    const url = `http://127.0.0.1:${port}${path}`;
    const connect: Pool.Options['connect'] = (_options, done) => {
      child.connect(port, http.connectTimeoutMs).then(
        (socket) => done(null, socket),
        (thrown) => done(thrown instanceof Error ? thrown : new Error('no connection'), null),
      );
    };
    const rest = { ...http, connect };
    return speaks === 'http'
      ? openHttpUpstream({ ...rest, transport: { kind: 'http', url } })
      : openSseUpstream({ ...rest, transport: { kind: 'sse', url }, clock, log });
  }

  #sweep(): void {
    for (const [name, place] of this.#places) {
      place.sweep();
      if (place.empty) this.#places.delete(name);
    }
  }
}

/** A call that may have to wait for its program, and counts as in flight from then to its end. */
class WaitingExchange implements UpstreamExchange {
  readonly #call: UpstreamCall;
  readonly #sink: UpstreamSink;
  readonly #now: () => number;
  #running: Running | undefined;
  #inner: UpstreamExchange | undefined;
  #over = false;

  constructor(call: UpstreamCall, sink: UpstreamSink, now: () => number) {
    this.#call = call;
    this.#sink = sink;
    this.#now = now;
  }

  get sent(): boolean {
    return this.#inner?.sent === true;
  }

  begin(running: Running): void {
    if (this.#over) return;
    this.#running = running;
    running.inFlight++;
    const sink = this.#sink;
    this.#inner = running.upstream.start(this.#call, {
      onHead: (status, headers) => sink.onHead(status, headers),
      onData: (chunk) => sink.onData(chunk),
      onEnd: () => this.#finish() && sink.onEnd(),
      onError: (error) => this.#finish() && sink.onError(error),
    });
  }

  fail(thrown: unknown): void {
    if (this.#finish()) this.#sink.onError(asGatehouseError(thrown));
  }

  resume(): void {
    this.#inner?.resume();
  }

  abort(): void {
    if (this.#finish()) this.#inner?.abort();
  }

  /** True the first time. */
  #finish(): boolean {
    if (this.#over) return false;
    this.#over = true;
    if (this.#running) {
      this.#running.inFlight--;
      this.#running.lastUsedAt = this.#now();
    }
    return true;
  }
}
