/**
 * One child, or one event stream, as a JSON-RPC peer: ids are minted here, so callers can't collide (SECURITY C5), and
 * whoever waits for an answer is told when the connection ends. "Child" stands for the server at the other end.
 */
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import type { Log } from '#core/log.ts';
import { findMember } from '#mcp/message.ts';
import type { PendingCall } from './call.ts';
import { errorLine, type Line, mintedNumber, notificationLine, parseLine, rawOf } from './line.ts';
import type { Delivery, Wire } from './wire.ts';

export interface ConnectionEvents {
  /** A request or notification of the child. */
  onMessage(line: Line, connection: Connection): void;
  /** Before those are told who wait for an answer. */
  onEnd(connection: Connection): void;
}

export interface Waiting {
  /** Undefined for what the gateway itself asked. */
  readonly call: PendingCall | undefined;
  answered(line: Line): void;
  /** `error`: what their callers hear; undefined: an answer in the server's place. */
  lost(error: GatehouseError | undefined): void;
}

export interface ConnectionOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly events: ConnectionEvents;
  /** Lines that are no JSON-RPC, within a minute, before the child is ended. */
  readonly maxGarbagePerMinute: number;
  /** Answers waited for at once. Default: no limit. */
  readonly maxWaiting?: number;
}

export interface WireEvents {
  onMessage(message: Buffer): void;
  onEnd(error?: GatehouseError): void;
}

/** Unread input that a child may leave in its pipe before new calls are refused. */
const MAX_PENDING_BYTES = 4 * 1024 * 1024;

const ABANDONED_MS = 60_000;

/** How long after an answer the child may still speak about that call. */
const ECHO_MS = 5000;

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #wire: Wire;
  readonly #waiting = new Map<number, Waiting>();
  readonly startedAt: number;
  #lastUsedAt: number;
  #nextId = 1;
  #garbage = 0;
  #garbageSince = 0;
  #initialized = false;
  #ended = false;
  /** Whose call ended last, and until when an echo of one before it, of somebody else, may come. */
  #last: { readonly of: object; readonly at: number } | undefined;
  #mixedUntil = Number.NEGATIVE_INFINITY;
  /** Takes no new calls: it is being stopped, or too old. */
  retired = false;
  /** The child's answer to `initialize`, kept for every later client of it. */
  initialize: Line | undefined;

  /** Throws what `open` throws. */
  constructor(open: (events: WireEvents) => Wire, options: ConnectionOptions) {
    this.#options = options;
    this.startedAt = this.#lastUsedAt = options.clock.monotonic();
    this.#wire = open({ onMessage: (bytes) => this.#onMessage(bytes), onEnd: (error) => this.#onEnd(error) });
  }

  get usable(): boolean {
    return !this.#ended && !this.retired;
  }

  /** There is no such program, or it may not be run. */
  get unspawned(): boolean {
    return this.#wire.unopened;
  }

  get alive(): boolean {
    return !this.#ended;
  }

  get busy(): boolean {
    return this.#waiting.size > 0;
  }

  get lastUsedAt(): number {
    return this.#lastUsedAt;
  }

  /** Registers who waits for the answer to the id it returns. Throws GatehouseError `upstream_busy`, `upstream_broken`. */
  register(waiting: Waiting): number {
    if (this.#ended) throw new GatehouseError('upstream_broken');
    const { maxWaiting = Number.POSITIVE_INFINITY } = this.#options;
    if (this.#wire.pendingBytes > MAX_PENDING_BYTES || this.#waiting.size >= maxWaiting)
      throw new GatehouseError('upstream_busy');
    const id = this.#nextId++;
    this.#waiting.set(id, waiting);
    this.#lastUsedAt = this.#options.clock.monotonic();
    return id;
  }

  forget(id: number): void {
    const call = this.#waiting.get(id)?.call;
    this.#waiting.delete(id);
    const now = this.#options.clock.monotonic();
    this.#lastUsedAt = now;
    if (!call) return;
    const of = this.#partyOf(call);
    if (this.#last && this.#last.of !== of) this.#mixedUntil = this.#last.at + ECHO_MS;
    this.#last = { of, at: now };
  }

  /** Nobody but this call's party had a call here so lately that the child may still speak about it. */
  isAlone(call: PendingCall): boolean {
    const now = this.#options.clock.monotonic();
    const last = this.#last;
    return now >= this.#mixedUntil && (!last || last.of === this.#partyOf(call) || now - last.at >= ECHO_MS);
  }

  /** The modern era has no sessions: there each call stands for itself. */
  #partyOf(call: PendingCall): object {
    return this.initialize ? call.set : call;
  }

  /**
   * Nobody waits for the answer any more, but the child may still be at it: until then it counts as a call in flight, so
   * that what the child asks meanwhile isn't taken for another caller's.
   */
  abandon(id: number, reason: string): void {
    const call = this.#waiting.get(id)?.call;
    if (!call || this.#ended) return;
    this.#waiting.set(id, { call, answered() {}, lost() {} });
    setTimeout(() => this.#waiting.delete(id), ABANDONED_MS).unref();
    this.write(notificationLine('notifications/cancelled', { requestId: id, reason }));
  }

  *calls(): Generator<PendingCall> {
    for (const { call } of this.#waiting.values()) if (call) yield call;
  }

  find(id: number | undefined): PendingCall | undefined {
    return id === undefined ? undefined : this.#waiting.get(id)?.call;
  }

  write(message: Buffer, delivery?: Delivery): void {
    this.#wire.write(message, delivery);
  }

  /** Once per child, whoever asks first: the clients' own ones are not passed on. */
  sendInitialized(): void {
    if (this.#initialized || !this.initialize) return;
    this.#initialized = true;
    this.write(notificationLine('notifications/initialized'));
  }

  /** A request of the gateway itself. Rejects with GatehouseError `upstream_timeout`, `upstream_unreachable`, or a Refusal. */
  ask(method: string, params: Buffer, timeoutMs: number): Promise<Line> {
    return new Promise((resolve, reject) => {
      const id = this.register({
        call: undefined,
        answered(line) {
          clearTimeout(timer);
          resolve(line);
        },
        lost(error) {
          clearTimeout(timer);
          reject(error ?? new GatehouseError('upstream_unreachable'));
        },
      });
      const drop = (error: Error) => {
        clearTimeout(timer);
        this.forget(id);
        reject(error);
      };
      const timer = setTimeout(() => drop(new GatehouseError('upstream_timeout')), timeoutMs);
      const head = `{"jsonrpc":"2.0","id":${id},"method":"${method}","params":`;
      this.write(Buffer.concat([Buffer.from(head), params, Buffer.from('}')]), {
        wanted: true,
        onSent() {},
        onFailed: drop,
      });
    });
  }

  async stop(): Promise<void> {
    this.retired = true;
    await this.#wire.stop();
  }

  #onMessage(bytes: Buffer): void {
    let line: Line;
    try {
      line = parseLine(bytes);
    } catch {
      this.#onGarbage(bytes);
      return;
    }
    if (line.kind !== 'response') {
      this.#options.events.onMessage(line, this);
      return;
    }
    const id = mintedNumber(line, line.id);
    const waiting = id === undefined ? undefined : this.#waiting.get(id);
    const isAnswer = findMember(line.members, 'result') ?? findMember(line.members, 'error');
    if (id === undefined || !waiting || !isAnswer) {
      this.#options.log.debug({}, 'a child answered what nobody waits for');
      return;
    }
    this.forget(id);
    waiting.answered(line);
  }

  /** Dropped and counted; if it was meant as an answer, its caller hears so now rather than by timeout. */
  #onGarbage(bytes: Buffer): void {
    const now = this.#options.clock.monotonic();
    if (now - this.#garbageSince > 60_000) {
      this.#garbageSince = now;
      this.#garbage = 0;
    }
    this.#options.log.warn({ bytes: bytes.length }, 'a child wrote a line that is not JSON-RPC');
    if (++this.#garbage >= this.#options.maxGarbagePerMinute) {
      this.#wire.kill('garbage');
      return;
    }
    const id = looseId(bytes);
    const waiting = id === undefined ? undefined : this.#waiting.get(id);
    if (id === undefined || !waiting) return;
    this.forget(id);
    waiting.answered(parseLine(errorLine(String(id), -32603, 'Upstream server sent an invalid message')));
  }

  #onEnd(error: GatehouseError | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.retired = true;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#options.events.onEnd(this);
    for (const { lost } of waiting) lost(error);
  }
}

/** The id of a message that JSON.parse takes and the strict scanner does not. */
function looseId(bytes: Buffer): number | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    if (value === null || typeof value !== 'object' || 'method' in value || !('id' in value)) return undefined;
    return typeof value.id === 'number' ? value.id : undefined;
  } catch {
    return undefined;
  }
}

/** The raw `result` of an answer, or undefined when it is an error. */
export function resultOf(line: Line): Buffer | undefined {
  const result = findMember(line.members, 'result');
  return result && rawOf(line, result);
}
