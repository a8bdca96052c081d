/**
 * HTTP+SSE of 2024-11-05: a stream that every message of the server comes on, and an address that the client posts to. A
 * POST is a call like any other; once it is let in it is answered 202, and what answers its message goes on the stream.
 */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import type { Asked } from '#gateway/entrance.ts';
import type { McpHandler } from '#gateway/gateway.ts';
import type { LiveStream } from '#gateway/heartbeat.ts';
import type { ClientRequest, ClientResponse } from '#http/exchange.ts';
import type { Message } from '#mcp/message.ts';
import { keptHeaders, postHeaders } from './channel-headers.ts';
import { Conversation } from './conversation.ts';
import type { OpenChannel, Seat } from './door.ts';
import { Outbox } from './outbox.ts';
import type { VirtualResponse } from './virtual-exchange.ts';

export interface LegacySse {
  open(req: IncomingMessage, res: ServerResponse, asked: Asked): void;
  post(req: IncomingMessage, res: ServerResponse, asked: Asked): void;
}

export interface LegacySseDeps {
  readonly mcp: McpHandler;
  readonly clock: Clock;
}

const ID_BYTES = 24;

export function openLegacySse(deps: LegacySseDeps): LegacySse {
  const channels = new Map<string, SseChannel>();

  return {
    open(req, res, asked) {
      const open = (seat: Seat) => {
        const id = randomBytes(ID_BYTES).toString('base64url');
        const channel = new SseChannel({ ...deps, seat, asked, req, res, id, onOver: () => channels.delete(id) });
        channels.set(id, channel);
        return channel;
      };
      deps.mcp(req, res, { ...asked, door: { isInner: false, opening: { status: 200, open } } });
    },
    post(req, res, asked) {
      const id = new URLSearchParams(req.url?.split('?')[1]).get('sessionId') ?? '';
      const channel = channels.get(id);
      const answer = new AcceptedResponse(res, channel);
      deps.mcp(channel ? channel.request(req) : req, answer, {
        path: channel?.path ?? asked.path,
        entrance: asked.entrance,
        door: {
          isInner: false,
          check({ principal }) {
            if (!channel || channels.get(id) !== channel || channel.principal !== principal.key)
              throw new GatehouseError('session_unknown');
          },
          admitted: (message) => answer.accept(message),
        },
      });
    },
  };
}

interface SseChannelDeps extends LegacySseDeps {
  readonly seat: Seat;
  readonly asked: Asked;
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly id: string;
  readonly onOver: () => void;
}

class SseChannel implements OpenChannel, LiveStream {
  readonly endsAt: number | undefined;
  lastWriteAt: number;
  readonly #deps: SseChannelDeps;
  readonly #conversation: Conversation;
  readonly #unwatch: () => void;
  #end: GatehouseError | 'client_gone' | undefined = 'client_gone';
  #stopping = false;

  constructor(deps: SseChannelDeps) {
    const { seat, asked, req, res, id, mcp, clock } = deps;
    this.#deps = deps;
    this.endsAt = seat.endsAt;
    this.lastWriteAt = clock.monotonic();
    const outlet = new Outbox((text, sent) => this.#write(`event: message\n${dataOf(text)}`, sent));
    this.#conversation = new Conversation({ mcp, asked, request: req, outlet, clock });
    res.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-cache, no-transform',
      'X-Accel-Buffering': 'no',
      'X-Content-Type-Options': 'nosniff',
    });
    // A path: by whatever name the client reached the stream, it reaches the rest.
    const { pathname } = new URL(asked.entrance.baseUrl);
    this.#write(`event: endpoint\n${dataOf(`${pathname.replace(/\/$/, '')}/messages?sessionId=${id}`)}`);
    this.#unwatch = seat.watch(this);
    res.on('close', () => this.#closed());
  }

  get principal(): string {
    return this.#deps.seat.caller.principal.key;
  }

  get path(): Asked['path'] {
    return this.#deps.asked.path;
  }

  /** The message as if it had come to the endpoint itself, from the organization that the stream was opened in. */
  request(req: IncomingMessage): ClientRequest {
    return new PostedRequest(req, [
      ...keptHeaders(req.rawHeaders, 'x-organization-id'),
      ...selectorOf(this.#deps.req),
      ...posted(req),
      ...this.#conversation.learnt,
    ]);
  }

  respond(message: Message | undefined): VirtualResponse {
    return this.#conversation.respond(message, { isModern: false, onOver: () => this.#endIfIdle() });
  }

  beat(): void {
    if (!this.#deps.res.writableNeedDrain) this.#write(':\n\n');
  }

  /** Calls under way are answered first where the gateway stops. */
  stop(): void {
    if (this.endsAt !== undefined && this.endsAt <= this.#deps.clock.now()) this.#finish(undefined);
    this.#stopping = true;
    this.#endIfIdle();
  }

  cut(error: GatehouseError): void {
    this.#finish(error);
  }

  #endIfIdle(): void {
    if (this.#stopping && this.#conversation.waiting === 0) this.#finish(undefined);
  }

  #finish(error: GatehouseError | undefined): void {
    this.#end = error;
    this.#deps.res.end();
    this.#conversation.close();
  }

  #closed(): void {
    this.#unwatch();
    this.#deps.onOver();
    this.#conversation.close();
    this.#deps.seat.end(this.#end);
  }

  #write(event: string, sent?: () => void): void {
    this.lastWriteAt = this.#deps.clock.monotonic();
    this.#deps.res.write(event, () => sent?.());
  }
}

/** A line break inside an event would end its line. */
function dataOf(text: string): string {
  return `data: ${text.replaceAll(/\r\n|\r|\n/g, '\ndata: ')}\n\n`;
}

function fieldsOf({ rawHeaders }: IncomingMessage, wanted: RegExp): string[] {
  return rawHeaders.flatMap((name, i) => (i % 2 === 0 && wanted.test(name) ? [name, rawHeaders[i + 1] ?? ''] : []));
}

const selectorOf = (req: IncomingMessage) => fieldsOf(req, /^x-organization-id$/i);

/** Its body and its proof of possession are its own; old clients accept anything. */
function posted(req: IncomingMessage): string[] {
  const [, , ...accept] = postHeaders;
  return [...fieldsOf(req, /^(?:content-(?:type|length|encoding)|transfer-encoding|dpop)$/i), ...accept];
}

class PostedRequest implements ClientRequest {
  readonly rawHeaders: readonly string[];
  readonly #req: IncomingMessage;

  constructor(req: IncomingMessage, rawHeaders: readonly string[]) {
    this.#req = req;
    this.rawHeaders = rawHeaders;
  }

  get method() {
    return this.#req.method;
  }
  get url() {
    return this.#req.url;
  }
  get httpVersion() {
    return this.#req.httpVersion;
  }
  get headers() {
    return this.#req.headers;
  }
  get socket() {
    return this.#req.socket;
  }
  get destroyed() {
    return this.#req.destroyed;
  }
  get readableEnded() {
    return this.#req.readableEnded;
  }
  on(event: 'data' | 'end' | 'close' | 'error', listener: (chunk: Buffer) => void): void {
    this.#req.on(event, listener);
  }
}

/** What the rooms refuse answers the POST; once it is let in, all goes on the stream. */
class AcceptedResponse implements ClientResponse {
  readonly #res: ServerResponse;
  readonly #channel: SseChannel | undefined;
  #to: ClientResponse;

  constructor(res: ServerResponse, channel: SseChannel | undefined) {
    this.#res = res;
    this.#to = res;
    this.#channel = channel;
  }

  accept(message: Message | undefined): void {
    if (!this.#channel) return;
    this.#to = this.#channel.respond(message);
    this.#res.writeHead(202, { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' });
    this.#res.end('Accepted');
  }

  get messagesOnly(): boolean {
    return this.#to.messagesOnly ?? false;
  }
  get headersSent() {
    return this.#to.headersSent;
  }
  get destroyed() {
    return this.#to.destroyed;
  }
  get writableNeedDrain() {
    return this.#to.writableNeedDrain;
  }
  get socket() {
    return this.#to.socket;
  }
  setHeader(name: string, value: string): void {
    this.#to.setHeader(name, value);
  }
  writeHead(status: number, headers: Readonly<Record<string, string | number>>): void {
    this.#to.writeHead(status, headers);
  }
  flushHeaders(): void {
    this.#to.flushHeaders();
  }
  write(chunk: Buffer): boolean {
    return this.#to.write(chunk);
  }
  end(chunk?: string | Buffer, encoding?: BufferEncoding): void {
    this.#to.end(chunk, encoding);
  }
  destroy(): void {
    this.#to.destroy();
  }
  on(event: 'drain' | 'close', listener: () => void): void {
    this.#to.on(event, listener);
  }
}
