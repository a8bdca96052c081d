/**
 * Servers that speak HTTP+SSE, the transport of 2024-11-05: a GET opens an event stream, its first event names the
 * address for posts, and every answer comes on the stream. Here they look like a small streamable-HTTP server of the
 * legacy era: one event stream per session, ours as long as the session lives.
 */
import { Pool } from 'undici';
import { Answer, readAccept } from '#adapters/upstream/message-stream/answer.ts';
import { PendingCall } from '#adapters/upstream/message-stream/call.ts';
import { type Line, parseLine, splice } from '#adapters/upstream/message-stream/line.ts';
import {
  answerFailure,
  idOf,
  local,
  noSession,
  nothing,
  type Request,
  refuseModern,
} from '#adapters/upstream/message-stream/local-answers.ts';
import { passCancelled } from '#adapters/upstream/message-stream/router.ts';
import type { Delivery } from '#adapters/upstream/message-stream/wire.ts';
import { parseTarget, type Target } from '#adapters/upstream/target.ts';
import type {
  Upstream,
  UpstreamCall,
  UpstreamDeps,
  UpstreamExchange,
  UpstreamSink,
} from '#adapters/upstream/upstream.ts';
import { asGatehouseError, GatehouseError } from '#core/error.ts';
import type { SseTransport } from '#core/transport.ts';
import type { PostRoom } from './post.ts';
import { mintSseSessionId } from './session-id.ts';
import { SseSession } from './sse-session.ts';

export interface SseUpstreamOptions extends UpstreamDeps {
  readonly transport: SseTransport;
  /** Concurrent posts of all sessions; `queue` more may wait. */
  readonly connections: number;
  readonly queue: number;
  /** undici connector: where private addresses are refused. Undefined: undici's own. */
  readonly connect?: Pool.Options['connect'];
  readonly connectTimeoutMs: number;
  readonly limits?: Partial<SseLimits>;
}

export interface SseLimits {
  /** Each is a socket, here and at the server. */
  readonly sessions: number;
  readonly sessionsPerOwner: number;
  /** A session without call and stream ends after this long; its client starts another on the 404. */
  readonly idleMs: number;
  readonly sweepMs: number;
  /** Until the server says that it took a message. */
  readonly postMs: number;
  readonly questionMs: number;
  /** Calls in flight per session. */
  readonly waiting: number;
  /** Characters. */
  readonly eventLength: number;
  readonly garbagePerMinute: number;
}

const defaults: SseLimits = {
  sessions: 1000,
  sessionsPerOwner: 50,
  idleMs: 900_000,
  sweepMs: 30_000,
  postMs: 60_000,
  questionMs: 2000,
  waiting: 256,
  eventLength: 4 * 1024 * 1024,
  garbagePerMinute: 20,
};

export function openSseUpstream(options: SseUpstreamOptions): Upstream {
  return new SseUpstream(options);
}

class SseUpstream implements Upstream {
  readonly #options: SseUpstreamOptions;
  readonly #limits: SseLimits;
  readonly #target: Target;
  readonly #streams: Pool;
  readonly #room: PostRoom;
  readonly #sessions = new Map<string, SseSession>();
  readonly #sweeper: NodeJS.Timeout;
  #closed = false;

  constructor(options: SseUpstreamOptions) {
    this.#options = options;
    this.#limits = { ...defaults, ...options.limits };
    this.#target = parseTarget(options.transport.url);
    const pool = (connections: number | null) =>
      new Pool(this.#target.origin, {
        connections,
        pipelining: 1,
        keepAliveTimeout: 30_000,
        maxHeaderSize: 64 * 1024,
        allowH2: false,
        connect: options.connect ?? { timeout: options.connectTimeoutMs },
      });
    // Streams stay open for hours: they must not take the posts' connections.
    this.#streams = pool(null);
    this.#room = { pool: pool(options.connections), used: 0, limit: options.connections + options.queue };
    this.#sweeper = setInterval(() => this.#sweep(), this.#limits.sweepMs).unref();
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
    await Promise.all([...this.#sessions.values()].map((session) => session.close()));
    await Promise.all([this.#streams.destroy(), this.#room.pool.destroy()]);
  }

  #start(call: UpstreamCall, answer: Answer): UpstreamExchange {
    if (call.method !== 'POST') {
      if (call.era === 'modern') return local(answer, () => answer.bare(405));
      return call.method === 'GET' ? this.#startStream(call, answer) : this.#endSession(call, answer);
    }
    const request = { call, line: parseLine(call.body ?? Buffer.alloc(0)), answer };
    if (call.era === 'legacy') return this.#startLegacy(request);
    return local(answer, () => (request.line.kind === 'request' ? refuseModern(request) : answer.bare(202)));
  }

  #startLegacy(request: Request): UpstreamExchange {
    const { call, line, answer } = request;
    if (line.method === 'initialize' && line.kind === 'request') return this.#startInitialize(request);
    const session = this.#findSession(call);
    if (!session) return local(answer, () => noSession(request));
    session.use(call);
    return line.kind === 'request' ? startCall(request, session) : startDelivery(request, session);
  }

  #startInitialize({ call, line, answer }: Request): UpstreamExchange {
    const session = this.#openSession(call);
    const discard = () => void session.close();
    answer.onDone = () => {
      if (!session.ready) discard();
    };
    const done = (result: Line) => {
      const bytes = result.id ? splice(result.bytes, [{ at: result.id, value: idOf(line) }]) : result.bytes;
      if (session.ready) answer.finish(bytes, 200, { 'mcp-session-id': session.id });
      else answer.finish(bytes);
    };
    const fail = (thrown: unknown) => {
      discard();
      answerFailure(line, answer, thrown);
    };
    session.initialize(line).then(done).catch(fail);
    return {
      get sent() {
        return session.asked;
      },
      abort() {
        answer.detach();
      },
      resume: () => answer.resume(),
    };
  }

  #openSession(call: UpstreamCall): SseSession {
    const { clock, log } = this.#options;
    const { postMs, eventLength, questionMs, garbagePerMinute, waiting } = this.#limits;
    const owner = ownerOf(call);
    const path = this.#target.path(call.partition);
    this.#makeRoom(owner);
    const session = new SseSession({
      id: mintSseSessionId(),
      ...{ owner, call, clock, log, questionMs },
      maxGarbagePerMinute: garbagePerMinute,
      maxWaiting: waiting,
      wire: {
        origin: this.#target.origin,
        path,
        streams: this.#streams,
        room: this.#room,
        postMs,
        maxEventLength: eventLength,
      },
      onEnd: ({ id }) => this.#sessions.delete(id),
    });
    this.#sessions.set(session.id, session);
    return session;
  }

  /** Ends the idle session that was used longest ago where there are too many. Throws GatehouseError `upstream_busy`. */
  #makeRoom(owner: string): void {
    const all = [...this.#sessions.values()];
    const own = all.filter((session) => session.owner === owner);
    const among =
      own.length >= this.#limits.sessionsPerOwner ? own : all.length >= this.#limits.sessions ? all : undefined;
    if (!among) return;
    const [oldest] = among.filter((session) => session.isIdle).sort((a, b) => a.usedAt - b.usedAt);
    if (!oldest) throw new GatehouseError('upstream_busy', { retryAfterSeconds: 5 });
    void oldest.close();
  }

  #startStream(call: UpstreamCall, answer: Answer): UpstreamExchange {
    const session = this.#findSession(call);
    return local(answer, () => {
      if (!session?.ready) noSession({ call, line: nothing, answer });
      else if (!answer.canStream) answer.bare(406);
      else session.router.openStream(session.routed, answer);
    });
  }

  #endSession(call: UpstreamCall, answer: Answer): UpstreamExchange {
    const session = this.#findSession(call);
    if (session) void session.close();
    return local(answer, () => (session ? answer.bare(200) : noSession({ call, line: nothing, answer })));
  }

  /** Another's session is as unknown as none. */
  #findSession(call: UpstreamCall): SseSession | undefined {
    const session = call.sessionId === undefined ? undefined : this.#sessions.get(call.sessionId);
    return session?.ready && session.owner === ownerOf(call) ? session : undefined;
  }

  #sweep(): void {
    const oldest = this.#options.clock.monotonic() - this.#limits.idleMs;
    for (const session of this.#sessions.values()) {
      if (session.isIdle && session.usedAt <= oldest) void session.close();
    }
  }
}

function ownerOf({ org, principal, credentialKey, partition }: UpstreamCall): string {
  return JSON.stringify([org, principal, credentialKey, partition ?? '']);
}

function startCall({ call, line, answer }: Request, session: SseSession): UpstreamExchange {
  const { routed } = session;
  const pending = new PendingCall({ line, answer, era: call.era, timeouts: call.timeouts, set: routed });
  try {
    pending.send(session.connection);
    session.router.onCall(line, routed);
  } catch (thrown) {
    queueMicrotask(() => pending.refuse(asGatehouseError(thrown)));
  }
  return {
    get sent() {
      return pending.sent;
    },
    abort: () => pending.abort(),
    resume: () => answer.resume(),
  };
}

/** A notification, or an answer to a question of the server: 202 when the server has it, so that order is kept. */
function startDelivery({ call, line, answer }: Request, session: SseSession): UpstreamExchange {
  let sent = false;
  let over = false;
  const { headersMs, totalMs } = call.timeouts;
  const ms = Math.min(headersMs || totalMs, totalMs || headersMs);
  const late = () => answer.fail(new GatehouseError('upstream_timeout'));
  const timer = ms > 0 ? setTimeout(late, ms) : undefined;
  answer.onDone = () => {
    over = true;
    clearTimeout(timer);
  };
  const delivery: Delivery = {
    get wanted() {
      return !over;
    },
    onSent() {
      sent = true;
    },
    onTaken: () => answer.bare(202),
    onFailed: (error) => answerFailure(line, answer, error),
  };
  const accepted = () => queueMicrotask(() => answer.bare(202));
  if (line.kind === 'response') {
    if (!session.router.fromClient(line, session.routed, delivery)) accepted();
  } else if (line.method === 'notifications/cancelled') {
    passCancelled(line, session.routed);
    accepted();
  } else session.connection.write(line.bytes, delivery);
  return {
    get sent() {
      return sent;
    },
    abort: () => answer.detach(),
    resume: () => answer.resume(),
  };
}
