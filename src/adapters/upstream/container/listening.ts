/**
 * Containers that listen: a stateful server gets one per caller and credential, a stateless one shares it inside an
 * organization; none ever serves two organizations (SECURITY C10, G14).
 */
import type { Upstream, UpstreamCall, UpstreamExchange, UpstreamSink } from '#adapters/upstream/upstream.ts';
import { asGatehouseError, GatehouseError } from '#core/error.ts';
import type { ContainerDeps, ContainerTarget } from './container.ts';
import { Place, type PlaceOptions, type Tenant } from './place.ts';

const defaults: PlaceOptions = {
  startMs: 10_000,
  idleMs: 300_000,
  maxLifeMs: 3_600_000,
  drainMs: 60_000,
  backoffMs: 1000,
  maxBackoffMs: 60_000,
  healthyMs: 60_000,
  patienceMs: 2000,
};

const SWEEP_MS = 5000;

export function openListeningUpstream(target: ContainerTarget, deps: ContainerDeps): Upstream {
  const places = new Map<string, Place>();
  const options = { ...defaults, sweepMs: SWEEP_MS, ...deps.options };
  let isClosed = false;
  const sweeper = setInterval(() => {
    for (const [key, place] of places) {
      place.sweep();
      if (place.empty) places.delete(key);
    }
  }, options.sweepMs).unref();

  return {
    start(call, sink) {
      if (isClosed) return refused(sink, new GatehouseError('shutting_down'));
      const key = keyOf(target, call);
      const known = places.get(key);
      const place = known ?? placeOf(target, deps, { call, options });
      if (!known) places.set(key, place);
      return new TenantCall(call, sink, place);
    },
    async close() {
      isClosed = true;
      clearInterval(sweeper);
      await Promise.all([...places.values()].map((place) => place.close()));
      places.clear();
    },
  };
}

function keyOf({ transport }: ContainerTarget, call: UpstreamCall): string {
  const isShared = transport.state === 'stateless';
  return JSON.stringify([call.org, isShared ? '' : call.principal, call.credentialKey]);
}

function placeOf(
  target: ContainerTarget,
  deps: ContainerDeps,
  { call, options }: { readonly call: UpstreamCall; readonly options: PlaceOptions },
): Place {
  const { transport, id: server, key } = target;
  const { credential, org } = call;
  const { env, credentialEnv, speaks, path = speaks === 'sse' ? '/sse' : '/mcp' } = transport;
  const complete = credentialEnv !== undefined && credential ? { ...env, [credentialEnv]: credential } : env;
  return new Place({
    spec: { server, key, org, transport, env: complete, owner: org },
    ...{ containers: deps.containers, clock: deps.clock, log: deps.log, options, path },
    open: (origin) => deps.openUpstream(speaks === 'sse' ? 'sse' : 'http', new URL(path, origin).href),
  });
}

function refused(sink: UpstreamSink, error: GatehouseError): UpstreamExchange {
  let aborted = false;
  queueMicrotask(() => !aborted && sink.onError(error));
  return {
    sent: false,
    resume() {},
    abort() {
      aborted = true;
    },
  };
}

/** One call, which may have to wait until its container is there. */
class TenantCall implements UpstreamExchange {
  readonly #call: UpstreamCall;
  readonly #sink: UpstreamSink;
  #inner: UpstreamExchange | undefined;
  #leave: (() => void) | undefined;
  #isOver = false;

  constructor(call: UpstreamCall, sink: UpstreamSink, place: Place) {
    this.#call = call;
    this.#sink = sink;
    const ready = place.ready;
    if (ready) this.#enter(ready);
    else this.#wait(place);
  }

  get sent(): boolean {
    return this.#inner?.sent === true;
  }

  resume(): void {
    this.#inner?.resume();
  }

  abort(): void {
    this.#finish();
    this.#inner?.abort();
  }

  #wait(place: Place): void {
    const fail = (error: GatehouseError) => {
      clearTimeout(timer);
      if (this.#finish()) this.#sink.onError(error);
    };
    // How long a call takes counts from its start; the container may go on starting for others.
    const { totalMs } = this.#call.timeouts;
    const timer = totalMs > 0 ? setTimeout(() => fail(new GatehouseError('upstream_timeout')), totalMs) : undefined;
    place.open().then(
      (tenant) => {
        clearTimeout(timer);
        this.#enter(tenant);
      },
      (thrown: unknown) => fail(asGatehouseError(thrown)),
    );
  }

  #enter(tenant: Tenant): void {
    if (this.#isOver) return;
    tenant.inFlight++;
    this.#leave = () => {
      this.#leave = undefined;
      tenant.inFlight--;
      tenant.touch();
    };
    this.#inner = tenant.upstream.start(this.#call, {
      onHead: (status, headers) => this.#sink.onHead(status, headers),
      onData: (chunk) => this.#sink.onData(chunk),
      onEnd: () => void (this.#finish() && this.#sink.onEnd()),
      onError: (error) => void (this.#finish() && this.#sink.onError(error)),
    });
  }

  /** True the first time. */
  #finish(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#leave?.();
    return true;
  }
}
