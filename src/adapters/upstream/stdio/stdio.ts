/**
 * Servers that speak over stdin and stdout, made to look like a small streamable-HTTP server: sessions for the legacy
 * era, plain requests for the modern one. A stateful server gets one child per caller and credential, a stateless one
 * shares it inside an organization; no child ever serves two organizations (SECURITY C10).
 */
import { LRUCache } from 'lru-cache';
import { Answer, readAccept } from '#adapters/upstream/message-stream/answer.ts';
import { PendingCall } from '#adapters/upstream/message-stream/call.ts';
import { type Connection, resultOf } from '#adapters/upstream/message-stream/connection.ts';
import { type Line, parseLine, splice } from '#adapters/upstream/message-stream/line.ts';
import {
  exchangeOf,
  idOf,
  local,
  noSession,
  nothing,
  type Request,
  refuseModern,
} from '#adapters/upstream/message-stream/local-answers.ts';
import { passCancelled, type Session } from '#adapters/upstream/message-stream/router.ts';
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
import type { Secret } from '#core/secret.ts';
import type { StdioTransport } from '#core/transport.ts';
import { type EraProbe, LegacyOnly, openEraProbe } from './era.ts';
import type { ProcessRunner } from './process.ts';
import { type InitializeParams, mintSessionId, openSessionId, readInitialize } from './session-id.ts';
import { Slot, type SlotOptions } from './slot.ts';

export interface StdioDeps extends UpstreamDeps {
  readonly runner: ProcessRunner;
  readonly variables?: FindVariables;
  readonly options?: Partial<StdioOptions>;
}

export interface StdioOptions extends SlotOptions {
  readonly probeMs: number;
  readonly legacyTtlMs: number;
  readonly sweepMs: number;
}

const defaults: StdioOptions = {
  startMs: 10_000,
  idleMs: 300_000,
  maxLifeMs: 3_600_000,
  drainMs: 60_000,
  backoffMs: 1000,
  maxBackoffMs: 60_000,
  healthyMs: 60_000,
  patienceMs: 2000,
  questionMs: 2000,
  maxGarbagePerMinute: 20,
  probeMs: 10_000,
  legacyTtlMs: 3_600_000,
  sweepMs: 5000,
};

/** The child refused `initialize` with this JSON-RPC error. */
class InitializeRefused extends Error {
  readonly line: Line;

  constructor(line: Line) {
    super('initialize was refused');
    this.line = line;
  }
}

export function openStdioUpstream(target: StdioTarget, deps: StdioDeps): Upstream {
  return new StdioUpstream(target, deps);
}

type StdioTarget = UpstreamTarget & { readonly transport: StdioTransport };

class StdioUpstream implements Upstream {
  readonly #target: StdioTarget;
  readonly #deps: StdioDeps;
  readonly #options: StdioOptions;
  readonly #slots = new Map<string, Slot>();
  readonly #endedSessions = new LRUCache<string, true>({ max: 10_000 });
  readonly #era: EraProbe;
  readonly #sweeper: NodeJS.Timeout;
  #closed = false;

  constructor(target: StdioTarget, deps: StdioDeps) {
    this.#target = target;
    this.#deps = deps;
    this.#options = { ...defaults, ...deps.options };
    const { probeMs, legacyTtlMs, sweepMs } = this.#options;
    this.#era = openEraProbe({ clock: deps.clock, timeoutMs: probeMs, legacyTtlMs });
    this.#sweeper = setInterval(() => this.#sweep(), sweepMs).unref();
  }

  start(call: UpstreamCall, sink: UpstreamSink): UpstreamExchange {
    const accepted = readAccept(call.headers.accept);
    const answer = new Answer(sink, accepted);
    try {
      if (this.#closed) throw new GatehouseError('shutting_down');
      if (!accepted.json && !accepted.stream && call.method !== 'DELETE') throw new GatehouseError('not_acceptable');
      return this.#start(call, answer);
    } catch (thrown) {
      return local(answer, () => answer.fail(asGatehouseError(thrown)));
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#sweeper);
    await Promise.all([...this.#slots.values()].map((slot) => slot.close()));
    this.#slots.clear();
  }

  #start(call: UpstreamCall, answer: Answer): UpstreamExchange {
    if (call.method !== 'POST') {
      if (call.era === 'modern') return local(answer, () => answer.bare(405));
      return call.method === 'GET' ? this.#startStream(call, answer) : this.#endSession(call, answer);
    }
    const request = { call, line: parseLine(call.body ?? Buffer.alloc(0)), answer };
    return call.era === 'modern' ? this.#startModern(request) : this.#startLegacy(request);
  }

  #startModern(request: Request): UpstreamExchange {
    const { call, line, answer } = request;
    if (line.kind !== 'request') return local(answer, () => answer.bare(202));
    if (this.#era.isLegacy) return local(answer, () => refuseModern(request));
    return this.#startCall(request, this.#slotOf(call, undefined), undefined);
  }

  #startLegacy(request: Request): UpstreamExchange {
    const { call, line, answer } = request;
    if (line.method === 'initialize' && line.kind === 'request') return this.#startInitialize(request);
    const found = this.#findSession(call);
    if (!found) return local(answer, () => noSession(request));
    const { slot, session } = found;
    if (line.kind === 'request') return this.#startCall(request, slot, session);
    if (line.kind === 'response') slot.router.fromClient(line, session);
    else passNotification(line, slot, session);
    return local(answer, () => answer.bare(202));
  }

  #startInitialize({ call, line, answer }: Request): UpstreamExchange {
    const init = readInitialize(line);
    const sessionId = mintSessionId(init);
    const slot = this.#slotOf(call, init);
    const clientId = idOf(line);
    const done = ({ initialize: result }: Connection) => {
      if (!result?.id) return answer.fail(new GatehouseError('upstream_broken'));
      slot.router.session(sessionId);
      answer.finish(splice(result.bytes, [{ at: result.id, value: clientId }]), 200, { 'mcp-session-id': sessionId });
    };
    const fail = (thrown: unknown) => {
      if (!(thrown instanceof InitializeRefused)) return answer.fail(asGatehouseError(thrown));
      const { line: refusal } = thrown;
      answer.finish(refusal.id ? splice(refusal.bytes, [{ at: refusal.id, value: clientId }]) : refusal.bytes);
    };
    slot.open().then(done, fail).catch(fail);
    return exchangeOf(answer);
  }

  #startCall(request: Request, slot: Slot, session: Session | undefined): UpstreamExchange {
    const { call, line, answer } = request;
    const set = session ?? slot.router.modern;
    const pending = new PendingCall({ line, answer, era: call.era, timeouts: call.timeouts, set });
    const send = (connection: Connection) => {
      try {
        connection.sendInitialized();
        pending.send(connection);
        if (session) slot.router.onCall(line, session);
      } catch (thrown) {
        pending.refuse(asGatehouseError(thrown));
      }
    };
    const fail = (thrown: unknown) => {
      if (thrown instanceof LegacyOnly) refuseModern(request);
      else if (thrown instanceof InitializeRefused) noSession(request);
      else pending.refuse(asGatehouseError(thrown));
    };
    const ready = slot.ready;
    if (ready) send(ready);
    else slot.open().then(send, fail).catch(fail);
    return {
      get sent() {
        return pending.sent;
      },
      abort: () => pending.abort(),
      resume: () => answer.resume(),
    };
  }

  #startStream(call: UpstreamCall, answer: Answer): UpstreamExchange {
    const found = this.#findSession(call);
    return local(answer, () => {
      if (!found) noSession({ call, line: nothing, answer });
      else if (!answer.canStream) answer.bare(406);
      else found.slot.router.openStream(found.session, answer);
    });
  }

  #endSession(call: UpstreamCall, answer: Answer): UpstreamExchange {
    const found = this.#findSession(call);
    if (!found) return local(answer, () => noSession({ call, line: nothing, answer }));
    const { slot, session } = found;
    this.#endedSessions.set(session.id, true);
    slot.router.forget(session.id);
    const isLast = slot.router.sessionCount === 0 && slot.evictable;
    if (isLast && this.#target.transport.state === 'stateful') slot.stop().catch(() => {});
    return local(answer, () => answer.bare(200));
  }

  #findSession(call: UpstreamCall): { readonly slot: Slot; readonly session: Session } | undefined {
    const { sessionId } = call;
    if (sessionId === undefined || this.#endedSessions.has(sessionId)) return undefined;
    const init = openSessionId(sessionId);
    if (!init) return undefined;
    const slot = this.#slotOf(call, init);
    return { slot, session: slot.router.session(sessionId) };
  }

  #slotOf(call: UpstreamCall, init: InitializeParams | undefined): Slot {
    const { transport } = this.#target;
    const shared = transport.state === 'stateless';
    const key = JSON.stringify([call.org, shared ? '' : call.principal, call.credentialKey, init?.fingerprint ?? '']);
    const known = this.#slots.get(key);
    if (known) return known;
    const { clock, log, runner, variables } = this.#deps;
    const slot = new Slot({
      spec: {
        command: transport.command,
        args: transport.args,
        env: environment(transport, call.credential),
        cwd: transport.cwd,
        label: this.#target.key,
        owner: call.org,
      },
      variables: variables && (() => variables(this.#target.id)),
      ...{ shared, clock, log, runner, options: this.#options },
      prepare: (connection) => (init ? this.#initialize(connection, init) : this.#era.check(connection)),
    });
    this.#slots.set(key, slot);
    return slot;
  }

  async #initialize(connection: Connection, init: InitializeParams): Promise<void> {
    const line = await connection.ask('initialize', init.bytes, this.#options.startMs);
    if (!resultOf(line)) throw new InitializeRefused(line);
    connection.initialize = line;
  }

  #sweep(): void {
    for (const [key, slot] of this.#slots) {
      slot.sweep();
      if (slot.empty) this.#slots.delete(key);
    }
  }
}

function passNotification(line: Line, slot: Slot, session: Session): void {
  const connection = slot.ready;
  if (!connection) return;
  connection.sendInitialized();
  if (line.method === 'notifications/initialized') return;
  if (line.method !== 'notifications/cancelled') {
    connection.write(line.bytes);
    return;
  }
  passCancelled(line, session);
}

function environment(transport: StdioTransport, credential: Secret | undefined): Record<string, string | Secret> {
  if (transport.credentialEnv === undefined || !credential) return { ...transport.env };
  return { ...transport.env, [transport.credentialEnv]: credential };
}
