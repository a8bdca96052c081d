/**
 * One message of a channel as one HTTP exchange: the rooms read the request and write the response as if both were Node's;
 * what they write leaves as JSON-RPC messages.
 */
import { StringDecoder } from 'node:string_decoder';
import { createParser, type EventSourceParser } from 'eventsource-parser';
import { GatehouseError } from '#core/error.ts';
import { isJsonObject, type JsonObject, objectIn, parseJsonObject } from '#core/json.ts';
import { rpcErrorBody } from '#gateway/render.ts';
import type { ClientRequest, ClientResponse } from '#http/exchange.ts';
import type { Message } from '#mcp/message.ts';

export interface VirtualRequestOptions {
  readonly method: 'POST' | 'GET' | 'DELETE';
  readonly url: string | undefined;
  readonly rawHeaders: readonly string[];
  readonly socket: ClientRequest['socket'];
  readonly body?: Buffer;
}

export class VirtualRequest implements ClientRequest {
  readonly method: string;
  readonly url: string | undefined;
  readonly httpVersion = '1.1';
  readonly rawHeaders: readonly string[];
  readonly headers = {};
  readonly socket: ClientRequest['socket'];
  readonly destroyed = false;
  readonly readableEnded = false;
  readonly #body: Buffer | undefined;

  constructor({ method, url, rawHeaders, socket, body }: VirtualRequestOptions) {
    this.method = method;
    this.url = url;
    this.rawHeaders = rawHeaders;
    this.socket = socket;
    this.#body = body;
  }

  /** All of the body is there: whoever listens for its parts gets them next. */
  on(event: 'data' | 'end' | 'close' | 'error', listener: (chunk: Buffer) => void): void {
    const body = this.#body ?? Buffer.alloc(0);
    if (event === 'end' || (event === 'data' && body.length > 0)) queueMicrotask(() => listener(body));
  }
}

/** Where the messages of a response go. */
export interface Outlet {
  /** False: no more until `onDrain`. */
  send(text: string): boolean;
  readonly isFull: boolean;
  onDrain(listener: () => void): void;
  /** Room for so many bytes that must be held whole; false: there is none. */
  hold(bytes: number): boolean;
  release(bytes: number): void;
}

export interface VirtualResponseOptions {
  readonly outlet: Outlet;
  /** What is answered; undefined: nothing that could be read, or no message. */
  readonly message: Message | undefined;
  /** What of it is said on the channel; default: all of it. */
  readonly says?: 'all' | 'events' | 'nothing';
  readonly onHead?: (status: number, headers: ReadonlyMap<string, string>) => void;
  /** A message that is not a notification. */
  readonly onAnswer?: (answer: JsonObject) => void;
  /** Once: nothing more comes of it. `ok`: it was not refused. */
  readonly onOver: (ok: boolean) => void;
}

/** SECURITY 3.3: one event. */
const MAX_EVENT_CHARS = 4_194_304;

const broken = () => new GatehouseError('upstream_broken');

export class VirtualResponse implements ClientResponse {
  readonly messagesOnly = true;
  headersSent = false;
  destroyed = false;
  readonly #options: VirtualResponseOptions;
  readonly #drains: (() => void)[] = [];
  readonly #closes: (() => void)[] = [];
  #status = 0;
  #headers: ReadonlyMap<string, string> = new Map();
  #events: EventSourceParser | undefined;
  #decoder: StringDecoder | undefined;
  #chunks: Buffer[] = [];
  #held = 0;
  #answered = false;
  #over = false;

  constructor(options: VirtualResponseOptions) {
    this.#options = options;
  }

  get socket(): { readonly writableEnded: boolean } | null {
    return this.destroyed ? null : { writableEnded: false };
  }

  get writableNeedDrain(): boolean {
    return this.#options.outlet.isFull;
  }

  setHeader(): void {
    // What browsers may read of an answer was decided when the channel was opened.
  }

  writeHead(status: number, headers: Readonly<Record<string, string | number>>): void {
    this.headersSent = true;
    this.#status = status;
    this.#headers = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value)]));
    if (status < 400 && /^text\/event-stream\b/i.test(this.#headers.get('content-type') ?? '')) this.#openEvents();
    this.#options.onHead?.(status, this.#headers);
  }

  flushHeaders(): void {
    // A head alone is no message.
  }

  write(chunk: Buffer): boolean {
    if (this.#over) return true;
    if (this.#events && this.#decoder) {
      this.#events.feed(this.#decoder.write(chunk));
      return this.#waitIfFull();
    }
    if ((this.#options.says ?? 'all') !== 'all') return true;
    if (this.#options.outlet.hold(chunk.length)) {
      this.#held += chunk.length;
      this.#chunks.push(chunk);
      return true;
    }
    this.#fail(new GatehouseError('upstream_broken', { message: 'The answer is too large for this channel' }));
    return true;
  }

  end(chunk?: string | Buffer, encoding?: BufferEncoding): void {
    if (chunk !== undefined) this.write(typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk);
    if (this.#over) return;
    if (!this.#events) this.#answerWhole();
    this.#finish(this.#status < 400);
  }

  /** Broken off by the rooms. */
  destroy(): void {
    this.destroyed = true;
    this.#finish(false);
  }

  /** Broken off by the client, or for it: nothing more is said. */
  abort(): void {
    if (this.#over) return;
    this.#answered = true;
    this.destroyed = true;
    this.#finish(false);
    for (const listener of this.#closes) listener();
  }

  on(event: 'drain' | 'close', listener: () => void): void {
    (event === 'drain' ? this.#drains : this.#closes).push(listener);
  }

  #openEvents(): void {
    this.#decoder = new StringDecoder('utf8');
    this.#events = createParser({
      maxBufferSize: MAX_EVENT_CHARS,
      onEvent: ({ data }) => this.#say(data),
      onError: ({ type }) => {
        if (type === 'max-buffer-size-exceeded') this.#fail(broken());
      },
    });
  }

  #waitIfFull(): boolean {
    const { outlet } = this.#options;
    if (!outlet.isFull) return true;
    outlet.onDrain(() => {
      for (const listener of this.#drains) listener();
    });
    return false;
  }

  /** One event's data. What is no message is nothing to a client. */
  #say(data: string): void {
    if (this.#over || this.#options.says === 'nothing') return;
    const said = asMessage(data);
    if (!said) return;
    if (said.method === undefined) {
      this.#answered ||= this.#isAnswer(said);
      this.#options.onAnswer?.(said);
    }
    this.#options.outlet.send(data);
  }

  #isAnswer({ id }: JsonObject): boolean {
    const own = this.#options.message?.id;
    if (own === undefined || id === undefined) return false;
    // Servers may write a number otherwise than it came.
    return JSON.parse(own.toString()) === JSON.parse(JSON.stringify(id));
  }

  /** A body of one piece: an answer, an error, or a page of somebody in between. */
  #answerWhole(): void {
    const { message, says = 'all' } = this.#options;
    if (says !== 'all' || (message && message.kind !== 'request')) return;
    const text = Buffer.concat(this.#chunks).toString();
    const said = asMessage(text);
    if (!said) return;
    this.#answered = true;
    this.#options.onAnswer?.(said);
    this.#options.outlet.send(this.#completed(said) ?? text);
  }

  /** Refusals from before the message was read lack its id; what HTTP says in the head goes into the error. */
  #completed(said: JsonObject): string | undefined {
    const { message } = this.#options;
    const error = objectIn(said, 'error');
    if (!error) return undefined;
    const retryAfter = Number(this.#headers.get('retry-after'));
    const data = retryAfter > 0 && error.data === undefined ? { data: { retryAfterSeconds: retryAfter } } : {};
    const idText = said.id === null || said.id === undefined ? (message?.id?.toString() ?? 'null') : undefined;
    if (idText === undefined && !('data' in data)) return undefined;
    const id = idText ?? JSON.stringify(said.id);
    return `{"jsonrpc":"2.0","id":${id},"error":${JSON.stringify({ ...error, ...data })}}`;
  }

  #fail(error: GatehouseError): void {
    if (this.#over) return;
    this.#apologize(error);
    this.abort();
  }

  /** Nobody waits for an answer that will not come. */
  #apologize(error: GatehouseError): void {
    const { message, outlet } = this.#options;
    if (this.#answered || message?.kind !== 'request') return;
    this.#answered = true;
    outlet.send(rpcErrorBody(error, message.id));
  }

  #finish(ok: boolean): void {
    if (this.#over) return;
    this.#apologize(broken());
    this.#over = true;
    this.#options.outlet.release(this.#held);
    this.#chunks = [];
    this.#events = undefined;
    this.#options.onOver(ok);
  }
}

function asMessage(text: string): JsonObject | undefined {
  try {
    const value = parseJsonObject(text);
    return isJsonObject(value) && value.jsonrpc === '2.0' ? value : undefined;
  } catch {
    return undefined;
  }
}
