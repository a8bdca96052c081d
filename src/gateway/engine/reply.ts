/**
 * An answer that the gateway writes itself: one JSON object, or events as soon as there is something to say before the
 * answer. The call's record is in the spool before the last byte, a stream's before its first (DESIGN ruling 28).
 */
import type { GatehouseError } from '#core/error.ts';
import type { JsonObject } from '#core/json.ts';
import type { Access } from '#gateway/authorize.ts';
import { type Received, requestIdOf } from '#gateway/call.ts';
import type { Outcome } from '#gateway/relay.ts';
import { rpcErrorBody } from '#gateway/render.ts';

export interface ReplyDeps {
  readonly account: (call: Received, outcome: Outcome, done: () => void) => void;
  readonly refuse: (call: Received, error: GatehouseError) => void;
  readonly watch: (answer: Reply) => () => void;
  readonly monotonic: () => number;
  /** Unix milliseconds; what only waits isn't held open for longer. */
  readonly endsAt: number | undefined;
}

/** A reader that lets this much pile up is cut off. */
const MAX_UNREAD_BYTES = 16_777_216;

/** Less than this may wait in the buffers of a connection. */
const UNREAD_BYTES = 262_144;

const CLOSE = Buffer.from('}');

export class Reply {
  readonly #call: Received;
  readonly #deps: ReplyDeps;
  readonly #abort = new AbortController();
  #waiting: string[] | undefined = [];
  /** From here on the answer is a stream; `#open` once its head is out. */
  #starting = false;
  #open = false;
  #over = false;
  /** Bytes that were written while the reader was behind. */
  #unread = 0;
  #last: (() => void) | undefined;
  #unwatch: (() => void) | undefined;
  /** The whole answer was handed to the connection. */
  #written = false;
  #unreadYet: (() => void)[] = [];
  /** Streams that answer no call: what ends them, and what is said then. */
  #onStop: (() => void) | undefined;
  /** What the endpoint has, or what its caller may use of it, is another than it was. */
  onRenewed: ((access: Access) => void) | undefined;
  readonly headers: Record<string, string> = {};
  lastWriteAt = 0;
  readonly endsAt: number | undefined;

  constructor(call: Received, deps: ReplyDeps) {
    this.#call = call;
    this.#deps = deps;
    this.endsAt = deps.endsAt;
    call.relay = this;
    call.res.on('close', () => {
      this.#gone();
      this.#tellRead();
    });
    if (call.res.destroyed) queueMicrotask(() => this.#gone());
  }

  /** Aborted when it is over. `reason`: a GatehouseError where it was cut, `client_gone`, or `ended`. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get over(): boolean {
    return this.#over;
  }

  /** The client takes events. */
  get canStream(): boolean {
    return !this.#over && /text\/event-stream|\*\/\*/i.test(this.#call.headers.accept ?? '');
  }

  /** False: it can't be said, the answer is over or the client takes no events. */
  event(message: JsonObject): boolean {
    if (!this.canStream) return false;
    this.#write(`event: message\ndata: ${JSON.stringify(message)}\n\n`);
    return true;
  }

  /** A stream of events that answers no call: nothing has to be said for it to begin. */
  openStream(onStop: () => void): void {
    this.#onStop = onStop;
    this.#start();
  }

  /** `json`: the result as JSON text. */
  result(json: string | readonly Buffer[]): void {
    const head = `{"jsonrpc":"2.0","id":${this.#id()},"result":`;
    if (typeof json === 'string') this.finish(`${head}${json}}`, 200);
    else this.finish([Buffer.from(head), ...json, CLOSE], 200);
  }

  error(error: { readonly code: number; readonly message: string; readonly data?: unknown }, status: number): void {
    const { code, message, data } = error;
    const body = JSON.stringify({ code, message, ...(data === undefined ? {} : { data }) });
    this.finish(`{"jsonrpc":"2.0","id":${this.#id()},"error":${body}}`, status);
  }

  /** The whole answer as text; empty: no body. */
  finish(text: string | readonly Buffer[], status: number, contentType = 'application/json; charset=utf-8'): void {
    const length =
      typeof text === 'string' ? Buffer.byteLength(text) : text.reduce((sum, piece) => sum + piece.length, 0);
    this.#call.bytesOut += length;
    if (this.#starting) {
      this.#end(status, undefined, () =>
        this.#call.res.end(
          length === 0 ? undefined : `event: message\ndata: ${typeof text === 'string' ? text : text.join('')}\n\n`,
        ),
      );
      return;
    }
    this.#end(status, undefined, () => {
      const { res } = this.#call;
      res.writeHead(status, {
        ...this.#commonHeaders(),
        'Cache-Control': 'no-store',
        ...(length === 0 ? {} : { 'Content-Type': contentType }),
        'Content-Length': length,
      });
      // A short text goes out with its head in one write; long pieces are not copied.
      if (typeof text === 'string') res.end(text);
      else {
        for (const piece of text) res.write(piece);
        res.end();
      }
    });
  }

  fail(error: GatehouseError): void {
    if (this.#over) return;
    if (!this.#starting) {
      this.#over = true;
      this.#deps.refuse(this.#call, error);
      return;
    }
    const { message, res } = this.#call;
    const id = message?.kind === 'request' ? message.id : undefined;
    this.#end(200, error, () => {
      if (id) res.end(`event: message\ndata: ${rpcErrorBody(error, id)}\n\n`);
      else res.end();
    });
  }

  cut(error: GatehouseError): void {
    this.#abort.abort(error);
    this.fail(error);
  }

  /** Once the client has read the answer, or won't: until then it takes its place. At once where there is none. */
  whenRead(then: () => void): void {
    if (!this.#over || this.#call.res.destroyed) then();
    else if (this.#written && !this.#isUnread) then();
    else this.#unreadYet.push(then);
  }

  get #isUnread(): boolean {
    return (this.#call.res.writableLength ?? 0) > UNREAD_BYTES;
  }

  #tellRead(): void {
    const waiting = this.#unreadYet;
    this.#unreadYet = [];
    for (const then of waiting) then();
  }

  stop(): void {
    if (this.#onStop) this.#onStop();
  }

  /** False: it makes no difference to it. */
  renewed(access: Access): boolean {
    if (this.#over || !this.onRenewed) return false;
    this.onRenewed(access);
    return true;
  }

  beat(): void {
    if (!this.#open || this.#over || this.#call.res.writableNeedDrain) return;
    this.#write(':\n\n');
  }

  #id(): string {
    const { message } = this.#call;
    return message?.kind === 'request' && message.id ? message.id.toString('utf8') : 'null';
  }

  #commonHeaders(): Record<string, string> {
    return { 'X-Request-Id': requestIdOf(this.#call), 'X-Content-Type-Options': 'nosniff', ...this.headers };
  }

  #write(text: string): void {
    if (!this.#open) {
      this.#start();
      this.#waiting?.push(text);
      if (this.#waiting) return;
    }
    this.lastWriteAt = this.#deps.monotonic();
    this.#call.bytesOut += Buffer.byteLength(text);
    const chunk = Buffer.from(text);
    this.#unread = this.#call.res.write(chunk) ? 0 : this.#unread + chunk.length;
    if (this.#unread > MAX_UNREAD_BYTES) this.#call.res.destroy();
  }

  #start(): void {
    if (this.#open || this.#starting || this.#over) return;
    this.#starting = true;
    this.#deps.account(this.#call, { status: 200, open: true, error: undefined }, () => {
      this.#open = true;
      const { res } = this.#call;
      if (res.destroyed) return;
      res.writeHead(200, {
        ...this.#commonHeaders(),
        'Content-Type': 'text/event-stream',
        'Cache-Control': 'no-cache, no-transform',
        'X-Accel-Buffering': 'no',
      });
      res.flushHeaders();
      this.#unwatch = this.#deps.watch(this);
      const waiting = this.#waiting ?? [];
      this.#waiting = undefined;
      for (const text of waiting) this.#write(text);
      this.#last?.();
    });
  }

  #end(status: number, error: GatehouseError | undefined, done: () => void): void {
    if (this.#over) return;
    if (this.#starting && !this.#open) {
      // The stream's own record is on its way to the spool: this one comes after it.
      this.#last ??= () => this.#end(status, error, done);
      return;
    }
    this.#over = true;
    this.#unwatch?.();
    this.#abort.abort('ended');
    const { release } = this.#call;
    this.#call.release = undefined;
    this.#deps.account(this.#call, { status, open: false, error }, () => {
      done();
      this.#written = true;
      if (!this.#isUnread) this.#tellRead();
    });
    if (release) this.whenRead(release);
  }

  #gone(): void {
    if (this.#over) return;
    this.#over = true;
    this.#unwatch?.();
    this.#abort.abort('client_gone');
    this.#deps.account(
      this.#call,
      { status: this.#open ? 200 : 499, open: false, error: 'client_gone' },
      () => undefined,
    );
  }
}
