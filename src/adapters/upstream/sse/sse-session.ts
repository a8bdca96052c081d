/** One session: one event stream of the server, and the router between it and the one client that may use it. */
import { Connection, resultOf } from '#adapters/upstream/message-stream/connection.ts';
import { type Line, rawOf } from '#adapters/upstream/message-stream/line.ts';
import { Router, type Session } from '#adapters/upstream/message-stream/router.ts';
import type { UpstreamCall } from '#adapters/upstream/upstream.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import type { Log } from '#core/log.ts';
import { findMember } from '#mcp/message.ts';
import { SseWire, type SseWireParts } from './sse-wire.ts';

export interface SseSessionParts {
  readonly id: string;
  /** Who may use it: equal for calls of the same organization, principal, credential and partition. */
  readonly owner: string;
  readonly call: UpstreamCall;
  readonly wire: Omit<SseWireParts, 'headers' | 'openMs'>;
  readonly clock: Clock;
  readonly log: Log;
  /** How long a question of the server waits for a stream to be asked on. */
  readonly questionMs: number;
  readonly maxGarbagePerMinute: number;
  readonly maxWaiting: number;
  readonly onEnd: (session: SseSession) => void;
}

/** Where neither timeout is set. */
const OPEN_MS = 10_000;

export class SseSession {
  readonly id: string;
  readonly owner: string;
  readonly router: Router;
  readonly connection: Connection;
  readonly #clock: Clock;
  readonly #opened: Promise<void>;
  readonly #openBy: number;
  #headers: Record<string, string>;
  #usedAt: number;
  #asked = false;
  #ready = false;

  constructor(parts: SseSessionParts) {
    const { id, owner, call, clock, log, questionMs, maxGarbagePerMinute, maxWaiting } = parts;
    this.id = id;
    this.owner = owner;
    this.#clock = clock;
    this.#usedAt = clock.monotonic();
    this.#headers = outgoing(call.headers);
    this.router = new Router({ shared: false, log, patienceMs: questionMs });
    const openMs = shortest(call.timeouts.headersMs, call.timeouts.totalMs) ?? OPEN_MS;
    this.#openBy = this.#usedAt + openMs;
    let opened: Promise<void> = Promise.resolve();
    this.connection = new Connection(
      (events) => {
        const wire = new SseWire({ ...parts.wire, openMs, headers: () => this.#headers }, events);
        opened = wire.opened;
        return wire;
      },
      {
        ...{ clock, log, maxGarbagePerMinute, maxWaiting },
        events: {
          onMessage: (line, connection) => this.router.fromChild(line, connection),
          onEnd: () => {
            this.router.close();
            parts.onEnd(this);
          },
        },
      },
    );
    this.#opened = opened;
  }

  /** `initialize` was answered, and the stream is there. */
  get ready(): boolean {
    return this.#ready && this.connection.usable;
  }

  /** `initialize` may have reached the server. */
  get asked(): boolean {
    return this.#asked;
  }

  get routed(): Session {
    return this.router.session(this.id);
  }

  get isIdle(): boolean {
    return this.#ready && !this.connection.busy && !this.router.hasStreams;
  }

  /** Monotonic milliseconds. */
  get usedAt(): number {
    return Math.max(this.#usedAt, this.connection.lastUsedAt);
  }

  /** The server's answer, which may be an error. Throws GatehouseError or Refusal. */
  async initialize(line: Line): Promise<Line> {
    await this.#opened;
    const params = findMember(line.members, 'params');
    const leftMs = Math.max(1, this.#openBy - this.#clock.monotonic());
    this.#asked = true;
    const answer = await this.connection.ask('initialize', params ? rawOf(line, params) : Buffer.from('{}'), leftMs);
    if (!resultOf(answer)) return answer;
    if (!this.connection.usable) throw new GatehouseError('upstream_broken');
    this.connection.initialize = answer;
    this.#ready = true;
    this.router.session(this.id);
    return answer;
  }

  /** Posts from here on carry what this call carries. */
  use(call: UpstreamCall): void {
    this.#headers = outgoing(call.headers);
    this.#usedAt = this.#clock.monotonic();
  }

  async close(): Promise<void> {
    await this.connection.stop();
  }
}

/** Fields of streamable HTTP that a server of this transport must not see, and those that each request sets itself. */
const own = new Set(['accept', 'content-type', 'content-length', 'mcp-session-id', 'last-event-id']);

function outgoing(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !own.has(name)));
}

function shortest(...timeouts: readonly number[]): number | undefined {
  const set = timeouts.filter((ms) => ms > 0);
  return set.length === 0 ? undefined : Math.min(...set);
}
