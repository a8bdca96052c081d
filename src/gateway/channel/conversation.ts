/**
 * What one channel and the rooms say to each other: its messages as calls of their own, what is learnt from the answer to
 * `initialize`, the stream of what a server says by itself, and the end of it all.
 */
import type { Clock } from '#core/clock.ts';
import { type JsonObject, objectIn, stringIn } from '#core/json.ts';
import type { Asked } from '#gateway/entrance.ts';
import type { McpHandler } from '#gateway/gateway.ts';
import type { ClientRequest, ClientResponse } from '#http/exchange.ts';
import { findMember, type Message } from '#mcp/message.ts';
import {
  keptHeaders,
  type Learnt,
  mirrorHeaders,
  postHeaders,
  sessionHeaders,
  streamHeaders,
} from './channel-headers.ts';
import type { Door } from './door.ts';
import { type Outlet, VirtualRequest, VirtualResponse } from './virtual-exchange.ts';

export interface ConversationOptions {
  readonly mcp: McpHandler;
  readonly asked: Asked;
  /** The request that opened the channel. */
  readonly request: ClientRequest;
  readonly outlet: Outlet;
  readonly clock: Pick<Clock, 'monotonic'>;
}

interface Flight {
  readonly response: VirtualResponse;
  readonly message: Message | undefined;
  readonly isModern: boolean;
}

const inner: Door = { isInner: true };
/** Between two streams of what a server says by itself; doubled for each that ends at once. */
const reopenMs = { first: 1000, longest: 60_000 } as const;
const LONG_ENOUGH_MS = 30_000;

export class Conversation {
  readonly #options: ConversationOptions;
  readonly #headers: readonly string[];
  readonly #flights = new Set<Flight>();
  #learnt: Learnt = { sessionId: undefined, protocolVersion: undefined };
  #isLegacy = false;
  #stream: VirtualResponse | undefined;
  #reopening: NodeJS.Timeout | undefined;
  #pauseMs: number = reopenMs.first;
  #closed = false;

  constructor(options: ConversationOptions) {
    this.#options = options;
    this.#headers = keptHeaders(options.request.rawHeaders);
  }

  /** Of the opening request, those that say who calls and where. */
  get headers(): readonly string[] {
    return this.#headers;
  }

  get learnt(): readonly string[] {
    return sessionHeaders(this.#learnt);
  }

  /** Requests that wait for an answer. */
  get waiting(): number {
    let count = 0;
    for (const { message } of this.#flights)
      if (message?.kind === 'request' && message.method !== 'subscriptions/listen') count++;
    return count;
  }

  get size(): number {
    return this.#flights.size;
  }

  /** `message`: undefined where the bytes are none; the rooms say why. */
  post(body: Buffer, message: Message | undefined, onOver: () => void): void {
    const mirrors = message && findMirrors(message);
    if (message?.method === 'notifications/cancelled' && this.#cancel(message, mirrors !== undefined)) {
      onOver();
      return;
    }
    const rawHeaders = [
      ...this.#headers,
      ...postHeaders,
      ...(mirrors ?? (message?.method === 'initialize' ? [] : this.learnt)),
    ];
    const response = this.respond(message, { isModern: mirrors !== undefined, onOver });
    this.#handle({ method: 'POST', rawHeaders, body }, response);
  }

  /** Where the rooms write what answers a message of the channel. */
  respond(
    message: Message | undefined,
    { isModern, onOver }: { readonly isModern: boolean; readonly onOver?: () => void },
  ): VirtualResponse {
    const isInitialize = message?.kind === 'request' && message.method === 'initialize';
    const before = this.#learnt;
    let sessionId: string | undefined;
    if (isInitialize || message?.method === 'notifications/initialized') this.#isLegacy = true;
    const response = new VirtualResponse({
      outlet: this.#options.outlet,
      message,
      onHead: (_status, headers) => {
        sessionId = headers.get('mcp-session-id');
      },
      onAnswer: (answer) => {
        if (isInitialize && 'result' in answer) this.#learn(before, { sessionId, protocolVersion: versionOf(answer) });
      },
      onOver: (ok) => {
        this.#flights.delete(flight);
        if (ok && message?.method === 'notifications/initialized') this.#listen();
        onOver?.();
      },
    });
    const flight: Flight = { response, message, isModern };
    this.#flights.add(flight);
    if (this.#closed) response.abort();
    return response;
  }

  /** The client is gone, or may no longer: calls under way are broken off, its session ends. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#reopening);
    for (const { response } of [...this.#flights]) response.abort();
    this.#stream?.abort();
    this.#endSession(this.#learnt);
  }

  #handle(
    request: {
      readonly method: 'POST' | 'GET' | 'DELETE';
      readonly rawHeaders: readonly string[];
      readonly body?: Buffer;
    },
    response: ClientResponse,
  ): void {
    const { mcp, asked, request: opening } = this.#options;
    const { url, socket } = opening;
    mcp(new VirtualRequest({ ...request, url, socket }), response, { ...asked, door: inner });
  }

  #learn(before: Learnt, learnt: Learnt): void {
    if (before.sessionId !== undefined && before.sessionId !== learnt.sessionId) this.#endSession(before);
    this.#learnt = learnt;
    this.#stream?.abort();
    if (this.#closed) this.#endSession(learnt);
  }

  /**
   * In the modern era hanging up cancels a request (2026-07-28 streamable HTTP): a channel has one connection for all of
   * them, so it is told. A legacy server hears of it as it is told by HTTP.
   */
  #cancel(message: Message, isModern: boolean): boolean {
    const member = findMember(message.params, 'requestId');
    const id = member && message.bytes.toString('utf8', member.valueStart, member.valueEnd);
    for (const { response, message: asked, isModern: wasModern } of this.#flights) {
      if (wasModern && asked?.id?.toString() === id) {
        response.abort();
        return true;
      }
    }
    return isModern || !this.#isLegacy;
  }

  /** Servers that have nothing to say by themselves refuse, and are not asked again. */
  #listen(): void {
    if (this.#closed || this.#stream) return;
    const since = this.#options.clock.monotonic();
    let status = 0;
    const stream = new VirtualResponse({
      outlet: this.#options.outlet,
      message: undefined,
      says: 'events',
      onHead: (given) => {
        status = given;
      },
      onOver: () => {
        this.#stream = undefined;
        if (this.#closed || status !== 200) return;
        const isLong = this.#options.clock.monotonic() - since > LONG_ENOUGH_MS;
        this.#pauseMs = isLong ? reopenMs.first : Math.min(2 * this.#pauseMs, reopenMs.longest);
        this.#reopening = setTimeout(() => this.#listen(), this.#pauseMs).unref();
      },
    });
    this.#stream = stream;
    this.#handle({ method: 'GET', rawHeaders: [...this.#headers, ...streamHeaders, ...this.learnt] }, stream);
  }

  #endSession(learnt: Learnt): void {
    if (learnt.sessionId === undefined) return;
    const response = new VirtualResponse({
      outlet: this.#options.outlet,
      message: undefined,
      says: 'nothing',
      onOver: () => undefined,
    });
    this.#handle({ method: 'DELETE', rawHeaders: [...this.#headers, ...sessionHeaders(learnt)] }, response);
  }
}

/** An envelope that is none is for the rooms to refuse. */
function findMirrors(message: Message): string[] | undefined {
  try {
    return mirrorHeaders(message);
  } catch {
    return undefined;
  }
}

function versionOf(answer: JsonObject): string | undefined {
  const version = stringIn(objectIn(answer, 'result'), 'protocolVersion');
  return version !== undefined && /^\d{4}-\d{2}-\d{2}$/.test(version) ? version : undefined;
}
